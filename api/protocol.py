"""HTTP/1.1 on a socket, with an end for clients that send a request a byte at a time or never read their answer.

uvicorn bounds the silence between two requests, but neither a head that never ends nor a body that nobody reads. What
is no HTTP at all is answered by a problem.
"""

import asyncio
import uuid
from typing import Any

import msgspec
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from api import exchange
from api.arrival import BYTES_PER_SECOND, GRACE_SECONDS
from api.outermost import CONTENT_SECURITY_POLICY, SECURITY_HEADERS, Outermost
from api.problems import MEDIA_TYPE, RequestMalformed, document

HEAD_SECONDS = 10.0
MAX_HEAD_BYTES = 65_536
# A handler stops to wait for its body before this, and can still say why.
BODY_EXTRA_SECONDS = 5.0
# An answer of which nothing was taken for so long is given up.
UNREAD_SECONDS = 60.0


class Together:
    """A transport whose first piece waits until the end of a step of the loop for what follows.

    Nearly always that is a head and its body: one packet, and a client that is woken once.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._waiting: bytes | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Keep what comes first, send it with what comes second."""
        if self._waiting is None:
            self._waiting = data
            self._loop.call_soon(self._flush)
        else:
            waiting, self._waiting = self._waiting, None
            self._transport.writelines((waiting, data))

    def close(self) -> None:
        """Send what waits, and close."""
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        waiting, self._waiting = self._waiting, None
        if waiting is not None and not self._transport.is_closing():
            self._transport.write(waiting)


class PatientProtocol(HttpToolsProtocol):
    """Closes the connection of a head with more than `HEAD_SECONDS` or `MAX_HEAD_BYTES`, or of a body that dribbles.

    And that of a client which takes nothing of its answer for `UNREAD_SECONDS`.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._timer: asyncio.TimerHandle | None = None
        self._reader_timer: asyncio.TimerHandle | None = None
        self._n_unread = 0
        self._is_in_body = False
        self._began_at = 0.0
        self._n_head_bytes = 0
        self._n_bytes = 0

    def connection_made(self, transport: Any) -> None:
        """Give the first head its time."""
        # Whatever writes or closes does it here: otherwise a close would overtake what still waits.
        together: Any = Together(transport, self.loop)
        super().connection_made(together)
        self._begin()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the time."""
        self._end()
        self._stop_to_watch_reader()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """The client takes less than is sent: watch whether it takes anything."""
        super().pause_writing()
        self._watch_reader()

    def resume_writing(self) -> None:
        """It has taken nearly all."""
        self._stop_to_watch_reader()
        super().resume_writing()

    def data_received(self, data: bytes) -> None:
        """Count, and parse."""
        self._n_bytes += len(data)
        super().data_received(data)

    def on_message_begin(self) -> None:
        """Give a head its time, from its first byte."""
        if self._timer is None:
            self._begin()
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """Count what belongs to the head."""
        self._grow(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Count what belongs to the head."""
        self._grow(len(name) + len(value))
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Give the body its time."""
        self._is_in_body = True
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The request is here; the answer has its own limits."""
        self._end()
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Answer for what is no HTTP with a problem, and close."""
        now = exchange.Exchange(str(uuid.uuid4()), client_address=self.client[0] if self.client else None)
        token = exchange.current.set(now)
        body = msgspec.json.encode(document(RequestMalformed()))
        exchange.current.reset(token)
        headers = [
            (b"content-type", MEDIA_TYPE.encode()),
            (b"content-length", b"%d" % len(body)),
            (b"x-request-id", now.request_id.encode()),
            (b"cache-control", b"no-store"),
            (b"connection", b"close"),
            *SECURITY_HEADERS,
            CONTENT_SECURITY_POLICY,
        ]
        lines = b"".join(b"%s: %s\r\n" % header for header in headers)
        self.transport.write(b"HTTP/1.1 400 Bad Request\r\n" + lines + b"\r\n" + body)
        self.transport.close()
        if isinstance(self.config.app, Outermost):
            self.config.app.note_malformed(now, seconds=self.loop.time() - self._began_at, n_bytes=len(body))

    def _begin(self) -> None:
        self._is_in_body, self._n_head_bytes, self._n_bytes = False, 0, 0
        self._began_at = self.loop.time()
        self._timer = self.loop.call_later(HEAD_SECONDS, self._look)

    def _end(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _watch_reader(self) -> None:
        self._n_unread = self.transport.get_write_buffer_size()
        self._reader_timer = self.loop.call_later(UNREAD_SECONDS, self._look_at_reader)

    def _look_at_reader(self) -> None:
        """Give up, or go on where something was taken."""
        if self.transport.get_write_buffer_size() < self._n_unread:
            self._watch_reader()
        else:
            self._reader_timer = None
            self.transport.abort()

    def _stop_to_watch_reader(self) -> None:
        if self._reader_timer is not None:
            self._reader_timer.cancel()
            self._reader_timer = None

    def _grow(self, n_bytes: int) -> None:
        self._n_head_bytes += n_bytes
        if self._n_head_bytes > MAX_HEAD_BYTES:
            # The parser turns it into one of its own errors, which is answered by 400.
            raise ValueError(f"head: must have at most {MAX_HEAD_BYTES} bytes; got {self._n_head_bytes}.")

    def _look(self) -> None:
        """Close, or look again when the body's time is over."""
        limit = HEAD_SECONDS
        if self._is_in_body:
            limit += GRACE_SECONDS + BODY_EXTRA_SECONDS + self._n_bytes / BYTES_PER_SECOND
        left = self._began_at + limit - self.loop.time()
        if left > 0:
            self._timer = self.loop.call_later(left, self._look)
            return
        self._timer = None
        if not self.transport.is_closing():
            self.transport.close()
