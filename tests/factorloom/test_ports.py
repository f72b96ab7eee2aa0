import os
import socket
from collections.abc import Iterator

import pytest

from factorloom.ports import Port, holder_of, is_free, taken


@pytest.fixture
def held() -> Iterator[int]:
    """A port that this test listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def test_a_port_that_somebody_listens_on_is_not_free(held):
    assert not is_free("127.0.0.1", held)


def test_a_port_is_free_again_when_its_listener_has_gone():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        number = listener.getsockname()[1]
    assert is_free("127.0.0.1", number)


def test_an_address_that_is_not_ours_is_not_free():
    assert not is_free("192.0.2.1", 8000)


def test_the_holder_is_named_with_its_command(held):
    holder = holder_of(held)
    assert holder.pid == os.getpid()
    assert str(holder).startswith(f"process {os.getpid()} (")
    assert len(holder.command) <= 80


def test_a_holder_that_cannot_be_found_is_said_so(held):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        number = listener.getsockname()[1]
    assert str(holder_of(number)) == "a process that we may not look at"


def test_every_taken_port_is_listed_with_the_variable_that_moves_it(held):
    ports = [
        Port("webserver", "127.0.0.1", held, "FACTORLOOM_UI_PORT"),
        Port("api", "127.0.0.1", held, "FACTORLOOM_API_PORT"),
    ]
    sentences = taken(ports)
    assert len(sentences) == 2
    assert sentences[0].startswith(f"webserver: 127.0.0.1:{held} is held by process {os.getpid()}")
    assert sentences[1].endswith("stop that, or set FACTORLOOM_API_PORT")
