"""One `factorloom up` per home: a lock that ends with its process, and a note of what runs under it."""

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from factorloom.errors import AlreadyRunning


@contextmanager
def hold_home(home: Path) -> Iterator[None]:
    """Hold the lock of a home.

    Raises
    ------
    AlreadyRunning
        When another process holds it.
    """
    home.mkdir(parents=True, exist_ok=True)
    # The kernel drops the lock with its process, so a killed supervisor leaves nothing to clean up.
    with (home / "up.lock").open("a+") as handle:
        if not _take(handle):
            raise AlreadyRunning(home, _pid_in(home / "up.lock"))
        handle.seek(0)
        handle.truncate()
        handle.write(str(os.getpid()))
        handle.flush()
        try:
            yield
        finally:
            (home / "up.json").unlink(missing_ok=True)


def note_services(home: Path, services: dict[str, int | None]) -> None:
    """Write down which process each service is: {service: pid}."""
    fresh = home / "up.json.new"
    fresh.write_text(json.dumps({"pid": os.getpid(), "services": services}))
    fresh.replace(home / "up.json")


def noted_services(home: Path) -> dict[str, int | None]:
    """Return what the running supervisor wrote down; nothing where none runs."""
    if running_supervisor(home) is None:
        return {}
    try:
        services: dict[str, int | None] = json.loads((home / "up.json").read_text())["services"]
    except FileNotFoundError:
        return {}
    return services


def running_supervisor(home: Path) -> int | None:
    """Return the process that holds the lock, None where none does."""
    path = home / "up.lock"
    if not path.exists():
        return None
    with path.open() as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return _pid_in(path)
    return None


def _take(handle: IO[str]) -> bool:
    """Take the lock; tried a few times, since a glance of `running_supervisor` holds it for a moment."""
    for _ in range(5):
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(0.1)
        else:
            return True
    return False


def _pid_in(path: Path) -> int | None:
    text = path.read_text().strip()
    return int(text) if text.isdigit() else None
