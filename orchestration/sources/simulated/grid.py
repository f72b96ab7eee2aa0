"""The time axis of the market: numbered sessions, and the quarter ends that companies report."""

import datetime as dt
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from orchestration.calendars import HomeCalendar
from orchestration.sources.simulated.draws import IntArray

DateArray = NDArray[np.datetime64]

# Companies come with a past: six years of statements, so that five-year growth is known from the start.
QUARTERS_BEFORE = 24
_MICROSECONDS_PER_DAY = 86_400_000_000


@dataclass(frozen=True)
class Grid:
    """Sessions 0 .. n-1 and the quarters whose end they have reached.

    `closes` are microseconds since 1970 UTC. `quarter_numbers` is 4 x year + quarter - 1, `quarter_sessions` the
    number of the last session at or before the quarter's end, -1 before the market begins.
    """

    sessions: DateArray
    closes: IntArray
    quarter_ends: DateArray
    quarter_numbers: IntArray
    quarter_sessions: IntArray

    @property
    def n_sessions(self) -> int:
        """Number of sessions."""
        return len(self.sessions)

    def session_numbers(self, days: DateArray) -> IntArray:
        """Numbers of the first session at or after each day, -1 for days before the market begins."""
        numbers = np.searchsorted(self.sessions, days)
        return np.where(days < self.sessions[0], -1, numbers).astype(np.int64)

    def after_close(self, days: DateArray, sessions: IntArray, minutes: IntArray) -> IntArray:
        """Instants some minutes after the close of the sessions (microseconds since 1970 UTC).

        Days before the market have no session here; for them the minutes count from 22:00 UTC.
        """
        known = np.clip(sessions, 0, self.n_sessions - 1)
        late = days.astype("datetime64[D]").astype(np.int64) * _MICROSECONDS_PER_DAY
        base = np.where(sessions < 0, late + 22 * 3_600_000_000, self.closes[known])
        return np.asarray(base + minutes * 60_000_000, dtype=np.int64)


def grid(calendar: HomeCalendar, first_session: dt.date, last_session: dt.date) -> Grid:
    """Time axis from the market's first session to another one, both included."""
    days = calendar.sessions(first_session, last_session)
    closes = [int(calendar.close_at(day).timestamp()) * 1_000_000 for day in days]
    sessions = np.array(days, dtype="datetime64[D]")
    numbers = np.arange(_quarter(days[0]) - QUARTERS_BEFORE, _quarter(days[-1]) + 1, dtype=np.int64)
    # Month 3 x number after year 0 begins the quarter; the day before the next one ends it.
    next_quarter = ((numbers + 1) * 3 - 1970 * 12).astype("datetime64[M]").astype("datetime64[D]")
    ends = next_quarter - np.timedelta64(1, "D")
    reached = ends <= sessions[-1]
    return Grid(
        sessions=sessions,
        closes=np.array(closes, dtype=np.int64),
        quarter_ends=ends[reached],
        quarter_numbers=numbers[reached],
        quarter_sessions=np.searchsorted(sessions, ends[reached], side="right").astype(np.int64) - 1,
    )


def _quarter(day: dt.date) -> int:
    return day.year * 4 + (day.month - 1) // 3
