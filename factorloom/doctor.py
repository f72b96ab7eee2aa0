"""`factorloom doctor`: says what is wrong and what to do. It looks, and changes nothing."""

from collections.abc import Iterator, Sequence

from rich.markup import escape
from rich.table import Table

from factorloom.examinations import databases, machine, market, runs
from factorloom.examinations.findings import Finding, fail, ok
from warehouse.errors import SettingsError
from warehouse.settings import Settings, read_settings

COLOURS = {"ok": "green", "warn": "yellow", "fail": "red"}


def diagnose() -> list[Finding]:
    """Examine this installation, as the environment describes it."""
    machinery = [*machine.python(), *machine.libraries()]
    try:
        settings = read_settings()
    except SettingsError as error:
        wrong = [fail("settings", problem, "Correct it in the environment or in .env.") for problem in error.problems]
        return [*machinery, *wrong]
    return [*machinery, ok("settings", "complete"), *examine(settings)]


def examine(settings: Settings) -> Iterator[Finding]:
    """Examine an installation whose settings hold together."""
    for look in (machine.home, machine.disk, machine.ports, machine.keys, databases.server, databases.warehouse):
        yield from look(settings)
    storage = list(databases.dagster_storage(settings))
    yield from storage
    if storage and all(finding.state == "ok" for finding in storage):
        yield from runs.dead_runs(settings)
    for look in (market.clock, market.calendar, market.source):
        yield from look(settings)


def table_of(findings: Sequence[Finding]) -> Table:
    """Return findings as a table."""
    table = Table(box=None, pad_edge=False, show_edge=False)
    for heading in ("check", "state", "found", "what to do"):
        table.add_column(heading, overflow="fold")
    for finding in findings:
        state = f"[{COLOURS[finding.state]}]{finding.state}[/]"
        table.add_row(finding.subject, state, escape(finding.detail), escape(finding.what_to_do))
    return table
