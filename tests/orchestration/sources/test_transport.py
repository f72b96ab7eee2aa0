import datetime as dt
import gzip
import json
import logging
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import msgspec
import pytest

from factorloom.fake_vendors.server import Asked, FakeVendor, Faults, Reply
from orchestration.sources.answers import Answer, retry_after
from orchestration.sources.credentials import Credential, without_secrets
from orchestration.sources.errors import Kind, VendorOverBudget, VendorRefused, VendorUnavailable
from orchestration.sources.ledger import MemoryLedger, Plan
from orchestration.sources.transport import Call, Limits, Time, Transport, Vendor
from orchestration.sources.vendor import VendorOptions

KEY = "marker-key-5f1e"
NOON = dt.datetime(2026, 3, 2, 12, 0, 10, tzinfo=dt.UTC)
UNBOUNDED = Plan("any")
QUICK = Limits(read_seconds=0.2, connect_seconds=0.5, max_attempts=3, n_workers=2)


class SlowTime:
    """Time that passes by sleeping alone."""

    def __init__(self) -> None:
        self.moment = NOON
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.moment += dt.timedelta(seconds=seconds)

    def as_time(self, stopwatch=lambda: 0.0) -> Time:
        return Time(lambda: self.moment, self.sleep, stopwatch)


def hello(asked: Asked) -> Reply:
    return Reply(200, json.dumps({"path": asked.path, "key": asked.headers.get("x-key")}).encode())


@pytest.fixture
def server():
    with FakeVendor(hello) as server:
        yield server


def decode(body: bytes) -> dict:
    return msgspec.json.decode(body, type=dict)


@pytest.fixture
def clock():
    return SlowTime()


@pytest.fixture
def transport(server, clock):
    made = []

    def transport(
        *, plan: Plan = UNBOUNDED, limits: Limits = QUICK, ledger=None, credential=None, time=None, url=None
    ) -> Transport:
        credential = credential or Credential(KEY, header="x-key")
        vendor = Vendor("someone", url or server.url, credential, plan)
        made.append(Transport(vendor, ledger or MemoryLedger(), limits=limits, time=time or clock.as_time(), seed=1))
        return made[-1]

    yield transport
    for each in made:
        each.close()


def test_an_answer_comes_back_decoded(transport):
    assert transport().fetch(Call("/a", decode)) == {"path": "/a", "key": "***"}, "a key in the answer is hidden too"


def test_connections_are_used_again(transport, server):
    asking = transport()
    for _ in range(5):
        asking.fetch(Call("/a", decode))
    assert server.n_connections == 1


def test_a_connection_that_is_out_when_all_are_closed_is_closed_when_it_comes_back(transport, server):
    asking, goes_on = transport(limits=QUICK._replace(read_seconds=20.0)), threading.Event()
    server.next_replies.append(Reply(200, b'{"path": "/a"}', waits=goes_on))
    with ThreadPoolExecutor(1) as threads:
        answer = threads.submit(asking.fetch, Call("/a", decode))
        while not server.asked:
            time.sleep(0.01)
        asking.close()
        goes_on.set()
        assert answer.result() == {"path": "/a"}
    assert not asking._idle_clients


@pytest.mark.parametrize("n_workers", [1, 2])
def test_no_thread_waits_on_a_connection_that_another_one_has_closed(transport, server, clock, n_workers):
    """Threads that share a pool of httpcore do, a few times in a thousand requests, until the time-out."""
    asking = transport(limits=QUICK._replace(read_seconds=5.0, n_workers=n_workers))
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        with ThreadPoolExecutor(3) as threads:
            found = list(threads.map(lambda n: asking.fetch(Call(f"/{n}", decode)), range(1000)))
    finally:
        sys.setswitchinterval(usual)
    assert [answer["path"] for answer in found] == [f"/{n}" for n in range(1000)]
    assert (clock.slept, len(server.asked)) == ([], 1000), "some were asked again"
    assert server.n_connections <= n_workers


