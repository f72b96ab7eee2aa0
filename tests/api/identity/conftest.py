"""An installation of these tests' own: its people, its keys, its clock."""

import base64
import datetime as dt
import hashlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import psycopg
import pytest
from litestar.testing import TestClient
from pydantic import SecretStr

from api.app import create_app
from tests.api.conftest import NOW, fill
from tests.api.identity.issuer import AUDIENCE, CLIENT_ID, CLIENT_SECRET, OtherIssuer
from warehouse.connect import API, WRITER, connect, with_role
from warehouse.embedded import EmbeddedServer
from warehouse.settings import Settings

PASSWORD = "correct horse battery staple"
VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
CALLBACK = "http://127.0.0.1:49152/callback"


class Clock:
    """The installation's time, and the seconds that only grow; both stand until a test turns them."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> dt.datetime:
        return NOW + dt.timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        return self.seconds


class Installation:
    """A client of the application, and what lies behind it."""

    def __init__(self, client: TestClient, owner_url: str, home: Path, clock: Clock, other: OtherIssuer) -> None:
        self.client = client
        self.owner_url = owner_url
        self.home = home
        self.clock = clock
        self.other = other
        self._numbers = 0

    def owner(self) -> psycopg.Connection:
        """Connect as the owner of the database, whom no policy holds."""
        return connect(self.owner_url, autocommit=True)

    def new_address(self) -> str:
        self._numbers += 1
        return f"person-{self._numbers}@example.com"

    def register(self, email: str | None = None, password: str = PASSWORD) -> str:
        email = email or self.new_address()
        body = {"email": email, "password": password, "display_name": "Somebody"}
        answer = self.client.post("/v1/auth/register", json=body)
        assert answer.status_code == 201, answer.text
        return email

    def login(self, email: str, password: str = PASSWORD):
        return self.client.post("/v1/auth/login", json={"email": email, "password": password})

    def me(self, token: str):
        return self.client.get("/v1/auth/me", headers={"Authorization": f"Bearer {token}".encode("latin-1")})

    def exchange(self, **form: str):
        return self.client.post("/v1/auth/token", data=form)

    def code_for(self, email: str, **changed: str) -> str:
        """Sign in by the page and return the code that goes to the client."""
        form = {**request(), "email": email, "password": PASSWORD, **changed}
        answer = self.client.post("/v1/auth/authorize", data=form, follow_redirects=False)
        assert answer.status_code == 303, answer.text
        return query_of(answer.headers["location"])["code"]

    def redeem(self, code: str, **changed: str):
        form = {
            "grant_type": "authorization_code",
            "client_id": "desktop",
            "code": code,
            "redirect_uri": CALLBACK,
            "code_verifier": VERIFIER,
        }
        return self.exchange(**{**form, **changed})


def request(**changed: str) -> dict[str, str]:
    """An authorization request that is in order."""
    return {
        "response_type": "code",
        "client_id": "desktop",
        "redirect_uri": CALLBACK,
        "code_challenge": challenge(VERIFIER),
        "code_challenge_method": "S256",
        "state": "xyz",
        **changed,
    }


def challenge(verifier: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def query_of(address: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}


@pytest.fixture(scope="module")
def other() -> Iterator[OtherIssuer]:
    """Another issuer, over HTTP."""
    with OtherIssuer(now=NOW) as issuer:
        yield issuer


@pytest.fixture(scope="module")
def installation(
    server: EmbeddedServer, template: str, other: OtherIssuer, request: pytest.FixtureRequest
) -> Iterator[Installation]:
    """An installation with the other issuer in its settings; its people are each test's own."""
    name = f"identity_{request.module.__name__.rpartition('.')[2]}"
    with connect(server.url("postgres"), autocommit=True) as connection:
        connection.execute(f"create database {name} template {template}")
        connection.execute(f"grant create, temporary on database {name} to {WRITER}")
    fill(server.url(name))
    home = Path(tempfile.mkdtemp(prefix="fl-"))
    settings = Settings(
        home=home,
        api_database_url=SecretStr(with_role(server.url(name), API)),
        now=NOW,
        public_url="http://127.0.0.1:8000",
        oauth_clients=("desktop=http://127.0.0.1/callback", "web=https://app.example/done"),
        oidc_issuer=other.address,
        oidc_audience=AUDIENCE,
        oidc_client_id=CLIENT_ID,
        oidc_client_secret=SecretStr(CLIENT_SECRET),
        api_rate_limit=0,
    )
    clock = Clock()
    with TestClient(create_app(settings, clock=clock, monotonic=clock.monotonic)) as client:
        yield Installation(client, server.url(name), home, clock, other)
    shutil.rmtree(home)
    with connect(server.url("postgres"), autocommit=True) as connection:
        connection.execute(f"drop database {name} with (force)")
