"""What the API reads of daily prices: adjusted ones rebased to today's share, or those that were traded."""

import datetime as dt
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from warehouse.queries.reader import Reader

Interval = Literal["1d", "1w", "1mo"]

# close_adj is anchored at the first bar; divided by the latest factor, the last close equals what was traded.
BASIS = """
select
    newest.adjustment,
    newest.close_raw is not null,
    coalesce(newest.adjustment_factor, 1)::float8,
    coalesce(newest.split_factor, 1)::float8,
    newest.currency_code,
    newest.source,
    newest.trade_date
from marts.fct_daily_prices as newest
where newest.instrument_id = %(instrument_id)s
order by newest.trade_date desc
limit 1
"""

# Rounded to six decimals: dividing by the factor leaves noise in the last bits.
_ADJUSTED = """
select
    trade_date,
    (round((open_adj / %(factor)s)::float8 * 1e6) / 1e6)::float8 as open,
    (round((high_adj / %(factor)s)::float8 * 1e6) / 1e6)::float8 as high,
    (round((low_adj / %(factor)s)::float8 * 1e6) / 1e6)::float8 as low,
    (round((close_adj / %(factor)s)::float8 * 1e6) / 1e6)::float8 as close,
    round(volume_adj * %(share_factor)s)::bigint as volume_shares,
    1 as n_sessions,
    is_suspect
from marts.fct_daily_prices
where instrument_id = %(instrument_id)s and trade_date between %(start)s and %(end)s
"""

_AS_TRADED = """
select
    trade_date,
    open_raw::float8 as open,
    high_raw::float8 as high,
    low_raw::float8 as low,
    close_raw::float8 as close,
    volume_shares::bigint as volume_shares,
    1 as n_sessions,
    is_suspect
from marts.fct_daily_prices
where instrument_id = %(instrument_id)s and trade_date between %(start)s and %(end)s
"""

# Bars under suspicion say nothing about a week: they are left out, and n_sessions shows it.
_BY_PERIOD = """
with daily as ({daily})

select
    max(trade_date) as trade_date,
    (array_agg(open order by trade_date))[1],
    max(high),
    min(low),
    (array_agg(close order by trade_date desc))[1],
    sum(volume_shares)::bigint,
    count(*)::integer,
    false
from daily
where not is_suspect
group by date_trunc(%(unit)s, trade_date)
order by 1
"""

QUERIES = {
    ("1d", True): _ADJUSTED + "order by trade_date",
    ("1d", False): _AS_TRADED + "order by trade_date",
    ("period", True): _BY_PERIOD.format(daily=_ADJUSTED),
    ("period", False): _BY_PERIOD.format(daily=_AS_TRADED),
}
UNITS = {"1d": "day", "1w": "week", "1mo": "month"}


class Bar(msgspec.Struct, frozen=True, gc=False):
    """One session, or one week or month of sessions."""

    trade_date: Annotated[dt.date, Meta(description="Session; for weeks and months the last one in them.")]
    open: Annotated[float | None, Meta(description="First price. Unit currency per share.")]
    high: Annotated[float | None, Meta(description="Highest price. Unit currency per share.")]
    low: Annotated[float | None, Meta(description="Lowest price. Unit currency per share.")]
    close: Annotated[float | None, Meta(description="Last price. Unit currency per share.")]
    volume_shares: Annotated[int | None, Meta(description="Traded volume. Unit shares.")]
    n_sessions: Annotated[int, Meta(description="Sessions in the bar. Unit sessions.")]
    is_suspect: Annotated[
        bool, Meta(description="True for a bar that a rule distrusts; such bars are left out of weeks and months.")
    ]


class Basis(msgspec.Struct, frozen=True, gc=False):
    """What the prices of one instrument are measured in."""

    adjustment: str
    has_as_traded: bool
    factor: float
    share_factor: float
    currency_code: str | None
    source: str | None
    last_trade_date: dt.date


async def basis(reader: Reader, instrument_id: str) -> Basis | None:
    """Return what the prices of an instrument are measured in, None where it has no bar."""
    rows = await reader.rows(Basis, BASIS, {"instrument_id": instrument_id})
    return rows[0] if rows else None


async def bars(
    reader: Reader,
    instrument_id: str,
    basis: Basis,
    *,
    start: dt.date,
    end: dt.date,
    interval: Interval = "1d",
    adjusted: bool = True,
) -> list[Bar]:
    """Return bars, oldest first, both ends included; adjusted ones in terms of the latest share and dividend."""
    parameters = {"instrument_id": instrument_id, "start": start, "end": end}
    if adjusted:
        parameters |= {"factor": basis.factor, "share_factor": basis.share_factor}
    if interval != "1d":
        parameters |= {"unit": UNITS[interval]}
    return await reader.rows(Bar, QUERIES["1d" if interval == "1d" else "period", adjusted], parameters)
