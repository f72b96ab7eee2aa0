import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

from factorloom import watchdog
from factorloom.processes import Child, last_lines, trim_log

# Starts a child of its own, says its number, and ignores requests to end.
STUBBORN = (
    "import signal, subprocess, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
    "print(subprocess.Popen([sys.executable, '-S', '-c', 'import time; time.sleep(60)']).pid, flush=True);"
    "time.sleep(60)"
)


@pytest.fixture
def child(tmp_path):
    children = []

    def child(code: str, **environment: str) -> Child:
        log = tmp_path / "logs" / "child.log"
        children.append(Child([sys.executable, "-S", "-c", code], environment={**os.environ, **environment}, log=log))
        return children[-1]

    yield child
    for started in children:
        started.stop(timeout_seconds=0)


def wait_for(condition, *, seconds: float = 15) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.02)


def lives(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_a_child_runs_with_its_environment_and_writes_its_log(child):
    started = child("import os; print('hello', os.environ['GREETED'])", GREETED="world")
    assert (started.pid, started.is_alive(), started.returncode()) == (None, False, None)
    started.start()
    assert started.wait(timeout_seconds=15)
    assert started.returncode() == 0
    assert started.log.read_text() == "hello world\n"


def test_a_child_can_be_started_again_and_its_log_goes_on(child):
    started = child("print('once')")
    for _ in range(2):
        started.start()
        started.wait(timeout_seconds=15)
    assert started.log.read_text() == "once\nonce\n"


def test_stopping_asks_first_and_kills_what_does_not_end_with_all_that_it_started(child):
    stubborn = child(STUBBORN)
    stubborn.start()
    wait_for(lambda: stubborn.log.exists() and stubborn.log.read_text().strip())
    grandchild = int(stubborn.log.read_text())
    stubborn.stop(timeout_seconds=0.2)
    assert stubborn.returncode() == -signal.SIGKILL
    wait_for(lambda: not lives(grandchild))


def test_stopping_what_never_started_does_nothing(child):
    child("pass").stop(timeout_seconds=1)
    assert child("pass").wait(timeout_seconds=0)


def test_waiting_ends_in_time(child):
    sleeper = child("import time; time.sleep(60)")
    sleeper.start()
    assert not sleeper.wait(timeout_seconds=0.05)


def test_a_log_that_has_grown_too_long_is_put_aside_while_its_writer_goes_on(tmp_path):
    log = tmp_path / "a.log"
    assert not trim_log(log)
    with log.open("ab") as writer:
        writer.write(b"x" * 100)
        writer.flush()
        assert not trim_log(log, max_bytes=100)
        assert trim_log(log, max_bytes=99)
        writer.write(b"new")
    assert log.read_bytes() == b"new"
    assert (tmp_path / "a.log.1").read_bytes() == b"x" * 100


def test_the_end_of_a_log_is_shown(tmp_path):
    assert last_lines(tmp_path / "none.log") == "(no log)"
    (tmp_path / "a.log").write_text("1\n2\n3\n")
    assert last_lines(tmp_path / "a.log", n_lines=2) == "2\n3"


def test_the_watchdog_ends_what_is_left_when_its_supervisor_is_gone():
    left = subprocess.Popen(
        [sys.executable, "-S", "-c", STUBBORN], stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    grandchild = int(left.stdout.readline())
    let_go = subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(60)"], start_new_session=True)
    watchdog.watch([f"+{left.pid}", f"+{let_go.pid}", f"-{let_go.pid}", f"+{2**22 - 1}"], grace_seconds=0.2)
    assert left.wait(15) == -signal.SIGKILL
    wait_for(lambda: not lives(grandchild))
    assert let_go.poll() is None
    let_go.kill()
    let_go.wait()
    left.stdout.close()


def test_the_watchdog_does_not_wait_for_those_that_end_at_once():
    quick = subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(60)"], start_new_session=True)
    reaper = psutil.Process(quick.pid)
    began = time.monotonic()
    watchdog.watch([f"+{quick.pid}", f"-{quick.pid}"], grace_seconds=30)
    assert time.monotonic() - began < 5
    reaper.kill()
    quick.wait()
