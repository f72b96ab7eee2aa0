"""Answers of the API that are asked for most, made before anybody asks."""

import asyncio

import dagster as dg

from orchestration.automation import FOLLOW_INPUTS
from orchestration.code_versions import code_version_of
from orchestration.defs.models.signals import signals
from orchestration.defs.rankings.assets import rankings
from orchestration.metadata import OWNER
from orchestration.publishing import publish
from orchestration.resources import MarketData, Warehouse
from warehouse.cursor_key import cursor_key
from warehouse.queries import published
from warehouse.records.cursors import Signer


@dg.asset(
    key=["app", "published_documents"],
    deps=[rankings, signals, ["marts", "dim_instruments"], ["marts", "fct_daily_prices"], ["factors", "fct_liquidity"]],
    group_name="platform", kinds={"python", "postgres"}, owners=[OWNER], automation_condition=FOLLOW_INPUTS,
    code_version=code_version_of(published.hot),
)  # fmt: skip
def published_documents(warehouse: Warehouse, market_data: MarketData) -> dg.MaterializeResult[None]:
    """One row per hot answer of the API and version of its data: the newest two of each, ready to be sent."""
    signer = Signer(cursor_key(market_data.installation.settings))
    with warehouse.connection() as connection:
        # Versions and rows of one moment: a document never says one version and holds another.
        connection.execute("set transaction isolation level repeatable read")
        counts = asyncio.run(publish(connection, signer, market_data.installation.clock()))
    return dg.MaterializeResult(metadata=counts)
