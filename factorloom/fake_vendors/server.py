"""An HTTP server on loopback that answers as a vendor does, and as badly as it is told to."""

import datetime as dt
import json
import random
import re
import socket
import threading
from collections import Counter, deque
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import NamedTuple, Self
from urllib.parse import parse_qsl, urlsplit


class Asked(NamedTuple):
    """A request; `form` are the fields of a body that has any."""

    path: str
    parameters: Mapping[str, str]
    headers: Mapping[str, str]
    form: Mapping[str, str] = {}


class Reply(NamedTuple):
    """An answer; with `is_cut` the connection ends in the middle of it, with `waits` it comes when that is set."""

    status: int
    body: bytes
    headers: Mapping[str, str] = {}
    is_cut: bool = False
    waits: threading.Event | None = None


class Faults(NamedTuple):
    """How often something goes wrong, each a fraction of the requests, drawn by `seed`.

    A lie is an answer about other days than were asked for. `slow_seconds` pass before each answer.
    """

    errors: float = 0.0
    refusals: float = 0.0
    cuts: float = 0.0
    garbage: float = 0.0
    lies: float = 0.0
    slow_seconds: float = 0.0
    seed: int = 1


Answering = Callable[[Asked], Reply]
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_SHIFT = dt.timedelta(days=28)
GARBAGE = b'{"status": "OK", "results": [{"T": "F0'


class FakeVendor:
    """A running server; a context manager that stops it.

    Parameters
    ----------
    answering
        Makes the answer to a request.
    faults
        What goes wrong by chance.
    port
        0 takes a free one.
    """

    def __init__(self, answering: Answering, *, faults: Faults = Faults(), port: int = 0) -> None:  # noqa: B008
        self._answering = answering
        self._faults = faults
        self._random = random.Random(faults.seed)  # noqa: S311 - draws faults, keeps no secret
        self._lock = threading.Lock()
        # Answers that come before all others: what a test wants to see happen next.
        self.next_replies: deque[Reply] = deque()
        self.asked: list[Asked] = []
        self.met: Counter[str] = Counter()
        self.n_connections = 0
        self._server = _Server(("127.0.0.1", port), _handler_of(self))
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def url(self) -> str:
        """Address, for FACTORLOOM_<SOURCE>_BASE_URL."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def wait(self) -> None:
        """Serve until the process is interrupted."""
        self._thread.join()

    def reply(self, asked: Asked) -> Reply:
        """Return the next answer, or what goes wrong in its place."""
        with self._lock:
            self.asked.append(asked)
            if self.next_replies:
                return self.next_replies.popleft()
            fault = self._draw()
            self.met[fault] += 1
        if fault == "error":
            return Reply(503, b"upstream failed", {"content-type": "text/plain"})
        if fault == "refusal":
            return Reply(429, b'{"status":"ERROR","error":"too many requests"}', {"retry-after": "0"})
        if self._faults.slow_seconds:
            threading.Event().wait(self._faults.slow_seconds)
        reply = self._answering(_of_other_days(asked) if fault == "lie" else asked)
        if fault == "garbage":
            return reply._replace(body=GARBAGE)
        return reply._replace(is_cut=fault == "cut")

    def _draw(self) -> str:
        draw, faults = self._random.random(), self._faults
        for name, share in (
            ("error", faults.errors), ("refusal", faults.refusals), ("cut", faults.cuts), ("garbage", faults.garbage),
            ("lie", faults.lies),
        ):  # fmt: skip
            if draw < share:
                return name
            draw -= share
        return "answer"


def as_json(body: object, status: int = 200, **headers: str) -> Reply:
    """Return an answer in JSON; in the names of headers a line stands for a dash."""
    return Reply(status, json.dumps(body).encode(), {name.replace("_", "-"): value for name, value in headers.items()})


def _of_other_days(asked: Asked) -> Asked:
    """Return the question whose answer would be a lie: the same one about days four weeks before."""
    return Asked(
        _earlier(asked.path),
        {
            name: _earlier(value, is_instant=name.startswith("period") and value.isdecimal())
            for name, value in asked.parameters.items()
        },
        asked.headers,
        asked.form,
    )


def _earlier(text: str, *, is_instant: bool = False) -> str:
    if is_instant:
        return str(int(text) - int(_SHIFT.total_seconds()))
    return _DAY.sub(lambda found: str(dt.date.fromisoformat(found[0]) - _SHIFT), text)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64


def _handler_of(vendor: FakeVendor) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def setup(self) -> None:
            vendor.n_connections += 1
            super().setup()

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            headers = {name.lower(): value for name, value in self.headers.items()}
            body = self.rfile.read(int(self.headers.get("content-length", 0))).decode()
            self._send(vendor.reply(Asked(parts.path, dict(parse_qsl(parts.query)), headers, dict(parse_qsl(body)))))

        do_POST = do_GET

        def _send(self, reply: Reply) -> None:
            if reply.waits is not None:
                reply.waits.wait()
            try:
                self.send_response(reply.status)
                for name, value in {"content-type": "application/json", **reply.headers}.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(reply.body)))
                self.end_headers()
                self.wfile.write(reply.body[: len(reply.body) // 2] if reply.is_cut else reply.body)
                if reply.is_cut:
                    self.wfile.flush()
                    self.connection.shutdown(socket.SHUT_RDWR)
                    self.close_connection = True
            except OSError:
                self.close_connection = True  # the other side has gone

        def log_message(self, format: str, *args: object) -> None:
            """Stay silent."""

    return Handler
