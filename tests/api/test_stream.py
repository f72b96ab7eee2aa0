"""Following events: everybody's and one's own, in order, after a break, past a restart of the database, and slowly."""

import datetime as dt
import socket
import threading
import time
from collections.abc import Iterator
from functools import partial

import httpx
import msgspec
import psycopg
import pytest

from api import following, protocol, streams
from api.errors import StreamsFull
from api.following import MISSING_SECONDS, Reached
from api.identity import tokens
from api.identity.principal import nobody
from api.streams import Streams
from tests.api.conftest import ALICE, BOB, NOW, fill
from tests.api.serving import serving
from transforms.alert_rules import CORRECTED, INHIBITED, REPEATED, RESOLVED, TRIGGERED
from warehouse.connect import connect
from warehouse.queries.events import write_event
from warehouse.records.event_topics import TYPES
from warehouse.records.events import EVENT_TYPES


class Site:
    """A server over a warehouse of its own."""

    def __init__(self, port: int, database) -> None:
        self.base = f"http://127.0.0.1:{port}"
        self.port = port
        self.database = database

    def happens(self, type: str, payload: dict | None = None, *, whose=None) -> None:
        with connect(self.database.url) as connection:
            user_id = whose.user_id if whose else None
            write_event(connection, type, payload or {}, dedup_key=None, now=NOW, user_id=user_id)

    def follow(self, *, whose=None, last_event_id: str | None = None, **query: str) -> "Follower":
        headers = (whose.headers if whose else {}) | ({"Last-Event-ID": last_event_id} if last_event_id else {})
        return Follower(self.base, headers, query)


class Follower:
    """A stream that is read piece by piece."""

    def __init__(self, base: str, headers: dict, query: dict) -> None:
        self._client = httpx.Client(base_url=base, timeout=30, trust_env=False)
        self._context = self._client.stream("GET", "/v1/stream", headers=headers, params=query)
        self.answer = self._context.__enter__()
        assert self.answer.status_code == 200, self.answer.read()
        self._lines = self.answer.iter_lines()
        assert next(self._lines) == "retry: 2000"
        assert next(self._lines) == ""

    def message(self) -> dict[str, str]:
        """The next event or comment."""
        fields = {}
        for line in self._lines:
            if not line:
                return fields
            name, _, value = line.partition(": ")
            fields[name] = value
        return fields

    def events(self, count: int) -> list[dict]:
        return [msgspec.json.decode(message["data"]) | {"id": message["id"]} for message in self._messages(count)]

    def _messages(self, count: int) -> Iterator[dict[str, str]]:
        found = 0
        while found < count:
            message = self.message()
            assert message, "the stream has ended"
            if "data" in message:
                assert "event" in message
                found += 1
                yield message

    def __enter__(self) -> "Follower":
        return self

    def __exit__(self, *_: object) -> None:
        self._context.__exit__(None, None, None)
        self._client.close()


@pytest.fixture
def site(database, tmp_path, monkeypatch):
    monkeypatch.setattr(following, "POLL_SECONDS", 0.3)
    monkeypatch.setattr(streams, "COMMENT_SECONDS", 0.5)
    fill(database.owner_url)
    with serving(database.owner_url, tmp_path) as port:
        yield Site(port, database)


def types(events: list[dict]) -> list[str]:
    return [event["type"] for event in events]


def test_everybody_sees_what_is_everybodys_and_each_their_own(site):
    with site.follow() as anyone, site.follow(whose=ALICE) as alice, site.follow(whose=BOB) as bob:
        assert anyone.answer.headers["content-type"].startswith("text/event-stream")
        assert anyone.answer.headers["cache-control"] == "no-store"
        site.happens("price.updated", {"n_symbols": 3})
        site.happens("job.completed", {"state": "succeeded"}, whose=ALICE)
        site.happens("alert.triggered", whose=BOB)
        site.happens("signal.generated")
        assert types(anyone.events(2)) == ["price.updated", "signal.generated"]
        assert types(alice.events(3)) == ["price.updated", "job.completed", "signal.generated"]
        own = bob.events(3)
        assert types(own) == ["price.updated", "alert.triggered", "signal.generated"]
        assert [event["is_own"] for event in own] == [False, True, False]
        assert own[0]["payload"] == {"n_symbols": 3}


