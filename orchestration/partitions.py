"""Which slices of time the tables come in: exchange days, and quarters for training."""

import datetime as dt
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import dagster as dg

from models.walk_forward import Fold, next_quarter_start, quarterly_folds, walk_forward_folds
from orchestration.installation import Installation, current_installation

UNIVERSE_SESSIONS = 252
# A year for the universe, two to learn from, a month of labels, and the wait for a quarter: four years hold them.
FIRST_FOLD_WITHIN_DAYS = 4 * 366
WINDOW_TAG = "factorloom/window_first_date"
# Up to so many partitions, Dagster's own single-run ranges are quick enough.
LONGEST_NATIVE_RANGE = 10
# Holidays are listed up to the end of a year that this divides, at least so many years ahead.
HOLIDAYS_CHANGE_EVERY_YEARS = 5
HOLIDAYS_AHEAD_YEARS = 2
QUARTERS = "0 0 1 1,4,7,10 *"
WEEKENDS = "0 0 * * 0,6"


class SessionPartitions(dg.DailyPartitionsDefinition):
    """Days that are listed once until the next one opens.

    A step or check without partitions, of a table with some, makes Dagster list them all, day by day of the calendar.
    """

    def get_partition_keys(
        self, current_time: dt.datetime | None = None, dynamic_partitions_store: Any = None
    ) -> Sequence[str]:
        """Return the keys of all days that are open."""
        with dg.partition_loading_context(current_time, dynamic_partitions_store):
            newest = self.get_last_partition_key()
            return [] if newest is None else list(_keys_until(self, newest))


@lru_cache(maxsize=2)
def _keys_until(days: SessionPartitions, newest: str) -> Sequence[str]:
    # `newest` is there as the key: a list is right as long as no later day has opened.
    return dg.DailyPartitionsDefinition.get_partition_keys(days)


@lru_cache(maxsize=1)
def sessions_partitions() -> dg.DailyPartitionsDefinition:
    """One partition per session of the source; D opens when its day in the `day_zone` of `Installation` is over."""
    installation = current_installation()
    first, last = installation.first_session, installation.final_session()
    return SessionPartitions(
        start_date=f"{first:%Y-%m-%d}",
        # The end is exclusive; a live source has none.
        end_date=None if last is None else f"{last + dt.timedelta(days=1):%Y-%m-%d}",
        timezone=installation.day_zone,
        exclusions=[WEEKENDS, *_holidays(installation)],
    )


@lru_cache(maxsize=1)
def quarters_partitions() -> dg.TimeWindowPartitionsDefinition:
    """One partition per quarter that a forecaster can be trained for; the key is the quarter's first day."""
    installation = current_installation()
    last = installation.final_session()
    return dg.TimeWindowPartitionsDefinition(
        start=f"{first_trainable_quarter(installation):%Y-%m-%d}",
        end=None if last is None else f"{next_quarter_start(last):%Y-%m-%d}",
        fmt="%Y-%m-%d",
        cron_schedule=QUARTERS,
        timezone=installation.day_zone,
        # A quarter's forecaster is trained when the quarter begins, not when it is over; also under a frozen clock.
        end_offset=1,
    )


def first_trainable_quarter(installation: Installation) -> dt.date:
    """First day of the first quarter with enough history before it, whether or not it has come."""
    horizon = installation.first_session + dt.timedelta(days=FIRST_FOLD_WITHIN_DAYS)
    sessions = installation.calendar.sessions(installation.first_session, horizon)
    return folds_of(sessions)[0].valid_from_date


def folds_of(sessions: Sequence[dt.date]) -> list[Fold]:
    """Retrainings on the sessions of a source: the universe wants a year of history before its first day."""
    return quarterly_folds(sessions, warm_up_sessions=UNIVERSE_SESSIONS)


def folds_from(sessions: Sequence[dt.date], start: dt.date, *, end: dt.date) -> list[Fold]:
    """Retraining that begins on some day and forecasts until the day before `end`; none where history is too short."""
    return walk_forward_folds(sessions, [start], end=end, warm_up_sessions=UNIVERSE_SESSIONS)


def window_of(context: dg.AssetExecutionContext) -> tuple[dt.date, dt.date]:
    """First and last session that a run rebuilds, both included."""
    keys = context.partition_key_range
    first = context.run.tags.get(WINDOW_TAG, keys.start)
    return dt.date.fromisoformat(first), dt.date.fromisoformat(keys.end)


def has_window(context: dg.AssetExecutionContext) -> bool:
    """Tell whether a run rebuilds certain sessions: one that automation asks for tables without partitions does not."""
    return bool({"dagster/partition", "dagster/asset_partition_range_start"} & set(context.run.tags))


def first_of_window(tags: Mapping[str, str]) -> dt.date | None:
    """First session that a run with these tags rebuilds, None where it has no window."""
    names = (WINDOW_TAG, "dagster/asset_partition_range_start", "dagster/partition")
    return next((dt.date.fromisoformat(tags[name]) for name in names if name in tags), None)


def last_of_window(tags: Mapping[str, str]) -> dt.date | None:
    """Last session that a run with these tags rebuilds, None where it has no window."""
    names = ("dagster/asset_partition_range_end", "dagster/partition")
    return next((dt.date.fromisoformat(tags[name]) for name in names if name in tags), None)


def run_tags(first: dt.date, last: dt.date) -> dict[str, str]:
    """Tags of one run that rebuilds the sessions from `first` to `last`.

    A long range runs as its last partition, and says in a tag how far back it reaches: Dagster writes several events
    per table, check and partition of a range, which took eight minutes for 900 sessions. `orchestration.coverage` then
    marks the partitions.
    """
    sessions = current_installation().sessions(first, last)
    if 1 < len(sessions) <= LONGEST_NATIVE_RANGE:
        return range_tags(first, last)
    window = {WINDOW_TAG: first.isoformat()} if len(sessions) > 1 else {}
    return {"dagster/partition": last.isoformat(), **window}


def range_tags(first: dt.date, last: dt.date) -> dict[str, str]:
    """Tags by which Dagster runs a range of partitions in one run."""
    return {
        "dagster/asset_partition_range_start": first.isoformat(),
        "dagster/asset_partition_range_end": last.isoformat(),
    }


def _holidays(installation: Installation) -> list[dt.datetime]:
    """Weekdays without a session, as the partitions' windows begin, for the two to six years to come.

    Dagster writes the whole list into every set of partitions that it stores, thousands of them per look at all tables,
    so it is short. It also changes seldom: with another list, automation takes all that it has seen for done.
    """
    first = installation.first_session
    last = min(installation.calendar.last_known_session, _holidays_until(installation.clock().date()))
    trading = set(installation.calendar.sessions(first, last))
    days = (first + dt.timedelta(days=n) for n in range((last - first).days + 1))
    return [dt.datetime.combine(day, dt.time()) for day in days if day.weekday() < 5 and day not in trading]


def _holidays_until(today: dt.date) -> dt.date:
    n_periods = -(-(today.year + HOLIDAYS_AHEAD_YEARS) // HOLIDAYS_CHANGE_EVERY_YEARS)
    return dt.date(n_periods * HOLIDAYS_CHANGE_EVERY_YEARS, 12, 31)
