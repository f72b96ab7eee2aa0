"""How this process logs: an event name with key=value on a terminal, one JSON object per line elsewhere."""

import logging
import sys
from typing import TYPE_CHECKING

import structlog

from warehouse.clock import Clock

if TYPE_CHECKING:
    from structlog.typing import EventDict, Processor, WrappedLogger


def configure(*, level: str, clock: Clock) -> None:
    """Set up structlog for this process; the instants come from the one clock."""

    def stamp(_: "WrappedLogger", __: str, event: "EventDict") -> "EventDict":
        return {"at": clock().isoformat(timespec="milliseconds"), **event}

    on_terminal = sys.stderr.isatty()
    endings: list[Processor] = (
        [structlog.dev.ConsoleRenderer()]
        if on_terminal
        else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    )
    structlog.configure(
        processors=[structlog.processors.add_log_level, stamp, *endings],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
