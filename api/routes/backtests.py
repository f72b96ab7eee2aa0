"""GET /v1/backtests: what the rankings would have earned."""

import asyncio
import datetime as dt
from typing import Annotated, TypeAlias

import msgspec
from litestar import Response
from litestar.di import NamedDependency
from litestar.openapi.spec import Example
from litestar.params import PathParameter, QueryParameter

from api import answers, operations
from api.answers import One, Page
from api.artifacts import Artifacts
from api.cursors import Cursors
from api.errors import BacktestUnknown, ReportMissing
from api.parameters import Cursor, Limit
from warehouse.queries import backtests
from warehouse.queries.backtests import Backtest, EquityDay, Metric, Sort, Trade
from warehouse.queries.ordering import Place
from warehouse.queries.rankings import Profile
from warehouse.queries.reader import Reader

# The page brings its style along; scripts, pictures and addresses have no place in it.
REPORT_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none';"
    " sandbox"
)
MAX_TRADES = 10_000
ID_PATTERN = r"^[A-Za-z0-9_\-]{1,128}$"
DATASETS = ["research.backtests", "research.backtest_metrics", "research.backtest_equity"]
BACKTEST = Backtest(
    backtest_id="b_0cc175b9c0f1b6a8",
    profile="balanced",
    first_date=dt.date(2022, 12, 2),
    last_date=dt.date(2024, 6, 28),
    n_rebalances=19,
    n_trades=1_480,
    configuration={"quantile": 0.1, "rebalance": "monthly", "cost_bps": 5.0},
    data_digest="92eb5ffee6ae2fec3ad71c777531578f",
    code_version="4a8a08f09d37b737",
    computed_at=dt.datetime(2024, 6, 28, 22, 9, tzinfo=dt.UTC),
)


BacktestId: TypeAlias = Annotated[
    str,
    PathParameter(
        pattern=ID_PATTERN,
        description="Id, as /v1/backtests lists it.",
        examples=[Example(value="b_0cc175b9c0f1b6a8")],
    ),
]


TRADE = Trade(dt.date(2024, 6, 28), "ACME", "i_5f0c2a9b7d1e4c38", 0.019, 0.02, 0.0013, 51.5, 0.0000013, "rebalance")


class BacktestDetail(msgspec.Struct, frozen=True):
    """One backtest with its figures and its books."""

    backtest: Backtest
    metrics: list[Metric]
    equity: list[EquityDay]


DETAIL = BacktestDetail(
    BACKTEST,
    [Metric("sharpe", 0.92, 0.61, "ratio", "Mean over standard deviation of daily returns, times sqrt(252).")],
    [EquityDay(dt.date(2024, 6, 28), 1.31, 0.01, 1.30, 50, 0.004, 0.002, 0.003, 0.0, 0.0, -0.012)],
)


