"""Passwords: argon2id by the floor that OWASP names, two at a time, and as slow for nobody as for somebody."""

import asyncio
import unicodedata
from functools import partial
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

# 19 MiB, two passes, one lane; two at a time, so that a crowd at the door takes 38 MiB and not the machine.
HASHER = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
AT_A_TIME = 2
Answer = TypeVar("Answer")


class Passwords:
    """Hashes and verifies in threads, so that nobody else waits."""

    def __init__(self) -> None:
        self._turns = asyncio.Semaphore(AT_A_TIME)
        # Somebody unknown costs the same work as somebody known.
        self._nobodys = HASHER.hash("nobody has this password")

    async def hashed(self, password: str) -> str:
        """Return the hash to store of a password."""
        return await self._in_turn(partial(HASHER.hash, _normal(password)))

    async def holds(self, password_hash: str | None, password: str) -> bool:
        """Tell whether a password is the one of a hash; without a hash it is not, and that takes as long."""
        matches = await self._in_turn(partial(_matches, password_hash or self._nobodys, _normal(password)))
        return matches and password_hash is not None

    async def _in_turn(self, work: "partial[Answer]") -> Answer:
        async with self._turns:
            return await asyncio.to_thread(work)


def is_outdated(password_hash: str) -> bool:
    """Tell whether a hash was made with other parameters than today's."""
    return HASHER.check_needs_rehash(password_hash)


def _matches(password_hash: str, password: str) -> bool:
    try:
        return HASHER.verify(password_hash, password)
    except (VerificationError, InvalidHashError):
        return False


def _normal(password: str) -> str:
    """Return the same text however the keyboard composed it."""
    return unicodedata.normalize("NFKC", password)
