"""Portfolios and what they hold, with what the market and the forecasters say of each holding."""

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal
from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import Meta

from warehouse.queries.reader import Reader, Writer
from warehouse.records.holdings import Holding

_COLUMNS = """
    p.portfolio_id, p.name, p.currency_code,
    (select count(*) from app.holdings as h where h.portfolio_id = p.portfolio_id) as n_holdings,
    p.created_at, p.updated_at
"""

LIST = f"select {_COLUMNS} from app.portfolios as p where p.user_id = %(user_id)s order by p.name"
ONE = f"select {_COLUMNS} from app.portfolios as p where p.user_id = %(user_id)s and p.portfolio_id = %(portfolio_id)s"
BY_NAME = f"select {_COLUMNS} from app.portfolios as p where p.user_id = %(user_id)s and p.name = %(name)s"

INSERT = """
insert into app.portfolios (portfolio_id, user_id, name, currency_code, created_at, updated_at)
values (%(portfolio_id)s, %(user_id)s, %(name)s, %(currency_code)s, %(now)s, %(now)s)
"""

UPDATE = """
update app.portfolios
set
    name = coalesce(%(name)s, name), currency_code = coalesce(%(currency_code)s, currency_code), updated_at = %(now)s
where user_id = %(user_id)s and portfolio_id = %(portfolio_id)s
"""

DELETE = "delete from app.portfolios where user_id = %(user_id)s and portfolio_id = %(portfolio_id)s"

# Two imports of one portfolio at once take turns.
LOCK = """
select portfolio_id from app.portfolios where user_id = %(user_id)s and portfolio_id = %(portfolio_id)s for update
"""

LATEST_IMPORT = """
select file_hash from app.portfolio_imports
where user_id = %(user_id)s and portfolio_id = %(portfolio_id)s
order by imported_at desc, file_hash
limit 1
"""

KEEP_IMPORT = """
insert into app.portfolio_imports (portfolio_id, file_hash, user_id, n_holdings, imported_at)
values (%(portfolio_id)s, %(file_hash)s, %(user_id)s, %(n_holdings)s, clock_timestamp())
on conflict (portfolio_id, file_hash) do update set
    n_holdings = excluded.n_holdings, imported_at = excluded.imported_at
"""

INSTRUMENTS = """
select distinct on (ticker) ticker, instrument_id
from marts.dim_instruments
where ticker = any(%(tickers)s)
order by ticker, is_active desc, last_trade_date desc nulls last
"""

# One statement: all rows of the file, and the end of what it does not hold. `is_new` tells inserted from updated.
REPLACE = """
with given as (
    select g.instrument_id, g.quantity_shares, g.cost_price
    from unnest(%(instrument_ids)s::text[], %(quantities)s::numeric[], %(prices)s::numeric[])
        as g (instrument_id, quantity_shares, cost_price)
),

gone as (
    delete from app.holdings as h
    where
        h.portfolio_id = %(portfolio_id)s and h.user_id = %(user_id)s and %(replace)s
        and not exists (select from given as g where g.instrument_id = h.instrument_id)
    returning h.instrument_id
),

written as (
    insert into app.holdings as h (
        portfolio_id, instrument_id, user_id, quantity_shares, cost_price, updated_at
    )
    select %(portfolio_id)s, g.instrument_id, %(user_id)s, g.quantity_shares, g.cost_price, %(now)s
    from given as g
    on conflict (portfolio_id, instrument_id) do update set
        quantity_shares = excluded.quantity_shares, cost_price = excluded.cost_price, updated_at = excluded.updated_at
    where
        (h.quantity_shares, h.cost_price) is distinct from (excluded.quantity_shares, excluded.cost_price)
    returning xmax = 0 as is_new
)

select
    count(*) filter (where is_new) as inserted,
    count(*) filter (where not is_new) as updated,
    (select count(*) from gone) as deleted
from written
"""

