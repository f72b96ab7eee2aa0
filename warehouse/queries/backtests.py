"""What the API reads of backtests: the list, and one with its figures and its books."""

import datetime as dt
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from warehouse.queries import columns
from warehouse.queries.ordering import Key, Place, orders
from warehouse.queries.reader import Reader

_COLUMNS = """
    backtest_id, profile, first_date, last_date, n_rebalances, n_trades, configuration, data_digest, code_version,
    computed_at
"""

_LIST = f"""
select {_COLUMNS}
from research.backtests
where
    (%(profile)s::text is null or profile = %(profile)s)
    {{following}}
order by {{order}}
limit %(limit)s
"""

Sort = Literal["computed_at", "-computed_at", "first_date", "-first_date", "last_date", "-last_date"]
ORDERS = orders(
    _LIST,
    [Key("computed_at", "computed_at", "timestamptz"), Key("first_date", "first_date", "date"),
     Key("last_date", "last_date", "date")],
    unique=Key("backtest_id", "backtest_id", "text"),
)  # fmt: skip

ONE = f"select {_COLUMNS} from research.backtests where backtest_id = %(backtest_id)s"

REPORT = "select report_uri from research.backtests where backtest_id = %(backtest_id)s"

METRICS = """
select metric, value, benchmark_value, unit, definition
from research.backtest_metrics
where backtest_id = %(backtest_id)s
order by metric
"""

EQUITY = """
select
    trade_date, equity, cash, positions_value, n_positions, return_1d, benchmark_return_1d, index_return_1d, turnover,
    cost, drawdown
from research.backtest_equity
where backtest_id = %(backtest_id)s
order by trade_date
"""

TRADES = """
select
    t.trade_date, i.ticker, t.instrument_id, t.weight_before, t.weight_after, t.traded_value, t.price_adj, t.cost,
    t.reason
from research.backtest_trades as t
left join marts.dim_instruments as i on i.instrument_id = t.instrument_id
where
    t.backtest_id = %(backtest_id)s and (t.trade_date, t.instrument_id) > (%(after_date)s, %(after_id)s)
order by t.trade_date, t.instrument_id
limit %(limit)s
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
    benchmark_return_1d: Annotated[
        float | None,
        Meta(
            description="Of what the book is measured by: all ranked instruments in equal weights, as much of it"
            " invested as the book is to be; interest on cash for a long-short book. Unit fraction (0.05 is 5%)."
        ),
    ]
    index_return_1d: Annotated[float | None, Meta(description="Of the market's index. Unit fraction (0.05 is 5%).")]
    turnover: _Fraction
    cost: _Multiple
    drawdown: _Fraction


class Trade(msgspec.Struct, frozen=True, gc=False):
    """One instrument traded at one close."""

    trade_date: Annotated[dt.date, Meta(description="Session at whose close the trade was made.")]
    ticker: Annotated[str | None, Meta(description="Canonical ticker today, null for one that is no longer known.")]
    instrument_id: columns.InstrumentId
    weight_before: Annotated[float, Meta(description="In the book before the trade, after drift. Unit fraction.")]
    weight_after: Annotated[float, Meta(description="In the book after the trade. Unit fraction.")]
    traded_value: Annotated[
        float, Meta(description="Value bought, negative when sold. Unit multiple of the starting capital.")
    ]
    price_adj: Annotated[
        float, Meta(description="Price of the trade, adjusted from the first bar on. Unit currency per share.")
    ]
    cost: _Multiple
    reason: Annotated[str, Meta(description="rebalance or delisting.")]


async def matching(
    reader: Reader, *, profile: str | None = None, sort: Sort = "-computed_at", after: Place | None = None, limit: int
) -> list[Backtest]:
    """Return backtests in an order, those behind `after`."""
    order = ORDERS[sort]
    parameters = {"profile": profile, "limit": limit} | order.parameters(after)
    return await reader.rows(Backtest, order.query(after), parameters)


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


async def trades(reader: Reader, backtest_id: str, *, after: tuple[dt.date, str], limit: int) -> list[Trade]:
    """Return the trades of a backtest, oldest first, those behind `after` = (trade_date, instrument_id)."""
    parameters = {"backtest_id": backtest_id, "after_date": after[0], "after_id": after[1], "limit": limit}
    return await reader.rows(Trade, TRADES, parameters)


class _Report(msgspec.Struct, frozen=True):
    report_uri: str | None


async def report_uri(reader: Reader, backtest_id: str) -> str | None:
    """Return where the report of a backtest lies within the store of artifacts, None where it has none."""
    rows = await reader.rows(_Report, REPORT, {"backtest_id": backtest_id})
    return rows[0].report_uri if rows else None
