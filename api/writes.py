"""How a write is carried out: once per Idempotency-Key, with its event and its entry in the audit log, or not."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Annotated, Any, TypeAlias
from uuid import UUID

import msgspec
from litestar import Request, Response
from litestar.openapi.spec import Example
from litestar.params import HeaderParameter

from api import exchange
from api.database import Database, Transaction
from api.errors import ParameterError, ParameterInvalid
from api.identity.audit import Fact, audit
from api.identity.principal import Principal
from api.refusals import IdempotencyKeyReused, RequestInFlight
from warehouse.queries import event_log, idempotency
from warehouse.queries.idempotency import Answered
from warehouse.records.questions import content_hash

KEY_NAME = "Idempotency-Key"
KEY_PATTERN = r"^[\x21-\x7e]{1,128}$"
_KEY_EXAMPLES = [Example(value="8e03978e-40d5-43dd-bc93-6894a57f9324")]
_KEY_TEXT = (
    "A key of your own for this request, 1 to 128 printable characters without spaces: sent again with the same key, it"
    " is carried out once and answered the same, for 7 days."
)

KeyNeeded: TypeAlias = Annotated[
    str, HeaderParameter(name=KEY_NAME, pattern=KEY_PATTERN, description=_KEY_TEXT, examples=_KEY_EXAMPLES)
]
KeyWelcome: TypeAlias = Annotated[
    str | None,
    HeaderParameter(name=KEY_NAME, required=False, pattern=KEY_PATTERN, description=_KEY_TEXT, examples=_KEY_EXAMPLES),
]


class Answer(msgspec.Struct, frozen=True):
    """What is answered: a status, a body, and where the thing is found."""

    body: Any
    status: int
    location: str | None = None

    def response(self) -> Response[Any]:
        """Return it as Litestar sends it."""
        return _response(msgspec.json.encode(self.body), self.status, self.location)


class Write:
    """One write of one person under way: all of it commits together."""

    def __init__(self, transaction: Transaction, principal: Principal, key: str | None, request_hash: str) -> None:
        self.transaction, self.now = transaction, transaction.now
        self._principal, self._key, self._request_hash = principal, key, request_hash
        self._entries: list[tuple[str, str, Mapping[str, Fact]]] = []

    @property
    def user_id(self) -> UUID:
        """Who writes."""
        return user_of(self._principal)

    async def answered(self) -> Response[Any] | None:
        """Return the answer of the first request with this key, None where this is the first.

        Raises
        ------
        RequestInFlight, IdempotencyKeyReused
            When the first one is under way, or was another request.
        """
        if self._key is None:
            return None
        operation_id = exchange.current.get().operation_id or ""
        if not await idempotency.claim(self.transaction, self.user_id, operation_id, self._key):
            raise RequestInFlight
        known = await idempotency.answered(self.transaction, self.user_id, operation_id, self._key)
        if known is None:
            return None
        if known.request_hash != self._request_hash:
            raise IdempotencyKeyReused
        return _response(known.body.encode(), known.status, known.location)

    async def event(self, type: str, subject: str, payload: Mapping[str, Any]) -> None:
        """Write an event of the caller's into the log, with the id of this request."""
        await event_log.append(
            self.transaction, type, payload, user_id=self.user_id, subject=subject,
            correlation_id=exchange.current.get().request_id, now=self.now,
        )  # fmt: skip

    def note(self, action: str, target: str, **detail: Fact) -> None:
        """Note what was done for the audit log, which is written last."""
        self._entries.append((action, target, detail))

    async def end(self, answer: Answer) -> Response[Any]:
        """Keep the answer for its key, write the audit log, and return the answer as it goes out."""
        body = msgspec.json.encode(answer.body)
        if self._key is not None:
            operation_id = exchange.current.get().operation_id or ""
            kept = Answered(self._request_hash, answer.status, answer.location, body.decode())
            await idempotency.keep(self.transaction, self.user_id, operation_id, self._key, kept, now=self.now)
        for action, target, detail in self._entries:
            await audit(self.transaction, self._principal, action, target, **detail)
        return _response(body, answer.status, answer.location)


@asynccontextmanager
async def writing(
    database: Database,
    principal: Principal,
    request: Request[Any, Any, Any],
    key: str | None = None,
    *,
    body_hash: str | None = None,
) -> AsyncIterator[Write]:
    """Begin a write: one transaction of one person; what leaves it by an exception never was.

    Parameters
    ----------
    database, principal
        As the handler was given them.
    request
        Its path, query and body make it the same request, should the key come again.
    key
        Idempotency-Key, where one came; None also where the handler heeds none, and then one is refused.
    body_hash
        Hash of a body that the handler has received by itself.
    """
    request_hash = ""
    if key is None and request.method != "DELETE":
        refuse_key(request)
    if key is not None:
        query: bytes = request.scope["query_string"]
        text = body_hash or (await request.body()).hex()
        request_hash = content_hash(request.scope["path"], query.decode("latin-1"), text)
    async with database.as_user(principal) as transaction:
        yield Write(transaction, principal, key, request_hash)


def refuse_key(request: Request[Any, Any, Any]) -> None:
    """Refuse a key where it would not be heeded: who sends one relies on it that nothing is done twice.

    Raises
    ------
    ParameterInvalid
        Naming the header. A second DELETE finds nothing to delete, so it may carry one.
    """
    if "idempotency-key" in request.headers:
        message = "must be left out, the same request twice is carried out twice here; it is there"
        raise ParameterInvalid([ParameterError(KEY_NAME, "unsupported", message)])


def user_of(principal: Principal) -> UUID:
    """Return who asks.

    Raises
    ------
    ValueError
        When nobody knows; the handler's scope sees to it that this does not happen.
    """
    if principal.user_id is None:
        raise ValueError("principal: somebody must ask for what is theirs; got nobody. Give the handler a scope.")
    return principal.user_id


def _response(body: bytes, status: int, location: str | None) -> Response[Any]:
    headers = {"Location": location} if location else {}
    if status == 202:
        headers["Retry-After"] = "5"
    return Response(body, status_code=status, media_type="application/json", headers=headers)
