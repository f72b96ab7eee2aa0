"""Backtests of the rankings: each configuration is one trial, and a re-run is the same row."""

import datetime as dt
import re
from enum import Enum
from typing import Any, Self

import dagster as dg
import msgspec
import pandas as pd
from pydantic import Field, field_validator, model_validator

from orchestration.backtest_report.page import name_of, report, verdict
from orchestration.backtesting import BacktestOptions, Outcome, code_version, run_backtests
from orchestration.defs.rankings.assets import rankings
from orchestration.metadata import OWNER, merge_metadata, picture, table, table_metadata
from orchestration.plots import equity_figure
from orchestration.resources import Artifacts, MarketData, Warehouse, as_arrow
from orchestration.trials import with_honesty
from transforms.profiles import PROFILES
from warehouse.merge import MergeResult, Window, merge

TABLES = ("backtests", "backtest_equity", "backtest_trades", "backtest_metrics")


class Rebalance(Enum):
    """How often the book is brought back to its targets."""

    weekly = "weekly"
    monthly = "monthly"
    quarterly = "quarterly"


class Fill(Enum):
    """When an order of the session before is filled."""

    close = "close"
    open = "open"


class Period(dg.Config):
    """From when to when; configuration of Dagster knows no days."""

    first_date: str | None = Field(
        default=None, description="First day of a signal, YYYY-MM-DD; the first out-of-sample forecast by default."
    )
    last_date: str | None = Field(default=None, description="Last session, YYYY-MM-DD; the newest by default.")

    @property
    def period(self) -> tuple[dt.date | None, dt.date | None]:
        """First and last day, where they are given."""
        first, last = (None if day is None else dt.date.fromisoformat(day) for day in (self.first_date, self.last_date))
        return first, last

    @field_validator("first_date", "last_date")
    @classmethod
    def _day(cls, day: str | None) -> str | None:
        if day is not None and not _is_day(day):
            raise ValueError(f"a day must be written as YYYY-MM-DD and exist; got {day!r}. Write it as 2024-06-28")
        return day

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        first, last = self.period
        if first and last and first >= last:
            raise ValueError(f"first_date must be before last_date; got {first} and {last}. Exchange or widen them")
        return self


class BacktestConfig(Period):
    """A backtest: what is held, how often it changes, what it costs."""

    # A list of an enum cannot have a default in Dagster 1.13, so the names are checked here.
    profiles: list[str] = Field(
        default=list(PROFILES),
        description=f"Risk profiles whose rankings are traded, one backtest each: any of {', '.join(PROFILES)}.",
    )
    quantile: float = Field(
        default=0.1,
        gt=0,
        le=0.5,
        description="Share of the ranked instruments that is held (fraction; 0.1 = best tenth).",
    )
    rebalance: Rebalance = Field(
        default=Rebalance.monthly, description="How often to rebalance; the signal of a close is traded at the next."
    )
    cost_bps: float = Field(default=5.0, ge=0, le=500, description="Fees, basis points of the traded value.")
    slippage_bps: float | None = Field(
        default=None,
        ge=0,
        le=500,
        description="Half spread and impact, basis points of the traded value. 5 by default; 0 with "
        "spread_by_liquidity, which charges the half spread itself.",
    )
    fill: Fill = Field(
        default=Fill.close, description="Whether orders are filled at the close or the open of the session after."
    )
    sector_neutral: bool = Field(
        default=False,
        description="Take the quantile within each sector, weighted as the universe's sectors are; by the sectors "
        "of today, which the past did not know.",
    )
    max_weight: float | None = Field(
        default=None, gt=0, le=1, description="Most of the book in one instrument (fraction); no limit by default."
    )
    target_volatility: float | None = Field(
        default=None,
        gt=0,
        le=2,
        description="Volatility to scale the weights to (fraction per year), by their last 63 sessions, without "
        "borrowing in a long-only book and up to a gross 2 in a long-short one; not scaled by default.",
    )
    max_turnover: float | None = Field(
        default=None,
        gt=0,
        le=10,
        description="Most that a rebalance may buy plus sell (fraction of equity); no limit by default.",
    )
    spread_by_liquidity: bool = Field(
        default=False, description="Charge half a spread by what an instrument trades, 0.5 to 100 basis points."
    )
    impact_coefficient: float = Field(
        default=0.0,
        ge=0,
        le=10,
        description="Also charge this x daily volatility x root of the order's share of a session's traded value; "
        "about 1 is usual, 0 charges none.",
    )
    capital: float = Field(
        default=1_000_000.0, gt=0, description="Starting capital (currency); what impact depends on."
    )
    cash_rate: float = Field(
        default=0.0, ge=-0.1, le=1, description="Interest on cash, compounded (fraction per year)."
    )
    delisting_return: float = Field(
        default=0.0,
        ge=-1,
        le=1,
        description="Return between the last price of a delisted instrument and what its owner gets (fraction); "
        "-0.3 is a usual assumption where a source does not say.",
    )
    long_only: bool = Field(
        default=True, description="True: hold the best quantile. False: also short the worst one with the same weight."
    )

    def slippage(self) -> float:
        """Slippage in basis points, where none is given the default of the other options."""
        if self.slippage_bps is not None:
            return self.slippage_bps
        return 0.0 if self.spread_by_liquidity else 5.0

    @field_validator("profiles")
    @classmethod
    def _known(cls, profiles: list[str]) -> list[str]:
        unknown = sorted(set(profiles) - set(PROFILES))
        if unknown or not profiles:
            raise ValueError(f"profiles must be some of {list(PROFILES)}; got {profiles}")
        return profiles


