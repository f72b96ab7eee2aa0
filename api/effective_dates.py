"""From when on a version of rules or settings counts: after what is decided, and not too far ahead."""

import datetime as dt

from api.errors import ParameterConflict

# Versions follow each other: one of the year 9999 would be the last.
MOST_DAYS_AHEAD = 366


def check_effective_date(day: dt.date, *, earliest: dt.date, today: dt.date) -> None:
    """Refuse a day that would change what is decided, or one so far ahead that no later version could be written."""
    latest = max(today + dt.timedelta(days=MOST_DAYS_AHEAD), earliest)
    if not earliest <= day <= latest:
        raise ParameterConflict(
            f"effective_date: must be {earliest} to {latest}; got {day}. What is decided stays, and later versions must"
            " not come before this one."
        )
