"""The skill of the forecasters over all days: every configuration tried, every figure, and the verdict."""

import json
from typing import Any

import dagster as dg
import numpy as np
import pandas as pd

from models.labels import LABEL_SESSIONS
from models.momentum import MomentumForecaster
from models.provenance import content_id
from orchestration.automation import FOLLOW_INPUTS
from orchestration.backtesting import CHARACTERISTICS
from orchestration.code_versions import code_version_of
from orchestration.defs.models.assets import GROUP
from orchestration.defs.models.evaluation import HORIZONS, evaluation_days
from orchestration.metadata import OWNER, merge_metadata, picture, table, table_metadata
from orchestration.plots import decile_figure, monthly_ic_figure
from orchestration.resources import Warehouse
from transforms.days import as_days
from transforms.evaluation import N_DECILES, Evaluation, summarise
from transforms.metrics import Metric
from transforms.selection_bias import overfitting_probability, sharpe_ratio
from transforms.skill_slices import beats_baseline, by_horizon, by_sector, by_year, over_baseline, verdict
from transforms.spread import period_returns, period_rows, spread_figures
from transforms.spread_exposures import spread_exposures
from warehouse.queries import research as queries
from warehouse.queries import trading as trading_queries

BASELINE = MomentumForecaster.name
COST_BPS = 10.0
N_BLOCKS = 8
SHOWN = (
    "rank_ic_mean", "rank_ic_t", "rank_ic_ir", "decile_spread_mean", "spread_sharpe_net", "deflated_sharpe",
    "overfitting_probability", "top_decile_turnover_mean", "rank_ic_over_baseline_t",
)  # fmt: skip


@dg.asset(
    key=["research", "trials"], deps=[evaluation_days], group_name=GROUP, kinds={"python", "postgres"}, owners=[OWNER],
    automation_condition=FOLLOW_INPUTS, code_version=code_version_of(sharpe_ratio, spread_figures),
)  # fmt: skip
def trials(warehouse: Warehouse) -> dg.MaterializeResult[None]:
    """One row per configuration of a forecaster that was ever evaluated; the best of many means little."""
    configurations = warehouse.read(queries.NEWEST_CONFIGURATIONS).to_pylist()
    by_model = {row["model_id"]: row for row in configurations}
    days = warehouse.read_frame(queries.EVALUATION_DAYS)
    rows = [
        _trial(by_model[str(model_id)], own) for model_id, own in days.groupby("model_id") if str(model_id) in by_model
    ]
    if not rows:
        return dg.MaterializeResult(metadata={"note": "No forecast has a known label yet."})
    # Without a window: a configuration that is given up was tried nevertheless.
    written = warehouse.merge("research.trials", pd.DataFrame(rows))
    return dg.MaterializeResult(metadata={**merge_metadata(written), **table_metadata(warehouse, "research.trials")})


@dg.asset(
    key=["research", "evaluations"], deps=[evaluation_days, trials], group_name=GROUP, kinds={"python", "postgres"},
    owners=[OWNER], automation_condition=FOLLOW_INPUTS,
    code_version=code_version_of(summarise, verdict, spread_figures, spread_exposures),
)  # fmt: skip
def evaluations(warehouse: Warehouse) -> dg.MaterializeResult[None]:
    """One row per forecaster and figure over all out-of-sample days, with its definition."""
    days = {str(name): own for name, own in warehouse.read_frame(queries.EVALUATION_DAYS).groupby("model_id")}
    if not days:
        return dg.MaterializeResult(metadata={"note": "No forecast has a known label yet."})
    tried = warehouse.read_frame(queries.TRIALS)["sharpe_net"].to_numpy(np.float64, na_value=np.nan)
    leant_on = _exposures(warehouse, days)
    figures = {name: figures_of(own, days.get(BASELINE), tried) + leant_on[name] for name, own in days.items()}
    overfitting = _overfitting(days)
    rows = [
        {"model_id": name, "metric": m.name, "value": m.value, "unit": m.unit, "definition": m.definition}
        for name, metrics in figures.items()
        for m in (*metrics, overfitting)
    ]
    frame = pd.DataFrame(rows)
    written = warehouse.merge("research.evaluations", frame)
    comparison = frame.pivot(index="metric", columns="model_id", values="value")
    verdicts = {
        name: _verdict(name, {m.name: m.value for m in metrics})
        for name, metrics in figures.items()
        if name != BASELINE and BASELINE in figures
    }
    return dg.MaterializeResult(
        metadata={
            **merge_metadata(written),
            "comparison": table(
                comparison.loc[[name for name in SHOWN if name in comparison.index]].reset_index(), digits=4
            ),
            **{f"{name}_against_the_baseline": sentence for name, sentence in verdicts.items()},
            **{
                f"{name}_{m.name}": m.value
                for name, metrics in figures.items()
                for m in metrics
                if m.name in ("rank_ic_mean", "rank_ic_t") and np.isfinite(m.value)
            },
            **_pictures(days),
            **table_metadata(warehouse, "research.evaluations"),
        }
    )


