"""Files of holdings, as brokers and people write them: CSV and JSON, read strictly or refused row by row.

What a file may hold is bounded before it is looked at, and every number goes by a grammar of its own: `nan`, `1e999`,
`1_000` and digits of other scripts are numbers to Python, and none here.
"""

import csv
import io
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Annotated, NamedTuple

import msgspec
from msgspec import Meta

from warehouse.records.errors import FileRefused, RowProblem

MAX_BYTES = 1_000_000
MAX_ROWS = 5_000
MAX_COLUMNS = 40
MAX_FIELD = 256
MAX_QUANTITY = Decimal(10) ** 12
MAX_PRICE = Decimal(10) ** 9
DELIMITERS = ",;\t"
_NUMBER = re.compile(r"[+-]?[0-9]{1,13}(\.[0-9]{1,8})?")
_NUMBER_WITH_COMMA = re.compile(r"[+-]?[0-9]{1,13}(,[0-9]{1,8})?")
_TICKER = re.compile(r"[A-Z0-9][A-Z0-9.\-]{0,15}")
# What a header may be called, in lower case; brokers have their own words.
COLUMNS: Mapping[str, tuple[str, ...]] = {
    "ticker": ("ticker", "symbol", "instrument", "stock", "code", "isin/ticker", "kortnamn"),
    "quantity_shares": (
        "quantity_shares", "quantity", "qty", "shares", "units", "position", "amount of shares", "antal",
    ),
    "cost_price": (
        "cost_price", "average cost", "avg cost", "avg price", "average price", "price paid", "purchase price",
        "cost basis per share", "cost/share", "unit cost", "gav",
    ),
}  # fmt: skip
_FIELD_OF = {alias: field for field, aliases in COLUMNS.items() for alias in aliases}


class Holding(NamedTuple):
    """What a row of a file says: a ticker in upper case, shares (negative when short), and the price paid or None."""

    ticker: str
    quantity_shares: Decimal
    cost_price: Decimal | None
    row: int


