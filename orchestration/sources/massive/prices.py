"""Bars, snapshots and rates of currencies.

A day's whole market is stamped with the end of the session and a ticker's range with its begin, both in New York time;
days of currencies are days of UTC.
"""

import datetime as dt
from functools import lru_cache

import msgspec

from orchestration.sources.makers import daily_bar, fx_rate, quote
from orchestration.sources.massive.envelope import CURRENCY, NEW_YORK, paged
from orchestration.sources.records import DailyBar, FxRate, Quote
from orchestration.sources.wire import (
    NOTHING,
    NotBelieved,
    Number,
    instant,
    json_of,
    local_day,
    number,
    rows_of,
    within,
)

DOLLARS = (CURRENCY, 1.0)
_NAMES = {"open": "o", "high": "h", "low": "l", "close": "c", "volume": "v"}


class Bar(msgspec.Struct, rename={**_NAMES, "at": "t", "ticker": "T"}):
    """A day's prices; `ticker` is missing in the range of one."""

    at: Number
    open: Number = None
    high: Number = None
    low: Number = None
    close: Number = None
    volume: Number = None
    ticker: str | None = None


class SnapshotBar(msgspec.Struct, rename=_NAMES):
    """The session so far, or the one before; zeros before anything has traded."""

    open: Number = None
    high: Number = None
    low: Number = None
    close: Number = None
    volume: Number = None


class Trade(msgspec.Struct):
    """The last trade, on plans that have it."""

    p: Number = None
    t: Number = None


class Snapshot(msgspec.Struct):
    """A ticker now; instants are nanoseconds."""

    ticker: str
    updated: Number = None
    day: SnapshotBar | None = None
    prevDay: SnapshotBar | None = None
    lastTrade: Trade | None = None


class _Snapshots(msgspec.Struct):
    tickers: msgspec.Raw = NOTHING


bars = paged(Bar)


def snapshots(body: bytes) -> list[Snapshot | bytes]:
    """Read snapshots of several tickers; unknown ones are left out by the vendor."""
    return rows_of(json_of(_Snapshots)(body).tickers, Snapshot)


def session_of(bar: Bar) -> dt.date:
    """Day of a bar of a share; never by a fixed offset."""
    return _day_at(bar.at)


@lru_cache(maxsize=4096)
def _day_at(milliseconds: Number) -> dt.date:
    # A day's whole market has one stamp.
    return local_day(instant(milliseconds, per_second=1000), NEW_YORK)


def bar_of(bar: Bar, name: str | None, date: dt.date) -> DailyBar:
    """Return the bar of a day, as traded."""
    return daily_bar(bar, name, date, DOLLARS)


def quote_of(row: Snapshot) -> Quote | None:
    """Return the price now; None where nothing has traded yet."""
    session, before, trade = row.day or SnapshotBar(), row.prevDay or SnapshotBar(), row.lastTrade or Trade()
    traded = number(trade.p)
    price = traded or number(session.close)
    if not price:
        return None
    at = trade.t if traded and trade.t is not None else row.updated
    return quote(session, row.ticker, price, instant(at, per_second=10**9), DOLLARS, before=before.close)


def rate_of(bar: Bar, date: dt.date) -> FxRate:
    """Return the last rate of a day of UTC, whose last millisecond the stamp is."""
    name = bar.ticker or ""
    if len(name) != 8 or not name.startswith("C:"):
        raise NotBelieved("not_a_symbol", f"a pair must be C: and two currencies; got {bar.ticker!r}.")
    within(instant(bar.at, per_second=1000).date(), date, date)
    return fx_rate((name[2:5], name[5:8]), date, bar.close)
