"""Bars, events and rates of currencies, all out of the answer to one kind of question.

A bar is stamped with the opening of its session, so its day is that of the exchange's zone; a long range may come back
in months although days were asked for; prices are adjusted for splits, and so are dividends; the last row of today is a
trade and no bar.
"""

from collections.abc import Callable
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from orchestration.sources.makers import fx_rate
from orchestration.sources.records import Dividend, FxRate, Split, Turn
from orchestration.sources.wire import (
    Gathering,
    NotBelieved,
    Number,
    currency,
    instant,
    json_of,
    local_day,
    number,
    symbol,
)


class Meta(msgspec.Struct):
    """What an answer is about."""

    symbol: str | None = None
    currency: str | None = None
    exchangeTimezoneName: str | None = None
    dataGranularity: str | None = None
    priceHint: int | None = None


class DividendEvent(msgspec.Struct):
    """A dividend, divided by later splits; the inner `date` is the ex-date, the key may be another."""

    date: Number
    amount: Number = None
    currency: str | None = None


class SplitEvent(msgspec.Struct):
    """A split: `numerator` new shares for `denominator` old ones."""

    date: Number
    numerator: Number = None
    denominator: Number = None


class Events(msgspec.Struct):
    """Events of a range, by key."""

    dividends: dict[str, DividendEvent] = {}
    splits: dict[str, SplitEvent] = {}


class Prices(msgspec.Struct):
    """Columns of a range; a whole column may be missing, and so may any entry."""

    open: list[Number] | None = None
    high: list[Number] | None = None
    low: list[Number] | None = None
    close: list[Number] | None = None
    volume: list[Number] | None = None


class Indicators(msgspec.Struct, frozen=True):
    """The columns, in a list of one."""

    quote: list[Prices | None] = []


class Result(msgspec.Struct):
    """A range of one symbol; `timestamp` is absent where there is nothing."""

    meta: Meta
    timestamp: list[Number] = []
    indicators: Indicators = Indicators()
    events: Events | None = None


class Chart(msgspec.Struct):
    """The inner envelope."""

    result: list[Result] | None = None


class ChartAnswer(msgspec.Struct):
    """The envelope."""

    chart: Chart


class Row(msgspec.Struct):
    """A day out of the columns."""

    at: Number
    open: Number
    high: Number
    low: Number
    close: Number
    volume: Number


def result_of(spelt: str) -> Callable[[bytes], Result]:
    """Return a decoder of the one result, which must be about what was asked for."""
    read = json_of(ChartAnswer)

    def decode(body: bytes) -> Result:
        results = read(body).chart.result or []
        if len(results) != 1 or results[0].meta.symbol != spelt:
            told = [result.meta.symbol for result in results]
            raise msgspec.ValidationError(f"Expected one result about {spelt}, got {told}")
        return results[0]

    return decode


def rows_in(asked: str, result: Result, gathering: Gathering) -> list[Row]:
    """Return the days out of the columns, oldest first and each once; none if they are not days, or not as many."""
    if result.meta.dataGranularity != "1d":
        detail = f"bars must be of a day, as asked; they are of {result.meta.dataGranularity!r}."
        gathering.refuse(asked, "another_interval", detail, {"meta": msgspec.to_builtins(result.meta)})
        return []
    prices = next((found for found in result.indicators.quote if found is not None), Prices())
    columns = {name: getattr(prices, name) for name in Prices.__struct_fields__}
    n_rows = len(result.timestamp)
    lengths = {name: len(column) for name, column in columns.items() if column is not None}
    if any(length != n_rows for length in lengths.values()):
        detail = f"columns must be as long as the {n_rows} stamps; they are {lengths}."
        gathering.refuse(asked, "columns_of_other_lengths", detail, {"lengths": lengths, "stamps": n_rows})
        return []
    full = {name: column if column is not None else [None] * n_rows for name, column in columns.items()}
    return [
        Row(at, *(full[name][i] for name in ("open", "high", "low", "close", "volume")))
        for i, at in enumerate(result.timestamp)
    ]


def zone_of(asked: str, result: Result, gathering: Gathering) -> ZoneInfo | None:
    """Return the exchange's time zone; without one no event has a day."""
    name = result.meta.exchangeTimezoneName
    try:
        if name:
            return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        pass
    detail = f"the exchange's time zone must be known; got {name!r}."
    gathering.refuse(asked, "unknown_zone", detail, {"meta": msgspec.to_builtins(result.meta)})
    return None


def dividend_of(event: DividendEvent, turn: Turn, result: Result, zone: ZoneInfo) -> Dividend | None:
    """Return a dividend as it was declared: amounts are divided by every split since; None for another day's."""
    ex_date = local_day(instant(event.date), zone)
    if not turn.first_date <= ex_date <= turn.last_date:
        return None
    amount, (code, units) = number(event.amount), currency(event.currency or result.meta.currency)
    if amount is None:
        raise NotBelieved("missing_amount", f"a dividend must have an amount; got {event.amount!r}.")
    for split in (result.events or Events()).splits.values():
        new, old = number(split.numerator), number(split.denominator)
        if local_day(instant(split.date), zone) > ex_date and new and old:
            amount *= new / old
    return Dividend(source_symbol=symbol(turn.symbol), ex_date=ex_date, amount=amount / units, currency_code=code)


def split_of(event: SplitEvent, turn: Turn, zone: ZoneInfo) -> Split | None:
    """Return a split; None for another day's."""
    ex_date = local_day(instant(event.date), zone)
    if not turn.first_date <= ex_date <= turn.last_date:
        return None
    new, old = number(event.numerator), number(event.denominator)
    return Split(source_symbol=symbol(turn.symbol), ex_date=ex_date, shares_new=new, shares_old=old)


def rate_of(row: Row, turn: Turn, zone: ZoneInfo) -> FxRate | None:
    """Return the last rate of a day; None for another day's, and for one without. The turn's symbol is the pair."""
    date = local_day(instant(row.at), zone)
    if not turn.first_date <= date <= turn.last_date or number(row.close) is None:
        return None
    return fx_rate((turn.symbol[:3], turn.symbol[3:]), date, row.close)


def price_with(digits: int | None) -> Callable[[Number, float], float | None]:
    """Return a reader of prices without the noise of single precision, which these numbers have gone through."""
    kept = digits if digits is not None and 0 <= digits <= 8 else 4

    def price(given: Number, units: float) -> float | None:
        found = number(given)
        return None if found is None else round(round(found, kept) / units, kept + 2)

    return price
