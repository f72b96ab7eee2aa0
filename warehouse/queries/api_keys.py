"""Keys for scripts."""

import datetime as dt
from typing import Literal
from uuid import UUID

import msgspec

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
