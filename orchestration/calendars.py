"""The home calendar: which days an exchange trades, and when its sessions open and close.

Days come from `exchange_calendars`, which is imported on first use only (half a second). The span is fixed,
so that the answer never depends on the day on which the question is asked.
"""

import datetime as dt
import warnings
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from functools import lru_cache
from zoneinfo import ZoneInfo

FIRST_KNOWN_DATE = dt.date(1990, 1, 1)
# Calendars with lunar holidays are recorded up to 2049 only.
LAST_KNOWN_DATE = dt.date(2049, 12, 31)


class CalendarError(Exception):
    """Something about the home calendar does not hold."""


class UnknownCalendar(CalendarError):
    """No exchange calendar has this code."""

    def __init__(self, code: str) -> None:
        super().__init__(
            f"calendar: the code must be one that exchange_calendars knows; got {code!r}. "
            f"Set FACTORLOOM_CALENDAR to a market identifier code, for example XNYS, XASX or XSTO."
        )


class DayOutsideCalendar(CalendarError):
    """The day lies before or after everything the calendar knows."""

    def __init__(self, code: str, day: dt.date, first: dt.date, last: dt.date) -> None:
        super().__init__(
            f"calendar {code}: days must lie between {first} and {last}; got {day}. "
            f"Correct the date, or raise the span in orchestration/calendars.py."
        )


class NotASession(CalendarError):
    """The exchange does not trade on the day."""

    def __init__(self, code: str, day: dt.date) -> None:
        super().__init__(
            f"calendar {code}: the day must be a session; got {day}, on which the exchange is closed. "
            f"Take a day out of sessions()."
        )


@dataclass(frozen=True)
class _Schedule:
    """All sessions of one exchange with their opens and closes, in step."""

    sessions: tuple[dt.date, ...]
    opens: tuple[dt.datetime, ...]
    closes: tuple[dt.datetime, ...]
    timezone: ZoneInfo


@lru_cache(maxsize=8)
def _read_schedule(code: str) -> _Schedule:
    import exchange_calendars
    from exchange_calendars.errors import InvalidCalendarName

    with warnings.catch_warnings():
        # exchange_calendars 4.13 still reads pandas' Series.values, which pandas 3.1 deprecates.
        warnings.simplefilter("ignore", DeprecationWarning)
        try:
            calendar = exchange_calendars.get_calendar(
                code, start=FIRST_KNOWN_DATE.isoformat(), end=LAST_KNOWN_DATE.isoformat()
            )
        except InvalidCalendarName as exc:
            raise UnknownCalendar(code) from exc
    return _Schedule(
        sessions=tuple(session.date() for session in calendar.sessions),
        opens=_as_utc(calendar.opens),
        closes=_as_utc(calendar.closes),
        timezone=ZoneInfo(str(calendar.tz)),
    )


