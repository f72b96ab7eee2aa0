"""Training by quarter, forecasts by day, and what they were worth."""

import datetime as dt
import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any, cast

import dagster as dg
import numpy as np
import pandas as pd

from models.artifacts import load, save
from models.provenance import code_version
from models.registry import Registry, load_registry
from models.training import TrainedVersion, forecast, train_folds
from models.tuning import with_parameters
from models.walk_forward import Fold, next_quarter_start
from orchestration.automation import FOLLOW_INPUTS, TRAIN_ONCE_A_QUARTER
from orchestration.defs.indicators.assets import indicators
from orchestration.defs.models.panels import read_features, read_labels
from orchestration.installation import Installation
from orchestration.metadata import OWNER, merge_metadata, table, table_metadata
from orchestration.partitions import folds_from, folds_of, quarters_partitions, sessions_partitions, window_of
from orchestration.resources import Artifacts, MarketData, Warehouse
from warehouse.merge import Window
from warehouse.queries import drift as drift_queries
from warehouse.queries import research as queries

GROUP = "models"
EXPOSURES = dg.AssetKey(["factors", "fct_factor_exposures"])
PRICES = dg.AssetKey(["marts", "fct_daily_prices"])
# A version learns from the quarters before its own; the nearest of them must be there.
QUARTER_BEFORE = dg.TimeWindowPartitionMapping(
    start_offset=-1, end_offset=-1, allow_nonexistent_upstream_partitions=True
)
OWN_QUARTER = dg.TimeWindowPartitionMapping(allow_nonexistent_upstream_partitions=True)


@dg.asset(
    key=["research", "model_versions"],
    deps=[dg.AssetDep(key, partition_mapping=QUARTER_BEFORE) for key in (EXPOSURES, PRICES, indicators.key)],
    partitions_def=quarters_partitions(), backfill_policy=dg.BackfillPolicy.single_run(), group_name=GROUP,
    kinds={"lightgbm", "python", "postgres"}, owners=[OWNER], pool="ml_train",
    automation_condition=TRAIN_ONCE_A_QUARTER, code_version=code_version(),
)  # fmt: skip
def model_versions(
    context: dg.AssetExecutionContext, warehouse: Warehouse, artifacts: Artifacts, market_data: MarketData
) -> dg.MaterializeResult[None]:
    """One row per forecaster and retraining date: what was learnt, from what, and where it lies."""
    installation = market_data.installation
    wanted = {dt.date.fromisoformat(key) for key in context.partition_keys}
    # The last session's day may be the first of a quarter whose own sessions are to come: the calendar knows them.
    horizon = max(wanted) + dt.timedelta(days=14)
    folds = [
        fold
        for fold in folds_of(installation.calendar.sessions(installation.first_session, horizon))
        if fold.valid_from_date in wanted
    ]
    registry = load_registry(installation.settings.models_file)
    folds_by_model = _with_retrainings(warehouse, installation, registry, folds)
    every = [fold for own in folds_by_model.values() for fold in own]
    sessions = installation.sessions(None, max(fold.last_label_date for fold in every))
    sets = {entry.features for entry in registry.enabled}
    features = read_features(warehouse, sets, sorted({day for fold in every for day in fold.train_dates}))
    labels = read_labels(warehouse, sessions, cast(pd.MultiIndex, features.index))["label_rank"]
    choices = warehouse.read(queries.PARAMETER_CHOICES).to_pylist()
    rows = [
        _version_row(trained, artifacts)
        for model_id, own in folds_by_model.items()
        for chosen, some in by_choice(registry, choices, model_id, own)
        for trained in train_folds(chosen, model_id, some, features, labels, n_workers=installation.settings.threads)
    ]
    # A quarter has one version of each forecaster, and one more that drift asked for: one that learnt from rows that
    # have changed since makes room.
    window = Window("valid_from_date", min(wanted), next_quarter_start(max(wanted)) - dt.timedelta(days=1))
    written = warehouse.merge("research.model_versions", pd.DataFrame(rows), window=window)
    shown = pd.DataFrame(rows)[["model_id", "valid_from_date", "train_first_date", "train_last_date", "n_rows"]]
    return dg.MaterializeResult(
        metadata={
            **merge_metadata(written),
            "versions": table(shown.tail(12)),
            "most_important_features": table(_importances(rows)),
            **table_metadata(warehouse, "research.model_versions"),
        }
    )


