"""`factorloom up`: every service of this machine, from one command to one Ctrl-C."""

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import FrameType

from rich.console import Console

from factorloom.environment import logs, prepare_environment
from factorloom.errors import PortsInUse, PreparationFailed
from factorloom.home_lock import hold_home, note_services
from factorloom.ports import Port, taken
from factorloom.processes import Child, last_lines
from factorloom.services import EmbeddedPostgres, Service, local_ports, local_services, write_workspace
from factorloom.status import status_on
from factorloom.supervisor import Patience, Supervisor
from warehouse.settings import Settings

PASS_SECONDS = 0.2


def up(settings: Settings, console: Console) -> None:
    """Start all services and keep them until a signal comes.

    Raises
    ------
    AlreadyRunning, PortsInUse, PreparationFailed, ServerError
        Before anything is left running.
    """
    home = settings.home.resolve()
    with hold_home(home), stop_signals() as stop:
        refuse_taken_ports(local_ports(settings))
        environment = {**os.environ, **prepare_environment(settings)}
        write_workspace(settings)
        services = local_services(settings, environment)
        postgres = next((service for service in services if isinstance(service, EmbeddedPostgres)), None)
        if postgres is not None:
            console.print("Starting PostgreSQL and bringing the databases up to date ...")
            postgres.start()
        try:
            run_preparation(settings, environment, stop)
        except PreparationFailed:
            if postgres is not None:
                postgres.stop(timeout_seconds=60)
            raise
        keep(settings, services, console, stop)
        if postgres is not None and not postgres.is_ours:
            console.print("PostgreSQL ran before and goes on; `factorloom db stop` stops it.")


def keep(
    settings: Settings,
    services: Sequence[Service],
    console: Console,
    stop: "Stop",
    *,
    patience: Patience | None = None,
) -> None:
    """Keep services running until `stop` is set, then end them."""
    home, was_ready = settings.home.resolve(), False
    with Supervisor(services, patience=patience) as supervisor:
        stop.on_second(supervisor.kill)
        with status_on(console) as status:
            while not stop.event.wait(PASS_SECONDS):
                supervisor.step()
                note_services(home, {kept.service.name: kept.service.pid for kept in supervisor.kept})
                status.show(supervisor.kept)
                if supervisor.is_ready and not was_ready:
                    was_ready = True
                    console.print(_welcome(services), highlight=False, soft_wrap=True)
        console.print("Stopping ... (Ctrl-C again kills what is left)")
    console.print("Stopped.")


def refuse_taken_ports(ports: Sequence[Port]) -> None:
    """Raise `PortsInUse` with all of those that are taken."""
    uses = taken(ports)
    if uses:
        raise PortsInUse(uses)


def run_preparation(settings: Settings, environment: Mapping[str, str], stop: "Stop") -> None:
    """Prepare databases, storage and manifest in a process of its own: what it imports is not kept for the day."""
    log = logs(settings) / "preparation.log"
    child = Child([sys.executable, "-m", "factorloom", "prepare"], environment=environment, log=log)
    child.start()
    while child.is_alive():
        if stop.event.wait(0.1):
            child.stop(timeout_seconds=10)
            return
    if child.returncode() != 0:
        raise PreparationFailed(log, last_lines(log))


class Stop:
    """Set by the first signal; later ones call what was left for them."""

    def __init__(self) -> None:
        self.event = threading.Event()
        self._on_second: Callable[[], None] = lambda: None

    def on_second(self, action: Callable[[], None]) -> None:
        """Leave what a second signal shall do."""
        self._on_second = action

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """Take a signal."""
        if self.event.is_set():
            self._on_second()
        self.event.set()


@contextmanager
def stop_signals() -> Iterator[Stop]:
    """Turn Ctrl-C, SIGTERM and a closed terminal into a `Stop`."""
    stop = Stop()
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, stop) for number in numbers}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _welcome(services: Sequence[Service]) -> str:
    addresses = {service.name: service.address for service in services}
    ui, api = addresses.get("webserver", ""), addresses.get("api", "")
    return f"Ready. Dagster UI: {ui}   API: {api}/docs   Ctrl-C stops all of it."
