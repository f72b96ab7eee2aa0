"""What a sign-in gives: codes for clients (with PKCE), access tokens, and refresh tokens that are good once."""

import base64
import datetime as dt
import hashlib
import hmac
import re
import secrets
from typing import Annotated, Literal, NamedTuple
from uuid import UUID, uuid4

import msgspec
from msgspec import Meta

from api.database import Database, Transaction
from api.errors import shown
from api.identity import tokens
from api.identity.accounts import principal_of
from api.identity.audit import audit
from api.identity.clients import Clients
from api.identity.errors import GrantRefused
from api.identity.principal import SCOPES, Scope, account
from api.identity.signing import SigningKeys
from warehouse.queries import accounts, sign_in
from warehouse.queries.accounts import Account

CODE_LIFETIME = dt.timedelta(seconds=60)
# However often it is refreshed, a sign-in ends.
FAMILY_LIFETIME = dt.timedelta(days=30)
FIRST_PARTY = "first-party"
CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")
VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")


class Tokens(msgspec.Struct, frozen=True):
    """What a client gets for a sign-in (RFC 6749, section 5.1)."""

    access_token: Annotated[str, Meta(description="Sent as `Authorization: Bearer`.")]
    token_type: Annotated[Literal["Bearer"], Meta(description="Always Bearer.")]
    expires_in: Annotated[int, Meta(description="How long the access token holds. Unit seconds.")]
    refresh_token: Annotated[str, Meta(description="Exchanged once for the next pair; its reuse ends the sign-in.")]
    scope: Annotated[str, Meta(description="What the access token may do, separated by spaces.")]


class AuthorizationRequest(NamedTuple):
    """What a client asks for when it sends a person here (RFC 6749, section 4.1.1; RFC 7636, section 4.3)."""

    client_id: str
    redirect_uri: str
    code_challenge: str
    scope: str
    state: str