HOLDINGS = """
select
    i.ticker, i.name, h.instrument_id, h.quantity_shares, h.cost_price,
    coalesce(q.price, c.close) as price,
    coalesce(q.currency_code, c.currency_code) as currency_code,
    q.quoted_at as price_at,
    case when q.price is null then c.trade_date end as price_date,
    (h.quantity_shares * coalesce(q.price, c.close)::numeric)::float8 as market_value,
    case
        when h.cost_price > 0 and h.quantity_shares > 0 then coalesce(q.price, c.close) / h.cost_price::float8 - 1
    end as return_since_cost,
    s.signal, s.model_id as signal_by, s.as_of_date as signal_date, s.rank, s.confidence, s.expected_return_22d,
    s.previous_signal, h.updated_at
from app.holdings as h
left join marts.dim_instruments as i on i.instrument_id = h.instrument_id
left join research.latest_quotes as q on q.instrument_id = h.instrument_id
left join lateral (
    select coalesce(p.close_raw, p.close_adj) as close, p.currency_code, p.trade_date
    from marts.fct_daily_prices as p
    where p.instrument_id = h.instrument_id
    order by p.trade_date desc
    limit 1
) as c on true
left join app.holding_signals as s on s.portfolio_id = h.portfolio_id and s.instrument_id = h.instrument_id
where h.user_id = %(user_id)s and h.portfolio_id = %(portfolio_id)s
order by i.ticker, h.instrument_id
"""


class Portfolio(msgspec.Struct, frozen=True):
    """What somebody holds, as a whole."""

    portfolio_id: Annotated[UUID, Meta(description="Id of the portfolio.")]
    name: Annotated[str, Meta(description="What its owner calls it.")]
    currency_code: Annotated[str, Meta(description="Currency of its totals, ISO 4217.")]
    n_holdings: Annotated[int, Meta(description="Instruments held. Unit count.")]
    created_at: Annotated[dt.datetime, Meta(description="When it was made, UTC.")]
    updated_at: Annotated[dt.datetime, Meta(description="When it, or what it holds, last changed, UTC.")]


class HeldNow(msgspec.Struct, frozen=True):
    """One holding, its latest price and its newest signal."""

    ticker: Annotated[str | None, Meta(description="Ticker of today, null where the instrument is not known any more.")]
    name: Annotated[str | None, Meta(description="Name of the company or fund.")]
    instrument_id: Annotated[str, Meta(description="Our id of the instrument.")]
    quantity_shares: Annotated[Decimal, Meta(description="Shares held, negative when short. Unit shares.")]
    cost_price: Annotated[Decimal | None, Meta(description="Average price paid. Unit currency per share.")]
    price: Annotated[
        float | None, Meta(description="Newest quote, else the last close, as traded. Unit currency per share.")
    ]
    currency_code: Annotated[str | None, Meta(description="Currency of the price, ISO 4217.")]
    price_at: Annotated[dt.datetime | None, Meta(description="Instant of the quote, UTC; null for a close.")]
    price_date: Annotated[dt.date | None, Meta(description="Session of the close; null for a quote.")]
    market_value: Annotated[float | None, Meta(description="Quantity times price. Unit currency of the price.")]
    return_since_cost: Annotated[
        float | None, Meta(description="Price over cost_price - 1, of what is held long. Unit fraction.")
    ]
    signal: Annotated[str | None, Meta(description="strong_buy, buy, hold, sell or strong_sell.")]
    signal_by: Annotated[str | None, Meta(description="Who says so: ensemble, or a forecaster.")]
    signal_date: Annotated[dt.date | None, Meta(description="Last day whose information the signal uses.")]
    rank: Annotated[int | None, Meta(description="Place of the day, 1 best. Unit places.")]
    confidence: Annotated[float | None, Meta(description="How sure the signal is. Unit none, 0 to 1.")]
    expected_return_22d: Annotated[float | None, Meta(description="Return to expect. Unit fraction.")]
    previous_signal: Annotated[str | None, Meta(description="What the signal was before its last change.")]
    updated_at: Annotated[dt.datetime, Meta(description="When the holding last changed, UTC.")]


class Replaced(msgspec.Struct, frozen=True):
    """What a file changed, in holdings."""

    inserted: int
    updated: int
    deleted: int


class _Listed(msgspec.Struct, frozen=True):
    ticker: str
    instrument_id: str


