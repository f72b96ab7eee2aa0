"""The console script as people call it: in a process of its own."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from factorloom.cli import explanation
from factorloom.errors import FrontError, PreparationFailed, RefreshFailed
from factorloom.home_lock import hold_home
from orchestration.sources.errors import UnknownSource
from tests.ports import free_port
from warehouse.connect import embedded_server
from warehouse.settings import Settings

FACTORLOOM = Path(sys.executable).parent / "factorloom"


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    """A home whose server, if a test starts one, is stopped."""
    home = Path(tempfile.mkdtemp(prefix="fl-cli-"))
    yield home
    embedded_server(Settings(home=home)).stop()
    shutil.rmtree(home)


@pytest.fixture
def call(home, tmp_path):
    """Call the console script; the answer has stdout, stderr and returncode."""

    def call(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("FACTORLOOM_", "DATABASE_"))}
        return subprocess.run(
            [FACTORLOOM, *arguments],
            env={**kept, "FACTORLOOM_HOME": str(home), "COLUMNS": "200", **environment},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=120,
        )

    return call


def test_help_names_every_command_and_imports_nothing_heavy(call):
    answer = call("--help")
    assert answer.returncode == 0
    assert all(f" {command} " in answer.stdout for command in ("refresh", "up", "api", "doctor", "db"))
    heavy = "{'dagster', 'pandas', 'psycopg', 'alembic', 'api'}"
    code = f"import sys, factorloom.cli; print(sorted({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_help_of_the_database_names_every_command(call):
    shown = call("db", "--help").stdout
    assert all(f" {command} " in shown for command in ("upgrade", "psql", "dump", "restore", "stop"))


def test_wrong_settings_are_one_message_without_a_traceback(call):
    answer = call("db", "upgrade", FACTORLOOM_UI_PORT="web", FACTORLOOM_TYPO="1")
    assert answer.returncode == 1
    assert answer.stderr.startswith("settings: every variable must hold what .env.example says; 2 do not:\n")
    assert "Traceback" not in answer.stderr + answer.stdout


def test_an_unreachable_database_is_one_message_without_its_password(call):
    url = "postgresql://u:hunter2@127.0.0.1:1/w"
    answer = call("db", "upgrade", DATABASE_URL=url, DAGSTER_DATABASE_URL=url)
    assert answer.returncode == 1
    assert answer.stderr.startswith("warehouse: the database must be reachable")
    assert "factorloom doctor" in answer.stderr
    assert "hunter2" not in answer.stderr
    assert "Traceback" not in answer.stderr


def test_an_upgrade_brings_both_databases_up_to_date_and_a_second_one_finds_nothing_to_do(call, home):
    for _ in range(2):
        answer = call("db", "upgrade")
        assert answer.returncode == 0, answer.stderr
        assert "warehouse: at revision" in answer.stdout
        assert "dagster: storage is up to date" in answer.stdout
    pools = call(
        "db", "psql", "-At", "-d", "dagster", "-c", 'select concurrency_key, "limit" from concurrency_limits order by 1'
    )
    assert pools.stdout == "dbt|1\nml_train|1\nvendor_api|2\n"


def test_a_limit_that_somebody_set_stays(call):
    call(
        "db", "psql", "-d", "dagster", "-c", "update concurrency_limits set \"limit\" = 7 where concurrency_key = 'dbt'"
    )
    call("db", "upgrade")
    kept = call(
        "db",
        "psql",
        "-At",
        "-d",
        "dagster",
        "-c",
        "select \"limit\" from concurrency_limits where concurrency_key = 'dbt'",
    )
    assert kept.stdout == "7\n"


def test_psql_is_handed_everything_that_follows(call):
    assert call("db", "psql", "-At", "-c", "select 40 + 2").stdout == "42\n"
    assert call("db", "psql", "-c", "no sql").returncode == 1


def test_a_dump_comes_back(call, tmp_path):
    copy = tmp_path / "copy of all.dump"
    insert = "insert into app.dataset_versions (dataset, version) values ('raw.daily_bars', 'before')"
    assert call("db", "psql", "-c", insert).returncode == 0
    assert call("db", "dump", str(copy)).stdout.startswith(f"Wrote {copy} (")
    call("db", "psql", "-c", "update app.dataset_versions set version = 'after'")
    refused = call("db", "restore", str(copy))
    assert (refused.returncode, "Add --clean" in refused.stderr) == (1, True)
    assert call("db", "restore", "--clean", str(copy)).stdout == f"Restored {copy}.\n"
    assert call("db", "psql", "-At", "-c", "select version from app.dataset_versions").stdout == "before\n"


def test_a_channel_is_connected_shown_and_switched_off(call):
    made = call("alerts", "connect", "webhook", "https://example.com/hook", "--events", "alert.triggered")
    assert made.returncode == 0, made.stderr
    [channel_id] = re.findall(r"Channel (\S+) waits for its receiver to confirm", made.stdout)
    assert "whsec_" in made.stdout
    shown = call("alerts", "channels").stdout
    assert channel_id in shown
    assert "waits for its receiver to confirm" in shown
    assert "pending" in call("alerts", "deliveries").stdout
    assert call("alerts", "disconnect", channel_id).stdout == "Switched off.\n"
    assert "off: its owner switched it off" in call("alerts", "channels").stdout
    for refused, why in (
        (("alerts", "connect", "webhook", "http://127.0.0.1:9000/"), "https on port 443"),
        (("alerts", "replay"), "an id, --since or --channel must say what is sent again"),
    ):
        answer = call(*refused)
        assert answer.returncode == 1
        assert why in answer.stderr
        assert "Traceback" not in answer.stderr


def test_the_worker_watches_the_outbox_until_a_signal(home, tmp_path):
    environment = {**os.environ, "FACTORLOOM_HOME": str(home)}
    worker = subprocess.Popen([FACTORLOOM, "deliver"], env=environment, cwd=tmp_path, stdout=subprocess.PIPE, text=True)
    assert worker.stdout is not None
    assert worker.stdout.readline() == "watching the outbox\n"
    worker.send_signal(signal.SIGTERM)
    rest, _ = worker.communicate(timeout=60)
    assert rest.startswith("left the outbox: tried 0")
    assert worker.returncode == 0


def test_the_doctor_shows_a_table_and_fails_when_something_does(call):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        answer = call("doctor", FACTORLOOM_API_PORT=str(listener.getsockname()[1]))
    assert answer.returncode == 1
    assert f"held by process {os.getpid()}" in " ".join(answer.stdout.split())
    free = {
        name: str(free_port()) for name in ("FACTORLOOM_UI_PORT", "FACTORLOOM_API_PORT", "FACTORLOOM_CODE_SERVER_PORT")
    }
    answer = call("doctor", **free)
    assert answer.returncode == 0, answer.stdout
    assert "what to do" in answer.stdout


def test_the_server_is_stopped_on_demand_but_not_while_up_keeps_it(call, home):
    server = embedded_server(Settings(home=home))
    server.start()
    with hold_home(home):
        refused = call("db", "stop")
    assert (refused.returncode, f"process {os.getpid()} does" in refused.stderr) == (1, True)
    assert call("db", "stop").returncode == 0
    assert server.process() is None


def test_the_api_alone_starts_its_database_and_stops_on_a_signal(home, tmp_path):
    port = free_port()
    environment = {**os.environ, "FACTORLOOM_HOME": str(home), "FACTORLOOM_API_PORT": str(port)}
    from factorloom.services import http_answers

    with subprocess.Popen([FACTORLOOM, "api"], env=environment, cwd=tmp_path, stdout=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 60
        while not http_answers("127.0.0.1", port, "/livez"):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.1)
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) in (0, -signal.SIGTERM)


def test_an_unknown_service_is_refused_with_the_known_ones(call):
    answer = call("serve", "mail")
    assert answer.returncode == 2
    assert "code-server, webserver, daemon, api" in answer.stderr


def test_a_second_up_on_one_home_is_refused(call, home):
    with hold_home(home):
        answer = call("up")
    assert answer.returncode == 1
    assert answer.stderr.startswith(f"home: no other `factorloom up` may run on {home}; process {os.getpid()} does.")


def test_up_refuses_ports_that_are_taken_before_it_starts_anything(call, tmp_path):
    with socket.socket() as ui, socket.socket() as api:
        for listener in (ui, api):
            listener.bind(("127.0.0.1", 0))
            listener.listen()
        answer = call(
            "up", FACTORLOOM_HOME=str(tmp_path / "h"), FACTORLOOM_UI_PORT=str(ui.getsockname()[1]),
            FACTORLOOM_API_PORT=str(api.getsockname()[1]), FACTORLOOM_CODE_SERVER_PORT=str(free_port()),
        )  # fmt: skip
    assert answer.returncode == 1
    assert "2 are not:" in answer.stderr
    assert answer.stderr.count(f"is held by process {os.getpid()}") == 2
    assert not (tmp_path / "h" / "postgres").exists()


def test_errors_of_ours_are_explained_and_others_are_not():
    assert explanation(UnknownSource("x", ["simulated"])).startswith("sources: the name must be one of")
    assert explanation(FrontError("up: no.")) == "up: no."
    assert explanation(ValueError("a defect")) is None
    assert "said: gone." in explanation(psycopg.OperationalError("gone"))


def test_failures_say_where_to_look(tmp_path):
    assert str(tmp_path) in str(PreparationFailed(tmp_path, "last lines"))
    failed = RefreshFailed(job="train", run_id="abc", reason="no rows")
    assert str(failed).startswith("refresh: every step of train must succeed; run abc did not: no rows.")


def test_an_api_for_everybody_refuses_receivers_in_the_own_network(call):
    answer = call("serve", "api", "--host", "0.0.0.0", FACTORLOOM_WEBHOOK_ALLOW="127.0.0.1:9000")
    assert answer.returncode == 1
    assert "FACTORLOOM_WEBHOOK_ALLOW may be set only while FACTORLOOM_API_HOST is a loopback" in answer.stderr
    assert "got 0.0.0.0" in answer.stderr
