"""Parts of a test that coverage need not watch: what it watches takes two to three times as long."""

from collections.abc import Iterator
from contextlib import contextmanager

import coverage


@contextmanager
def unwatched() -> Iterator[None]:
    """Let coverage look away: for code of others, or for ours where the same lines run thousands of times.

    Threads that were there before are not watched again afterwards.
    """
    watching = coverage.Coverage.current()
    if watching is None:
        yield
        return
    watching.stop()
    try:
        yield
    finally:
        watching.start()
