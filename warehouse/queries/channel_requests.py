"""Webhook endpoints as the API makes, lists and deletes them."""

import datetime as dt
from collections.abc import Sequence
from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import Meta

from warehouse.queries.channels import CANCEL_OF_CLOSED, CLOSE, INSERT_CHANNEL
from warehouse.queries.reader import Reader, Writer
from warehouse.secrets import Sealed

LIST = """
select
    channel_id as endpoint_id, address as url, event_types, is_active, disabled_reason, verified_at, failing_since,
    created_at
from app.channels
where user_id = %(user_id)s and kind = 'webhook'
order by created_at, channel_id
"""
COUNT = "select count(*) as n_endpoints from app.channels where user_id = %(user_id)s and kind = 'webhook'"
DELETE = """
delete from app.channels where user_id = %(user_id)s and channel_id = %(channel_id)s and kind = 'webhook'
"""


class Endpoint(msgspec.Struct, frozen=True):
    """An address that messages are sent to."""

    endpoint_id: Annotated[UUID, Meta(description="Id of the endpoint.")]
    url: Annotated[str, Meta(description="Where messages go.")]
    event_types: Annotated[list[str], Meta(description="Types of events that are sent, whole or ending in a star.")]
    is_active: Annotated[bool, Meta(description="False once it was switched off.")]
    disabled_reason: Annotated[str | None, Meta(description="Why it was switched off.")]
    verified_at: Annotated[dt.datetime | None, Meta(description="When its receiver said yes, UTC; null before.")]
    failing_since: Annotated[
        dt.datetime | None, Meta(description="Since when it has failed, UTC; null if it does not.")
    ]
    created_at: Annotated[dt.datetime, Meta(description="When it was made, UTC.")]


class _Count(msgspec.Struct, frozen=True):
    n_endpoints: int


class Closed(msgspec.Struct, frozen=True):
    """A channel that was just switched off."""

    user_id: UUID
    kind: str
    address: str


async def of_user(reader: Reader, user_id: UUID) -> list[Endpoint]:
    """Return somebody's endpoints, oldest first."""
    return await reader.rows(Endpoint, LIST, {"user_id": user_id})


async def count(reader: Reader, user_id: UUID) -> int:
    """Return how many endpoints somebody has."""
    return (await reader.rows(_Count, COUNT, {"user_id": user_id}))[0].n_endpoints


async def insert(
    writer: Writer,
    user_id: UUID,
    endpoint_id: UUID,
    *,
    url: str,
    event_types: Sequence[str],
    sealed: Sealed,
    now: dt.datetime,
) -> None:
    """Store an endpoint whose address has been looked at; its receiver has not been asked."""
    row = {
        "channel_id": endpoint_id,
        "user_id": user_id,
        "kind": "webhook",
        "address": url,
        "secret_encrypted": sealed.content,
        "secret_key_id": sealed.key_id,
        "event_types": list(event_types),
        "owners": [],
        "verified_at": None,
        "now": now,
    }
    await writer.execute(INSERT_CHANNEL, row)


async def close(writer: Writer, channel_id: UUID, *, reason: str, now: dt.datetime) -> Closed | None:
    """Switch a channel off and drop what waits for it; None where it was off already."""
    rows = await writer.rows(Closed, CLOSE, {"channel_id": channel_id, "reason": reason})
    if rows:
        await writer.execute(CANCEL_OF_CLOSED, {"now": now})
    return rows[0] if rows else None


async def delete(writer: Writer, user_id: UUID, endpoint_id: UUID) -> bool:
    """Delete an endpoint; False where there is none."""
    return await writer.execute(DELETE, {"user_id": user_id, "channel_id": endpoint_id}) == 1
