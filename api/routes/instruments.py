"""GET /v1/instruments: what there is, and how it is spelt."""

import datetime as dt
from typing import Annotated

from litestar.di import NamedDependency
from litestar.openapi.spec import Example
from litestar.params import QueryParameter

from api import answers, operations
from api.answers import Page
from api.cursors import Cursors
from api.parameters import SEARCH_PATTERN, Cursor, Limit, MarketFilter, SectorFilter
from api.tickers import require_known
from warehouse.queries import instruments
from warehouse.queries.instruments import Instrument, Sort, Symbol
from warehouse.queries.ordering import Place
from warehouse.queries.reader import Reader

MAX_SYMBOLS = 10_000
ACME = Instrument(
    ticker="ACME",
    name="Acme Corporation",
    instrument_id="i_5f0c2a9b7d1e4c38",
    exchange_code="XNYS",
    market="stocks",
    currency_code="USD",
    country_code="US",
    sector="Technology",
    industry="Software",
    listed_date=dt.date(2010, 5, 3),
    delisted_date=None,
    is_active=True,
    first_trade_date=dt.date(2020, 12, 1),
    last_trade_date=dt.date(2024, 6, 28),
    source="simulated",
)
SearchFilter = Annotated[
    str | None,
    QueryParameter(
        pattern=SEARCH_PATTERN,
        max_length=64,
        description="Beginning of the ticker, or any part of the name; case does not matter.",
        examples=[Example(value="ACME")],
    ),
]
ActiveFilter = Annotated[
    bool | None,
    QueryParameter(description="Only those that trade (true) or no longer do (false).", examples=[Example(value=True)]),
]


@operations.read(
    "/instruments",
    operation_id="list_instruments",
    summary="List instruments",
    tag="Market data",
    scope="read:market",
    datasets=["marts.dim_instruments"],
    cache_control=operations.DAILY,
    problems=[410, 422],
    example=Page([ACME], answers.Meta(dataset_version="5d41402abc4b2a76b9719d911017c592")),
)
async def list_instruments(
    reader: NamedDependency[Reader],
    cursors: NamedDependency[Cursors],
    q: SearchFilter = None,
    sector: SectorFilter = None,
    market: MarketFilter = None,
    active: ActiveFilter = None,
    sort: Annotated[
        Sort, QueryParameter(description="Order; `-` before the name turns it round. Missing values come last.")
    ] = "ticker",
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[Instrument]:
    """Instruments by ticker; those that no longer trade too, unless `active=true`."""
    after = cursors.read(cursor, Place) if cursor else None
    rows = await instruments.matching(
        reader, q=q, sector=sector, market=market, active=active, sort=sort, after=after, limit=limit + 1
    )
    if not rows:
        await require_known(reader, sector=sector, market=market)
    shown, last = answers.first_page(rows, limit=limit)
    return Page(shown, answers.meta(), cursors.after(*instruments.ORDERS[sort].place(last)) if last else None)


@operations.read(
    "/symbols",
    operation_id="list_symbols",
    summary="List tickers and names alone",
    tag="Market data",
    scope="read:market",
    datasets=["marts.dim_instruments"],
    cache_control=operations.DAILY,
    problems=[410, 422],
    example=Page(
        [Symbol(ACME.ticker, ACME.name, ACME.instrument_id, ACME.is_active)],
        answers.Meta(dataset_version="5d41402abc4b2a76b9719d911017c592"),
    ),
)
async def list_symbols(
    reader: NamedDependency[Reader],
    cursors: NamedDependency[Cursors],
    market: MarketFilter = None,
    active: ActiveFilter = None,
    limit: Annotated[int, QueryParameter(ge=1, le=MAX_SYMBOLS, description="Rows on a page. Unit rows.")] = MAX_SYMBOLS,
    cursor: Cursor = None,
) -> Page[Symbol]:
    """A light list to choose from, by ticker: all of most installations on one page."""
    after = cursors.read(cursor, tuple[str, str]) if cursor else ("", "")
    rows = await instruments.symbols(reader, market=market, active=active, after=after, limit=limit + 1)
    if not rows:
        await require_known(reader, sector=None, market=market)
    shown, last = answers.first_page(rows, limit=limit)
    return Page(shown, answers.meta(), cursors.after(last.ticker, last.instrument_id) if last else None)
