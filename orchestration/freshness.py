"""How old a table may be before the UI says so."""

import datetime as dt
from itertools import pairwise

import dagster as dg

from orchestration.installation import Installation

# The end-of-day schedule looks again until so long after its first try.
EVENING = dt.timedelta(hours=4)
DAY = dt.timedelta(days=1)
WEEK = dt.timedelta(days=7)
QUARTER = dt.timedelta(days=92)
YEARS_LOOKED_AT = 10
# Written when something happens, which may be never.
ON_EVENTS = ("alerts",)
# Tables that only somebody who asks writes.
ON_REQUEST = {"sweeps", "sweep_results", "parameter_choices"}


def freshness_policies(installation: Installation) -> dict[str, dg.FreshnessPolicy]:
    """Return the policies by how often a table grows: `session`, `week` or `quarter`.

    Empty for a finite source and under a frozen clock: nothing comes any more. The policies stay green over weekends
    and exchange holidays and turn red when nothing runs any more; that just the newest session is missing is told by
    the check `the_newest_session_is_complete`.
    """
    if installation.final_session() is not None:
        return {}
    gap = longest_gap(installation)
    return {
        "session": dg.FreshnessPolicy.time_window(warn_window=gap + EVENING, fail_window=gap + DAY),
        "week": dg.FreshnessPolicy.time_window(warn_window=WEEK + EVENING, fail_window=WEEK + DAY),
        "quarter": dg.FreshnessPolicy.time_window(warn_window=QUARTER + gap + EVENING, fail_window=QUARTER + gap + DAY),
    }


def rhythm_of(spec: dg.AssetSpec) -> str | None:
    """Say how often a table grows; None for those that are written on events."""
    if spec.group_name in ON_EVENTS or spec.key.path[-1] in ON_REQUEST:
        return None
    if spec.group_name == "backtests":
        return "week"
    return "quarter" if spec.key.path[-1] == "model_versions" else "session"


def longest_gap(installation: Installation) -> dt.timedelta:
    """Return the longest time between two sessions of the home exchange in the past ten years and the next one."""
    today = installation.clock().date()
    calendar = installation.calendar
    last = min(today + dt.timedelta(days=365), calendar.last_known_session)
    days = calendar.sessions(max(today - dt.timedelta(days=365 * YEARS_LOOKED_AT), calendar.first_known_session), last)
    return max(later - earlier for earlier, later in pairwise(days))
