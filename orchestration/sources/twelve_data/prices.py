"""Bars, quotes and rates of currencies: numbers are text; several symbols are keyed by symbol, a single one is not."""

import datetime as dt
from collections.abc import Callable, Sequence
from contextlib import suppress

import msgspec

from orchestration.sources.makers import day_after, fx_rate, quote, scaled
from orchestration.sources.records import FxRate, Quote, Turn
from orchestration.sources.twelve_data.envelope import Meta, enveloped
from orchestration.sources.wire import NOTHING, NotBelieved, Number, currency, day, instant, rows_of, within


class Series(msgspec.Struct):
    """Bars of one symbol."""

    meta: Meta
    values: msgspec.Raw = NOTHING
    status: str | None = None


class Value(msgspec.Struct):
    """A bar; numbers are text."""

    datetime: str
    open: Number = None
    high: Number = None
    low: Number = None
    close: Number = None
    volume: Number = None


class QuoteRow(msgspec.Struct):
    """A price now; numbers are text."""

    symbol: str
    close: Number = None
    open: Number = None
    high: Number = None
    low: Number = None
    volume: Number = None
    previous_close: Number = None
    currency: str | None = None
    mic_code: str | None = None
    timestamp: Number = None
    last_quote_at: Number = None


series = enveloped(Series, "values", Value)


def keyed(asked: Sequence[str]) -> Callable[[bytes], list[QuoteRow | bytes]]:
    """Return a decoder of quotes: keyed by symbol where several were asked for, bare where it was one."""

    def decode(body: bytes) -> list[QuoteRow | bytes]:
        if len(asked) == 1:
            return rows_of(b"[" + body + b"]", QuoteRow)
        rows = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
        return [row for key, raw in rows.items() if key in asked for row in rows_of(b"[" + bytes(raw) + b"]", QuoteRow)]

    return decode


def date_in(wire: Value, turn: Turn) -> dt.date | None:
    """Day of a bar; None for the day more that was asked for, see `source.ends`."""
    date = day(wire.datetime)
    return None if date == day_after(turn.last_date) else date


def days_in(turn: Turn, rows: Sequence[Value | bytes]) -> list[dt.date]:
    """Return the days of a turn that rows are of."""
    found = []
    for row in rows:
        with suppress(NotBelieved):
            if isinstance(row, Value) and turn.first_date <= (date := day(row.datetime)) <= turn.last_date:
                found.append(date)
    return found


def quote_of(row: QuoteRow, asked: Sequence[str], venues: Sequence[str]) -> Quote | None:
    """Return the price now; None for a symbol that was not asked for."""
    if row.symbol not in asked:
        return None
    if row.mic_code is not None and row.mic_code not in venues:
        # The same ticker elsewhere is another company's.
        raise NotBelieved("another_exchange", f"the venue must be one of {venues}; got {row.mic_code!r}.")
    money = currency(row.currency)
    at = instant(row.last_quote_at if row.last_quote_at is not None else row.timestamp)
    return quote(row, row.symbol, scaled(row.close, money[1]), at, money, before=row.previous_close)


def rate_of(wire: Value, turn: Turn) -> FxRate | None:
    """Return the last rate of a day; the turn's symbol is the pair."""
    date = date_in(wire, turn)
    if date is None:
        return None
    base, _, quoted = turn.symbol.partition("/")
    return fx_rate((base, quoted), within(date, *turn.days), wire.close)
