import os
import subprocess
import sys
from pathlib import Path

import pytest

from factorloom.errors import AlreadyRunning
from factorloom.home_lock import hold_home, note_services, noted_services, running_supervisor

PROJECT = Path(__file__).parents[2]
HOLD = (
    "import sys, time; from pathlib import Path; from factorloom.home_lock import hold_home\n"
    "with hold_home(Path(sys.argv[1])):\n    print('held', flush=True)\n    time.sleep(60)"
)


@pytest.fixture
def other(tmp_path):
    """Another process that holds the home."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], cwd=PROJECT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_a_second_holder_is_refused_and_told_who_holds_it(tmp_path, other):
    with pytest.raises(AlreadyRunning, match=f"process {other.pid} does") as caught, hold_home(tmp_path):
        pass
    assert caught.value.pid == other.pid
    assert running_supervisor(tmp_path) == other.pid


def test_a_killed_holder_leaves_nothing_to_clean_up(tmp_path, other):
    other.kill()
    other.wait()
    assert running_supervisor(tmp_path) is None
    with hold_home(tmp_path):
        assert running_supervisor(tmp_path) == os.getpid()


def test_a_home_that_nobody_has_held_has_no_supervisor_and_no_services(tmp_path):
    assert running_supervisor(tmp_path / "new") is None
    assert noted_services(tmp_path / "new") == {}


def test_services_are_noted_while_the_home_is_held(tmp_path):
    with hold_home(tmp_path):
        assert noted_services(tmp_path) == {}
        note_services(tmp_path, {"api": 42, "daemon": None})
        assert noted_services(tmp_path) == {"api": 42, "daemon": None}
    assert noted_services(tmp_path) == {}
    assert not (tmp_path / "up.json").exists()


def test_a_holder_without_a_readable_number_is_another_process(tmp_path, other):
    (tmp_path / "up.lock").write_text("")
    with pytest.raises(AlreadyRunning, match="another process does"), hold_home(tmp_path):
        pass
