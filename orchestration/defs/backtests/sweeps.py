"""Sweeps: every combination of some options at once, and each of them a trial."""

import json
from collections.abc import Sequence
from typing import Any, Self

import dagster as dg
import pandas as pd
from pydantic import Field, model_validator

from orchestration.backtesting import BacktestOptions, code_version
from orchestration.defs.backtests.assets import Fill, Period, Rebalance
from orchestration.defs.rankings.assets import rankings
from orchestration.metadata import OWNER, merge_metadata, picture, table, table_metadata
from orchestration.plots import sweep_figure
from orchestration.resources import MarketData, Warehouse, as_arrow
from orchestration.sweeping import Swept, run_sweep
from transforms.profiles import PROFILES
from warehouse.merge import MergeResult, merge
from warehouse.records.research_jobs import MOST_CONFIGURATIONS

DEFINITIONS = (
    "sharpe and the others as in research.backtest_metrics; deflated_sharpe of a row: probability that its true Sharpe "
    "ratio is above what the best of all trials on record, those of the sweep among them, would show without skill; of "
    "the sweep: that of its best row. overfitting_probability: CSCV over the books of the sweep, one figure of them "
    "all. Every row is in research.sweep_results."
)
PER_PROFILE = dg.StaticPartitionsDefinition(list(PROFILES))


class SweepConfig(Period):
    """A grid: every combination of the lists is a backtest. The partition is the risk profile."""

    quantiles: list[float] = Field(
        default=[0.05, 0.1, 0.15, 0.2, 0.25, 0.3],
        description="Shares of the ranked instruments to hold (fractions, above 0 and at most 0.5).",
    )
    # A list of an enum cannot have a default in Dagster 1.13, so the names are checked here.
    rebalances: list[str] = Field(
        default=["weekly", "monthly", "quarterly"],
        description="How often to rebalance: any of weekly, monthly, quarterly.",
    )
    costs_bps: list[float] = Field(
        default=[0.0, 5.0, 10.0, 20.0],
        description="Costs of a trade, all together (basis points of the traded value, 0 to 500).",
    )
    long_only: list[bool] = Field(default=[True, False], description="Long only, long-short, or both.")
    sector_neutral: list[bool] = Field(default=[False], description="Within the universe, within sectors, or both.")
    fill: Fill = Field(default=Fill.close, description="Whether orders are filled at the next close or open.")
    max_weight: float | None = Field(
        default=None, gt=0, le=1, description="Most of a book in one instrument (fraction)."
    )
    max_turnover: float | None = Field(
        default=None, gt=0, le=10, description="Most that a rebalance may buy plus sell (fraction of equity)."
    )
    cash_rate: float = Field(default=0.0, ge=-0.1, le=1, description="Interest on cash (fraction per year).")
    delisting_return: float = Field(
        default=0.0, ge=-1, le=1, description="Return after the last price of a delisted instrument (fraction)."
    )

    def axes(self) -> dict[str, Sequence[Any]]:
        """Return the lists by the names of a backtest's options."""
        return {
            "quantile": self.quantiles, "rebalance": self.rebalances, "cost_bps": self.costs_bps,
            "long_only": self.long_only, "sector_neutral": self.sector_neutral,
        }  # fmt: skip

    @model_validator(mode="after")
    def _grid(self) -> Self:
        known = {one.value for one in Rebalance}
        if not all(0 < q <= 0.5 for q in self.quantiles) or not set(self.rebalances) <= known:
            raise ValueError(
                f"quantiles must be above 0 and at most 0.5, and rebalances some of {sorted(known)}; got "
                f"{self.quantiles} and {self.rebalances}"
            )
        if not all(0 <= cost <= 500 for cost in self.costs_bps):
            raise ValueError(f"costs_bps must be from 0 to 500; got {self.costs_bps}")
        twice = [name for name, values in self.axes().items() if len(set(values)) < len(values)]
        if twice:
            raise ValueError(
                f"each list must name a value once; got {', '.join(f'{name}={self.axes()[name]}' for name in twice)}. "
                "Leave the repeats out: each would count as a trial"
            )
        n = 1
        for values in self.axes().values():
            n *= len(values)
        if not 2 <= n <= MOST_CONFIGURATIONS:
            raise ValueError(f"the grid must have 2 to {MOST_CONFIGURATIONS} combinations; got {n}")
        return self


@dg.multi_asset(
    name="sweeps",
    specs=[
        dg.AssetSpec(
            ["research", name], deps=[dg.AssetDep(rankings, partition_mapping=dg.AllPartitionMapping())],
            group_name="backtests", kinds={"python", "postgres"}, owners=[OWNER], description=description,
            metadata={"dagster/table_name": f"research.{name}"}, code_version=code_version(),
        )
        for name, description in (
            ("sweeps", "One row per sweep: many configurations of a backtest at once, each of which is a trial."),
            ("sweep_results", "One row per sweep and configuration, with its figures."),
        )
    ],
    partitions_def=PER_PROFILE,
)  # fmt: skip
# Dagster takes no other annotation of a generator of several results.
def sweeps(  # type: ignore[misc]
    context: dg.AssetExecutionContext, config: SweepConfig, warehouse: Warehouse, market_data: MarketData
) -> dg.MaterializeResult:  # type: ignore[type-arg]
    """Run every combination of a grid on the rankings of the profile that the partition names."""
    found = run_sweep(warehouse, market_data.installation, _base(config, context.partition_key), config.axes())
    written = write_sweep(warehouse, found)
    for name in ("sweeps", "sweep_results"):
        metadata = {**merge_metadata(written[name]), **table_metadata(warehouse, f"research.{name}")}
        yield dg.MaterializeResult(
            asset_key=["research", name], metadata={**metadata, **(_report(found) if name == "sweeps" else {})}
        )


def write_sweep(warehouse: Warehouse, found: Swept) -> dict[str, MergeResult]:
    """Write a sweep in one transaction; what was tried is never deleted."""
    with warehouse.transaction() as connection:
        return {
            "sweeps": merge(connection, "research.sweeps", as_arrow(found.row)),
            "sweep_results": merge(connection, "research.sweep_results", as_arrow(found.results)),
        }


def _base(config: SweepConfig, profile: str) -> BacktestOptions:
    first, last = config.period
    return BacktestOptions(
        profile=profile, slippage_bps=0.0, fill=config.fill.value, max_weight=config.max_weight,
        max_turnover=config.max_turnover, cash_rate=config.cash_rate, delisting_return=config.delisting_return,
        first_date=first, last_date=last,
    )  # fmt: skip


def _report(found: Swept) -> dict[str, Any]:
    row = found.row.iloc[0]
    ordered = found.results.sort_values("sharpe", ascending=False, kind="stable")
    chosen = pd.DataFrame([json.loads(text) for text in ordered["parameters"]])
    shown = pd.concat([chosen, ordered.drop(columns=["sweep_id", "parameters"]).reset_index(drop=True)], axis=1)
    return {
        "configurations": int(row["n_configurations"]),
        "best": table(shown.head(10)),
        "definitions": dg.MetadataValue.text(DEFINITIONS),
        "sharpe_ratios": picture(sweep_figure(found.results["sharpe"].to_numpy(float))),
        **{
            name: float(row[name])
            for name in ("deflated_sharpe", "overfitting_probability")
            if pd.notna(row[name])
        },
    }  # fmt: skip
