"""What may be sent to is decided by tables of our own."""

import pytest

from orchestration.delivery.addresses import Target, allow_list, is_public, target_of
from orchestration.delivery.errors import AddressRefused

REFUSED_ADDRESSES = [
    "0.0.0.0", "0.255.1.2", "10.0.0.1", "100.64.0.1", "100.127.255.255", "127.0.0.1", "127.255.255.254",
    "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.8", "192.0.2.1", "192.88.99.1", "192.168.1.1",
    "198.18.0.1", "198.19.255.255", "198.51.100.7", "203.0.113.9", "224.0.0.1", "239.255.255.255", "240.0.0.1",
    "255.255.255.255",
    "::", "::1", "::ffff:127.0.0.1", "::ffff:8.8.8.8", "::127.0.0.1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "100::1",
    "2001::1", "2001:2::1", "2001:20::1", "2001:db8::1", "2002:7f00:1::", "3fff::1", "5f00::1", "fc00::1",
    "fd12:3456::1", "fe80::1", "fe80::1%eth0", "fec0::1", "ff02::1",
    "not an address", "",
]  # fmt: skip


@pytest.mark.parametrize("address", REFUSED_ADDRESSES)
def test_an_address_that_is_not_public_is_refused(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    "address",
    ["1.1.1.1", "8.8.8.8", "100.63.255.255", "100.128.0.0", "172.15.255.255", "172.32.0.0", "192.167.255.255",
     "2606:4700:4700::1111", "2a00:1450:4001:80b::200e", "2003::1"],
)  # fmt: skip
def test_a_public_address_is_allowed(address: str) -> None:
    assert is_public(address)


# Each of these is refused before any name is looked up.
REFUSED_URLS = [
    "http://example.com/",
    "https://example.com:8443/",
    "https://example.com:80/",
    "https://user@example.com/",
    "https://user:word@example.com/",
    "https://:word@example.com/",
    "https://127.0.0.1/",
    "https://127.0.0.1:443/",
    "https://10.1.2.3/",
    "https://169.254.169.254/latest/meta-data/",
    "https://[::1]/",
    "https://[::ffff:127.0.0.1]/",
    "https://[::ffff:7f00:1]/",
    "https://[64:ff9b::169.254.169.254]/",
    "https://[fe80::1]/",
    "https://[fd00::1]/",
    "https://[2002:7f00:1::]/",
    "https://0.0.0.0/",
    "https://255.255.255.255/",
    "ftp://example.com/",
    "file:///etc/passwd",
    "gopher://example.com/",
    "unix:///var/run/docker.sock",
    "javascript:alert(1)",
    "//example.com/",
    "example.com",
    "https://",
    "https:///hook",
    "https://example.com/a b",
    "https://example.com/\r\nx-evil: 1",
    "https://example.com\x00.evil.org/",
    "https://[::1/",
    "https://example.com:99999/",
    "https://exa mple.com/",
    "",
    f"https://example.com/{'a' * 2000}",
]


@pytest.mark.parametrize("url", REFUSED_URLS)
def test_a_hostile_url_is_refused(url: str) -> None:
    with pytest.raises(AddressRefused):
        target_of(url)


def test_a_refusal_does_not_repeat_the_password() -> None:
    with pytest.raises(AddressRefused, match=r"carry no user or password; got 'https://\.\.\.@example\.com'") as raised:
        target_of("https://user:hunter2@example.com/")
    assert "hunter2" not in str(raised.value)


def test_a_public_url_is_read_into_its_parts() -> None:
    assert target_of("https://Example.COM/hook?x=1") == Target("https", "example.com", 443, "/hook?x=1")


def test_a_listed_receiver_may_be_private_and_plain_http() -> None:
    allow = allow_list(["127.0.0.1:9000", "[::1]:9001"])
    assert target_of("http://127.0.0.1:9000/hook", allow=allow) == Target("http", "127.0.0.1", 9000, "/hook")
    assert target_of("http://[::1]:9001/", allow=allow) == Target("http", "::1", 9001, "/")


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:9001/", "http://127.0.0.2:9000/", "http://localhost:9000/", "ftp://127.0.0.1:9000/"]
)
def test_the_list_covers_exactly_what_it_says(url: str) -> None:
    with pytest.raises(AddressRefused):
        target_of(url, allow=allow_list(["127.0.0.1:9000"]))
