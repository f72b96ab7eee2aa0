"""What the forecasters say of the newest sessions: one by one, together, and why."""

import datetime as dt
from collections.abc import Sequence

import dagster as dg
import numpy as np
import pandas as pd
import pyarrow as pa

from models.ensemble import ENSEMBLE, Calibration, calibrate, combine, model_signals, model_weights
from models.explanations import strongest_reasons
from models.labels import LABEL_SESSIONS
from models.registry import Registry, load_registry
from orchestration.automation import FOLLOW_INPUTS
from orchestration.code_versions import code_version_of
from orchestration.defs.indicators.assets import indicators
from orchestration.defs.models.assets import EXPOSURES, GROUP, PRICES, forecasts
from orchestration.defs.models.evaluation import evaluation_days
from orchestration.evaluated_days import as_evaluation, last_known_day
from orchestration.explaining import KEPT_SESSIONS, as_lists, explain, with_lists
from orchestration.metadata import OWNER, merge_metadata, table, table_metadata
from orchestration.partitions import sessions_partitions, window_of
from orchestration.resources import Artifacts, MarketData, Warehouse
from warehouse.merge import Window, merge
from warehouse.queries import research as queries

KEY = ["model_id", "as_of_date", "instrument_id"]


@dg.asset(
    key=["research", "signals"], deps=[forecasts, evaluation_days, EXPOSURES, PRICES, indicators],
    partitions_def=sessions_partitions(), backfill_policy=dg.BackfillPolicy.single_run(), group_name=GROUP,
    kinds={"lightgbm", "python", "postgres"}, owners=[OWNER], automation_condition=FOLLOW_INPUTS,
    code_version=code_version_of(calibrate, strongest_reasons),
)  # fmt: skip
def signals(
    context: dg.AssetExecutionContext, warehouse: Warehouse, artifacts: Artifacts, market_data: MarketData
) -> dg.MaterializeResult[None]:
    """One row per forecaster (or ensemble), session and member, for the newest 22 sessions: what to expect, and why."""
    installation, (first, last) = market_data.installation, window_of(context)
    sessions = installation.sessions()
    kept_from = sessions[-KEPT_SESSIONS:][0]
    days = [day for day in sessions if max(first, kept_from) <= day <= last]
    registry = load_registry(installation.settings.models_file)
    made = _read_forecasts(warehouse, registry, days) if days else pd.DataFrame()
    if made.empty:
        return dg.MaterializeResult(metadata={"note": "No forecast of the newest sessions in this window."})
    track = warehouse.read_frame(queries.EVALUATION_DAYS)
    parts = []
    for day in days:
        own = made[made["as_of_date"] == pd.Timestamp(day)]
        if len(own):
            parts.append(_signals_of(own, registry, _known(track, sessions, day)))
    rows = pd.concat(parts, ignore_index=True)
    explained = explain(warehouse, artifacts, registry, days, models={entry.id for entry in registry.enabled})
    window = Window(
        "as_of_date", sessions[0], last, f"t.as_of_date < date '{kept_from}' or t.as_of_date >= date '{days[0]}'"
    )
    with warehouse.transaction() as connection:
        written = merge(connection, "research.signals", _as_arrow(rows, explained), window=window)
    combined = rows[rows["model_id"] == ENSEMBLE]
    return dg.MaterializeResult(
        metadata={
            **merge_metadata(written),
            "best": table(_best(warehouse, combined)),
            **table_metadata(warehouse, "research.signals"),
        }
    )


@dg.asset_check(
    asset=signals,
    description="On the newest session every forecast of an enabled forecaster has one signal, and every member one of "
    "the ensemble, where there is an ensemble.",
)
def every_forecast_has_a_signal(warehouse: Warehouse, market_data: MarketData) -> dg.AssetCheckResult:
    """Count forecasts and signals of the newest session with signals."""
    registry = load_registry(market_data.installation.settings.models_file)
    enabled = ",".join(entry.id for entry in registry.enabled)
    found = warehouse.read(queries.SIGNALS_OF_NEWEST_SESSION, [ENSEMBLE, enabled]).to_pylist()[0]
    is_whole = found["n_own"] == found["n_forecasts"] and found["n_combined"] in (0, found["n_members"])
    return dg.AssetCheckResult(passed=is_whole, metadata={name: int(count) for name, count in found.items()})


def _read_forecasts(warehouse: Warehouse, registry: Registry, days: Sequence[dt.date]) -> pd.DataFrame:
    """Read the forecasts of the enabled forecasters: rows of those given up remain, and have no say."""
    made = warehouse.read_frame(queries.FORECASTS_BETWEEN, [days[0], days[-1]])
    return made[made["model_id"].isin([entry.id for entry in registry.enabled])]


def _known(track: pd.DataFrame, sessions: Sequence[dt.date], day: dt.date) -> pd.DataFrame:
    """Take the evaluated days whose labels were known at a day's close."""
    newest = last_known_day(sessions, day)
    return track.iloc[:0] if newest is None else track[track["as_of_date"] <= pd.Timestamp(newest)]


def _signals_of(made: pd.DataFrame, registry: Registry, known: pd.DataFrame) -> pd.DataFrame:
    """Signals of one day: of each forecaster, and of all together where one has a weight."""
    names = [str(name) for name in made["model_id"].unique()]
    calibrations: dict[str, Calibration] = {
        name: calibrate(as_evaluation(known[known["model_id"] == name]), label_sessions=LABEL_SESSIONS)
        for name in names
    }
    own = {name: model_signals(made[made["model_id"] == name], calibrations[name]) for name in names}
    rank_ics = {name: calibration.mean_rank_ic for name, calibration in calibrations.items()}
    weights = model_weights({name: registry.entry(name).weight for name in names}, rank_ics, registry.ensemble)
    if weights:
        own[ENSEMBLE] = combine(own, weights, registry.ensemble)
    rows = pd.concat([frame.assign(model_id=name) for name, frame in own.items()], ignore_index=True)
    return rows.assign(as_of_date=made["as_of_date"].iloc[0])


def _as_arrow(rows: pd.DataFrame, explained: pd.DataFrame) -> pa.Table:
    """Put the reasons beside the signals; the ensemble has brought its own."""
    joined = rows.merge(explained, on=KEY, how="left", suffixes=("_of_ensemble", ""))
    if "reasons_of_ensemble" in joined:
        joined["reasons"] = joined["reasons"].where(joined["model_id"] != ENSEMBLE, joined["reasons_of_ensemble"])
    plain = joined[[*KEY, "model_version_id", "expected_return_22d", "probability_up", "confidence", "rank", "signal"]]
    return with_lists(pa.Table.from_pandas(plain, preserve_index=False), as_lists(joined))


def _best(warehouse: Warehouse, combined: pd.DataFrame) -> pd.DataFrame:
    """Return the ten best of the newest day by the ensemble, with their names."""
    if combined.empty:
        return pd.DataFrame()
    newest = combined[(combined["as_of_date"] == combined["as_of_date"].max()) & (combined["rank"] <= 10)]
    shown = newest.merge(warehouse.read_frame(queries.SECTORS), on="instrument_id").sort_values("rank")
    best: pd.DataFrame = shown[
        ["rank", "ticker", "name", "signal", "expected_return_22d", "probability_up", "confidence"]
    ]
    return best.astype({"expected_return_22d": np.float64})
