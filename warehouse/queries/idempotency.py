"""Requests that were answered, by the key that their sender chose: the same request again gets the same answer."""

import datetime as dt
from uuid import UUID

import msgspec

from warehouse.queries.reader import Reader, Writer

# Held to the end of the transaction: of two at once, one is told that the other is under way.
CLAIM = "select pg_try_advisory_xact_lock(hashtextextended(%(claim)s, 0)) as is_free"
ANSWERED = """
select request_hash, status, location, body from app.idempotency_keys
where user_id = %(user_id)s and operation_id = %(operation_id)s and key = %(key)s
"""
INSERT = """
insert into app.idempotency_keys (user_id, operation_id, key, request_hash, status, location, body, created_at)
values (
    %(user_id)s, %(operation_id)s, %(key)s, %(request_hash)s, %(status)s, %(location)s, %(body)s, %(now)s
)
"""
DELETE_OLD = "delete from app.idempotency_keys where created_at < %(before)s"


class Answered(msgspec.Struct, frozen=True):
    """What was answered to the request that first came with a key."""

    request_hash: str
    status: int
    location: str | None
    body: str


class _Claim(msgspec.Struct, frozen=True):
    is_free: bool


async def claim(reader: Reader, user_id: UUID, operation_id: str, key: str) -> bool:
    """Take a key until the transaction ends; False where another transaction holds it."""
    rows = await reader.rows(_Claim, CLAIM, {"claim": f"{user_id}\x1f{operation_id}\x1f{key}"})
    return rows[0].is_free


async def answered(reader: Reader, user_id: UUID, operation_id: str, key: str) -> Answered | None:
    """Return what was answered to this key."""
    about = {"user_id": user_id, "operation_id": operation_id, "key": key}
    rows = await reader.rows(Answered, ANSWERED, about)
    return rows[0] if rows else None


async def keep(
    writer: Writer, user_id: UUID, operation_id: str, key: str, answer: Answered, *, now: dt.datetime
) -> None:
    """Keep an answer; it commits with what the request has done."""
    about = {"user_id": user_id, "operation_id": operation_id, "key": key, "now": now}
    await writer.execute(INSERT, {**about, **msgspec.structs.asdict(answer)})