def test_topics_choose_and_comments_keep_the_line_warm(site):
    with site.follow(whose=ALICE, topics="jobs") as jobs:
        site.happens("price.updated")
        site.happens("job.progressed", {"progress": 0.5}, whose=ALICE)
        assert types(jobs.events(1)) == ["job.progressed"]
        assert jobs.message() == {"": "still here"}


def test_a_stream_goes_on_behind_the_event_that_came_last(site):
    with site.follow(whose=ALICE) as stream:
        site.happens("price.updated", {"number": 1})
        (first,) = stream.events(1)
    site.happens("price.updated", {"number": 2})
    site.happens("job.completed", {"number": 3}, whose=ALICE)
    site.happens("job.completed", {"number": 4}, whose=BOB)
    with site.follow(whose=ALICE, last_event_id=first["id"]) as stream:
        assert [event["payload"]["number"] for event in stream.events(2)] == [2, 3]


def test_after_more_than_a_day_a_stream_says_that_it_cannot_go_on(site):
    site.happens("price.updated")
    old = f"1.{int((NOW - dt.timedelta(hours=25)).timestamp())}"
    with site.follow(last_event_id=old) as stream:
        reset = stream.message()
        assert reset["event"] == "reset"
        site.happens("news.ingested")
        assert types(stream.events(1)) == ["news.ingested"]


def test_a_place_that_the_log_has_not_reached_is_that_of_another_log(site):
    site.happens("price.updated")
    with site.follow(last_event_id=f"999999.{int(NOW.timestamp())}") as stream:
        assert stream.message()["event"] == "reset"
        site.happens("price.updated", {"number": 2})
        assert stream.events(1)[0]["payload"] == {"number": 2}


def test_a_stream_outlives_the_database_and_loses_nothing(site):
    with site.follow(whose=ALICE) as stream:
        site.happens("price.updated", {"number": 1})
        stream.events(1)
        # What a restart of the server does to every connection, the one that listens among them.
        with psycopg.connect(site.database.owner_url, autocommit=True) as owner:
            owner.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity"
                " where application_name like 'factorloom-%' and datname = current_database()"
            )
        for number in range(2, 7):
            site.happens("job.progressed", {"number": number}, whose=ALICE)
        assert [event["payload"]["number"] for event in stream.events(5)] == [2, 3, 4, 5, 6]
        deadline = time.monotonic() + 20
        with psycopg.connect(site.database.owner_url, autocommit=True) as owner:
            heard = "select count(*) from pg_stat_activity where application_name = 'factorloom-events'"
            while owner.execute(heard).fetchone() == (0,) and time.monotonic() < deadline:
                time.sleep(0.05)
            assert owner.execute(heard).fetchone() == (1,)


def test_an_event_that_commits_late_comes_late_and_is_not_left_out(site):
    with site.follow() as stream, connect(site.database.url) as slow:
        write_event(slow, "price.updated", {"number": 1}, dedup_key=None, now=NOW)
        site.happens("price.updated", {"number": 2})
        (second,) = stream.events(1)
        assert second["payload"] == {"number": 2}
        slow.commit()
        (first,) = stream.events(1)
        assert first["payload"] == {"number": 1}
        # Whoever breaks off between the two goes on before the first.
        with site.follow(last_event_id=second["id"]) as again:
            assert [event["payload"]["number"] for event in again.events(2)] == [1, 2]


