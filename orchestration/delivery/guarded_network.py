"""Connections that are vetted where they are made: resolve once, look at every answer, connect to one looked at.

A check before the connection would be undone by a name that answers differently the second time (DNS rebinding).
"""

import socket
import ssl
import time
from collections.abc import Callable, Iterable
from typing import Any

import httpcore

from orchestration.delivery.addresses import HTTPS_PORT, is_public
from orchestration.delivery.errors import AddressRefused

Resolver = Callable[[str, int], list[str]]
Stopwatch = Callable[[], float]


def resolve(host: str, port: int) -> list[str]:
    """Return every address of a name, as the system's resolver tells them.

    Raises
    ------
    httpcore.ConnectError
        If the name has none.
    """
    try:
        answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as exc:
        raise httpcore.ConnectError(f"{host} does not resolve") from exc
    return list(dict.fromkeys(str(answer[4][0]) for answer in answers))


class GuardedNetwork(httpcore.NetworkBackend):
    """Connects to public addresses on port 443 and to what is on the list; a connection has one deadline for all of it.

    Parameters
    ----------
    allow
        Pairs of host and port that are connected to whatever they resolve to.
    timeout_seconds
        From the look-up of the name to the last byte read: a receiver that drips one byte a second is cut off too.
    resolver
        Names to addresses.
    stopwatch
        Monotonic seconds; measures durations and is no clock.
    """

    def __init__(
        self,
        *,
        allow: frozenset[tuple[str, int]] = frozenset(),
        timeout_seconds: float = 15.0,
        resolver: Resolver = resolve,
        stopwatch: Stopwatch = time.monotonic,
    ) -> None:
        self._allow = allow
        self._timeout_seconds = timeout_seconds
        self._resolver = resolver
        self._stopwatch = stopwatch
        self._sockets = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect to the first address of a host that answers, if all of its addresses may be spoken to.

        Raises
        ------
        AddressRefused
            If any answer of the resolver is not public and host and port are not on the list.
        """
        deadline = _Deadline(self._stopwatch, self._timeout_seconds)
        failure: httpcore.ConnectError | httpcore.ConnectTimeout | None = None
        for address in self._vetted(host.lower(), port):
            try:
                stream = self._sockets.connect_tcp(
                    address, port, deadline.remaining(httpcore.ConnectTimeout, timeout), local_address, socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as exc:
                failure = exc
                continue
            return _DeadlineStream(stream, deadline)
        raise failure or httpcore.ConnectError(f"{host} has no address")

    def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[Any] | None = None
    ) -> httpcore.NetworkStream:
        """Refuse: a webhook never goes to a socket of this machine."""
        raise AddressRefused(path, must="be public")

    def _vetted(self, host: str, port: int) -> list[str]:
        listed = (host, port) in self._allow
        if not listed and port != HTTPS_PORT:
            raise AddressRefused(f"{host}:{port}", must=f"be https on port {HTTPS_PORT}")
        addresses = self._resolver(host, port)
        if not listed and not all(map(is_public, addresses)):
            # One private answer among public ones is how rebinding begins, so the whole name is refused.
            raise AddressRefused(f"{host}:{port}", must="be public, every address of it")
        return addresses


class _Deadline:
    """What is left of a duration that began when this was made."""

    def __init__(self, stopwatch: Stopwatch, seconds: float) -> None:
        self._stopwatch = stopwatch
        self._end = stopwatch() + seconds

    def remaining(self, overdue: type[httpcore.TimeoutException], at_most: float | None) -> float:
        left = self._end - self._stopwatch()
        if left <= 0:
            raise overdue("the deadline of the whole exchange has passed")
        return left if at_most is None else min(left, at_most)


class _DeadlineStream(httpcore.NetworkStream):
    """A stream each of whose steps ends with the deadline of the whole exchange."""

    def __init__(self, stream: httpcore.NetworkStream, deadline: _Deadline) -> None:
        self._stream = stream
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, self._deadline.remaining(httpcore.ReadTimeout, timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, self._deadline.remaining(httpcore.WriteTimeout, timeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        left = self._deadline.remaining(httpcore.ConnectTimeout, timeout)
        return _DeadlineStream(self._stream.start_tls(ssl_context, server_hostname, left), self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)
