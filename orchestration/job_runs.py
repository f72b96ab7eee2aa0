"""Between jobs in the warehouse and Dagster's runs: asks for runs, follows them, and writes back what became of them.

The row is the truth. A row is marked only after Dagster has the run, each change names the attempt that it is about,
and a run's key is job and attempt: so a tick may be repeated, or die anywhere, and no job is lost, run twice or ended
twice.
"""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

import dagster as dg
import psycopg
from dagster import DagsterRunStatus as Status

from orchestration.catch_up import REASON_TAG
from orchestration.dead_runs import fail_dead_runs
from orchestration.errors import JobImpossible
from orchestration.installation import Installation
from orchestration.job_kinds import KINDS
from orchestration.resources import Warehouse
from warehouse.queries import jobs as queries
from warehouse.queries.jobs import Unfinished
from warehouse.records.errors import JobRefused
from warehouse.records.jobs import Artifact, decode_parameters

JOB_TAG = "factorloom/job_id"
ATTEMPT_TAG = "factorloom/job_attempt"
KIND_TAG = "factorloom/job_kind"
USER_TAG = "factorloom/user_id"
CORRELATION_TAG = "factorloom/correlation_id"
HASH_TAG = "factorloom/parameters_hash"
# Below 0, which everything that the platform asks for itself has.
PRIORITY_OF_USERS = "-1"
MOST_PER_TICK = 10
MOST_TABLES = 50
MAX_LINE = 500
WRAPPER = dg.DagsterExecutionStepExecutionError.__name__


class JobHandle:
    """What a step knows of the job that it works for. Of a run that nobody asked for by a job it does nothing.

    A step that knows better than the tables what came of the job says so by `succeed`; else the tables that the run has
    written are the result.
    """

    def __init__(self, warehouse: Warehouse, installation: Installation, run: dg.DagsterRun) -> None:
        self._warehouse, self._clock, self._run = warehouse, installation.clock, run
        self.job_id = UUID(run.tags[JOB_TAG]) if JOB_TAG in run.tags else None
        self.attempt = int(run.tags.get(ATTEMPT_TAG, "1"))

    def begin(self) -> bool:
        """Say that work has begun; False where the job has been cancelled or has ended: then there is nothing to do."""
        if self.job_id is None:
            return True
        with self._warehouse.connection() as connection:
            queries.mark_running(connection, self.job_id, self.attempt, run_id=self._run.run_id, now=self._clock())
            return queries.is_to_run(connection, self.job_id, self.attempt)

    def show_life(self, progress: float) -> None:
        """Say how far it is, a fraction."""
        if self.job_id is None:
            return
        with self._warehouse.connection() as connection:
            queries.mark_running(connection, self.job_id, self.attempt, run_id=self._run.run_id, now=self._clock())
            queries.show_life(connection, self.job_id, self.attempt, now=self._clock(), progress=progress)

    def succeed(self, result: Mapping[str, Any], artifacts: Iterable[Artifact] = ()) -> bool:
        """End the job with its result, once; to be called when everything it points at is written."""
        if self.job_id is None:
            return False
        now = self._clock()
        with self._warehouse.connection() as connection:
            queries.keep_artifacts(connection, self.job_id, self.attempt, artifacts, now=now)
            return queries.finish(
                connection, self.job_id, self.attempt, "succeeded", now=now, run_id=self._run.run_id, result=result
            )


class Taken(NamedTuple):
    """What a tick has done about jobs that wait, and the runs that it asks for."""

    run_requests: list[dg.RunRequest]
    n_queued: int
    n_impossible: int
    n_waiting: int

    def sentence(self) -> str:
        """Say it for a person."""
        return (
            f"asked for {len(self.run_requests)} runs; {self.n_queued} jobs have theirs, {self.n_impossible} cannot be"
            f" run, {self.n_waiting} wait for their turn"
        )


