"""From what vendors send to records: numbers, days and names read strictly, whole lists kept although a row is not.

A row that cannot be read, or must not be believed, becomes a `Refused` record; it never ends the answer it came in.
"""

import datetime as dt
import hashlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import attrgetter
from typing import Any, TypeVar, cast
from zoneinfo import ZoneInfo

import msgspec
import pyarrow as pa

from orchestration.sources.errors import VendorError
from orchestration.sources.records import Batch, Refused, Turn, arrow_schema

W = TypeVar("W")
R = TypeVar("R", bound=msgspec.Struct)

# Begin of the rules that say that something could not be asked for.
LEFT_OUT = "vendor_"
# What stands in an answer where a list may be missing.
NOTHING = msgspec.Raw(b"null")
# A number as vendors send it: JSON's, or the same as text.
Number = float | str | None
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)
_MISSING = frozenset({"", "NA", "N/A", "null", "None", "-"})
_LARGEST_COUNT = 2**62
_INFINITY = float("inf")
# Prices in these are hundredths: ISO 4217 knows the whole unit alone.
_MINOR_UNITS = {"GBX": "GBP", "GBp": "GBP", "ZAC": "ZAR", "ZAc": "ZAR", "ILA": "ILS"}
_CURRENCY = re.compile(r"[A-Z]{3}", re.ASCII)
_SYMBOL = re.compile(r"[\x21-\x7e]{1,40}")
_DAY = re.compile(r"(\d{4}-\d{2}-\d{2})([T ].*)?", re.ASCII)
# What is kept of a text, of an address, and of what a refused row is about: a vendor sends as much as it likes.
LONGEST_TEXT = 10_000
_LONGEST_ADDRESS = 2_000
_LONGEST_NAME = 200
# What is kept of the inner structure of a refused row.
_DEEPEST = 20
# An escape of JSON: a pair of surrogates, half a pair, or any other.
_ESCAPE = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(\\u[dD][89a-fA-F][0-9a-fA-F]{2})|\\.", re.DOTALL
)


class NotBelieved(Exception):
    """A row can be read and must not be believed; `rule` names why."""

    def __init__(self, rule: str, detail: str) -> None:
        super().__init__(detail)
        self.rule = rule
        self.detail = detail


def number(given: object) -> float | None:
    """Read a number; None where the vendor says that it has none. Zero is a number.

    Raises
    ------
    NotBelieved
        For anything else, infinities included.

    >>> number("1.5e3"), number("NA"), number(0)
    (1500.0, None, 0.0)
    """
    # Nearly all figures are floats already: a day of a market has 60,000.
    if type(given) is float and -_INFINITY < given < _INFINITY:
        return given
    if given is None or (isinstance(given, str) and given.strip() in _MISSING):
        return None
    is_number = isinstance(given, int | float) and not isinstance(given, bool)
    if is_number or (isinstance(given, str) and _NUMBER.fullmatch(given.strip())):
        try:
            found = float(cast(Any, given))
        except OverflowError:  # a whole number of more than 300 digits
            found = _INFINITY
        if abs(found) < _INFINITY:
            return found
    raise NotBelieved("not_a_number", f"a figure must be a finite number; got {given!r}.")


def count(given: object) -> int | None:
    """Read a number of shares; fractions, which some vendors send, are rounded to whole shares."""
    found = number(given)
    if found is None:
        return None
    if abs(found) >= _LARGEST_COUNT:
        raise NotBelieved("not_a_number", f"a number of shares must be below 2**62; got {given!r}.")
    return round(found)


def day(given: object) -> dt.date:
    """Read a day, as ``2024-05-31``; a time of day after it is left out."""
    found = maybe_day(given)
    if found is None:
        raise NotBelieved("not_a_day", f"a day must be given as YYYY-MM-DD; got {given!r}.")
    return found


def maybe_day(given: object) -> dt.date | None:
    """Read a day that may be missing; an empty text is, and so is 0000-00-00."""
    if given is None or given in ("", "0000-00-00", "NA"):
        return None
    try:
        if isinstance(given, str) and (written := _DAY.fullmatch(given)):
            return dt.date.fromisoformat(written[1])
    except ValueError:
        pass
    raise NotBelieved("not_a_day", f"a day must be given as YYYY-MM-DD; got {given!r}.")


def instant(seconds: object, *, per_second: int = 1) -> dt.datetime:
    """Read an instant given as seconds, milliseconds (1000) or nanoseconds (10**9) since 1970."""
    found = number(seconds)
    try:
        if found is not None and found > 0:
            return dt.datetime.fromtimestamp(found / per_second, dt.UTC)
    except (OverflowError, ValueError, OSError):
        pass
    raise NotBelieved("not_an_instant", f"an instant must be given as time since 1970; got {seconds!r}.")


