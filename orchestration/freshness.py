"""How old a table may be before the UI says so."""

import datetime as dt

import dagster as dg

from orchestration.installation import Installation

# From a Thursday evening to the Tuesday after a long weekend, and the run itself: no session was missed.
LONGEST_GAP = dt.timedelta(days=5, hours=2)
WARNING_GAP = dt.timedelta(days=4, hours=12)


def end_of_day_freshness(installation: Installation) -> dg.FreshnessPolicy | None:
    """Return the policy of tables that grow with each session; a finite source, or a frozen clock, has none.

    Calendar-aware lateness (the newest session is missing) is told by the check `the_newest_session_is_complete`; the
    policy here stays green over weekends and exchange holidays, and turns red when nothing runs any more.
    """
    if installation.final_session() is not None:
        return None
    return dg.FreshnessPolicy.time_window(fail_window=LONGEST_GAP, warn_window=WARNING_GAP)
