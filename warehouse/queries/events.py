"""The one log of what happened."""

import datetime as dt
from collections.abc import Mapping
from typing import Any
from uuid import UUID

import psycopg
from psycopg.types.json import Jsonb

INSERT_EVENT = """
insert into app.events (type, user_id, subject, payload, dedup_key, correlation_id, created_at)
values (%(type)s, %(user_id)s, %(subject)s, %(payload)s, %(dedup_key)s, %(correlation_id)s, %(now)s)
on conflict (dedup_key) do nothing
"""


def write_event(
    connection: psycopg.Connection,
    type: str,
    payload: Mapping[str, Any],
    *,
    dedup_key: str,
    now: dt.datetime,
    user_id: UUID | str | None = None,
    subject: str | None = None,
    correlation_id: str | None = None,
) -> bool:
    """Write an event into the log unless one with the same `dedup_key` stands there; returns whether it was new.

    Parameters
    ----------
    connection
        The event commits with whatever else it does.
    type
        For example run.failed.
    payload
        The facts, never a secret.
    dedup_key, now
        What makes the event the same one, and when it happened.
    user_id
        Whom it concerns; None lets everybody read it.
    subject, correlation_id
        What it is about, and what ties it to other events.
    """
    row = {
        "type": type,
        "user_id": user_id,
        "subject": subject,
        "payload": Jsonb(dict(payload)),
        "dedup_key": dedup_key,
        "correlation_id": correlation_id,
        "now": now,
    }
    return connection.execute(INSERT_EVENT, row).rowcount == 1
