"""The dbt tables, and the rolling regressions that one of them reads."""

from bisect import bisect_left
from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg
import pandas as pd
from dagster_dbt import DagsterDbtTranslator, DagsterDbtTranslatorSettings, dbt_assets

from orchestration.automation import FOLLOW_INPUTS
from orchestration.code_versions import code_version_of
from orchestration.column_lineage import kept_lineages
from orchestration.dbt import dbt_project, manifest, parsed_manifest, project_digest
from orchestration.dbt_runner import Dbt, DbtRun, dbt_settings
from orchestration.metadata import OWNER, merge_metadata, table_metadata
from orchestration.partitions import has_window, sessions_partitions, window_of
from orchestration.resources import MarketData, Warehouse
from transforms.market_risk import rolling_market_risk_rows
from warehouse.merge import Window
from warehouse.queries import factors as queries
from warehouse.versions import record_built


class Translator(DagsterDbtTranslator):
    """Keys are schema and table; groups are the layers."""

    def get_asset_key(self, dbt_resource_props: Mapping[str, Any]) -> dg.AssetKey:
        """Return [schema, table]: one name everywhere."""
        return dg.AssetKey([dbt_resource_props["schema"], dbt_resource_props["name"]])

    def get_partitions_def(self, dbt_resource_props: Mapping[str, Any]) -> dg.PartitionsDefinition | None:
        """Return sessions for tables that grow with them; views and dimensions have no partitions."""
        grows = dbt_resource_props["schema"] == "factors" or dbt_resource_props["name"] == "fct_daily_prices"
        return sessions_partitions() if grows else None

    def get_asset_spec(self, manifest: Mapping[str, Any], unique_id: str, project: Any) -> dg.AssetSpec:
        """Add group, owner, kinds, and the table's name."""
        spec = super().get_asset_spec(manifest, unique_id, project)
        schema, name = spec.key.path
        return spec.replace_attributes(
            group_name=schema, owners=[OWNER], kinds={"dbt", "postgres"}, automation_condition=FOLLOW_INPUTS
        ).merge_attributes(metadata={"dagster/table_name": f"{schema}.{name}"})


TRANSLATOR = Translator(settings=DagsterDbtTranslatorSettings(enable_source_tests_as_checks=True))
WINDOW_SESSIONS = 252
# One factor reads regressions on the market from research.rolling_measures as a source: dbt runs before and after.
BEFORE_REGRESSIONS = "path:models/staging path:models/intermediate path:models/marts"
AFTER_REGRESSIONS = "path:models/factors"


def build(context: dg.AssetExecutionContext, dbt: Dbt, warehouse: Warehouse, market_data: MarketData) -> Iterator[Any]:
    """Build the selected tables for the window of the run, tests included."""

    def metadata_of(done: DbtRun) -> dict[str, dict[str, Any]]:
        counts = {row["table_name"]: row["n_rows"] for row in warehouse.read(queries.TABLE_ROWS).to_pylist()}
        path = manifest().with_name("column_lineage.json")
        lineages = kept_lineages(done.compiled, parsed_manifest(), digest=project_digest(), path=path)
        return {
            unique_id: {"dagster/column_lineage": lineage, **_row_count(counts.get(unique_id.rpartition(".")[2]))}
            for unique_id, lineage in lineages.items()
        }

    window = window_of(context) if has_window(context) else None
    settings = dbt_settings(market_data.installation, window)
    yield from dbt.build(context, settings, metadata_of)


def _row_count(n_rows: int | None) -> dict[str, int]:
    """Views have none."""
    return {} if n_rows is None else {"dagster/row_count": n_rows}


@dbt_assets(
    manifest=manifest(), project=dbt_project(), select=BEFORE_REGRESSIONS, dagster_dbt_translator=TRANSLATOR,
    backfill_policy=dg.BackfillPolicy.single_run(), pool="dbt", name="marts",
)  # fmt: skip
def marts(context: dg.AssetExecutionContext, dbt: Dbt, warehouse: Warehouse, market_data: MarketData) -> Iterator[Any]:
    """Staging views, instruments, prices and fundamentals."""
    try:
        yield from build(context, dbt, warehouse, market_data)
    finally:
        # Also when a test has failed: by then the tables hold what the API answers with.
        with warehouse.connection() as connection:
            record_built(connection, "marts")


@dg.asset(
    key=["research", "rolling_measures"], deps=[["marts", "fct_daily_prices"], ["marts", "dim_benchmark_prices"]],
    partitions_def=sessions_partitions(), backfill_policy=dg.BackfillPolicy.single_run(), group_name="factors",
    kinds={"python", "postgres"}, owners=[OWNER], automation_condition=FOLLOW_INPUTS,
    code_version=code_version_of(rolling_market_risk_rows),
)  # fmt: skip
def rolling_measures(
    context: dg.AssetExecutionContext, warehouse: Warehouse, market_data: MarketData
) -> dg.MaterializeResult[None]:
    """One row per instrument and as_of_date: rolling regressions on the benchmark."""
    first, last = window_of(context)
    sessions = market_data.installation.sessions(None, last)
    # One window before the first day is all that its row depends on.
    oldest = sessions[max(bisect_left(sessions, first) - WINDOW_SESSIONS, 0)]
    returns = warehouse.read_frame(queries.RETURNS_BEFORE, [oldest, last])
    benchmark = warehouse.read_frame(queries.BENCHMARK_RETURNS_BEFORE, [oldest, last])
    measures = rolling_market_risk_rows(returns, benchmark, first_date=pd.Timestamp(first))
    written = warehouse.merge("research.rolling_measures", measures, window=Window("as_of_date", first, last))
    return dg.MaterializeResult(
        metadata={**merge_metadata(written), **table_metadata(warehouse, "research.rolling_measures")}
    )


@dbt_assets(
    manifest=manifest(), project=dbt_project(), select=AFTER_REGRESSIONS, dagster_dbt_translator=TRANSLATOR,
    partitions_def=sessions_partitions(), backfill_policy=dg.BackfillPolicy.single_run(), pool="dbt", name="factors",
)  # fmt: skip
def factors(
    context: dg.AssetExecutionContext, dbt: Dbt, warehouse: Warehouse, market_data: MarketData
) -> Iterator[Any]:
    """One row per instrument and as_of_date: universe, factors, exposures."""
    try:
        yield from build(context, dbt, warehouse, market_data)
    finally:
        with warehouse.connection() as connection:
            record_built(connection, "factors")
