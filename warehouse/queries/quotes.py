"""What the API reads of prices now: the live quote where there is one, else the last close that may be trusted."""

import datetime as dt
from collections.abc import Sequence
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from warehouse.queries import columns
from warehouse.queries.reader import Reader

# A session's bar is made after its last quote, so a bar of the quote's day (that of the market) or later is the newer
# word.
# `limit 1` keeps each look-up inside its lateral join, one descent of an index per instrument.
LATEST = """
with owners as (
    select distinct on (ticker) instrument_id, ticker, name, sector, currency_code
    from marts.dim_instruments
    where
        (case when %(tickers)s::text[] is null then is_active else ticker = any(%(tickers)s) end)
        and (%(sector)s::text is null or sector = %(sector)s)
        and ticker > %(after_ticker)s
    order by ticker, is_active desc, last_trade_date desc nulls last
),

chosen as (
    select * from owners order by ticker limit %(limit)s
),

closes as (
    select
        chosen.*, bar.trade_date, bar.adjustment, bar.volume_shares, bar.source,
        case when bar.close_raw is null then bar.open_adj else bar.open_raw end as open,
        case when bar.close_raw is null then bar.high_adj else bar.high_raw end as high,
        case when bar.close_raw is null then bar.low_adj else bar.low_raw end as low,
        coalesce(bar.close_raw, bar.close_adj) as close,
        bar.return_1d
    from chosen
    left join lateral (
        select *
        from marts.fct_daily_prices as p
        where p.instrument_id = chosen.instrument_id and not p.is_suspect
        order by p.trade_date desc
        limit 1
    ) as bar on true
)

select
    c.ticker, c.name, c.instrument_id, c.sector,
    coalesce(q.price, c.close)::float8,
    (case when q.price is null then c.open else q.open end)::float8,
    (case when q.price is null then c.high else q.high end)::float8,
    (case when q.price is null then c.low else q.low end)::float8,
    (case when q.price is null then c.close / (1 + nullif(c.return_1d, -1)) else q.previous_close end)::float8,
    (case when q.price is null then c.return_1d else q.change end)::float8,
    (case when q.price is null then c.volume_shares else q.volume_shares end)::bigint,
    coalesce(q.currency_code, c.currency_code),
    case when q.price is null then 'close' else 'live' end,
    q.quoted_at,
    case when q.price is null then c.trade_date end,
    case when q.price is null then c.adjustment else 'none' end,
    coalesce(q.source, c.source),
    fresh.until,
    %(now)s > fresh.until
from closes as c
left join lateral (
    select *
    from research.latest_quotes as v
    where v.instrument_id = c.instrument_id
    limit 1
) as q on c.trade_date is null or q.trade_date > c.trade_date
cross join lateral (
    -- A bar is known by the end of its day, and asked for again a day later.
    select
        case
            when q.price is null then (c.trade_date + 2)::timestamp at time zone 'UTC'
            else q.quoted_at + make_interval(secs => %(quote_ttl_seconds)s)
        end as until
) as fresh
order by c.ticker
"""


class Quote(msgspec.Struct, frozen=True, gc=False):
    """The newest price of one instrument."""

    ticker: columns.Ticker
    name: columns.Name
    instrument_id: columns.InstrumentId
    sector: columns.Sector
    price: Annotated[float, Meta(description="Last price, as traded where known. Unit currency per share.")]
    open: Annotated[float | None, Meta(description="First price of the session. Unit currency per share.")]
    high: Annotated[float | None, Meta(description="Highest price of the session. Unit currency per share.")]
    low: Annotated[float | None, Meta(description="Lowest price of the session. Unit currency per share.")]
    previous_close: Annotated[
        float | None,
        Meta(
            description="Close of the session before; under basis `close` in today's share terms, dividends taken off."
            " Unit currency per share."
        ),
    ]
    change: Annotated[float | None, Meta(description="Price over previous_close - 1. Unit fraction (0.05 is 5%).")]
    volume_shares: Annotated[int | None, Meta(description="Volume of the session. Unit shares.")]
    currency_code: columns.CurrencyCode
    basis: Annotated[Literal["live", "close"], Meta(description="live: a quote; close: the last daily bar.")]
    quoted_at: Annotated[dt.datetime | None, Meta(description="Instant of the quote, UTC; null under basis `close`.")]
    trade_date: Annotated[dt.date | None, Meta(description="Session of the close; null under basis `live`.")]
    adjustment: Annotated[str | None, Meta(description="What prices are adjusted for: none, splits, splits_dividends.")]
    source: columns.Source
    stale_after: Annotated[
        dt.datetime | None,
        Meta(
            description="When the platform may know a newer price, UTC: under `live` so many seconds after the quote"
            " as FACTORLOOM_QUOTE_TTL_SECONDS says, under `close` 24 hours after the end of its day."
        ),
    ]
    is_stale: Annotated[bool | None, Meta(description="True once stale_after has passed.")]


async def latest(
    reader: Reader,
    *,
    tickers: Sequence[str] | None = None,
    sector: str | None = None,
    after_ticker: str = "",
    limit: int,
    now: dt.datetime,
    quote_ttl_seconds: int,
) -> tuple[list[Quote], str | None]:
    """Return quotes by ticker, of those named or of all that trade, and the ticker to go on behind.

    An instrument without a price takes its place on a page and is left out, so a page may be shorter than its limit.
    """
    parameters = {
        "tickers": None if tickers is None else list(tickers),
        "sector": sector, "after_ticker": after_ticker, "limit": limit + 1,
        "now": now, "quote_ttl_seconds": quote_ttl_seconds,
    }  # fmt: skip
    rows = await reader.rows(Quote, LATEST, parameters)
    shown = [row for row in rows[:limit] if row.price is not None]
    return shown, rows[limit - 1].ticker if len(rows) > limit else None