@dg.asset_check(
    asset=evaluations,
    description="Every forecaster that is no baseline has a higher rank IC than momentum_12_1, by 2 standard errors of "
    "the daily difference.",
)
def forecasters_beat_the_baseline(warehouse: Warehouse) -> dg.AssetCheckResult:
    """Compare each forecaster with the naive one that all must beat."""
    ts = warehouse.read(queries.OVER_BASELINE, [BASELINE]).to_pylist()
    return dg.AssetCheckResult(
        passed=all(beats_baseline(row["t"]) for row in ts),
        severity=dg.AssetCheckSeverity.WARN,
        metadata={f"{row['model_id']}_t": row["t"] for row in ts if row["t"] is not None},
    )


def figures_of(days: pd.DataFrame, baseline: pd.DataFrame | None, tried: np.ndarray) -> list[Metric]:
    """Compute every figure of one forecaster from its rows of research.evaluation_days.

    Parameters
    ----------
    days, baseline : DataFrame
        Rows of the forecaster and of the baseline, None where the baseline is not evaluated.
    tried : ndarray of shape (n_trials,)
        Net Sharpe ratio per period of every configuration on record; NaN where it has none.
    """
    evaluation = as_evaluation(days)
    known = tried[np.isfinite(tried)]
    metrics = summarise(evaluation, horizon_sessions=LABEL_SESSIONS)
    metrics += spread_figures(
        evaluation, cost_bps=COST_BPS, n_trials=max(len(tried), 1),
        sharpe_sd=float(known.std(ddof=1)) if len(known) > 1 else 0.0, horizon_sessions=LABEL_SESSIONS,
    )  # fmt: skip
    metrics += _deciles(evaluation)
    metrics += by_year(as_days(days["as_of_date"]), evaluation.rank_ic)
    metrics += by_horizon(_padded(days["rank_ic_by_horizon"], len(HORIZONS)), HORIZONS)
    sectors = pd.DataFrame([json.loads(text) for text in days["rank_ic_by_sector"]], dtype=np.float64)
    metrics += by_sector({str(name): values.to_numpy(np.float64) for name, values in sectors.items()})
    if baseline is not None and baseline is not days:
        both = days.set_index("as_of_date")["rank_ic"].astype(float).to_frame("own")
        both["other"] = baseline.set_index("as_of_date")["rank_ic"].astype(float)
        own, other = both["own"].to_numpy(np.float64), both["other"].to_numpy(np.float64)
        metrics += over_baseline(own, other, baseline=BASELINE, lag=LABEL_SESSIONS - 1)
    return metrics


def as_evaluation(days: pd.DataFrame) -> Evaluation:
    """Return the rows of research.evaluation_days of one forecaster as `evaluate` gave them."""
    rank_ic, top, bottom = (
        days[name].to_numpy(np.float64, na_value=np.nan)
        for name in ("rank_ic", "top_decile_turnover", "bottom_decile_turnover")
    )
    returns, up_shares = (_padded(days[name], N_DECILES) for name in ("decile_returns", "decile_up_shares"))
    return Evaluation(rank_ic, days["n_instruments"].to_numpy(np.int64), returns, up_shares, top, bottom)


