"""The one code location: everything under `defs`, and what all of it shares."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dagster as dg

from orchestration.dbt_runner import Dbt
from orchestration.freshness import freshness_policies, rhythm_of
from orchestration.installation import current_installation
from orchestration.resources import Artifacts, MarketData, Warehouse


def build_defs(**overrides: Any) -> dg.Definitions:
    """Return all definitions; `overrides` replaces resources by name."""
    resources: dict[str, Any] = {
        "warehouse": Warehouse(),
        "market_data": MarketData(),
        "artifacts": Artifacts(),
        "dbt": Dbt(),
        **overrides,
    }
    shared = dg.Definitions(resources=resources, executor=dg.in_process_executor)
    merged = dg.Definitions.merge(dg.load_from_defs_folder(path_within_project=Path(__file__).parent), shared)
    return _completed(merged, freshness_policies(current_installation()))


def _completed(definitions: dg.Definitions, policies: Mapping[str, dg.FreshnessPolicy]) -> dg.Definitions:
    """Give each table its layer as a tag, and the freshness policy of its rhythm.

    `Definitions.map_asset_specs` would be one call, but it is a preview, and of an asset that several modules import it
    makes several.
    """

    def completed(spec: dg.AssetSpec) -> dg.AssetSpec:
        spec = spec.merge_attributes(tags={"layer": spec.key.path[0]})
        policy = policies.get(rhythm_of(spec) or "")
        return spec if policy is None else dg.apply_freshness_policy(spec, policy)

    assets = list({id(asset): asset for asset in definitions.assets or []}.values())
    return dg.Definitions(
        assets=dg.map_asset_specs(completed, assets),  # type: ignore[arg-type]  # the older kinds are not among ours
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
