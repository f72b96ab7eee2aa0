"""What the API reads of trading on paper, in shares and prices of today: adjusted ones rebased by the latest factor."""

import datetime as dt
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta
from psycopg.types.json import Jsonb

from warehouse.queries import columns
from warehouse.queries.reader import Reader, Writer

Shape = TypeVar("Shape", bound=msgspec.Struct)
Status = Literal["waiting", "partly_filled", "filled", "expired", "cancelled"]

STRATEGIES = """
select
    s.strategy_id, s.strategy_type, s.title, s.description, s.version, s.is_active, s.parameters, s.parameter_schema,
    s.capital, s.currency_code, e.equity, e.equity / s.capital - 1, e.drawdown, e.n_positions, s.last_trade_date,
    s.computed_at
from research.strategies as s
inner join research.strategy_equity as e on s.strategy_id = e.strategy_id and s.last_trade_date = e.trade_date
where %(strategy_id)s::text is null or s.strategy_id = %(strategy_id)s
order by s.strategy_id
"""

# The instrument's ticker of today, and its latest factor: adjusted prices over it are prices of today.
_TODAY = """
left join marts.dim_instruments as i on x.instrument_id = i.instrument_id
left join lateral (
    select coalesce(p.adjustment_factor, 1) as factor
    from marts.fct_daily_prices as p
    where p.instrument_id = x.instrument_id
    order by p.trade_date desc
    limit 1
) as f on true
"""
_PAGE = """
where
    x.strategy_id = %(strategy_id)s and {day} between %(start)s and %(end)s
    and ({day}, {id}) < (%(before_date)s::date, %(before_id)s::text)
order by {day} desc, {id} desc
limit %(limit)s
"""

SIGNALS = f"""
select
    x.as_of_date, i.ticker, x.instrument_id, x.signal, x.reason, x.indicators, x.price_adj / coalesce(f.factor, 1),
    x.version, x.order_id, x.execution_status, x.execution_note
from research.strategy_signals as x {_TODAY}
{_PAGE.format(day="x.as_of_date", id="x.instrument_id")}
"""
ORDERS = f"""
select
    x.placed_date, x.order_id, x.broker_order_id, i.ticker, x.instrument_id, x.side, x.kind, x.reason, x.is_exit,
    x.quantity * coalesce(f.factor, 1), x.price / coalesce(f.factor, 1), x.stop_loss / coalesce(f.factor, 1),
    x.take_profit / coalesce(f.factor, 1), x.good_till_date, x.status, x.filled_quantity * coalesce(f.factor, 1),
    x.average_price / coalesce(f.factor, 1), x.fee, x.closed_date
from research.paper_orders as x {_TODAY}
{_PAGE.format(day="x.placed_date", id="x.order_id")}
"""
TRADES = f"""
select
    x.exit_date, x.trade_id, i.ticker, x.instrument_id, x.side, x.entry_date, x.quantity * coalesce(f.factor, 1),
    x.entry_price / coalesce(f.factor, 1), x.exit_price / coalesce(f.factor, 1), x.fee, x.pnl, x.return, x.exit_reason,
    x.context
from research.paper_trades as x {_TODAY}
{_PAGE.format(day="x.exit_date", id="x.trade_id")}
"""
EVENTS = f"""
select
    x.event_date, x.event_number, x.type, x.severity, x.message, i.ticker, x.instrument_id, x.metadata
from research.strategy_events as x
left join marts.dim_instruments as i on x.instrument_id = i.instrument_id
{_PAGE.format(day="x.event_date", id="lpad(x.event_number::text, 9, '0')")}
"""
EQUITY = """
select
    trade_date, equity, cash, positions_value, n_positions, return_1d, benchmark_return_1d, drawdown, traded_value, fee,
    is_active
from research.strategy_equity
where strategy_id = %(strategy_id)s and trade_date between %(start)s and %(end)s and trade_date < %(before)s
order by trade_date desc
limit %(limit)s
"""
FIGURES = """
with days as (
    select * from research.strategy_equity
    where strategy_id = %(strategy_id)s and trade_date between %(start)s and %(end)s
),

trades as (
    select * from research.paper_trades
    where strategy_id = %(strategy_id)s and exit_date between %(start)s and %(end)s
)

select
    count(*)::integer as n_sessions,
    coalesce(exp(sum(ln(1 + return_1d))) - 1, 0)::float8,
    (exp(sum(ln(1 + coalesce(benchmark_return_1d, 0)))) - 1)::float8,
    (stddev_samp(return_1d) * sqrt(252))::float8,
    (case when stddev_samp(return_1d) > 1e-12 then avg(return_1d) / stddev_samp(return_1d) * sqrt(252) end)::float8,
    -- The API adds what needs the normal distribution.
    null::float8,
    (select overfitting_probability from research.strategies where strategy_id = %(strategy_id)s),
    (
        select count(distinct (e.strategy_id, e.version)) from research.strategy_equity as e
        where e.trade_date <= %(end)s
    )::integer,
    min(drawdown),
    sum(fee),
    (select count(*) from trades)::integer,
    (select avg((pnl > 0)::integer) from trades)::float8,
    (select sum(pnl) filter (where pnl > 0) / nullif(-sum(pnl) filter (where pnl < 0), 0) from trades)::float8,
    (select avg(return) from trades)::float8
from days
"""
# Sharpe ratios per session of every strategy in a range, and the moments of the daily returns of one of them. Equal
# returns leave a deviation of rounding errors, and no ratio.
BESIDE = """
with days as (
    select strategy_id, return_1d from research.strategy_equity where trade_date between %(start)s and %(end)s
),

ratios as (
    select
        strategy_id, count(*)::integer as n_sessions, avg(return_1d) as mean, stddev_pop(return_1d) as deviation,
        case when stddev_samp(return_1d) > 1e-12 then avg(return_1d) / stddev_samp(return_1d) end as sharpe
    from days
    group by strategy_id
)

select
    own.n_sessions, own.sharpe,
    avg(((d.return_1d - own.mean) / own.deviation) ^ 3), avg(((d.return_1d - own.mean) / own.deviation) ^ 4),
    (select array_agg(r.sharpe order by r.strategy_id) from ratios as r)
from ratios as own
inner join days as d on own.strategy_id = d.strategy_id
where own.strategy_id = %(strategy_id)s and own.sharpe is not null
group by own.n_sessions, own.sharpe
"""
# One look, so that the figures and what they are deflated by are of one version of the accounts.
FIGURES_BESIDE = f"""
with figures as ({FIGURES}),

beside as ({BESIDE})

select figures.*, beside.*
from figures
left join beside on true
"""
VERSIONS = """
select strategy_id, version, effective_date, is_active, parameters, created_at
from app.strategy_versions
where strategy_id = %(strategy_id)s
order by version desc
limit 1
"""
LOCK_VERSIONS = "select pg_advisory_xact_lock(hashtext('app.strategy_versions'), hashtext(%(strategy_id)s))"
INSERT_VERSION = """
insert into app.strategy_versions
(strategy_id, version, effective_date, is_active, parameters, created_at, created_by)
values (
    %(strategy_id)s, %(version)s, %(effective_date)s, %(is_active)s, %(parameters)s, %(created_at)s, %(created_by)s
)
"""

