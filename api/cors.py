"""Which pages of other origins may ask from a browser (CORS): those that the settings list, and no other."""

from collections.abc import Sequence

Headers = list[tuple[bytes, bytes]]

METHODS = b"GET, HEAD, POST, PUT, PATCH, DELETE"
REQUEST_HEADERS = b"Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, Last-Event-ID, X-Request-Id"
ANSWER_HEADERS = (
    b"Allow, ETag, Link, Location, RateLimit, RateLimit-Policy, Retry-After, Server-Timing, WWW-Authenticate, X-Meta,"
    b" X-Process-Time, X-Request-Id"
)
PREFLIGHT_SECONDS = b"600"


class Cors:
    """The origins that may ask. No cookies: a page sends its token itself."""

    def __init__(self, origins: Sequence[str]) -> None:
        self._origins = {origin.encode() for origin in origins}

    def preflight(self, method: str, given: dict[bytes, bytes]) -> Headers | None:
        """Return the headers for a browser that asks whether it may ask, None where it is no such question."""
        origin = given.get(b"origin")
        if method != "OPTIONS" or origin not in self._origins or b"access-control-request-method" not in given:
            return None
        return [
            *self.answer(given),
            (b"access-control-allow-methods", METHODS),
            (b"access-control-allow-headers", REQUEST_HEADERS),
            (b"access-control-max-age", PREFLIGHT_SECONDS),
        ]

    def answer(self, given: dict[bytes, bytes]) -> Headers:
        """Return the headers of an answer to `given`; another origin gets none, and its browser withholds the body."""
        if not self._origins:
            return []
        origin = given.get(b"origin")
        if origin not in self._origins:
            return [(b"vary", b"Origin")]
        return [
            (b"vary", b"Origin"),
            (b"access-control-allow-origin", origin),
            (b"access-control-expose-headers", ANSWER_HEADERS),
        ]
