"""Addresses of endpoints, judged without a look-up."""

import pytest

from warehouse.records.errors import EndpointRefused
from warehouse.records.webhook_endpoints import check_endpoint_url


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com/hook",
        "https://example.com:443/",
        "https://[2606:4700::1]/",
        "https://1.1.1.1",
        "https://bücher.example./",
    ],
)
def test_a_public_https_address_is_taken(url: str) -> None:
    check_endpoint_url(url)


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("http://example.com/", "https on port 443"),
        ("https://example.com:8443/", "https on port 443"),
        ("https:///hook", "https on port 443"),
        ("example.com", "https on port 443"),
        ("", "1 to 2000 characters"),
        ("https://example.com/a b", "no space"),
        ("https://example.com/\n", "no space"),
        (f"https://example.com/{'a' * 2000}", "1 to 2000 characters"),
        ("https://example.com:port/", "be a URL"),
        ("https://[::1", "be a URL"),
        ("https://0x7f.1/", "name a host"),
        ("https://2130706433/", "name a host"),
        ("https://127.0.0.0x1/", "name a host"),
        ("https://.example.com/", "name a host"),
        ("https://exa..mple.com/", "name a host"),
        (f"https://{'a' * 64}.com/", "name a host"),
        ("https://localhost/", "be public"),
        ("https://x.localhost/", "be public"),
        ("https://127.0.0.1/", "be public"),
        ("https://10.0.0.1/", "be public"),
        ("https://[::1]/", "be public"),
        ("https://[ff0e::1]/", "be public"),
        ("http://127.0.0.1:9001/", "https on port 443"),
    ],
)
def test_an_address_that_nothing_would_be_sent_to_is_refused(url: str, problem: str) -> None:
    with pytest.raises(EndpointRefused, match=problem):
        check_endpoint_url(url, allow=["127.0.0.1:9000"])


def test_a_password_in_an_address_is_refused_and_not_repeated() -> None:
    with pytest.raises(EndpointRefused, match="no user or password") as raised:
        check_endpoint_url("https://user:hunter2@example.com/")
    assert "hunter2" not in str(raised.value)


@pytest.mark.parametrize("url", ["http://127.0.0.1:9000/hook", "http://[::1]:9001/", "https://intern.example/"])
def test_what_the_operator_lists_is_taken(url: str) -> None:
    check_endpoint_url(url, allow=["127.0.0.1:9000", "[::1]:9001", "intern.example:443"])
