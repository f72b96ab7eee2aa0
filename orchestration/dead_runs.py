"""Runs whose process died. Dagster's default launcher does not notice: they keep slots and count as running."""

from collections.abc import Sequence
from datetime import timedelta
from typing import NamedTuple

import dagster as dg
import psutil
from dagster import DagsterEventType, DagsterInstance, DagsterRun, DagsterRunStatus, RunRecord, RunsFilter

from orchestration.resources import PID_TAG, PROCESS_STARTED_TAG
from warehouse.clock import Clock, machine_clock

# Not started: made, and its process killed before it could say more.
IN_PROGRESS = (
    DagsterRunStatus.NOT_STARTED,
    DagsterRunStatus.STARTING,
    DagsterRunStatus.STARTED,
    DagsterRunStatus.CANCELING,
)
# A run that has just begun in another process has left no mark yet. Dagster gives up on such a run after as long.
GRACE = timedelta(minutes=5)
# A process is known by its pid and the time of its creation, which clock adjustments may shift a little.
CREATION_TOLERANCE_SECONDS = 2.0


class DeadRun(NamedTuple):
    """A run in progress that nobody works on."""

    run: DagsterRun
    reason: str


def find_dead_runs(
    instance: DagsterInstance,
    *,
    clock: Clock = machine_clock,
    grace: timedelta = GRACE,
    run_ids: Sequence[str] | None = None,
) -> list[DeadRun]:
    """Return the runs in progress whose process on this machine has ended.

    Parameters
    ----------
    instance
        Where the runs are.
    clock
        Tells the time; a frozen one that is behind the machine's is not believed, since processes live in real time.
    grace
        A run says which process works on it by tags, else by the event that its code server wrote. One that says
        nothing counts as dead when nothing has happened to it for so long.
    run_ids
        Look at these only; at all by default.
    """
    records = instance.get_run_records(RunsFilter(run_ids=run_ids, statuses=list(IN_PROGRESS)))
    newest = max(clock(), machine_clock())
    return [
        DeadRun(record.dagster_run, reason)
        for record in records
        if (reason := _reason(instance, record, is_silent=newest - record.update_timestamp > grace))
    ]


def fail_dead_runs(
    instance: DagsterInstance,
    *,
    clock: Clock = machine_clock,
    grace: timedelta = GRACE,
    run_ids: Sequence[str] | None = None,
) -> list[DeadRun]:
    """Mark the dead runs as failed, free the pool slots of all runs that have ended, and return the dead."""
    dead = find_dead_runs(instance, clock=clock, grace=grace, run_ids=run_ids)
    for run, reason in dead:
        instance.report_run_failed(run, f"The run was in progress, but {reason}. Marked as failed; launch it again.")
    _free_slots_of_finished_runs(instance)
    return dead


def _reason(instance: DagsterInstance, record: RunRecord, *, is_silent: bool) -> str | None:
    """Return why a run is dead, None for one that lives."""
    run = record.dagster_run
    tagged, created = run.tags.get(PID_TAG), run.tags.get(PROCESS_STARTED_TAG)
    if tagged is not None and created is not None:
        is_alive = _is_alive(int(tagged), earliest=float(created), latest=float(created))
        return None if is_alive else f"its process {tagged} has ended"
    if run.status is DagsterRunStatus.NOT_STARTED:
        return None  # it waits for whoever made it to launch it
    started = _started_event(instance, run)
    if started is not None:
        pid, timestamp = started
        return None if _is_alive(pid, earliest=0, latest=timestamp) else f"its process {pid} has ended"
    return "no process has said that it works on it" if is_silent else None


def _is_alive(pid: int, *, earliest: float, latest: float) -> bool:
    """Tell whether a process lives and was created then (seconds since 1970): a later one may bear the same number."""
    try:
        process = psutil.Process(pid)
        created, status = process.create_time(), process.status()
    except psutil.Error:
        return False
    is_meant = earliest - CREATION_TOLERANCE_SECONDS <= created <= latest + CREATION_TOLERANCE_SECONDS
    return is_meant and status != psutil.STATUS_ZOMBIE


def _started_event(instance: DagsterInstance, run: DagsterRun) -> tuple[int, float] | None:
    """Return pid and time from the event that a code server writes when its process for the run has begun."""
    for entry in instance.all_logs(run.run_id, of_type=DagsterEventType.ENGINE_EVENT):
        event = entry.dagster_event
        if event is None or "Started process for run" not in (event.message or ""):
            continue
        pid = event.engine_event_data.metadata.get("pid")
        if isinstance(pid, dg.TextMetadataValue) and pid.text and pid.text.isdigit():
            return int(pid.text), entry.timestamp
    return None


def _free_slots_of_finished_runs(instance: DagsterInstance) -> None:
    """Free what runs left behind that ended while no daemon was there to clean up."""
    holders = instance.event_log_storage.get_concurrency_run_ids()
    if not holders:
        return
    for run in instance.get_runs(RunsFilter(run_ids=list(holders))):
        if run.is_finished:
            instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)