@pytest.mark.parametrize(
    "reply",
    [
        Reply(500, b"oops"),
        Reply(503, b"<html>Will be right back</html>"),
        Reply(520, b"error code: 520"),
        Reply(200, b"<html>Will be right back</html>"),
        Reply(200, b'{"path": "/a", "k'),
        Reply(200, b'{"path": "/a", "key": null}', is_cut=True),
        Reply(200, b""),
        Reply(200, b"\x1f\x8bnonsense", {"content-encoding": "gzip"}),
        Reply(408, b"{}"),
    ],
    ids=lambda reply: f"{reply.status} {reply.body[:12]!r} cut={reply.is_cut}",
)
def test_what_may_pass_is_asked_again(transport, server, clock, reply):
    server.next_replies.append(reply)
    assert transport().fetch(Call("/a", decode))["path"] == "/a"
    assert len(server.asked) == 2
    (pause,) = clock.slept
    assert 0.25 <= pause <= 0.5, "the first pause is half a second, less the jitter"


def test_pauses_double_and_end_after_the_last_attempt(transport, server, clock):
    server.next_replies.extend([Reply(500, b"oops")] * 9)
    with pytest.raises(VendorUnavailable, match=r"someone: GET http://127.0.0.1:\d+/a must be answered; got 500 oops"):
        transport().fetch(Call("/a", decode))
    assert len(server.asked) == 3
    first, second = clock.slept
    assert 0.25 <= first <= 0.5 <= second <= 1.0


@pytest.mark.parametrize(("status", "kind"), [(400, Kind.BAD_REQUEST), (401, Kind.AUTH), (403, Kind.ENTITLEMENT)])
def test_what_stays_is_not_asked_again(transport, server, status, kind):
    server.next_replies.append(Reply(status, b"no"))
    with pytest.raises(VendorRefused) as caught:
        transport().fetch(Call("/a", decode))
    assert (caught.value.kind, len(server.asked)) == (kind, 1)


def test_no_content_is_no_answer_and_no_error(transport, server):
    server.next_replies.append(Reply(204, b""))
    assert transport().fetch(Call("/a", decode)) is None


def test_a_server_that_does_not_answer_is_given_up(transport, server):
    never = threading.Event()
    server.next_replies.extend([Reply(200, b"{}", waits=never)] * 3)
    with pytest.raises(VendorUnavailable, match="ReadTimeout"):
        transport().fetch(Call("/a", decode))
    never.set()


def test_a_body_that_drips_has_one_deadline(transport):
    seconds = iter([0.0, 1.0, 300.0, 0.0, 1.0, 300.0, 0.0, 1.0, 300.0])
    time = SlowTime().as_time(lambda: next(seconds))
    big = Limits(deadline_seconds=120, max_attempts=3, n_workers=1)
    with (
        FakeVendor(lambda asked: Reply(200, b" " * 300_000)) as server,
        pytest.raises(VendorUnavailable, match="no end in 120 s"),
    ):
        transport(limits=big, time=time, url=server.url).fetch(Call("/a", decode))


def test_a_body_beyond_the_bound_is_left_and_not_asked_for_again(transport, server):
    server.next_replies.append(Reply(200, b" " * 5000))
    with pytest.raises(VendorUnavailable, match="more than 4096 bytes"):
        transport(limits=QUICK._replace(max_body_bytes=4096)).fetch(Call("/a", decode))
    assert len(server.asked) == 1


def test_a_small_body_that_unpacks_to_a_large_one_is_left_too(transport, server):
    server.next_replies.append(Reply(200, gzip.compress(b" " * 5_000_000), {"content-encoding": "gzip"}))
    with pytest.raises(VendorUnavailable, match="more than 4096 bytes"):
        transport(limits=QUICK._replace(max_body_bytes=4096)).fetch(Call("/a", decode))


def test_a_body_that_is_packed_twice_is_not_unpacked(transport, server):
    twice = gzip.compress(gzip.compress(b"{}"))
    server.next_replies.append(Reply(200, twice, {"content-encoding": "gzip, gzip"}))
    with pytest.raises(VendorUnavailable, match="packed as 'gzip, gzip'"):
        transport().fetch(Call("/a", decode))
    assert len(server.asked) == 1


