"""What the API reads of daily prices: adjusted ones rebased to today's share, or those that were traded."""

import calendar
import datetime as dt
from collections.abc import Sequence
from itertools import repeat
from typing import Annotated, Literal, NamedTuple

import msgspec
from msgspec import Meta

from warehouse.queries import columns
from warehouse.queries.reader import Reader

DATASETS = ("marts.fct_daily_prices", "marts.dim_instruments")
Interval = Literal["1d", "1w", "1mo"]
Period = Literal["1m", "3m", "6m", "1y", "3y", "5y", "max"]
MONTHS = {"1m": 1, "3m": 3, "6m": 6, "1y": 12, "3y": 36, "5y": 60}
DEFAULT_PERIOD: Period = "1y"

# close_adj is anchored at the first bar; divided by the latest factor, the last close equals what was traded.
BASIS = """
select
    newest.adjustment,
    newest.close_raw is not null as has_as_traded,
    coalesce(newest.adjustment_factor, 1)::float8 as factor,
    coalesce(newest.split_factor, 1)::float8 as share_factor,
    newest.currency_code,
    newest.source,
    newest.trade_date as last_trade_date
from marts.fct_daily_prices as newest
where newest.instrument_id = %(instrument_id)s
order by newest.trade_date desc
limit 1
"""

# Shares of a bar, null where they are no number, which PostgreSQL has above all others: one bar takes no other away.
_SHARES = "nullif(least(round({shares}), 9e18), 9e18)::bigint"

# Rounded to six decimals: dividing by the factor leaves noise in the last bits. `span` is that of `_HISTORY`.
_ADJUSTED = f"""
select
    trade_date,
    round(open_adj * span.millionths) / 1e6::float8 as open,
    round(high_adj * span.millionths) / 1e6::float8 as high,
    round(low_adj * span.millionths) / 1e6::float8 as low,
    round(close_adj * span.millionths) / 1e6::float8 as close,
    {_SHARES.format(shares="volume_adj * span.share_factor")} as volume_shares,
    1 as n_sessions,
    is_suspect
from marts.fct_daily_prices
where instrument_id = %(instrument_id)s and trade_date between span.first_date and span.last_date
order by trade_date
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
where instrument_id = %(instrument_id)s and trade_date between span.first_date and span.last_date
order by trade_date
"""

# Bars under suspicion say nothing about a week: they are left out, and n_sessions shows it.
_BY_PERIOD = """
select
    max(trade_date) as trade_date,
    (array_agg(open order by trade_date))[1] as open,
    max(high) as high,
    min(low) as low,
    (array_agg(close order by trade_date desc))[1] as close,
    sum(volume_shares)::bigint as volume_shares,
    count(*)::integer as n_sessions,
    false as is_suspect
from ({daily}) as daily
where not is_suspect
group by date_trunc(%(unit)s, trade_date)
order by 1
"""

# One look, so that bars and what they are measured in belong together. Columns instead of rows: years of bars come in
# a tenth of the messages, and are read in half the time. What is the same for all of them is not sent.
_HISTORY = """
with basis as ({basis}),

ending as (
    select
        *,
        1e6::float8 / factor as millionths,
        greatest(coalesce(%(end)s::date, last_trade_date), %(start)s::date) as last_date
    from basis
),

span as (
    select
        *,
        coalesce(%(start)s::date, (last_date - make_interval(months => %(months)s::integer))::date, '0001-01-01')
            as first_date
    from ending
)

select
    adjustment, has_as_traded, factor, share_factor, currency_code, source, last_trade_date, first_date, last_date,
    columns.*
from span
cross join lateral (
    select
        array_agg(trade_date), array_agg(open), array_agg(high), array_agg(low), array_agg(close),
        array_agg(volume_shares), {n_sessions}, array_agg(trade_date) filter (where is_suspect)
    from ({bars}) as bars
) as columns
"""

