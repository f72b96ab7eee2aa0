"""What the API reads of instruments: the list, and what a ticker means today."""

import datetime as dt
from collections.abc import Sequence
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from warehouse.queries import columns
from warehouse.queries.ordering import Key, Place, orders
from warehouse.queries.reader import Reader

COLUMNS = """
    ticker, name, instrument_id, exchange_code, market, currency_code, country_code, sector, industry, listed_date,
    delisted_date, is_active, first_trade_date, last_trade_date, source
"""

_LIST = f"""
select {COLUMNS}
from marts.dim_instruments
where
    (%(q)s::text is null or starts_with(ticker, upper(%(q)s)) or position(lower(%(q)s) in lower(name)) > 0)
    and (%(sector)s::text is null or sector = %(sector)s)
    and (%(market)s::text is null or market = %(market)s)
    and (%(active)s::boolean is null or is_active = %(active)s)
    {{following}}
order by {{order}}
limit %(limit)s
"""

Sort = Literal["ticker", "-ticker", "name", "-name", "last_trade_date", "-last_trade_date"]
ORDERS = orders(
    _LIST,
    [
        Key("ticker", "ticker", "text"),
        Key("name", "name", "text", is_nullable=True),
        Key("last_trade_date", "last_trade_date", "date", is_nullable=True),
    ],
    unique=Key("instrument_id", "instrument_id", "text"),
)

SYMBOLS = """
select ticker, name, instrument_id, is_active
from marts.dim_instruments
where
    (%(market)s::text is null or market = %(market)s)
    and (%(active)s::boolean is null or is_active = %(active)s)
    and (ticker, instrument_id) > (%(after_ticker)s, %(after_id)s)
order by ticker, instrument_id
limit %(limit)s
"""

# A ticker may have had several owners: the one that trades today counts, else the last that did.
BY_TICKER = f"""
select {COLUMNS}
from marts.dim_instruments
where ticker = %(ticker)s
order by is_active desc, last_trade_date desc nulls last
limit 1
"""

BY_FORMER_TICKER = f"""
select {COLUMNS}
from marts.dim_instruments
inner join (
    select instrument_id
    from marts.dim_tickers
    where ticker = %(ticker)s
    order by valid_from_date desc
    limit 1
) as former using (instrument_id)
"""

SECTORS = "select distinct sector as value from marts.dim_instruments where sector is not null order by 1"
KNOWN_TICKERS = "select distinct ticker as value from marts.dim_instruments where ticker = any(%(tickers)s)"
MARKETS = "select distinct market as value from marts.dim_instruments where market is not null order by 1"


class Instrument(msgspec.Struct, frozen=True, gc=False):
    """One instrument as it is known today."""

    ticker: columns.Ticker
    name: columns.Name
    instrument_id: columns.InstrumentId
    exchange_code: Annotated[str | None, Meta(description="Exchange, ISO 10383 MIC.")]
    market: columns.Market
    currency_code: columns.CurrencyCode
    country_code: Annotated[str | None, Meta(description="Country of the headquarters, ISO 3166-1 alpha-2.")]
    sector: columns.Sector
    industry: Annotated[str | None, Meta(description="Industry in the source's classification.")]
    listed_date: Annotated[dt.date | None, Meta(description="First trading day, null if unknown.")]
    delisted_date: Annotated[dt.date | None, Meta(description="Last trading day, null while listed.")]
    is_active: Annotated[bool, Meta(description="True while the instrument trades.")]
    first_trade_date: Annotated[dt.date | None, Meta(description="Session of the first bar that we hold.")]
    last_trade_date: Annotated[dt.date | None, Meta(description="Session of the last bar that we hold.")]
    source: columns.Source


class Symbol(msgspec.Struct, frozen=True, gc=False):
    """An instrument in a few words, for a list to choose from."""

    ticker: columns.Ticker
    name: columns.Name
    instrument_id: columns.InstrumentId
    is_active: Annotated[bool, Meta(description="True while the instrument trades.")]


class _Known(msgspec.Struct, frozen=True):
    value: str


async def matching(
    reader: Reader,
    *,
    q: str | None = None,
    sector: str | None = None,
    market: str | None = None,
    active: bool | None = None,
    sort: Sort = "ticker",
    after: Place | None = None,
    limit: int,
) -> list[Instrument]:
    """Return instruments in an order, those behind `after`."""
    parameters = {"q": q, "sector": sector, "market": market, "active": active, "limit": limit}
    order = ORDERS[sort]
    return await reader.rows(Instrument, order.query(after), parameters | order.parameters(after))


async def symbols(
    reader: Reader,
    *,
    market: str | None = None,
    active: bool | None = None,
    after: tuple[str, str] = ("", ""),
    limit: int,
) -> list[Symbol]:
    """Return symbols by ticker, those after `after` = (ticker, instrument_id)."""
    parameters = {
        "market": market, "active": active, "after_ticker": after[0], "after_id": after[1], "limit": limit,
    }  # fmt: skip
    return await reader.rows(Symbol, SYMBOLS, parameters)


async def by_ticker(reader: Reader, ticker: str) -> Instrument | None:
    """Return the instrument that a ticker means today."""
    rows = await reader.rows(Instrument, BY_TICKER, {"ticker": ticker})
    return rows[0] if rows else None


async def by_former_ticker(reader: Reader, ticker: str) -> Instrument | None:
    """Return the instrument that a ticker meant last, under its name of today."""
    rows = await reader.rows(Instrument, BY_FORMER_TICKER, {"ticker": ticker})
    return rows[0] if rows else None


async def known_tickers(reader: Reader, tickers: Sequence[str]) -> set[str]:
    """Return those of these tickers that an instrument has."""
    return {row.value for row in await reader.rows(_Known, KNOWN_TICKERS, {"tickers": list(tickers)})}


async def known_sectors(reader: Reader) -> list[str]:
    """Return every sector that an instrument has, by name."""
    return [row.value for row in await reader.rows(_Known, SECTORS)]


async def known_markets(reader: Reader) -> list[str]:
    """Return every market that an instrument has, by name."""
    return [row.value for row in await reader.rows(_Known, MARKETS)]
