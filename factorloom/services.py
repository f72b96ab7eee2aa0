"""The services of an installation: how each is started, where it listens, and how to tell that it answers."""

import contextlib
import http.client
import json
import signal
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

import yaml

from factorloom.environment import dagster_home, logs
from factorloom.ports import Port
from factorloom.processes import Child
from warehouse.connect import embedded_server
from warehouse.settings import LOOPBACK, Settings

LOCATION = "factorloom"
DEFINITIONS = "orchestration.definitions"
LOCAL = "127.0.0.1"
CHECK_TIMEOUT_SECONDS = 10.0

Check = Callable[[], bool]


class Service(Protocol):
    """What the supervisor keeps running."""

    name: str
    address: str
    log: Path
    stage: int
    """It starts when all of the stages before have answered once."""
    start_timeout_seconds: float
    has_group: bool
    """True when its pid is that of a process group of ours."""

    @property
    def pid(self) -> int | None:
        """Its process, None where there is none."""

    def start(self) -> None:
        """Start it."""

    def is_alive(self) -> bool:
        """Tell whether its process runs; must not block."""

    def answers(self) -> bool:
        """Tell whether it does its work; may take seconds."""

    def stop(self, *, timeout_seconds: float) -> None:
        """End it with everything that it has started."""

    def kill(self) -> None:
        """End it at once, where that loses nothing."""


class ChildService:
    """A service that is our child process."""

    has_group = True

    def __init__(
        self,
        name: str,
        child: Child,
        *,
        check: Check,
        address: str = "",
        stage: int = 1,
        start_timeout_seconds: float = 180,
    ) -> None:
        self.name = name
        self.stage = stage
        self.child = child
        self.address = address
        self.check = check
        self.log = child.log
        self.start_timeout_seconds = start_timeout_seconds

    @property
    def pid(self) -> int | None:
        """Process id while it runs."""
        return self.child.pid if self.child.is_alive() else None

    def start(self) -> None:
        """Start the process."""
        self.child.start()

    def is_alive(self) -> bool:
        """True while the process runs."""
        return self.child.is_alive()

    def answers(self) -> bool:
        """Ask the service itself."""
        return self.check()

    def stop(self, *, timeout_seconds: float) -> None:
        """Ask the process to end, wait, then kill its whole group."""
        self.child.stop(timeout_seconds=timeout_seconds)

    def kill(self) -> None:
        """Kill the whole group."""
        self.child.send(signal.SIGKILL)


class EmbeddedPostgres:
    """The embedded server. It is nobody's child and outlives a supervisor that is killed: no data is at risk."""

    name = "postgres"
    stage = 0
    has_group = False
    start_timeout_seconds = 120.0

    def __init__(self, settings: Settings) -> None:
        self.server = embedded_server(settings)
        self.address = str(self.server.socket_folder)
        self.log = self.server.log
        self.is_ours = False

    @property
    def pid(self) -> int | None:
        """Process id of the postmaster."""
        process = self.server.process()
        return process.pid if process else None

    def start(self) -> None:
        """Start it unless it runs; remember whether that was us."""
        self.is_ours = self.server.start() or self.is_ours

    def is_alive(self) -> bool:
        """True while the postmaster runs."""
        return self.server.process() is not None

    def answers(self) -> bool:
        """Ask for a connection."""
        return self.server.accepts()

    def stop(self, *, timeout_seconds: float) -> None:
        """Stop it if we started it: somebody else may be working with one that ran before us.

        The time limit is that of pg_ctl.
        """
        if self.is_ours:
            self.server.stop()

    def kill(self) -> None:
        """Leave it: a fast stop takes a second, a killed server has to recover."""


def local_services(settings: Settings, environment: Mapping[str, str]) -> list[Service]:
    """Return the services of this machine in the order of their start."""
    ui, code, api = settings.ui_port, settings.code_server_port, settings.api_port
    api_host = reachable_host(settings.api_host)

    def child(name: str, address: str, stage: int, host: str = LOCAL) -> ChildService:
        command = [sys.executable, "-m", "factorloom", "serve", name]
        process = Child(command, environment=environment, log=logs(settings) / f"{name}.log")
        return ChildService(name, process, check=check_of(settings, name, host), address=address, stage=stage)

    services: list[Service] = [EmbeddedPostgres(settings)] if settings.is_embedded else []
    return [
        *services,
        child("code-server", f"{LOCAL}:{code}", 1),
        child("api", f"http://{api_host}:{api}", 1, api_host),
        child("webserver", f"http://{LOCAL}:{ui}", 2),
        child("daemon", "", 2),
    ]


