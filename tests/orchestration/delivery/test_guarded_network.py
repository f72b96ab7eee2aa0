"""The connection itself is where addresses are vetted."""

import socket
import threading
from collections.abc import Iterator
from contextlib import suppress

import httpcore
import pytest

from orchestration.delivery.errors import AddressRefused
from orchestration.delivery.guarded_network import GuardedNetwork, resolve


class Answers:
    """A resolver that gives its answers one after the other, and the last one from then on."""

    def __init__(self, *answers: list[str]) -> None:
        self._answers = list(answers)
        self.asked = 0

    def __call__(self, host: str, port: int) -> list[str]:
        self.asked += 1
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port that accepts connections and then sends one byte every 50 ms, for ever."""
    stop = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.05)
        open_sockets: list[socket.socket] = []

        def drip() -> None:
            while not stop.wait(0.05):
                with suppress(TimeoutError):
                    open_sockets.append(listener.accept()[0])
                for peer in open_sockets:
                    try:
                        peer.send(b"x")
                    except OSError:
                        open_sockets.remove(peer)
                        peer.close()

        thread = threading.Thread(target=drip)
        thread.start()
        yield listener.getsockname()[1]
        stop.set()
        thread.join()
        for peer in open_sockets:
            peer.close()


# Spellings that the system's resolver, or a name server, turns into an address inside.
@pytest.mark.parametrize(
    "host",
    ["localhost", "2130706433", "0x7f.1", "0x7f000001", "017700000001", "127.1", "0", "127.0.0.1", "::1",
     "::ffff:127.0.0.1"],
)  # fmt: skip
def test_every_spelling_of_loopback_is_refused(host: str) -> None:
    with pytest.raises((AddressRefused, httpcore.ConnectError)) as raised:
        GuardedNetwork().connect_tcp(host, 443)
    assert raised.type is AddressRefused or "does not resolve" in str(raised.value)


@pytest.mark.parametrize(
    "answers",
    [["10.0.0.1"], ["8.8.8.8", "127.0.0.1"], ["2606:4700:4700::1111", "::1"], ["64:ff9b::a9fe:a9fe"], ["fe80::1%eth0"]],
)
def test_a_name_with_one_private_address_is_refused_altogether(answers: list[str]) -> None:
    with pytest.raises(AddressRefused, match="every address of it"):
        GuardedNetwork(resolver=Answers(answers)).connect_tcp("example.com", 443)


def test_a_name_is_resolved_once_per_connection_and_its_second_answer_vetted_again() -> None:
    # The first answer is public, but no time is left to connect to it, so nothing is sent anywhere.
    resolver = Answers(["1.1.1.1"], ["127.0.0.1"])
    network = GuardedNetwork(resolver=resolver, timeout_seconds=0.0)
    with pytest.raises(httpcore.ConnectTimeout):
        network.connect_tcp("rebinding.example", 443)
    assert resolver.asked == 1
    with pytest.raises(AddressRefused):
        network.connect_tcp("rebinding.example", 443)
    assert resolver.asked == 2


@pytest.mark.parametrize("port", [22, 80, 5432, 8443])
def test_a_port_other_than_443_is_refused_without_a_look_up(port: int) -> None:
    resolver = Answers(["8.8.8.8"])
    with pytest.raises(AddressRefused, match="port 443"):
        GuardedNetwork(resolver=resolver).connect_tcp("example.com", port)
    assert resolver.asked == 0


def test_a_socket_of_this_machine_is_refused() -> None:
    with pytest.raises(AddressRefused):
        GuardedNetwork().connect_unix_socket("/var/run/docker.sock")


def test_a_listed_host_is_connected_to_and_the_next_address_tried_when_one_is_dead(silent_port: int) -> None:
    network = GuardedNetwork(
        allow=frozenset({("hook.local", silent_port)}), resolver=Answers(["127.0.0.2", "127.0.0.1"]), timeout_seconds=5
    )
    stream = network.connect_tcp("HOOK.local", silent_port)
    assert stream.read(1) == b"x"
    stream.close()


def test_a_receiver_that_drips_is_cut_off_at_the_deadline_of_the_whole_exchange(silent_port: int) -> None:
    seconds = iter(range(100))
    network = GuardedNetwork(
        allow=frozenset({("127.0.0.1", silent_port)}), timeout_seconds=4, stopwatch=lambda: float(next(seconds))
    )
    stream = network.connect_tcp("127.0.0.1", silent_port)  # started at 0, connected at 1
    assert stream.read(1, timeout=60) == b"x"  # 2
    stream.write(b"y")  # 3
    with pytest.raises(httpcore.ReadTimeout):
        stream.read(1, timeout=60)  # 4: nothing is left
    stream.close()


def test_a_name_without_address_is_a_failed_connection() -> None:
    with pytest.raises(httpcore.ConnectError, match=r"nowhere\.invalid does not resolve"):
        resolve("nowhere.invalid", 443)
    with pytest.raises(httpcore.ConnectError, match="has no address"):
        GuardedNetwork(resolver=Answers([])).connect_tcp("example.com", 443)