HISTORY = {
    (length, adjusted): _HISTORY.format(
        basis=BASIS,
        bars=_BY_PERIOD.format(daily=daily) if length == "period" else daily,
        n_sessions="array_agg(n_sessions)" if length == "period" else "null::integer[]",
    )
    for adjusted, daily in ((True, _ADJUSTED), (False, _AS_TRADED))
    for length in ("1d", "period")
}
UNITS = {"1d": "day", "1w": "week", "1mo": "month"}


_OWNERS = """
with owners as (
    select distinct on (ticker) instrument_id, ticker
    from marts.dim_instruments
    where ticker = any(%(tickers)s)
    order by ticker, is_active desc, last_trade_date desc nulls last
)
"""

LAST_SESSION = f"""
{_OWNERS}
select max(newest.trade_date)
from owners
cross join lateral (
    select p.trade_date
    from marts.fct_daily_prices as p
    where p.instrument_id = owners.instrument_id
    order by p.trade_date desc
    limit 1
) as newest
"""

WITHOUT_AS_TRADED = f"""
{_OWNERS}
select owners.ticker
from owners
cross join lateral (
    select p.close_raw
    from marts.fct_daily_prices as p
    where p.instrument_id = owners.instrument_id
    order by p.trade_date desc
    limit 1
) as newest
where newest.close_raw is null
order by owners.ticker
"""

_OF_SEVERAL = f"""
{_OWNERS},

bases as (
    select
        owners.ticker, owners.instrument_id, newest.currency_code,
        case when newest.adjustment = 'none' then 'splits_dividends' else newest.adjustment end as adjustment,
        1e6::float8 / coalesce(newest.adjustment_factor, 1)::float8 as millionths,
        coalesce(newest.split_factor, 1)::float8 as share_factor
    from owners
    cross join lateral (
        select *
        from marts.fct_daily_prices as p
        where p.instrument_id = owners.instrument_id
        order by p.trade_date desc
        limit 1
    ) as newest
)

select
    bases.ticker, p.trade_date, {{values}}, p.is_suspect, bases.currency_code, {{adjustment}}
from bases
inner join marts.fct_daily_prices as p on p.instrument_id = bases.instrument_id
where
    p.trade_date between %(start)s and %(end)s
    and (bases.ticker, p.trade_date) > (%(after_ticker)s, %(after_date)s)
order by bases.ticker, p.trade_date
limit %(limit)s
"""

# Rounded as above, so that one bar reads the same wherever it is asked for.
OF_SEVERAL = {
    True: _OF_SEVERAL.format(
        values=", ".join(
            f"round(p.{name}_adj * bases.millionths) / 1e6::float8" for name in ("open", "high", "low", "close")
        )
        + f", {_SHARES.format(shares='p.volume_adj * bases.share_factor')}",
        adjustment="bases.adjustment",
    ),
    False: _OF_SEVERAL.format(
        values=", ".join(f"p.{name}_raw::float8" for name in ("open", "high", "low", "close"))
        + ", p.volume_shares::bigint",
        adjustment="'none'",
    ),
}


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


class History(NamedTuple):
    """Bars of one instrument, oldest first, with the first and last day that they were looked for."""

    basis: Basis
    start: dt.date
    end: dt.date
    bars: list[Bar]


class _Columns(Basis, frozen=True, gc=False):
    """A basis, and the columns of bars; null where there are none, or every bar is one session."""

    first_date: dt.date
    last_date: dt.date
    trade_date: list[dt.date] | None
    open: list[float | None] | None
    high: list[float | None] | None
    low: list[float | None] | None
    close: list[float | None] | None
    volume_shares: list[int | None] | None
    n_sessions: list[int] | None
    suspect_dates: list[dt.date] | None

    def history(self) -> History:
        """Return what the columns say as bars."""
        columns = (self.trade_date, self.open, self.high, self.low, self.close, self.volume_shares)
        suspect = set(self.suspect_dates or ())
        is_suspect = [day in suspect for day in self.trade_date or []] if suspect else repeat(False)
        bars = map(Bar, *(column or [] for column in columns), self.n_sessions or repeat(1), is_suspect)
        return History(self, self.first_date, self.last_date, list(bars))


