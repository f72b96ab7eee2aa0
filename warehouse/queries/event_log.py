"""The log of events as the API writes and reads it."""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Annotated, Any
from uuid import UUID

import msgspec
from msgspec import Meta
from psycopg.types.json import Jsonb

from warehouse.queries.events import INSERT_EVENT
from warehouse.queries.reader import Reader, Writer

LIST = """
select event_id, type, user_id is not null as is_own, subject, payload, correlation_id, created_at
from app.events
where
    (user_id is null or user_id = %(user_id)s)
    and (%(types)s::text[] is null or type = any(%(types)s))
    and (%(subject)s::text is null or subject = %(subject)s)
    and (%(correlation_id)s::text is null or correlation_id = %(correlation_id)s)
    and (%(before)s::bigint is null or event_id < %(before)s)
order by event_id desc
limit %(limit)s
"""


class Event(msgspec.Struct, frozen=True):
    """Something that happened."""

    event_id: Annotated[int, Meta(description="Place in the log. Unit none.")]
    type: Annotated[str, Meta(description="Type, for example job.completed.")]
    is_own: Annotated[bool, Meta(description="True where it concerns the caller alone.")]
    subject: Annotated[str | None, Meta(description="What it is about.")]
    payload: Annotated[dict[str, Any], Meta(description="The facts.")]
    correlation_id: Annotated[str | None, Meta(description="Ties a request, its run and its events together.")]
    created_at: Annotated[dt.datetime, Meta(description="When it happened, UTC.")]


async def append(
    writer: Writer,
    type: str,
    payload: Mapping[str, Any],
    *,
    user_id: UUID,
    subject: str,
    correlation_id: str,
    now: dt.datetime,
) -> None:
    """Write an event of one person; it commits with what it tells of."""
    row = {
        "type": type,
        "user_id": user_id,
        "subject": subject,
        "payload": Jsonb(dict(payload)),
        "dedup_key": None,
        "correlation_id": correlation_id,
        "now": now,
    }
    await writer.execute(INSERT_EVENT, row)


async def newest(
    reader: Reader,
    user_id: UUID | None,
    *,
    types: Sequence[str] | None,
    subject: str | None,
    correlation_id: str | None,
    before: int | None,
    limit: int,
) -> list[Event]:
    """Return events of everybody and of one person, newest first."""
    asked = {
        "user_id": user_id,
        "types": list(types) if types else None,
        "subject": subject,
        "correlation_id": correlation_id,
        "before": before,
        "limit": limit,
    }
    return await reader.rows(Event, LIST, asked)
