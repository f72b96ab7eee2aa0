"""Jobs: asked for by the API, turned into runs and written back by the pipelines.

Each change is conditional on the attempt it is about, so that a tick that is repeated, or comes late, changes nothing.
What is legal stands in the trigger jobs_live_legally.
"""

import datetime as dt
import uuid
from collections.abc import Iterable, Mapping
from typing import Any, Literal, NamedTuple
from uuid import UUID

import psycopg
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from warehouse.queries.events import write_event
from warehouse.records.job_parameters import Parameters
from warehouse.records.jobs import (
    KINDS,
    LIFE,
    MAX_ATTEMPTS,
    RUNNING_PER_USER,
    Artifact,
    canonical,
    parameters_hash,
)

End = Literal["succeeded", "failed", "cancelled", "expired"]

INSERT_JOB = """
insert into app.jobs (
    job_id, user_id, kind, parameters, parameters_hash, cost_seconds, correlation_id, requested_at, expires_at
)
values (
    %(job_id)s, %(user_id)s, %(kind)s, %(parameters)s, %(parameters_hash)s, %(cost_seconds)s, %(correlation_id)s,
    %(now)s, %(expires_at)s
)
"""

# What is unfinished, and of what waits, whose turn it is: so many of one user at once, shared kinds not counted.
UNFINISHED = """
with unfinished as (
    select j.*, j.kind = any(%(shared)s) as is_shared
    from app.jobs as j
    where j.state in ('requested', 'queued', 'running')
),

counted as (
    select
        u.*,
        count(*) filter (where not u.is_shared and u.run_id is not null) over (partition by u.user_id) as n_taken,
        row_number() over (
            partition by u.user_id, u.is_shared, u.run_id is null order by u.requested_at, u.job_id
        ) as place
    from unfinished as u
)

select
    job_id, user_id, kind, parameters, parameters_hash, state, attempt, run_id, correlation_id,
    expires_at, cancel_requested_at is not null as is_cancelled, is_shared,
    run_id is null and (is_shared or n_taken + place <= %(per_user)s) as is_its_turn
from counted
order by requested_at, job_id
"""

EXPIRED = """
select job_id, attempt from app.jobs where state = 'requested' and expires_at <= %(now)s
"""

# Of a job whose requester did not wait for a run there may be none yet: the steps between are taken all the same.
QUEUE = """
update app.jobs set state = 'queued', run_id = %(run_id)s
where job_id = %(job_id)s and attempt = %(attempt)s and state = 'requested' and cancel_requested_at is null
"""

START = """
update app.jobs set state = 'running', started_at = %(now)s, heartbeat_at = %(now)s
where job_id = %(job_id)s and attempt = %(attempt)s and state = 'queued'
"""

IS_TO_RUN = """
select from app.jobs
where job_id = %(job_id)s and attempt = %(attempt)s and state = 'running' and cancel_requested_at is null
"""

HEARTBEAT = """
update app.jobs
set heartbeat_at = %(now)s, progress = greatest(progress, %(progress)s)
where
    job_id = %(job_id)s and attempt = %(attempt)s and state = 'running'
    and (heartbeat_at < %(now)s or progress is distinct from greatest(progress, %(progress)s))
returning user_id, correlation_id, kind, progress
"""

FINISH = """
update app.jobs
set
    state = %(state)s, finished_at = %(now)s, result = %(result)s, error = %(error)s,
    progress = case when %(state)s = 'succeeded' then 1 else progress end
where
    job_id = %(job_id)s and attempt = %(attempt)s and finished_at is null
    and (state = 'running' or %(state)s <> 'succeeded')
returning user_id, correlation_id, kind
"""

TRY_AGAIN = """
update app.jobs
set
    state = 'requested', attempt = attempt + 1, run_id = null, progress = null, started_at = null, heartbeat_at = null
where job_id = %(job_id)s and attempt = %(attempt)s and state in ('queued', 'running') and attempt < %(max_attempts)s
"""