class HoldingGiven(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One holding, as JSON has it; numbers may be written as text, which keeps all their digits."""

    ticker: Annotated[str, Meta(max_length=MAX_FIELD, description="Ticker of today; case does not matter.")]
    quantity_shares: Annotated[
        str | int | float, Meta(description="Shares held, negative when short; not 0. Unit shares.")
    ]
    cost_price: Annotated[
        str | int | float | None, Meta(description="Average price paid, null if unknown. Unit currency per share.")
    ] = None


class HoldingsGiven(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All holdings of a portfolio."""

    holdings: Annotated[list[HoldingGiven], Meta(max_length=MAX_ROWS, description="One each per ticker.")]


def read_csv(body: bytes) -> list[Holding]:
    """Read a CSV file with a header: separated by comma, semicolon or tab, in UTF-8.

    Where semicolons separate, numbers may have a decimal comma.

    Raises
    ------
    FileRefused
        With each row that does not hold.
    """
    text = _text_of(body)
    delimiter = _delimiter_of(text)
    rows = _rows_of(text, delimiter)
    places = _places_of(next(rows, []), delimiter)
    return _holdings(_cells(rows, places, is_comma_decimal=delimiter == ";"))


def _cells(
    rows: Iterable[Sequence[str]], places: Sequence[int | None], *, is_comma_decimal: bool
) -> Iterator[tuple[int, str, str, str]]:
    for line, row in enumerate(rows, 1):
        ticker, quantity, price = ("" if place is None else row[place] for place in places)
        if is_comma_decimal:
            quantity, price = _with_point(quantity), _with_point(price)
        yield line, ticker, quantity, price


def read_json(body: bytes) -> list[Holding]:
    """Read a JSON document of the shape `HoldingsGiven`.

    Raises
    ------
    FileRefused
        With each holding that does not hold.
    """
    _require_size(body)
    try:
        given = msgspec.json.decode(body, type=HoldingsGiven)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as exc:
        raise FileRefused([RowProblem(None, None, f"The JSON must be as documented: {exc}")]) from exc
    return _holdings(
        (row, one.ticker, _text(one.quantity_shares), _text(one.cost_price))
        for row, one in enumerate(given.holdings, 1)
    )


def _holdings(rows: Iterable[tuple[int, str, str, str]]) -> list[Holding]:
    found, problems = [], []
    seen: dict[str, int] = {}
    for row, ticker_given, quantity_given, price_given in rows:
        ticker = ticker_given.strip().upper()
        ours = [
            _ticker_problem(ticker, row),
            _number_problem(quantity_given, row, "quantity_shares", MAX_QUANTITY),
            _number_problem(price_given, row, "cost_price", MAX_PRICE) if price_given.strip() else None,
            RowProblem(row, "ticker", f"{ticker} stands in row {seen[ticker]} already") if ticker in seen else None,
        ]
        problems += [problem for problem in ours if problem is not None]
        seen.setdefault(ticker, row)
        if not any(ours):
            price = Decimal(price_given.strip()) if price_given.strip() else None
            found.append(Holding(ticker, Decimal(quantity_given.strip()), price, row))
    if problems:
        raise FileRefused(problems)
    if not found:
        raise FileRefused([RowProblem(None, None, "The file must hold at least one holding")])
    return found


def _ticker_problem(ticker: str, row: int) -> RowProblem | None:
    if _TICKER.fullmatch(ticker):
        return None
    return RowProblem(
        row, "ticker", f"The ticker must be 1 to 16 letters, digits, dots and hyphens; got {ticker[:20]!r}"
    )


def _number_problem(given: str, row: int, field: str, most: Decimal) -> RowProblem | None:
    text = given.strip()
    if not _NUMBER.fullmatch(text):
        return RowProblem(row, field, f"It must be a plain number such as -12.5; got {text[:20]!r}")
    number = Decimal(text)
    if field == "cost_price" and number < 0:
        return RowProblem(row, field, f"A price must not be negative; got {text}")
    if field == "quantity_shares" and number == 0:
        return RowProblem(row, field, "A holding must not be 0 shares; leave the row out")
    if abs(number) > most:
        return RowProblem(row, field, f"It must not be larger than {most}; got {text}")
    return None


def _text_of(body: bytes) -> str:
    _require_size(body)
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        raise FileRefused([RowProblem(None, None, f"The file must be UTF-8; byte {exc.start} is not")]) from exc
    text = unicodedata.normalize("NFC", text)
    _require_plain(text, None, allowed="\r\n\t")
    return text


def _require_size(body: bytes) -> None:
    if len(body) > MAX_BYTES:
        raise FileRefused([RowProblem(None, None, f"The file must not exceed {MAX_BYTES} bytes; got {len(body)}")])


def _require_plain(text: str, row: int | None, *, allowed: str = "") -> None:
    """Refuse control characters, invisible ones, and halves of surrogate pairs."""
    for place, character in enumerate(text):
        if unicodedata.category(character).startswith("C") and character not in allowed:
            raise FileRefused(
                [RowProblem(row, None, f"Text must hold no control character; got U+{ord(character):04X} at {place}")]
            )


def _delimiter_of(text: str) -> str:
    header = text.lstrip("\r\n").partition("\n")[0]
    return max(DELIMITERS, key=header.count)


def _rows_of(text: str, delimiter: str) -> Iterator[list[str]]:
    width = None
    # The reader's own limit is for all of the process; ours is far below it.
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        for number, row in enumerate(reader):
            if not any(cell.strip() for cell in row):
                continue
            width = width or len(row)
            _require_shape(row, number, width)
            yield row
    except csv.Error as exc:
        raise FileRefused([RowProblem(reader.line_num, None, f"The row must be CSV: {exc}")]) from exc


def _require_shape(row: Sequence[str], number: int, width: int) -> None:
    problem = None
    if number > MAX_ROWS:
        problem = f"The file must not exceed {MAX_ROWS} rows"
    elif len(row) > MAX_COLUMNS:
        problem = f"The file must not exceed {MAX_COLUMNS} columns; got {len(row)}"
    elif len(row) != width:
        problem = f"The row must have {width} fields as the header has; got {len(row)}"
    elif any(len(cell) > MAX_FIELD for cell in row):
        problem = f"A field must not exceed {MAX_FIELD} characters"
    elif any("\n" in cell or "\r" in cell for cell in row):
        problem = "A field must stand on one line"
    if problem is not None:
        raise FileRefused([RowProblem(number or None, None, problem)])


def _places_of(header: Sequence[str], delimiter: str) -> list[int | None]:
    """Return in which column each field stands, None for one that the file does not have."""
    names = [cell.strip().lower() for cell in header]
    fields = [_FIELD_OF.get(name) for name in names]
    twice = sorted({field for field in fields if field is not None and fields.count(field) > 1})
    missing = [field for field in ("ticker", "quantity_shares") if field not in fields]
    if twice or missing:
        wrong = f"two columns say {', '.join(twice)}" if twice else f"no column says {', '.join(missing)}"
        raise FileRefused(
            [
                RowProblem(
                    None, None,
                    f"The first row must name the columns, for example ticker{delimiter}quantity{delimiter}price paid;"
                    f" {wrong}",
                )
            ]
        )  # fmt: skip
    return [fields.index(field) if field in fields else None for field in COLUMNS]


def _with_point(number: str) -> str:
    return number.replace(",", ".") if _NUMBER_WITH_COMMA.fullmatch(number.strip()) else number


def _text(number: str | int | float | None) -> str:
    if number is None:
        return ""
    return number if isinstance(number, str) else format(Decimal(repr(number)), "f")
