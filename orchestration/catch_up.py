"""Which partitions are still to be run: a machine that was off catches up in one range."""

import datetime as dt

import dagster as dg

from orchestration.installation import Installation
from orchestration.partitions import quarters_partitions

# The last table of each part of the way: where a session is missing in it, the part has to run.
LAST_OF_PART = {
    "bars": (["raw", "daily_bars"],),
    "market_data": (["raw", "daily_bars"], ["factors", "fct_factor_exposures"]),
    "fundamentals": (["raw", "fundamentals"],),
    "rankings": (["research", "forecasts"], ["research", "rankings"]),
}


def missing_sessions(instance: dg.DagsterInstance, installation: Installation, part: str) -> dt.date | None:
    """Return the first session that a part of the way has not run, None when it is up to date."""
    sessions = [session.isoformat() for session in installation.sessions()]
    done = set.intersection(*(instance.get_materialized_partitions(dg.AssetKey(key)) for key in LAST_OF_PART[part]))
    missing = [session for session in sessions if session not in done]
    return dt.date.fromisoformat(missing[0]) if missing else None


def missing_quarters(
    instance: dg.DagsterInstance, installation: Installation, *, again_from: dt.date | None = None
) -> tuple[dt.date, dt.date] | None:
    """Return the first and last quarter to be trained, None when all are.

    Parameters
    ----------
    instance
        Knows what has run.
    installation
        Knows the time.
    again_from
        Quarters that begin after this day are trained again: they learnt from it.
    """
    keys = quarters_partitions().get_partition_keys(current_time=installation.clock())
    done = instance.get_materialized_partitions(dg.AssetKey(["research", "model_versions"]))
    wanted = [
        key for key in keys if key not in done or (again_from is not None and dt.date.fromisoformat(key) > again_from)
    ]
    return (dt.date.fromisoformat(wanted[0]), dt.date.fromisoformat(keys[-1])) if wanted else None
