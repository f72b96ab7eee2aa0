"""The one code location: everything under `defs`, and what all of it shares."""

from pathlib import Path
from typing import Any

import dagster as dg

from orchestration.dbt import dbt_resource
from orchestration.freshness import end_of_day_freshness
from orchestration.installation import current_installation
from orchestration.resources import Artifacts, MarketData, Warehouse

# Grows with each session: red when no session has come for too long. The rest is made on demand.
FRESH = dg.AssetSelection.assets(
    ["raw", "daily_bars"], ["marts", "fct_daily_prices"], ["factors", "fct_factor_exposures"], ["research", "indicators"],
    ["research", "forecasts"], ["research", "rankings"],
)  # fmt: skip


def build_defs(**overrides: Any) -> dg.Definitions:
    """Return all definitions; `overrides` replaces resources by name."""
    resources: dict[str, Any] = {
        "warehouse": Warehouse(),
        "market_data": MarketData(),
        "artifacts": Artifacts(),
        "dbt": dbt_resource(),
        **overrides,
    }
    shared = dg.Definitions(resources=resources, executor=dg.in_process_executor)
    merged = dg.Definitions.merge(dg.load_from_defs_folder(path_within_project=Path(__file__).parent), shared)
    policy = end_of_day_freshness(current_installation())
    if policy is None:
        return merged
    return merged.map_asset_specs(func=lambda spec: dg.apply_freshness_policy(spec, policy), selection=FRESH)


@dg.definitions
def defs() -> dg.Definitions:
    """Return all definitions, as Dagster's tools look for them."""
    return build_defs()
