"""What the forecasts were worth, once their labels are known."""

import datetime as dt
import json
from bisect import bisect_left, bisect_right

import dagster as dg
import numpy as np
import pandas as pd

from models.ensemble import ENSEMBLE, combined_forecasts
from models.labels import LABEL_SESSIONS, forward_returns_at
from models.provenance import content_id
from models.registry import Registry, load_registry
from orchestration.automation import FOLLOW_INPUTS
from orchestration.code_versions import code_version_of
from orchestration.defs.models.assets import GROUP, PRICES, forecasts
from orchestration.evaluated_days import configuration_of, ensemble_forecasts, voters
from orchestration.metadata import OWNER, merge_metadata, table_metadata
from orchestration.partitions import sessions_partitions, window_of
from orchestration.resources import MarketData, Warehouse
from transforms.evaluation import evaluate, rank_correlations
from transforms.skill_slices import sector_correlations
from warehouse.merge import Window
from warehouse.queries import research as queries

# Sessions after the trade over which the skill is followed, as in the comment of rank_ic_by_horizon.
HORIZONS = (1, 5, 10, 21, 42, 63)
LONGEST_LABEL = max(HORIZONS) + 1

Labels = dict[int, pd.DataFrame]


@dg.asset(
    key=["research", "evaluation_days"], deps=[forecasts, PRICES], partitions_def=sessions_partitions(),
    backfill_policy=dg.BackfillPolicy.single_run(), group_name=GROUP, kinds={"python", "postgres"}, owners=[OWNER],
    automation_condition=FOLLOW_INPUTS, code_version=code_version_of(
        evaluate, rank_correlations, sector_correlations, combined_forecasts
    ),
)  # fmt: skip
def evaluation_days(
    context: dg.AssetExecutionContext, warehouse: Warehouse, market_data: MarketData
) -> dg.MaterializeResult[None]:
    """One row per forecaster and as_of_date whose 22-session label is known: skill of the day, out of sample.

    Where several forecasters have a weight, the ensemble is one more of them.

    The partition of session D completes the day 22 sessions before it, whose label D's close has decided, and the
    longer horizons of the days up to 64 sessions before it. Where the weights of the ensemble have changed, or days
    were judged before each tenth had a turnover, all days are judged again.
    """
    installation, (first, last) = market_data.installation, window_of(context)
    registry = load_registry(installation.settings.models_file)
    configuration = _configuration(registry)
    sessions = installation.sessions(None, last)
    judged_by = {row["configuration"] for row in warehouse.read(queries.CONFIGURATIONS_OF, [ENSEMBLE]).to_pylist()}
    [without] = warehouse.read(queries.DAYS_WITHOUT_TURNOVERS, [sessions[0]]).to_pylist()
    is_as_judged = judged_by == ({configuration} if configuration else set()) and not without["n_days"]
    begin = max(bisect_left(sessions, first) - LONGEST_LABEL, 0) if is_as_judged else 0
    end = max(bisect_right(sessions, last) - LABEL_SESSIONS - 1, 0)
    # The turnover of a day looks back one more label.
    read_from = sessions[max(begin - LABEL_SESSIONS, 0)]
    window = Window("as_of_date", sessions[begin], sessions[max(begin, end)])
    made = warehouse.read_frame(queries.FORECASTS_BETWEEN, [read_from, window.last_date])
    prices = warehouse.read_frame(queries.PRICES_FOR_LABELS, [read_from, last])
    labels = forward_returns_at(prices, _between(sessions, read_from, last), [h + 1 for h in HORIZONS])
    sectors = warehouse.read_frame(queries.SECTORS).set_index("instrument_id")["sector"]
    rows = _rows(made, labels, sectors, window.first_date)
    combined = _combined(warehouse, registry, made, rows, sessions, window.first_date)
    if len(combined):
        together = _rows_of_model(ENSEMBLE, combined, labels, sectors, window.first_date)
        rows = pd.concat([rows, together.assign(configuration=configuration)], ignore_index=True)
    if rows.empty:
        return dg.MaterializeResult(metadata={"days": 0, "note": "No forecast of this window has a known label yet."})
    written = warehouse.merge("research.evaluation_days", rows, window=window)
    return dg.MaterializeResult(
        metadata={**merge_metadata(written), "days": len(rows), **table_metadata(warehouse, "research.evaluation_days")}
    )


