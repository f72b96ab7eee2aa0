"""All sources by name. To add a vendor: its file, and one line in SOURCES; its settings follow a pattern."""

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from orchestration.calendars import HomeCalendar
from orchestration.sources.eodhd.source import EodhdSource
from orchestration.sources.errors import OptionOutOfRange, UnknownSource
from orchestration.sources.failover import FailoverSource, parse_fallbacks
from orchestration.sources.files.options import FilesOptions
from orchestration.sources.files.source import FilesSource
from orchestration.sources.ledger import Ledger, MemoryLedger
from orchestration.sources.massive.source import MassiveSource
from orchestration.sources.nordnet import NordnetSource
from orchestration.sources.protocols import Source
from orchestration.sources.simulated.options import SimulatedOptions
from orchestration.sources.simulated.source import SimulatedSource
from orchestration.sources.turns import NoProgress, Progress
from orchestration.sources.twelve_data.source import TwelveDataSource
from orchestration.sources.vendor import Surroundings, VendorOptions, VendorSource
from orchestration.sources.yahoo.source import YahooSource

Now = Callable[[], dt.datetime]


class Secret(Protocol):
    """A text that does not show itself."""

    def get_secret_value(self) -> str:
        """Return the text."""
        ...


class VendorSettings(Protocol):
    """The settings of one vendor."""

    @property
    def api_key(self) -> Secret | None:
        """`VendorOptions.api_key`."""
        ...

    @property
    def private_key(self) -> Secret | None:
        """`VendorOptions.private_key`."""
        ...

    @property
    def base_url(self) -> str | None:
        """`VendorOptions.base_url`."""
        ...

    @property
    def plan(self) -> str | None:
        """`VendorOptions.plan`."""
        ...


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

    @property
    def live_first_session(self) -> dt.date:
        """`VendorOptions.first_session`."""
        ...

    @property
    def live_symbols(self) -> tuple[str, ...]:
        """`VendorOptions.symbols`."""
        ...

    @property
    def live_benchmark(self) -> str:
        """`VendorOptions.benchmark`."""
        ...

    @property
    def live_fallbacks(self) -> tuple[str, ...]:
        """Sources that are asked where the first one fails, see `failover.parse_fallbacks`."""
        ...

    @property
    def vendors(self) -> Mapping[str, VendorSettings]:
        """Settings of vendors by the name of the source."""
        ...


Constructor = Callable[[SourceSettings, Surroundings], Source]


def _simulated(settings: SourceSettings, given: Surroundings) -> Source:
    options = SimulatedOptions(
        n_instruments=settings.simulated_instruments,
        first_session=settings.simulated_first_session,
        last_session=settings.simulated_last_session,
        seed=settings.simulated_seed,
        planted_alpha=settings.simulated_alpha,
        defect_rate=settings.simulated_defect_rate,
    )
    return SimulatedSource(options, calendar=given.calendar, now=given.now)


def _files(settings: SourceSettings, given: Surroundings) -> Source:
    options = FilesOptions(
        folder=settings.files_folder or Path(),
        mapping=settings.files_mapping,
        cache_folder=settings.home / "cache",
    )
    return FilesSource(options, calendar=given.calendar, now=given.now)


@dataclass(frozen=True)
class OfVendor:
    """Makes a vendor's source from settings; `kind` says what it can do, whether or not its key is there."""

    kind: type[VendorSource]

    def __call__(self, settings: SourceSettings, given: Surroundings) -> VendorSource:
        """Return the source."""
        return self.kind(vendor_options(self.kind.name, settings), given)


def vendor_options(name: str, settings: SourceSettings) -> VendorOptions:
    """Return the options of a vendor."""
    found = settings.vendors.get(name)
    common = {
        "symbols": settings.live_symbols,
        "first_session": settings.live_first_session,
        "benchmark": settings.live_benchmark,
    }
    if found is None:
        return VendorOptions(**common)  # type: ignore[arg-type]
    return VendorOptions(
        api_key=_text_of(found.api_key),
        private_key=_text_of(found.private_key),
        base_url=found.base_url,
        plan=found.plan,
        **common,  # type: ignore[arg-type]
    )


def _text_of(secret: Secret | None) -> str | None:
    return None if secret is None else secret.get_secret_value()


SOURCES: Mapping[str, Constructor] = {
    "files": _files,
    "simulated": _simulated,
    "eodhd": OfVendor(EodhdSource),
    "massive": OfVendor(MassiveSource),
    "nordnet": OfVendor(NordnetSource),
    "twelve_data": OfVendor(TwelveDataSource),
    "yahoo": OfVendor(YahooSource),
}


def create_source(
    name: str,
    settings: SourceSettings,
    calendar: HomeCalendar,
    now: Now,
    ledger: Ledger | None = None,
    progress: Progress = NoProgress(),  # noqa: B008 - immutable
) -> Source:
    """Make the source of a name; nothing is read or opened yet.

    Parameters
    ----------
    ledger
        Budgets and breakers of vendors; without one, this process keeps its own.
    progress
        What symbols are worth, and how far each has come; without one, settings and windows alone count.

    Raises
    ------
    UnknownSource
        If no source has this name.
    OptionOutOfRange
        If one of its settings does not hold.
    """
    if name not in SOURCES:
        raise UnknownSource(name, sorted(SOURCES))
    for vendor in settings.vendors:
        if vendor not in SOURCES:
            must = f"name one of {sorted(SOURCES)}"
            raise OptionOutOfRange("sources", f"FACTORLOOM_{vendor.upper()}_...", must=must, got=vendor)
    return SOURCES[name](settings, Surroundings(calendar, now, ledger or MemoryLedger(), progress))


def create_with_fallbacks(
    name: str,
    settings: SourceSettings,
    calendar: HomeCalendar,
    now: Now,
    ledger: Ledger | None = None,
    progress: Progress = NoProgress(),  # noqa: B008 - immutable
) -> Source:
    """Make the source of a name, with the others behind it that the settings list.

    Raises
    ------
    UnknownSource, OptionOutOfRange
        As `create_source`, for any of them.
    """
    shared = ledger or MemoryLedger()
    first = create_source(name, settings, calendar, now, shared, progress)
    wanted = parse_fallbacks(settings.live_fallbacks)
    names = dict.fromkeys(other for others in wanted.values() for other in others if other != name)
    made = {other: create_source(other, settings, calendar, now, shared, progress) for other in names}
    if not made:
        return first
    return FailoverSource(first, {entity: [made[o] for o in others if o in made] for entity, others in wanted.items()})
