"""What is known of the request being answered, for those that log, time and sign it."""

import os
import re
import uuid
from collections.abc import Iterable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Literal, NamedTuple
from urllib.parse import quote

import msgspec

from api.rates import Leave
from warehouse.records.questions import Question

MAX_USER_AGENT = 200
_UNPRINTABLE = re.compile(rb"[^\x20-\x7e]")
# What follows is the secret of a mailbox: whoever knows it may end its mails.
_SECRET_PATH = re.compile(r"(/+mail/+[^/]+/+).+", re.IGNORECASE | re.DOTALL)
_ACCEPTED_ID = re.compile(rb"[A-Za-z0-9-]{8,64}")
# Of what is read here, that which may come in several lines of one name, each a part of the list (RFC 9110, 5.3).
_LISTS = frozenset({b"accept", b"accept-encoding", b"if-none-match"})


Shape = Literal["rows", "columns"]


class Presentation(NamedTuple):
    """How one answer is to be put."""

    format: str = "json"
    shape: Shape = "rows"
    fields: tuple[str, ...] | None = None

    @property
    def is_plain(self) -> bool:
        """Whether the answer is the JSON that the handler's type says."""
        return self.format == "json" and self.shape == "rows" and self.fields is None


PLAIN = Presentation()
NOTHING_YET = Question()


@dataclass(slots=True)
class Exchange:
    """One request and its answer."""

    request_id: str
    headers: Mapping[bytes, bytes] = field(default_factory=dict)
    """What the client sent: by name in lower case, as `by_name` gives it."""
    client_address: str | None = None
    user_agent: str | None = None
    # Whether somebody takes spans; found out once.
    is_traced: bool = False
    # A HEAD is handled as a GET whose body stays here; what would go on for ever must know.
    is_head: bool = False
    principal: str | None = None
    """Who asks, once a credential has been accepted."""
    leave: Leave | None = None
    """What the client's bucket said, where requests are limited."""
    database_seconds: float = 0.0
    operation_id: str | None = None
    # Path and query pairs, as they were asked.
    target: tuple[str, list[tuple[str, str]]] = ("", [])
    # The same as both halves know it.
    question: Question = NOTHING_YET
    # Type of a list's rows, and how they are to be put.
    row: type[msgspec.Struct] | None = None
    presentation: Presentation = PLAIN
    etag: str | None = None
    # Whether the client wants no answer that there is (`If-None-Match: *`).
    holds_any: bool = False
    cache_control: str = "no-store"
    # Whether everybody is answered the same.
    is_for_all: bool = True

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

    def header(self, name: bytes) -> str:
        """Return what the client sent under a name, empty where it sent nothing."""
        return self.headers.get(name, b"").decode("latin-1")

    def link(self, cursor: str) -> str:
        """Return the `Link` header that leads to the next page of what was asked."""
        path, pairs = self.target
        kept = [(name, value) for name, value in pairs if name != "cursor"]
        query = "&".join(f"{name}={quote(value, safe='')}" for name, value in [*kept, ("cursor", cursor)])
        return f'<{quote(path)}?{query}>; rel="next"'


current: ContextVar[Exchange] = ContextVar("exchange")


def by_name(headers: Iterable[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """Return header lines by name: of several under one name the first, or all of them where they are one list.

    >>> found = by_name([(b"accept", b"text/csv"), (b"host", b"a"), (b"accept", b"*/*;q=0.1"), (b"host", b"b")])
    >>> found[b"accept"], found[b"host"]
    (b'text/csv, */*;q=0.1', b'a')
    """
    lines = list(headers)
    found = dict(reversed(lines))
    if len(found) < len(lines):
        for name in _LISTS & found.keys():
            found[name] = b", ".join([value for each, value in lines if each == name])
    return found


def request_id(headers: Mapping[bytes, bytes]) -> str:
    """Return the client's `X-Request-Id` where it is 8 to 64 letters, digits and hyphens, else a new one."""
    given = headers.get(b"x-request-id")
    return given.decode("ascii") if given is not None and _ACCEPTED_ID.fullmatch(given) else new_id()


def new_id() -> str:
    """Return a random UUID (version 4) in a quarter of the time that making one as an object takes.

    >>> uuid.UUID(new_id()).version
    4
    """
    digits = os.urandom(16).hex()
    variant = "89ab"[int(digits[16], 16) % 4]
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"


def told_path(path: str) -> str:
    """Return a path as logs and traces may have it: without the secret that links in mails end with.

    >>> told_path("/mail/confirm/AbC"), told_path("/v1/history/ACME")
    ('/mail/confirm/{token}', '/v1/history/ACME')
    """
    return _SECRET_PATH.sub(r"\1{token}", path, count=1) if "mail" in path.lower() else path


def user_agent(headers: Mapping[bytes, bytes]) -> str | None:
    """Return what the client calls itself: short, and of printable ASCII."""
    given = headers.get(b"user-agent")
    return None if given is None else _UNPRINTABLE.sub(b"?", given)[:MAX_USER_AGENT].decode("ascii")
