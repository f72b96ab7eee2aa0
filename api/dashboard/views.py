"""What each page shows, made of the rows that the queries return."""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from api import strategy_figures
from api.dashboard import numbers, words
from api.dashboard.pages import Site
from api.errors import NotReady
from api.readiness import Check, Watch
from warehouse.queries import (
    articles,
    exposures,
    index_comparison,
    indicators,
    prices,
    rankings,
    signals,
    statements,
    strategies,
)
from warehouse.queries.backtests import Metric
from warehouse.queries.datasets import Dataset
from warehouse.queries.exposures import Exposure
from warehouse.queries.index_levels import RiskMetric
from warehouse.queries.indicators import Indicators
from warehouse.queries.instruments import Instrument
from warehouse.queries.prices import Bar
from warehouse.queries.rankings import Profile, Ranked
from warehouse.queries.reader import Reader
from warehouse.queries.signals import Signal
from warehouse.queries.statements import Statement
from warehouse.queries.strategies import Event, PaperTrade, Strategy, StrategySignal

Context = dict[str, Any]

LISTED_METRICS = ("cagr", "volatility", "sharpe", "deflated_sharpe", "overfitting_probability", "max_drawdown")
WINDOWS = ("1m", "3m", "ytd", "1y", "3y", "all")
SCHEMAS = ("raw", "marts", "factors", "research")
# A year of sessions and a few days, for the returns of the head.
RETURN_MONTHS = 13
# Tables that move with the sessions; others are as new as their newest fact.
DAILY = ("daily_bars", "fct_daily_prices", "indicators", "forecasts", "rankings", "signals", "index_values")
OUTSTANDING_FACTORS = 5
ARTICLES = 12
SHOWN_TRADES, SHOWN_EVENTS = 50, 25


class _State(NamedTuple):
    status: str
    label: str
    message: str


NO_FRAME: Context = {"here": "", "freshness": _State("", "", ""), "source_note": "", "checks": []}


class _Table(NamedTuple):
    schema: str
    name: str
    as_of_date: dt.date | None
    behind: int | None
    is_behind: bool
    n_rows: int | None
    changed_at: dt.datetime
    version: str


async def frame(reader: Reader, watch: Watch, site: Site, *, here: str) -> Context:
    """Return what surrounds every page: where we are, and whether the data are new."""
    try:
        checks = (await watch.look(reader)).checks
        newest = next(check for check in checks if check.name == "freshness")
        label = newest.message.split(".")[0] if newest.status == "ok" else "Prices are old"
        state = _State(newest.status, label, newest.message)
    except NotReady as problem:
        checks = [Check(error.parameter or "service", "degraded", error.message) for error in problem.errors]
        state = _State("down", "Not ready", problem.detail)
    return {"here": here, "freshness": state, "source_note": site.note, "checks": checks}


def ranking(rows: Sequence[Ranked], *, sector: str, limit: int) -> Context:
    """Return a day's order: the rows to show, how many there are, and which sectors."""
    chosen = [row for row in rows if not sector or row.sector == sector]
    return {
        "rows": chosen[:limit],
        "n_more": max(len(chosen) - limit, 0),
        "n_ranked": sum(row.rank is not None for row in rows),
        "n_kept_out": sum(row.rank is None for row in rows),
        "sectors": sorted({row.sector for row in rows if row.sector}),
        "sector": sector,
        "points": words.scale(rows),
    }


def explanation(row: Ranked, factors: Sequence[Exposure], said: Sequence[Signal]) -> Context:
    """Return what explains one place: the score's parts, the factors that stand out, and the forecasters' reasons."""
    known = [factor for factor in factors if factor.z is not None and factor.as_of_date == row.as_of_date]
    outstanding = sorted(known, key=lambda factor: abs(factor.z or 0.0), reverse=True)[:OUTSTANDING_FACTORS]
    points = max([*(abs(part.points) for part in words.parts(row)), 1.0])
    return {"ranking": row, "points": points, "factors": outstanding, "signals": said}


async def instrument(reader: Reader, known: Instrument, profile: Profile) -> Context:
    """Return everything of one instrument's page."""
    key = known.instrument_id
    history = await prices.history(reader, key, months=RETURN_MONTHS)
    bars, newest = [], []
    if history is not None:
        bars, basis = history.bars, history.basis
        newest = await indicators.newest(
            reader, key, factor=basis.factor, share_factor=basis.share_factor, start=dt.date.min, end=dt.date.max,
            before=dt.date.max, limit=1,
        )  # fmt: skip
    row = await rankings.of_instrument(reader, key, profile=profile, as_of=None)
    said = await signals.of_instrument(reader, key, row.as_of_date) if row else []
    reported = await statements.known(reader, key)
    trusted = [bar for bar in bars if not bar.is_suspect and bar.close]
    return {
        "last": trusted[-1] if trusted else None,
        "returns": _returns(trusted),
        "ranking": row,
        "points": max([*(abs(part.points) for part in words.parts(row)), 1.0]) if row else 1.0,
        "signals": said,
        "factors": _by_group(await exposures.of_day(reader, key, as_of=None)),
        "articles": await articles.newest(reader, instrument_id=key, limit=ARTICLES),
        "statement": reported[0] if reported else None,
        "figures": _figures(reported[0]) if reported else [],
        "technical": _technical(newest[0]) if newest else [],
    }


def ordered(metrics: Sequence[Metric]) -> list[Metric]:
    """Return figures in the order in which they are read."""
    return sorted(metrics, key=lambda metric: words.metric_order(metric.metric))


