import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import dagster as dg
import psutil
import pytest
from dagster import DagsterEvent, DagsterEventType, DagsterInstance, DagsterRunStatus
from dagster._core.events import EngineEventData

from orchestration.dead_runs import fail_dead_runs, find_dead_runs
from orchestration.resources import PID_TAG, PROCESS_STARTED_TAG


@dg.job
def work():
    """Do nothing."""


@pytest.fixture
def instance(tmp_path):
    with DagsterInstance.local_temp(str(tmp_path)) as instance:
        instance.event_log_storage.set_concurrency_slots("dbt", 1)
        yield instance


@pytest.fixture
def run(instance):
    """Make runs in a state, with the marks of a process."""

    def run(status=DagsterRunStatus.STARTED, process: psutil.Process | None = None, **tags: str) -> str:
        marks = {PID_TAG: str(process.pid), PROCESS_STARTED_TAG: f"{process.create_time():.2f}"} if process else {}
        return instance.create_run_for_job(work, status=status, tags={**marks, **tags}).run_id

    return run


@pytest.fixture
def ended() -> psutil.Process:
    """A process that has ended."""
    started = subprocess.Popen([sys.executable, "-S", "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE)
    process = psutil.Process(started.pid)
    process.create_time()
    started.communicate()
    return process


def mark_by_event(instance: DagsterInstance, run_id: str, pid: int, *, at: float | None = None) -> None:
    """Write what a code server writes when its process for a run has begun."""
    event = DagsterEvent(
        event_type_value=DagsterEventType.ENGINE_EVENT.value,
        job_name="work",
        message=f"Started process for run (pid: {pid}).",
        event_specific_data=EngineEventData.in_process(pid),
    )
    instance.report_dagster_event(event, run_id, timestamp=at)


ME = psutil.Process(os.getpid())


@pytest.mark.parametrize(
    "status",
    [
        DagsterRunStatus.NOT_STARTED, DagsterRunStatus.STARTING, DagsterRunStatus.STARTED, DagsterRunStatus.CANCELING,
    ],
    ids=lambda s: s.value,
)  # fmt: skip
def test_a_run_whose_process_has_ended_is_failed_and_says_why(instance, run, ended, status):
    run_id = run(status, ended)
    dead = fail_dead_runs(instance)
    assert [(found.run.run_id, found.reason) for found in dead] == [(run_id, f"its process {ended.pid} has ended")]
    assert instance.get_run_by_id(run_id).status == DagsterRunStatus.FAILURE
    last = instance.all_logs(run_id)[-1]
    assert f"its process {ended.pid} has ended. Marked as failed; launch it again." in last.message
    assert fail_dead_runs(instance) == []


def test_a_run_whose_process_lives_is_left_alone(instance, run):
    run_id = run(process=ME)
    assert fail_dead_runs(instance, grace=timedelta(0)) == []
    assert instance.get_run_by_id(run_id).status == DagsterRunStatus.STARTED


@pytest.mark.parametrize(
    "status",
    [DagsterRunStatus.SUCCESS, DagsterRunStatus.FAILURE, DagsterRunStatus.CANCELED],
    ids=lambda s: s.value,
)
def test_a_run_that_has_ended_is_left_alone(instance, run, ended, status):
    run(status, ended)
    assert fail_dead_runs(instance, grace=timedelta(0)) == []


def test_a_run_that_waits_to_be_launched_is_left_alone(instance, run):
    run(DagsterRunStatus.NOT_STARTED)
    assert fail_dead_runs(instance, grace=timedelta(0)) == []


def test_another_process_with_the_same_number_does_not_count(instance, run):
    run_id = run(**{PID_TAG: str(ME.pid), PROCESS_STARTED_TAG: f"{ME.create_time() - 60:.2f}"})
    assert [found.run.run_id for found in find_dead_runs(instance)] == [run_id]


def test_a_zombie_does_not_count(instance, run):
    zombie = subprocess.Popen([sys.executable, "-S", "-c", ""])
    process = psutil.Process(zombie.pid)
    run_id = run(process=process)
    while process.status() != psutil.STATUS_ZOMBIE:
        pass
    assert [found.run.run_id for found in find_dead_runs(instance)] == [run_id]
    zombie.wait()


def test_without_tags_the_event_of_the_code_server_tells_the_process(instance, run, ended):
    alive, dead = run(), run()
    instance.report_engine_event("something else", instance.get_run_by_id(alive))
    mark_by_event(instance, alive, ME.pid)
    mark_by_event(instance, dead, ended.pid)
    assert [found.run.run_id for found in find_dead_runs(instance, grace=timedelta(0))] == [dead]


def test_a_process_that_began_after_the_event_is_another_one(instance, run):
    run_id = run()
    mark_by_event(instance, run_id, ME.pid, at=ME.create_time() - 60)
    assert [found.run.run_id for found in find_dead_runs(instance)] == [run_id]


def test_a_run_that_says_nothing_is_dead_only_after_a_while(instance, run):
    run_id = run()
    assert find_dead_runs(instance) == []
    assert [found.reason for found in find_dead_runs(instance, grace=timedelta(0))] == [
        "no process has said that it works on it"
    ]
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    assert [found.run.run_id for found in find_dead_runs(instance, clock=lambda: tomorrow)] == [run_id]


def test_a_clock_that_is_frozen_in_the_past_is_not_believed(instance, run):
    run()
    past = datetime(2020, 1, 1, tzinfo=UTC)
    assert len(find_dead_runs(instance, clock=lambda: past, grace=timedelta(0))) == 1


def test_the_slots_of_the_dead_are_free_again(instance, run, ended):
    dead = run(process=ended)
    instance.event_log_storage.claim_concurrency_slot("dbt", dead, "step")
    assert instance.event_log_storage.get_concurrency_info("dbt").active_slot_count == 1
    fail_dead_runs(instance)
    assert instance.event_log_storage.get_concurrency_info("dbt").active_slot_count == 0


def test_the_slots_of_a_run_that_ended_without_a_daemon_are_freed_and_those_of_a_living_one_kept(instance, run):
    instance.event_log_storage.set_concurrency_slots("dbt", 2)
    for run_id in (run(DagsterRunStatus.CANCELED), run(process=ME)):
        instance.event_log_storage.claim_concurrency_slot("dbt", run_id, "step")
    fail_dead_runs(instance)
    assert instance.event_log_storage.get_concurrency_info("dbt").active_slot_count == 1