@operations.read(
    "/backtests",
    operation_id="list_backtests",
    summary="List backtests",
    tag="Research",
    scope="read:market",
    datasets=DATASETS[:1],
    cache_control=operations.DAILY,
    problems=[410],
    example=Page([BACKTEST], answers.Meta(dataset_version="0cc175b9c0f1b6a831c399e269772661")),
)
async def list_backtests(
    reader: NamedDependency[Reader],
    cursors: NamedDependency[Cursors],
    profile: Annotated[
        Profile | None, QueryParameter(description="Only of this risk profile.", examples=[Example(value="balanced")])
    ] = None,
    sort: Annotated[Sort, QueryParameter(description="Order; `-` before the name turns it round.")] = "-computed_at",
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[Backtest]:
    """Backtests, the newest first. A configuration is one trial, its newest row; a re-run is the same row."""
    after = cursors.read(cursor, Place) if cursor else None
    rows = await backtests.matching(reader, profile=profile, sort=sort, after=after, limit=limit + 1)
    shown, last = answers.first_page(rows, limit=limit)
    following = cursors.after(*backtests.ORDERS[sort].place(last)) if last else None
    return Page(shown, answers.meta(), following)


@operations.read(
    "/backtests/{backtest_id:str}",
    operation_id="get_backtest",
    summary="Get one backtest",
    tag="Research",
    scope="read:market",
    datasets=DATASETS,
    cache_control=operations.DAILY,
    problems=[404],
    example=One(DETAIL, answers.Meta(dataset_version="0cc175b9c0f1b6a831c399e269772661", profile="balanced")),
)
async def get_backtest(
    reader: NamedDependency[Reader],
    backtest_id: BacktestId,
) -> One[BacktestDetail]:
    """Configuration, figures beside the benchmark's, and the books of every session, oldest first."""
    found = await _known(reader, backtest_id)
    detail = BacktestDetail(
        found, await backtests.metrics(reader, backtest_id), await backtests.equity(reader, backtest_id)
    )
    return One(detail, answers.meta(profile=found.profile, as_of_date=found.last_date))


@operations.read(
    "/backtests/{backtest_id:str}/equity",
    operation_id="list_backtest_equity",
    summary="List the books of a backtest",
    tag="Research",
    scope="read:market",
    datasets=["research.backtests", "research.backtest_equity"],
    cache_control=operations.DAILY,
    problems=[404],
    example=Page(DETAIL.equity, answers.Meta(dataset_version="0cc175b9c0f1b6a831c399e269772661", profile="balanced")),
)
async def list_backtest_equity(reader: NamedDependency[Reader], backtest_id: BacktestId) -> Page[EquityDay]:
    """The books of every session at its close, oldest first: cash + positions_value = equity."""
    found = await _known(reader, backtest_id)
    about = answers.meta(profile=found.profile, as_of_date=found.last_date)
    return Page(await backtests.equity(reader, backtest_id), about)


@operations.read(
    "/backtests/{backtest_id:str}/trades",
    operation_id="list_backtest_trades",
    summary="List the trades of a backtest",
    tag="Research",
    scope="read:market",
    datasets=["research.backtests", "research.backtest_trades", "marts.dim_instruments"],
    cache_control=operations.DAILY,
    problems=[404, 410],
    example=Page([TRADE], answers.Meta(dataset_version="0cc175b9c0f1b6a831c399e269772661", profile="balanced")),
)
async def list_backtest_trades(
    reader: NamedDependency[Reader],
    cursors: NamedDependency[Cursors],
    backtest_id: BacktestId,
    limit: Annotated[int, QueryParameter(ge=1, le=MAX_TRADES, description="Rows on a page. Unit rows.")] = 1_000,
    cursor: Cursor = None,
) -> Page[Trade]:
    """Every trade, oldest first: weights before and after, value, price and cost, and why it was made."""
    found = await _known(reader, backtest_id)
    after = cursors.read(cursor, tuple[dt.date, str]) if cursor else (dt.date.min, "")
    rows = await backtests.trades(reader, backtest_id, after=after, limit=limit + 1)
    shown, last = answers.first_page(rows, limit=limit)
    following = cursors.after(last.trade_date, last.instrument_id) if last else None
    return Page(shown, answers.meta(profile=found.profile, as_of_date=found.last_date), following)


@operations.page(
    "/backtests/{backtest_id:str}/report",
    operation_id="get_backtest_report",
    summary="Read the report of a backtest",
    tag="Research",
    scope="read:market",
    example="<!doctype html><title>Backtest balanced</title>",
    problems=[404],
)
async def get_backtest_report(
    reader: NamedDependency[Reader], artifacts: NamedDependency[Artifacts], backtest_id: BacktestId
) -> Response[bytes]:
    """One HTML page with figures, charts and tables of months; it runs nothing and loads nothing."""
    await _known(reader, backtest_id)
    uri = await backtests.report_uri(reader, backtest_id)
    page = await asyncio.to_thread(artifacts.read, uri) if uri else None
    if page is None:
        raise ReportMissing(backtest_id)
    return Response(page, media_type=operations.HTML, headers={"Content-Security-Policy": REPORT_POLICY})


async def _known(reader: Reader, backtest_id: str) -> Backtest:
    found = await backtests.one(reader, backtest_id)
    if found is None:
        raise BacktestUnknown(backtest_id)
    return found
