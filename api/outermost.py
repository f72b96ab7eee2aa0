"""The one wrapper around everything: request id, times, limits, headers, HEAD, metrics, traces, log, last resort.

Litestar's own middleware does not run for unknown addresses and methods; this sees every request.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Any, cast

import msgspec
import structlog
from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send

from api import exchange, rates, tracing
from api.arrival import Arrival
from api.cors import Cors
from api.errors import AnswerTooSlow, ApiProblem, RateLimited
from api.metrics import Metrics
from api.problems import MEDIA_TYPE, Internal, document
from api.rates import Limiter

SECURITY_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
)
CONTENT_SECURITY_POLICY = (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'")
# Sent over TLS alone, ours or a trusted proxy's: a browser then never asks without it.
STRICT_TRANSPORT_SECURITY = (b"strict-transport-security", b"max-age=31536000; includeSubDomains")
# From the end of the body, whose own time `api.arrival` bounds, until an answer begins. Every query has a limit of its
# own, far below.
ANSWER_SECONDS = 30.0
_CACHEABLE = (200, 304)
# What is left of such a request is not worth to be received.
_CLOSING = (408, 413)
# Monitors, as in `api.questions`; an address that matched nothing has no operation's name.
_UNLIMITED = frozenset({"/livez", "/readyz", "/health"})


class Outermost:
    """An ASGI application around the application."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        limiter: Limiter | None = None,
        cors: Cors | None = None,
        metrics: Metrics | None = None,
        on_end: Callable[[], None] = lambda: None,
    ) -> None:
        self.app = app
        self.limiter = limiter or Limiter(0)
        self.cors = cors or Cors(())
        self.metrics = metrics or Metrics()
        # Ends what would go on for ever, when the server is told to stop.
        self.end = on_end
        self._log = structlog.get_logger()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one connection; only HTTP is dressed."""
        if scope["type"] != ScopeType.HTTP:
            await self.app(scope, receive, send)
            return
        answer = _Answer(scope, send, self)
        token = exchange.current.set(answer.exchange)
        self.metrics.in_progress.inc()
        try:
            with tracing.request(scope, answer.exchange) as span:
                await self._answer(scope, receive, answer)
                tracing.finish(span, answer.exchange, answer.status)
        finally:
            self.metrics.in_progress.dec()
            self._account(scope, answer)
            exchange.current.reset(token)

    async def _answer(self, scope: HTTPScope, receive: Receive, answer: "_Answer") -> None:
        """Let the application answer, or do it here when it must not, cannot or does not."""
        preflight = self.cors.preflight(scope["method"], answer.given)
        if preflight is not None:
            await answer.send({"type": "http.response.start", "status": 204, "headers": preflight})
            await answer.send({"type": "http.response.body", "body": b"", "more_body": False})
            return
        try:
            self._admit(scope, answer)
            async with asyncio.timeout(ANSWER_SECONDS) as answer.deadline:
                arrival = Arrival(receive, on_wait=answer.rest, on_piece=answer.go_on)
                # To Litestar a HEAD is a GET, whose body stays here.
                await self.app(cast("Scope", {**scope, "method": _as_get(scope)}), arrival.receive, answer.send)
        except Exception as error:
            is_late = answer.deadline is not None and answer.deadline.expired()
            answer.deadline = None
            problem = (
                error if isinstance(error, ApiProblem) else AnswerTooSlow(ANSWER_SECONDS) if is_late else Internal()
            )
            await self._rescue(answer, problem, error)

    def _admit(self, scope: HTTPScope, answer: "_Answer") -> None:
        """Refuse whom nobody knows, and whose bucket is empty; who brings a credential is looked at when it is read."""
        if not self.limiter.is_on or scope["path"] in _UNLIMITED or answer.has_credential:
            return
        leave = self.limiter.look(rates.of_peer(answer.exchange.peer))
        if not leave.is_given:
            answer.exchange.leave = leave
            raise RateLimited(self.limiter.per_minute, leave.next_in_seconds)

    async def _rescue(self, answer: "_Answer", problem: ApiProblem, error: Exception) -> None:
        """Answer for what nothing below has answered for."""
        if problem.status >= 500:
            self._log.error("request_failed", request_id=answer.exchange.request_id, exc_info=error)
        if answer.status is not None:
            raise error
        body = msgspec.json.encode(document(problem))
        headers = [(b"content-type", MEDIA_TYPE.encode()), (b"content-length", str(len(body)).encode())]
        headers += [(name.lower().encode(), value.encode()) for name, value in problem.headers.items()]
        await answer.send({"type": "http.response.start", "status": problem.status, "headers": headers})
        await answer.send({"type": "http.response.body", "body": body, "more_body": False})

    def charge(self, scope: HTTPScope, answer: "_Answer") -> None:
        """Take a token for an answer that no handler gave: unknown addresses, refused credentials and questions."""
        now = answer.exchange
        if not self.limiter.is_on or now.leave is not None or answer.status == 304 or scope["path"] in _UNLIMITED:
            return
        if now.principal is not None:
            now.leave = self.limiter.take(("principal", now.principal))
        else:
            is_refused = answer.has_credential and answer.status == 401
            now.leave = self.limiter.take(rates.of_peer(now.peer, is_refused=is_refused))

    def note_malformed(self, now: exchange.Exchange, *, seconds: float, n_bytes: int) -> None:
        """Count and log what was answered by 400 below HTTP, since it was none: it has no method and no path."""
        self.metrics.count("none", None, 400, seconds=seconds, database_seconds=0.0)
        self._log.info(
            "request",
            request_id=now.request_id,
            method=None,
            path=None,
            operation=None,
            status=400,
            bytes=n_bytes,
            milliseconds=round(seconds * 1e3, 2),
            peer=now.peer,
        )

    def _account(self, scope: HTTPScope, answer: "_Answer") -> None:
        now = answer.exchange
        self.metrics.count(
            scope["method"],
            now.operation_id,
            answer.status,
            seconds=answer.first_byte_seconds or answer.elapsed_seconds,
            database_seconds=now.database_seconds,
        )
        self._log.info(
            "request",
            request_id=now.request_id,
            method=scope["method"],
            path=exchange.told_path(scope["path"]),
            operation=now.operation_id,
            status=answer.status,
            bytes=answer.n_bytes,
            milliseconds=round(answer.elapsed_seconds * 1e3, 2),
            database_milliseconds=round(now.database_seconds * 1e3, 2),
            peer=now.peer,
        )


class _Answer:
    """One answer on its way out."""

    def __init__(self, scope: HTTPScope, send: Send, around: Outermost) -> None:
        self.given = exchange.by_name(scope["headers"])
        client = scope.get("client")
        self.exchange = exchange.Exchange(
            exchange.request_id(self.given),
            self.given,
            client_address=client[0] if client else None,
            is_head=scope["method"] == "HEAD",
            user_agent=exchange.user_agent(self.given),
        )
        self.deadline: asyncio.Timeout | None = None
        self.status: int | None = None
        self.n_bytes = 0
        self.first_byte_seconds = 0.0
        self._scope = scope
        self._around = around
        self._send = send
        self._started = time.perf_counter()

    @property
    def elapsed_seconds(self) -> float:
        return time.perf_counter() - self._started

    @property
    def has_credential(self) -> bool:
        return b"authorization" in self.given

    def rest(self) -> None:
        """Let the answer's time stand still: the client's body is awaited."""
        self._set_deadline(None)

    def go_on(self) -> None:
        """Give the answer its whole time, from now on."""
        self._set_deadline(ANSWER_SECONDS)

    def _set_deadline(self, seconds: float | None) -> None:
        # An answer that has begun may go on: a stream does. One that is late stays late.
        if self.deadline is not None and self.status is None and not self.deadline.expired():
            self.deadline.reschedule(None if seconds is None else asyncio.get_running_loop().time() + seconds)

    async def send(self, message: Message) -> None:
        """Pass a message on, dressed."""
        if message["type"] == "http.response.start":
            self._set_deadline(None)
            if self.exchange.holds_any and message["status"] == 200:
                # Only now is it known that there is something that the client may hold (RFC 9110, 13.1.2).
                message["status"] = 304
                message["headers"] = [header for header in message.get("headers", []) if header[0].lower() == b"vary"]
            self.status = message["status"]
            self._around.charge(self._scope, self)
            message["headers"] = [*message.get("headers", []), *self._headers(message)]
        elif message["type"] == "http.response.body":
            if self._scope["method"] == "HEAD" or self.status == 304:
                message["body"] = b""
            self.n_bytes += len(message.get("body", b""))
        await self._send(message)

    def _headers(self, message: Any) -> list[tuple[bytes, bytes]]:
        elapsed, database = self.elapsed_seconds, self.exchange.database_seconds
        self.first_byte_seconds = elapsed
        timing = f"db;dur={database * 1e3:.2f}, app;dur={(elapsed - database) * 1e3:.2f}"
        given = {name.lower() for name, _ in message.get("headers", [])}
        headers = [
            (b"x-request-id", self.exchange.request_id.encode()),
            (b"server-timing", timing.encode()),
            (b"x-process-time", f"{elapsed:.6f}".encode()),
            *SECURITY_HEADERS,
            # A 304 would put this one in the place of the policy that the page came with.
            *([CONTENT_SECURITY_POLICY] if self.status != 304 else []),
            *([STRICT_TRANSPORT_SECURITY] if self._scope["scheme"] == "https" else []),
            *([(b"connection", b"close")] if self.status in _CLOSING else []),
            *self._rates(),
            *self._caching(),
        ]
        dressed = [header for header in headers if header[0] not in given]
        return dressed + [header for header in self._varying() if header not in message["headers"]]

    def _rates(self) -> list[tuple[bytes, bytes]]:
        leave = self.exchange.leave
        if leave is None:
            return []
        return [
            (b"ratelimit-policy", self._around.limiter.policy.encode()),
            (b"ratelimit", rates.header(leave).encode()),
        ]

    def _caching(self) -> list[tuple[bytes, bytes]]:
        if self.status not in _CACHEABLE or self.exchange.etag is None:
            return [(b"cache-control", b"no-store")]
        return [
            (b"etag", self.exchange.etag.encode()),
            (b"cache-control", self.exchange.cache_control.encode()),
        ]

    def _varying(self) -> list[tuple[bytes, bytes]]:
        """Say on what an answer depends beyond what its maker says; a header of its own, beside theirs."""
        is_kept = self.status in _CACHEABLE and self.exchange.etag is not None
        credential = [(b"vary", b"Authorization")] if is_kept and not self.exchange.is_for_all else []
        return credential + self._around.cors.answer(self.given)


def _as_get(scope: HTTPScope) -> str:
    return "GET" if scope["method"] == "HEAD" else scope["method"]
