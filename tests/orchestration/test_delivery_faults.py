"""Deliveries while worker, database and receiver are killed at random moments: none lost, none forged.

FACTORLOOM_TEST_KILLS says how often each of them is killed, at 100 deliveries a kill (`make faults`: 20, CI: 5).
"""

import contextlib
import datetime as dt
import json
import os
import random
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import psycopg
import pytest

from tests.ports import free_port
from warehouse.connect import WRITER, with_role
from warehouse.embedded import EmbeddedServer
from warehouse.migrate import upgrade
from warehouse.queries.channels import create_channel
from warehouse.queries.deliveries import read_counts
from warehouse.queries.events import write_event
from warehouse.secrets import LOCAL_OWNER_ID, KeyRing

N_KILLS = 3 * int(os.environ.get("FACTORLOOM_TEST_KILLS", "5"))
N_DELIVERIES = 30 * N_KILLS
KEYS = KeyRing({"k": bytes(range(32))})

WORKER = """
import datetime as dt, sys, threading
from orchestration.delivery.posting import Poster
from orchestration.delivery.webhooks import WebhookSender
from orchestration.worker import work
from warehouse.secrets import KeyRing
url, address = sys.argv[1:]
work(url, {"webhook": WebhookSender(Poster(allow=[address], timeout_seconds=1.0))}, KeyRing({"k": bytes(range(32))}),
     clock=lambda: dt.datetime.now(dt.UTC), stop=threading.Event(), lease_seconds=2.0)
"""
# Writes down what it has got and whether the official library believes it, and only then answers.
RECEIVER = """
import json, os, sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from standardwebhooks import Webhook
port, path, secret = sys.argv[1:]
kept = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        number = Webhook(secret).verify(body, headers)["data"]["number"]
        os.write(kept, (json.dumps([headers["webhook-id"], number]) + "\\n").encode())
        self.send_response(204)
        self.end_headers()
    def log_message(self, *args):
        pass
class Server(ThreadingHTTPServer):
    request_queue_size = 128
Server(("127.0.0.1", int(port)), Handler).serve_forever()
"""


class Process:
    """A program that is started, killed without a warning, and started again."""

    def __init__(self, program: str, *arguments: str) -> None:
        self._command = [sys.executable, "-c", program, *arguments]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(self._command)

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()


class Scene(NamedTuple):
    """What runs, where it writes to, and how each of it is killed and started again."""

    url: str
    received: Path
    kill: dict[str, Callable[[], None]]
    start: dict[str, Callable[[], Any]]

    def connect(self) -> psycopg.Connection:
        return psycopg.connect(self.url, autocommit=True)

    def arrivals(self) -> list[tuple[str, int]]:
        # A receiver killed while it wrote leaves half a line: it had not answered, and gets the message again.
        lines = self.received.read_text().splitlines() if self.received.exists() else []
        return [tuple(json.loads(line)) for line in lines if line.endswith("]")]


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    server, port = EmbeddedServer(tmp_path / "postgres"), free_port()
    server.start()
    with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
        connection.execute("create database w")
    upgrade(server.url("w"))
    url, address = with_role(server.url("w"), WRITER), f"127.0.0.1:{port}"
    with psycopg.connect(url, autocommit=True) as connection:
        made = create_channel(
            connection, "webhook", f"http://{address}/", user_id=LOCAL_OWNER_ID, keys=KEYS,
            now=dt.datetime.now(dt.UTC), allow=[address], is_verified=True,
        )  # fmt: skip
    assert made.secret is not None
    worker = Process(WORKER, url, address)
    receiver = Process(RECEIVER, str(port), str(tmp_path / "received"), made.secret)

    def kill_postgres() -> None:
        process = server.process()
        assert process is not None
        process.kill()
        process.wait()

    worker.start()
    receiver.start()
    yield Scene(
        url,
        tmp_path / "received",
        kill={"worker": worker.kill, "receiver": receiver.kill, "postgres": kill_postgres},
        start={"worker": worker.start, "receiver": receiver.start, "postgres": server.start},
    )
    worker.kill()
    receiver.kill()
    server.stop()


def persist(scene: Scene, act: Callable[[psycopg.Connection], Any], *, seconds: float = 60) -> Any:
    """Do something that may be repeated until the database has done it."""
    end = time.monotonic() + seconds
    while True:
        try:
            with scene.connect() as connection:
                return act(connection)
        except psycopg.OperationalError:
            assert time.monotonic() < end, "the database has not come back"
            time.sleep(0.05)


def announce_all(scene: Scene) -> None:
    """Write all events, each until it stands; a repetition of one that does writes nothing."""
    for number in range(N_DELIVERIES):
        persist(
            scene,
            lambda connection, number=number: write_event(
                connection, "alert.triggered", {"number": number}, dedup_key=f"alert:{number}",
                now=dt.datetime.now(dt.UTC), user_id=LOCAL_OWNER_ID,
            ),
        )  # fmt: skip


def let_time_pass(connection: psycopg.Connection) -> None:
    """Make due what waits for its next try, as the hours do."""
    connection.execute("update app.deliveries set next_attempt_at = now() where state = 'pending'")
    connection.execute("update app.channels set paused_until = null")


@pytest.mark.faults
def test_no_delivery_is_lost_or_forged_whoever_is_killed(scene: Scene, figure: Callable[[str], None]) -> None:
    chance, killed = random.Random(20261126), Counter[str]()
    writer = threading.Thread(target=announce_all, args=(scene,))
    writer.start()
    for _ in range(N_KILLS):
        time.sleep(chance.uniform(0.1, 0.8))
        victim = min(scene.kill, key=lambda name: (killed[name], chance.random()))
        scene.kill[victim]()
        killed[victim] += 1
        time.sleep(chance.uniform(0.0, 0.4))
        scene.start[victim]()
        persist(scene, let_time_pass)
    writer.join()

    end = time.monotonic() + 120
    while persist(scene, read_counts).n_done < N_DELIVERIES:
        assert time.monotonic() < end, persist(scene, read_counts)
        with contextlib.suppress(psycopg.OperationalError):
            persist(scene, let_time_pass)
        time.sleep(0.5)

    arrivals = scene.arrivals()
    assert {number for _, number in arrivals} == set(range(N_DELIVERIES))
    # One id for each event, and one event for each id: a repetition is known by it.
    assert len(set(arrivals)) == len({message_id for message_id, _ in arrivals}) == N_DELIVERIES
    figure(f"{N_DELIVERIES} deliveries, killed {dict(killed)}: {len(arrivals) - N_DELIVERIES} repeated, none lost")
