"""What the sources can do and how they stand, as tables."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from rich.box import SIMPLE
from rich.table import Table

from orchestration.calendars import HomeCalendar
from orchestration.sources.errors import SourceError
from orchestration.sources.ledger import Host, Ledger, Standing
from orchestration.sources.protocols import Source, capabilities
from orchestration.sources.registry import SOURCES, OfVendor, create_source
from orchestration.sources.transport import Transport
from warehouse.clock import Clock, machine_clock
from warehouse.settings import Settings


class Row(NamedTuple):
    """A source, as the table shows it."""

    name: str
    capabilities: frozenset[str]
    key: str
    budget: str
    last_answer: str
    breaker: str


def rows(settings: Settings, ledger: Ledger, *, now: Clock = machine_clock) -> Iterator[Row]:
    """Return each registered source: what it can do, whether its key is there, what is left, how it answered last.

    Parameters
    ----------
    ledger
        Budgets and breakers.
    now
        The machine's time: a vendor's minute passes also under a frozen clock.
    """
    calendar = HomeCalendar(settings.calendar)
    for name in SOURCES:
        use = "in use" if name == settings.source else ""
        try:
            source = create_source(name, settings, calendar, now, ledger)
        except SourceError as error:
            yield Row(name, _abilities_of(name), str(error).removeprefix(f"{name}: "), "", "", "")
            continue
        transport = getattr(source, "transport", None)
        if not isinstance(transport, Transport):
            yield Row(name, _abilities(source), use or "none needed", "", "", "")
            continue
        present = "present" if transport.vendor.credential.is_present else "none needed"
        key = ", ".join(filter(None, (present, use)))
        yield Row(name, _abilities(source), key, *_standing(transport, ledger, now))
        transport.close()


def tables_of(found: Iterable[Row]) -> Iterator[Table]:
    """Return what each source can do, and how it stands, for a terminal."""
    listed = list(found)
    able = Table("", *(row.name for row in listed), title="What each source has", box=SIMPLE, padding=0)
    able.columns[0].no_wrap = True
    for column in able.columns[1:]:
        column.justify = "center"
    for capability in sorted(frozenset().union(*(row.capabilities for row in listed))):
        able.add_row(capability, *("•" if capability in row.capabilities else "" for row in listed))
    yield able
    stands = Table("source", "key", "budget left", "last answer", "breaker", title="How each stands")
    stands.columns[1].overflow = "fold"  # names of settings are longer than the column of a narrow terminal
    for row in listed:
        stands.add_row(row.name, row.key, row.budget, row.last_answer, row.breaker)
    yield stands


def _abilities(source: Source) -> frozenset[str]:
    try:
        return capabilities(source)
    except SourceError:  # a folder that is not there has no files to tell by
        return frozenset()


def _abilities_of(name: str) -> frozenset[str]:
    maker = SOURCES[name]
    return capabilities(maker.kind) if isinstance(maker, OfVendor) else frozenset()


def _standing(transport: Transport, ledger: Ledger, now: Clock) -> tuple[str, str, str]:
    moment = now()
    standing = Standing(*ledger.standing(transport.account, moment))
    known = ledger.host(transport.host)
    if known is None:
        return _budget(standing), "never asked", "closed"
    host = Host(*known)
    is_open = host.opened_until is not None and host.opened_until > moment
    breaker = f"open until {host.opened_until:%H:%M:%S}Z" if is_open else f"closed, {host.n_failures} failures in a row"
    return _budget(standing), f"{host.last_answer_at:%Y-%m-%d %H:%M:%S}Z {host.last_status}", breaker


def _budget(standing: Standing) -> str:
    parts = [
        f"{left} {unit}"
        for left, unit in ((standing.left_this_minute, "this minute"), (standing.left_today, "today"))
        if left is not None
    ]
    if standing.blocked_until is not None:
        parts.append(f"none before {standing.blocked_until:%Y-%m-%d %H:%M:%S}Z")
    return ", ".join(parts) or "no limit"