class Grants:
    """Gives and takes back.

    Parameters
    ----------
    issuer
        Name of this installation in its tokens.
    """

    def __init__(self, database: Database, keys: SigningKeys, clients: Clients, *, issuer: str) -> None:
        self._database = database
        self._keys = keys
        self._clients = clients
        self.issuer = issuer

    def check(self, asked: AuthorizationRequest, *, response_type: str, method: str) -> None:
        """See to it that a request may be put to a person.

        Raises
        ------
        GrantRefused
            When client, address, challenge or scope are not as they must be.
        """
        self._clients.check(asked.client_id, asked.redirect_uri)
        if response_type != "code":
            detail = f"response_type: must be code; got {shown(response_type)}. Ask for a code."
            raise GrantRefused("unsupported_response_type", detail)
        if method != "S256" or not CHALLENGE.fullmatch(asked.code_challenge):
            raise GrantRefused(
                "invalid_request",
                "code_challenge: must be 43 characters of base64url, with code_challenge_method S256 (RFC 7636). "
                "Send the SHA-256 of a verifier.",
            )
        _scopes_in(asked.scope)

    async def code(self, found: Account, asked: AuthorizationRequest) -> str:
        """Return a code for the client of a request that was checked."""
        code = secrets.token_urlsafe(32)
        async with self._database.as_identity() as transaction:
            await sign_in.forget_ended(transaction, now=transaction.now)
            await sign_in.add_code(
                transaction,
                hash_of(code),
                user_id=found.user_id,
                client_id=asked.client_id,
                redirect_uri=asked.redirect_uri,
                code_challenge=asked.code_challenge,
                scopes=sorted(_scopes_in(asked.scope)),
                family_id=uuid4(),
                expires_at=transaction.now + CODE_LIFETIME,
            )
            await audit(transaction, principal_of(found), "code.issued", asked.client_id)
        return code

    async def first_party(self, found: Account) -> Tokens:
        """Return tokens for somebody who signed in here itself."""
        async with self._database.as_identity() as transaction:
            await sign_in.forget_ended(transaction, now=transaction.now)
            ends = transaction.now + FAMILY_LIFETIME
            return await self._pair(transaction, found, FIRST_PARTY, SCOPES, family_id=uuid4(), ends=ends)

    async def redeem_code(self, code: str, *, client_id: str, redirect_uri: str, code_verifier: str) -> Tokens:
        """Exchange a code.

        Raises
        ------
        GrantRefused
            When it is unknown, ended, used, another client's, or its verifier another. The reuse of a code ends
            what came of its first use.
        """
        async with self._database.as_identity() as transaction:
            now = transaction.now
            known = await sign_in.use_code(transaction, hash_of(code), now=now)
            found = await accounts.by_id(transaction, known.user_id) if known else None
            is_reused = known is not None and known.used_at is not None
            if known is not None and is_reused:
                await self._end(transaction, known.family_id, known.user_id, "code.reused")
            holds = (
                known is not None
                and not is_reused
                and known.expires_at > now
                and (known.client_id, known.redirect_uri) == (client_id, redirect_uri)
                and _is_verified(known.code_challenge, code_verifier)
            )
            if known is not None and found is not None and holds:
                scopes = SCOPES.intersection(known.scopes)
                ends = now + FAMILY_LIFETIME
                return await self._pair(transaction, found, client_id, scopes, family_id=known.family_id, ends=ends)
        raise GrantRefused(
            "invalid_grant",
            "code: must be fresh, unused, this client's, with its own redirect_uri and code_verifier; "
            "it is not. Sign in again.",
        )

    async def refresh(self, token: str, *, client_id: str) -> Tokens:
        """Exchange a refresh token for the next pair.

        Raises
        ------
        GrantRefused
            When it is unknown, ended, revoked, another client's, or was used before: then every token of the sign-in
            is revoked, since two have it and one of them is a thief.
        """
        async with self._database.as_identity() as transaction:
            now = transaction.now
            family = await sign_in.family_of(transaction, hash_of(token))
            if family is not None:
                await sign_in.lock_family(transaction, family.family_id)
            known = await sign_in.use_refresh_token(transaction, hash_of(token), now=now)
            found = await accounts.by_id(transaction, known.user_id) if known else None
            if known is not None and (known.used_at is not None or known.client_id != client_id):
                await self._end(transaction, known.family_id, known.user_id, "token.reused")
            elif known is not None and found is not None and known.revoked_at is None and known.expires_at > now:
                scopes = SCOPES.intersection(known.scopes)
                return await self._pair(
                    transaction, found, client_id, scopes, family_id=known.family_id, ends=known.expires_at
                )
        raise GrantRefused(
            "invalid_grant", "refresh_token: must be unused, unended and this client's; it is not. Sign in again."
        )

    async def revoke(self, token: str) -> None:
        """End the sign-in that a refresh token belongs to; an unknown one ends nothing (RFC 7009, section 2.2)."""
        async with self._database.as_identity() as transaction:
            family = await sign_in.family_of(transaction, hash_of(token))
            if family is not None:
                await self._end(transaction, family.family_id, family.user_id, "token.revoked")

    async def _end(self, transaction: Transaction, family_id: UUID, user_id: UUID, action: str) -> None:
        n_ended = await sign_in.revoke_family(transaction, family_id, now=transaction.now)
        await audit(transaction, account(user_id, "user", frozenset(), "user"), action, str(family_id), n_ended=n_ended)

    async def _pair(
        self,
        transaction: Transaction,
        found: Account,
        client_id: str,
        scopes: frozenset[Scope],
        *,
        family_id: UUID,
        ends: dt.datetime,
    ) -> Tokens:
        allowed = account(found.user_id, found.role, scopes, "user").scopes
        refresh_token = secrets.token_urlsafe(32)
        await sign_in.add_refresh_token(
            transaction,
            hash_of(refresh_token),
            family_id=family_id,
            user_id=found.user_id,
            client_id=client_id,
            scopes=sorted(allowed),
            now=transaction.now,
            expires_at=ends,
        )
        issued = tokens.issue(
            self._keys,
            issuer=self.issuer,
            user_id=found.user_id,
            client_id=client_id,
            scopes=allowed,
            now=transaction.now,
        )
        scope = " ".join(sorted(allowed))
        return Tokens(issued.text, "Bearer", issued.expires_in_seconds, refresh_token, scope)


def hash_of(secret: str) -> str:
    """Return what is stored of a code, a token or a state; they are random, so a plain hash is enough."""
    return hashlib.sha256(secret.encode()).hexdigest()


def challenge_of(verifier: str) -> str:
    """Return the S256 challenge of a verifier (RFC 7636, section 4.2)."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def _is_verified(challenge: str, verifier: str) -> bool:
    return bool(VERIFIER.fullmatch(verifier)) and hmac.compare_digest(challenge, challenge_of(verifier))


def _scopes_in(text: str) -> frozenset[Scope]:
    """Return the scopes that a request names; none named are all, as far as the account has them.

    Raises
    ------
    GrantRefused
        When one of them does not exist.
    """
    named = text.split()
    if unknown := sorted(set(named) - SCOPES):
        listed = ", ".join(sorted(SCOPES))
        raise GrantRefused(
            "invalid_scope", f"scope: must be among {listed}; got {shown(' '.join(unknown))}. Leave it out."
        )
    return SCOPES.intersection(named) if named else SCOPES
