"""Ctrl-C ends a run of the pipeline with a sentence, and the next run goes on from there."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable

import psycopg
import pytest

from tests.pipeline.conftest import Installation
from tests.pipeline.digests import different, digests

pytestmark = [pytest.mark.slow, pytest.mark.faults]

# A step that Dagster would try again after an interrupt, and one inside another program.
STEPS = ("raw__daily_bars", "marts")
# A shell's background job ignores Ctrl-C, and so would what it starts: the test may be one.
HEARING = "import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_DFL); os.execv(sys.argv[1], sys.argv[1:])"
BEGUN = "select count(*) from event_logs where dagster_event_type = 'STEP_START' and step_key = '{}'"


def has_begun(installation: Installation, step: str) -> bool:
    """Whether a step has begun; False while PostgreSQL or Dagster's storage is not there yet."""
    with contextlib.suppress(psycopg.Error):
        if installation.server.process() is not None:
            return installation.read(BEGUN.format(step), "dagster") != [(0,)]
    return False


def interrupted(installation: Installation, step: str) -> tuple[int, str]:
    """Press Ctrl-C when a step has begun; return the status and all that was printed."""
    command = [sys.executable, "-c", HEARING, *installation.command("refresh")]
    log = installation.home / f"{step}.log"
    with log.open("wb") as printed:
        # A terminal's Ctrl-C goes to the whole group.
        pipeline = subprocess.Popen(
            command, cwd=installation.project, env=installation.variables(), stdout=printed, stderr=printed,
            start_new_session=True,
        )  # fmt: skip
        while pipeline.poll() is None and not has_begun(installation, step):
            time.sleep(0.1)
        os.killpg(pipeline.pid, signal.SIGINT)
        status = pipeline.wait()
    return status, log.read_text()


def test_ctrl_c_says_one_sentence_and_the_next_run_goes_on(
    refreshed: Installation, new_installation: Callable[..., Installation]
):
    installation = new_installation("interrupted")
    for step in STEPS:
        status, printed = interrupted(installation, step)
        assert status == 130, printed
        assert "refresh: stopped. What was finished stays; `factorloom refresh` goes on from there." in printed
        assert "Traceback" not in printed
        newest = installation.read("select status from runs order by id desc limit 1", "dagster")
        assert newest == [("CANCELED",)]
    installation.refresh()
    assert different(digests(installation), digests(refreshed)) == {}
