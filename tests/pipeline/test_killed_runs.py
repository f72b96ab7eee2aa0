"""A run killed at a random moment and run again leaves what an undisturbed run leaves.

The smallest market that goes the whole way: the first quarter that can be trained, and a month of labels after it.
FACTORLOOM_TEST_KILLS says how often (`make faults`: 20, CI: 5); FACTORLOOM_TEST_KILL_SEED draws other moments.
"""

import contextlib
import os
import random
import signal
import subprocess
import time
from collections.abc import Callable
from typing import NamedTuple

import psutil
import pytest

from tests.pipeline.conftest import Installation
from tests.pipeline.digests import different, digests

pytestmark = [pytest.mark.slow, pytest.mark.faults]

N_KILLS = int(os.environ.get("FACTORLOOM_TEST_KILLS", "5"))
SEED = int(os.environ.get("FACTORLOOM_TEST_KILL_SEED", "1"))
SMALLEST_MARKET = {
    "FACTORLOOM_SIMULATED_INSTRUMENTS": "20",
    "FACTORLOOM_SIMULATED_FIRST_SESSION": "2020-11-25",
    "FACTORLOOM_NOW": "2024-02-09T23:30:00Z",
}
UNFINISHED = {"NOT_STARTED", "STARTING", "STARTED", "CANCELING", "QUEUED", "MANAGED"}


class Kill(NamedTuple):
    """When, as a share of an undisturbed run, and whether PostgreSQL dies too."""

    moment: float
    takes_postgres: bool


class Undisturbed(NamedTuple):
    """How long a run takes, and what it leaves."""

    seconds: float
    digests: dict[str, str]


def kills() -> list[Kill]:
    """Random moments, one in each of as many equal parts of the run; about every other kill takes PostgreSQL along."""
    draws = random.Random(SEED)
    return [Kill((number + draws.random()) / N_KILLS, draws.random() < 0.5) for number in range(N_KILLS)]


@pytest.fixture(scope="module")
def undisturbed(new_installation: Callable[..., Installation]) -> Undisturbed:
    installation = new_installation("undisturbed", **SMALLEST_MARKET)
    begun = time.monotonic()
    installation.refresh()
    seconds = time.monotonic() - begun
    found = digests(installation)
    installation.server.stop()
    for table in ("model_versions", "rankings", "evaluation_days", "backtest_trades"):
        assert not found[f"research.{table}"].startswith("0 rows"), table
    return Undisturbed(seconds, found)


@pytest.mark.parametrize("kill", kills(), ids=lambda kill: f"{kill.moment:.3f}{'_postgres' * kill.takes_postgres}")
def test_a_killed_run_that_is_run_again_leaves_what_an_undisturbed_one_leaves(kill, undisturbed, new_installation):
    installation, seconds = killed_installation(kill, undisturbed, new_installation)
    before = {} if kill.takes_postgres else runs(installation)
    installation.refresh()
    apart = different(digests(installation), undisturbed.digests)
    after = runs(installation)
    installation.server.stop()
    died = [run_id for run_id, state in before.items() if state in UNFINISHED]
    failed = sum(state == "FAILURE" for state in after.values())
    print(f"killed after {seconds:.1f} of {undisturbed.seconds:.0f} s, PostgreSQL too: {kill.takes_postgres}, "
          f"runs marked failed: {failed}, tables that differ: {len(apart)}")  # fmt: skip
    assert apart == {}
    assert not set(after.values()) & UNFINISHED
    assert [after[run_id] for run_id in died] == ["FAILURE"] * len(died)


def killed_installation(
    kill: Kill, undisturbed: Undisturbed, new_installation: Callable[..., Installation]
) -> tuple[Installation, float]:
    """Start a pipeline and kill it; one that was quicker than its kill gives way to another one, killed earlier."""
    seconds, name = kill.moment * undisturbed.seconds, f"killed_{kill.moment:.3f}"
    while True:
        installation = new_installation(name, **SMALLEST_MARKET)
        if is_killed(installation, seconds):
            break
        installation.server.stop()
        seconds, name = 0.8 * seconds, f"{name}_earlier"
    if kill.takes_postgres:
        kill_postgres(installation)
    return installation, seconds


def is_killed(installation: Installation, after_seconds: float) -> bool:
    """Kill the pipeline with all that it has started, dbt too; False if it had ended by then."""
    with (installation.home / "killed.log").open("wb") as log:
        pipeline = subprocess.Popen(
            installation.command("refresh"), cwd=installation.project, env=installation.variables(), stdout=log,
            stderr=log, start_new_session=True,
        )  # fmt: skip
        try:
            pipeline.wait(after_seconds)
        except subprocess.TimeoutExpired:
            os.killpg(pipeline.pid, signal.SIGKILL)
    return pipeline.wait() == -signal.SIGKILL


def kill_postgres(installation: Installation) -> None:
    """Kill the server and its helpers at once, as the end of a machine would."""
    server = installation.server.process()
    if server is None:
        return  # killed before it was started
    for process in [server, *server.children(recursive=True)]:
        with contextlib.suppress(psutil.NoSuchProcess):  # a helper may end with its server
            process.kill()


def runs(installation: Installation) -> dict[str, str]:
    """Return the state of every run; none where the kill came before Dagster's storage was there."""
    if not installation.server.data.exists():
        return {}
    if not installation.read("select from pg_database where datname = 'dagster'", "postgres"):
        return {}
    if installation.read("select to_regclass('public.runs')", "dagster") == [(None,)]:
        return {}
    return dict(installation.read("select run_id, status from runs", "dagster"))
