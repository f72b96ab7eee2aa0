"""One embedded PostgreSQL per test process; each test that asks for it gets a database of its own, freshly migrated."""

import gc
import itertools
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import coverage
import psycopg
import pytest
from hypothesis import settings

from factorloom.environment import thread_variables
from warehouse.connect import API, WRITER, connect, with_role
from warehouse.embedded import EmbeddedServer
from warehouse.migrate import upgrade

# Before any of them is loaded: numeric libraries whose threads spin while they wait would hold up the other worker.
os.environ.update(thread_variables(1))
# Thousands of tests are held all the while; see `orchestration`.
gc.set_threshold(50_000, 50, 100)

# The same examples in every run: what fails for one fails for all.
settings.register_profile("repeatable", derandomize=True)
settings.load_profile("repeatable")

# A file system in memory, and what it has to have left.
MEMORY, ROOM_BYTES = Path("/dev/shm"), 4 * 1024**3
# Under this name what tests measure travels from the workers to the end of the run.
FIGURE = "figure"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep tests that share what is made once a module on one worker; those that say their group stay in it."""
    for item in items:
        if isinstance(item, pytest.Function) and item.get_closest_marker("xdist_group") is None:
            fixtures = item._fixtureinfo.name2fixturedefs.values()
            if any(made[-1].scope == "module" for made in fixtures if made):
                item.add_marker(pytest.mark.xdist_group(item.module.__name__))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Let coverage look away from tests that are marked so, and from fixtures that they are the first to ask for.

    Threads that run then stay unwatched: what coverage says is the least that is covered.
    """
    watching = coverage.Coverage.current()
    if watching is None or item.get_closest_marker("unwatched") is None:
        return (yield)
    watching.stop()
    try:
        return (yield)
    finally:
        watching.start()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what tests have measured, also where they pass, and on whichever worker they ran; see `figure`."""
    measured = [
        (report.nodeid, text)
        for reports in terminalreporter.stats.values()
        for report in reports
        if getattr(report, "when", None) == "call"
        for name, text in report.user_properties
        if name == FIGURE
    ]
    if measured:
        terminalreporter.section("figures")
    for test, of_test in itertools.groupby(sorted(measured, key=lambda line: line[0]), key=lambda line: line[0]):
        terminalreporter.line(test)
        for _, text in of_test:
            terminalreporter.line(f"    {text}")


@pytest.fixture
def figure(record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    """Say a figure that the end of the run prints, whether the test passes or not."""
    return lambda text: record_property(FIGURE, text)


class Database(NamedTuple):
    """A warehouse for one test."""

    owner_url: str
    url: str
    api_url: str

    def connect(self) -> psycopg.Connection:
        """Connect as the pipelines do."""
        return connect(self.url)


@pytest.fixture(scope="session")
def server() -> Iterator[EmbeddedServer]:
    """A running PostgreSQL that ends with the test process."""
    # A database is a thousand files, and tests make hundreds of them: in memory, where that has room.
    has_room = MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > ROOM_BYTES
    folder = Path(tempfile.mkdtemp(prefix="fl-", dir=MEMORY if has_room else None))
    server = EmbeddedServer(folder / "postgres")
    server.start()
    with connect(server.url("postgres"), autocommit=True) as connection:
        # Nobody wants them back after a power cut, and each that goes waits for the disk.
        connection.execute("alter system set fsync = off")
        connection.execute("alter system set full_page_writes = off")
        connection.execute("select pg_reload_conf()")
    yield server
    server.stop()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def template(server: EmbeddedServer) -> str:
    """Name of a migrated database that others are copied from."""
    with connect(server.url("postgres"), autocommit=True) as connection:
        connection.execute("create database migrated")
    upgrade(server.url("migrated"))
    return "migrated"


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """A folder for one test: short enough for a socket, and one that the embedded server's account may enter.

    Pytest's own is neither: each new session of pytest closes its parent to other accounts.
    """
    folder = Path(tempfile.mkdtemp(prefix="fl-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


_numbers = itertools.count()


@pytest.fixture
def database(server: EmbeddedServer, template: str) -> Iterator[Database]:
    """A migrated database of this test's own."""
    name = f"test_{os.getpid()}_{next(_numbers)}"
    with connect(server.url("postgres"), autocommit=True) as connection:
        connection.execute(f"create database {name} template {template} strategy file_copy")
        connection.execute(f"grant create, temporary on database {name} to factorloom_writer")
    owner = server.url(name)
    yield Database(owner, with_role(owner, WRITER), with_role(owner, API))
    with connect(server.url("postgres"), autocommit=True) as connection:
        connection.execute(f"drop database {name} with (force)")
