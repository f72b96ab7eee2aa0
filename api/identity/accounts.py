"""Accounts with a password: made, signed in to, and guarded against guessing."""

import hashlib
import math
import re
from uuid import uuid4

from api.database import Database
from api.errors import ParameterError, ParameterInvalid
from api.identity import passwords
from api.identity.audit import audit
from api.identity.errors import CredentialsWrong, EmailTaken, LoginLocked, RegistrationClosed
from api.identity.passwords import Passwords
from api.identity.principal import SCOPES, Principal, account, nobody
from warehouse.queries import accounts
from warehouse.queries.accounts import Account

_EMAIL = re.compile(r"[^\s@\x00-\x1f\x7f]{1,64}@[a-z0-9](?:[a-z0-9.-]{0,186}[a-z0-9])?")


class Accounts:
    """The accounts of an installation."""

    def __init__(self, database: Database, *, is_open: bool) -> None:
        self._database = database
        self._is_open = is_open
        self._passwords = Passwords()

    async def register(self, email: str, password: str, display_name: str) -> Account:
        """Make an account.

        Raises
        ------
        RegistrationClosed, EmailTaken, ParameterInvalid
            When strangers get none, when there is one with this address, when the address is none.
        """
        if not self._is_open:
            raise RegistrationClosed
        email = _normal(email)
        if not _EMAIL.fullmatch(email):
            raise ParameterInvalid([ParameterError("email", "invalid", "must be an address with one @")])
        password_hash = await self._passwords.hashed(password)
        async with self._database.as_identity() as transaction:
            user_id = uuid4()
            is_new = await accounts.add(
                transaction,
                user_id=user_id,
                email=email,
                display_name=display_name,
                password_hash=password_hash,
                now=transaction.now,
            )
            made = await accounts.by_id(transaction, user_id) if is_new else None
            if made is None:
                raise EmailTaken
            await audit(transaction, principal_of(made), "account.registered", str(user_id))
        return made

    async def signed_in(self, email: str, password: str) -> Account:
        """Return the account that address and password open.

        Raises
        ------
        CredentialsWrong, LoginLocked
            The same, after the same work, whether there is such an account or not.
        """
        email = _normal(email)
        email_hash = hashlib.sha256(email.encode()).hexdigest()
        async with self._database.as_identity() as transaction:
            locked_until = await accounts.begin_attempt(transaction, email_hash, now=transaction.now)
            found = await accounts.by_email(transaction, email) if _EMAIL.fullmatch(email) else None
            now = transaction.now
        if locked_until is not None:
            raise LoginLocked(max(1, math.ceil((locked_until - now).total_seconds())))
        holds = await self._passwords.holds(found.password_hash if found else None, password)
        if found is None or not holds:
            await self._note_failure(email_hash, found)
            raise CredentialsWrong
        await self._note_success(email_hash, found, password)
        return found

    async def _note_failure(self, email_hash: str, found: Account | None) -> None:
        target = str(found.user_id) if found else f"sha256:{email_hash}"
        async with self._database.as_identity() as transaction:
            await audit(transaction, nobody(reads_market=False), "login.failed", target)

    async def _note_success(self, email_hash: str, found: Account, password: str) -> None:
        fresh = None
        if found.password_hash and passwords.is_outdated(found.password_hash):
            fresh = await self._passwords.hashed(password)
        async with self._database.as_identity() as transaction:
            await accounts.forget_attempts(transaction, email_hash)
            if fresh is not None:
                await accounts.rehash(transaction, found.user_id, fresh)
            await audit(transaction, principal_of(found), "login.succeeded", str(found.user_id))


def principal_of(found: Account) -> Principal:
    """Return the principal of somebody who has just shown that an account is theirs."""
    return account(found.user_id, found.role, SCOPES, "user")


def _normal(email: str) -> str:
    """Return an address as it is stored and compared."""
    return email.lower()
