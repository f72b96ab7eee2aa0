"""A small warehouse that all tests of the API read, and the application over it."""

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import psycopg
import pytest
from litestar.testing import TestClient
from pydantic import SecretStr

from api.app import create_app
from warehouse.connect import API, WRITER, connect, with_role
from warehouse.embedded import EmbeddedServer
from warehouse.queries.api_keys import INSERT_API_KEY
from warehouse.secrets import OWNER_SCOPES, hash_of
from warehouse.settings import Settings

SEED = Path(__file__).parent / "seed.sql"
# What Alice has; the ids are those of the examples in the documentation.
BELONGINGS = Path(__file__).parent / "belongings.sql"
NOW = dt.datetime(2024, 6, 27, 12, tzinfo=dt.UTC)


class Person(NamedTuple):
    """Somebody with an account and a key for everything that the account may do."""

    user_id: str
    name: str
    role: str
    key: str

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"}


ALICE = Person("00000000-0000-7000-8000-00000000a11c", "Alice", "admin", f"fl_a11ce0000000_{'a' * 64}")
BOB = Person("00000000-0000-7000-8000-000000000b0b", "Bob", "user", f"fl_b0b000000000_{'b' * 64}")


def settings_for(url: str, home: Path) -> Settings:
    """Settings of an installation whose warehouse lies at `url`."""
    return Settings(home=home, api_database_url=SecretStr(url), now=NOW)


def fill(owner_url: str) -> None:
    """Make the tables that dbt would make, as the pipelines' role, and their rows, and two people with keys."""
    with connect(with_role(owner_url, WRITER)) as connection:
        connection.execute(SEED.read_text())
        for person in (ALICE, BOB):
            connection.execute(
                "insert into app.users (user_id, display_name, role, created_at) values (%s, %s, %s, %s)",
                [person.user_id, person.name, person.role, NOW],
            )
            row = {
                "api_key_id": person.key.split("_")[1],
                "user_id": person.user_id,
                "key_hash": hash_of(person.key.split("_")[2]),
                "scopes": list(OWNER_SCOPES),
                "label": "test",
                "now": NOW,
            }
            connection.execute(INSERT_API_KEY, row)
        connection.execute(BELONGINGS.read_text())


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


class Site(NamedTuple):
    """A client over a filled warehouse that the tests of one module write to, and the pipelines' connection to it."""

    client: TestClient
    connection: psycopg.Connection
    owner_url: str

    def ask(self, method: str, path: str, person: Person | None = ALICE, **rest):
        """Send a request as somebody."""
        headers = {**(person.headers if person else {}), **rest.pop("headers", {})}
        return self.client.request(method, path, headers=headers, **rest)

    def rows(self, sql: str, *parameters):
        """Return the rows of a query, as the pipelines see them."""
        return self.connection.execute(sql, parameters).fetchall()


@pytest.fixture(scope="module")
def site(server: EmbeddedServer, template: str, tmp_path_factory, request) -> Iterator[Site]:
    """A warehouse of the module's own."""
    name = f"site_{abs(hash(request.module.__name__)) % 10**8}"
    with connect(server.url("postgres"), autocommit=True) as connection:
        connection.execute(f"create database {name} template {template}")
        connection.execute(f"grant create, temporary on database {name} to factorloom_writer")
    url = server.url(name)
    fill(url)
    settings = settings_for(with_role(url, API), tmp_path_factory.mktemp("home"))
    with (
        TestClient(create_app(settings)) as client,
        connect(with_role(url, WRITER), autocommit=True) as connection,
    ):
        yield Site(client, connection, url)
    with connect(server.url("postgres"), autocommit=True) as connection:
        connection.execute(f"drop database {name} with (force)")
