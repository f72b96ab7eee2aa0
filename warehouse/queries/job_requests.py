"""Jobs as the API asks for them, lists them and asks for their end."""

import datetime as dt
from collections.abc import Mapping
from typing import Annotated, Any
from uuid import UUID

import msgspec
from msgspec import Meta

from warehouse.queries.jobs import INSERT_JOB
from warehouse.queries.reader import Reader, Writer
from warehouse.records.jobs import Artifact, Job

_COLUMNS = """
    job_id, kind, state, parameters, parameters_hash, cost_seconds, attempt, progress, run_id, correlation_id,
    requested_at, started_at, heartbeat_at, finished_at, cancel_requested_at, error, result
"""

SPENT = """
select
    coalesce(sum(cost_seconds) filter (where requested_at > %(since)s), 0)::float8 as cost_seconds,
    count(*) filter (where state = 'requested') as n_waiting,
    min(requested_at) filter (where requested_at > %(since)s) as oldest_at
from app.jobs
where user_id = %(user_id)s and (requested_at > %(since)s or state = 'requested')
"""

SAME_UNFINISHED = f"""
select {_COLUMNS} from app.jobs
where
    user_id = %(user_id)s and parameters_hash = %(parameters_hash)s and kind = %(kind)s
    and state in ('requested', 'queued') and cancel_requested_at is null
order by requested_at
limit 1
"""

ONE = f"select {_COLUMNS} from app.jobs where user_id = %(user_id)s and job_id = %(job_id)s"

LIST = f"""
select {_COLUMNS} from app.jobs
where
    user_id = %(user_id)s
    and (%(kind)s::text is null or kind = %(kind)s)
    and (%(state)s::text is null or state = %(state)s)
    and (
        %(before_at)s::timestamptz is null
        or (requested_at, job_id) < (%(before_at)s::timestamptz, %(before_id)s::uuid)
    )
order by requested_at desc, job_id desc
limit %(limit)s
"""

ARTIFACTS = """
select name, uri, media_type from app.job_artifacts
where user_id = %(user_id)s and job_id = %(job_id)s
order by name
"""

# What waits ends at once; what runs is broken off by the sensor that watches it.
CANCEL = f"""
update app.jobs
set
    cancel_requested_at = coalesce(cancel_requested_at, %(now)s),
    state = case when state = 'requested' then 'cancelled' else state end,
    finished_at = case when state = 'requested' then %(now)s else finished_at end
where user_id = %(user_id)s and job_id = %(job_id)s and state in ('requested', 'queued', 'running')
returning {_COLUMNS}
"""


class Spent(msgspec.Struct, frozen=True):
    """What somebody has asked for within a day, and how much of it waits for a run."""

    cost_seconds: float
    n_waiting: int
    oldest_at: dt.datetime | None


class JobDetail(msgspec.Struct, frozen=True):
    """One job and what it has made."""

    job: Job
    artifacts: Annotated[list[Artifact], Meta(description="What it has made, and where that lies.")]


async def spent(reader: Reader, user_id: UUID, *, since: dt.datetime) -> Spent:
    """Return what somebody has spent since an instant."""
    return (await reader.rows(Spent, SPENT, {"user_id": user_id, "since": since}))[0]


async def insert(writer: Writer, row: Mapping[str, Any]) -> Job:
    """Write a job that is asked for; `row` as `warehouse.queries.jobs.new_job_row` makes it."""
    return (await writer.rows(Job, f"{INSERT_JOB} returning {_COLUMNS}", row))[0]


async def same_unfinished(reader: Reader, user_id: UUID, kind: str, parameters_hash: str) -> Job | None:
    """Return a job of the same content that no run has begun yet."""
    about = {"user_id": user_id, "kind": kind, "parameters_hash": parameters_hash}
    rows = await reader.rows(Job, SAME_UNFINISHED, about)
    return rows[0] if rows else None


async def one(reader: Reader, user_id: UUID, job_id: UUID) -> Job | None:
    """Return a job of somebody's."""
    rows = await reader.rows(Job, ONE, {"user_id": user_id, "job_id": job_id})
    return rows[0] if rows else None


async def artifacts(reader: Reader, user_id: UUID, job_id: UUID) -> list[Artifact]:
    """Return what a job has made."""
    return await reader.rows(Artifact, ARTIFACTS, {"user_id": user_id, "job_id": job_id})


async def newest(
    reader: Reader,
    user_id: UUID,
    *,
    kind: str | None,
    state: str | None,
    before: tuple[dt.datetime, UUID] | None,
    limit: int,
) -> list[Job]:
    """Return somebody's jobs, newest first."""
    before_at, before_id = before or (None, None)
    asked = {
        "user_id": user_id, "kind": kind, "state": state, "before_at": before_at, "before_id": before_id,
        "limit": limit,
    }  # fmt: skip
    return await reader.rows(Job, LIST, asked)


async def cancel(writer: Writer, user_id: UUID, job_id: UUID, *, now: dt.datetime) -> Job | None:
    """Ask for the end of a job; None where there is none under way."""
    rows = await writer.rows(Job, CANCEL, {"user_id": user_id, "job_id": job_id, "now": now})
    return rows[0] if rows else None