@dg.asset(
    key=["research", "forecasts"],
    deps=[
        dg.AssetDep(model_versions, partition_mapping=OWN_QUARTER), EXPOSURES, PRICES, indicators,
    ],
    partitions_def=sessions_partitions(), backfill_policy=dg.BackfillPolicy.single_run(), group_name=GROUP,
    kinds={"lightgbm", "python", "postgres"}, owners=[OWNER], automation_condition=FOLLOW_INPUTS,
    code_version=code_version(),
)  # fmt: skip
def forecasts(
    context: dg.AssetExecutionContext, warehouse: Warehouse, artifacts: Artifacts, market_data: MarketData
) -> dg.MaterializeResult[None]:
    """One row per forecaster, as_of_date and member of the universe, by the version of the day's quarter."""
    installation, (first, last) = market_data.installation, window_of(context)
    registry = load_registry(installation.settings.models_file)
    enabled = {entry.id: entry.features for entry in registry.enabled}
    found = warehouse.read(queries.VERSIONS_BETWEEN, [first, last]).to_pylist()
    versions = [row for row in found if row["model_id"] in enabled]
    made = []
    if versions:
        begin = max(first, min(row["valid_from_date"] for row in versions))
        sets = {enabled[row["model_id"]] for row in versions}
        features = read_features(warehouse, sets, installation.sessions(begin, last))
        days = features.index.get_level_values("as_of_date")
        for row in versions:
            trained = load(artifacts.read(row["artifact_uri"]))
            chosen = features[list(trained.version.features)]
            own = chosen[(days >= pd.Timestamp(row["valid_from_date"])) & (days <= pd.Timestamp(row["valid_to_date"]))]
            if len(own):
                answer = forecast(trained, own).reset_index()
                made.append(answer.assign(model_id=row["model_id"], model_version_id=row["model_version_id"]))
    rows = pd.concat(made) if made else _no_forecasts()
    written = warehouse.merge("research.forecasts", rows, window=Window("as_of_date", first, last))
    per_model = rows.groupby("model_id").agg(rows=("forecast", "size"), last_day=("as_of_date", "max")).reset_index()
    return dg.MaterializeResult(
        metadata={
            **merge_metadata(written),
            "by_model": table(per_model),
            **table_metadata(warehouse, "research.forecasts"),
        }
    )


def _with_retrainings(
    warehouse: Warehouse, installation: Installation, registry: Registry, folds: list[Fold]
) -> dict[str, list[Fold]]:
    """Add to the folds of quarters those that drift has asked for within them, by forecaster."""
    first, last = folds[0].valid_from_date, folds[-1].valid_from_date
    wanted = warehouse.read(drift_queries.RETRAININGS_BETWEEN, [first, last]).to_pylist()
    sessions = installation.calendar.sessions(installation.first_session, next_quarter_start(last))
    by_model = {entry.id: list(folds) for entry in registry.enabled}
    for row in wanted:
        start = row["valid_from_date"]
        if row["model_id"] in by_model:
            by_model[row["model_id"]] += folds_from(sessions, start, end=next_quarter_start(start))
    return by_model


def by_choice(
    registry: Registry, choices: Sequence[Mapping[str, Any]], model_id: str, folds: Sequence[Fold]
) -> Iterator[tuple[Registry, list[Fold]]]:
    """Give the folds of a forecaster with the parameters that count for them: those chosen last before each begins.

    Parameters
    ----------
    choices
        Rows of research.parameter_choices, oldest first: model_id, valid_from_date, parameters (JSON text).
    """
    own = [choice for choice in choices if choice["model_id"] == model_id]

    def chosen_for(fold: Fold) -> int:
        return sum(choice["valid_from_date"] <= fold.valid_from_date for choice in own)

    for n_known, some in groupby(sorted(folds, key=lambda fold: fold.valid_from_date), key=chosen_for):
        parameters = json.loads(own[n_known - 1]["parameters"]) if n_known else {}
        yield with_parameters(registry, model_id, parameters), list(some)


def _version_row(trained: TrainedVersion, artifacts: Artifacts) -> dict[str, object]:
    version = trained.version
    name = f"models/{version.model_id}/{version.valid_from_date}-{version.model_version_id}.msgpack"
    row: dict[str, object] = {field: getattr(version, field) for field in version.__struct_fields__}
    for column in ("parameters", "library_versions", "metrics"):
        row[column] = json.dumps(row[column], sort_keys=True)
    row["features"] = list(version.features)
    row["artifact_uri"] = artifacts.write(name, save(trained))
    return row


def _importances(rows: list[dict[str, object]]) -> pd.DataFrame:
    """What the newest version that can tell has looked at most."""
    told = (json.loads(str(row["metrics"])).get("feature_importances") for row in reversed(rows))
    shares: dict[str, float] = next(filter(None, told), {})
    best = sorted(shares.items(), key=lambda item: -item[1])[:10]
    return pd.DataFrame(best, columns=["feature", "share of the gain"])


def _no_forecasts() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "model_id": pd.Series(dtype="string"),
            "model_version_id": pd.Series(dtype="string"),
            "instrument_id": pd.Series(dtype="string"),
            "as_of_date": pd.Series(dtype="datetime64[s]"),
            "forecast": pd.Series(dtype=np.float64),
            "forecast_rank": pd.Series(dtype=np.float64),
        }
    )
