"""Whose access token this is: our own issuer's, or that of the other issuer which the settings name."""

import datetime as dt
from collections.abc import Mapping
from contextlib import suppress
from typing import Any
from uuid import UUID, uuid4

from psycopg.errors import UniqueViolation

from api.database import Database
from api.identity import tokens
from api.identity.audit import audit
from api.identity.errors import TokenInvalid
from api.identity.issuers import Issuer
from api.identity.jwk import Keys
from api.identity.principal import Principal, account
from api.identity.signing import SigningKeys
from api.identity.tokens import ACCESS_TYPES, Rules
from warehouse.queries import accounts
from warehouse.queries.accounts import Account

# Ours hold ten minutes; others' are bounded, so that a token that leaks does not open the door for long.
OWN_LIFETIME = dt.timedelta(minutes=15)
FOREIGN_LIFETIME = dt.timedelta(minutes=90)


class Bearers:
    """Tells people by their access tokens.

    Parameters
    ----------
    issuer
        Name of this installation in its own tokens.
    other, audience
        The other issuer whose tokens count, and what they must be for; None where there is none.
    """

    def __init__(
        self, database: Database, keys: SigningKeys, *, issuer: str, other: Issuer | None, audience: str | None
    ) -> None:
        self._database = database
        self._own = issuer
        self._issuers: dict[str, tuple[Keys, Rules]] = {
            issuer: (keys, Rules(issuer, issuer, ACCESS_TYPES, OWN_LIFETIME))
        }
        if other is not None and audience is not None:
            self._issuers[other.address] = (other, Rules(other.address, audience, ACCESS_TYPES, FOREIGN_LIFETIME))

    async def principal_of(self, token: str) -> Principal:
        """Return whose token this is.

        Raises
        ------
        TokenInvalid, IssuerUnreachable
            When something about it does not hold; when the other issuer's keys are not known.
        """
        issuer = tokens.issuer_of(token)
        if issuer not in self._issuers:
            raise TokenInvalid("its issuer is another")
        keys, rules = self._issuers[issuer]
        claims = await tokens.verified(token, keys, rules, self._database.now)
        found = await (self._here(claims) if issuer == self._own else self._elsewhere(issuer, claims["sub"]))
        if found is None:
            raise TokenInvalid("its account is not open")
        return account(found.user_id, found.role, tokens.scopes_of(claims), "user")

    async def _here(self, claims: Mapping[str, Any]) -> Account | None:
        try:
            user_id = UUID(claims["sub"])
        except ValueError:
            return None
        async with self._database.as_identity() as transaction:
            return await accounts.by_id(transaction, user_id)

    async def _elsewhere(self, issuer: str, subject: str) -> Account | None:
        """Return the account of a person at the other issuer; at the first sight of them it is made."""
        async with self._database.as_identity() as transaction:
            found = await accounts.by_identity(transaction, issuer, subject)
            if found is not None or await accounts.is_linked(transaction, issuer, subject):
                return found
        return await join(self._database, issuer=issuer, subject=subject, email=None, name=None)


async def join(database: Database, *, issuer: str, subject: str, email: str | None, name: str | None) -> Account | None:
    """Make an account for a person whom another issuer vouches for; of two requests at once one makes it.

    Parameters
    ----------
    email
        Where the issuer has verified it and no account here has it.
    """
    user_id = uuid4()
    shown = "".join(letter for letter in name or "" if letter.isprintable()).strip()[:100] or "Person of another issuer"
    with suppress(UniqueViolation):
        async with database.as_identity() as transaction:
            now = transaction.now
            await accounts.add(
                transaction, user_id=user_id, email=email, display_name=shown, password_hash=None, now=now
            )
            await accounts.link(transaction, issuer=issuer, subject=subject, user_id=user_id, email=email, now=now)
            await audit(transaction, account(user_id, "user", frozenset(), "user"), "account.joined", str(user_id))
    async with database.as_identity() as transaction:
        return await accounts.by_identity(transaction, issuer, subject)