def test_a_packed_body_that_is_cut_off_is_asked_for_again(transport, server):
    whole = gzip.compress(json.dumps({"path": "/a", "padding": [*range(2000)]}).encode())
    server.next_replies.append(Reply(200, whole[: len(whole) // 2], {"content-encoding": "gzip"}))
    assert transport().fetch(Call("/a", decode))["path"] == "/a"
    assert len(server.asked) == 2


def test_a_redirect_is_not_followed(transport, server):
    server.next_replies.append(Reply(302, b"", {"location": "https://elsewhere.example/a"}))
    with pytest.raises(VendorRefused, match="302"):
        transport().fetch(Call("/a", decode))
    assert len(server.asked) == 1


@pytest.mark.parametrize("given", ["Mon, 02 Mar 2026 11:00:00 GMT", "-1"])
def test_a_limit_that_is_said_to_be_over_is_waited_for_all_the_same(transport, server, clock, given):
    server.next_replies.append(Reply(429, b"slow down", {"retry-after": given}))
    transport().fetch(Call("/a", decode))
    assert sum(clock.slept) == 50.0, "to the begin of the next minute"


def test_the_vendor_says_when_to_ask_again(transport, server, clock):
    server.next_replies.append(Reply(503, b"busy", {"retry-after": "17"}))
    transport().fetch(Call("/a", decode))
    assert clock.slept == [17.0]


def test_a_wait_that_is_longer_than_our_patience_is_an_error_at_once(transport, server, clock):
    server.next_replies.append(Reply(429, b"slow down", {"retry-after": "3600"}))
    with pytest.raises(VendorOverBudget) as caught:
        transport().fetch(Call("/a", decode))
    assert caught.value.retry_at == NOON + dt.timedelta(hours=1)
    assert sum(clock.slept) == 0


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("5", NOON + dt.timedelta(seconds=5)),
        ("Mon, 02 Mar 2026 12:01:00 GMT", dt.datetime(2026, 3, 2, 12, 1, tzinfo=dt.UTC)),
        ("31536000", NOON + dt.timedelta(days=1)),
        ("Wed, 21 Oct 2099 07:28:00 GMT", NOON + dt.timedelta(days=1)),
        ("Mon, 02 Mar 2026 11:59:00 GMT", None),
        ("Wed, 21 Oct 2015 07:28:00 +9999999999", None),
        ("0", NOON),
        ("soon", None),
        ("-5", None),
        ("9" * 30, None),
        ("", None),
    ],
)
def test_retry_after_is_seconds_or_a_date_ahead_by_a_day_at_most_or_nothing(given, expected):
    assert retry_after({"retry-after": given}, NOON) == expected


def test_402_is_the_day_and_429_the_minute(transport, server):
    for status, kind, retry_at in (
        (402, Kind.QUOTA_DAY, dt.datetime(2026, 3, 3, tzinfo=dt.UTC)),
        (429, Kind.QUOTA_MINUTE, dt.datetime(2026, 3, 2, 12, 1, tzinfo=dt.UTC)),
    ):
        server.next_replies.append(Reply(status, b"no more"))
        with pytest.raises(VendorOverBudget) as caught:
            transport(limits=QUICK._replace(max_attempts=1)).fetch(Call("/a", decode))
        assert (caught.value.kind, caught.value.retry_at) == (kind, retry_at)


def test_failures_in_a_row_open_the_breaker_and_nothing_is_sent(transport, server, clock):
    ledger = MemoryLedger(failures_to_open=3)
    server.next_replies.extend([Reply(500, b"oops")] * 3)
    impatient = QUICK._replace(patience_seconds=5)
    with pytest.raises(VendorUnavailable, match="500 oops"):
        transport(ledger=ledger, limits=impatient).fetch(Call("/a", decode))
    with pytest.raises(VendorUnavailable, match="its breaker is open"):
        transport(ledger=ledger, limits=impatient).fetch(Call("/a", decode))
    assert len(server.asked) == 3
    clock.moment += dt.timedelta(seconds=61)
    assert transport(ledger=ledger, limits=impatient).fetch(Call("/a", decode))["path"] == "/a"
    assert ledger.host(server.url.removeprefix("http://")).opened_until is None


def test_who_is_patient_waits_for_the_breaker(transport, server, clock):
    ledger = MemoryLedger(failures_to_open=2)
    server.next_replies.extend([Reply(500, b"oops")] * 2)
    assert transport(ledger=ledger).fetch(Call("/a", decode))["path"] == "/a"
    assert sum(clock.slept) > 59


def test_the_budget_is_waited_for(transport, server, clock):
    asking = transport(plan=Plan("small", per_minute=2))
    for _ in range(3):
        asking.fetch(Call("/a", decode))
    assert clock.slept == [50.0], "from ten past to the full minute"


def test_several_are_asked_at_once_and_answered_in_order(transport):
    running, most = 0, 0
    lock, both = threading.Lock(), threading.Barrier(2)

    def slow(asked: Asked) -> Reply:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        both.wait(timeout=20)
        with lock:
            running -= 1
        return hello(asked)

    with FakeVendor(slow) as server:
        calls = [Call(f"/{n}", decode) for n in range(20)]
        limits = Limits(n_workers=2)
        answers = [answer["path"] for _, answer in transport(url=server.url, limits=limits).each(calls)]
    assert answers == [f"/{n}" for n in range(20)]
    assert most == 2


def test_what_goes_wrong_with_one_call_is_its_own_answer(transport, server):
    server.next_replies.append(Reply(404, b"unknown"))
    found = [
        answer
        for _, answer in transport(limits=QUICK._replace(n_workers=1)).each([Call("/a", decode), Call("/b", decode)])
    ]
    assert isinstance(found[0], VendorRefused)
    assert found[1] == {"path": "/b", "key": "***"}


def test_a_host_that_is_not_there_is_unavailable(transport):
    with pytest.raises(VendorUnavailable, match="ConnectError"):
        transport(url="http://127.0.0.1:9").fetch(Call("/a", decode))


@pytest.mark.parametrize("how", [{"header": "x-key"}, {"parameter": "api_token"}])
def test_no_error_log_or_representation_shows_the_key(transport, server, caplog, capsys, how):
    caplog.set_level(logging.DEBUG)
    credential = Credential(KEY, **how)
    asking = transport(credential=credential)
    asking.fetch(Call("/a", decode))
    server.next_replies.extend([Reply(401, f"unknown key {KEY}".encode()), *[Reply(500, KEY.encode())] * 3])
    errors = []
    for _ in range(2):
        with pytest.raises((VendorRefused, VendorUnavailable)) as caught:
            asking.fetch(Call("/a", decode, {"apiKey": KEY}))
        errors += [str(caught.value), repr(caught.value), repr(caught.value.__dict__), str(caught.value.__cause__)]
    with pytest.raises(VendorUnavailable) as caught:
        transport(credential=credential, url="http://127.0.0.1:9").fetch(Call("/a", decode))
    errors.append(str(caught.value))
    seen = [*errors, caplog.text, *capsys.readouterr(), repr(credential), repr(asking.vendor), repr(asking.account)]
    assert not [text for text in seen if KEY in text]
    assert repr(VendorOptions(api_key=KEY, private_key=KEY)).count(KEY) == 0


def test_addresses_are_shown_without_keys_users_and_crumbs():
    given = "https://user:word@h.example/p?a=1&apiKey=k&api_token=k&crumb=k&APIKEY=k"
    assert without_secrets(given) == "https://h.example/p?a=1&apiKey=***&api_token=***&crumb=***&APIKEY=***"


def test_the_beginning_of_a_body_is_one_line_of_text():
    assert Answer(500, {}, b"a\n  b\x00\xff").text == "a b�"


def test_a_cookie_jar_is_kept_between_requests(transport, server):
    server.next_replies.append(Reply(200, b"{}", {"set-cookie": "A3=x; Path=/"}))
    asking = transport()
    asking.fetch(Call("/a", decode))
    asking.fetch(Call("/a", decode))
    with asking._client():
        # By another connection.
        asking.fetch(Call("/a", decode))
    assert server.n_connections == 2
    assert [asked.headers.get("cookie") for asked in server.asked] == [None, "A3=x", "A3=x"]


def test_a_request_error_of_the_library_is_ours(server):
    def broken(request: httpx.Request) -> httpx.Response:
        raise httpx.RemoteProtocolError(f"broken at {request.url}")

    vendor = Vendor("someone", "https://h.example", Credential(KEY, parameter="api_token"), Plan("any"))
    client = httpx.Client(transport=httpx.MockTransport(broken))
    asking = Transport(vendor, MemoryLedger(), limits=QUICK, time=SlowTime().as_time(), client=client)
    with pytest.raises(VendorUnavailable, match="RemoteProtocolError") as caught:
        asking.fetch(Call("/a", decode))
    assert KEY not in str(caught.value)
    assert caught.value.__cause__ is None


def test_faults_are_drawn_as_often_as_told():
    with FakeVendor(hello, faults=Faults(errors=0.5, seed=3)) as server:
        statuses = [httpx.get(server.url).status_code for _ in range(40)]
    assert server.met["error"] == statuses.count(503)
    assert 10 <= statuses.count(503) <= 30
