"""Channels that somebody can be reached by: which kinds there are, and what their addresses must look like."""

import re
from collections.abc import Sequence
from email.errors import HeaderParseError
from email.headerregistry import Address
from typing import Literal, get_args
from urllib.parse import urlsplit

from warehouse.records.errors import ChannelRefused
from warehouse.records.webhook_endpoints import check_endpoint_url

Kind = Literal["webhook", "email", "slack"]
KINDS: tuple[Kind, ...] = get_args(Kind)
# What is announced unless its owner says otherwise: alerts, failures of the installation, and news of other channels.
DEFAULT_EVENT_TYPES = ("alert.*", "incident.*", "channel.*")
MAX_EVENT_TYPES = 20
MAX_MAIL_ADDRESS = 254

_EVENT_TYPE = re.compile(r"\*|[a-z_]+\.(\*|[a-z_]+)")
# RFC 5321 allows more; this is what mailboxes of people look like, and nothing in it can end a header or a command.
_MAILBOX = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?")
_SLACK_HOST = "hooks.slack.com"


def check_channel(kind: str, address: str, *, event_types: Sequence[str], allow: Sequence[str] = ()) -> None:
    """Refuse a channel that nothing would ever be sent to.

    Parameters
    ----------
    kind
        One of `KINDS`.
    address
        URL, or mail address, as its owner gave it.
    event_types
        Types of events, each whole or with a star as its last part.
    allow
        `host:port` entries of FACTORLOOM_WEBHOOK_ALLOW: these may be private, plain HTTP and on any port.

    Raises
    ------
    ChannelRefused, EndpointRefused
        Saying what must hold; what is secret in the address is not repeated.
    """
    if kind not in KINDS:
        raise ChannelRefused(f"its kind must be one of {', '.join(KINDS)}; got {kind!r}")
    _check_event_types(event_types)
    if kind == "webhook":
        check_endpoint_url(address, allow=allow)
    elif kind == "slack":
        _check_slack_url(address, allow)
    else:
        _check_mail_address(address)


def shown_address(kind: str, address: str) -> str:
    """Return what may be shown of an address: who has the URL of a Slack channel can write into it.

    >>> shown_address("slack", "https://hooks.slack.com/services/T000/B000/XXXX")
    'https://hooks.slack.com/...'
    """
    if kind != "slack":
        return address
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}/..."


def _check_event_types(event_types: Sequence[str]) -> None:
    wrong = [given for given in event_types if not _EVENT_TYPE.fullmatch(given)]
    if wrong or not 0 < len(event_types) <= MAX_EVENT_TYPES:
        raise ChannelRefused(
            f"its event types must be 1 to {MAX_EVENT_TYPES} names such as alert.triggered or alert.*; "
            f"got {wrong or list(event_types)}"
        )


def _check_slack_url(address: str, allow: Sequence[str]) -> None:
    check_endpoint_url(address, allow=allow)
    parts = urlsplit(address)
    is_listed = f"{parts.hostname}:{parts.port}" in allow
    if not is_listed and (parts.hostname != _SLACK_HOST or not parts.path.startswith("/services/")):
        raise ChannelRefused(
            f"its address must be that of an incoming webhook, https://{_SLACK_HOST}/services/...; "
            f"got {parts.scheme}://{parts.hostname}/..."
        )


def _check_mail_address(address: str) -> None:
    try:
        parsed = Address(addr_spec=address) if _MAILBOX.fullmatch(address) else None
    except (HeaderParseError, ValueError, IndexError):
        parsed = None
    if parsed is None or "." not in parsed.domain or len(address) > MAX_MAIL_ADDRESS:
        raise ChannelRefused(f"its address must be a mail address such as name@example.com; got {address[:80]!r}")
