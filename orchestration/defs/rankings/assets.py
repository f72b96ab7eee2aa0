"""Rankings by risk profile."""

import datetime as dt

import dagster as dg
import pandas as pd
import pyarrow as pa

from orchestration.automation import FOLLOW_INPUTS
from orchestration.defs.models.assets import EXPOSURES, forecasts
from orchestration.installation import Installation
from orchestration.metadata import OWNER, merge_metadata, table, table_metadata
from orchestration.partitions import first_trainable_quarter, sessions_partitions, window_of
from orchestration.resources import MarketData, Warehouse
from transforms.profiles import GROUPS, PROFILES, Profile
from transforms.rankings import rankings as rank_universe
from warehouse.merge import MergeResult, Window, merge
from warehouse.queries import research as queries

# The forecaster whose forecasts go into the rankings.
RANKING_MODEL = "technical"
KEY = ["instrument_id", "as_of_date"]


@dg.asset(
    key=["research", "rankings"], deps=[forecasts, EXPOSURES], partitions_def=sessions_partitions(),
    backfill_policy=dg.BackfillPolicy.single_run(), group_name="rankings", kinds={"python", "postgres"},
    owners=[OWNER], automation_condition=FOLLOW_INPUTS,
)  # fmt: skip
def rankings(
    context: dg.AssetExecutionContext, warehouse: Warehouse, market_data: MarketData
) -> dg.MaterializeResult[None]:
    """One row per risk profile, as_of_date and member of the universe: score, rank, signal, and what made them."""
    first, last = window_of(context)
    first = max(first, first_ranked_session(market_data.installation))
    exposures = read_exposures(warehouse, first, last)
    written = MergeResult()
    shown = {}
    for profile in PROFILES.values():
        rows = rank_universe(exposures, profile=profile)
        rows["model_version_id"] = exposures["model_version_id"].reindex(rows.index)
        written += write_rankings(warehouse, rows, first, last, profile)
        shown[f"top_of_{profile.name}"] = table(_top(warehouse, rows))
    days = exposures.groupby("as_of_date").size()
    return dg.MaterializeResult(
        metadata={
            **merge_metadata(written),
            "ranked_instruments": int(days.iloc[-1]) if len(days) else 0,
            **shown,
            **table_metadata(warehouse, "research.rankings"),
        }
    )


def first_ranked_session(installation: Installation) -> dt.date:
    """First day with a ranking: where forecasts begin, or the first session where history is too short for any."""
    quarter = first_trainable_quarter(installation)
    return quarter if quarter <= installation.last_session() else installation.first_session


def read_exposures(warehouse: Warehouse, first: dt.date, last: dt.date) -> pd.DataFrame:
    """Return what the ranking weighs: exposures of the universe, and the forecast beside them."""
    factors = [f"{factor}_z" for group in GROUPS.values() for factor in group]
    limits = sorted({limit.column for profile in PROFILES.values() for limit in profile.limits})
    sql = queries.columns_between("factors.fct_factor_exposures", [*factors, *limits])
    exposures = warehouse.read_frame(sql, [first, last])
    made = warehouse.read_frame(queries.FORECASTS_OF_MODEL_BETWEEN, [first, last, RANKING_MODEL])
    joined = exposures.merge(made.rename(columns={"forecast_rank": "forecast"}), on=KEY, how="left")
    return joined.sort_values(["as_of_date", "instrument_id"], ignore_index=True)


def write_rankings(
    warehouse: Warehouse,
    rows: pd.DataFrame,
    first: dt.date,
    last: dt.date,
    profile: Profile,
    *,
    is_intraday: bool = False,
) -> MergeResult:
    """Merge the rankings of one profile."""
    arrow = pa.Table.from_pandas(rows.drop(columns="missing_groups"), preserve_index=False)
    groups = pa.array([list(names) for names in rows["missing_groups"]], pa.list_(pa.string()))
    arrow = arrow.append_column("missing_groups", groups)
    arrow = arrow.append_column("is_intraday", pa.array([is_intraday] * len(rows), pa.bool_()))
    only = f"t.profile = '{profile.name}' and t.is_intraday = {str(is_intraday).lower()}"
    with warehouse.transaction() as connection:
        return merge(connection, "research.rankings", arrow, window=Window("as_of_date", first, last, only))


def _top(warehouse: Warehouse, rows: pd.DataFrame) -> pd.DataFrame:
    """Return the ten best of the newest day, with their names."""
    newest = rows[(rows["as_of_date"] == rows["as_of_date"].max()) & (rows["rank"] <= 10)]
    names = warehouse.read_frame(queries.SECTORS)
    shown = newest.merge(names, on="instrument_id").sort_values("rank")
    contributions = [f"contribution_{group}" for group in GROUPS]
    top: pd.DataFrame = shown[["rank", "ticker", "name", "score", "signal", *contributions]]
    return top
