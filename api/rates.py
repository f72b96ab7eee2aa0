"""How many requests a client may make: one token bucket each, a constant amount of work per request.

A bucket holds a minute's worth and fills evenly. Keys are principals where one is known, else peers; those that were
seen longest ago are forgotten first, which gives them a full bucket again.
"""

import time
from collections import OrderedDict
from collections.abc import Callable
from functools import lru_cache
from ipaddress import IPv6Address, IPv6Network, ip_address
from typing import NamedTuple

Key = tuple[str, str]

WINDOW_SECONDS = 60
MAX_KEYS = 100_000
NAME = "default"
# What one customer of a provider has for himself at least.
IPV6_PREFIX = 64


class Leave(NamedTuple):
    """What a bucket says to one request."""

    is_given: bool
    remaining: int
    """Whole requests left."""
    full_in_seconds: int
    """Until the bucket is full again."""
    next_in_seconds: int
    """Until the next request is let through; 0 while some are left."""


class Limiter:
    """Token buckets of many clients; for one event loop.

    Parameters
    ----------
    per_minute
        Requests that a client may make a minute, and at once after a minute of silence; 0 = no limit.
    stopwatch
        Seconds from an arbitrary start.
    max_keys
        Clients that are remembered.
    """

    def __init__(
        self, per_minute: int, *, stopwatch: Callable[[], float] = time.monotonic, max_keys: int = MAX_KEYS
    ) -> None:
        self.per_minute = per_minute
        self._rate = per_minute / WINDOW_SECONDS
        self._stopwatch = stopwatch
        self._max_keys = max_keys
        self._buckets: OrderedDict[Key, tuple[float, float]] = OrderedDict()

    @property
    def is_on(self) -> bool:
        """Whether anything is limited."""
        return self.per_minute > 0

    @property
    def policy(self) -> str:
        """The policy as the header `RateLimit-Policy` says it."""
        return f'"{NAME}";q={self.per_minute};w={WINDOW_SECONDS}'

    def take(self, key: Key) -> Leave:
        """Take one token, where there is one."""
        now = self._stopwatch()
        tokens = self._tokens(key, now)
        is_given = tokens >= 1
        tokens -= is_given
        self._buckets[key] = (tokens, now)
        self._buckets.move_to_end(key)
        if len(self._buckets) > self._max_keys:
            self._buckets.popitem(last=False)
        return self._leave(tokens, is_given=is_given)

    def look(self, key: Key) -> Leave:
        """Return what `take` would say, and take nothing."""
        tokens = self._tokens(key, self._stopwatch())
        return self._leave(tokens, is_given=tokens >= 1)

    def _tokens(self, key: Key, now: float) -> float:
        tokens, seen_at = self._buckets.get(key, (float(self.per_minute), now))
        return min(tokens + (now - seen_at) * self._rate, float(self.per_minute))

    def _leave(self, tokens: float, *, is_given: bool) -> Leave:
        missing = self.per_minute - tokens
        wait = 0 if tokens >= 1 else _whole_seconds((1 - tokens) / self._rate)
        return Leave(is_given, int(tokens), _whole_seconds(missing / self._rate), wait)


@lru_cache(4096)
def of_peer(peer: str, *, is_refused: bool = False) -> Key:
    """Return the key of an address, or of what is refused to it; a network of IPv6 counts as one address.

    >>> of_peer("2001:db8::1") == of_peer("2001:db8::ffff:2"), of_peer("::ffff:192.0.2.1"), of_peer("testclient")
    (True, ('peer', '192.0.2.1'), ('peer', 'testclient'))
    """
    kind = "refused" if is_refused else "peer"
    try:
        address = ip_address(peer)
    except ValueError:
        return kind, peer
    if not isinstance(address, IPv6Address):
        return kind, peer
    if address.ipv4_mapped is not None:
        return kind, str(address.ipv4_mapped)
    return kind, str(IPv6Network((int(address), IPV6_PREFIX), strict=False))


def header(leave: Leave) -> str:
    """Return the header `RateLimit`: what is left, and until when the bucket is full."""
    return f'"{NAME}";r={leave.remaining};t={leave.full_in_seconds}'


def _whole_seconds(seconds: float) -> int:
    # A hair above a whole second, from binary fractions, is that second.
    return max(1, -int(-(seconds - 1e-9) // 1)) if seconds > 1e-9 else 0
