"""The containers' commands do what the compose file wants of them, on an external PostgreSQL."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from factorloom.processes import Child, last_lines
from tests.deploy.conftest import ROOT, Compose
from tests.ports import free_port
from warehouse.connect import connect
from warehouse.embedded import EmbeddedServer

pytestmark = pytest.mark.slow

# In the order of the compose file, which is that of the waiting.
SERVICES = ("code-server", "webserver", "daemon", "api")


class Deployment:
    """The services of the compose file as processes: one home, one server, addresses of this machine."""

    def __init__(self, compose: Compose, folder: Path, server: EmbeddedServer) -> None:
        self.compose, self.folder, self.server = compose, folder, server
        self.ports = {
            name: str(free_port())
            for name in ("FACTORLOOM_UI_PORT", "FACTORLOOM_API_PORT", "FACTORLOOM_CODE_SERVER_PORT")
        }
        self.write_secrets()

    def write_secrets(self) -> None:
        urls = {
            "database_url": self.server.url("factorloom"),
            "dagster_database_url": self.server.url("dagster"),
            "api_database_url": self.server.url("factorloom").replace("postgres@", "factorloom_reader@", 1),
        }
        for name, text in {**urls, "signing_keys": "1" * 64, "encryption_keys": "2" * 64}.items():
            (self.folder / name).write_text(text)

    def environment(self, service: str) -> dict[str, str]:
        """The service's own variables, with the paths of a container led to our folder, and what the image sets."""
        given = {
            name: value.replace("/run/secrets", str(self.folder)).replace("/var/lib/factorloom", str(self.folder))
            for name, value in self.compose.services[service].environment.items()
        }
        inherited = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        target = {"DBT_TARGET_PATH": str(self.folder / "target"), "DBT_LOG_PATH": str(self.folder / "logs")}
        small = {"FACTORLOOM_SIMULATED_INSTRUMENTS": "20", "FACTORLOOM_NOW": "2026-06-30T03:00:00Z"}
        return {**inherited, **target, **small, **given, **self.ports}

    def words(self, words: list[str]) -> list[str]:
        local = dict.fromkeys((*self.compose.services, "0.0.0.0"), "127.0.0.1")
        # The name of a service is a host only after an option that wants one.
        spoken = [
            local[word] if before.endswith("host") else word for before, word in zip(["", *words], words, strict=False)
        ]
        return [sys.executable, "-m", *spoken]

    def run(self, service: str, words: list[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.words(words), cwd=ROOT, env=self.environment(service), capture_output=True, text=True, check=False
        )

    @contextmanager
    def started(self, service: str) -> Iterator[None]:
        command = self.words(self.compose.services[service].command)
        child = Child(command, environment=self.environment(service), log=self.folder / f"{service}.log")
        child.start()
        try:
            self.wait_until_healthy(service, child)
            yield
        finally:
            # As the engine stops a container: asked to end, and killed when it takes its time.
            child.stop(timeout_seconds=10)

    def wait_until_healthy(self, service: str, child: Child) -> None:
        question = self.compose.services[service].healthcheck.test[1:]
        for _ in range(120):
            assert child.is_alive(), last_lines(child.log)
            if self.run(service, question).returncode == 0:
                return
            time.sleep(1)
        raise AssertionError(last_lines(child.log))


@pytest.fixture(scope="module")
def deployment(compose: Compose) -> Iterator[Deployment]:
    """A server of its own that the database container's script has prepared, and a home that the migration has."""
    folder = Path(tempfile.mkdtemp(prefix="fl-"))
    server = EmbeddedServer(folder / "postgres")
    server.start()
    with connect(server.url("postgres"), autocommit=True) as connection:
        connection.execute("create database factorloom")
    prepare_as_the_image_does(server, folder)
    yield Deployment(compose, folder, server)
    server.stop()
    shutil.rmtree(folder)


def prepare_as_the_image_does(server: EmbeddedServer, folder: Path) -> None:
    (folder / "api_password").write_text("it's secret")
    variables: Mapping[str, str] = {
        "PATH": f"{server.program('psql').parent}:{os.environ['PATH']}",
        "PGHOST": str(server.socket_folder),
        "POSTGRES_USER": "postgres",
        "POSTGRES_DB": "factorloom",
        "API_PASSWORD_FILE": str(folder / "api_password"),
    }
    subprocess.run([ROOT / "deploy" / "postgres" / "init.sh"], env=variables, check=True, capture_output=True)


def test_the_services_start_one_after_the_other_and_answer(deployment: Deployment):
    migrated = deployment.run("migrate", deployment.compose.services["migrate"].command)
    assert migrated.returncode == 0, migrated.stderr[-3000:]
    parsed = deployment.run("migrate", ["factorloom", "manifest"])
    assert parsed.returncode == 0, parsed.stderr[-3000:]
    with deployment.started("api"):
        ready = readiness(deployment.ports["FACTORLOOM_API_PORT"])
    assert [check["name"] for check in ready["checks"]] == ["database", "schema", "freshness"]
    with deployment.started("code-server"), deployment.started("webserver"), deployment.started("daemon"):
        assert repositories(deployment.ports["FACTORLOOM_UI_PORT"]) == ["factorloom"]


def test_the_account_of_the_api_reads_and_owns_nothing(deployment: Deployment):
    migrated = deployment.run("migrate", deployment.compose.services["migrate"].command)
    assert migrated.returncode == 0, migrated.stderr[-3000:]
    with connect((deployment.folder / "api_database_url").read_text()) as connection:
        assert connection.execute("select count(*) from research.rankings").fetchone() == (0,)
        rights = connection.execute(
            "select has_table_privilege('research.rankings', 'insert'), has_schema_privilege('raw', 'usage'),"
            " rolsuper, rolcreatedb from pg_roles where rolname = current_user"
        ).fetchone()
    assert rights == (False, False, False, False)


def readiness(port: str) -> dict:
    """What the API says of itself; on a machine that is busy the database may be late at first."""
    for _ in range(60):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz") as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            said = error.read().decode()
            time.sleep(1)
    raise AssertionError(said)


def repositories(port: str) -> list[str]:
    """The code locations that the webserver shows."""
    question = b'{"query": "{workspaceOrError{... on Workspace{locationEntries{name loadStatus}}}}"}'
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/graphql", question, headers={"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request) as answer:
        entries = json.load(answer)["data"]["workspaceOrError"]["locationEntries"]
    return [entry["name"] for entry in entries if entry["loadStatus"] == "LOADED"]
