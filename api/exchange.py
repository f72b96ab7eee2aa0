"""What is known of the request being answered, for those that log, time and sign it."""

import hashlib
import re
import uuid
from collections.abc import Iterable
from contextvars import ContextVar
from dataclasses import dataclass

from api.rates import Leave

MAX_USER_AGENT = 200
_UNPRINTABLE = re.compile(rb"[^\x20-\x7e]")
_ACCEPTED_ID = re.compile(rb"[A-Za-z0-9-]{8,64}")


@dataclass(slots=True)
class Exchange:
    """One request and its answer."""

    request_id: str
    client_address: str | None = None
    user_agent: str | None = None
    principal: str | None = None
    """Who asks, once a credential has been accepted."""
    leave: Leave | None = None
    """What the client's bucket said, where requests are limited."""
    database_seconds: float = 0.0
    operation_id: str | None = None
    filter_hash: str = ""
    version: str | None = None
    etag: str | None = None
    cache_control: str = "no-store"

    @property
    def peer(self) -> str:
        """Address of the client, or of what a trusted proxy saw as one."""
        return self.client_address or "unknown"

    @property
    def instance(self) -> str:
        """URI of this exchange, for problem documents."""
        try:
            return f"urn:uuid:{uuid.UUID(self.request_id)}"
        except ValueError:
            return f"urn:factorloom:request:{self.request_id}"


current: ContextVar[Exchange] = ContextVar("exchange")


def request_id(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """Return the client's `X-Request-Id` where it is 8 to 64 letters, digits and hyphens, else a new one."""
    for name, value in headers:
        if name == b"x-request-id" and _ACCEPTED_ID.fullmatch(value):
            return value.decode("ascii")
    return str(uuid.uuid4())


def user_agent(headers: Iterable[tuple[bytes, bytes]]) -> str | None:
    """Return what the client calls itself: short, and of printable ASCII."""
    given = next((value for name, value in headers if name == b"user-agent"), None)
    return None if given is None else _UNPRINTABLE.sub(b"?", given)[:MAX_USER_AGENT].decode("ascii")


def content_hash(*parts: str) -> str:
    """Return 32 hexadecimal digits that stand for these texts."""
    return hashlib.blake2b("\x1f".join(parts).encode(), digest_size=16).hexdigest()