def take_up(
    connection: psycopg.Connection,
    instance: dg.DagsterInstance,
    installation: Installation,
    jobs: Sequence[Unfinished],
) -> Taken:
    """Ask for a run of each job whose turn it is, and note which have theirs."""
    requests: list[dg.RunRequest] = []
    n_queued = n_impossible = n_waiting = 0
    shared = {job.parameters_hash: job.run_id for job in jobs if job.is_shared and job.state == "queued"}
    for job in [job for job in jobs if job.state == "requested"]:
        if not job.is_its_turn or len(requests) >= MOST_PER_TICK or _is_asked_for(job, requests):
            n_waiting += 1
        elif run_id := _run_of(instance, job) or (shared.get(job.parameters_hash) if job.is_shared else None):
            n_queued += queries.mark_queued(connection, job.job_id, job.attempt, run_id=run_id)
        else:
            try:
                requests.append(_request(job, instance, installation))
            except (JobImpossible, JobRefused) as exc:
                n_impossible += 1
                queries.finish(
                    connection, job.job_id, job.attempt, "failed", now=installation.clock(), error=str(exc)[:MAX_LINE]
                )
    return Taken(requests, n_queued, n_impossible, n_waiting)


def follow(
    connection: psycopg.Connection,
    instance: dg.DagsterInstance,
    jobs: Sequence[Unfinished],
    *,
    now: dt.datetime,
) -> int:
    """Compare jobs that have a run with that run: write back, show life, break off, ask again; returns how many."""
    watched = [job for job in jobs if job.run_id is not None]
    if not watched:
        return 0
    run_ids = sorted({str(job.run_id) for job in watched})
    fail_dead_runs(instance, run_ids=run_ids)
    runs = {run.run_id: run for run in instance.get_runs(dg.RunsFilter(run_ids=run_ids))}
    for job in watched:
        run = runs.get(str(job.run_id))
        if run is None:
            reason = f"Its run {job.run_id} is gone from Dagster's records."
            queries.try_again(connection, job.job_id, job.attempt, now=now, reason=reason)
        elif run.is_finished:
            write_back(connection, instance, run, now=now)
        else:
            _follow_unfinished(connection, instance, job, run, now=now)
        connection.commit()
    return len(watched)


def write_back(
    connection: psycopg.Connection, instance: dg.DagsterInstance, run: dg.DagsterRun, *, now: dt.datetime
) -> int:
    """Write the end of a run into the jobs that it worked for; returns how many have changed."""
    job_id, attempt = run.tags.get(JOB_TAG), run.tags.get(ATTEMPT_TAG)
    tries = queries.attempts_of_run(
        connection, run.run_id, job_id=job_id, attempt=int(attempt) if attempt is not None else None
    )
    return sum(_end(connection, instance, run, one.job_id, one.attempt, now=now) for one in tries)


def break_off(instance: dg.DagsterInstance, run: dg.DagsterRun) -> None:
    """End a run that nobody wants any more, whether it waits or works."""
    if run.is_finished or run.status is Status.CANCELING:
        return
    instance.run_coordinator.cancel_run(run.run_id)


def _end(
    connection: psycopg.Connection,
    instance: dg.DagsterInstance,
    run: dg.DagsterRun,
    job_id: UUID,
    attempt: int,
    *,
    now: dt.datetime,
) -> bool:
    about = (connection, job_id, attempt)
    if run.status is Status.SUCCESS:
        tables = _tables_of(instance, run)
        artifacts = [Artifact(name, f"table:{name}", "application/x-postgresql-table") for name in tables]
        queries.keep_artifacts(*about, artifacts, now=now)
        return queries.finish(*about, "succeeded", now=now, run_id=run.run_id, result={"tables": tables})
    if run.status is Status.CANCELED:
        return queries.finish(*about, "cancelled", now=now)
    error = step_error(instance, run)
    if error is not None:
        return queries.finish(*about, "failed", now=now, error=error)
    # No step has failed: the run itself was lost, which says nothing about the work.
    queries.try_again(*about, now=now, reason=f"Its run {run.run_id} was lost, as those before it; ask again.")
    return True


