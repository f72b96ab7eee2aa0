"""What trading happens in: exchange rates, and the days on which exchanges are closed."""

import dagster as dg

from orchestration.defs.market_data.assets import GROUP, KINDS, RETRIES, accounting, ingest_window, received
from orchestration.defs.market_data.entities import fx_rates_entity, market_holidays_entity
from orchestration.metadata import OWNER, Checked
from orchestration.partitions import sessions_partitions, window_of
from orchestration.resources import MarketData, Warehouse


@dg.asset(
    key=["raw", "fx_rates"], partitions_def=sessions_partitions(),
    backfill_policy=dg.BackfillPolicy.single_run(), group_name=GROUP, kinds=KINDS, owners=[OWNER], pool="vendor_api",
    retry_policy=RETRIES, check_specs=accounting("fx_rates"),
)  # fmt: skip
def fx_rates(context: dg.AssetExecutionContext, warehouse: Warehouse, market_data: MarketData) -> Checked:
    """One row per source, pair of currencies and day: the day's last exchange rate."""
    installation, window = market_data.installation, window_of(context)
    return ingest_window(warehouse, installation, fx_rates_entity(), received(installation, "fx_rates", *window))


@dg.asset(
    key=["raw", "market_holidays"], group_name=GROUP, kinds=KINDS, owners=[OWNER], pool="vendor_api",
    retry_policy=RETRIES, check_specs=accounting("market_holidays"),
)  # fmt: skip
def market_holidays(warehouse: Warehouse, market_data: MarketData) -> Checked:
    """One row per source, exchange and day: when exchanges are closed, or close early, as the source knows it now."""
    installation = market_data.installation
    return ingest_window(warehouse, installation, market_holidays_entity(), received(installation, "market_holidays"))
