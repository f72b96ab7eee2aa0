"""What `factorloom up` shows: a live table on a terminal, a line per change elsewhere."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.live import Live
from rich.table import Table

from factorloom.supervisor import Kept

COLOURS = {"running": "green", "starting": "yellow", "restarting": "red", "waiting": "dim", "stopped": "dim"}


class Status(Protocol):
    """Shows where the services stand."""

    def show(self, services: Sequence[Kept]) -> None:
        """Show it as it is now."""


class Lines:
    """Prints a line when a service changes its state."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._shown: dict[str, str] = {}

    def show(self, services: Sequence[Kept]) -> None:
        """Print what has changed since the last call."""
        for kept in services:
            line = _sentence(kept)
            if kept.state != "waiting" and self._shown.get(kept.service.name) != line:
                self._console.print(f"{kept.service.name}: {line}", highlight=False, markup=False, soft_wrap=True)
                self._shown[kept.service.name] = line


class LiveTable:
    """Redraws a table in place."""

    def __init__(self, live: Live) -> None:
        self._live = live

    def show(self, services: Sequence[Kept]) -> None:
        """Draw it anew."""
        self._live.update(table_of(services))


@contextmanager
def status_on(console: Console) -> Iterator[Status]:
    """Open the display that suits the console."""
    if not console.is_terminal:
        yield Lines(console)
        return
    with Live(console=console, refresh_per_second=4) as live:
        yield LiveTable(live)


def table_of(services: Sequence[Kept]) -> Table:
    """Return the services as a table."""
    table = Table(
        box=None, pad_edge=False, title_justify="left", caption="Ctrl-C stops all of it", caption_justify="left"
    )
    for heading in ("service", "state", "address", "restarts", "log"):
        table.add_column(heading, overflow="fold", justify="right" if heading == "restarts" else "left")
    for kept in services:
        state = f"[{COLOURS[kept.state]}]{kept.state}[/]"
        if kept.detail:
            state = f"{state}: {kept.detail}"
        restarts = str(kept.restarts) if kept.restarts else ""
        table.add_row(kept.service.name, state, kept.service.address, restarts, str(kept.service.log))
    return table


def _sentence(kept: Kept) -> str:
    if kept.state == "running" and kept.service.address:
        return f"running at {kept.service.address}"
    if kept.state == "restarting":
        return f"restarting ({kept.detail}); its log is {kept.service.log}"
    return kept.state
