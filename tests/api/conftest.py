"""A small warehouse that all tests of the API read, and the application over it."""

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from litestar.testing import TestClient
from pydantic import SecretStr

from api.app import create_app
from warehouse.connect import API, WRITER, connect, with_role
from warehouse.embedded import EmbeddedServer
from warehouse.settings import Settings

SEED = Path(__file__).parent / "seed.sql"
NOW = dt.datetime(2024, 6, 27, 12, tzinfo=dt.UTC)


def settings_for(url: str, home: Path) -> Settings:
    """Settings of an installation whose warehouse lies at `url`."""
    return Settings(home=home, api_database_url=SecretStr(url), now=NOW)


def fill(owner_url: str) -> None:
    """Make the tables that dbt would make, as the pipelines' role, and their rows."""
    with connect(with_role(owner_url, WRITER)) as connection:
        connection.execute(SEED.read_text())


@pytest.fixture(scope="session")
def seeded_url(server: EmbeddedServer, template: str) -> Iterator[str]:
    """Owner's address of a filled warehouse that no test changes."""
    with connect(server.url("postgres"), autocommit=True) as connection:
        connection.execute(f"create database api_seeded template {template}")
        connection.execute("grant create, temporary on database api_seeded to factorloom_writer")
    fill(server.url("api_seeded"))
    yield server.url("api_seeded")
    with connect(server.url("postgres"), autocommit=True) as connection:
        connection.execute("drop database api_seeded with (force)")


@pytest.fixture(scope="session")
def client(seeded_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """A client of the application over the filled warehouse, as the API's role."""
    settings = settings_for(with_role(seeded_url, API), tmp_path_factory.mktemp("home"))
    with TestClient(create_app(settings)) as client:
        yield client


@pytest.fixture
def own(database, tmp_path: Path) -> Iterator[tuple[TestClient, psycopg.Connection]]:
    """A client over a filled warehouse of this test's own, and the pipelines' connection to it."""
    fill(database.owner_url)
    settings = settings_for(database.api_url, tmp_path)
    with (
        TestClient(create_app(settings)) as client,
        connect(database.url, autocommit=True) as connection,
    ):
        yield client, connection