def test_a_client_that_reads_nothing_holds_nobody_up_and_gets_everything_later(site):
    large = {"text": "x" * 40_000}
    head = f"GET /v1/stream HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {BOB.key}\r\n\r\n".encode()
    with socket.create_connection(("127.0.0.1", site.port), timeout=30) as asleep, site.follow(whose=ALICE) as awake:
        asleep.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32_768)
        asleep.sendall(head)
        assert b"retry: 2000" in read_until(asleep, b"retry: 2000")
        with connect(site.database.url) as connection:
            for number in range(100):
                write_event(connection, "price.updated", large | {"number": number}, dedup_key=None, now=NOW)
        assert [event["payload"]["number"] for event in awake.events(100)] == list(range(100))
        assert httpx.get(f"{site.base}/v1/rankings", trust_env=False).status_code == 200
        received = read_until(asleep, b'"number":99')
        assert received.count(b"event: price.updated") == 100


def test_a_client_that_leaves_makes_room_and_one_too_many_is_refused(site):
    held = [site.follow() for _ in range(streams.MAX_STREAMS_OF_ONE)]
    refused = httpx.get(f"{site.base}/v1/stream", trust_env=False)
    assert (refused.status_code, refused.json()["code"]) == (429, "streams-full")
    assert refused.headers["retry-after"] == "10"
    with site.follow(whose=ALICE):
        pass
    for follower in held:
        follower.__exit__()
    deadline = time.monotonic() + 20
    while httpx.head(f"{site.base}/v1/stream", trust_env=False).status_code == 429 and time.monotonic() < deadline:
        time.sleep(0.05)
    with site.follow() as again:
        site.happens("price.updated")
        assert types(again.events(1)) == ["price.updated"]


def test_of_many_that_begin_at_once_no_more_get_a_place_than_there_are(site):
    question = f"GET /v1/stream HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {BOB.key}\r\n\r\n".encode()
    held = [
        socket.create_connection(("127.0.0.1", site.port), timeout=30) for _ in range(3 * streams.MAX_STREAMS_OF_ONE)
    ]
    for connection in held:
        connection.sendall(question)
    answers = [connection.recv(15) for connection in held]
    for connection in held:
        connection.close()
    assert answers.count(b"HTTP/1.1 200 OK") == streams.MAX_STREAMS_OF_ONE
    assert answers.count(b"HTTP/1.1 429 To") == 2 * streams.MAX_STREAMS_OF_ONE


def test_a_client_that_never_reads_loses_its_place(site, monkeypatch):
    monkeypatch.setattr(protocol, "UNREAD_SECONDS", 0.5)
    monkeypatch.setattr(streams, "MAX_STREAMS_OF_ONE", 1)
    with socket.socket() as asleep:
        asleep.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32_768)
        asleep.connect(("127.0.0.1", site.port))
        asleep.sendall(b"GET /v1/stream HTTP/1.1\r\nHost: x\r\n\r\n")
        read_until(asleep, b"retry: 2000")
        assert httpx.head(f"{site.base}/v1/stream", trust_env=False).status_code == 429
        with connect(site.database.url) as connection:
            for number in range(250):
                write_event(
                    connection, "price.updated", {"text": "x" * 40_000, "number": number}, dedup_key=None, now=NOW
                )
        deadline = time.monotonic() + 30
        while httpx.head(f"{site.base}/v1/stream", trust_env=False).status_code == 429:
            assert time.monotonic() < deadline, "the stream that nobody reads is still there"
            time.sleep(0.1)


def test_a_head_ends_and_odd_questions_are_refused(site):
    head = httpx.head(f"{site.base}/v1/stream", trust_env=False)
    assert (head.status_code, head.headers["content-type"].partition(";")[0]) == (200, "text/event-stream")
    for query, headers in (
        ("topics=nope", {}),
        ("topics=", {}),
        ("", {"Last-Event-ID": "7"}),
        ("", {"Last-Event-ID": "7.x"}),
        ("nope=1", {}),
    ):
        answer = httpx.get(f"{site.base}/v1/stream?{query}", headers=headers, trust_env=False)
        assert answer.status_code == 400, (query, headers)
        assert answer.headers["content-type"] == "application/problem+json"
    wrong = httpx.get(f"{site.base}/v1/stream", headers={"Authorization": "Bearer nope"}, trust_env=False)
    assert wrong.status_code == 401


