"""Requests that are too large, too slow, too deep or no requests at all, over a real socket."""

import asyncio
import json
import socket
import threading
import time

import httpx
import pytest
import structlog
import uvicorn
import uvloop
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from api import arrival, outermost, protocol
from api import database as door
from tests.api.conftest import fill
from tests.api.serving import serving, talk
from warehouse.connect import connect


@pytest.fixture(scope="module")
def port(seeded_url, tmp_path_factory):
    patch = pytest.MonkeyPatch()
    patch.setattr(protocol, "HEAD_SECONDS", 0.6)
    patch.setattr(protocol, "GRACE_SECONDS", 0.6)
    patch.setattr(protocol, "BODY_EXTRA_SECONDS", 1.0)
    patch.setattr(arrival, "GRACE_SECONDS", 0.6)
    with serving(seeded_url, tmp_path_factory.mktemp("home")) as port:
        yield port
    patch.undo()


def problem_of(answer: bytes) -> dict:
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"application/problem+json" in head.lower()
    return json.loads(body) | {"head": head.decode("latin-1").lower()}


def post(body: bytes, *, length: int | None = None, head: bytes = b"") -> bytes:
    return (
        b"POST /v1/blackscholes HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n" + head
        + b"Content-Length: %d\r\n\r\n" % (len(body) if length is None else length) + body
    )  # fmt: skip


def test_head_and_body_of_an_answer_come_together(port):
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        for _ in range(20):
            connection.sendall(b"GET /v1/instruments HTTP/1.1\r\nHost: x\r\n\r\n")
            head, _, body = connection.recv(1 << 20).partition(b"\r\n\r\n")
            assert b"content-length: %d\r\n" % len(body) in head
            assert json.loads(body)["data"]


