"""Bodies posted to a real receiver."""

import datetime as dt
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from orchestration.delivery.messages import Outcome
from orchestration.delivery.posting import Poster

BODY = b'{"type":"alert.triggered","data":{}}'


def now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


def post(poster: Poster, url: str, *, sent_at: dt.datetime | None = None) -> Outcome:
    return poster.post(url, BODY, {"x-of-ours": "1"}, sent_at=sent_at or now())


def test_a_receiver_gets_the_body_and_our_headers(receiver: Any) -> None:
    outcome = post(Poster(allow=[receiver.address]), receiver.url)
    assert outcome == Outcome(204, None)
    request = receiver.received[0]
    assert request.path == "/hook"
    assert request.headers["host"] == receiver.address
    assert request.headers["content-type"] == "application/json"
    assert request.headers["x-of-ours"] == "1"
    assert request.body == BODY


def test_a_receiver_that_is_not_listed_is_never_reached(receiver: Any) -> None:
    outcome = post(Poster(), receiver.url)
    assert outcome == Outcome(None, "address_refused")
    assert receiver.received == []


def test_a_redirect_is_a_failure_and_not_followed(receiver: Any) -> None:
    receiver.answers = [(302, {"location": receiver.url})]
    outcome = post(Poster(allow=[receiver.address]), receiver.url)
    assert outcome == Outcome(302, "redirected")
    assert len(receiver.received) == 1


def test_an_environment_that_names_a_proxy_is_left_alone(receiver: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    assert post(Poster(allow=[receiver.address]), receiver.url).is_received


@pytest.mark.parametrize(
    ("given", "seconds"),
    [
        ("120", 120.0),
        ("Fri, 20 Nov 2026 12:01:30 GMT", 90.0),
        ("Fri, 20 Nov 2026 12:01:30 -0000", 90.0),
        ("Fri, 20 Nov 2026 11:00:00 GMT", 0.0),
        ("soon", None),
        ("9" * 400, float("inf")),
        ("Fri, 20 Nov 2026 12:01:30 +99999999999999999999", None),
        ("Fri, 20 Nov 99999999999 12:01:30 GMT", None),
    ],
)
def test_retry_after_is_read_as_seconds_or_as_a_date(receiver: Any, given: str, seconds: float | None) -> None:
    receiver.answers = [(503, {"retry-after": given})]
    sent_at = dt.datetime(2026, 11, 20, 12, tzinfo=dt.UTC)
    outcome = post(Poster(allow=[receiver.address]), receiver.url, sent_at=sent_at)
    assert outcome == Outcome(503, "http_503", seconds)


def test_nobody_listening_is_a_failed_connection() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed_soon:
        address = f"127.0.0.1:{closed_soon.getsockname()[1]}"
    outcome = post(Poster(allow=[address]), f"http://{address}/")
    assert outcome == Outcome(None, "connection_failed")


class RawServer:
    """Accepts one connection after the other, reads the request, sends what it was told and hangs up or holds on."""

    def __init__(self, answer: bytes, *, hold: bool, context: ssl.SSLContext | None = None) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(0.05)
        self._answer, self._hold, self._context = answer, hold, context
        self._stop = threading.Event()
        self.sent_bytes = 0
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._listener.getsockname()[1]}"

    def close(self) -> None:
        self._stop.set()
        self._thread.join()
        self._listener.close()

    def _serve(self) -> None:
        while not self._stop.is_set():
            try:
                peer = self._listener.accept()[0]
            except TimeoutError:
                continue
            peer.settimeout(2)
            try:
                if self._context is not None:
                    peer = self._context.wrap_socket(peer, server_side=True)
                request = b""
                # What is left unread when a socket closes makes it a reset, which may overtake the answer.
                while not request.endswith(BODY):
                    request += peer.recv(65_536)
                for start in range(0, len(self._answer), 4096):
                    self.sent_bytes += peer.send(self._answer[start : start + 4096])
                if self._hold:
                    self._stop.wait(5)
            except OSError:
                pass
            finally:
                peer.close()


@pytest.fixture
def raw_servers() -> Iterator[list[RawServer]]:
    servers: list[RawServer] = []
    yield servers
    for server in servers:
        server.close()


def test_a_receiver_that_never_answers_is_a_timeout(raw_servers: list[RawServer]) -> None:
    raw_servers.append(server := RawServer(b"", hold=True))
    poster = Poster(allow=[server.address], timeout_seconds=0.2)
    assert post(poster, f"http://{server.address}/") == Outcome(None, "timeout")


def test_a_receiver_that_hangs_up_is_a_broken_connection(raw_servers: list[RawServer]) -> None:
    raw_servers.append(server := RawServer(b"HTTP/1.1 20", hold=False))
    outcome = post(Poster(allow=[server.address]), f"http://{server.address}/")
    assert outcome == Outcome(None, "connection_broken")


def test_the_status_counts_even_if_the_rest_of_the_answer_never_comes(raw_servers: list[RawServer]) -> None:
    raw_servers.append(server := RawServer(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc", hold=True))
    poster = Poster(allow=[server.address], timeout_seconds=0.3)
    assert post(poster, f"http://{server.address}/") == Outcome(200, None)


def test_an_endless_answer_is_read_up_to_a_limit_only(raw_servers: list[RawServer]) -> None:
    size = 50_000_000
    head = f"HTTP/1.1 500 No\r\ncontent-length: {size}\r\n\r\n".encode()
    raw_servers.append(server := RawServer(head + bytes(size), hold=False))
    outcome = post(Poster(allow=[server.address]), f"http://{server.address}/")
    assert outcome == Outcome(500, "http_500")
    server.close()
    assert server.sent_bytes < size / 2
    raw_servers.clear()


def certificate(folder: Path, name: str) -> Path:
    """Write a self-signed certificate for a name and the loopback address, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    start = now() - dt.timedelta(days=1)
    alternatives = x509.SubjectAlternativeName([x509.DNSName(name)])
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(start)
        .not_valid_after(start + dt.timedelta(days=3))
        .add_extension(alternatives, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / f"{name}.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return path


@pytest.fixture
def tls_server(tmp_path: Path, raw_servers: list[RawServer]) -> tuple[RawServer, ssl.SSLContext]:
    """A receiver under the name hook.example, and a client context that trusts its certificate."""
    path = certificate(tmp_path, "hook.example")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    raw_servers.append(
        server := RawServer(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", hold=False, context=context)
    )
    return server, ssl.create_default_context(cafile=str(path))


def test_the_vetted_address_is_spoken_to_under_the_name_of_the_url(
    tls_server: tuple[RawServer, ssl.SSLContext],
) -> None:
    server, trusting = tls_server
    port = server.address.rpartition(":")[2]
    poster = Poster(
        allow=[f"hook.example:{port}", f"other.example:{port}"],
        resolver=lambda host, port: ["127.0.0.1"],
        ssl_context=trusting,
    )
    assert post(poster, f"https://hook.example:{port}/") == Outcome(200, None)
    # The same server under a name that its certificate does not have.
    assert post(poster, f"https://other.example:{port}/") == Outcome(None, "tls_failed")


def test_a_certificate_that_nobody_vouches_for_is_refused(tls_server: tuple[RawServer, ssl.SSLContext]) -> None:
    server, _ = tls_server
    port = server.address.rpartition(":")[2]
    poster = Poster(allow=[f"hook.example:{port}"], resolver=lambda host, port: ["127.0.0.1"])
    assert post(poster, f"https://hook.example:{port}/") == Outcome(None, "tls_failed")
