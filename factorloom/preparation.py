"""Brings up to date what services need before they start: databases, Dagster's storage, pools, the dbt manifest."""

from collections.abc import Callable, Mapping

from warehouse.connect import owner_url
from warehouse.migrate import current_revision, newest_revision, prepare
from warehouse.secrets import ensure_owner_key
from warehouse.settings import Settings

POOL_LIMITS: Mapping[str, int] = {"vendor_api": 2, "ml_train": 1, "dbt": 1}

Say = Callable[[str], None]


def prepare_databases(settings: Settings, say: Say) -> None:
    """Start the embedded server where it is used, migrate the warehouse, then Dagster's storage, and set the pools.

    The environment must have been applied before: Dagster finds its instance through it.
    """
    prepare(settings)
    key = ensure_owner_key(settings)
    say(f"warehouse: at revision {current_revision(owner_url(settings))} of {newest_revision()}")
    say(f"api: the local owner's key is in {key}")
    prepare_dagster(say)


def prepare_dagster(say: Say) -> None:
    """Create or migrate Dagster's storage and set the limits of pools that nobody has set."""
    # Imported here: two seconds that commands without Dagster need not pay.
    from dagster import DagsterInstance

    with DagsterInstance.get() as instance:
        instance.upgrade()
        limits = {pool.name: pool for pool in instance.event_log_storage.get_pool_limits()}
        for name, limit in POOL_LIMITS.items():
            if name not in limits or limits[name].from_default:
                instance.event_log_storage.set_concurrency_slots(name, limit)
    say("dagster: storage is up to date")


def prepare_manifest(say: Say) -> None:
    """Parse the dbt project unless its manifest stands for the present files."""
    from orchestration import dbt

    dbt.prepare_manifest()
    say(f"dbt: manifest at {dbt.manifest()}")
