"""The API on a real socket, in a thread of the test's process, so that a test can shorten its limits."""

import gc
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import SecretStr

from api.server import Server, configuration
from tests.api.conftest import NOW
from tests.ports import free_port
from warehouse.connect import API, with_role
from warehouse.settings import Settings


@contextmanager
def serving(url: str, home: Path, **given: object) -> Iterator[int]:
    """Serve a filled warehouse; yields the port."""
    port = free_port()
    settings = Settings(
        home=home,
        api_database_url=SecretStr(with_role(url, API)),
        api_port=port,
        **{"now": NOW, **given},  # type: ignore[arg-type]
    )
    server = Server(configuration(settings))
    thread = threading.Thread(target=server.run)
    thread.start()
    deadline = time.monotonic() + 30
    while not server.started and thread.is_alive() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert server.started
    try:
        yield port
    finally:
        server.should_exit = True
        thread.join(timeout=30)
        # The server has told the collector to leave alone what was there at its start.
        gc.unfreeze()


def talk(port: int, *pieces: bytes, pause: float = 0.0, timeout: float = 20) -> bytes:
    """Send pieces with pauses between them, and return everything that comes until the other side closes."""
    with socket.create_connection(("127.0.0.1", port), timeout=timeout) as connection:
        received = b""
        for piece in pieces:
            try:
                connection.sendall(piece)
            except OSError:
                break
            time.sleep(pause)
        while True:
            try:
                part = connection.recv(65_536)
            except ConnectionResetError:
                break
            if not part:
                break
            received += part
    return received
