"""The skill of the forecasters, over all days and per retraining: what was tried, every figure, and the verdict."""

import datetime as dt
import json
from collections.abc import Mapping
from typing import Any, NamedTuple

import dagster as dg
import numpy as np
import pandas as pd

from models.ensemble import ENSEMBLE
from models.labels import LABEL_SESSIONS
from models.provenance import content_id
from models.registry import BASELINE, Registry, load_registry
from models.walk_forward import quarter_start
from orchestration.automation import FOLLOW_INPUTS
from orchestration.backtesting import CHARACTERISTICS
from orchestration.code_versions import code_version_of
from orchestration.defs.models.assets import GROUP
from orchestration.defs.models.evaluation import HORIZONS, evaluation_days
from orchestration.evaluated_days import as_evaluation, configuration_of, ensemble_forecasts, padded
from orchestration.installation import Installation
from orchestration.metadata import OWNER, merge_metadata, picture, table, table_metadata
from orchestration.plots import decile_figure, monthly_ic_figure, retraining_figure
from orchestration.resources import MarketData, Warehouse
from transforms.days import as_days
from transforms.evaluation import N_DECILES, summarise
from transforms.metrics import Metric
from transforms.selection_bias import overfitting_probability, sharpe_ratio, spread_of_sharpes
from transforms.skill_slices import beats_baseline, by_horizon, by_sector, by_year, over_baseline, verdict
from transforms.spread import decile_figures, period_returns, period_rows, spread_figures
from transforms.spread_exposures import spread_days, spread_exposures
from warehouse.merge import Window
from warehouse.queries import research as queries
from warehouse.queries import trading as trading_queries

COST_BPS = 10.0
N_BLOCKS = 8
# Labels without overlap that a t-statistic needs.
LEAST_LABELS = 6
# Whenever it was computed: of what is not evaluated any more, as an ensemble that is given up, no figure stays.
EVERY_FIGURE = Window("computed_at", dt.date(2000, 1, 1), dt.date(9999, 12, 31))
SHOWN = (
    "rank_ic_mean", "rank_ic_t", "rank_ic_ir", "decile_spread_mean", "spread_sharpe_net", "deflated_sharpe",
    "overfitting_probability", "top_decile_turnover_mean", "rank_ic_over_baseline_t",
)  # fmt: skip


@dg.asset(
    key=["research", "trials"], deps=[evaluation_days], group_name=GROUP, kinds={"python", "postgres"}, owners=[OWNER],
    automation_condition=FOLLOW_INPUTS, code_version=code_version_of(sharpe_ratio, spread_figures),
)  # fmt: skip
def trials(warehouse: Warehouse, market_data: MarketData) -> dg.MaterializeResult[None]:
    """One row per configuration of a forecaster that was ever evaluated; the best of many means little."""
    by_model = _configurations(warehouse, load_registry(market_data.installation.settings.models_file))
    days = warehouse.read_frame(queries.EVALUATION_DAYS)
    rows = [
        _trial(by_model[str(model_id)], own) for model_id, own in days.groupby("model_id") if str(model_id) in by_model
    ]
    if not rows:
        return dg.MaterializeResult(metadata={"note": "No forecast has a known label yet."})
    # Without a window: a configuration that is given up was tried nevertheless.
    written = warehouse.merge("research.trials", pd.DataFrame(rows))
    return dg.MaterializeResult(metadata={**merge_metadata(written), **table_metadata(warehouse, "research.trials")})


class Span(NamedTuple):
    """What is judged: a forecaster on the days of one retraining, or on all days."""

    model_id: str
    valid_from_date: dt.date | None = None


DESCRIPTIONS = {
    "evaluations": "One row per forecaster and figure over all out-of-sample days, with its definition.",
    "evaluations_by_retraining": "One row per forecaster, retraining date and figure over the out-of-sample days that "
    "this version forecast.",
}


