"""A vendor's key: carried by requests to its own hosts, and left out of everything that is written down."""

import hashlib
import logging
from collections.abc import Iterable
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

# Parameters that carry a key, at any vendor; compared in lower case.
SECRET_PARAMETERS = frozenset({"apikey", "api_key", "api_token", "crumb", "token"})
HIDDEN = "***"
# No vendor's key or crumb is shorter. A trial key such as `demo` is no secret, and may be part of a company's name.
SHORTEST_KEY = 10
# These log requests with their addresses and headers: from INFO on, or only at DEBUG.
_WIRE_LOGGERS = ("httpx", "httpcore", "hpack", "h2")


class Credential:
    """A key, and where requests carry it: in a header where the vendor takes one, else in a parameter.

    Parameters
    ----------
    secret
        The key; None where a vendor wants none.
    header, scheme
        Name of the header, and the word before the key in it.
    parameter
        Name of the query parameter, if there is no header.
    """

    def __init__(
        self, secret: str | None, *, header: str | None = None, scheme: str = "", parameter: str | None = None
    ) -> None:
        self._secret = secret
        self._header = header
        self._scheme = scheme
        self._parameter = parameter

    def __repr__(self) -> str:
        return f"Credential({HIDDEN})"

    @property
    def is_present(self) -> bool:
        """Whether there is a key."""
        return self._secret is not None

    @property
    def key_hash(self) -> str:
        """Name of the key in the ledger: 128 bits of its hash, which do not lead back to it."""
        return hashlib.blake2b((self._secret or "").encode(), digest_size=16, person=b"vendor-key").hexdigest()

    def headers(self) -> dict[str, str]:
        """Headers of a request."""
        if self._secret is None or self._header is None:
            return {}
        return {self._header: f"{self._scheme} {self._secret}".strip()}

    def parameters(self) -> dict[str, str]:
        """Parameters of a request."""
        return {} if self._secret is None or self._parameter is None else {self._parameter: self._secret}

    def redact(self, text: str) -> str:
        """Return a text without the key."""
        return text.replace(self._secret, HIDDEN) if self._secret else text

    def redact_bytes(self, body: bytes) -> bytes:
        """Return a body without the key, which an error may well repeat; a key that is a mere word stays in it."""
        return without(body, [self._secret or ""])


def without(body: bytes, secrets: Iterable[str]) -> bytes:
    """Return a body without some secrets; those that are as short as a word stay in it."""
    for secret in secrets:
        if len(secret) >= SHORTEST_KEY:
            body = body.replace(secret.encode(), HIDDEN.encode())
    return body


def without_secrets(url: str) -> str:
    """Return a URL without the values of parameters that carry keys, and without user and password.

    >>> without_secrets("https://h/p?a=1&apiKey=k")
    'https://h/p?a=1&apiKey=***'
    """
    parts = urlsplit(url)
    query = [(name, HIDDEN if name.lower() in SECRET_PARAMETERS else value) for name, value in _pairs(parts.query)]
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], query=urlencode(query, safe="*,:/")))


def strip_secrets(url: str) -> str:
    """Return a URL without the parameters that carry keys: the next page's address may bring an old one."""
    parts = urlsplit(url)
    query = [(name, value) for name, value in _pairs(parts.query) if name.lower() not in SECRET_PARAMETERS]
    return urlunsplit(parts._replace(query=urlencode(query)))


def keep_wire_logs_quiet() -> None:
    """Let libraries below us log warnings alone, also where somebody sets the root logger to DEBUG."""
    for name in _WIRE_LOGGERS:
        logging.getLogger(name).setLevel(logging.WARNING)


def _pairs(query: str) -> list[tuple[str, str]]:
    return parse_qsl(query, keep_blank_values=True)
