"""The supervisor with services that are trivial, but real processes."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from rich.console import Console

from factorloom.processes import Child
from factorloom.services import ChildService, http_answers
from factorloom.status import Lines, LiveTable, status_on, table_of
from factorloom.supervisor import Patience, Supervisor
from factorloom.up import Stop, keep, stop_signals
from tests.ports import free_port
from warehouse.errors import ServerError
from warehouse.settings import Settings

PROJECT = Path(__file__).parents[2]
SLEEP = "import time; time.sleep(60)"
IMPATIENT = Patience(
    first_pause=0.05, longest_pause=0.2, steady_after=60, silent_for=0.5, stop=2,
    between_questions=0.05, between_questions_while_starting=0.05,
)  # fmt: skip


@pytest.fixture
def service(tmp_path):
    """Make services of Python code."""

    def service(name: str, code: str = SLEEP, *, check=lambda: True, stage: int = 1, **options) -> ChildService:
        child = Child([sys.executable, "-S", "-c", code], environment=dict(os.environ), log=tmp_path / f"{name}.log")
        return ChildService(name, child, check=check, stage=stage, **options)

    return service


@pytest.fixture
def supervise():
    """Make supervisors that are stopped at the end."""
    made = []

    def supervise(*services, patience: Patience = IMPATIENT) -> Supervisor:
        made.append(Supervisor(services, patience=patience))
        return made[-1]

    yield supervise
    for supervisor in made:
        supervisor.kill()
        supervisor.stop()


def run_until(supervisor: Supervisor, condition, *, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        supervisor.step()
        assert time.monotonic() < deadline, [(kept.service.name, kept.state, kept.detail) for kept in supervisor.kept]
        time.sleep(0.02)


def lives(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_services_run_once_they_answer(service, supervise):
    port = free_port()
    web = service(
        "web",
        f"import http.server; http.server.test(http.server.SimpleHTTPRequestHandler, port={port}, bind='127.0.0.1')",
        check=lambda: http_answers("127.0.0.1", port, "/"),
    )
    supervisor = supervise(web)
    supervisor.step()
    assert supervisor.kept[0].state == "starting"
    run_until(supervisor, lambda: supervisor.is_ready)
    assert http_answers("127.0.0.1", port, "/")
    assert not http_answers("127.0.0.1", port, "/no-such-page")
    supervisor.stop()
    assert supervisor.kept[0].state == "stopped"
    assert not http_answers("127.0.0.1", port, "/")


def test_a_stage_starts_when_the_one_before_has_answered(service, supervise):
    answers = {"first": False}
    first = service("first", check=lambda: answers["first"])
    second = service("second", stage=2)
    supervisor = supervise(first, second)
    for _ in range(10):
        supervisor.step()
        time.sleep(0.02)
    assert [kept.state for kept in supervisor.kept] == ["starting", "waiting"]
    answers["first"] = True
    run_until(supervisor, lambda: supervisor.is_ready)


def test_a_service_that_is_killed_starts_again(service, supervise):
    supervisor = supervise(service("s"))
    run_until(supervisor, lambda: supervisor.is_ready)
    before = supervisor.kept[0].service.pid
    os.kill(before, signal.SIGKILL)
    run_until(supervisor, lambda: supervisor.kept[0].state == "restarting")
    assert supervisor.kept[0].detail == "its process ended; next start in 0.05 s"
    run_until(supervisor, lambda: supervisor.is_ready)
    assert supervisor.kept[0].service.pid != before
    assert supervisor.kept[0].restarts == 1


def test_pauses_double_up_to_the_longest(service, supervise):
    supervisor = supervise(service("s", "raise SystemExit(1)", check=lambda: False))
    kept, details = supervisor.kept[0], []
    while kept.restarts < 4:
        restarts = kept.restarts
        supervisor.step()
        if kept.restarts > restarts:
            details.append(kept.detail.split()[-2])
        time.sleep(0.01)
    assert details == ["0.05", "0.1", "0.2", "0.2"]


def test_pauses_begin_anew_after_a_service_has_been_steady(service, supervise):
    supervisor = supervise(service("s"), patience=Patience(first_pause=0.01, steady_after=0.0, between_questions=0.01))
    run_until(supervisor, lambda: supervisor.is_ready)
    supervisor.kept[0].failures_in_a_row = 5
    run_until(supervisor, lambda: supervisor.kept[0].failures_in_a_row == 0)


def test_a_service_that_falls_silent_is_started_again(service, supervise):
    answers = [True]
    supervisor = supervise(service("s", check=lambda: answers[0]))
    run_until(supervisor, lambda: supervisor.is_ready)
    answers[0] = False
    run_until(supervisor, lambda: supervisor.kept[0].restarts == 1)
    assert supervisor.kept[0].detail.startswith("no answer for 0 s") or "no answer" in supervisor.kept[0].detail


def test_a_check_that_fails_in_itself_is_silence_and_ends_nobody_else(service, supervise):
    def check() -> bool:
        raise TypeError("an answer of another shape")

    supervisor = supervise(service("sound"), service("odd", check=check))
    sound, odd = supervisor.kept
    run_until(supervisor, lambda: sound.state == "running" and odd.service.is_alive())
    for _ in range(5):
        supervisor.step()
        time.sleep(0.1)
    assert (sound.state, odd.state, odd.has_answered) == ("running", "starting", False)


def test_a_service_that_never_answers_is_started_again(service, supervise):
    supervisor = supervise(service("s", check=lambda: False, start_timeout_seconds=0.2))
    run_until(supervisor, lambda: supervisor.kept[0].restarts == 1)
    assert "of its start" in supervisor.kept[0].detail


def test_a_start_that_fails_is_tried_again(supervise, tmp_path):
    class Broken:
        name, address, log, stage, start_timeout_seconds, has_group = "b", "", tmp_path / "b.log", 0, 1.0, False
        pid = None
        starts = 0

        def start(self) -> None:
            self.starts += 1
            raise ServerError("server: there is no disk.\nmore")

        def is_alive(self) -> bool:
            return False

        def answers(self) -> bool:
            return False

        def stop(self, *, timeout_seconds: float) -> None:
            pass

        def kill(self) -> None:
            pass

    broken = Broken()
    supervisor = supervise(broken)
    supervisor.step()
    assert supervisor.kept[0].detail == "server: there is no disk.; next start in 0.05 s"
    run_until(supervisor, lambda: broken.starts == 2)


def test_a_watchdog_that_is_killed_is_replaced(service, supervise):
    supervisor = supervise(service("s"))
    run_until(supervisor, lambda: supervisor.is_ready)
    watchdog = supervisor._watchdog._process
    watchdog.kill()
    watchdog.wait()
    watchdog.stdin.close()
    supervisor.step()
    assert supervisor._watchdog._process is not watchdog
    assert supervisor._watchdog._groups == {supervisor.kept[0].service.pid}


KEEP = """
import json, os, sys
from pathlib import Path
from rich.console import Console
from factorloom.home_lock import hold_home
from factorloom.processes import Child
from factorloom.services import ChildService
from factorloom.up import keep, stop_signals
from warehouse.settings import Settings

