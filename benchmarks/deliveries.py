"""How fast an alert is out: from the commit that fills the outbox to a receiver on this machine, and how many a second.

The worker runs in a process of its own, as `factorloom deliver` does; PostgreSQL and the receiver are the benchmark's.
"""

import datetime as dt
import os
import socket
import statistics
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import psycopg
from psycopg.types.json import Jsonb

from benchmarks.kernels import warehouse
from warehouse.queries.channels import create_channel
from warehouse.secrets import LOCAL_OWNER_ID, KeyRing

KEYS = {"k": bytes(range(32))}
N_SINGLE, N_BURST, TIMES = 300, 3_000, 3
ANSWER = b"HTTP/1.1 204 No Content\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"

WORKER = """
import datetime as dt, sys, threading
from orchestration.delivery.posting import Poster
from orchestration.delivery.webhooks import WebhookSender
from orchestration.worker import work
from warehouse.secrets import KeyRing
url, address = sys.argv[1:]
senders = {"webhook": WebhookSender(Poster(allow=[address]))}
work(url, senders, KeyRing({"k": bytes(range(32))}), clock=lambda: dt.datetime.now(dt.UTC), stop=threading.Event(),
     say=lambda text: print(text, flush=True))
"""


class Receiver:
    """Answers each request with a 204 and notes when it came, by the number in the message."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self.came_at: dict[int, float] = {}
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Listen no more."""
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                peer = self._listener.accept()[0]
            except OSError:
                return
            with peer:
                request = b""
                while b'"}}' not in request:
                    request += peer.recv(65_536)
                number = int(request.rpartition(b'"number":')[2].partition(b",")[0])
                self.came_at.setdefault(number, time.perf_counter())
                peer.sendall(ANSWER)


def main() -> None:
    """Measure and print."""
    before = os.getloadavg()[0]
    with warehouse() as url, running(url) as (connection, receiver, worker):
        write(connection, range(-20, 0))
        wait(receiver, 20)
        delays = sorted(single_delays(connection, receiver))
        print(
            f"commit to receiver, {N_SINGLE} one after the other: p50 {1000 * statistics.median(delays):.1f} ms,"
            f" p95 {1000 * delays[int(0.95 * N_SINGLE)]:.1f} ms, p99 {1000 * delays[int(0.99 * N_SINGLE)]:.1f} ms"
        )
        processes = (worker, server_of(connection))
        cpu_before = [cpu_seconds(process) for process in processes]
        rates = [burst_rate(connection, receiver, start=10_000 * (n + 1)) for n in range(TIMES)]
        print(
            f"burst of {N_BURST:,} in one commit, one worker, one receiver: {statistics.median(rates):,.0f} deliveries"
            f" a second (median of {TIMES}: {', '.join(f'{rate:,.0f}' for rate in rates)})"
        )
        ours, server = (
            1000 * (cpu_seconds(process) - cpu) / (TIMES * N_BURST)
            for process, cpu in zip(processes, cpu_before, strict=True)
        )
        print(f"processor time per delivery: worker {ours:.2f} ms, PostgreSQL {server:.2f} ms")
    print(f"load average before and after: {before:.1f}, {os.getloadavg()[0]:.1f}")


@contextmanager
def running(url: str) -> Iterator[tuple[psycopg.Connection, Receiver, psutil.Process]]:
    """Run a worker and a receiver that its only channel leads to."""
    receiver = Receiver()
    with psycopg.connect(url, autocommit=True) as connection:
        create_channel(
            connection, "webhook", f"http://{receiver.address}/", user_id=LOCAL_OWNER_ID, keys=KeyRing(KEYS),
            now=dt.datetime.now(dt.UTC), allow=[receiver.address], is_verified=True,
        )  # fmt: skip
        worker = subprocess.Popen([sys.executable, "-c", WORKER, url, receiver.address], stdout=subprocess.PIPE)
        try:
            assert worker.stdout is not None
            worker.stdout.readline()
            yield connection, receiver, psutil.Process(worker.pid)
        finally:
            worker.kill()
            worker.wait()
            receiver.close()


def server_of(connection: psycopg.Connection) -> psutil.Process:
    """Return the parent of all processes of the database server."""
    parent = psutil.Process(connection.info.backend_pid).parent()
    assert parent is not None
    return parent


def cpu_seconds(process: psutil.Process) -> float:
    """Return the processor time of a process and its children so far, ended or alive."""
    own = process.cpu_times()
    alive = [child.cpu_times() for child in process.children(recursive=True)]
    return own.user + own.system + own.children_user + own.children_system + sum(t.user + t.system for t in alive)


def write(connection: psycopg.Connection, numbers: range) -> float:
    """Write an event for each number, in one commit; returns when that was."""
    now = dt.datetime.now(dt.UTC)
    rows = [{"number": number, "message": f"ABC: price {number} is at or above 1."} for number in numbers]
    connection.execute(
        "insert into app.events (type, user_id, payload, dedup_key, created_at)"
        " select 'alert.triggered', %s, payload, %s || ordinality, %s"
        " from jsonb_array_elements(%s) with ordinality as given (payload)",
        [LOCAL_OWNER_ID, uuid.uuid4().hex, now, Jsonb(rows)],
    )
    return time.perf_counter()


def wait(receiver: Receiver, n: int) -> None:
    """Wait until so many messages have come."""
    deadline = time.monotonic() + 120
    while len(receiver.came_at) < n:
        if time.monotonic() > deadline:
            raise TimeoutError(f"deliveries: {n} messages must come within 120 s; got {len(receiver.came_at)}.")
        time.sleep(0.001)


def single_delays(connection: psycopg.Connection, receiver: Receiver) -> list[float]:
    """Return seconds from commit to receiver of events written one by one."""
    delays = []
    for number in range(N_SINGLE):
        known = len(receiver.came_at)
        committed_at = write(connection, range(number, number + 1))
        wait(receiver, known + 1)
        delays.append(receiver.came_at[number] - committed_at)
        time.sleep(0.02)
    return delays


def burst_rate(connection: psycopg.Connection, receiver: Receiver, *, start: int) -> float:
    """Return deliveries a second, from the commit of a burst to its last message."""
    known = len(receiver.came_at)
    committed_at = write(connection, range(start, start + N_BURST))
    wait(receiver, known + N_BURST)
    return N_BURST / (max(receiver.came_at.values()) - committed_at)


if __name__ == "__main__":
    main()
