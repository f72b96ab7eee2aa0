"""Technical indicators of every instrument."""

import dagster as dg

from orchestration.automation import FOLLOW_INPUTS
from orchestration.code_versions import code_version_of
from orchestration.installation import current_installation
from orchestration.metadata import OWNER, merge_metadata, table_metadata
from orchestration.partitions import sessions_partitions, window_of
from orchestration.resources import Warehouse
from transforms.indicators import indicator_rows
from warehouse.merge import Window
from warehouse.queries import research as queries


@dg.asset(
    key=["research", "indicators"], deps=[["marts", "fct_daily_prices"]], partitions_def=sessions_partitions(),
    backfill_policy=dg.BackfillPolicy.single_run(), group_name="indicators", kinds={"python", "postgres"},
    owners=[OWNER], automation_condition=FOLLOW_INPUTS, code_version=code_version_of(indicator_rows),
)  # fmt: skip
def indicators(context: dg.AssetExecutionContext, warehouse: Warehouse) -> dg.MaterializeResult[None]:
    """One row per instrument and as_of_date: technical indicators on adjusted prices.

    Computed from full history, since exponential averages never forget; only differences within the window are written.
    """
    first, last = window_of(context)
    between = (current_installation().first_session, last)
    prices = warehouse.read_history(queries.ADJUSTED_BARS_UNTIL, [last], day="trade_date", between=between)
    rows = indicator_rows(prices.sort_values(["instrument_id", "trade_date"], ignore_index=True), first_date=first)
    written = warehouse.merge("research.indicators", rows, window=Window("as_of_date", first, last))
    return dg.MaterializeResult(
        metadata={
            **merge_metadata(written),
            "instruments": int(rows["instrument_id"].nunique()),
            **table_metadata(warehouse, "research.indicators"),
        }
    )
