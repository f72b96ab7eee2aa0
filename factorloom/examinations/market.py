"""What the installation works on: the clock, the home calendar, the source."""

from collections.abc import Iterator

from factorloom.examinations.findings import Finding, fail, ok, warn
from warehouse.clock import clock_of
from warehouse.settings import Settings


def clock(settings: Settings) -> Iterator[Finding]:
    """Look at the injected clock."""
    if settings.now is None:
        yield ok("clock", "the machine's")
    else:
        yield warn("clock", f"frozen at {settings.now.isoformat()}", "Unset FACTORLOOM_NOW unless you want that.")


def calendar(settings: Settings) -> Iterator[Finding]:
    """Look whether the home calendar is known and reaches far enough."""
    from orchestration.calendars import CalendarError, HomeCalendar

    try:
        home_calendar = HomeCalendar(settings.calendar)
        closed = home_calendar.last_closed_session(clock_of(settings)())
    except CalendarError as error:
        yield fail("calendar", str(error), "Correct FACTORLOOM_CALENDAR or FACTORLOOM_NOW.")
        return
    yield ok("calendar", f"{settings.calendar}, last closed session {closed}")


def source(settings: Settings) -> Iterator[Finding]:
    """Look whether the source can be opened, and whether somebody answers at a vendor's address."""
    from orchestration.calendars import CalendarError, HomeCalendar
    from orchestration.sources.errors import SourceError
    from orchestration.sources.registry import create_source
    from orchestration.sources.transport import Transport

    try:
        home_calendar = HomeCalendar(settings.calendar)
        opened = create_source(settings.source, settings, home_calendar, clock_of(settings))
        first, last = opened.first_session, opened.last_session
    except (SourceError, CalendarError, OSError) as error:
        yield fail("source", str(error), "Correct FACTORLOOM_SOURCE and its settings.")
        return
    transport = getattr(opened, "transport", None)
    if isinstance(transport, Transport):
        silent = transport.knock()
        transport.close()
        if silent is not None:
            what_to_do = "Look whether this machine may reach it, and at the vendor's own page on its state."
            yield fail("source", f"{opened.name}: nobody answers at {transport.host} ({silent})", what_to_do)
            return
    end = f"to {last}" if last else "on, without an end"
    yield ok("source", f"{opened.name}, from {first} {end}. {opened.label}")
