"""Bars, quotes and rates of currencies.

Prices are as traded and volumes are not: they are in today's shares. Any field of a quote may be "NA"; one quote is an
object and several are a list.
"""

import datetime as dt
import math
from collections.abc import Iterable, Mapping

import msgspec

from orchestration.sources.eodhd.envelope import as_list
from orchestration.sources.makers import fx_rate, quote, scaled
from orchestration.sources.records import DailyBar, FxRate, Quote, Split, Turn
from orchestration.sources.wire import NotBelieved, Number, day, instant, rows_of, within


class Warned(msgspec.Struct):
    """A row that is no row."""

    warning: str


class Bar(msgspec.Struct):
    """A day's prices as traded; `volume` is adjusted for splits."""

    date: str
    open: Number = None
    high: Number = None
    low: Number = None
    close: Number = None
    volume: Number = None
    adjusted_close: Number = None
    code: str | None = None
    exchange_short_name: str | None = None
    warning: str | None = None


class QuoteRow(msgspec.Struct):
    """A price now; "NA" wherever there is none."""

    code: str
    timestamp: Number = None
    open: Number = None
    high: Number = None
    low: Number = None
    close: Number = None
    volume: Number = None
    previousClose: Number = None


def bars(body: bytes) -> list[Bar | bytes]:
    """Read bars; a warning among them stands as the bar that carries it."""
    return [_warned(row) if isinstance(row, bytes) else row for row in rows_of(as_list(body), Bar)]


def quotes(body: bytes) -> list[QuoteRow | bytes]:
    """Read quotes: an object where one was asked for, a list where several were."""
    return rows_of(b"[" + body + b"]" if body.lstrip()[:1] == b"{" else body, QuoteRow)


def date_of(wire: Bar) -> dt.date:
    """Day of a bar.

    Raises
    ------
    NotBelieved
        If it is none but a warning.
    """
    if wire.warning is not None:
        raise NotBelieved("limited_by_plan", wire.warning)
    return day(wire.date)


def as_traded(bar: DailyBar, splits: Iterable[Split]) -> DailyBar:
    """Return a bar with the volume of the day's own shares; `splits` are those up to today."""
    factor = later_factor(splits, bar.trade_date)
    if bar.volume is None or factor == 1.0:
        return bar
    return msgspec.structs.replace(bar, volume=round(bar.volume / factor))


def later_factor(splits: Iterable[Split], date: dt.date) -> float:
    """Return today's shares for one of a day's."""
    return math.prod(
        split.shares_new / split.shares_old
        for split in splits
        if split.ex_date > date and split.shares_new and split.shares_old
    )


def quote_of(row: QuoteRow, asked: Mapping[str, str], money: tuple[str, float]) -> Quote | None:
    """Return the price now; None for a symbol that was not asked for, and for one that is dead: "NA" throughout."""
    price = scaled(row.close, money[1])
    if row.code not in asked or price is None or price <= 0:
        return None
    return quote(row, asked[row.code], price, instant(row.timestamp), money, before=row.previousClose)


def rate_of(wire: Bar, turn: Turn) -> FxRate:
    """Return the last rate of a day of UTC; the turn's symbol is the pair."""
    date = within(date_of(wire), *turn.days)
    return fx_rate((turn.symbol[:3], turn.symbol[3:]), date, wire.close)


def _warned(row: bytes) -> Bar | bytes:
    try:
        return Bar(date="", warning=msgspec.json.decode(row, type=Warned).warning)
    except msgspec.ValidationError:
        return row
