"""The one code location: everything under `defs`, and the resources that it shares."""

from pathlib import Path
from typing import Any

import dagster as dg

from orchestration.dbt import dbt_resource
from orchestration.resources import Artifacts, MarketData, Warehouse


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
    return dg.Definitions.merge(dg.load_from_defs_folder(path_within_project=Path(__file__).parent), shared)


@dg.definitions
def defs() -> dg.Definitions:
    """Return all definitions, as Dagster's tools look for them."""
    return build_defs()
