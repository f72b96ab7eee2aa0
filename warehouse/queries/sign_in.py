"""What a sign-in leaves while it is under way: codes, refresh tokens, logins at another issuer, all as hashes."""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec
from psycopg.types.json import Jsonb

from warehouse.queries.reader import Writer

INSERT_CODE = """
insert into app.authorization_codes
(code_hash, user_id, client_id, redirect_uri, code_challenge, scopes, family_id, expires_at)
values (
    %(code_hash)s, %(user_id)s, %(client_id)s, %(redirect_uri)s, %(code_challenge)s, %(scopes)s, %(family_id)s,
    %(expires_at)s
)
"""
# Marked as used whatever comes of it: a code that somebody tried is a code that somebody else may have.
USE_CODE = """
update app.authorization_codes as code set used_at = coalesce(code.used_at, %(now)s)
from (select code_hash, used_at from app.authorization_codes where code_hash = %(code_hash)s for update) as before
where code.code_hash = before.code_hash
returning
    code.user_id, code.client_id, code.redirect_uri, code.code_challenge, code.scopes, code.family_id, code.expires_at,
    before.used_at
"""
INSERT_REFRESH = """
insert into app.refresh_tokens (token_hash, family_id, user_id, client_id, scopes, created_at, expires_at)
values (%(token_hash)s, %(family_id)s, %(user_id)s, %(client_id)s, %(scopes)s, %(now)s, %(expires_at)s)
"""
USE_REFRESH = """
update app.refresh_tokens as token set used_at = coalesce(token.used_at, %(now)s)
from (select token_hash, used_at from app.refresh_tokens where token_hash = %(token_hash)s for update) as before
where token.token_hash = before.token_hash
returning
    token.family_id, token.user_id, token.client_id, token.scopes, token.expires_at, token.revoked_at, before.used_at
"""
FAMILY_OF = "select family_id, user_id from app.refresh_tokens where token_hash = %(token_hash)s"
# A statement sees what was committed when it began: the next token of a refresh under way would escape the end of its
# sign-in. Whoever uses, adds or ends tokens of one takes turns, for as long as their transaction lasts.
LOCK_FAMILY = "select pg_advisory_xact_lock(hashtextextended('sign-in' || %(family_id)s::text, 0))"
REVOKE_FAMILY = """
update app.refresh_tokens set revoked_at = %(now)s where family_id = %(family_id)s and revoked_at is null
"""
INSERT_PROVIDER_LOGIN = """
insert into app.provider_logins (state_hash, browser_hash, nonce, code_verifier, request, expires_at)
values (%(state_hash)s, %(browser_hash)s, %(nonce)s, %(code_verifier)s, %(request)s, %(expires_at)s)
"""
TAKE_PROVIDER_LOGIN = """
delete from app.provider_logins
where state_hash = %(state_hash)s and browser_hash = %(browser_hash)s and expires_at > %(now)s
returning nonce, code_verifier, request, issuer, subject, email
"""
INSERT_PENDING_LINK = """
insert into app.provider_logins
(state_hash, browser_hash, nonce, code_verifier, request, expires_at, issuer, subject, email)
values (%(state_hash)s, %(browser_hash)s, '', '', %(request)s, %(expires_at)s, %(issuer)s, %(subject)s, %(email)s)
"""
# A used refresh token stays as long as its family may live: its reuse is what gives a thief away.
FORGET_ENDED = (
    "delete from app.authorization_codes where expires_at < %(now)s - interval '1 day'",
    "delete from app.refresh_tokens where expires_at < %(now)s - interval '1 day'",
    "delete from app.provider_logins where expires_at < %(now)s - interval '1 day'",
    "delete from app.login_failures where last_attempt_at < %(now)s - interval '1 day'",
)


class Code(msgspec.Struct, frozen=True):
    """An authorization code as it was before this use."""

    user_id: UUID
    client_id: str
    redirect_uri: str
    code_challenge: str
    scopes: list[str]
    family_id: UUID
    expires_at: dt.datetime
    used_at: dt.datetime | None


class RefreshToken(msgspec.Struct, frozen=True):
    """A refresh token as it was before this use."""

    family_id: UUID
    user_id: UUID
    client_id: str
    scopes: list[str]
    expires_at: dt.datetime
    revoked_at: dt.datetime | None
    used_at: dt.datetime | None


class Family(msgspec.Struct, frozen=True):
    """All refresh tokens of one sign-in."""

    family_id: UUID
    user_id: UUID