def moment(given: object) -> dt.datetime:
    """Read an instant as text with its zone, ``2024-05-31T20:00:00Z``."""
    try:
        found = dt.datetime.fromisoformat(str(given).strip())
        if found.tzinfo is not None:
            return found.astimezone(dt.UTC)
    except (ValueError, OverflowError):  # in the first year the day before may not exist
        pass
    raise NotBelieved("not_an_instant", f"an instant must be given with its zone; got {given!r}.")


def local_day(at: dt.datetime, zone: ZoneInfo) -> dt.date:
    """Day of an instant at a place; never by a fixed offset, since summer time moves it."""
    return at.astimezone(zone).date()


def symbol(given: object) -> str:
    """Read a symbol: printable, without spaces; the case matters and is kept."""
    if isinstance(given, str) and _SYMBOL.fullmatch(given):
        return given
    raise NotBelieved("not_a_symbol", f"a symbol must be 1 to 40 printable characters; got {given!r}.")


def text(given: object) -> str | None:
    """Read a text; empty is None. PostgreSQL keeps no NUL, and we the first 10,000 characters."""
    return (str(given)[:LONGEST_TEXT].replace("\x00", "").strip() or None) if given is not None else None


def web_address(given: object) -> str | None:
    """Read the address of a page; None for what is none that a reader may follow, a script for example."""
    found = text(given) or ""
    is_page = found.lower().startswith(("https://", "http://")) and found.isprintable() and " " not in found
    return found if is_page and len(found) <= _LONGEST_ADDRESS else None


def article_id(given: object) -> str:
    """Read the id of an article; of one that is too long for a key, such as some addresses, its hash."""
    found = str(given).replace("\x00", "").strip() if isinstance(given, str | int) else ""
    if not found:
        raise NotBelieved("missing_key", f"an article must have an id; got {given!r}.")
    is_short = len(found) <= _LONGEST_NAME
    return found if is_short else hashlib.blake2b(found.encode(), digest_size=16).hexdigest()


def year(given: object) -> int | None:
    """Read a year; some vendors send it as a fraction with nothing behind the point."""
    found = number(given)
    if found is None or (found == int(found) and dt.MINYEAR <= found <= dt.MAXYEAR):
        return None if found is None else int(found)
    raise NotBelieved("not_a_year", f"a year must be a whole number of four digits; got {given!r}.")


def currency(given: object) -> tuple[str, float]:
    """Read a currency: its ISO 4217 code, and how many of the vendor's units are one of it.

    >>> currency("usd"), currency("GBX")
    (('USD', 1.0), ('GBP', 100.0))
    """
    named = str(given).strip() if isinstance(given, str) else ""
    if named in _MINOR_UNITS:
        return _MINOR_UNITS[named], 100.0
    if _CURRENCY.fullmatch(named.upper()):
        return named.upper(), 1.0
    raise NotBelieved("missing_currency", f"a currency must be three letters; got {given!r}.")


def within(found: dt.date, first: dt.date, last: dt.date) -> dt.date:
    """Return a day that lies in the asked window; another one shows that the answer is to another question."""
    if not first <= found <= last:
        raise NotBelieved("another_day", f"the day must lie from {first} to {last}, as asked; got {found}.")
    return found


def canonical_ticker(given: str, *, dash_is_class: bool = True) -> str:
    """Return a ticker in upper case, the class of a share after a dot: ``brk-b`` and ``BRK/B`` are ``BRK.B``."""
    upper = given.upper().replace("/", ".").replace(" ", ".")
    return upper.replace("-", ".") if dash_is_class else upper


def json_of(wire: type[W]) -> Callable[[bytes], W]:
    """Return a decoder of whole answers, strict about what is documented and blind to what is not."""
    decoder: Any = msgspec.json.Decoder(wire)

    def decode(body: bytes) -> W:
        read: W = decoder.decode(body)
        return read

    return decode


def rows_of(body: bytes | msgspec.Raw, wire: type[W]) -> list[W | bytes]:
    """Read a list of rows, null being none; those that are not as documented come as the bytes that they are."""
    if bytes(body) in (b"", b"null"):
        return []
    try:
        return list(msgspec.json.decode(body, type=list[wire]))  # type: ignore[valid-type]
    except msgspec.ValidationError:
        return [row_of(raw, wire) for raw in msgspec.json.decode(body, type=list[msgspec.Raw])]


def readable(body: bytes) -> bytes:
    """Return a body whose text can be read: half a pair of surrogates, or a byte of no text, becomes U+FFFD.

    A vendor that cuts a text after so many characters may cut a pair in two, and one such text must not make a whole
    page unreadable.
    """
    whole = _ESCAPE.sub(lambda found: rb"\ufffd" if found[1] else found[0], body)
    return whole.decode("utf-8", errors="replace").encode()


