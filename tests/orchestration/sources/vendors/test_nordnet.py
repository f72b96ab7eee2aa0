"""Nordnet's login, list and errors: bodies as it sends them, and what must come of them."""

import base64
import datetime as dt
from urllib.parse import parse_qs

import httpx
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from orchestration.sources.errors import Kind, OptionOutOfRange, VendorRefused
from orchestration.sources.nordnet import NordnetSource, signature
from orchestration.sources.protocols import capabilities

LIST = "/api/2/instrument_search/query/stocklist"
NOW = dt.datetime(2024, 6, 5, 14, 0, tzinfo=dt.UTC)
SECRET = Ed25519PrivateKey.generate()


def pem(form: serialization.PrivateFormat = serialization.PrivateFormat.OpenSSH) -> str:
    return SECRET.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode()


def found(name: str, last: object = 250.5) -> dict:
    return {
        "instrument_info": {"symbol": name, "name": name.title(), "currency": "SEK", "isin": "SE0000115446", "new": 1},
        "price_info": {"last": {"price": last, "decimals": 2}, "close": {"price": 249}, "realtime": True,
                       "tick_timestamp": int(NOW.timestamp() * 1000), "turnover_volume": 1200.0},
    }  # fmt: skip


@pytest.fixture
def nordnet(ask):
    asked = ask(NordnetSource, calendar="XSTO", private_key=pem())
    asked.on("/api/2/login/start", {"challenge": "sign-me"})
    asked.on("/api/2/login/verify", {"session_key": "session-1", "expires_in": 1800, "public_feed": {"port": 443}})
    return asked


def test_it_has_instruments_and_quotes_and_no_history():
    assert capabilities(NordnetSource) == {"instruments", "quotes"}


def test_the_login_signs_the_challenge_and_the_session_stands_in_the_header(nordnet):
    nordnet.on(LIST, {"results": [found("VOLV B".replace(" ", "-"))], "rows": 1, "total_hits": 1})
    nordnet.source.quotes(None, NOW)
    start, verify, asked = nordnet.script.requests
    assert parse_qs(start.content.decode()) == {"api_key": ["marker-key-5f1e"]}
    form = parse_qs(verify.content.decode())
    SECRET.public_key().verify(base64.b64decode(form["signature"][0]), b"sign-me")
    assert form["service"] == ["NEXTAPI"]
    assert asked.headers["authorization"] == "Basic " + base64.b64encode(b"session-1:session-1").decode()
    assert asked.url.host == "public.nordnet.se"


def test_a_session_is_used_again_and_renewed_before_it_ends(nordnet):
    nordnet.on(LIST, {"results": [], "total_hits": 0})
    nordnet.source.quotes(None, NOW)
    nordnet.source.quotes(None, NOW)
    assert nordnet.script.paths.count("/api/2/login/verify") == 1
    nordnet.time.moment += dt.timedelta(minutes=21)
    nordnet.source.quotes(None, NOW)
    assert nordnet.script.paths.count("/api/2/login/verify") == 2


@pytest.mark.parametrize("form", [serialization.PrivateFormat.OpenSSH, serialization.PrivateFormat.PKCS8])
def test_a_key_may_be_in_either_form(form):
    SECRET.public_key().verify(base64.b64decode(signature(pem(form), "x")), b"x")


def test_a_key_that_is_none_is_refused_and_not_shown():
    with pytest.raises(OptionOutOfRange, match="be an Ed25519 key") as caught:
        signature("-----BEGIN hunter2", "x")
    assert "hunter2" not in str(caught.value)


def test_the_list_is_followed_by_offset_and_prices_are_in_milliseconds(nordnet):
    pages = [
        {"results": [found("AAA"), found("BBB", "NA")], "total_hits": 3},
        {"results": [found("CCC")], "total_hits": 3},
    ]
    nordnet.on(LIST, *pages)
    quotes = nordnet.source.quotes(None, NOW)
    assert [(q.source_symbol, q.price, q.previous_close, q.volume, q.quoted_at) for q in quotes] == [
        ("AAA", 250.5, 249.0, 1200, NOW), ("CCC", 250.5, 249.0, 1200, NOW),
    ]  # fmt: skip
    assert nordnet.script.requests[-1].url.params["offset"] == "2"


def test_instruments_have_what_is_told_and_new_fields_are_no_obstacle(nordnet, rows_of, refused_of):
    nordnet.on(LIST, {"results": [found("AAA"), {"instrument_info": {"name": "nameless"}}, {}], "total_hits": 3})
    batches = list(nordnet.source.instruments())
    (row,) = rows_of(batches)
    assert (row["source_symbol"], row["exchange_code"], row["currency_code"], row["stable_id"]) == (
        "AAA", "XSTO", "SEK", "SE0000115446",
    )  # fmt: skip
    assert [r.rule for r in refused_of(batches)] == ["not_a_symbol", "unreadable_record"]


def test_no_content_is_nothing(nordnet):
    nordnet.on(LIST, httpx.Response(204))
    assert nordnet.source.quotes(None, NOW) == []


def test_a_session_that_was_lost_is_replaced_by_a_new_one(nordnet):
    lost = (401, {"code": "NEXT_INVALID_SESSION", "message": "Invalid session"})
    nordnet.on(LIST, lost, {"results": [found("AAA")], "total_hits": 1})
    assert [quote.source_symbol for quote in nordnet.source.quotes(None, NOW)] == ["AAA"]
    assert nordnet.script.paths.count("/api/2/login/verify") == 2


def test_a_lost_session_is_a_matter_of_the_key(nordnet):
    nordnet.on(LIST, (400, {"code": "NEXT_INVALID_SESSION", "message": "Invalid session"}))
    with pytest.raises(VendorRefused) as caught:
        nordnet.source.quotes(None, NOW)
    assert caught.value.kind is Kind.AUTH


def test_too_many_requests_wait_ten_seconds_and_503_as_long_as_it_says(nordnet):
    nordnet.on(LIST, (429, {"code": "X"}), httpx.Response(503, headers={"retry-after": "3"}), {"results": []})
    nordnet.source.quotes(None, NOW)
    waits = [pause for pause in nordnet.time.slept if pause > 1]
    assert waits == [10.0, 3.0]
