"""All sources by name. To add one: its file, its few settings below, and one line in SOURCES."""

import datetime as dt
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

from orchestration.calendars import HomeCalendar
from orchestration.sources.errors import UnknownSource
from orchestration.sources.files.options import FilesOptions
from orchestration.sources.files.source import FilesSource
from orchestration.sources.protocols import Source
from orchestration.sources.simulated.options import SimulatedOptions
from orchestration.sources.simulated.source import SimulatedSource

Now = Callable[[], dt.datetime]


class SourceSettings(Protocol):
    """The settings that sources read; the application's settings have them all."""

    @property
    def home(self) -> Path:
        """Folder for what may be made again, such as caches."""
        ...

    @property
    def simulated_instruments(self) -> int:
        """`SimulatedOptions.n_instruments`."""
        ...

    @property
    def simulated_first_session(self) -> dt.date:
        """`SimulatedOptions.first_session`."""
        ...

    @property
    def simulated_last_session(self) -> dt.date | None:
        """`SimulatedOptions.last_session`."""
        ...

    @property
    def simulated_seed(self) -> int:
        """`SimulatedOptions.seed`."""
        ...

    @property
    def simulated_alpha(self) -> float:
        """`SimulatedOptions.planted_alpha`."""
        ...

    @property
    def simulated_defect_rate(self) -> float:
        """`SimulatedOptions.defect_rate`."""
        ...

    @property
    def files_folder(self) -> Path | None:
        """`FilesOptions.folder`."""
        ...

    @property
    def files_mapping(self) -> Path | None:
        """`FilesOptions.mapping`."""
        ...


Constructor = Callable[[SourceSettings, HomeCalendar, Now], Source]


def _simulated(settings: SourceSettings, calendar: HomeCalendar, now: Now) -> Source:
    options = SimulatedOptions(
        n_instruments=settings.simulated_instruments,
        first_session=settings.simulated_first_session,
        last_session=settings.simulated_last_session,
        seed=settings.simulated_seed,
        planted_alpha=settings.simulated_alpha,
        defect_rate=settings.simulated_defect_rate,
    )
    return SimulatedSource(options, calendar=calendar, now=now)


def _files(settings: SourceSettings, calendar: HomeCalendar, now: Now) -> Source:
    options = FilesOptions(
        folder=settings.files_folder or Path(),
        mapping=settings.files_mapping,
        cache_folder=settings.home / "cache",
    )
    return FilesSource(options, calendar=calendar, now=now)


SOURCES: Mapping[str, Constructor] = {
    "files": _files,
    "simulated": _simulated,
}


def create_source(name: str, settings: SourceSettings, calendar: HomeCalendar, now: Now) -> Source:
    """Make the source of a name; nothing is read or opened yet.

    Raises
    ------
    UnknownSource
        If no source has this name.
    OptionOutOfRange
        If one of its settings does not hold.
    """
    if name not in SOURCES:
        raise UnknownSource(name, sorted(SOURCES))
    return SOURCES[name](settings, calendar, now)