@pytest.mark.parametrize(
    ("method", "headers", "end", "last"),
    [
        (b"HEAD", [(b"content-length", b"2")], HttpToolsProtocol.shutdown, b"content-length: 2\r\n\r\n"),
        (b"GET", [], HttpToolsProtocol.shutdown, b"\r\n0\r\n\r\n"),
        (b"HEAD", [(b"content-length", b"2")], lambda connection: connection.data_received(b"\x16\x03"), b"}"),
    ],
    ids=["head", "stream", "no HTTP"],
)
def test_what_is_written_alone_is_sent_when_the_connection_closes_at_once(method, headers, end, last):
    state = ServerState()

    async def answer_and_end(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        if method == b"GET":
            await send({"type": "http.response.body", "body": b"{}", "more_body": True})
            await asyncio.sleep(0.05)
        await send({"type": "http.response.body"})
        for connection in list(state.connections):
            end(connection)

    async def ask():
        loop = asyncio.get_running_loop()
        config = uvicorn.Config(answer_and_end, log_config=None)
        server = await loop.create_server(lambda: protocol.PatientProtocol(config, state, {}), "127.0.0.1", 0)
        async with server:
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            writer.write(method + b" / HTTP/1.1\r\nHost: x\r\n\r\n")
            received = await asyncio.wait_for(reader.read(), 20)
            writer.close()
        return received

    received = uvloop.run(ask())
    assert received.startswith(b"HTTP/1.1 200")
    assert received.endswith(last)


def test_a_body_that_stalls_is_cut_off_and_told_why(port):
    answer = problem_of(talk(port, post(b'{"options": [', length=400)))
    assert (answer["status"], answer["code"]) == (408, "body-too-slow")
    assert "connection: close" in answer["head"]


def test_a_body_that_dribbles_is_cut_off_whatever_its_pace(port):
    started = time.monotonic()
    pieces = [b" "] * 60
    answer = problem_of(talk(port, post(b"{", length=4000), *pieces, pause=0.05))
    assert (answer["status"], answer["code"]) == (408, "body-too-slow")
    assert time.monotonic() - started < 15


def test_a_body_that_nobody_reads_does_not_hold_the_connection_for_ever(port):
    answer = talk(
        port, b"POST /v1/instruments HTTP/1.1\r\nHost: x\r\nContent-Length: 900\r\n\r\n", *[b" "] * 80, pause=0.05
    )
    assert answer.startswith(b"HTTP/1.1 405")


def test_a_head_that_dribbles_is_cut_off(port):
    started = time.monotonic()
    assert talk(port, b"GET /livez HTTP/1.1\r\n", *[b"X-A: b\r\n"] * 60, pause=0.05) == b""
    assert talk(port) == b""  # nor may a connection stay silent from the start
    assert time.monotonic() - started < 15


def test_slow_clients_harm_nobody_else(port):
    slow = [threading.Thread(target=talk, args=(port, post(b"{", length=400))) for _ in range(40)]
    for thread in slow:
        thread.start()
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
        for _ in range(20):
            assert client.get("/v1/instruments?limit=2").status_code == 200
    for thread in slow:
        thread.join()


def test_bodies_beyond_the_limit_are_413_whether_they_say_their_length_or_not(port):
    said = problem_of(talk(port, post(b"", length=1_000_000_000)))
    assert said["status"] == 413
    assert "connection: close" in said["head"]
    chunk = b"%x\r\n" % 65_536 + b" " * 65_536 + b"\r\n"
    chunked = post(b"", head=b"Transfer-Encoding: chunked\r\n").replace(b"Content-Length: 0\r\n", b"")
    unsaid = talk(port, chunked, *[chunk] * 40)
    assert unsaid.startswith(b"HTTP/1.1 413")


def test_a_head_beyond_the_limit_is_refused(port):
    for head in (b"X-Long: " + b"a" * 70_000, b"\r\n".join(b"X-%d: aaaaaaaaaaaaaaaaaaaa" % n for n in range(4_000))):
        answer = problem_of(talk(port, b"GET /livez HTTP/1.1\r\nHost: x\r\n" + head + b"\r\n\r\n"))
        assert (answer["status"], answer["code"]) == (400, "request-malformed")
    assert problem_of(talk(port, b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n\r\n"))["status"] == 400


@pytest.mark.parametrize(
    "request_text",
    [
        b"GET /livez HTTP/1.1\r\nHost: x\r\nX-A: b\r\n c: folded\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nHost: x\r\nX-A\x00: b\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nHost: x\r\nX-A: b\x00c\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nHost : x\r\n\r\n",
        b"GET /livez HTTP/1.1\nHost: x\rX: y\r\n\r\n",
        b"GET /livez\x00 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /\xe4 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GE\x01T / HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"POST /livez HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /livez HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nabcd",
        b"POST /livez HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    ],
)  # fmt: skip
def test_what_is_no_http_is_a_problem(port, request_text):
    with structlog.testing.capture_logs() as lines:
        answer = problem_of(talk(port, request_text))
    (line,) = [line for line in lines if line["event"] == "request"]
    assert f"x-request-id: {line['request_id']}" in answer["head"]
    assert (line["status"], line["peer"]) == (answer["status"], "127.0.0.1")
    for header in (
        "x-content-type-options: nosniff",
        "cache-control: no-store",
        "content-security-policy: default-src",
    ):
        assert header in answer["head"]
    assert 400 <= answer["status"] < 500
    assert "x-request-id" in answer["head"]
    assert "traceback" not in json.dumps(answer).lower()


@pytest.mark.parametrize(
    "target",
    [
        b"/v1/history/ACME%0d%0aSet-Cookie:%20a=b",
        b"/v1/history/METB%0d%0aX-Bad:%20b",
        b"/v1/history/METB?period=1y%0d%0aX-Bad:%20b",
        b"/v1/history/METB?x=%0aX-Bad:b",
        b"/%0d%0aX-Bad:%20b",
    ],
)
def test_no_line_of_a_request_becomes_a_header_of_the_answer(port, target):
    answer = talk(
        port, b"GET " + target + b" HTTP/1.1\r\nHost: x\r\nX-Request-Id: a%0d%0ab\r\nConnection: close\r\n\r\n"
    )
    head = answer.partition(b"\r\n\r\n")[0].lower()
    assert head.startswith(b"http/1.1 4")
    assert b"\r\nx-bad" not in head
    assert b"\r\nset-cookie" not in head


def test_a_renamed_ticker_leads_on_with_its_query_alone(port):
    answer = talk(port, b"GET /v1/history/METB?period=1y HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert b"location: /v1/history/META?period=1y\r\n" in answer


def test_a_deeply_nested_body_is_a_problem(port):
    for body in (b"[" * 100_000, b'{"options":' * 50_000):
        answer = problem_of(talk(port, post(body, head=b"Connection: close\r\n")))
        assert (answer["status"], answer["code"]) == (400, "body-nested")


def test_an_answer_that_does_not_begin_in_time_is_503(tmp_path, monkeypatch, database):
    fill(database.owner_url)
    monkeypatch.setattr(outermost, "ANSWER_SECONDS", 0.5)
    monkeypatch.setattr(door, "STATEMENT_TIMEOUT", "20s")
    with serving(database.owner_url, tmp_path) as port, connect(database.url, autocommit=True) as connection:
        connection.execute("begin")
        connection.execute("lock table research.backtests in access exclusive mode")
        answer = httpx.get(f"http://127.0.0.1:{port}/v1/backtests/b_one", trust_env=False, timeout=20)
        connection.execute("rollback")
        assert (answer.status_code, answer.json()["code"]) == (503, "answer-too-slow")
        assert answer.headers["retry-after"] == "5"
        assert httpx.get(f"http://127.0.0.1:{port}/v1/backtests/b_one", trust_env=False).status_code == 200


def test_the_answers_time_begins_when_its_body_is_here(tmp_path, monkeypatch, seeded_url):
    monkeypatch.setattr(outermost, "ANSWER_SECONDS", 0.5)
    monkeypatch.setattr(arrival, "GRACE_SECONDS", 10.0)
    body = b'{"options": [{"type": "call", "spot": 100, "strike": 100, "years": 1, "volatility": 0.2}]}'
    whole = post(body, head=b"Connection: close\r\n")
    with serving(seeded_url, tmp_path) as port:
        # Seven pieces with pauses between them: longer than an answer may take, shorter than a body may.
        pieces = [whole[:-60], *(whole[start : start + 10] for start in range(len(whole) - 60, len(whole), 10))]
        assert len(pieces) == 7
        assert talk(port, *pieces, pause=0.2).startswith(b"HTTP/1.1 200")


def test_pipelined_requests_are_each_answered(port):
    one = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"
    last = b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    assert talk(port, one * 3 + last).count(b"HTTP/1.1 200") == 4


def test_a_connection_may_rest_between_requests(port):
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        for _ in range(2):
            connection.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
            assert connection.recv(65_536).startswith(b"HTTP/1.1 200")
            time.sleep(1.0)  # longer than a head may take
