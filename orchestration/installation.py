"""What this installation is made of, put together once from settings: clock, calendar, source, and their sessions."""

import datetime as dt
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

from orchestration.calendars import HomeCalendar
from orchestration.sources.protocols import Source
from orchestration.sources.registry import create_with_fallbacks
from warehouse.clock import Clock, clock_of
from warehouse.connect import writer_url
from warehouse.queries.vendor_budgets import VendorLedger
from warehouse.queries.vendor_progress import VendorProgress
from warehouse.settings import Settings, current_settings

# The end-of-day data of a session may be asked for from this hour on, in the exchange's time zone.
END_OF_DAY_HOUR = 18
# Source of what `factorloom import` has brought in.
IMPORTED = "import"


class Installation(NamedTuple):
    """The parts that every asset, schedule and sensor of one installation shares."""

    settings: Settings
    clock: Clock
    calendar: HomeCalendar
    source: Source

    @property
    def first_session(self) -> dt.date:
        """First session that the source has."""
        return self.source.first_session

    @property
    def source_names(self) -> tuple[str, ...]:
        """Names of all sources that rows may come from, the one that counts before the others first."""
        return (*self.source_priority, IMPORTED)

    @property
    def source_priority(self) -> tuple[str, ...]:
        """Names of the configured sources, the one that counts before the others first; others count after them."""
        return (self.source.name, *getattr(self.source, "fallback_names", ()))

    @property
    def reporting_currency(self) -> str:
        """Currency that market values of all instruments are converted to, ISO 4217."""
        return self.settings.reporting_currency or self.calendar.currency_code

    @property
    def day_zone(self) -> str:
        """Time zone whose midnight is the exchange's end of day: a session's day is over when its data is there.

        A fixed offset, so in summer the day turns an hour later than END_OF_DAY_HOUR. Dagster makes a daily partition
        available when its window ends; in this zone that is the evening of the session itself.
        """
        midwinter = dt.datetime(2026, 1, 15, END_OF_DAY_HOUR, tzinfo=self.calendar.timezone)
        midsummer = dt.datetime(2026, 7, 15, END_OF_DAY_HOUR, tzinfo=self.calendar.timezone)
        latest = max(moment.astimezone(dt.UTC).hour for moment in (midwinter, midsummer))
        offset = min(24 - latest, 14)
        return f"Etc/GMT-{offset}" if offset else "UTC"

    def final_session(self) -> dt.date | None:
        """Last session there will ever be: of a finite source, or under a frozen clock; None for a live source."""
        if self.settings.now is not None:
            return self.last_session()
        return self.source.last_session

    def last_session(self) -> dt.date:
        """Newest session whose end-of-day data can be asked for now."""
        today = self.clock().astimezone(ZoneInfo(self.day_zone)).date()
        newest = self.calendar.previous_session(today)
        last = self.source.last_session
        return newest if last is None else min(newest, last)

    def sessions(self, first_date: dt.date | None = None, last_date: dt.date | None = None) -> list[dt.date]:
        """Sessions of the source between two days (its own ends by default), both included."""
        return self.calendar.sessions(first_date or self.first_session, last_date or self.last_session())


@lru_cache(maxsize=1)
def current_installation() -> Installation:
    """Return the installation that the environment describes; read at the first call."""
    settings = current_settings()
    clock = clock_of(settings)
    calendar = HomeCalendar(settings.calendar)
    ledger, progress = VendorLedger(lambda: writer_url(settings)), VendorProgress(lambda: writer_url(settings))
    source = create_with_fallbacks(settings.source, settings, calendar, clock, ledger, progress)
    return Installation(settings, clock, calendar, source)
