"""The one wrapper around everything: request id, times, security headers, HEAD, access log, and the last resort.

Litestar's own middleware does not run for unknown addresses and methods; this sees every request.
"""

import time
from typing import Any, cast

import msgspec
import structlog
from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send

from api import exchange
from api.problems import MEDIA_TYPE, Internal, document

SECURITY_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
)
CONTENT_SECURITY_POLICY = (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'")
_CACHEABLE = (200, 304)


class Outermost:
    """An ASGI application around the application."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self._log = structlog.get_logger()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one connection; only HTTP is dressed."""
        if scope["type"] != ScopeType.HTTP:
            await self.app(scope, receive, send)
            return
        answer = _Answer(scope, send)
        token = exchange.current.set(answer.exchange)
        try:
            # To Litestar a HEAD is a GET, whose body stays here.
            await self.app(cast("Scope", {**scope, "method": _as_get(scope)}), receive, answer.send)
        except Exception as error:
            await self._rescue(answer, error)
        finally:
            self._write_log(scope, answer)
            exchange.current.reset(token)

    async def _rescue(self, answer: "_Answer", error: Exception) -> None:
        """Answer for a failure that nothing below has answered for."""
        self._log.error("request_failed", request_id=answer.exchange.request_id, exc_info=error)
        if answer.status is not None:
            raise error
        body = msgspec.json.encode(document(Internal()))
        headers = [(b"content-type", MEDIA_TYPE.encode()), (b"content-length", str(len(body)).encode())]
        await answer.send({"type": "http.response.start", "status": 500, "headers": headers})
        await answer.send({"type": "http.response.body", "body": body, "more_body": False})

    def _write_log(self, scope: HTTPScope, answer: "_Answer") -> None:
        self._log.info(
            "request",
            request_id=answer.exchange.request_id,
            method=scope["method"],
            path=scope["path"],
            operation=answer.exchange.operation_id,
            status=answer.status,
            bytes=answer.n_bytes,
            milliseconds=round(answer.elapsed_seconds * 1e3, 2),
            database_milliseconds=round(answer.exchange.database_seconds * 1e3, 2),
        )


class _Answer:
    """One answer on its way out."""

    def __init__(self, scope: HTTPScope, send: Send) -> None:
        client = scope.get("client")
        self.exchange = exchange.Exchange(
            exchange.request_id(scope["headers"]),
            client_address=client[0] if client else None,
            user_agent=exchange.user_agent(scope["headers"]),
        )
        self.status: int | None = None
        self.n_bytes = 0
        self._is_head = scope["method"] == "HEAD"
        self._send = send
        self._started = time.perf_counter()

    @property
    def elapsed_seconds(self) -> float:
        return time.perf_counter() - self._started

    async def send(self, message: Message) -> None:
        """Pass a message on, dressed."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message["headers"] = [*message.get("headers", []), *self._headers(message)]
        elif message["type"] == "http.response.body":
            if self._is_head:
                message["body"] = b""
            self.n_bytes += len(message.get("body", b""))
        await self._send(message)

    def _headers(self, message: Any) -> list[tuple[bytes, bytes]]:
        elapsed, database = self.elapsed_seconds, self.exchange.database_seconds
        timing = f"db;dur={database * 1e3:.2f}, app;dur={(elapsed - database) * 1e3:.2f}"
        given = {name.lower() for name, _ in message.get("headers", [])}
        headers = [
            (b"x-request-id", self.exchange.request_id.encode()),
            (b"server-timing", timing.encode()),
            (b"x-process-time", f"{elapsed:.6f}".encode()),
            *SECURITY_HEADERS,
            CONTENT_SECURITY_POLICY,
            *self._caching(),
        ]
        return [header for header in headers if header[0] not in given]

    def _caching(self) -> list[tuple[bytes, bytes]]:
        if self.status not in _CACHEABLE or self.exchange.etag is None:
            return [(b"cache-control", b"no-store")]
        return [
            (b"etag", self.exchange.etag.encode()),
            (b"cache-control", self.exchange.cache_control.encode()),
        ]


def _as_get(scope: HTTPScope) -> str:
    return "GET" if scope["method"] == "HEAD" else scope["method"]
