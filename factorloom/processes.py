"""Child processes in sessions of their own, so that a signal reaches them with everything that they have started."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

MAX_LOG_BYTES = 20 * 1024**2


class Child:
    """One child process and its group; start it as often as needed."""

    def __init__(self, command: Sequence[str], *, environment: Mapping[str, str], log: Path) -> None:
        self.command = list(command)
        self.environment = dict(environment)
        self.log = log
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """Process id, also the group's; None before the first start."""
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Start it; what it prints is appended to the log."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with open_log(self.log) as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own services
                self.command,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def returncode(self) -> int | None:
        """Return how it ended, None while it runs (and before it was started)."""
        return self._process.poll() if self._process else None

    def is_alive(self) -> bool:
        """True while it runs."""
        return self._process is not None and self._process.poll() is None

    def send(self, number: signal.Signals) -> None:
        """Signal the whole group; what has already ended is no error."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, number)

    def wait(self, *, timeout_seconds: float) -> bool:
        """Wait for the process; return whether it has ended."""
        if self._process is None:
            return True
        try:
            self._process.wait(timeout_seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def stop(self, *, timeout_seconds: float) -> None:
        """Ask it to end, wait, then kill what is left of its group."""
        if self.is_alive():
            self.send(signal.SIGTERM)
            self.wait(timeout_seconds=timeout_seconds)
        # Also after a quiet end: runs that a code server has started may still be there.
        self.send(signal.SIGKILL)
        self.wait(timeout_seconds=10)


@contextmanager
def open_log(path: Path) -> Iterator[IO[bytes]]:
    """Open a log for appending: two writers and a truncation in between do not harm each other's lines."""
    with path.open("ab") as log:
        yield log


def trim_log(path: Path, *, max_bytes: int = MAX_LOG_BYTES) -> bool:
    """Keep a log that has grown too long as `<name>.1` and begin anew; its writer may go on writing meanwhile."""
    if not path.exists() or path.stat().st_size <= max_bytes:
        return False
    path.with_suffix(f"{path.suffix}.1").write_bytes(path.read_bytes())
    os.truncate(path, 0)
    return True


def last_lines(path: Path, *, n_lines: int = 12) -> str:
    """Return the end of a log."""
    if not path.exists():
        return "(no log)"
    return "\n".join(path.read_text(errors="replace").splitlines()[-n_lines:])