INSERT_ARTIFACT = """
insert into app.job_artifacts (job_id, name, user_id, attempt, uri, media_type, created_at)
select j.job_id, %(name)s, j.user_id, j.attempt, %(uri)s, %(media_type)s, %(now)s
from app.jobs as j
where j.job_id = %(job_id)s and j.attempt = %(attempt)s and j.finished_at is null
on conflict (job_id, name) do update set
    attempt = excluded.attempt, uri = excluded.uri, media_type = excluded.media_type, created_at = excluded.created_at
where app.job_artifacts.attempt < excluded.attempt
"""

JOBS_OF_RUN = """
select job_id, attempt from app.jobs
where finished_at is null and (run_id = %(run_id)s or (job_id = %(job_id)s and attempt = %(attempt)s))
"""


class Unfinished(NamedTuple):
    """A job that has not ended; it `is_its_turn` where a run may be asked for."""

    job_id: UUID
    user_id: UUID
    kind: str
    parameters: dict[str, Any]
    parameters_hash: str
    state: str
    attempt: int
    run_id: str | None
    correlation_id: str | None
    expires_at: dt.datetime
    is_cancelled: bool
    is_shared: bool
    is_its_turn: bool


class Attempt(NamedTuple):
    """One try of a job."""

    job_id: UUID
    attempt: int


def new_job_row(
    kind: str, asked: Parameters, *, user_id: UUID | str, now: dt.datetime, correlation_id: str | None
) -> dict[str, Any]:
    """Return what INSERT_JOB wants of a job that is asked for now."""
    return {
        "job_id": uuid.uuid4(),
        "user_id": user_id,
        "kind": kind,
        "parameters": Jsonb(canonical(asked)),
        "parameters_hash": parameters_hash(kind, asked),
        "cost_seconds": KINDS[kind].cost_seconds(asked),
        "correlation_id": correlation_id,
        "now": now,
        "expires_at": now + LIFE,
    }


def request_job(
    connection: psycopg.Connection,
    kind: str,
    asked: Parameters,
    *,
    user_id: UUID | str,
    now: dt.datetime,
    correlation_id: str | None = None,
) -> UUID:
    """Ask for a job as the pipelines do, without a bound; returns its id."""
    row = new_job_row(kind, asked, user_id=user_id, now=now, correlation_id=correlation_id)
    connection.execute(INSERT_JOB, row)
    payload = {"job_id": str(row["job_id"]), "kind": kind, "cost_seconds": row["cost_seconds"]}
    _event(connection, "job.requested", row["job_id"], payload, row, now=now)
    return UUID(str(row["job_id"]))


def has_unfinished(connection: psycopg.Connection) -> bool:
    """Whether any job has not ended."""
    row = connection.execute(
        "select exists (select from app.jobs where state in ('requested', 'queued', 'running'))"
    ).fetchone()
    return row is not None and bool(row[0])


def read_unfinished(connection: psycopg.Connection) -> list[Unfinished]:
    """Return the jobs that have not ended, oldest first."""
    shared = [name for name, kind in KINDS.items() if kind.is_shared]
    with connection.cursor(row_factory=class_row(Unfinished)) as cursor:
        return cursor.execute(UNFINISHED, {"shared": shared, "per_user": RUNNING_PER_USER}).fetchall()


def attempts_of_run(
    connection: psycopg.Connection, run_id: str, *, job_id: str | None, attempt: int | None
) -> list[Attempt]:
    """Return the unfinished tries that a run works for: those that name it, and the one that its tags name."""
    with connection.cursor(row_factory=class_row(Attempt)) as cursor:
        found = {"run_id": run_id, "job_id": job_id, "attempt": attempt}
        return cursor.execute(JOBS_OF_RUN, found).fetchall()


def mark_queued(connection: psycopg.Connection, job_id: UUID, attempt: int, *, run_id: str) -> bool:
    """Say that a run has been asked for; False where that is known, or the job was cancelled meanwhile."""
    return connection.execute(QUEUE, {"job_id": job_id, "attempt": attempt, "run_id": run_id}).rowcount == 1


def mark_running(connection: psycopg.Connection, job_id: UUID, attempt: int, *, run_id: str, now: dt.datetime) -> bool:
    """Say that the run has begun; False where that is known, or the job is not to run."""
    mark_queued(connection, job_id, attempt, run_id=run_id)
    return connection.execute(START, {"job_id": job_id, "attempt": attempt, "now": now}).rowcount == 1


