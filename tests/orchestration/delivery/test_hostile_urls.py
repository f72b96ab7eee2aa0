"""Addresses that somebody gives to make us speak to what is not theirs: no connection is ever tried."""

import datetime as dt
import socket
from typing import Any

import pytest

from orchestration.delivery.posting import Poster
from tests.orchestration.delivery.test_addresses import REFUSED_URLS

# What a hostile name server says of a name of its own.
HOSTILE_NAMES = {
    "loopback.example": ["127.0.0.1"],
    "loopback6.example": ["::1"],
    "metadata.example": ["169.254.169.254"],
    "private10.example": ["10.0.0.5"],
    "private172.example": ["172.16.0.5"],
    "private192.example": ["192.168.0.5"],
    "carrier.example": ["100.64.0.1"],
    "unspecified.example": ["0.0.0.0"],
    "multicast.example": ["224.0.0.251"],
    "broadcast.example": ["255.255.255.255"],
    "mapped.example": ["::ffff:127.0.0.1"],
    "mapped-metadata.example": ["::ffff:169.254.169.254"],
    "nat64.example": ["64:ff9b::7f00:1"],
    "sixtofour.example": ["2002:7f00:1::"],
    "teredo.example": ["2001:0:7f00:1::"],
    "unique-local.example": ["fd00::1"],
    "link-local.example": ["fe80::1"],
    "site-local.example": ["fec0::1"],
    "documentation.example": ["192.0.2.1"],
    "one-of-two.example": ["93.184.216.34", "10.0.0.5"],
    "one-of-two6.example": ["2606:4700::1111", "fd00::1"],
    "not-an-address.example": ["localhost"],
}
# Spellings of 127.0.0.1 and 0.0.0.0 that the system's resolver reads.
SPELLINGS = [
    "2130706433",
    "0x7f.1",
    "0x7f000001",
    "017700000001",
    "127.1",
    "0",
    "localhost",
    "localhost.",
    "ip6-localhost",
]
HOSTILE_URLS = [
    *REFUSED_URLS,
    *(f"https://{name}/hook" for name in HOSTILE_NAMES),
    *(f"https://{spelling}/hook" for spelling in SPELLINGS),
]


def resolver(host: str, port: int) -> list[str]:
    if host in HOSTILE_NAMES:
        return HOSTILE_NAMES[host]
    return ["127.0.0.1"]


@pytest.fixture
def tried(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Every address that a connection was tried to; none is made."""
    tried: list[Any] = []

    def connect(address: Any, *rest: Any, **more: Any) -> None:
        tried.append(address)
        raise ConnectionRefusedError

    monkeypatch.setattr(socket, "create_connection", connect)
    return tried


def post(poster: Poster, url: str) -> str | None:
    return poster.post(url, b"{}", {}, sent_at=dt.datetime(2026, 11, 20, tzinfo=dt.UTC)).error


def test_there_are_at_least_sixty_of_them() -> None:
    assert len(set(HOSTILE_URLS)) >= 60


@pytest.mark.parametrize("url", HOSTILE_URLS)
def test_no_hostile_url_is_reached(url: str, tried: list[Any]) -> None:
    assert post(Poster(resolver=resolver), url) == "address_refused"
    assert tried == []


def test_a_public_name_would_be_tried_at_the_address_that_was_looked_at(tried: list[Any]) -> None:
    poster = Poster(resolver=lambda host, port: ["93.184.216.34"])
    assert post(poster, "https://public.example/hook") == "connection_failed"
    assert tried == [("93.184.216.34", 443)]


def test_a_name_that_turns_inside_between_two_tries_is_reached_the_first_time_alone(tried: list[Any]) -> None:
    answers = [["93.184.216.34"], ["127.0.0.1"], ["169.254.169.254"]]
    poster = Poster(resolver=lambda host, port: answers.pop(0))
    errors = [post(poster, "https://rebinding.example/hook") for _ in range(3)]
    assert errors == ["connection_failed", "address_refused", "address_refused"]
    assert tried == [("93.184.216.34", 443)]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_leads_anywhere(receiver: Any, status: int) -> None:
    receiver.answers = [(status, {"location": f"{receiver.url}/inside"})]
    assert post(Poster(allow=[receiver.address]), receiver.url) == "redirected"
    assert [request.path for request in receiver.received] == ["/hook"]