def _trial(configuration: dict[str, Any], days: pd.DataFrame) -> dict[str, Any]:
    gross, cost = period_returns(as_evaluation(days), cost_bps=COST_BPS, horizon_sessions=LABEL_SESSIONS)
    net = (gross - cost)[np.isfinite(gross)]
    tried = {name: configuration[name] for name in ("model_id", "parameters", "features_hash")}
    dates = days["as_of_date"].dt.date
    return {
        **tried, "trial_id": content_id(tried), "first_date": dates.min(), "last_date": dates.max(),
        "n_periods": len(net), "sharpe_net": sharpe_ratio(net),
    }  # fmt: skip


def _exposures(warehouse: Warehouse, days: dict[str, pd.DataFrame]) -> dict[str, list[Metric]]:
    """What the spread of each forecaster leans on, and its capacity, on the days that its periods begin with."""
    chosen = {
        name: own["as_of_date"].iloc[period_rows(len(own), horizon_sessions=LABEL_SESSIONS)]
        for name, own in days.items()
    }
    listed = ",".join(sorted({f"{day:%Y-%m-%d}" for own in chosen.values() for day in own}))
    made = warehouse.read_frame(queries.FORECASTS_ON, [listed])
    known = warehouse.read_frame(trading_queries.CHARACTERISTICS_ON, [listed])
    return {
        name: spread_exposures(
            made.loc[(made["model_id"] == name) & made["as_of_date"].isin(own)].drop(columns="model_id"), known,
            CHARACTERISTICS,
        )
        for name, own in chosen.items()
    }  # fmt: skip


def _overfitting(days: dict[str, pd.DataFrame]) -> Metric:
    """Compare the forecasters with each other on the periods that all of them have."""
    common = sorted(set.intersection(*(set(own["as_of_date"]) for own in days.values())))
    returns = []
    for own in days.values():
        chosen = own[own["as_of_date"].isin(common)]
        gross, cost = period_returns(as_evaluation(chosen), cost_bps=COST_BPS, horizon_sessions=LABEL_SESSIONS)
        returns.append(gross - cost)
    matrix = np.column_stack(returns)
    matrix = matrix[np.isfinite(matrix).all(axis=1)]
    return Metric(
        "overfitting_probability",
        overfitting_probability(matrix, n_blocks=N_BLOCKS),
        "fraction",
        f"Share of the ways to halve {N_BLOCKS} blocks of {len(matrix)} periods in which the best of {len(days)} "
        "forecasters on one half is below the middle on the other (CSCV), by the net Sharpe ratio of the spread.",
    )


def _deciles(evaluation: Evaluation) -> list[Metric]:
    known = evaluation.decile_returns[np.isfinite(evaluation.decile_returns).all(axis=1)]
    means = known.mean(axis=0) if len(known) else np.full(evaluation.decile_returns.shape[1], np.nan)
    return [
        Metric(
            f"decile_{number:02d}_return_mean",
            float(mean),
            f"fraction per {LABEL_SESSIONS} sessions",
            f"Mean over days of the mean label of tenth {number} by forecast, 1 the worst.",
        )
        for number, mean in enumerate(means, start=1)
    ]


def _padded(lists: pd.Series, length: int) -> np.ndarray:
    """Lay lists out as rows; what is null, or was written before there were horizons, is NaN."""
    rows = np.full((len(lists), length), np.nan)
    for row, values in zip(rows, lists, strict=True):
        row[: len(values)] = np.asarray(values, dtype=np.float64)
    return rows


def _verdict(name: str, figures: dict[str, float]) -> str:
    return verdict(name, BASELINE, difference=figures["rank_ic_over_baseline"], t=figures["rank_ic_over_baseline_t"])


def _pictures(days: dict[str, pd.DataFrame]) -> dict[str, Any]:
    shown: dict[str, Any] = {}
    for name, own in days.items():
        shown[f"rank_ic_of_{name}"] = picture(monthly_ic_figure(own, name=name))
        means = np.array([metric.value for metric in _deciles(as_evaluation(own))])
        shown[f"deciles_of_{name}"] = picture(decile_figure(means, name=name))
    return shown