def is_to_run(connection: psycopg.Connection, job_id: UUID, attempt: int) -> bool:
    """Whether an attempt is what the job wants now: it has begun, and nobody has asked to break it off."""
    row = connection.execute(IS_TO_RUN, {"job_id": job_id, "attempt": attempt}).fetchone()
    return row is not None


def show_life(
    connection: psycopg.Connection, job_id: UUID, attempt: int, *, now: dt.datetime, progress: float | None = None
) -> None:
    """Say that the run lives and how far it is, a fraction; each tenth is an event of its own."""
    values = {"job_id": job_id, "attempt": attempt, "now": now, "progress": progress}
    row = connection.execute(HEARTBEAT, values).fetchone()
    if row is None or progress is None:
        return
    user_id, correlation_id, kind, reached = row
    tenth = int(reached * 10)
    write_event(
        connection,
        "job.progressed",
        {"job_id": str(job_id), "kind": kind, "progress": reached},
        dedup_key=f"job.progressed:{job_id}:{attempt}:{tenth}",
        now=now,
        user_id=user_id,
        subject=str(job_id),
        correlation_id=correlation_id,
    )


def finish(
    connection: psycopg.Connection,
    job_id: UUID,
    attempt: int,
    state: End,
    *,
    now: dt.datetime,
    run_id: str | None = None,
    result: Mapping[str, Any] | None = None,
    error: str | None = None,
) -> bool:
    """End a job and say so in the log, in one transaction; False where this attempt has ended before.

    A result is recorded once: whoever comes second changes nothing.
    """
    with connection.transaction():
        if state == "succeeded" and run_id is not None:
            mark_running(connection, job_id, attempt, run_id=run_id, now=now)
        values = {
            "job_id": job_id,
            "attempt": attempt,
            "state": state,
            "now": now,
            "result": Jsonb(dict(result or {})) if state == "succeeded" else None,
            "error": error,
        }
        row = connection.execute(FINISH, values).fetchone()
        if row is None:
            return False
        user_id, correlation_id, kind = row
        payload = {"job_id": str(job_id), "kind": kind, "state": state, "result": dict(result or {}), "error": error}
        about = {"user_id": user_id, "correlation_id": correlation_id}
        _event(connection, "job.completed", job_id, payload, about, now=now)
        return True


def try_again(connection: psycopg.Connection, job_id: UUID, attempt: int, *, now: dt.datetime, reason: str) -> str:
    """Ask for another run of a job whose run was lost, or give up after three; returns the state that it has now."""
    values = {"job_id": job_id, "attempt": attempt, "max_attempts": MAX_ATTEMPTS}
    if connection.execute(TRY_AGAIN, values).rowcount == 1:
        return "requested"
    finish(connection, job_id, attempt, "failed", now=now, error=reason)
    return "failed"


def expire(connection: psycopg.Connection, *, now: dt.datetime) -> int:
    """End the jobs that nobody took up in time; returns how many."""
    with connection.cursor(row_factory=class_row(Attempt)) as cursor:
        late = cursor.execute(EXPIRED, {"now": now}).fetchall()
    hours = LIFE.total_seconds() / 3600
    error = f"No run took it up within {hours:.0f} hours; ask again."
    return sum(finish(connection, *job, "expired", now=now, error=error) for job in late)


def keep_artifacts(
    connection: psycopg.Connection, job_id: UUID, attempt: int, artifacts: Iterable[Artifact], *, now: dt.datetime
) -> None:
    """Write down what a job has made and where it lies; a repetition writes nothing."""
    for artifact in artifacts:
        values = {"name": artifact.name, "uri": artifact.uri, "media_type": artifact.media_type}
        connection.execute(INSERT_ARTIFACT, {"job_id": job_id, "attempt": attempt, "now": now, **values})


def _event(
    connection: psycopg.Connection,
    type: str,
    job_id: UUID,
    payload: Mapping[str, Any],
    about: Mapping[str, Any],
    *,
    now: dt.datetime,
) -> None:
    write_event(
        connection,
        type,
        payload,
        dedup_key=f"{type}:{job_id}",
        now=now,
        user_id=about["user_id"],
        subject=str(job_id),
        correlation_id=about["correlation_id"],
    )