class _Hash(msgspec.Struct, frozen=True):
    file_hash: str


async def of_user(reader: Reader, user_id: UUID) -> list[Portfolio]:
    """Return somebody's portfolios, by name."""
    return await reader.rows(Portfolio, LIST, {"user_id": user_id})


async def one(reader: Reader, user_id: UUID, portfolio_id: UUID) -> Portfolio | None:
    """Return a portfolio of somebody's."""
    rows = await reader.rows(Portfolio, ONE, {"user_id": user_id, "portfolio_id": portfolio_id})
    return rows[0] if rows else None


async def by_name(reader: Reader, user_id: UUID, name: str) -> Portfolio | None:
    """Return somebody's portfolio of this name."""
    rows = await reader.rows(Portfolio, BY_NAME, {"user_id": user_id, "name": name})
    return rows[0] if rows else None


async def insert(
    writer: Writer, user_id: UUID, portfolio_id: UUID, *, name: str, currency_code: str, now: dt.datetime
) -> None:
    """Make a portfolio that holds nothing; psycopg's `UniqueViolation` where the name is taken."""
    row = {"user_id": user_id, "portfolio_id": portfolio_id, "name": name, "currency_code": currency_code, "now": now}
    await writer.execute(INSERT, row)


async def update(
    writer: Writer, user_id: UUID, portfolio_id: UUID, *, name: str | None, currency_code: str | None, now: dt.datetime
) -> bool:
    """Change a portfolio; None leaves as it is; False where there is none."""
    row = {"user_id": user_id, "portfolio_id": portfolio_id, "name": name, "currency_code": currency_code, "now": now}
    return await writer.execute(UPDATE, row) == 1


async def delete(writer: Writer, user_id: UUID, portfolio_id: UUID) -> bool:
    """Delete a portfolio with what it holds; False where there is none."""
    return await writer.execute(DELETE, {"user_id": user_id, "portfolio_id": portfolio_id}) == 1


async def held(reader: Reader, user_id: UUID, portfolio_id: UUID) -> list[HeldNow]:
    """Return what a portfolio holds, by ticker."""
    return await reader.rows(HeldNow, HOLDINGS, {"user_id": user_id, "portfolio_id": portfolio_id})


async def instruments_of(reader: Reader, tickers: Sequence[str]) -> dict[str, str]:
    """Return the instrument that each ticker means today; unknown ones are left out."""
    rows = await reader.rows(_Listed, INSTRUMENTS, {"tickers": list(tickers)})
    return {row.ticker: row.instrument_id for row in rows}


async def lock(writer: Writer, user_id: UUID, portfolio_id: UUID) -> bool:
    """Keep others from changing a portfolio until this transaction ends; False where there is none any more."""
    return await writer.execute(LOCK, {"user_id": user_id, "portfolio_id": portfolio_id}) == 1


async def latest_import(reader: Reader, user_id: UUID, portfolio_id: UUID) -> str | None:
    """Return the hash of the file that a portfolio was last taken from."""
    rows = await reader.rows(_Hash, LATEST_IMPORT, {"user_id": user_id, "portfolio_id": portfolio_id})
    return rows[0].file_hash if rows else None


async def replace(
    writer: Writer,
    user_id: UUID,
    portfolio_id: UUID,
    holdings: Sequence[tuple[str, Holding]],
    *,
    file_hash: str,
    keep_others: bool,
    now: dt.datetime,
) -> Replaced:
    """Take over the holdings of a file, each with its instrument; what it does not hold goes, or is kept."""
    about = {"user_id": user_id, "portfolio_id": portfolio_id}
    rows = {
        "instrument_ids": [instrument_id for instrument_id, _ in holdings],
        "quantities": [holding.quantity_shares for _, holding in holdings],
        "prices": [holding.cost_price for _, holding in holdings],
        "replace": not keep_others,
        "now": now,
    }
    done = (await writer.rows(Replaced, REPLACE, {**about, **rows}))[0]
    await writer.execute(KEEP_IMPORT, {**about, "file_hash": file_hash, "n_holdings": len(holdings)})
    await update(writer, user_id, portfolio_id, name=None, currency_code=None, now=now)
    return done
