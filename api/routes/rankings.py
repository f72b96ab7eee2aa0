"""GET /v1/rankings: the order of a day."""

import datetime as dt
from typing import Annotated

from litestar.di import NamedDependency
from litestar.openapi.spec import Example
from litestar.params import QueryParameter

from api import answers, operations
from api.answers import Page
from api.cursors import Cursors
from api.errors import BeforeFirstDate
from api.parameters import AsOf, Cursor, Limit, MarketFilter, SectorFilter
from api.routes.instruments import ACME
from api.tickers import require_known
from warehouse.queries import answers as hot
from warehouse.queries import rankings
from warehouse.queries.ordering import Place
from warehouse.queries.rankings import Profile, Ranked, Sort
from warehouse.queries.reader import Reader

RANKED = Ranked(
    rank=1,
    ticker=ACME.ticker,
    name=ACME.name,
    instrument_id=ACME.instrument_id,
    sector=ACME.sector,
    market=ACME.market,
    as_of_date=dt.date(2024, 6, 28),
    score=81.5,
    signal="strong_buy",
    breached_limit=None,
    contribution_forecast=14.0,
    contribution_momentum=6.5,
    contribution_value=2.0,
    contribution_quality=5.0,
    contribution_growth=1.5,
    contribution_low_risk=2.0,
    contribution_liquidity=0.5,
    missing_groups=[],
    model_version_id="m_1f3870be274f6c49",
    is_intraday=False,
    computed_at=dt.datetime(2024, 6, 28, 22, 5, tzinfo=dt.UTC),
)


@operations.read(
    "/rankings",
    operation_id="list_rankings",
    summary="List a day's ranking",
    tag="Research",
    scope="read:market",
    datasets=rankings.DATASETS,
    cache_control=operations.DAILY,
    problems=[404, 410, 422],
    example=Page(
        [RANKED],
        answers.Meta(
            dataset_version="8277e0910d750195b448797616e091ad", as_of_date=dt.date(2024, 6, 28), profile="balanced"
        ),
    ),
)
async def list_rankings(
    reader: NamedDependency[Reader],
    cursors: NamedDependency[Cursors],
    profile: Annotated[
        Profile, QueryParameter(description="Risk profile.", examples=[Example(value="balanced")])
    ] = "balanced",
    sector: SectorFilter = None,
    market: MarketFilter = None,
    as_of: AsOf = None,
    is_intraday: Annotated[
        bool, QueryParameter(description="Made from live prices on the model of the day before; never evaluated.")
    ] = False,
    sort: Annotated[
        Sort, QueryParameter(description="Order; `-` before the name turns it round. Missing values come last.")
    ] = "rank",
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[Ranked]:
    """The ranking of the newest day, or of `as_of`: score, rank, signal, and what each group of factors added.

    Ranks are those of the whole universe, also under a filter. Instruments behind a risk limit come last, unranked.
    """
    page = await hot.ranking(
        reader, cursors.asked(), as_of, profile=profile, is_intraday=is_intraday, sector=sector, market=market,
        sort=sort, after=cursors.read(cursor, Place) if cursor else None, limit=limit,
    )  # fmt: skip
    if page is None:
        first_date = await rankings.first_date(reader, profile=profile, is_intraday=is_intraday)
        raise BeforeFirstDate("rankings", as_of=as_of, first_date=first_date)
    if not page.data:
        await require_known(reader, sector=sector, market=market)
    return page
