"""The one clock. Whatever needs the time takes it from here; `FACTORLOOM_NOW` freezes it."""

from collections.abc import Callable
from datetime import UTC, datetime

from warehouse.settings import Settings

Clock = Callable[[], datetime]


def clock_of(settings: Settings) -> Clock:
    """Return a function that tells the time in UTC: the frozen instant where one is set, else the machine's."""
    frozen = settings.now
    if frozen is not None:
        moment = frozen.astimezone(UTC)
        return lambda: moment
    return lambda: datetime.now(UTC)


def machine_clock() -> datetime:
    """Tell the machine's time in UTC, frozen or not. For processes and connections, never for data."""
    return datetime.now(UTC)
