"""The real thing: a process of its own that is asked over a socket."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.ports import free_port
from warehouse.connect import API, with_role

ROOT = Path(__file__).parents[2]
SERVE = "from warehouse.settings import read_settings; from api.server import run; run(read_settings())"


@pytest.fixture
def served(seeded_url: str, tmp_path: Path) -> Iterator[tuple[httpx.Client, subprocess.Popen[str]]]:
    port = free_port()
    environment = {
        **os.environ,
        "FACTORLOOM_HOME": str(tmp_path),
        "FACTORLOOM_API_DATABASE_URL": with_role(seeded_url, API),
        "FACTORLOOM_API_PORT": str(port),
        "FACTORLOOM_NOW": "2024-06-27T12:00:00Z",
        "PYTHONPATH": str(ROOT),
    }
    log = (tmp_path / "log").open("w")
    process = subprocess.Popen([sys.executable, "-c", SERVE], cwd=tmp_path, env=environment, stderr=log, text=True)
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
        _wait(client, process)
        yield client, process
    if process.poll() is None:
        process.kill()
    process.wait()
    log.close()


def _wait(client: httpx.Client, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and process.poll() is None:
        try:
            client.get("/livez")
        except httpx.TransportError:
            time.sleep(0.1)
        else:
            return
    raise AssertionError("the server did not start")


def test_a_server_answers_over_a_socket_and_ends_when_told(served, tmp_path):
    client, process = served
    assert client.get("/readyz").json()["status"] == "ok"
    answer = client.get("/v1/history/ACME", headers={"X-Request-Id": "seen-in-the-log"})
    assert answer.json()["data"][-1]["close"] == 53
    assert client.get("/v1/history/ACME", headers={"If-None-Match": answer.headers["etag"]}).status_code == 304
    head = client.head("/v1/history/ACME")
    assert (head.status_code, head.headers["content-length"]) == (200, str(len(answer.content)))
    assert client.get("/v1/history/%00").status_code == 400
    assert "server" not in answer.headers

    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=15) in (0, -signal.SIGTERM)
    lines = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    logged = next(line for line in lines if line.get("request_id") == "seen-in-the-log")
    assert (logged["event"], logged["status"], logged["operation"]) == ("request", 200, "list_history")
    assert logged["at"] == "2024-06-27T12:00:00.000+00:00"


def test_lines_of_one_header_are_one_list(served):
    client, _ = served
    tag = client.get("/v1/rankings").headers["etag"]
    held = client.get("/v1/rankings", headers=[("If-None-Match", '"other"'), ("If-None-Match", tag)])
    assert held.status_code == 304
    wanted = client.get("/v1/rankings", headers=[("Accept", "image/png"), ("Accept", "text/csv")])
    assert wanted.headers["content-type"].startswith("text/csv")
    page = client.get("/", headers=[("Accept", "application/json;q=0.1"), ("Accept", "text/html")])
    assert page.status_code == 303
    lost = client.get("/ui/instruments/NOPE", headers=[("Accept", "application/json;q=0.1"), ("Accept", "text/html")])
    assert lost.headers["content-type"].startswith("text/html")
    # What is no list is its first line.
    named = client.get("/livez", headers=[("X-Request-Id", "the-first-one"), ("X-Request-Id", "the-second")])
    assert named.headers["x-request-id"] == "the-first-one"


def test_the_api_loads_neither_models_nor_the_pipelines(tmp_path):
    probe = "import sys, api.server; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    done = subprocess.run(
        [sys.executable, "-c", probe], cwd=ROOT, env={**os.environ}, capture_output=True, text=True, check=True
    )
    assert not {"dagster", "dbt", "models", "orchestration", "alembic"} & set(done.stdout.split())