@dg.multi_asset(
    name="evaluations",
    specs=[
        dg.AssetSpec(
            ["research", name], deps=[evaluation_days, trials], group_name=GROUP, kinds={"python", "postgres"},
            owners=[OWNER], description=description, automation_condition=FOLLOW_INPUTS,
            metadata={"dagster/table_name": f"research.{name}"},
            code_version=code_version_of(summarise, verdict, spread_figures, spread_days, spread_exposures),
        )
        for name, description in DESCRIPTIONS.items()
    ],
)  # fmt: skip
# Dagster takes no other annotation of a generator of several results.
def evaluations(warehouse: Warehouse, market_data: MarketData) -> dg.MaterializeResult:  # type: ignore[misc, type-arg]
    """Judge each forecaster over all days and per retraining: one read serves both."""
    days = {str(name): own for name, own in warehouse.read_frame(queries.EVALUATION_DAYS).groupby("model_id")}
    if not days:
        for name in DESCRIPTIONS:
            note = {"note": "No forecast has a known label yet."}
            yield dg.MaterializeResult(asset_key=["research", name], metadata=note)
        return
    overall = {Span(name): own for name, own in days.items()}
    by_version = by_retraining(days, warehouse.read_frame(queries.RETRAININGS))
    figures = _figures(warehouse, market_data.installation, days, overall | by_version)
    yield _stored_overall(warehouse, days, {span.model_id: figures[span] for span in overall})
    yield _stored_by_retraining(warehouse, {span: figures[span] for span in by_version})


def _stored_overall(
    warehouse: Warehouse, days: dict[str, pd.DataFrame], figures: dict[str, list[Metric]]
) -> dg.MaterializeResult[None]:
    overfitting = _overfitting(days)
    rows = [{"model_id": name, **_columns(m)} for name, metrics in figures.items() for m in (*metrics, overfitting)]
    frame = pd.DataFrame(rows)
    written = warehouse.merge("research.evaluations", frame, window=EVERY_FIGURE)
    comparison = frame.pivot(index="metric", columns="model_id", values="value")
    verdicts = {
        name: _verdict(name, {m.name: m.value for m in metrics})
        for name, metrics in figures.items()
        if name != BASELINE and BASELINE in figures
    }
    return dg.MaterializeResult(
        asset_key=["research", "evaluations"],
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
        },
    )


def _stored_by_retraining(warehouse: Warehouse, figures: dict[Span, list[Metric]]) -> dg.MaterializeResult[None]:
    rows = [{**span._asdict(), **_columns(metric)} for span, metrics in figures.items() for metric in metrics]
    frame = pd.DataFrame(rows)
    window = Window("valid_from_date", frame["valid_from_date"].min(), frame["valid_from_date"].max())
    written = warehouse.merge("research.evaluations_by_retraining", frame, window=window)
    rank_ics = frame[frame["metric"] == "rank_ic_mean"].pivot(
        index="valid_from_date", columns="model_id", values="value"
    )
    return dg.MaterializeResult(
        asset_key=["research", "evaluations_by_retraining"],
        metadata={
            **merge_metadata(written),
            "rank_ic_mean": table(rank_ics.tail(12).reset_index(), digits=4),
            "rank_ic_by_retraining": picture(retraining_figure(rank_ics)),
            **table_metadata(warehouse, "research.evaluations_by_retraining"),
        },
    )


