"""API and PostgreSQL killed at random moments while clients write: what was accepted stands, once, and all goes on.

The supervisor brings them back; nobody else lends a hand. FACTORLOOM_TEST_KILLS says how often (`make faults`: 20,
CI: 5), FACTORLOOM_TEST_KILL_SEED draws other moments.
"""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import psutil
import psycopg
import pytest

from factorloom.environment import prepare_environment
from factorloom.services import local_services
from factorloom.supervisor import Patience, Supervisor
from tests.ports import free_port
from warehouse.connect import owner_url
from warehouse.settings import Settings, read_settings

pytestmark = [pytest.mark.slow, pytest.mark.faults]

N_KILLS = int(os.environ.get("FACTORLOOM_TEST_KILLS", "5"))
SEED = int(os.environ.get("FACTORLOOM_TEST_KILL_SEED", "1"))
N_WRITERS = 3
RECOVERY_SECONDS = 120
IMPATIENT = Patience(first_pause=0.2, longest_pause=1, between_questions=0.5, between_questions_while_starting=0.1)


class Services(NamedTuple):
    """The API and its database, kept by a supervisor in a thread."""

    settings: Settings
    supervisor: Supervisor

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.settings.api_port}"

    @property
    def key(self) -> str:
        return (Path(self.settings.home) / "keys" / "owner_api_key").read_text().strip()

    def kill(self, name: str) -> None:
        """End a service as a power cut would: the postmaster with all that serve it, or the API."""
        kept = next(kept for kept in self.supervisor.kept if kept.service.name == name)
        pid = kept.service.pid
        if pid is None:
            return
        try:
            for process in [*psutil.Process(pid).children(recursive=True), psutil.Process(pid)]:
                process.send_signal(signal.SIGKILL)
        except psutil.NoSuchProcess:
            pass


@pytest.fixture
def services(tmp_path) -> Iterator[Services]:
    port = free_port()
    environment = {**os.environ, "FACTORLOOM_HOME": str(tmp_path / "home"), "FACTORLOOM_API_PORT": str(port)}
    subprocess.run([sys.executable, "-m", "factorloom", "db", "upgrade"], env=environment, check=True, timeout=300)
    settings = read_settings(environment, folder=tmp_path)
    environment |= prepare_environment(settings)
    kept = [service for service in local_services(settings, environment) if service.name in ("postgres", "api")]
    with Supervisor(kept, patience=IMPATIENT) as supervisor:
        over = threading.Event()

        def keep() -> None:
            while not over.wait(0.1):
                supervisor.step()

        thread = threading.Thread(target=keep)
        thread.start()
        yield Services(settings, supervisor)
        over.set()
        thread.join()
    subprocess.run([sys.executable, "-m", "factorloom", "db", "stop"], env=environment, check=False, timeout=60)


class Writer(threading.Thread):
    """Makes portfolios and deletes them, one after the other, each write again until it is answered."""

    def __init__(self, services: Services, number: int, over: threading.Event) -> None:
        super().__init__()
        self.services, self.number, self.over = services, number, over
        self.accepted: dict[str, str] = {}
        self.odd: list[str] = []
        self.n_repeated = 0

    def run(self) -> None:
        headers = {"Authorization": f"Bearer {self.services.key}"}
        with httpx.Client(base_url=self.services.base, headers=headers, timeout=10, trust_env=False) as client:
            count = 0
            while not self.over.is_set() and not self.odd:
                count += 1
                name = f"Book {self.number} {count}"
                key = {"Idempotency-Key": name.replace(" ", "-")}
                made = self._until_answered(client, "POST", "/v1/portfolios", (201,), json={"name": name}, headers=key)
                if made is not None:
                    self.accepted[name] = made.json()["data"]["portfolio_id"]
                    # Asked again, it is gone already.
                    self._until_answered(client, "DELETE", f"/v1/portfolios/{self.accepted[name]}", (204, 404))

    def _until_answered(
        self, client: httpx.Client, method: str, path: str, expected: tuple[int, ...], **rest: Any
    ) -> httpx.Response | None:
        deadline = time.monotonic() + RECOVERY_SECONDS
        while time.monotonic() < deadline:
            try:
                answer = client.request(method, path, **rest)
            except httpx.TransportError:
                answer = None
            if answer is not None and answer.status_code in expected:
                return answer
            if answer is not None and answer.status_code not in (500, 503):
                break
            self.n_repeated += 1
            time.sleep(0.05)
        self.odd.append(f"{method} {path}: {answer and (answer.status_code, answer.text)}")
        return None


def test_what_was_accepted_survives_every_kill_and_nothing_happens_twice(services, figure):
    draws = random.Random(SEED)
    wait_until(lambda: writes(services), "the services never began to answer")
    over = threading.Event()
    writers = [Writer(services, number, over) for number in range(N_WRITERS)]
    for writer in writers:
        writer.start()
    recoveries = []
    for number in range(N_KILLS):
        time.sleep(draws.uniform(0.3, 1.5))
        before = sum(len(writer.accepted) for writer in writers)
        services.kill("postgres" if number % 2 else "api")
        began = time.monotonic()
        accepted = lambda before=before: sum(len(writer.accepted) for writer in writers) > before + N_WRITERS  # noqa: E731
        wait_until(accepted, f"no write was accepted after kill {number}")
        recoveries.append(time.monotonic() - began)
    over.set()
    for writer in writers:
        writer.join()
    assert [odd for writer in writers for odd in writer.odd] == []
    accepted = {name: of for writer in writers for name, of in writer.accepted.items()}
    with psycopg.connect(owner_url(services.settings)) as connection:
        left = connection.execute("select portfolio_id::text from app.portfolios where name <> 'First'").fetchall()
        told = connection.execute(
            "select subject, payload ->> 'change', count(*) from app.events where type = 'portfolio.changed'"
            " group by 1, 2"
        ).fetchall()
        first = connection.execute("select portfolio_id::text from app.portfolios where name = 'First'").fetchone()
        audited = connection.execute(
            "select action, count(*) from app.audit where action like 'portfolio%' group by 1"
        ).fetchall()
    assert left == [], "an accepted write was lost"
    written = {(portfolio_id, change, 1) for portfolio_id in accepted.values() for change in ("created", "deleted")}
    # And the one that showed that all was up.
    assert sorted(told) == sorted(written | {(first[0], "created", 1)}), "a write happened twice, or was not told"
    assert dict(audited) == {"portfolio.created": len(accepted) + 1, "portfolio.deleted": len(accepted)}
    figure(
        f"{N_KILLS} kills: {2 * len(accepted)} writes accepted, {sum(w.n_repeated for w in writers)} tries repeated,"
        f" writes again after {min(recoveries):.1f} to {max(recoveries):.1f} s"
    )


def writes(services: Services) -> bool:
    """Whether a write is accepted."""
    try:
        headers = {"Authorization": f"Bearer {services.key}", "Idempotency-Key": "first-of-all"}
        answer = httpx.post(
            f"{services.base}/v1/portfolios", json={"name": "First"}, headers=headers, timeout=10, trust_env=False
        )
    except httpx.TransportError:
        return False
    assert answer.status_code in (201, 503), answer.text
    return answer.status_code == 201


def wait_until(happened, otherwise: str) -> None:
    deadline = time.monotonic() + RECOVERY_SECONDS
    while not happened():
        assert time.monotonic() < deadline, otherwise
        time.sleep(0.1)