@pytest.mark.parametrize(
    "ends",
    [
        "update app.api_keys set revoked_at = now() where user_id = %s",
        "update app.api_keys set expires_at = timestamptz '2024-01-01' where user_id = %s",
        "update app.api_keys set scopes = '{write:alerts}' where user_id = %s",
        "update app.users set is_active = false where user_id = %s",
    ],
    ids=["revoked", "expired", "narrowed", "closed"],
)
def test_a_stream_ends_with_what_opened_it(site, monkeypatch, ends):
    monkeypatch.setattr(streams, "CHECK_SECONDS", 0.2)
    with site.follow(whose=BOB) as bob, site.follow(whose=ALICE) as alice, site.follow() as anyone:
        with psycopg.connect(site.database.owner_url, autocommit=True) as owner:
            owner.execute(ends, [BOB.user_id])
        time.sleep(0.3)
        site.happens("portfolio.changed", whose=BOB)
        site.happens("price.updated")
        while message := bob.message():
            assert "data" not in message
        assert types(alice.events(1)) == types(anyone.events(1)) == ["price.updated"]


def test_a_stream_ends_when_its_token_does(database, tmp_path, monkeypatch):
    monkeypatch.setattr(following, "POLL_SECONDS", 0.3)
    monkeypatch.setattr(streams, "CHECK_SECONDS", 0.2)
    monkeypatch.setattr(tokens, "LIFETIME", dt.timedelta(seconds=2))
    fill(database.owner_url)
    with serving(database.owner_url, tmp_path, now=None) as port:
        who = {"email": "ada@example.com", "password": "correct horse battery"}
        ask = partial(httpx.post, trust_env=False)
        assert ask(f"http://127.0.0.1:{port}/v1/auth/register", json={**who, "display_name": "Ada"}).is_success
        token = ask(f"http://127.0.0.1:{port}/v1/auth/login", json=who).json()["access_token"]
        with Follower(f"http://127.0.0.1:{port}", {"Authorization": f"Bearer {token}"}, {}) as stream:
            deadline = time.monotonic() + 10
            while stream.message():
                assert time.monotonic() < deadline


def test_a_server_that_stops_ends_its_streams(database, tmp_path):
    fill(database.owner_url)
    ended = threading.Event()
    with serving(database.owner_url, tmp_path) as port:
        stream = Site(port, database).follow()

        def read_to_the_end() -> None:
            with stream:
                while stream.message():
                    pass
            ended.set()

        reader = threading.Thread(target=read_to_the_end)
        reader.start()
    reader.join(timeout=20)
    assert ended.is_set()


def test_every_type_of_event_belongs_to_one_topic():
    of_topics = [name for names in TYPES.values() for name in names]
    assert sorted(of_topics) == sorted(EVENT_TYPES)


@pytest.mark.parametrize("happening", [TRIGGERED, REPEATED, RESOLVED, INHIBITED, CORRECTED])
def test_whatever_a_rule_announces_is_followed_with_the_alerts(happening):
    assert f"alert.{happening}" in TYPES["alerts"]


def test_ids_that_were_passed_over_are_looked_for_and_given_up():
    now = [0.0]
    reached = Reached(10, stopwatch=lambda: now[0])
    reached.see(11)
    assert (reached.place, reached.missing) == (11, [])
    reached.see(14)
    assert (reached.place, reached.missing) == (11, [12, 13])
    reached.see(12)
    assert (reached.place, reached.missing) == (12, [13])
    now[0] = MISSING_SECONDS + 1
    assert (reached.missing, reached.place) == ([], 14)


def test_there_is_an_end_to_streams_of_all(monkeypatch):
    monkeypatch.setattr(streams, "MAX_STREAMS", 0)
    with pytest.raises(StreamsFull):
        Streams(None, None).admit("peer x")
    assert streams.whose_stream(nobody(reads_market=True), "10.0.0.1") != streams.whose_stream(
        nobody(reads_market=True), "10.0.0.2"
    )


def read_until(connection: socket.socket, wanted: bytes) -> bytes:
    received = b""
    while wanted not in received:
        part = connection.recv(65_536)
        assert part, received[-200:]
        received += part
    return received