@dg.asset_check(
    asset=dg.AssetKey(["research", "evaluations"]),
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
        Rows of the forecaster and of the baseline; None where the baseline is not evaluated, or is the forecaster.
    tried : ndarray of shape (n_trials,)
        Net Sharpe ratio per period of every configuration on record; NaN where it has none.
    """
    evaluation = as_evaluation(days)
    n_trials, deviation = spread_of_sharpes(tried)
    metrics = summarise(evaluation, horizon_sessions=LABEL_SESSIONS)
    metrics += spread_figures(
        evaluation, cost_bps=COST_BPS, n_trials=n_trials, sharpe_sd=deviation, horizon_sessions=LABEL_SESSIONS,
    )  # fmt: skip
    metrics += decile_figures(evaluation, cost_bps=COST_BPS, horizon_sessions=LABEL_SESSIONS)
    metrics += by_year(as_days(days["as_of_date"]), evaluation.rank_ic)
    metrics += by_horizon(padded(days["rank_ic_by_horizon"], len(HORIZONS)), HORIZONS)
    sectors = pd.DataFrame([json.loads(text) for text in days["rank_ic_by_sector"]], dtype=np.float64)
    metrics += by_sector({str(name): values.to_numpy(np.float64) for name, values in sectors.items()})
    if baseline is not None:
        both = days.set_index("as_of_date")["rank_ic"].astype(float).to_frame("own")
        both["other"] = baseline.set_index("as_of_date")["rank_ic"].astype(float)
        own, other = both["own"].to_numpy(np.float64), both["other"].to_numpy(np.float64)
        metrics += over_baseline(own, other, baseline=BASELINE, lag=LABEL_SESSIONS - 1)
    return metrics


def _trial(configuration: dict[str, Any], days: pd.DataFrame) -> dict[str, Any]:
    gross, cost = period_returns(as_evaluation(days), cost_bps=COST_BPS, horizon_sessions=LABEL_SESSIONS)
    net = (gross - cost)[np.isfinite(gross)]
    tried = {name: configuration[name] for name in ("model_id", "parameters", "features_hash")}
    dates = days["as_of_date"].dt.date
    return {
        **tried, "trial_id": content_id(tried), "first_date": dates.min(), "last_date": dates.max(),
        "n_periods": len(net), "sharpe_net": sharpe_ratio(net),
    }  # fmt: skip


def by_retraining(days: Mapping[str, pd.DataFrame], retrainings: pd.DataFrame) -> dict[Span, pd.DataFrame]:
    """Split the days of each forecaster by the version that forecast them.

    Parameters
    ----------
    days
        Rows of research.evaluation_days by forecaster.
    retrainings
        model_id and valid_from_date of every version. What is not trained, as the ensemble, is split by quarter.
    """
    spans = {}
    for name, own in days.items():
        on = as_days(own["as_of_date"])
        starts = np.unique(as_days(retrainings.loc[retrainings["model_id"] == name, "valid_from_date"]))
        if not len(starts):
            starts = np.unique([np.datetime64(quarter_start(day)) for day in on.tolist()])
        of_day = starts[np.maximum(np.searchsorted(starts, on, side="right") - 1, 0)]
        for start in np.unique(of_day):
            spans[Span(name, start.item())] = own[of_day == start]
    return spans


def _figures(
    warehouse: Warehouse, installation: Installation, days: Mapping[str, pd.DataFrame],
    spans: Mapping[Span, pd.DataFrame],
) -> dict[Span, list[Metric]]:  # fmt: skip
    """Every figure of each span, beside the baseline and all trials on record."""
    tried = warehouse.read_frame(queries.TRIALS)["sharpe_net"].to_numpy(np.float64, na_value=np.nan)
    leant_on = _exposures(warehouse, installation, days, spans)
    found = {
        span: figures_of(own, None if span.model_id == BASELINE else days.get(BASELINE), tried) + leant_on[span]
        for span, own in spans.items()
    }
    return {span: [_if_sure(metric, len(spans[span])) for metric in metrics] for span, metrics in found.items()}


def _if_sure(metric: Metric, n_days: int) -> Metric:
    """Leave out a t-statistic of too few labels: on noise, many of those of a quarter would be above 2."""
    if not metric.name.endswith("_t") or n_days >= LEAST_LABELS * LABEL_SESSIONS:
        return metric
    few = f"Not given: {n_days} days hold fewer than {LEAST_LABELS} labels that do not overlap."
    return metric._replace(value=np.nan, definition=f"{metric.definition} {few}")


def _configurations(warehouse: Warehouse, registry: Registry) -> dict[str, dict[str, Any]]:
    """What each forecaster was made with last, and how the ensemble combines those that have a say."""
    found = {row["model_id"]: row for row in warehouse.read(queries.NEWEST_CONFIGURATIONS).to_pylist()}
    together = configuration_of(registry)
    if together is not None:
        of = content_id([found[name] for name in sorted(together["weight_of"]) if name in found])[:16]
        parameters = json.dumps(together, sort_keys=True)
        found[ENSEMBLE] = {"model_id": ENSEMBLE, "parameters": parameters, "features_hash": of}
    return found


def _columns(metric: Metric) -> dict[str, Any]:
    return {"metric": metric.name, "value": metric.value, "unit": metric.unit, "definition": metric.definition}


def _exposures(
    warehouse: Warehouse, installation: Installation, days: Mapping[str, pd.DataFrame],
    spans: Mapping[Span, pd.DataFrame],
) -> dict[Span, list[Metric]]:  # fmt: skip
    """What the spread of each span leans on, and its capacity, on the days that its periods begin with."""
    chosen = {
        span: own["as_of_date"].iloc[period_rows(len(own), horizon_sessions=LABEL_SESSIONS)]
        for span, own in spans.items()
    }
    listed = sorted({day for own in chosen.values() for day in own})
    made = warehouse.read_frame(queries.FORECASTS_ON, [",".join(f"{day:%Y-%m-%d}" for day in listed)])
    known = warehouse.read_frame(trading_queries.characteristics_on(listed))
    if ENSEMBLE in days:
        registry, sessions = load_registry(installation.settings.models_file), installation.sessions()
        together = ensemble_forecasts(registry, made, pd.concat(list(days.values())), sessions)
        if len(together):
            made = pd.concat([made, together.assign(model_id=ENSEMBLE)])
    by_model = {
        model_id: spread_days(made.loc[made["model_id"] == model_id].drop(columns="model_id"), known, CHARACTERISTICS)
        for model_id in days
    }
    return {span: spread_exposures(by_model[span.model_id], own, CHARACTERISTICS) for span, own in chosen.items()}


def _overfitting(days: dict[str, pd.DataFrame]) -> Metric:
    """Compare the forecasters with each other on the periods that all of them have, but for those with too few."""
    long = {name: own for name, own in days.items() if len(own) >= N_BLOCKS * (LABEL_SESSIONS - 1)} or days
    common = sorted(set.intersection(*(set(own["as_of_date"]) for own in long.values())))
    returns = []
    for own in long.values():
        chosen = own[own["as_of_date"].isin(common)]
        gross, cost = period_returns(as_evaluation(chosen), cost_bps=COST_BPS, horizon_sessions=LABEL_SESSIONS)
        returns.append(gross - cost)
    matrix = np.column_stack(returns)
    matrix = matrix[np.isfinite(matrix).all(axis=1)]
    return Metric(
        "overfitting_probability",
        overfitting_probability(matrix, n_blocks=N_BLOCKS),
        "fraction",
        f"Share of the ways to halve {N_BLOCKS} blocks of {len(matrix)} periods in which the best of {len(long)} "
        f"forecasters ({', '.join(long)}) on one half is below the middle on the other (CSCV), by the net Sharpe ratio "
        "of the spread.",
    )


def _verdict(name: str, figures: dict[str, float]) -> str:
    return verdict(name, BASELINE, difference=figures["rank_ic_over_baseline"], t=figures["rank_ic_over_baseline_t"])


def _pictures(days: dict[str, pd.DataFrame]) -> dict[str, Any]:
    shown: dict[str, Any] = {}
    for name, own in days.items():
        shown[f"rank_ic_of_{name}"] = picture(monthly_ic_figure(own, name=name))
        tenths = decile_figures(as_evaluation(own), cost_bps=COST_BPS, horizon_sessions=LABEL_SESSIONS)
        gross, net = np.array([metric.value for metric in tenths]).reshape(2, N_DECILES)
        shown[f"deciles_of_{name}"] = picture(decile_figure(gross, net, name=name))
    return shown
