"""Incidents: spells in which a table or job fails, told once when they begin and once when they are over."""

import datetime as dt
import uuid
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

import psycopg
from psycopg.rows import class_row

from warehouse.queries.events import write_event

# Nothing comes back for a failure that is part of a spell already.
OPEN = """
insert into app.incidents as i
    (incident_id, subject, owners, error, first_run_id, last_run_id, opened_at)
values (%(incident_id)s, %(subject)s, %(owners)s, %(error)s, %(run_id)s, %(run_id)s, %(now)s)
on conflict (subject) where resolved_at is null
do update set n_failures = i.n_failures + 1, last_run_id = excluded.last_run_id
returning incident_id
"""

RESOLVE = """
update app.incidents
set resolved_at = %(now)s
where subject = any(%(subjects)s) and resolved_at is null and opened_at <= %(started_at)s
returning incident_id, subject, owners, error, n_failures, opened_at
"""

OPERATORS = "select user_id from app.users where role = 'admin' and is_active order by user_id"


class Incident(NamedTuple):
    """An incident that is over."""

    incident_id: UUID
    subject: str
    owners: list[str]
    error: str
    n_failures: int
    opened_at: dt.datetime


def has_open_incidents(connection: psycopg.Connection) -> bool:
    """Whether anything is known to fail."""
    row = connection.execute("select exists (select from app.incidents where resolved_at is null)").fetchone()
    return row is not None and bool(row[0])


def open_incident(
    connection: psycopg.Connection,
    subject: str,
    *,
    owners: Sequence[str],
    error: str,
    job: str,
    run_id: str,
    now: dt.datetime,
) -> bool:
    """Note that something has failed, and tell the operators unless they know; returns whether it was news.

    Parameters
    ----------
    connection
        As the pipelines connect; events and deliveries commit with the incident.
    subject, owners
        Table, step or job, and whose it is.
    error, job, run_id
        First line of the error, and the run that it ended.
    now
        When.
    """
    incident_id = uuid.uuid4()
    row = {
        "incident_id": incident_id,
        "subject": subject,
        "owners": list(owners),
        "error": error,
        "run_id": run_id,
        "now": now,
    }
    if connection.execute(OPEN, row).fetchone() != (incident_id,):
        return False
    payload = {
        "incident_id": str(incident_id),
        "subject": subject,
        "owners": list(owners),
        "job": job,
        "run_id": run_id,
        "error": error,
        "message": f"{subject} fails: {error}",
    }
    _tell_operators(connection, "incident.opened", payload, correlation_id=run_id, now=now)
    return True


def resolve_incidents(
    connection: psycopg.Connection,
    subjects: Sequence[str],
    *,
    run_id: str,
    started_at: dt.datetime,
    now: dt.datetime,
) -> list[str]:
    """Note that things work again, and tell the operators; returns which had failed.

    Parameters
    ----------
    connection
        As the pipelines connect.
    subjects
        Tables, steps and job of a run that succeeded.
    run_id, started_at
        The run; it shows nothing about failures after its start.
    now
        When.
    """
    parameters = {"subjects": list(subjects), "started_at": started_at, "now": now}
    with connection.cursor(row_factory=class_row(Incident)) as cursor:
        resolved = cursor.execute(RESOLVE, parameters).fetchall()
    for incident in resolved:
        minutes = max(1, round((now - incident.opened_at).total_seconds() / 60))
        payload = {
            "incident_id": str(incident.incident_id),
            "subject": incident.subject,
            "owners": incident.owners,
            "run_id": run_id,
            "n_failures": incident.n_failures,
            "opened_at": incident.opened_at.astimezone(dt.UTC).isoformat(),
            "message": f"{incident.subject} works again, after {minutes} min and {incident.n_failures} failed runs.",
        }
        _tell_operators(connection, "incident.resolved", payload, correlation_id=run_id, now=now)
    return [incident.subject for incident in resolved]


def _tell_operators(
    connection: psycopg.Connection, type: str, payload: Mapping[str, Any], *, correlation_id: str, now: dt.datetime
) -> None:
    for (user_id,) in connection.execute(OPERATORS).fetchall():
        write_event(
            connection,
            type,
            payload,
            dedup_key=f"{type}:{payload['incident_id']}:{user_id}",
            now=now,
            user_id=user_id,
            subject=str(payload["subject"]),
            correlation_id=correlation_id,
        )