async def basis(reader: Reader, instrument_id: str) -> Basis | None:
    """Return what the prices of an instrument are measured in, None where it has no bar."""
    rows = await reader.rows(Basis, BASIS, {"instrument_id": instrument_id})
    return rows[0] if rows else None


async def history(
    reader: Reader,
    instrument_id: str,
    *,
    start: dt.date | None = None,
    end: dt.date | None = None,
    months: int | None = None,
    interval: Interval = "1d",
    adjusted: bool = True,
) -> History | None:
    """Return the bars of an instrument, adjusted ones in terms of the latest share and dividend; None without any bar.

    Parameters
    ----------
    start, end
        Both included. The end is the last session by default, and never before the start.
    months
        How long before the end to start where no start is given; from the first bar without it.
    """
    parameters: dict[str, object] = {"instrument_id": instrument_id, "start": start, "end": end, "months": months}
    if interval != "1d":
        parameters["unit"] = UNITS[interval]
    rows = await reader.rows(_Columns, HISTORY["1d" if interval == "1d" else "period", adjusted], parameters)
    return rows[0].history() if rows else None


def adjustment_of(basis: Basis) -> str:
    """Return what adjusted prices are adjusted for: where the source adjusts nothing, we adjust for both."""
    return "splits_dividends" if basis.adjustment == "none" else basis.adjustment


def months_before(day: dt.date, months: int) -> dt.date:
    """Return the same day of an earlier month, or that month's last.

    >>> months_before(dt.date(2024, 3, 31), 1)
    datetime.date(2024, 2, 29)
    """
    year, month = divmod(day.year * 12 + day.month - 1 - months, 12)
    return dt.date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


class TickerBar(msgspec.Struct, frozen=True, gc=False):
    """One session of one of several instruments."""

    ticker: columns.Ticker
    trade_date: Annotated[dt.date, Meta(description="Session.")]
    open: Annotated[float | None, Meta(description="First price. Unit currency per share.")]
    high: Annotated[float | None, Meta(description="Highest price. Unit currency per share.")]
    low: Annotated[float | None, Meta(description="Lowest price. Unit currency per share.")]
    close: Annotated[float | None, Meta(description="Last price. Unit currency per share.")]
    volume_shares: Annotated[int | None, Meta(description="Traded volume. Unit shares.")]
    is_suspect: Annotated[bool, Meta(description="True for a bar that a rule distrusts.")]
    currency_code: columns.CurrencyCode
    adjustment: Annotated[str, Meta(description="What prices are adjusted for: none, splits, splits_dividends.")]


class _LastDay(msgspec.Struct, frozen=True):
    trade_date: dt.date | None


class _Ticker(msgspec.Struct, frozen=True):
    ticker: str


async def last_session(reader: Reader, tickers: Sequence[str]) -> dt.date | None:
    """Return the newest session that one of these tickers has a bar of."""
    return (await reader.rows(_LastDay, LAST_SESSION, {"tickers": list(tickers)}))[0].trade_date


async def without_as_traded(reader: Reader, tickers: Sequence[str]) -> list[str]:
    """Return those of these tickers whose source gives adjusted prices only."""
    return [row.ticker for row in await reader.rows(_Ticker, WITHOUT_AS_TRADED, {"tickers": list(tickers)})]


async def of_several(
    reader: Reader,
    tickers: Sequence[str],
    *,
    start: dt.date,
    end: dt.date,
    adjusted: bool = True,
    after: tuple[str, dt.date] = ("", dt.date.min),
    limit: int,
) -> list[TickerBar]:
    """Return daily bars of several tickers, by ticker and session, both ends included, those behind `after`."""
    parameters = {
        "tickers": list(tickers), "start": start, "end": end, "after_ticker": after[0], "after_date": after[1],
        "limit": limit,
    }  # fmt: skip
    return await reader.rows(TickerBar, OF_SEVERAL[adjusted], parameters)
