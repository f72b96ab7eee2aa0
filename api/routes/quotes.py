"""GET /v1/quotes: prices now."""

import datetime as dt
from typing import Annotated

from litestar.di import NamedDependency
from litestar.openapi.spec import Example
from litestar.params import QueryParameter

from api import answers, operations
from api.answers import One, Page
from api.cursors import Cursors
from api.errors import PriceMissing
from api.freshness import Freshness
from api.parameters import Cursor, Limit, SectorFilter
from api.routes.instruments import ACME
from api.tickers import MAX_TICKERS, require_known, require_tickers, split_tickers
from warehouse.queries import quotes
from warehouse.queries.instruments import Instrument
from warehouse.queries.quotes import Quote
from warehouse.queries.reader import Reader

DATASETS = ["raw.quotes", "marts.fct_daily_prices", "marts.dim_instruments"]
QUOTE = Quote(
    ticker=ACME.ticker,
    name=ACME.name,
    instrument_id=ACME.instrument_id,
    sector=ACME.sector,
    price=51.5,
    open=50.2,
    high=51.9,
    low=50.1,
    previous_close=50.0,
    change=0.03,
    volume_shares=1_204_300,
    currency_code="USD",
    basis="live",
    quoted_at=dt.datetime(2024, 6, 28, 18, 30, tzinfo=dt.UTC),
    trade_date=None,
    adjustment="none",
    source="simulated",
    stale_after=dt.datetime(2024, 6, 28, 18, 30, 20, tzinfo=dt.UTC),
    is_stale=False,
)
TickersFilter = Annotated[
    str | None,
    QueryParameter(
        max_length=MAX_TICKERS * 17,
        description=f"Up to {MAX_TICKERS} tickers, separated by commas. All that trade by default.",
        examples=[Example(value="ACME,ZETA")],
    ),
]


@operations.read(
    "/quotes",
    operation_id="list_quotes",
    summary="List the newest prices",
    tag="Market data",
    scope="read:market",
    datasets=DATASETS,
    cache_control=operations.LIVE,
    problems=[404, 410, 422],
    example=Page([QUOTE], answers.Meta(dataset_version="7d793037a0760186574b0282f2f435e7")),
)
async def list_quotes(
    reader: NamedDependency[Reader],
    cursors: NamedDependency[Cursors],
    freshness: NamedDependency[Freshness],
    tickers: TickersFilter = None,
    sector: SectorFilter = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[Quote]:
    """The newest price of each instrument by ticker: a live quote, else the last close; `basis` says which."""
    wanted = split_tickers(tickers) if tickers is not None else None
    after = cursors.read(cursor, tuple[str])[0] if cursor else ""
    rows, last = await quotes.latest(
        reader, tickers=wanted, sector=sector, after_ticker=after, limit=limit, now=freshness.now(),
        quote_ttl_seconds=freshness.quote_ttl_seconds,
    )  # fmt: skip
    if not rows:
        await require_known(reader, sector=sector)
    if wanted is not None:
        await require_tickers(reader, wanted)
    return Page(rows, answers.meta(), cursors.after(last) if last else None)


@operations.read(
    "/quotes/{ticker:str}",
    operation_id="get_quote",
    summary="Get the newest price of one instrument",
    tag="Market data",
    scope="read:market",
    datasets=DATASETS,
    cache_control=operations.LIVE,
    problems=[307, 404],
    example=One(QUOTE, answers.Meta(dataset_version="7d793037a0760186574b0282f2f435e7", ticker="ACME")),
)
async def get_quote(
    reader: NamedDependency[Reader], instrument: NamedDependency[Instrument], freshness: NamedDependency[Freshness]
) -> One[Quote]:
    """The newest price: a live quote, else the last close; `basis` says which."""
    rows, _ = await quotes.latest(
        reader, tickers=[instrument.ticker], limit=1, now=freshness.now(),
        quote_ttl_seconds=freshness.quote_ttl_seconds,
    )  # fmt: skip
    if not rows:
        raise PriceMissing(instrument.ticker)
    return One(rows[0], answers.meta(instrument=instrument))