def _as_utc(instants: object) -> tuple[dt.datetime, ...]:
    nanoseconds = instants.astype("int64").to_numpy()  # type: ignore[attr-defined]  # a pandas Series
    return tuple(dt.datetime.fromtimestamp(int(value) // 10**9, tz=dt.UTC) for value in nanoseconds)


# What shares trade in at exchanges outside the United States.
_CURRENCIES = {
    "XASX": "AUD", "XAMS": "EUR", "XBRU": "EUR", "XCSE": "DKK", "XDUB": "EUR", "XETR": "EUR", "XFRA": "EUR",
    "XHEL": "EUR", "XHKG": "HKD", "XLIS": "EUR", "XLON": "GBP", "XMAD": "EUR", "XMIL": "EUR", "XNZE": "NZD",
    "XOSL": "NOK", "XPAR": "EUR", "XSTO": "SEK", "XSWX": "CHF", "XTKS": "JPY", "XTSE": "CAD", "XWBO": "EUR",
}  # fmt: skip


class HomeCalendar:
    """Sessions of one exchange.

    Parameters
    ----------
    code : str
        Market identifier code (ISO 10383) as `exchange_calendars` spells it.

    Raises
    ------
    UnknownCalendar
        On first use, if there is no such calendar.
    """

    def __init__(self, code: str = "XNYS") -> None:
        self.code = code

    @property
    def _schedule(self) -> _Schedule:
        return _read_schedule(self.code)

    @property
    def timezone(self) -> ZoneInfo:
        """Time zone of the exchange; its name is `timezone.key`."""
        return self._schedule.timezone

    @property
    def currency_code(self) -> str:
        """Currency that shares trade in there, ISO 4217; US dollars where we do not know."""
        return _CURRENCIES.get(self.code, "USD")

    @property
    def first_known_session(self) -> dt.date:
        """First session that the calendar knows."""
        return self._schedule.sessions[0]

    @property
    def last_known_session(self) -> dt.date:
        """Last session that the calendar knows."""
        return self._schedule.sessions[-1]

    def sessions(self, first_date: dt.date, last_date: dt.date) -> list[dt.date]:
        """Sessions between two days, both included, oldest first.

        Raises
        ------
        DayOutsideCalendar
            If either day lies outside what the calendar knows.
        """
        self._require_known(first_date)
        self._require_known(last_date)
        sessions = self._schedule.sessions
        start, stop = bisect_left(sessions, first_date), bisect_right(sessions, last_date)
        return list(sessions[start:stop])

    def is_session(self, day: dt.date) -> bool:
        """Whether the exchange trades on the day; days outside what is known raise."""
        self._require_known(day)
        position = bisect_left(self._schedule.sessions, day)
        return position < len(self._schedule.sessions) and (self._schedule.sessions[position] == day)

    def open_at(self, session: dt.date) -> dt.datetime:
        """Open of a session, UTC; `NotASession` if it is none."""
        return self._schedule.opens[self._position(session)]

    def close_at(self, session: dt.date) -> dt.datetime:
        """Close of a session, UTC, early closes respected; `NotASession` if it is none."""
        return self._schedule.closes[self._position(session)]

    def is_open_at(self, instant: dt.datetime) -> bool:
        """Whether the exchange trades at an instant: from the opening, the close left out."""
        day = instant.astimezone(self.timezone).date()
        return self.is_session(day) and self.open_at(day) <= instant < self.close_at(day)

    def next_session(self, day: dt.date) -> dt.date:
        """First session after a day, which need not be a session itself."""
        self._require_known(day)
        position = bisect_right(self._schedule.sessions, day)
        if position == len(self._schedule.sessions):
            raise self._outside(day)
        return self._schedule.sessions[position]

    def previous_session(self, day: dt.date) -> dt.date:
        """Last session before a day, which need not be a session itself."""
        self._require_known(day)
        position = bisect_left(self._schedule.sessions, day)
        if position == 0:
            raise self._outside(day)
        return self._schedule.sessions[position - 1]

    def session_at(self, session: dt.date, offset: int) -> dt.date:
        """Session some sessions after another one (before it, if the offset is negative)."""
        position = self._position(session) + offset
        if not 0 <= position < len(self._schedule.sessions):
            raise self._outside(session)
        return self._schedule.sessions[position]

    def last_closed_session(self, now: dt.datetime) -> dt.date:
        """Newest session whose close is not after an instant (timezone-aware)."""
        self._require_known(now.astimezone(self.timezone).date())
        position = bisect_right(self._schedule.closes, now)
        if position == 0:
            raise self._outside(now.astimezone(self.timezone).date())
        return self._schedule.sessions[position - 1]

    def _position(self, session: dt.date) -> int:
        if not self.is_session(session):
            raise NotASession(self.code, session)
        return bisect_left(self._schedule.sessions, session)

    def _require_known(self, day: dt.date) -> None:
        if not FIRST_KNOWN_DATE <= day <= LAST_KNOWN_DATE:
            raise self._outside(day)

    def _outside(self, day: dt.date) -> DayOutsideCalendar:
        return DayOutsideCalendar(self.code, day, FIRST_KNOWN_DATE, LAST_KNOWN_DATE)
