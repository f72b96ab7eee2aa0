"""GET /v1/index and /v1/strategy: rule-based indices, what they hold, and their risk."""

import datetime as dt
from typing import Annotated, Literal, TypeAlias

import msgspec
from litestar.di import NamedDependency
from litestar.openapi.spec import Example
from litestar.params import QueryParameter
from msgspec import Meta

from api import answers, operations
from api.answers import One, Page
from api.cursors import Cursors
from api.errors import BeforeFirstDate, NothingInRange, ParameterConflict, ValueUnknown
from api.parameters import AsOf, Cursor, End, Limit, Start
from api.routes.instruments import ACME
from warehouse.queries import index_comparison, index_levels
from warehouse.queries.index_comparison import ComparedIndex
from warehouse.queries.index_levels import Constituent, Level, RiskMetric
from warehouse.queries.reader import Reader

NAME_PATTERN = r"^[a-z][a-z0-9_]{0,62}$"
Window = Literal["1m", "3m", "ytd", "1y", "3y", "all"]
Index: TypeAlias = Annotated[
    str, QueryParameter(pattern=NAME_PATTERN, description="Name of the index.", examples=[Example(value="main")])
]

LEVEL = Level(
    as_of_date=dt.date(2024, 6, 28),
    value=131.4,
    return_1d=0.004,
    benchmark_return_1d=0.002,
    divisor=0.98,
    n_constituents=50,
    definition_version=1,
    currency_code=None,
    computed_at=dt.datetime(2024, 6, 28, 22, 6, tzinfo=dt.UTC),
)
CONSTITUENT = Constituent(
    ticker=ACME.ticker,
    name=ACME.name,
    instrument_id=ACME.instrument_id,
    sector=ACME.sector,
    weight=0.031,
    target_weight=0.03,
    units=0.0783,
    close_adj=51.5,
    changed_date=dt.date(2024, 6, 4),
)
RISK = RiskMetric(
    window="1y",
    metric="sharpe",
    value=1.1,
    net_value=1.05,
    benchmark_value=0.8,
    unit="ratio",
    definition="Mean of daily returns over their sample standard deviation (ddof 1), times sqrt(252).",
    first_date=dt.date(2023, 6, 29),
    last_date=dt.date(2024, 6, 28),
    as_of_date=dt.date(2024, 6, 28),
)

COMPARED = ComparedIndex(
    index_id="risk_parity",
    weighting="risk_parity",
    is_simple=False,
    currency_code=None,
    first_date=dt.date(2023, 6, 29),
    last_date=dt.date(2024, 6, 28),
    cagr=0.112,
    volatility=0.131,
    sharpe=0.87,
    deflated_sharpe=0.62,
    overfitting_probability=0.31,
    n_trials=9,
    sortino=1.24,
    max_drawdown=-0.094,
    information_ratio=0.21,
    cagr_before_costs=0.113,
    sharpe_before_costs=0.88,
    deflated_sharpe_before_costs=0.63,
    turnover_per_year=0.92,
    cost_per_year=0.0009,
    as_of_date=dt.date(2024, 6, 28),
)


class IndexNow(msgspec.Struct, frozen=True):
    """An index at one close, and what it holds."""

    level: Annotated[Level, Meta(description="Value and return.")]
    constituents: Annotated[list[Constituent], Meta(description="What it holds, the largest weight first.")]


@operations.read(
    "/index/current",
    operation_id="get_index",
    summary="Get an index and what it holds",
    tag="Research",
    scope="read:market",
    datasets=[
        "research.index_values",
        "research.index_allocations",
        "marts.fct_daily_prices",
        "marts.fct_exchange_rates",
        "marts.dim_instruments",
    ],
    cache_control=operations.DAILY,
    problems=[404, 422],
    example=One(
        IndexNow(LEVEL, [CONSTITUENT]),
        answers.Meta(dataset_version="6b0a1f0e5a834c0f9d5c1f7f0a9b6a11", as_of_date=dt.date(2024, 6, 28), index="main"),
    ),
)
async def get_index(reader: NamedDependency[Reader], index: Index = "main", as_of: AsOf = None) -> One[IndexNow]:
    """The level of the newest session, or of `as_of`, and the weights at that close after its trades."""
    await require_known(reader, index)
    rows = await index_levels.newest(reader, index, end=as_of or dt.date.max, limit=1)
    if not rows:
        first_date = await index_levels.first_date(reader, index)
        raise BeforeFirstDate(f"index {index}", as_of=as_of, first_date=first_date)
    level = rows[0]
    held = await index_levels.constituents(reader, index, level.as_of_date)
    return One(IndexNow(level, held), answers.meta(as_of_date=level.as_of_date, index=index))


