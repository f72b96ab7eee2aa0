"""Whole pipelines in installations of their own, as `factorloom refresh` runs them."""

import atexit
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
# Two quarters of forecasts. In its last two weeks, and chosen for that: a split, dividends, statements, a delisting,
# and a bar of 1 April that shows to be of the wrong day on 2 April; see test_repeatable.
LAST_DAY = "2024-04-05"
SMALL_MARKET = {
    "FACTORLOOM_SIMULATED_INSTRUMENTS": "60",
    "FACTORLOOM_SIMULATED_FIRST_SESSION": "2020-11-16",
    "FACTORLOOM_SIMULATED_SEED": "46",
    "FACTORLOOM_SIMULATED_DEFECT_RATE": "0.01",
    "FACTORLOOM_NOW": f"{LAST_DAY}T23:30:00Z",
}
PARSED = Path(tempfile.mkdtemp(prefix="fl-dbt-"))
atexit.register(shutil.rmtree, PARSED, ignore_errors=True)
PROJECT = (
    "api", "dbt_project", "factorloom", "models", "orchestration", "transforms", "warehouse",
    "dagster.yaml", "pyproject.toml", "workspace.yaml",
)  # fmt: skip


class Installation(NamedTuple):
    """A home folder with its settings, the project that runs in it, and what can be done with it."""

    home: Path
    environment: Mapping[str, str]
    project: Path = ROOT

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "factorloom", *arguments]

    def variables(self, **changes: str) -> dict[str, str]:
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("FACTORLOOM_", "DATABASE_URL", "DAGSTER_", "DBT_"))
        }
        # One parse of a project serves all its installations, as that of an image does.
        parsed = {"DBT_TARGET_PATH": str(PARSED / self.project.name)}
        return {**inherited, **parsed, **self.environment, "FACTORLOOM_HOME": str(self.home), **changes}

    def refresh(self, *arguments: str, day: str | None = None) -> str:
        """Run the pipeline up to a day and return what it printed; the test fails with it when the pipeline does."""
        clock = {"FACTORLOOM_NOW": f"{day}T23:30:00Z"} if day else {}
        done = subprocess.run(
            self.command("refresh", *arguments), cwd=self.project, env=self.variables(**clock), capture_output=True,
            text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
        return done.stdout

    @property
    def server(self) -> EmbeddedServer:
        return EmbeddedServer(self.home / "postgres")

    def connect(self, database: str = "factorloom") -> psycopg.Connection:
        self.server.start()
        return connect(self.server.url(database))

    def read(self, sql: str, database: str = "factorloom") -> list[tuple]:
        with self.connect(database) as connection:
            return connection.execute(sql).fetchall()


@pytest.fixture(scope="session")
def new_installation() -> Iterator[Callable[..., Installation]]:
    """Make installations below one temporary folder; their servers are stopped at the end."""
    folder = Path(tempfile.mkdtemp(prefix="fl-"))
    made: list[Installation] = []

    def make(name: str, *, copy_of: Installation | None = None, project: Path = ROOT, **changes: str) -> Installation:
        home = folder / name
        if copy_of is None:
            home.mkdir()
        else:
            copy_home(copy_of, home)
        made.append(Installation(home, {**SMALL_MARKET, **changes}, project))
        return made[-1]

    yield make
    for installation in made:
        installation.server.stop()
    shutil.rmtree(folder, ignore_errors=True)


def copy_home(installation: Installation, home: Path) -> None:
    """Copy a home whose server stands still; owners stay, since the server runs as an account of its own under root."""
    installation.server.stop()
    subprocess.run(["cp", "-a", installation.home, home], check=True)


@pytest.fixture
def leaking_project(tmp_path: Path) -> Path:
    """A copy of the project in which one factor looks at the next session's close."""
    for name in PROJECT:
        copy = shutil.copy if (ROOT / name).is_file() else shutil.copytree
        copy(ROOT / name, tmp_path / name)
    model = tmp_path / "dbt_project/models/factors/fct_momentum.sql"
    honest = model.read_text()
    leaking = honest.replace("lag(close_adj, 21)", "lag(close_adj, -1)")
    assert leaking != honest
    model.write_text(leaking)
    return tmp_path


@pytest.fixture(scope="session")
def refreshed(new_installation: Callable[..., Installation]) -> Installation:
    """The small market on which the whole pipeline has run once."""
    installation = new_installation("refreshed")
    installation.refresh()
    return installation