_Price = Annotated[float | None, Meta(description="In terms of today's share. Unit currency per share.")]
_Shares = Annotated[float, Meta(description="In terms of today's share. Unit shares.")]
_Fraction = Annotated[float | None, Meta(description="Unit fraction (0.05 is 5%).")]
_Amount = Annotated[float, Meta(description="In the currency of the account. Unit currency.")]
_TickerOrNull = Annotated[str | None, Meta(description="Canonical ticker today; null where none is meant.")]


class Strategy(msgspec.Struct, frozen=True):
    """A trading strategy on paper, its settings in force and where its account stands."""

    strategy_id: Annotated[str, Meta(description="Name of the strategy.")]
    strategy_type: Annotated[str, Meta(description="Plugin that decides.")]
    title: Annotated[str, Meta(description="Title to show.")]
    description: Annotated[str, Meta(description="What it does, in words.")]
    version: Annotated[int, Meta(description="Version of the settings in force. Unit count.")]
    is_active: Annotated[bool, Meta(description="False: it opens nothing; what it holds runs to its exits.")]
    parameters: Annotated[dict[str, Any], Meta(description="Parameters in force, defaults included.")]
    parameter_schema: Annotated[dict[str, Any], Meta(description="JSON schema of each parameter.")]
    capital: _Amount
    currency_code: columns.CurrencyCode
    equity: _Amount
    return_total: _Fraction
    drawdown: _Fraction
    n_positions: Annotated[int, Meta(description="Positions at the close. Unit positions.")]
    last_trade_date: Annotated[dt.date, Meta(description="Newest session of its account.")]
    computed_at: columns.ComputedAt