def check_of(settings: Settings, service: str, host: str) -> Check:
    """Return the question whether a service does its work; the daemon's is answered by the webserver at `host`."""
    checks: Mapping[str, Check] = {
        "code-server": lambda: grpc_answers(host, settings.code_server_port),
        "api": lambda: http_answers(host, settings.api_port, "/livez"),
        "webserver": lambda: http_answers(host, settings.ui_port, "/server_info"),
        "daemon": DaemonCheck(host, settings.ui_port),
    }
    return checks[service]


def local_ports(settings: Settings) -> list[Port]:
    """Return where the services of this machine listen."""
    ports = [
        Port("webserver", LOCAL, settings.ui_port, "FACTORLOOM_UI_PORT"),
        Port("api", settings.api_host, settings.api_port, "FACTORLOOM_API_PORT"),
        Port("code-server", LOCAL, settings.code_server_port, "FACTORLOOM_CODE_SERVER_PORT"),
    ]
    if settings.api_metrics_port is not None:
        ports.append(
            Port("metrics", settings.api_metrics_host, settings.api_metrics_port, "FACTORLOOM_API_METRICS_PORT")
        )
    return ports


def write_workspace(settings: Settings, *, host: str = LOCAL) -> Path:
    """Write the workspace file that leads webserver and daemon to the code server; return its path."""
    server = {"host": host, "port": settings.code_server_port, "location_name": LOCATION}
    path = dagster_home(settings) / "workspace.yaml"
    text = yaml.safe_dump({"load_from": [{"grpc_server": server}]}, sort_keys=False)
    if not path.exists() or path.read_text() != text:
        path.write_text(text)
    return path


def reachable_host(host: str) -> str:
    """Return the address under which this machine reaches a service that listens on `host`."""
    return host if host in LOOPBACK else {"0.0.0.0": LOCAL, "::": "::1"}.get(host, host)  # noqa: S104 - compared, not bound


def http_answers(host: str, port: int, path: str) -> bool:
    """Tell whether a GET is answered by a success."""
    with contextlib.closing(http.client.HTTPConnection(host, port, timeout=CHECK_TIMEOUT_SECONDS)) as connection:
        try:
            connection.request("GET", path)
            return connection.getresponse().status < 400
        except (OSError, http.client.HTTPException):
            return False


def grpc_answers(host: str, port: int) -> bool:
    """Tell whether a Dagster code server has loaded its definitions and serves them."""
    # Imported here: half a second that `factorloom --help` need not pay.
    import grpc  # type: ignore[import-untyped]  # the library has no types
    from grpc_health.v1 import health_pb2, health_pb2_grpc  # type: ignore[import-untyped]  # the same

    with grpc.insecure_channel(f"{host}:{port}") as channel:
        try:
            answer = health_pb2_grpc.HealthStub(channel).Check(
                health_pb2.HealthCheckRequest(service="DagsterApi"), timeout=CHECK_TIMEOUT_SECONDS
            )
        except grpc.RpcError:
            return False
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


class DaemonCheck:
    """Asks the webserver whether every daemon that is needed sends heartbeats."""

    query = "{instance{daemonHealth{allDaemonStatuses{daemonType required healthy}}}}"

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self._last_answer = False

    def __call__(self) -> bool:
        """Ask; the last answer stands while the webserver or its database is away, which proves nothing of daemons."""
        with contextlib.closing(
            http.client.HTTPConnection(self._host, self._port, timeout=CHECK_TIMEOUT_SECONDS)
        ) as web:
            try:
                body = json.dumps({"query": self.query})
                web.request("POST", "/graphql", body=body, headers={"Content-Type": "application/json"})
                answer: Any = json.loads(web.getresponse().read())
                statuses = answer["data"]["instance"]["daemonHealth"]["allDaemonStatuses"]
            # GraphQL answers without data, or with an error alone, while the webserver cannot read its database.
            except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError):
                return self._last_answer
        self._last_answer = all(status["healthy"] for status in statuses if status["required"])
        return self._last_answer
