"""Ends the supervisor's children when the supervisor cannot do so itself, because it was killed.

A process of its own, run as a plain script without site-packages (8 MB). It reads lines from the supervisor: `+<pid>`
and `-<pid>` for each process group that lives and no longer lives. When the pipe closes, the supervisor is gone: what
is left on the list is told to end, and killed if it does not.
"""

import contextlib
import os
import signal
import sys
import time
from collections.abc import Iterable

GRACE_SECONDS = 10.0


def watch(lines: Iterable[str], *, grace_seconds: float = GRACE_SECONDS) -> None:
    """Follow the supervisor's lines to their end, then end the groups that are still listed."""
    groups: set[int] = set()
    for line in lines:
        group = int(line[1:])
        if line.startswith("+"):
            groups.add(group)
        else:
            groups.discard(group)
    _signal(groups, signal.SIGTERM)
    deadline = time.monotonic() + grace_seconds
    while any(map(_lives, groups)) and time.monotonic() < deadline:
        time.sleep(0.1)
    _signal(groups, signal.SIGKILL)


def _signal(groups: set[int], number: signal.Signals) -> None:
    for group in groups:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(group, number)


def _lives(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


if __name__ == "__main__":
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    watch(sys.stdin)
