"""The address of a webhook endpoint, as far as it can be judged without looking it up.

This is for whoever types an address. What protects the network is the guard in `orchestration/delivery`, which looks at
each connection and trusts nothing that is stored.
"""

import ipaddress
import re
from collections.abc import Sequence
from urllib.parse import urlsplit

from warehouse.records.errors import EndpointRefused

MAX_URL_LENGTH = 2_000
LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?", re.IGNORECASE)


def check_endpoint_url(url: str, *, allow: Sequence[str] = ()) -> None:
    """Refuse an address that nothing would ever be sent to.

    Parameters
    ----------
    url
        As its owner gave it.
    allow
        `host:port` of FACTORLOOM_WEBHOOK_ALLOW: these may be private, plain HTTP and on any port.

    Raises
    ------
    EndpointRefused
        Saying what must hold; a password in the address is not repeated.
    """
    if not 0 < len(url) <= MAX_URL_LENGTH or not url.isprintable() or " " in url:
        raise EndpointRefused(url[:60], must=f"have 1 to {MAX_URL_LENGTH} characters and no space")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError as exc:
        raise EndpointRefused(url, must="be a URL") from exc
    if "@" in parts.netloc:
        raise EndpointRefused(f"{parts.scheme}://...@{host}", must="carry no user or password")
    named = f"[{host}]" if ":" in host else host
    if parts.scheme in ("http", "https") and f"{named}:{port or _default_port(parts.scheme)}" in allow:
        return
    if parts.scheme != "https" or port not in (None, 443) or not host:
        raise EndpointRefused(url, must="be https on port 443")
    if not _is_name_or_address(host):
        raise EndpointRefused(url, must="name a host")
    if _is_private(host):
        raise EndpointRefused(url, must="be public")


def _default_port(scheme: str) -> int:
    return 443 if scheme == "https" else 80


def _is_name_or_address(host: str) -> bool:
    """Tell whether a text is an IP address as it is written, or a name; 0x7f.1 and 2130706433 are spellings of one."""
    try:
        ipaddress.ip_address(host)
        return True
    except ValueError:
        pass
    try:
        labels = host.encode("idna").decode().removesuffix(".").split(".")
    except UnicodeError:
        return False
    is_number = labels[-1].isdigit() or labels[-1].startswith("0x")
    return not is_number and all(LABEL.fullmatch(label) for label in labels)


def _is_private(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address.is_multicast or not address.is_global
