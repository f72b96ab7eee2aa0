"""Keys for scripts."""

import datetime as dt
from collections.abc import Sequence
from typing import Annotated, Literal
from uuid import UUID

import msgspec
from msgspec import Meta

from warehouse.queries.reader import Writer

INSERT_API_KEY = """
insert into app.api_keys (api_key_id, user_id, key_hash, scopes, label, created_at)
values (%(api_key_id)s, %(user_id)s, %(key_hash)s, %(scopes)s, %(label)s, %(now)s)
on conflict (api_key_id) do nothing
"""
GOOD_API_KEY = """
select api_keys.user_id, users.role, api_keys.key_hash, api_keys.scopes, api_keys.last_used_at
from app.api_keys as api_keys
inner join app.users as users on users.user_id = api_keys.user_id
where api_keys.api_key_id = %(api_key_id)s
    and api_keys.revoked_at is null
    and (api_keys.expires_at is null or api_keys.expires_at > %(now)s)
    and users.is_active
"""
INSERT_NEW_API_KEY = """
insert into app.api_keys (api_key_id, user_id, key_hash, scopes, label, created_at, expires_at)
values (%(api_key_id)s, %(user_id)s, %(key_hash)s, %(scopes)s, %(label)s, %(now)s, %(expires_at)s)
"""
STANDING_API_KEYS = """
select api_key_id, label, scopes, created_at, expires_at, last_used_at
from app.api_keys
where user_id = %(user_id)s and revoked_at is null and (expires_at is null or expires_at > %(now)s)
order by created_at desc, api_key_id
"""
REVOKE_API_KEY = """
update app.api_keys set revoked_at = %(now)s
where user_id = %(user_id)s and api_key_id = %(api_key_id)s and revoked_at is null
"""
TOUCH_API_KEY = "update app.api_keys set last_used_at = %(now)s where api_key_id = %(api_key_id)s"


class GoodKey(msgspec.Struct, frozen=True):
    """A key that is neither revoked nor expired, of an account that is open."""

    user_id: UUID
    role: Literal["user", "admin"]
    key_hash: str
    scopes: list[str]
    last_used_at: dt.datetime | None


async def good(writer: Writer, api_key_id: str, *, now: dt.datetime) -> GoodKey | None:
    """Return a key by its public part."""
    rows = await writer.rows(GoodKey, GOOD_API_KEY, {"api_key_id": api_key_id, "now": now})
    return rows[0] if rows else None


async def touch(writer: Writer, api_key_id: str, *, now: dt.datetime) -> None:
    """Note that a key was used."""
    await writer.execute(TOUCH_API_KEY, {"api_key_id": api_key_id, "now": now})


class KeyListed(msgspec.Struct, frozen=True):
    """One key of a person, without its secret."""

    api_key_id: Annotated[str, Meta(description="Public part of the key.")]
    label: Annotated[str, Meta(description="What its owner calls it.")]
    scopes: Annotated[list[str], Meta(description="What it may do.")]
    created_at: Annotated[dt.datetime, Meta(description="When it was made.")]
    expires_at: Annotated[dt.datetime | None, Meta(description="When it ends, null = never.")]
    last_used_at: Annotated[dt.datetime | None, Meta(description="When it was last used, to the hour.")]


async def add(
    writer: Writer,
    *,
    api_key_id: str,
    user_id: UUID,
    key_hash: str,
    scopes: Sequence[str],
    label: str,
    now: dt.datetime,
    expires_at: dt.datetime | None,
) -> None:
    """Keep a key."""
    row = {
        "api_key_id": api_key_id,
        "user_id": user_id,
        "key_hash": key_hash,
        "scopes": list(scopes),
        "label": label,
        "now": now,
        "expires_at": expires_at,
    }
    await writer.execute(INSERT_NEW_API_KEY, row)


async def standing(writer: Writer, user_id: UUID, *, now: dt.datetime) -> list[KeyListed]:
    """Return the keys of a person that hold, the newest first."""
    return await writer.rows(KeyListed, STANDING_API_KEYS, {"user_id": user_id, "now": now})


async def revoke(writer: Writer, user_id: UUID, api_key_id: str, *, now: dt.datetime) -> bool:
    """End a key of a person; returns whether there was one that held."""
    return await writer.execute(REVOKE_API_KEY, {"user_id": user_id, "api_key_id": api_key_id, "now": now}) == 1
