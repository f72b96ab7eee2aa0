"""GET /v1/backtests: what the rankings would have earned."""

import datetime as dt
from typing import Annotated

import msgspec
from litestar.di import NamedDependency
from litestar.openapi.spec import Example
from litestar.params import PathParameter, QueryParameter

from api import answers, operations
from api.answers import One, Page
from api.cursors import Cursors
from api.errors import BacktestUnknown
from api.parameters import Cursor, Limit
from warehouse.queries import backtests
from warehouse.queries.backtests import Backtest, EquityDay, Metric
from warehouse.queries.rankings import Profile
from warehouse.queries.reader import Reader

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


class BacktestDetail(msgspec.Struct, frozen=True):
    """One backtest with its figures and its books."""

    backtest: Backtest
    metrics: list[Metric]
    equity: list[EquityDay]


DETAIL = BacktestDetail(
    BACKTEST,
    [Metric("sharpe", 0.92, 0.61, "ratio", "Mean over standard deviation of daily returns, times sqrt(252).")],
    [EquityDay(dt.date(2024, 6, 28), 1.31, 0.01, 1.30, 50, 0.004, 0.002, 0.0, 0.0, -0.012)],
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
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[Backtest]:
    """Backtests, the newest first. One row is one trial: a repeated one is the same row."""
    before = cursors.read(cursor, tuple[dt.datetime, str]) if cursor else (None, "")
    rows = await backtests.newest(reader, profile=profile, before=before, limit=limit + 1)
    shown, last = answers.first_page(rows, limit=limit)
    return Page(shown, answers.meta(), cursors.after(last.computed_at, last.backtest_id) if last else None)


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
    backtest_id: Annotated[
        str,
        PathParameter(
            pattern=ID_PATTERN,
            description="Id, as /v1/backtests lists it.",
            examples=[Example(value="b_0cc175b9c0f1b6a8")],
        ),
    ],
) -> One[BacktestDetail]:
    """Configuration, figures beside the benchmark's, and the books of every session, oldest first."""
    found = await backtests.one(reader, backtest_id)
    if found is None:
        raise BacktestUnknown(backtest_id)
    detail = BacktestDetail(
        found, await backtests.metrics(reader, backtest_id), await backtests.equity(reader, backtest_id)
    )
    return One(detail, answers.meta(profile=found.profile, as_of_date=found.last_date))
