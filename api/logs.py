"""How this process logs: for people on a terminal, one JSON object per line elsewhere, and to a file of each day.

The files lie in `<home>/logs/daily`, one for each day of UTC, and are kept for 30 days.
"""

import datetime as dt
import json
import logging
import math
import re
import reprlib
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import msgspec
import structlog

from warehouse.clock import Clock

if TYPE_CHECKING:
    from structlog.typing import EventDict, Processor, WrappedLogger

KEPT_DAYS = 30
NAME = re.compile(r"api-(\d{4}-\d{2}-\d{2})\.jsonl")

_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 1_000


class DailyFile:
    """Appends lines to the file of the day; at the first line of a day, files older than 30 days go."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self._folder = folder
        self._clock = clock
        self._day: dt.date | None = None
        self._file: IO[bytes] | None = None
        self._has_failed = False

    def write(self, line: str) -> None:
        """Append one line; a full disk is said once on stderr, and costs log lines, not answers."""
        try:
            self._of_today().write(line.encode("utf-8", "backslashreplace") + b"\n")
            self._has_failed = False
        except OSError as error:
            if not self._has_failed:
                print(
                    f"logs: {self._folder} must be writable; got {error.strerror}. Lines go to stderr alone.",
                    file=sys.stderr,
                    flush=True,
                )
            self._has_failed = True
            self.close()

    def close(self) -> None:
        """Close the file; the next line opens it again."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _of_today(self) -> IO[bytes]:
        today = self._clock().astimezone(dt.UTC).date()
        if self._file is None or today != self._day:
            self.close()
            self._day = today
            self._folder.mkdir(parents=True, exist_ok=True)
            # Unbuffered: a line is one write, so a killed process has lost none.
            self._file = (self._folder / f"api-{today}.jsonl").open("ab", buffering=0)
            self._forget_before(today - dt.timedelta(days=KEPT_DAYS))
        return self._file

    def _forget_before(self, first: dt.date) -> None:
        for path in self._folder.iterdir():
            if (found := NAME.fullmatch(path.name)) and dt.date.fromisoformat(found[1]) < first:
                path.unlink(missing_ok=True)


def configure(*, level: str, clock: Clock, folder: Path | None = None) -> None:
    """Set up structlog for this process; the instants come from the one clock.

    Parameters
    ----------
    level
        The least that is logged: DEBUG, INFO, WARNING, ERROR.
    clock
        Tells the instants, and the day that names the file.
    folder
        Where the daily files go; none without it.
    """

    def stamp(_: "WrappedLogger", __: str, event: "EventDict") -> "EventDict":
        return {"at": clock().isoformat(timespec="milliseconds"), **event}

    is_for_people = sys.stderr.isatty()
    processors: list[Processor] = [structlog.processors.add_log_level, stamp]
    as_json: list[Processor] = [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(_as_line)]
    daily = DailyFile(folder, clock) if folder is not None else None
    if daily is not None and is_for_people:
        processors += [_Copy(daily, as_json), structlog.dev.ConsoleRenderer()]
    elif daily is not None:
        processors += [*as_json, _copy_rendered(daily)]
    else:
        processors += [structlog.dev.ConsoleRenderer()] if is_for_people else as_json
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level]),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),  # a line and its end in one write
        cache_logger_on_first_use=True,
    )


def _as_line(event: Any, *, default: Callable[[Any], Any] = repr, **_: Any) -> str:
    """Return an event as one line of JSON in ASCII: the fast encoder's, or what says the same of any text.

    Of an event that neither can say (one that holds itself, an object that cannot be shown) each value is cut short:
    whoever logs is never stopped by it.
    """
    with suppress(Exception):
        line = msgspec.json.encode(event)
        if line.isascii() and b"\x7f" not in line:
            return line.decode()
    with suppress(Exception):
        return json.dumps(_finite(msgspec.to_builtins(event, str_keys=True, enc_hook=default)), allow_nan=False)
    return json.dumps({str(name): value if isinstance(value, str) else _cut(value) for name, value in event.items()})


def _finite(value: Any) -> Any:
    """Return a plain value with null for each number that JSON does not have."""
    if isinstance(value, dict):
        return {name: _finite(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _cut(value: Any) -> str:
    try:
        return _SHORT.repr(value)
    except Exception:
        return f"<{type(value).__name__}>"


class _Copy:
    """Writes an event as JSON to the file, and passes it on as it is."""

    def __init__(self, file: DailyFile, as_json: "list[Processor]") -> None:
        self._file = file
        self._as_json = as_json

    def __call__(self, logger: "WrappedLogger", name: str, event: "EventDict") -> "EventDict":
        rendered: Any = dict(event)
        for processor in self._as_json:
            rendered = processor(logger, name, rendered)
        self._file.write(rendered)
        return event


def _copy_rendered(file: DailyFile) -> "Processor":
    def copy(_: "WrappedLogger", __: str, line: Any) -> Any:
        file.write(line)
        return line

    return copy
