"""The one code location: everything under `defs`, and what all of it shares."""

from pathlib import Path
from typing import Any

import dagster as dg

from orchestration.dbt import dbt_resource
from orchestration.freshness import end_of_day_freshness
from orchestration.installation import current_installation
from orchestration.resources import Artifacts, MarketData, Warehouse

# Grows with each session: red when no session has come for too long. The rest is made on demand.
FRESH = {
    dg.AssetKey(key)
    for key in (
        ["raw", "daily_bars"], ["marts", "fct_daily_prices"], ["factors", "fct_factor_exposures"],
        ["research", "indicators"], ["research", "forecasts"], ["research", "rankings"],
    )
}  # fmt: skip


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
    return merged if policy is None else _with_freshness(merged, policy)


def _with_freshness(definitions: dg.Definitions, policy: dg.FreshnessPolicy) -> dg.Definitions:
    """Give the tables of FRESH a policy.

    `Definitions.map_asset_specs` would be one call, but it is a preview, and of an asset that several modules import it
    makes several.
    """

    def with_policy(spec: dg.AssetSpec) -> dg.AssetSpec:
        return dg.apply_freshness_policy(spec, policy) if spec.key in FRESH else spec

    assets = list({id(asset): asset for asset in definitions.assets or []}.values())
    return dg.Definitions(
        assets=dg.map_asset_specs(with_policy, assets),  # type: ignore[arg-type]  # the older kinds are not among ours
        asset_checks=definitions.asset_checks,
        schedules=definitions.schedules,
        sensors=definitions.sensors,
        jobs=definitions.jobs,
        resources=definitions.resources,
        executor=definitions.executor,
        loggers=definitions.loggers,
    )


@dg.definitions
def defs() -> dg.Definitions:
    """Return all definitions, as Dagster's tools look for them."""
    return build_defs()
