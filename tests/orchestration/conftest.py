"""A real receiver of webhooks on the loopback interface."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple

import pytest


class Received(NamedTuple):
    """A request as it came in."""

    path: str
    headers: dict[str, str]
    body: bytes


class Receiver:
    """Answers each POST with the next of `answers` (status and headers), or with 204, and keeps what it got."""

    def __init__(self, server: ThreadingHTTPServer) -> None:
        self.port = server.server_address[1]
        self.answers: list[tuple[int, dict[str, str]]] = []
        self.received: list[Received] = []

    @property
    def address(self) -> str:
        """`host:port`, as the list of allowed receivers has it."""
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        """Where to post to."""
        return f"http://{self.address}/hook"

    @property
    def ids(self) -> list[str]:
        """The `webhook-id` of each request, in order."""
        return [request.headers["webhook-id"] for request in self.received]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A running receiver."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            receiver.received.append(Received(self.path, headers, body))
            status, extra = receiver.answers.pop(0) if receiver.answers else (204, {})
            self.send_response(status)
            for name, value in extra.items():
                self.send_header(name, value)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Stay silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    receiver = Receiver(server)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield receiver
    server.shutdown()
    thread.join()
    server.server_close()