def risk(rows: Sequence[RiskMetric]) -> Context:
    """Return figures of an index as a table: one row each, one column a window."""
    by_name: dict[str, dict[str, RiskMetric]] = {}
    for row in rows:
        by_name.setdefault(row.metric, {})[row.window] = row
    windows = [window for window in WINDOWS if any(window in cells for cells in by_name.values())]
    names = sorted(by_name, key=words.metric_order)
    return {
        "windows": windows,
        "risk": [(name, [by_name[name].get(window) for window in windows]) for name in names],
        "year": [by_name[name]["1y"] for name in names if "1y" in by_name[name]],
    }


async def weightings(reader: Reader) -> Context:
    """Return indices beside each other, over a year that all of them have or else since each began."""
    year = await index_comparison.compared(reader, window="1y")
    longest = await index_comparison.compared(reader, window="all")
    window, compared = ("1y", year) if year and len(year) == len(longest) else ("all", longest)
    return {"compared": compared, "compared_window": window}


async def strategy(reader: Reader, found: Strategy) -> Context:
    """Return one strategy: what it has come to, and the newest of what it did."""
    name, newest = found.strategy_id, {"start": dt.date.min, "end": dt.date.max}
    before = (dt.date.max, "")
    return {
        "strategy": found,
        "figures": await strategy_figures.figures(reader, name, **newest),
        "trades": await strategies.page(
            reader, PaperTrade, strategies.TRADES, name, **newest, before=before, limit=SHOWN_TRADES
        ),
        "signals": await strategies.page(
            reader, StrategySignal, strategies.SIGNALS, name, **newest, before=before, limit=SHOWN_EVENTS
        ),
        "events": await strategies.page(
            reader, Event, strategies.EVENTS, name, **newest, before=before, limit=SHOWN_EVENTS
        ),
    }


def tables(rows: Sequence[Dataset]) -> list[tuple[str, list[_Table]]]:
    """Return the tables by schema, along the way of the data, each with its days behind the newest prices."""
    days: Mapping[str, dt.date | None] = {row.dataset: row.as_of_date for row in rows}
    newest = days.get("raw.daily_bars") or days.get("marts.fct_daily_prices")
    listed = []
    for row in rows:
        schema, _, name = row.dataset.partition(".")
        behind = (newest - row.as_of_date).days if newest and row.as_of_date and name in DAILY else None
        listed.append(
            _Table(schema, name, row.as_of_date, behind, bool(behind and behind > 0), row.n_rows, row.changed_at,
                   row.version)
        )  # fmt: skip
    schemas = [*SCHEMAS, *sorted({table.schema for table in listed} - {*SCHEMAS})]
    groups = [(schema, [table for table in listed if table.schema == schema]) for schema in schemas]
    return [(schema, of_schema) for schema, of_schema in groups if of_schema]


def _by_group(factors: Sequence[Exposure]) -> list[tuple[str, list[Exposure]]]:
    """Return the factors by group, in the order of the score's parts."""
    groups = [(group, [factor for factor in factors if factor.factor_group == group]) for group in words.FACTOR_GROUPS]
    return [(group, listed) for group, listed in groups if listed]


def _returns(bars: Sequence[Bar]) -> dict[str, float | None]:
    """Return the returns over 1, 21 and 252 sessions, fractions."""
    closes = [bar.close or 0.0 for bar in bars]

    def over(sessions: int) -> float | None:
        return closes[-1] / closes[-1 - sessions] - 1 if len(closes) > sessions else None

    return {"1d": over(1), "1m": over(21), "1y": over(252)}


def _figures(row: Statement) -> list[tuple[str, float | None, float | None]]:
    """Return label, value and the value of a year before."""
    free = None if row.operating_cash_flow is None or row.capex is None else row.operating_cash_flow + row.capex
    return [
        ("Revenue", row.revenue, row.revenue_1y_ago),
        ("Gross profit", row.gross_profit, None),
        ("Operating income", row.operating_income, None),
        ("Net income", row.net_income, row.net_income_1y_ago),
        ("Free cash flow", free, None),
        ("Total assets", row.total_assets, row.total_assets_1y_ago),
        ("Total equity", row.total_equity, None),
        ("Long-term debt", row.long_term_debt, None),
        ("Cash", row.cash, None),
        ("Shares outstanding", row.shares_outstanding, None),
    ]


def _technical(row: Indicators) -> list[tuple[str, str]]:
    """Return the indicators of the newest session as they are written."""
    return [
        ("RSI 14", numbers.number(row.rsi_14d, 1)),
        ("Stochastic %K 14", numbers.number(row.stochastic_k_14d, 1)),
        ("ADX 14", numbers.number(row.adx_14d, 1)),
        ("MACD 12 26", numbers.number(row.macd_12d_26d, 2, is_signed=True)),
        ("MACD signal 9", numbers.number(row.macd_signal_9d, 2, is_signed=True)),
        ("ATR 14", numbers.price(row.atr_14d)),
        ("SMA 20", numbers.price(row.sma_20d)),
        ("SMA 50", numbers.price(row.sma_50d)),
        ("SMA 200", numbers.price(row.sma_200d)),
        ("Bollinger upper", numbers.price(row.bollinger_upper_20d)),
        ("Bollinger lower", numbers.price(row.bollinger_lower_20d)),
        ("On-balance volume", numbers.compact(row.obv_shares, 1)),
    ]
