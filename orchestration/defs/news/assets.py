"""What is written about companies, as the source said it, and what it says in figures."""

import dagster as dg

from orchestration.defs.market_data.assets import KINDS, RETRIES, accounting, ingest_window, instruments, received
from orchestration.defs.market_data.entities import news_articles_entity
from orchestration.metadata import OWNER, Checked
from orchestration.partitions import sessions_partitions, window_of
from orchestration.resources import MarketData, Warehouse

GROUP = "news"


@dg.asset(
    key=["raw", "news_articles"], deps=[instruments], partitions_def=sessions_partitions(),
    backfill_policy=dg.BackfillPolicy.single_run(), group_name=GROUP, kinds=KINDS, owners=[OWNER], pool="vendor_api",
    retry_policy=RETRIES, check_specs=accounting("news_articles"),
)  # fmt: skip
def news_articles(context: dg.AssetExecutionContext, warehouse: Warehouse, market_data: MarketData) -> Checked:
    """One row per source and article: what was written about companies."""
    installation, window = market_data.installation, window_of(context)
    entity = news_articles_entity(installation)
    return ingest_window(warehouse, installation, entity, received(installation, "news_articles", *window))
