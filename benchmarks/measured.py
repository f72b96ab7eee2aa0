"""Runs a command on an installation of its own and measures what it costs: time, processor, memory."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec
import psutil

from warehouse.connect import connect
from warehouse.embedded import EmbeddedServer

ROOT = Path(__file__).resolve().parent.parent
SAMPLE_SECONDS = 0.25
# From the first to the last event of each step of each run, as the UI shows them.
STEP_SECONDS = """
select step_key, sum(seconds)::float8
from (
    select run_id, step_key, min(timestamp) as began_at, extract(epoch from max(timestamp) - min(timestamp)) as seconds
    from event_logs
    where step_key is not null and dagster_event_type in ('STEP_START', 'STEP_SUCCESS') and timestamp >= %s
    group by run_id, step_key
) as steps
group by step_key
order by min(began_at)
"""


class Cost(msgspec.Struct, frozen=True):
    """What one command cost."""

    seconds: float
    pipeline_cpu_seconds: float
    server_cpu_seconds: float
    largest_process: str
    largest_bytes: int
    load_before: float
    load_after: float
    seconds_by_step: dict[str, float]

    @property
    def cpu_seconds(self) -> float:
        """Processor time of the command, its children and the database server."""
        return self.pipeline_cpu_seconds + self.server_cpu_seconds


class Peak:
    """Watches, while it is open, how large each process of a command and of a database server grows.

    Of a database process the pages that it shares with the others are not counted: they are one pool, counted once as
    `shared_buffers`.
    """

    def __init__(self, pid: int, server: EmbeddedServer) -> None:
        self.largest_process, self.largest_bytes = "", 0
        self._pid, self._server = pid, server
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._ended.wait(SAMPLE_SECONDS):
            for process in (psutil.Process(self._pid), self._server.process()):
                if process is not None:
                    self._look_at_family(process, is_server=process.pid != self._pid)

    def _look_at_family(self, parent: psutil.Process, *, is_server: bool) -> None:
        try:
            for process in (parent, *parent.children(recursive=True)):
                memory = process.memory_info()
                size = memory.rss - memory.shared if is_server else memory.rss
                if size > self.largest_bytes:
                    self.largest_bytes, self.largest_process = size, " ".join(process.cmdline())[:60]
        except psutil.Error:
            return  # it has ended between two looks


def install(home: Path) -> None:
    """Do for `home` what `make install` does for the default one: parse the dbt project."""
    subprocess.run(
        [sys.executable, "-m", "factorloom", "manifest"], cwd=ROOT, check=True, stdout=subprocess.DEVNULL,
        env=environment(home),
    )  # fmt: skip


def environment(home: Path, settings: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the variables of a process that works on the installation in `home` and knows of no other one."""
    others = ("FACTORLOOM_", "DAGSTER_", "DATABASE_URL")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(others)}
    return {**inherited, **(settings or {}), "FACTORLOOM_HOME": str(home)}


def run(home: Path, arguments: list[str], settings: Mapping[str, str]) -> Cost:
    """Run `factorloom` on the installation in `home` and return what it cost.

    Raises
    ------
    RuntimeError
        With the last lines that it printed, when it fails.
    """
    server = EmbeddedServer(home / "postgres")
    load_before, server_before = os.getloadavg()[0], server_cpu_seconds(server)
    started_at, started = time.time(), time.monotonic()
    with (home / "benchmark.log").open("w") as log:
        command = subprocess.Popen(
            [sys.executable, "-m", "factorloom", *arguments], cwd=ROOT, stdout=log, stderr=subprocess.STDOUT,
            env=environment(home, settings),
        )  # fmt: skip
        with Peak(command.pid, server) as peak:
            _, status, usage = os.wait4(command.pid, 0)
        seconds = time.monotonic() - started
    if status != 0:
        raise RuntimeError(f"factorloom {' '.join(arguments)} failed:\n{(home / 'benchmark.log').read_text()[-3000:]}")
    return Cost(
        seconds=seconds,
        pipeline_cpu_seconds=usage.ru_utime + usage.ru_stime,
        server_cpu_seconds=server_cpu_seconds(server) - server_before,
        largest_process=peak.largest_process,
        largest_bytes=peak.largest_bytes,
        load_before=load_before,
        load_after=os.getloadavg()[0],
        seconds_by_step=_seconds_by_step(server, started_at),
    )


def server_cpu_seconds(server: EmbeddedServer) -> float:
    """Return the processor time of a server and all its processes so far, ended or alive; 0 where none runs."""
    process = server.process()
    if process is None:
        return 0.0
    own = process.cpu_times()
    alive = [child.cpu_times() for child in process.children(recursive=True)]
    return sum((own.user, own.system, own.children_user, own.children_system)) + sum(
        times.user + times.system for times in alive
    )


def _seconds_by_step(server: EmbeddedServer, started_at: float) -> dict[str, float]:
    with connect(server.url("dagster")) as connection:
        since = connection.execute("select to_timestamp(%s) at time zone 'utc'", [started_at]).fetchone()
        rows = connection.execute(STEP_SECONDS, since).fetchall()
    return {step.replace("__", "."): seconds for step, seconds in rows}