def row_of(raw: bytes | msgspec.Raw, wire: type[W]) -> W | bytes:
    """Read one row; one that is not as documented comes as the bytes that it is."""
    try:
        return msgspec.json.decode(raw, type=wire)
    except msgspec.ValidationError:
        return bytes(raw)


class Gathering:
    """Records of one entity, and what was refused on the way.

    Parameters
    ----------
    record
        Struct of the entity.
    entity
        Table of `raw`, without its schema.
    """

    def __init__(self, record: type[msgspec.Struct], entity: str) -> None:
        self._schema = arrow_schema(record)
        self.entity = entity
        self._records: list[msgspec.Struct] = []
        self._refused: list[Refused] = []

    def add(self, wire: object, make: Callable[[Any], msgspec.Struct | None], *, about: str) -> None:
        """Make a record of a row, or refuse it; `make` returns None for a row that is none of ours.

        Parameters
        ----------
        wire
            Row as decoded, or its bytes where it could not be.
        make
            Makes the record; raises `NotBelieved` with the reason.
        about
            What the row is about, as far as is known without reading it: the symbol or the day that was asked for.
        """
        if isinstance(wire, bytes):
            detail = "the row must be as the vendor documents it; it is not."
            self.refuse(about, "unreadable_record", detail, _as_received(wire))
            return
        try:
            made = make(wire)
        except NotBelieved as reason:
            self.refuse(about, reason.rule, reason.detail, msgspec.to_builtins(wire))
            return
        if made is not None:
            self._records.append(made)

    def refuse(self, about: str, rule: str, detail: str, payload: object, trade_date: dt.date | None = None) -> None:
        """Set a row aside; its key is what it is about, and a hash that tells rows of the same answer apart."""
        about = str(_storable(about))[:_LONGEST_NAME]
        content = cast("dict[str, Any]", _storable(payload if isinstance(payload, dict) else {"row": payload}))
        digest = hashlib.blake2b(msgspec.json.encode(content), digest_size=4).hexdigest()
        self._refused.append(
            Refused(
                entity=self.entity,
                record_key=f"{about}|{digest}",
                rule=rule,
                detail=str(_storable(detail)),
                payload=content,
                trade_date=trade_date,
            )
        )

    def refuse_used_again(self, name: str, row: object) -> None:
        """Set the instrument aside whose symbol another one has today."""
        detail = "a symbol belongs to one instrument at a time; another one trades under it today."
        self.refuse(name, "symbol_used_again", detail, msgspec.to_builtins(row))

    def refuse_empty(self, session: dt.date) -> None:
        """Note a session of which there is no bar at all."""
        detail = "a session must have bars; the vendor has none of it."
        self.refuse(str(session), "empty_session", detail, {"session": str(session)}, session)

    def leave_out(self, about: str, error: VendorError) -> None:
        """Note what could not be asked for, with the vendor's reason."""
        self.refuse(about, f"{LEFT_OUT}{error.kind}", str(error), {"request": error.request, "answer": error.got})

    def batch(self, *reached: Turn, left: Sequence[Turn] = ()) -> Batch:
        """Return what was gathered since the last time, with the turns that it answers and those that were left."""
        columns = [pa.array([*map(attrgetter(field.name), self._records)], field.type) for field in self._schema]
        batch = Batch(
            pa.RecordBatch.from_arrays(columns, schema=self._schema), self._refused, reached=reached, left=tuple(left)
        )
        self._records, self._refused = [], []
        return batch


def gather(
    record: type[msgspec.Struct], entity: str, rows: Iterable[object], make: Callable[[Any], R | None], *, about: str
) -> Batch:
    """Make records of rows; see `Gathering.add`."""
    gathering = Gathering(record, entity)
    for row in rows:
        gathering.add(row, make, about=about)
    return gathering.batch()


def _as_received(raw: bytes) -> object:
    try:
        return msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return raw.decode("utf-8", errors="replace")


def _storable(value: object, depth: int = 0) -> object:
    """Return a value that a JSON column keeps: no NUL, no number beyond it, no depth without end."""
    if isinstance(value, str):
        return value[:LONGEST_TEXT].replace("\x00", "�")
    if isinstance(value, Mapping | list | tuple) and depth == _DEEPEST:
        return "..."
    if isinstance(value, Mapping):
        return {str(_storable(str(name))): _storable(inner, depth + 1) for name, inner in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, bytes):
        return [_storable(inner, depth + 1) for inner in value]
    if isinstance(value, int) and abs(value) > _LARGEST_COUNT:
        return str(value)[:_LONGEST_NAME]
    if isinstance(value, float) and not abs(value) < float("inf"):
        return str(value)
    return value