class StrategySignal(msgspec.Struct, frozen=True):
    """What a strategy said of an instrument at a close, and what became of it."""

    as_of_date: columns.AsOfDate
    ticker: _TickerOrNull
    instrument_id: columns.InstrumentId
    signal: Annotated[str, Meta(description="buy, sell (what is held), or hold (on).")]
    reason: Annotated[str, Meta(description="The rule that spoke.")]
    indicators: Annotated[
        dict[str, float | None],
        Meta(description="Values that it looked at, as research.indicators holds them (adjusted prices)."),
    ]
    price: _Price
    version: Annotated[int, Meta(description="Version of the settings. Unit count.")]
    order_id: Annotated[str | None, Meta(description="Order that it led to.")]
    execution_status: Annotated[str, Meta(description="none, skipped, or the status of the order.")]
    execution_note: Annotated[str | None, Meta(description="Why there was no order.")]


class Order(msgspec.Struct, frozen=True):
    """An order of a strategy."""

    placed_date: Annotated[dt.date, Meta(description="Session after whose close it was placed.")]
    order_id: Annotated[str, Meta(description="Our id of the order.")]
    broker_order_id: Annotated[str, Meta(description="The broker's id of it.")]
    ticker: _TickerOrNull
    instrument_id: columns.InstrumentId
    side: Annotated[str, Meta(description="buy or sell.")]
    kind: Annotated[str, Meta(description="market, limit, or stop.")]
    reason: Annotated[str, Meta(description="signal, stop_loss, take_profit, or delisting.")]
    is_exit: Annotated[bool, Meta(description="True if it closes a position.")]
    quantity_shares: _Shares
    price: _Price
    stop_loss: _Price
    take_profit: _Price
    good_till_date: Annotated[dt.date | None, Meta(description="Last session in which it may be filled.")]
    status: Annotated[Status, Meta(description="waiting, partly_filled; then filled, expired or cancelled.")]
    filled_shares: _Shares
    average_price: _Price
    fee: _Amount
    closed_date: Annotated[dt.date | None, Meta(description="Session that ended it.")]


class PaperTrade(msgspec.Struct, frozen=True):
    """A position of a strategy from entry to exit."""

    exit_date: Annotated[dt.date, Meta(description="Session of the last fill.")]
    trade_id: Annotated[str, Meta(description="Id of the position.")]
    ticker: _TickerOrNull
    instrument_id: columns.InstrumentId
    side: Annotated[str, Meta(description="long or short.")]
    entry_date: Annotated[dt.date, Meta(description="Session of the first fill.")]
    quantity_shares: _Shares
    entry_price: _Price
    exit_price: _Price
    fee: _Amount
    pnl: Annotated[float, Meta(description="Gain after slippage and fees. Unit currency.")]
    return_total: Annotated[float, Meta(description="Gain over the cost of the entry. Unit fraction.")]
    exit_reason: Annotated[str, Meta(description="signal, stop_loss, take_profit, or delisting.")]
    context: Annotated[dict[str, Any], Meta(description="The market at entry and exit: signals with their values.")]


class Event(msgspec.Struct, frozen=True):
    """Something that happened to a strategy."""

    event_date: Annotated[dt.date, Meta(description="Session.")]
    event_number: Annotated[int, Meta(description="Place within the session. Unit count.")]
    type: Annotated[str, Meta(description="For example position_opened, order_expired, drawdown.")]
    severity: Annotated[str, Meta(description="info or warning.")]
    message: Annotated[str, Meta(description="The event in a sentence.")]
    ticker: _TickerOrNull
    instrument_id: Annotated[str | None, Meta(description="Our id of the instrument.")]
    metadata: Annotated[dict[str, Any], Meta(description="The facts.")]


class AccountDay(msgspec.Struct, frozen=True):
    """The account of a strategy at a close."""

    trade_date: Annotated[dt.date, Meta(description="Session.")]
    equity: _Amount
    cash: _Amount
    positions_value: _Amount
    n_positions: Annotated[int, Meta(description="Positions. Unit positions.")]
    return_1d: _Fraction
    benchmark_return_1d: _Fraction
    drawdown: _Fraction
    traded_value: _Amount
    fee: _Amount
    is_active: Annotated[bool, Meta(description="Whether it opened positions.")]


