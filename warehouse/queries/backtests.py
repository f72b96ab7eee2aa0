"""What the API reads of backtests: the list, and one with its figures and its books."""

import datetime as dt
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from warehouse.queries import columns
from warehouse.queries.reader import Reader

_COLUMNS = """
    backtest_id, profile, first_date, last_date, n_rebalances, n_trades, configuration, data_digest, code_version,
    computed_at
"""

LIST = f"""
select {_COLUMNS}
from research.backtests
where
    (%(profile)s::text is null or profile = %(profile)s)
    and (%(before_at)s::timestamptz is null or (computed_at, backtest_id) < (%(before_at)s, %(before_id)s))
order by computed_at desc, backtest_id desc
limit %(limit)s
"""

ONE = f"select {_COLUMNS} from research.backtests where backtest_id = %(backtest_id)s"

METRICS = """
select metric, value, benchmark_value, unit, definition
from research.backtest_metrics
where backtest_id = %(backtest_id)s
order by metric
"""

EQUITY = """
select
    trade_date, equity, cash, positions_value, n_positions, return_1d, benchmark_return_1d, turnover, cost, drawdown
from research.backtest_equity
where backtest_id = %(backtest_id)s
order by trade_date
"""

_Multiple = Annotated[float, Meta(description="Unit multiple of the starting capital.")]
_Fraction = Annotated[float, Meta(description="Unit fraction (0.05 is 5%).")]
_FractionOrNull = Annotated[float | None, Meta(description="Unit fraction (0.05 is 5%).")]


class Backtest(msgspec.Struct, frozen=True, gc=False):
    """One backtest, which is one trial."""

    backtest_id: Annotated[str, Meta(description="Content hash of configuration, data and code version.")]
    profile: Annotated[str, Meta(description="Risk profile whose rankings were traded.")]
    first_date: Annotated[dt.date, Meta(description="First session of the books.")]
    last_date: Annotated[dt.date, Meta(description="Last session of the books.")]
    n_rebalances: Annotated[int, Meta(description="Rebalancings. Unit count.")]
    n_trades: Annotated[int, Meta(description="Trades. Unit count.")]
    configuration: Annotated[dict[str, Any], Meta(description="Every option of the backtest.")]
    data_digest: Annotated[str, Meta(description="Content hash of the data that went in.")]
    code_version: Annotated[str, Meta(description="Content hash of the engine's code.")]
    computed_at: columns.ComputedAt


class Metric(msgspec.Struct, frozen=True, gc=False):
    """One figure of a backtest beside the benchmark's."""

    metric: Annotated[str, Meta(description="Name of the figure.")]
    value: Annotated[float | None, Meta(description="Of the book, after costs. Unit as in `unit`.")]
    benchmark_value: Annotated[float | None, Meta(description="Of the benchmark. Unit as in `unit`.")]
    unit: Annotated[str, Meta(description="Unit of both values.")]
    definition: Annotated[str, Meta(description="How the figure is computed.")]


class EquityDay(msgspec.Struct, frozen=True, gc=False):
    """The books at one close, after its trades: cash + positions_value = equity."""

    trade_date: Annotated[dt.date, Meta(description="Session.")]
    equity: _Multiple
    cash: _Multiple
    positions_value: _Multiple
    n_positions: Annotated[int, Meta(description="Positions held. Unit count.")]
    return_1d: _FractionOrNull
    benchmark_return_1d: _FractionOrNull
    turnover: _Fraction
    cost: _Multiple
    drawdown: _Fraction


async def newest(
    reader: Reader, *, profile: str | None = None, before: tuple[dt.datetime | None, str] = (None, ""), limit: int
) -> list[Backtest]:
    """Return backtests, the newest first, those before `before` = (computed_at, backtest_id)."""
    parameters = {"profile": profile, "before_at": before[0], "before_id": before[1], "limit": limit}
    return await reader.rows(Backtest, LIST, parameters)


async def one(reader: Reader, backtest_id: str) -> Backtest | None:
    """Return one backtest."""
    rows = await reader.rows(Backtest, ONE, {"backtest_id": backtest_id})
    return rows[0] if rows else None


async def metrics(reader: Reader, backtest_id: str) -> list[Metric]:
    """Return the figures of a backtest, by name."""
    return await reader.rows(Metric, METRICS, {"backtest_id": backtest_id})


async def equity(reader: Reader, backtest_id: str) -> list[EquityDay]:
    """Return the books of a backtest, oldest first."""
    return await reader.rows(EquityDay, EQUITY, {"backtest_id": backtest_id})