home = Path(sys.argv[1])
python, sleep = [sys.executable, "-S", "-c"], "import time; time.sleep(60)"
code = f"import subprocess; subprocess.Popen({[*python, sleep]!r}); {sleep}"

def service(name):
    child = Child([*python, code], environment=dict(os.environ), log=home / f"{name}.log")
    return ChildService(name, child, check=lambda: True)

with hold_home(home), stop_signals() as stop:
    keep(Settings(home=home), [service("one"), service("two")], Console(), stop)
"""


@pytest.fixture
def kept(tmp_path):
    """A process that keeps two services; and all processes below it."""
    process = subprocess.Popen(
        [sys.executable, "-c", KEEP, str(tmp_path)], cwd=PROJECT, stdout=subprocess.PIPE, text=True
    )
    lines = iter(process.stdout.readline, "")
    said = [line for line in iter(lambda: next(lines), "Ready. Dagster UI:    API: /docs   Ctrl-C stops all of it.\n")]
    services = json.loads((tmp_path / "up.json").read_text())["services"]
    below = [pid for service in services.values() for pid in descendants(service)]
    assert len(below) == 4
    yield process, said, below
    process.kill()
    process.wait()
    process.stdout.close()


def descendants(pid: int) -> list[int]:
    process = psutil.Process(pid)
    deadline = time.monotonic() + 10
    while not process.children() and time.monotonic() < deadline:
        time.sleep(0.02)
    return [pid, *(child.pid for child in process.children(recursive=True))]


def wait_for_end_of(pids: list[int], *, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while any(map(lives, pids)):
        assert time.monotonic() < deadline, [pid for pid in pids if lives(pid)]
        time.sleep(0.05)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_stops_everything_and_the_end_is_a_normal_one(kept, number, tmp_path):
    process, said, below = kept
    assert said == ["one: starting\n", "two: starting\n", "one: running\n", "two: running\n"]
    process.send_signal(number)
    assert process.wait(20) == 0
    wait_for_end_of(below)
    assert process.stdout.read().splitlines() == ["Stopping ... (Ctrl-C again kills what is left)", "Stopped."]
    assert not (tmp_path / "up.json").exists()


def test_nothing_outlives_a_supervisor_that_is_killed(kept):
    process, _, below = kept
    process.kill()
    process.wait()
    wait_for_end_of(below)


def test_a_second_signal_kills_what_does_not_end(service, tmp_path):
    deaf = service(
        "deaf", f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); {SLEEP}"
    )
    stop, began = Stop(), time.monotonic()
    with stop_signals() as installed:
        assert signal.getsignal(signal.SIGTERM) is installed
    supervisor = Supervisor([deaf], patience=Patience(stop=60))
    stop.on_second(supervisor.kill)
    stop(signal.SIGINT, None)
    assert stop.event.is_set()
    run_until(supervisor, lambda: deaf.log.exists() and "deaf" in deaf.log.read_text())
    stop(signal.SIGINT, None)
    supervisor.stop()
    assert time.monotonic() - began < 30


def test_a_stop_before_the_first_pass_starts_nothing(service, tmp_path):
    stop = Stop()
    stop(signal.SIGTERM, None)
    never = service("never")
    keep(Settings(home=tmp_path), [never], Console(quiet=True), stop)
    assert never.pid is None


def test_a_line_is_printed_when_a_state_changes(service, capsys, tmp_path):
    supervisor = Supervisor([service("s", address="http://h:1")], patience=IMPATIENT)
    lines = Lines(Console(width=200))
    try:
        lines.show(supervisor.kept)
        run_until(supervisor, lambda: supervisor.is_ready)
        for _ in range(2):
            lines.show(supervisor.kept)
        os.kill(supervisor.kept[0].service.pid, signal.SIGKILL)
        run_until(supervisor, lambda: supervisor.kept[0].state == "restarting")
        lines.show(supervisor.kept)
    finally:
        supervisor.stop()
    assert capsys.readouterr().out.splitlines() == [
        "s: running at http://h:1",
        f"s: restarting (its process ended; next start in 0.05 s); its log is {tmp_path / 's.log'}",
    ]


def test_a_terminal_gets_a_table(service, capsys):
    supervisor = Supervisor([service("s", address="http://h:1")], patience=IMPATIENT)
    supervisor.kept[0].restarts, supervisor.kept[0].detail = 3, "its process ended"
    console = Console(force_terminal=True, width=200)
    with status_on(console) as status:
        assert isinstance(status, LiveTable)
        status.show(supervisor.kept)
    supervisor.stop()
    shown = capsys.readouterr().out
    assert all(word in shown for word in ("service", "http://h:1", "its process ended", "3", "Ctrl-C"))
    assert table_of(supervisor.kept).row_count == 1


def test_elsewhere_the_display_is_lines():
    with status_on(Console(force_terminal=False)) as status:
        assert isinstance(status, Lines)
