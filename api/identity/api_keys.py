"""Keys for scripts, `fl_<id>_<secret>`: the database holds the id and the hash of the secret, never the secret."""

import datetime as dt
import hmac
import re
import secrets
from typing import NamedTuple

from api.database import Database
from api.identity.errors import TokenInvalid
from api.identity.principal import SCOPES, Principal, account
from warehouse.queries import api_keys
from warehouse.secrets import hash_of

PREFIX = "fl_"
# Often enough to find keys that nobody uses, seldom enough to cost nothing.
NOTE_USE_AFTER = dt.timedelta(hours=1)
_KEY = re.compile(r"fl_([0-9a-f]{12})_([0-9a-f]{64})")


class NewKey(NamedTuple):
    """A key that was just made: its public part, its secret, and the whole that its owner is shown once."""

    api_key_id: str
    secret: str

    @property
    def text(self) -> str:
        """The whole key."""
        return f"{PREFIX}{self.api_key_id}_{self.secret}"


def make() -> NewKey:
    """Make a key of 32 random bytes."""
    return NewKey(secrets.token_hex(6), secrets.token_hex(32))


async def principal_of(database: Database, key: str) -> Principal:
    """Return whose key this is.

    Raises
    ------
    TokenInvalid
        When it is none, is revoked or expired, or its account is closed; which of these it is, is not said.
    """
    matched = _KEY.fullmatch(key)
    if matched is None:
        raise TokenInvalid("this key is not one")
    api_key_id, secret = matched.groups()
    async with database.as_identity() as transaction:
        found = await api_keys.good(transaction, api_key_id, now=transaction.now)
    if found is None or not hmac.compare_digest(found.key_hash, hash_of(secret)):
        raise TokenInvalid("this key does not")
    scopes = SCOPES.intersection(found.scopes)
    principal = account(found.user_id, found.role, scopes, "api_key")
    await _note_use(database, principal, api_key_id, found.last_used_at)
    return principal


async def _note_use(
    database: Database, principal: Principal, api_key_id: str, last_used_at: dt.datetime | None
) -> None:
    now = database.now()
    if last_used_at is None or now - last_used_at >= NOTE_USE_AFTER:
        async with database.as_user(principal) as transaction:
            await api_keys.touch(transaction, api_key_id, now=now)
