"""Why the forecasts of some sessions are what they are, read from the versions that made them."""

import datetime as dt
from collections.abc import Collection, Sequence

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from models.artifacts import load
from models.explanations import strongest_reasons
from models.registry import Registry
from orchestration.defs.models.panels import read_features
from orchestration.resources import Artifacts, Warehouse
from warehouse.queries import research as queries

# Older reasons can be computed again from the versions, which are kept.
KEPT_SESSIONS = 22
# Columns of a table that holds reasons, and their types.
REASONS = {
    "reasons": pa.list_(pa.string()), "reason_features": pa.list_(pa.string()), "reason_sizes": pa.list_(pa.float64()),
}  # fmt: skip


def explain(
    warehouse: Warehouse, artifacts: Artifacts, registry: Registry, days: Sequence[dt.date], *, models: Collection[str]
) -> pd.DataFrame:
    """Return the strongest reasons of each forecast.

    Parameters
    ----------
    days
        Sessions, ascending, one at least.
    models
        Ids of the forecasters; those that are not enabled have no reasons.

    Returns
    -------
    DataFrame
        model_id, as_of_date, instrument_id, and lists: reasons (in words), reason_features, reason_sizes (fraction).
    """
    wanted = {entry.id: entry.features for entry in registry.enabled if entry.id in models}
    found = warehouse.read(queries.VERSIONS_BETWEEN, [days[0], days[-1]]).to_pylist()
    versions = [row for row in found if row["model_id"] in wanted]
    if not versions:
        return pd.DataFrame(columns=["model_id", "as_of_date", "instrument_id", *REASONS])
    features = read_features(warehouse, {wanted[row["model_id"]] for row in versions}, days)
    dates = features.index.get_level_values("as_of_date")
    parts = []
    for row in versions:
        own = features[(dates >= pd.Timestamp(row["valid_from_date"])) & (dates <= pd.Timestamp(row["valid_to_date"]))]
        trained = load(artifacts.read(row["artifact_uri"]))
        strongest = strongest_reasons(trained.forecaster, own[list(trained.version.features)])
        lists = {
            "reasons": strongest.words, "reason_features": strongest.features, "reason_sizes": strongest.sizes,
        }  # fmt: skip
        keys = own.index.to_frame(index=False).assign(model_id=row["model_id"])
        parts.append(keys.join(pd.DataFrame(lists, dtype=object)))
    return pd.concat(parts, ignore_index=True)


def as_lists(explained: pd.DataFrame) -> pa.Table:
    """Return the columns of reasons alone, as many rows; what is no list is an empty one."""
    columns = explained.reindex(columns=list(REASONS)).astype(object)
    columns = columns.where(columns.notna(), None)
    return pa.table(
        {
            name: pc.coalesce(pa.array(columns[name], type_, from_pandas=False), pa.scalar([], type_))
            for name, type_ in REASONS.items()
        }
    )


def with_lists(rows: pa.Table, lists: pa.Table) -> pa.Table:
    """Add the columns of reasons to a table of as many rows."""
    for name in REASONS:
        rows = rows.append_column(name, lists[name])
    return rows