class Figures(msgspec.Struct, frozen=True):
    """What a strategy has come to in a range of sessions, after costs."""

    n_sessions: Annotated[int, Meta(description="Sessions in the range. Unit sessions.")]
    return_total: _Fraction
    benchmark_return: _Fraction
    volatility: Annotated[
        float | None, Meta(description="Sample deviation of daily returns, times sqrt(252). Unit fraction.")
    ]
    sharpe: Annotated[
        float | None, Meta(description="Mean over sample deviation of daily returns, times sqrt(252). Unit ratio.")
    ]
    deflated_sharpe: Annotated[
        float | None,
        Meta(
            description="Probability that the true Sharpe ratio is above what the best of `n_trials` without skill "
            "would show, by how much the Sharpe ratios of all strategies in the range deviate; null where fewer than "
            "two of several have one. Unit fraction."
        ),
    ]
    overfitting_probability: Annotated[
        float | None,
        Meta(
            description="Share of the ways to halve the sessions that all strategies at work have, whatever the range, "
            "in which the best of them on one half is below the middle on the other (CSCV, 16 blocks); one figure of "
            "all, null for fewer than 32 sessions. Unit fraction."
        ),
    ]
    n_trials: Annotated[
        int, Meta(description="Versions of all strategies that have traded by the end of the range. Unit count.")
    ]
    max_drawdown: _Fraction
    fee: Annotated[float | None, Meta(description="Fees. Unit currency.")]
    n_trades: Annotated[int, Meta(description="Positions closed. Unit trades.")]
    hit_rate: Annotated[float | None, Meta(description="Share of trades that gained. Unit fraction.")]
    profit_factor: Annotated[float | None, Meta(description="Gains over losses of all trades. Unit ratio.")]
    mean_trade_return: _Fraction


class Beside(msgspec.Struct, frozen=True):
    """The Sharpe ratio of a strategy in a range, per session, with what says how much of it is left."""

    n_sessions: int
    sharpe: float
    skew: float
    kurtosis: float
    sharpes: list[float | None]


class _FiguresBeside(Figures, frozen=True):
    """Both in a row; without a ratio there is nothing beside the figures."""

    beside_n_sessions: int | None
    beside_sharpe: float | None
    skew: float | None
    kurtosis: float | None
    sharpes: list[float | None] | None


class Version(msgspec.Struct, frozen=True):
    """A version of a strategy's settings."""

    strategy_id: Annotated[str, Meta(description="Name of the strategy.")]
    version: Annotated[int, Meta(description="Version, from 1. Unit count.")]
    effective_date: Annotated[dt.date, Meta(description="First session that it decides.")]
    is_active: Annotated[bool, Meta(description="False: it opens nothing.")]
    parameters: Annotated[dict[str, Any], Meta(description="Parameters that differ from their defaults.")]
    created_at: Annotated[dt.datetime, Meta(description="When it was written, UTC.")]


async def known(reader: Reader, strategy_id: str | None = None) -> list[Strategy]:
    """Return all strategies, or the one of that name."""
    return await reader.rows(Strategy, STRATEGIES, {"strategy_id": strategy_id})


async def page(
    reader: Reader,
    shape: type[Shape],
    sql: str,
    strategy_id: str,
    *,
    start: dt.date,
    end: dt.date,
    before: tuple[dt.date, str],
    limit: int,
) -> list[Shape]:
    """Return rows of a strategy between two days, both included, and before a place; the newest first."""
    parameters = {
        "strategy_id": strategy_id, "start": start, "end": end, "before_date": before[0], "before_id": before[1],
        "limit": limit,
    }  # fmt: skip
    return await reader.rows(shape, sql, parameters)


async def accounts(
    reader: Reader, strategy_id: str, *, start: dt.date, end: dt.date, before: dt.date, limit: int
) -> list[AccountDay]:
    """Return the account of a strategy between two days, both included, and before a third; the newest first."""
    parameters = {"strategy_id": strategy_id, "start": start, "end": end, "before": before, "limit": limit}
    return await reader.rows(AccountDay, EQUITY, parameters)


async def figures(reader: Reader, strategy_id: str, *, start: dt.date, end: dt.date) -> tuple[Figures, Beside | None]:
    """Return what a strategy has come to, and what its Sharpe ratio is deflated by; None where it has no ratio."""
    parameters = {"strategy_id": strategy_id, "start": start, "end": end}
    (row,) = await reader.rows(_FiguresBeside, FIGURES_BESIDE, parameters)
    values = msgspec.structs.astuple(row)
    n_figures = len(Figures.__struct_fields__)
    beside = None if row.beside_sharpe is None else Beside(*values[n_figures:])
    return Figures(*values[:n_figures]), beside


async def lock_versions(writer: Writer, strategy_id: str) -> None:
    """Let no other version of a strategy's settings be written until this transaction ends."""
    await writer.execute(LOCK_VERSIONS, {"strategy_id": strategy_id})


async def newest_version(reader: Reader, strategy_id: str) -> Version | None:
    """Return the newest version of a strategy's settings."""
    rows = await reader.rows(Version, VERSIONS, {"strategy_id": strategy_id})
    return rows[0] if rows else None


async def write_version(writer: Writer, version: Version, *, created_by: str) -> None:
    """Write another version."""
    row = msgspec.structs.asdict(version) | {"parameters": Jsonb(version.parameters), "created_by": created_by}
    await writer.execute(INSERT_VERSION, row)
