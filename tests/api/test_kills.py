"""kill -9 of the API while jobs are asked for: what was accepted stands, and what is sent again stands once."""

import os
import random
import subprocess
import sys
import time
import uuid

import httpx
import pytest

from tests.api.conftest import ALICE
from tests.ports import free_port
from warehouse.connect import API, with_role

KILLS = int(os.environ.get("FACTORLOOM_TEST_KILLS", "5"))
JOBS_PER_LIFE = 12
SERVE = "from api.server import Server, configuration; from warehouse.settings import read_settings;" \
    "Server(configuration(read_settings())).run()"  # fmt: skip

ASKED = {"kind": "refresh", "parameters": {"part": "quotes"}}
CANCEL_ALL = "update app.jobs set state = 'cancelled', finished_at = now() where finished_at is null"

pytestmark = [pytest.mark.slow, pytest.mark.faults]


class Process:
    """The API as a process of its own."""

    def __init__(self, url: str, home: str) -> None:
        self.port = free_port()
        environment = {
            **os.environ,
            "FACTORLOOM_HOME": home,
            "FACTORLOOM_API_DATABASE_URL": with_role(url, API),
            "FACTORLOOM_API_PORT": str(self.port),
        }
        self.process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", SERVE], env=environment, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip

    def wait(self) -> None:
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            try:
                httpx.get(f"http://127.0.0.1:{self.port}/livez", timeout=2).raise_for_status()
                return
            except httpx.HTTPError:
                assert self.process.poll() is None, "the API has ended by itself"
                time.sleep(0.1)
        raise AssertionError("the API has not come up")

    def ask(self, key: str) -> httpx.Response:
        return httpx.post(
            f"http://127.0.0.1:{self.port}/v1/jobs", timeout=20,
            headers={**ALICE.headers, "Idempotency-Key": key}, json=ASKED,
        )  # fmt: skip

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


def test_no_accepted_job_is_lost_and_none_is_taken_twice_through_kill_9(site, tmp_path, figure) -> None:
    site.connection.execute("delete from app.jobs")
    dice = random.Random(7)
    accepted: dict[str, str] = {}
    unanswered: list[str] = []
    for _ in range(KILLS):
        api = Process(site.owner_url, str(tmp_path))
        try:
            api.wait()
            for key in [*unanswered, *(str(uuid.uuid4()) for _ in range(JOBS_PER_LIFE))]:
                accepted[key] = api.ask(key).json()["data"]["job_id"]
                # Each is its own job: what waits would be joined.
                site.connection.execute(CANCEL_ALL)
            # The last request is on its way when the process dies, at some moment of its work.
            last = str(uuid.uuid4())
            unanswered = [last]
            shot = f"import os, time; time.sleep({dice.uniform(0.0, 0.06)}); os.kill({api.process.pid}, 9)"
            killer = subprocess.Popen([sys.executable, "-c", shot])
            try:
                accepted[last] = api.ask(last).json()["data"]["job_id"]
                site.connection.execute(CANCEL_ALL)
                unanswered = []
            except httpx.HTTPError:
                pass
            killer.wait()
        finally:
            api.kill()
    api = Process(site.owner_url, str(tmp_path))
    try:
        api.wait()
        accepted |= {key: api.ask(key).json()["data"]["job_id"] for key in unanswered}
        again = {key: api.ask(key).json()["data"]["job_id"] for key in accepted}
    finally:
        api.kill()
    assert again == accepted
    stored = {str(job_id) for (job_id,) in site.rows("select job_id from app.jobs")}
    assert stored == set(accepted.values())
    assert len(stored) == len(accepted) == KILLS * (JOBS_PER_LIFE + 1)
    assert site.rows("select count(*) from app.events where type = 'job.requested'") == [(len(stored),)]
    figure(f"{KILLS} kills: {len(accepted)} jobs accepted, 0 lost, 0 twice")