def step_error(instance: dg.DagsterInstance, run: dg.DagsterRun) -> str | None:
    """Return the first line of what the first failed step of a run raised, None where no step has failed."""
    records = instance.get_records_for_run(run.run_id, of_type=dg.DagsterEventType.STEP_FAILURE, limit=1).records
    event = records[0].event_log_entry.dagster_event if records else None
    error = event.step_failure_data.error if event is not None else None
    if error is None:
        return None if event is None else "A step failed without saying why."
    raised = error.cause if error.cause is not None and error.cls_name == WRAPPER else error
    return raised.message.strip().partition("\n")[0][:MAX_LINE]


def _follow_unfinished(
    connection: psycopg.Connection,
    instance: dg.DagsterInstance,
    job: Unfinished,
    run: dg.DagsterRun,
    *,
    now: dt.datetime,
) -> None:
    if job.is_cancelled:
        if len(queries.attempts_of_run(connection, run.run_id, job_id=None, attempt=None)) > 1:
            # The run serves others besides: only this job ends.
            queries.finish(connection, job.job_id, job.attempt, "cancelled", now=now)
        else:
            break_off(instance, run)
    elif run.status is Status.STARTED:
        queries.mark_running(connection, job.job_id, job.attempt, run_id=run.run_id, now=now)
        queries.show_life(connection, job.job_id, job.attempt, now=now, progress=_progress(instance, run))


def _progress(instance: dg.DagsterInstance, run: dg.DagsterRun) -> float | None:
    """Return the share of a run's steps that have ended; None for one step, which alone knows how far it is."""
    if run.execution_plan_snapshot_id is None:
        return None
    n_steps = len(instance.get_execution_plan_snapshot(run.execution_plan_snapshot_id).step_keys_to_execute)
    if n_steps < 2:
        return None
    ended = [stats for stats in instance.get_run_step_stats(run.run_id) if stats.end_time is not None]
    return min(len(ended) / n_steps, 1.0)


def _run_of(instance: dg.DagsterInstance, job: Unfinished) -> str | None:
    """Return the run that was asked for earlier; one that the daemon has made and not yet sent off does not count."""
    tags = {JOB_TAG: str(job.job_id), ATTEMPT_TAG: str(job.attempt)}
    runs = instance.get_runs(dg.RunsFilter(tags=tags), limit=1)
    return runs[0].run_id if runs and runs[0].status is not Status.NOT_STARTED else None


def _is_asked_for(job: Unfinished, requests: Sequence[dg.RunRequest]) -> bool:
    """Whether this tick asks already for the run that a shared job wants; the next tick will see it."""
    return job.is_shared and any(request.tags.get(HASH_TAG) == job.parameters_hash for request in requests)


def _request(job: Unfinished, instance: dg.DagsterInstance, installation: Installation) -> dg.RunRequest:
    if job.kind not in KINDS:
        raise JobImpossible(job.kind, "nobody here knows how to run this kind")
    asked = decode_parameters(job.kind, job.parameters)
    launch = KINDS[job.kind].launch(asked, instance, installation)
    return dg.RunRequest(
        run_key=f"{job.job_id}:{job.attempt}",
        job_name=launch.job,
        run_config=dict(launch.run_config),
        tags={
            **launch.tags,
            JOB_TAG: str(job.job_id),
            ATTEMPT_TAG: str(job.attempt),
            KIND_TAG: job.kind,
            USER_TAG: str(job.user_id),
            CORRELATION_TAG: job.correlation_id or str(job.job_id),
            HASH_TAG: job.parameters_hash,
            REASON_TAG: f"job {job.job_id} ({job.kind}) was asked for",
            "dagster/priority": PRIORITY_OF_USERS,
        },
    )


def _tables_of(instance: dg.DagsterInstance, run: dg.DagsterRun) -> dict[str, dict[str, int]]:
    """Return what a run has written, by table, in rows."""
    records = instance.get_records_for_run(run.run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION).records
    tables: dict[str, dict[str, int]] = {}
    for record in records:
        materialization = record.event_log_entry.asset_materialization
        if materialization is None or len(tables) >= MOST_TABLES:
            continue
        counts = {
            name: int(value.value)
            for name in ("inserted", "updated", "unchanged", "deleted")
            if isinstance(value := materialization.metadata.get(name), dg.IntMetadataValue) and value.value is not None
        }
        tables[".".join(materialization.asset_key.path)] = counts
    return tables
