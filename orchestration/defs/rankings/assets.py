"""Rankings by risk profile."""

import datetime as dt
from collections.abc import Iterator, Sequence
from itertools import chain

import dagster as dg
import pandas as pd
import pyarrow as pa

from models.registry import Registry, load_registry
from orchestration.automation import FOLLOW_INPUTS
from orchestration.code_versions import code_version_of
from orchestration.defs.models.assets import EXPOSURES, forecasts
from orchestration.defs.models.signals import signals
from orchestration.explaining import KEPT_SESSIONS, REASONS, as_lists, with_lists
from orchestration.installation import Installation
from orchestration.metadata import OWNER, merge_metadata, table, table_metadata
from orchestration.partitions import first_trainable_quarter, sessions_partitions, window_of
from orchestration.resources import MarketData, Warehouse
from transforms.profiles import GROUPS, PROFILES, Profile
from transforms.rankings import rankings as rank_universe
from warehouse.merge import MergeResult, Window, merge
from warehouse.queries import research as queries

KEY = ["instrument_id", "as_of_date"]
TEXT = dict.fromkeys(("breached_limit", "model_version_id"), pa.large_string())


@dg.asset(
    key=["research", "rankings"], deps=[forecasts, EXPOSURES, signals], partitions_def=sessions_partitions(),
    backfill_policy=dg.BackfillPolicy.single_run(), group_name="rankings", kinds={"python", "postgres"},
    owners=[OWNER], automation_condition=FOLLOW_INPUTS, code_version=code_version_of(rank_universe),
)  # fmt: skip
def rankings(
    context: dg.AssetExecutionContext, warehouse: Warehouse, market_data: MarketData
) -> dg.MaterializeResult[None]:
    """One row per risk profile, as_of_date and member of the universe: score, rank, signal, and what made them.

    The newest 22 sessions also say why the forecast is what it is.
    """
    installation, (first, last) = market_data.installation, window_of(context)
    first = max(first, first_ranked_session(installation))
    registry = load_registry(installation.settings.models_file)
    exposures = read_exposures(warehouse, first, last, registry.ranking_model)
    kept_from = installation.sessions()[-KEPT_SESSIONS:][0]
    begin = max(first, kept_from)
    days = installation.sessions(begin, last) if begin <= last else []
    explained = read_reasons(warehouse, registry, days)
    # The three profiles rank the same rows.
    reasons = reasons_of(exposures, explained)
    shown = {}

    def ranked() -> Iterator[pa.Table]:
        for profile in PROFILES.values():
            rows = rank(exposures, profile)
            shown[f"top_of_{profile.name}"] = table(_top(warehouse, rows))
            yield as_rows(rows, reasons)

    written = write_rankings(warehouse, ranked(), first, last)
    with warehouse.connection() as connection:
        connection.execute(queries.FORGET_REASONS_BEFORE, [kept_from])
    members = exposures.groupby("as_of_date").size()
    return dg.MaterializeResult(
        metadata={
            **merge_metadata(written),
            "ranked_instruments": int(members.iloc[-1]) if len(members) else 0,
            **shown,
            **table_metadata(warehouse, "research.rankings"),
        }
    )


def first_ranked_session(installation: Installation) -> dt.date:
    """First day with a ranking: where forecasts begin, or the first session where history is too short for any."""
    quarter = first_trainable_quarter(installation)
    return quarter if quarter <= installation.last_session() else installation.first_session


def read_exposures(warehouse: Warehouse, first: dt.date, last: dt.date, model_id: str | None) -> pd.DataFrame:
    """Return what the ranking weighs: exposures of the universe, and the forecasts of a model beside them."""
    factors = [f"{factor}_z" for group in GROUPS.values() for factor in group]
    limits = sorted({limit.column for profile in PROFILES.values() for limit in profile.limits})
    sql = queries.columns_between("factors.fct_factor_exposures", [*factors, *limits])
    exposures = warehouse.read_frame(sql, [first, last])
    made = warehouse.read_frame(queries.FORECASTS_OF_MODEL_BETWEEN, [first, last, model_id or ""])
    joined = exposures.merge(made.rename(columns={"forecast_rank": "forecast"}), on=KEY, how="left")
    return joined.sort_values(["as_of_date", "instrument_id"], ignore_index=True)


def rank(exposures: pd.DataFrame, profile: Profile) -> pd.DataFrame:
    """Rank the universe by one profile; each row names the model version that made its forecast."""
    rows = rank_universe(exposures, profile=profile)
    rows["model_version_id"] = exposures["model_version_id"].reindex(rows.index)
    return rows


def read_reasons(warehouse: Warehouse, registry: Registry, days: Sequence[dt.date]) -> pd.DataFrame:
    """Return the strongest reasons of the forecasts behind the rankings of some sessions, as signals have them."""
    if not days or registry.ranking_model is None:
        return pd.DataFrame(columns=[*KEY, *REASONS])
    return warehouse.read_frame(queries.REASONS_OF_SIGNALS, [days[0], days[-1], registry.ranking_model])


def reasons_of(rows: pd.DataFrame, explained: pd.DataFrame) -> pa.Table:
    """Return the reasons of each row's forecast; the labels of the rows are 0, 1, ..."""
    return as_lists(
        rows[KEY].merge(explained, on=KEY, how="left", validate="many_to_one") if len(explained) else rows[KEY]
    )


def as_rows(rows: pd.DataFrame, reasons: "pa.Table | None" = None, *, is_intraday: bool = False) -> pa.Table:
    """Return rankings as rows of the table, with the reasons of their forecasts by the labels of the rows."""
    arrow = pa.Table.from_pandas(rows.drop(columns="missing_groups"), preserve_index=False)
    if reasons is not None:
        arrow = with_lists(arrow, reasons.take(pa.array(rows.index)))
    # A few combinations of groups, each many times.
    place, combinations = pd.factorize(rows["missing_groups"])
    groups = pa.array([list(names) for names in combinations], pa.list_(pa.string()))
    arrow = arrow.append_column("missing_groups", groups.take(pa.array(place)))
    arrow = arrow.append_column("is_intraday", pa.array([is_intraday] * len(rows), pa.bool_()))
    # A column without any value is text all the same.
    return arrow.cast(pa.schema([field.with_type(TEXT.get(field.name, field.type)) for field in arrow.schema]))


def write_rankings(
    warehouse: Warehouse, tables: Iterator[pa.Table], first: dt.date, last: dt.date, *, is_intraday: bool = False
) -> MergeResult:
    """Merge the rankings of all profiles at once, each made when the one before is on its way to the table."""
    head = next(tables)
    batches = (batch for rows in chain([head], tables) for batch in rows.to_batches())
    reader = pa.RecordBatchReader.from_batches(head.schema, batches)
    window = Window("as_of_date", first, last, f"t.is_intraday = {str(is_intraday).lower()}")
    with warehouse.transaction() as connection:
        return merge(connection, "research.rankings", reader, window=window)


def _top(warehouse: Warehouse, rows: pd.DataFrame) -> pd.DataFrame:
    """Return the ten best of the newest day, with their names."""
    newest = rows[(rows["as_of_date"] == rows["as_of_date"].max()) & (rows["rank"] <= 10)]
    names = warehouse.read_frame(queries.SECTORS)
    shown = newest.merge(names, on="instrument_id").sort_values("rank")
    contributions = [f"contribution_{group}" for group in GROUPS]
    top: pd.DataFrame = shown[["rank", "ticker", "name", "score", "signal", *contributions]]
    return top