@dg.multi_asset(
    name="backtests",
    specs=[
        dg.AssetSpec(
            ["research", name], deps=[rankings, ["marts", "fct_daily_prices"], ["marts", "dim_benchmark_prices"]],
            group_name="backtests", kinds={"python", "postgres"}, owners=[OWNER], description=description,
            metadata={"dagster/table_name": f"research.{name}"}, code_version=code_version(),
        )
        for name, description in zip(
            TABLES,
            (
                "One row per backtest: configuration, data and dates; a configuration is one trial, its newest row.",
                "One row per backtest and session: the books at the close.",
                "One row per backtest, session and instrument traded.",
                "One row per backtest and figure, the benchmark's beside it.",
            ),
            strict=True,
        )
    ],
)  # fmt: skip
# Dagster takes no other annotation of a generator of several results.
def backtests(  # type: ignore[misc]
    config: BacktestConfig, warehouse: Warehouse, artifacts: Artifacts, market_data: MarketData
) -> dg.MaterializeResult:  # type: ignore[type-arg]
    """Backtest the rankings of the risk profiles, out of sample and after costs."""
    installation = market_data.installation
    made = with_honesty(warehouse, run_backtests(warehouse, installation, list(_options(config))))
    is_simulated = installation.settings.source == "simulated"
    outcomes = [with_report(artifacts, outcome, is_simulated=is_simulated) for outcome in made]
    written = dict.fromkeys(TABLES, MergeResult())
    for outcome in outcomes:
        for name, result in write_outcome(warehouse, outcome).items():
            written[name] += result
    shown = _report(outcomes, artifacts)
    for name in TABLES:
        metadata = {**merge_metadata(written[name]), **table_metadata(warehouse, f"research.{name}")}
        yield dg.MaterializeResult(
            asset_key=["research", name], metadata={**metadata, **(shown if name == "backtests" else {})}
        )


def with_report(artifacts: Artifacts, outcome: Outcome, *, is_simulated: bool) -> Outcome:
    """Write the page of a backtest into the store."""
    uri = artifacts.write(name_of(outcome), report(outcome, is_simulated=is_simulated))
    return msgspec.structs.replace(outcome, report_uri=uri)


def write_outcome(warehouse: Warehouse, outcome: Outcome) -> dict[str, MergeResult]:
    """Write a backtest in one transaction."""
    only = f"t.backtest_id = '{outcome.backtest_id}'"
    window = Window("trade_date", outcome.first_date, outcome.last_date, only)
    with warehouse.transaction() as connection:
        return {
            "backtests": merge(connection, "research.backtests", as_arrow(outcome.row())),
            "backtest_equity": merge(connection, "research.backtest_equity", as_arrow(outcome.equity), window=window),
            "backtest_trades": merge(connection, "research.backtest_trades", as_arrow(outcome.trades), window=window),
            "backtest_metrics": merge(connection, "research.backtest_metrics", as_arrow(outcome.metrics)),
        }


def _options(config: BacktestConfig) -> list[BacktestOptions]:
    first, last = config.period
    return [
        BacktestOptions(
            profile=profile,
            quantile=config.quantile,
            rebalance=config.rebalance.value,
            cost_bps=config.cost_bps,
            slippage_bps=config.slippage(),
            long_only=config.long_only,
            fill=config.fill.value,
            sector_neutral=config.sector_neutral,
            max_weight=config.max_weight,
            target_volatility=config.target_volatility,
            max_turnover=config.max_turnover,
            spread_by_liquidity=config.spread_by_liquidity,
            impact_coefficient=config.impact_coefficient,
            capital=config.capital,
            cash_rate=config.cash_rate,
            delisting_return=config.delisting_return,
            first_date=first,
            last_date=last,
        )
        for profile in config.profiles
    ]


def _is_day(text: str) -> bool:
    try:
        dt.date.fromisoformat(text)
    except ValueError:
        return False
    # Python also reads 20240628 and 2024-W26-5.
    return re.fullmatch(r"\d{4}-\d{2}-\d{2}", text) is not None


def _report(outcomes: list[Outcome], artifacts: Artifacts) -> dict[str, Any]:
    if not outcomes:
        return {}
    figures = [
        outcome.metrics.assign(profile=outcome.options.profile)[
            ["profile", "metric", "value", "benchmark_value", "unit"]
        ]
        for outcome in outcomes
    ]
    return {
        "figures": table(pd.concat(figures)),
        "equity": picture(equity_figure({outcome.options.profile: outcome.equity for outcome in outcomes})),
        **{
            f"{name}_{outcome.options.profile}": outcome.figure(name)
            for outcome in outcomes
            for name in ("sharpe", "deflated_sharpe", "overfitting_probability")
            if name == "sharpe" or pd.notna(outcome.figure(name))
        },
        **{f"report_of_{outcome.options.profile}": artifacts.link(str(outcome.report_uri)) for outcome in outcomes},
        **{f"verdict_on_{outcome.options.profile}": verdict(outcome) for outcome in outcomes},
    }