class ProviderLogin(msgspec.Struct, frozen=True):
    """A login under way at another issuer, and who it vouched for where the password for linking is awaited."""

    nonce: str
    code_verifier: str
    request: dict[str, Any]
    issuer: str | None
    subject: str | None
    email: str | None


async def add_code(
    writer: Writer,
    code_hash: str,
    *,
    user_id: UUID,
    client_id: str,
    redirect_uri: str,
    code_challenge: str,
    scopes: Sequence[str],
    family_id: UUID,
    expires_at: dt.datetime,
) -> None:
    """Keep a code."""
    row = {
        "code_hash": code_hash,
        "user_id": user_id,
        "client_id": client_id,
        "redirect_uri": redirect_uri,
        "code_challenge": code_challenge,
        "scopes": list(scopes),
        "family_id": family_id,
        "expires_at": expires_at,
    }
    await writer.execute(INSERT_CODE, row)


async def use_code(writer: Writer, code_hash: str, *, now: dt.datetime) -> Code | None:
    """Mark a code as used and return it as it was before."""
    rows = await writer.rows(Code, USE_CODE, {"code_hash": code_hash, "now": now})
    return rows[0] if rows else None


async def add_refresh_token(
    writer: Writer,
    token_hash: str,
    *,
    family_id: UUID,
    user_id: UUID,
    client_id: str,
    scopes: Sequence[str],
    now: dt.datetime,
    expires_at: dt.datetime,
) -> None:
    """Keep a refresh token."""
    row = {
        "token_hash": token_hash,
        "family_id": family_id,
        "user_id": user_id,
        "client_id": client_id,
        "scopes": list(scopes),
        "now": now,
        "expires_at": expires_at,
    }
    await writer.execute(INSERT_REFRESH, row)


async def use_refresh_token(writer: Writer, token_hash: str, *, now: dt.datetime) -> RefreshToken | None:
    """Mark a refresh token as used and return it as it was before."""
    rows = await writer.rows(RefreshToken, USE_REFRESH, {"token_hash": token_hash, "now": now})
    return rows[0] if rows else None


async def family_of(writer: Writer, token_hash: str) -> Family | None:
    """Return the family of a refresh token."""
    rows = await writer.rows(Family, FAMILY_OF, {"token_hash": token_hash})
    return rows[0] if rows else None


async def lock_family(writer: Writer, family_id: UUID) -> None:
    """Let nobody else use, add or end refresh tokens of a sign-in until this transaction ends."""
    await writer.execute(LOCK_FAMILY, {"family_id": family_id})


async def revoke_family(writer: Writer, family_id: UUID, *, now: dt.datetime) -> int:
    """End every refresh token of a sign-in, also one that is being made; returns how many were not ended yet."""
    await lock_family(writer, family_id)
    return await writer.execute(REVOKE_FAMILY, {"family_id": family_id, "now": now})


async def add_provider_login(
    writer: Writer,
    state_hash: str,
    *,
    browser_hash: str,
    nonce: str,
    code_verifier: str,
    request: Mapping[str, Any],
    expires_at: dt.datetime,
) -> None:
    """Keep a login that begins at another issuer."""
    row = {
        "state_hash": state_hash,
        "browser_hash": browser_hash,
        "nonce": nonce,
        "code_verifier": code_verifier,
        "request": Jsonb(dict(request)),
        "expires_at": expires_at,
    }
    await writer.execute(INSERT_PROVIDER_LOGIN, row)


async def take_provider_login(
    writer: Writer, state_hash: str, *, browser_hash: str, now: dt.datetime
) -> ProviderLogin | None:
    """Return a login under way and forget it: a state comes back once, into the browser that it left."""
    row = {"state_hash": state_hash, "browser_hash": browser_hash, "now": now}
    rows = await writer.rows(ProviderLogin, TAKE_PROVIDER_LOGIN, row)
    return rows[0] if rows else None


async def add_pending_link(
    writer: Writer,
    state_hash: str,
    *,
    browser_hash: str,
    request: Mapping[str, Any],
    expires_at: dt.datetime,
    issuer: str,
    subject: str,
    email: str,
) -> None:
    """Keep who another issuer vouched for until the password of the account here is shown."""
    row = {
        "state_hash": state_hash,
        "browser_hash": browser_hash,
        "request": Jsonb(dict(request)),
        "expires_at": expires_at,
        "issuer": issuer,
        "subject": subject,
        "email": email,
    }
    await writer.execute(INSERT_PENDING_LINK, row)


async def forget_ended(writer: Writer, *, now: dt.datetime) -> None:
    """Delete what has ended a day ago."""
    for statement in FORGET_ENDED:
        await writer.execute(statement, {"now": now})
