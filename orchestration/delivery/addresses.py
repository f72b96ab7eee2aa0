"""Which addresses may be sent to: public ones, and those that the operator lists.

`ipaddress.is_global` is not enough: it lets NAT64, 6to4, site-local and multicast through on some Python versions.
So the tables are ours: IPv4 by what is refused, IPv6 by what is allowed.
Source: IANA special-purpose address registries (RFC 6890 and its updates).
"""

import ipaddress
from collections.abc import Iterable
from typing import NamedTuple

import httpx

from orchestration.delivery.errors import AddressRefused

HTTPS_PORT = 443
MAX_URL_LENGTH = 2_000

_REFUSED_IPV4 = tuple(
    map(
        ipaddress.IPv4Network,
        (
            "0.0.0.0/8",  # this network
            "10.0.0.0/8",  # private
            "100.64.0.0/10",  # carrier-grade NAT
            "127.0.0.0/8",  # loopback
            "169.254.0.0/16",  # link-local; cloud metadata
            "172.16.0.0/12",  # private
            "192.0.0.0/24",  # protocol assignments
            "192.0.2.0/24",  # documentation
            "192.88.99.0/24",  # 6to4 relays
            "192.168.0.0/16",  # private
            "198.18.0.0/15",  # benchmarks
            "198.51.100.0/24",  # documentation
            "203.0.113.0/24",  # documentation
            "224.0.0.0/4",  # multicast
            "240.0.0.0/4",  # reserved, broadcast
        ),
    )
)
# Global unicast; everything else (mapped, NAT64, unique local, link-local, site-local, multicast) lies outside of it.
_ALLOWED_IPV6 = ipaddress.IPv6Network("2000::/3")
_REFUSED_IPV6 = tuple(
    map(
        ipaddress.IPv6Network,
        (
            "2001::/23",  # protocol assignments: Teredo, benchmarks, ORCHID
            "2001:db8::/32",  # documentation
            "2002::/16",  # 6to4: carries an IPv4 address
            "3fff::/20",  # documentation
        ),
    )
)


class Target(NamedTuple):
    """Where a message goes, in the parts that a connection needs."""

    scheme: str
    host: str
    port: int
    path: str


def is_public(address: str) -> bool:
    """Whether an IP address, as a resolver spells it, is reachable on the public internet and nowhere else."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(parsed, ipaddress.IPv4Address):
        return not any(parsed in network for network in _REFUSED_IPV4)
    return parsed in _ALLOWED_IPV6 and not any(parsed in network for network in _REFUSED_IPV6)


def allow_list(entries: Iterable[str]) -> frozenset[tuple[str, int]]:
    """Return `host:port` entries as pairs; hosts in lower case, IPv6 without brackets.

    >>> sorted(allow_list(["LOCALHOST:9000", "[::1]:9001"]))
    [('::1', 9001), ('localhost', 9000)]
    """
    parts = (entry.rpartition(":") for entry in entries)
    return frozenset((host.strip("[]").lower(), int(port)) for host, _, port in parts)


def target_of(url: str, *, allow: frozenset[tuple[str, int]] = frozenset()) -> Target:
    """Read a URL into its parts, and refuse what needs no look-up to be refused.

    Parameters
    ----------
    url
        Address of a receiver.
    allow
        Pairs of host and port that may also be spoken to in plain HTTP, and on any port.

    Raises
    ------
    AddressRefused
        Unless the URL is https on port 443 without user or password, or is on the list. What a name resolves to is
        looked at when the connection is made, see `guarded_network`.
    """
    try:
        parsed = httpx.URL(url)
    except (httpx.InvalidURL, UnicodeError, ValueError) as exc:
        raise AddressRefused(url, must="be a URL") from exc
    if len(url) > MAX_URL_LENGTH or any(character.isspace() or ord(character) < 32 for character in url):
        raise AddressRefused(url[:100], must=f"be at most {MAX_URL_LENGTH} characters without spaces")
    if parsed.userinfo:
        raise AddressRefused(f"{parsed.scheme}://...@{parsed.host}", must="carry no user or password")
    host = parsed.raw_host.decode("ascii").lower()
    port = parsed.port or {"https": HTTPS_PORT, "http": 80}.get(parsed.scheme, 0)
    listed = (host, port) in allow and parsed.scheme in ("http", "https")
    if not host or not (listed or (parsed.scheme == "https" and port == HTTPS_PORT)):
        raise AddressRefused(url, must=f"be https on port {HTTPS_PORT}")
    if not listed and _is_literal(host) and not is_public(host):
        raise AddressRefused(url, must="be public")
    return Target(parsed.scheme, host, port, parsed.raw_path.decode("ascii"))


def _is_literal(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