def _configuration(registry: Registry) -> str | None:
    configured = configuration_of(registry)
    return None if configured is None else content_id(configured)[:16]


def _combined(
    warehouse: Warehouse, registry: Registry, made: pd.DataFrame, fresh: pd.DataFrame, sessions: list[dt.date],
    first: dt.date,
) -> pd.DataFrame:  # fmt: skip
    """Forecasts of the ensemble, weighted by the skill on record and that of this window; nothing without one."""
    if len(voters(registry, made)) < 2:
        return pd.DataFrame()
    track = warehouse.read_frame(queries.EVALUATION_DAYS)
    before = track[track["as_of_date"] < pd.Timestamp(first)]
    known = pd.concat([part for part in (before, fresh) if len(part)] or [before])
    return ensemble_forecasts(registry, made, known.sort_values(["model_id", "as_of_date"]), sessions)


def _rows(made: pd.DataFrame, labels: Labels, sectors: pd.Series, first: dt.date) -> pd.DataFrame:
    parts = [_rows_of_model(str(model_id), own, labels, sectors, first) for model_id, own in made.groupby("model_id")]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def _rows_of_model(
    model_id: str, made: pd.DataFrame, labels: Labels, sectors: pd.Series, first: dt.date
) -> pd.DataFrame:
    label = labels[LABEL_SESSIONS]
    grid = made.pivot(index="as_of_date", columns="instrument_id", values="forecast")
    grid = grid.reindex(index=label.index.intersection(grid.index), columns=label.columns)
    forecast, came = grid.to_numpy(np.float64), label.loc[grid.index].to_numpy(np.float64)
    found = evaluate(forecast, came, horizon_sessions=LABEL_SESSIONS)
    by_horizon = [rank_correlations(forecast, labels[h + 1].loc[grid.index].to_numpy(np.float64)) for h in HORIZONS]
    of_instruments = sectors.reindex(grid.columns)
    by_sector = sector_correlations(
        forecast, came, [name if isinstance(name, str) else None for name in of_instruments]
    )
    rows = pd.DataFrame(
        {
            "model_id": model_id,
            "configuration": pd.Series(None, index=range(len(grid)), dtype="str"),
            "as_of_date": grid.index,
            "rank_ic": found.rank_ic,
            "n_instruments": found.n_instruments,
            "top_decile_return": found.decile_returns[:, -1],
            "bottom_decile_return": found.decile_returns[:, 0],
            "decile_returns": list(found.decile_returns),
            "decile_up_shares": list(found.decile_up_shares),
            "decile_turnovers": [_nulls(row) for row in found.decile_turnovers],
            "rank_ic_by_horizon": [_nulls(row) for row in np.column_stack(by_horizon)],
            "rank_ic_by_sector": _as_json(by_sector, len(grid)),
        }
    )
    return rows[(rows["n_instruments"] > 0) & (rows["as_of_date"] >= pd.Timestamp(first))]


def _nulls(values: np.ndarray) -> list[float | None]:
    return [float(value) if np.isfinite(value) else None for value in values]


def _as_json(by_sector: dict[str, np.ndarray], n_days: int) -> list[str]:
    """Write each day's known values by sector."""
    return [
        json.dumps({name: float(values[day]) for name, values in by_sector.items() if np.isfinite(values[day])})
        for day in range(n_days)
    ]


def _between(sessions: list[dt.date], first: dt.date, last: dt.date) -> list[dt.date]:
    return sessions[bisect_left(sessions, first) : bisect_right(sessions, last)]