@operations.read(
    "/index/history",
    operation_id="list_index_levels",
    summary="List the levels of an index",
    tag="Research",
    scope="read:market",
    datasets=["research.index_values"],
    cache_control=operations.DAILY,
    problems=[404, 410, 422],
    example=Page(
        [LEVEL],
        answers.Meta(dataset_version="6b0a1f0e5a834c0f9d5c1f7f0a9b6a11", as_of_date=dt.date(2024, 6, 28), index="main"),
    ),
)
async def list_index_levels(
    reader: NamedDependency[Reader],
    cursors: NamedDependency[Cursors],
    index: Index = "main",
    start: Start = None,
    end: End = None,
    limit: Limit = 252,
    cursor: Cursor = None,
) -> Page[Level]:
    """The newest sessions of the range, oldest first; `next` goes further back. 100 at the base, before costs."""
    first, last = start or dt.date.min, end or dt.date.max
    if first > last:
        raise ParameterConflict(f"start: must not be after end; got {first} and {last}. Exchange them.")
    await require_known(reader, index)
    before = cursors.read(cursor, tuple[dt.date])[0] if cursor else dt.date.max
    rows = await index_levels.newest(reader, index, start=first, end=last, before=before, limit=limit + 1)
    if not rows:
        raise NothingInRange(f"levels of {index}", start=first, end=last)
    shown, oldest = answers.first_page(rows, limit=limit)
    about = answers.meta(as_of_date=shown[0].as_of_date, index=index)
    return Page(shown[::-1], about, cursors.after(oldest.as_of_date) if oldest else None)


@operations.read(
    "/strategy/risk-metrics",
    operation_id="list_risk_metrics",
    summary="List the risk figures of an index",
    tag="Research",
    scope="read:market",
    datasets=["research.risk_metrics"],
    cache_control=operations.DAILY,
    problems=[404, 422],
    example=Page(
        [RISK],
        answers.Meta(dataset_version="8fa14cdd754f91cc6554c9e71929cce7", as_of_date=dt.date(2024, 6, 28), index="main"),
    ),
)
async def list_risk_metrics(
    reader: NamedDependency[Reader],
    index: Index = "main",
    window: Annotated[
        Window | None,
        QueryParameter(description="Only of this window; all by default.", examples=[Example(value="1y")]),
    ] = None,
) -> Page[RiskMetric]:
    """Return, risk and what compares with the benchmark, before and after costs, over windows up to the newest session.

    A window that reaches back before the base is not there, but for `all`.
    """
    await require_known(reader, index)
    rows = await index_levels.risk(reader, index, window=window)
    if not rows:
        raise BeforeFirstDate(f"risk of {index}", as_of=None, first_date=None)
    return Page(rows, answers.meta(as_of_date=rows[0].as_of_date, index=index))


@operations.read(
    "/index/comparison",
    operation_id="compare_indices",
    summary="Compare the weightings of indices",
    tag="Research",
    scope="read:market",
    datasets=["research.risk_metrics"],
    cache_control=operations.DAILY,
    problems=[422],
    example=Page([COMPARED], answers.Meta(dataset_version="8fa14cdd754f91cc6554c9e71929cce7")),
)
async def compare_indices(
    reader: NamedDependency[Reader],
    window: Annotated[
        Window, QueryParameter(description="Window up to the newest session.", examples=[Example(value="1y")])
    ] = "all",
) -> Page[ComparedIndex]:
    """Every index beside those that are weighted equally, by inverse volatility and by size, after costs.

    The figures are out of sample: weights rest on what was known at a close, and are traded at the next one. Indices
    may differ in more than their weighting; `/v1/strategy/config` has their rules.
    """
    return Page(await index_comparison.compared(reader, window=window), answers.meta())


async def require_known(reader: Reader, index: str) -> None:
    """Refuse an index that there is not."""
    known = await index_levels.names(reader)
    if index not in known:
        raise ValueUnknown("index", index, known)
