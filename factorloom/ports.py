"""Who listens on a port."""

import contextlib
import socket
from collections.abc import Sequence
from typing import NamedTuple

import psutil


class Port(NamedTuple):
    """Where a service wants to listen, and the variable that moves it."""

    service: str
    host: str
    number: int
    variable: str


class Holder(NamedTuple):
    """The process that listens on a port; pid None where we may not see it."""

    pid: int | None
    command: str

    def __str__(self) -> str:
        return f"process {self.pid} ({self.command})" if self.pid else self.command


def is_free(host: str, number: int) -> bool:
    """Try to listen on a port; an address that is not ours, or may not be used by us, counts as taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        # As servers do: connections that are just closing do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, number))
        except OSError:
            return False
    return True


def holder_of(number: int) -> Holder:
    """Return who listens on a port of this machine."""
    with contextlib.suppress(psutil.Error):
        for connection in psutil.net_connections(kind="tcp"):
            if connection.status == psutil.CONN_LISTEN and connection.laddr and connection.laddr[1] == number:
                return _describe(connection.pid)
    return Holder(None, "a process that we may not look at")


def taken(ports: Sequence[Port]) -> list[str]:
    """Return a sentence for each port that is not free."""
    return [
        f"{port.service}: {port.host}:{port.number} is held by {holder_of(port.number)}; "
        f"stop that, or set {port.variable}"
        for port in ports
        if not is_free(port.host, port.number)
    ]


def _describe(pid: int | None) -> Holder:
    if pid is None:
        return Holder(None, "a process of another account")
    try:
        process = psutil.Process(pid)
        command = " ".join(process.cmdline()) or process.name()
    except psutil.Error:
        return Holder(pid, "a process that has just ended")
    return Holder(pid, command if len(command) <= 80 else f"{command[:77]}...")
