"""What the forecasts were worth, once their labels are known."""

import datetime as dt
from bisect import bisect_left, bisect_right
from typing import Any

import dagster as dg
import numpy as np
import pandas as pd

from models.labels import LABEL_SESSIONS, forward_returns
from orchestration.automation import FOLLOW_INPUTS
from orchestration.defs.models.assets import GROUP, PRICES, forecasts
from orchestration.metadata import OWNER, merge_metadata, picture, table, table_metadata
from orchestration.partitions import sessions_partitions, window_of
from orchestration.plots import decile_figure, monthly_ic_figure
from orchestration.resources import MarketData, Warehouse
from transforms.evaluation import Evaluation, evaluate, summarise
from warehouse.merge import Window
from warehouse.queries import research as queries


@dg.asset(
    key=["research", "evaluation_days"], deps=[forecasts, PRICES], partitions_def=sessions_partitions(),
    backfill_policy=dg.BackfillPolicy.single_run(), group_name=GROUP, kinds={"python", "postgres"}, owners=[OWNER],
    automation_condition=FOLLOW_INPUTS,
)  # fmt: skip
def evaluation_days(
    context: dg.AssetExecutionContext, warehouse: Warehouse, market_data: MarketData
) -> dg.MaterializeResult[None]:
    """One row per forecaster and as_of_date whose 22-session label is known: skill of the day, out of sample.

    The partition of session D completes the day 22 sessions before it, whose label D's close has decided.
    """
    installation, (first, last) = market_data.installation, window_of(context)
    sessions = installation.sessions(None, last)
    begin = max(bisect_left(sessions, first) - LABEL_SESSIONS, 0)
    end = max(bisect_right(sessions, last) - LABEL_SESSIONS - 1, 0)
    # The turnover of a day looks back one more label.
    read_from = sessions[max(begin - LABEL_SESSIONS, 0)]
    window = Window("as_of_date", sessions[begin], sessions[end])
    made = warehouse.read_frame(queries.FORECASTS_BETWEEN, [read_from, sessions[end]])
    labels = forward_returns(
        warehouse.read_frame(queries.PRICES_FOR_LABELS, [read_from, last]), _between(sessions, read_from, last)
    )
    rows = _rows(made, labels, window.first_date)
    if rows.empty:
        return dg.MaterializeResult(metadata={"days": 0, "note": "No forecast of this window has a known label yet."})
    written = warehouse.merge("research.evaluation_days", rows, window=window)
    return dg.MaterializeResult(
        metadata={**merge_metadata(written), "days": len(rows), **table_metadata(warehouse, "research.evaluation_days")}
    )


@dg.asset(
    key=["research", "evaluations"], deps=[evaluation_days], group_name=GROUP, kinds={"python", "postgres"},
    owners=[OWNER], automation_condition=FOLLOW_INPUTS,
)  # fmt: skip
def evaluations(warehouse: Warehouse) -> dg.MaterializeResult[None]:
    """One row per forecaster and figure over all out-of-sample days, with its definition."""
    days = warehouse.read_frame(queries.EVALUATION_DAYS)
    rows: list[dict[str, Any]] = []
    shown: dict[str, Any] = {}
    for model_id, own in days.groupby("model_id"):
        evaluation = as_evaluation(own)
        metrics = summarise(evaluation, horizon_sessions=LABEL_SESSIONS)
        rows += [
            {"model_id": model_id, "metric": m.name, "value": m.value, "unit": m.unit, "definition": m.definition}
            for m in metrics
        ]
        rows += _decile_rows(str(model_id), evaluation)
        figures = {m.name: m.value for m in metrics}
        shown[f"rank_ic_of_{model_id}"] = picture(monthly_ic_figure(own, name=str(model_id)))
        shown[f"deciles_of_{model_id}"] = picture(
            decile_figure(np.nanmean(evaluation.decile_returns, axis=0), name=str(model_id))
        )
        shown |= {
            f"{model_id}_{name}": figures[name] for name in ("rank_ic_mean", "rank_ic_t") if np.isfinite(figures[name])
        }
    if not rows:
        return dg.MaterializeResult(metadata={"note": "No forecast has a known label yet."})
    frame = pd.DataFrame(rows)
    written = warehouse.merge("research.evaluations", frame)
    comparison = frame.pivot(index="metric", columns="model_id", values="value").reset_index()
    return dg.MaterializeResult(
        metadata={
            **merge_metadata(written), "comparison": table(comparison, digits=4), **shown,
            **table_metadata(warehouse, "research.evaluations"),
        }
    )  # fmt: skip


def as_evaluation(days: pd.DataFrame) -> Evaluation:
    """Return the rows of research.evaluation_days of one forecaster as `evaluate` gave them."""
    deciles = np.array([np.asarray(row, dtype=np.float64) for row in days["decile_returns"]]).reshape(len(days), -1)
    return Evaluation(
        rank_ic=days["rank_ic"].to_numpy(np.float64, na_value=np.nan),
        n_instruments=days["n_instruments"].to_numpy(np.int64),
        decile_returns=deciles,
        top_decile_turnover=days["top_decile_turnover"].to_numpy(np.float64, na_value=np.nan),
    )


def _rows(made: pd.DataFrame, labels: pd.DataFrame, first: dt.date) -> pd.DataFrame:
    parts = [_rows_of_model(str(model_id), own, labels, first) for model_id, own in made.groupby("model_id")]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def _rows_of_model(model_id: str, made: pd.DataFrame, labels: pd.DataFrame, first: dt.date) -> pd.DataFrame:
    grid = made.pivot(index="as_of_date", columns="instrument_id", values="forecast")
    grid = grid.reindex(index=labels.index.intersection(grid.index), columns=labels.columns)
    found = evaluate(
        grid.to_numpy(np.float64), labels.loc[grid.index].to_numpy(np.float64), horizon_sessions=LABEL_SESSIONS
    )
    rows = pd.DataFrame(
        {
            "model_id": model_id,
            "as_of_date": grid.index,
            "rank_ic": found.rank_ic,
            "n_instruments": found.n_instruments,
            "top_decile_return": found.decile_returns[:, -1],
            "bottom_decile_return": found.decile_returns[:, 0],
            "top_decile_turnover": found.top_decile_turnover,
            "decile_returns": list(found.decile_returns),
        }
    )
    return rows[(rows["n_instruments"] > 0) & (rows["as_of_date"] >= pd.Timestamp(first))]


def _decile_rows(model_id: str, evaluation: Evaluation) -> list[dict[str, Any]]:
    means = np.nanmean(evaluation.decile_returns, axis=0)
    return [
        {
            "model_id": model_id,
            "metric": f"decile_{number:02d}_return_mean",
            "value": float(mean),
            "unit": f"fraction per {LABEL_SESSIONS} sessions",
            "definition": f"Mean over days of the mean label of tenth {number} by forecast, 1 the worst.",
        }
        for number, mean in enumerate(means, start=1)
    ]


def _between(sessions: list[dt.date], first: dt.date, last: dt.date) -> list[dt.date]:
    return sessions[bisect_left(sessions, first) : bisect_right(sessions, last)]
