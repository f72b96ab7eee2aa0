"""People's accounts, what other issuers vouch for, and failed attempts. Read before it is known who asks."""

import datetime as dt
from typing import Literal
from uuid import UUID

import msgspec

from warehouse.queries.reader import Writer

INSERT_ACCOUNT = """
insert into app.users (user_id, email, display_name, role, password_hash, created_at)
values (%(user_id)s, %(email)s, %(display_name)s, 'user', %(password_hash)s, %(now)s)
on conflict (email) do nothing
"""
ACCOUNT = "select user_id, email, display_name, role, password_hash, created_at from app.users"
BY_EMAIL = f"{ACCOUNT} where email = %(email)s and is_active"
BY_ID = f"{ACCOUNT} where user_id = %(user_id)s and is_active"
BY_IDENTITY = f"""
{ACCOUNT} where is_active and user_id = (
    select user_id from app.user_identities where issuer = %(issuer)s and subject = %(subject)s
)
"""
IS_LINKED = """
select user_id from app.user_identities where issuer = %(issuer)s and subject = %(subject)s
"""
LINK = """
insert into app.user_identities (issuer, subject, user_id, email, linked_at)
values (%(issuer)s, %(subject)s, %(user_id)s, %(email)s, %(now)s)
"""
REHASH = "update app.users set password_hash = %(password_hash)s where user_id = %(user_id)s"
# The attempt counts before it is made, so that attempts side by side count each for itself. After a quiet day it is the
# first one again; from the fifth on the pause doubles, from a second up to a quarter of an hour.
BEGIN_ATTEMPT = """
insert into app.login_failures as known (email_hash, n_failures, last_attempt_at, locked_until)
values (%(email_hash)s, 1, %(now)s, %(now)s)
on conflict (email_hash) do update set
    n_failures = 1 + case
        when known.last_attempt_at < excluded.last_attempt_at - interval '1 day' then 0
        else known.n_failures
    end,
    last_attempt_at = excluded.last_attempt_at,
    locked_until = excluded.last_attempt_at + case
        when known.n_failures < 4 or known.last_attempt_at < excluded.last_attempt_at - interval '1 day'
            then interval '0'
        else least(interval '15 minutes', interval '1 second' * power(2, least(known.n_failures - 4, 20)))
    end
where known.locked_until <= excluded.last_attempt_at
returning n_failures
"""
LOCKED_UNTIL = "select locked_until from app.login_failures where email_hash = %(email_hash)s"
FORGET_ATTEMPTS = "delete from app.login_failures where email_hash = %(email_hash)s"


class Account(msgspec.Struct, frozen=True):
    """An account that is open."""

    user_id: UUID
    email: str | None
    display_name: str
    role: Literal["user", "admin"]
    password_hash: str | None
    created_at: dt.datetime


class _Id(msgspec.Struct, frozen=True):
    user_id: UUID


class _Attempt(msgspec.Struct, frozen=True):
    n_failures: int


class _Locked(msgspec.Struct, frozen=True):
    locked_until: dt.datetime


async def add(
    writer: Writer, *, user_id: UUID, email: str | None, display_name: str, password_hash: str | None, now: dt.datetime
) -> bool:
    """Make an account; returns whether its address was new."""
    row = {
        "user_id": user_id,
        "email": email,
        "display_name": display_name,
        "password_hash": password_hash,
        "now": now,
    }
    return await writer.execute(INSERT_ACCOUNT, row) == 1


async def by_email(writer: Writer, email: str) -> Account | None:
    """Return the account with an address."""
    return _first(await writer.rows(Account, BY_EMAIL, {"email": email}))


async def by_id(writer: Writer, user_id: UUID) -> Account | None:
    """Return the account with an id."""
    return _first(await writer.rows(Account, BY_ID, {"user_id": user_id}))


async def by_identity(writer: Writer, issuer: str, subject: str) -> Account | None:
    """Return the account that a person at another issuer has here."""
    return _first(await writer.rows(Account, BY_IDENTITY, {"issuer": issuer, "subject": subject}))


async def is_linked(writer: Writer, issuer: str, subject: str) -> bool:
    """Tell whether a person at another issuer has an account here, be it closed."""
    return bool(await writer.rows(_Id, IS_LINKED, {"issuer": issuer, "subject": subject}))


async def link(
    writer: Writer, *, issuer: str, subject: str, user_id: UUID, email: str | None, now: dt.datetime
) -> None:
    """Let a person at another issuer stand for an account; a second account for them violates the table's key."""
    row = {"issuer": issuer, "subject": subject, "user_id": user_id, "email": email, "now": now}
    await writer.execute(LINK, row)


async def rehash(writer: Writer, user_id: UUID, password_hash: str) -> None:
    """Keep another hash of the same password."""
    await writer.execute(REHASH, {"user_id": user_id, "password_hash": password_hash})


async def begin_attempt(writer: Writer, email_hash: str, *, now: dt.datetime) -> dt.datetime | None:
    """Count an attempt before it is made; returns until when none may be made, None where this one may."""
    if await writer.rows(_Attempt, BEGIN_ATTEMPT, {"email_hash": email_hash, "now": now}):
        return None
    return (await writer.rows(_Locked, LOCKED_UNTIL, {"email_hash": email_hash}))[0].locked_until


async def forget_attempts(writer: Writer, email_hash: str) -> None:
    """Begin to count anew."""
    await writer.execute(FORGET_ATTEMPTS, {"email_hash": email_hash})


def _first(rows: list[Account]) -> Account | None:
    return rows[0] if rows else None
