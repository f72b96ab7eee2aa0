"""Whole pipelines in installations of their own, as `factorloom refresh` runs them."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import psycopg
import pytest

from warehouse.connect import connect
from warehouse.embedded import EmbeddedServer

ROOT = Path(__file__).resolve().parents[2]
# Long enough for two quarters of forecasts, small enough for a minute.
SMALL_MARKET = {
    "FACTORLOOM_SIMULATED_INSTRUMENTS": "60",
    "FACTORLOOM_SIMULATED_DEFECT_RATE": "0.002",
    "FACTORLOOM_NOW": "2024-06-28T23:30:00Z",
}
# Written at each change, and so different between two runs that agree in everything else.
STAMPS = ("ingested_at", "computed_at", "decided_at", "first_seen_at", "changed_at", "created_at", "published_at")
SCHEMAS = ("raw", "marts", "factors", "research", "app")


class Installation(NamedTuple):
    """A home folder with its settings, and what can be done with it."""

    home: Path
    environment: Mapping[str, str]

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "factorloom", *arguments]

    def variables(self, **changes: str) -> dict[str, str]:
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("FACTORLOOM_", "DATABASE_URL", "DAGSTER_", "DBT_"))
        }
        return {**inherited, **self.environment, "FACTORLOOM_HOME": str(self.home), **changes}

    def refresh(self, *arguments: str, **changes: str) -> str:
        """Run the pipeline and return what it printed; the test fails with it when the pipeline does."""
        done = subprocess.run(
            self.command("refresh", *arguments), cwd=ROOT, env=self.variables(**changes), capture_output=True,
            text=True, timeout=900, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
        return done.stdout

    @property
    def server(self) -> EmbeddedServer:
        return EmbeddedServer(self.home / "postgres")

    def connect(self) -> psycopg.Connection:
        return connect(self.server.url("factorloom"))

    def digests(self) -> dict[str, str]:
        """Return a content digest of every table, stamps aside."""
        with self.connect() as connection:
            return {table: digest(connection, table) for table in tables(connection)}


def tables(connection: psycopg.Connection) -> list[str]:
    rows = connection.execute(
        "select schemaname || '.' || tablename from pg_tables where schemaname = any(%s) order by 1", [list(SCHEMAS)]
    )
    return [row[0] for row in rows]


def digest(connection: psycopg.Connection, table: str, where: str = "true") -> str:
    """Return rows and content hash of a table; columns that only say when are left out."""
    columns = connection.execute(
        "select string_agg(quote_ident(attname), ', ' order by attname) from pg_attribute"
        " where attrelid = %s::regclass and attnum > 0 and not attisdropped and attname <> all(%s)",
        [table, list(STAMPS)],
    ).fetchone()
    row = connection.execute(
        f"select count(*) || ' rows ' || coalesce(sum(hashtextextended(row({columns[0]})::text, 0)), 0)"
        f" from {table} where {where}"
    ).fetchone()
    return row[0]


@pytest.fixture(scope="session")
def new_installation() -> Iterator[Callable[..., Installation]]:
    """Make installations below one temporary folder; their servers are stopped at the end."""
    folder = Path(tempfile.mkdtemp(prefix="fl-"))
    made: list[Installation] = []

    def make(name: str, **changes: str) -> Installation:
        home = folder / name
        home.mkdir()
        made.append(Installation(home, {**SMALL_MARKET, **changes}))
        return made[-1]

    yield make
    for installation in made:
        installation.server.stop()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def refreshed(new_installation: Callable[..., Installation]) -> Installation:
    """A small market on which the whole pipeline has run once."""
    installation = new_installation("refreshed")
    installation.refresh()
    return installation
