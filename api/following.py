"""Following the log of events: what wakes those who follow, and how far each of them is."""

import asyncio
import time
from collections.abc import Callable

import psycopg
import structlog

CHANNEL = "factorloom_events"
# A connection that is away is tried again after so long; those who follow read every few seconds anyway.
RECONNECT_SECONDS = 1.0
POLL_SECONDS = 5.0
# So long a transaction may take that has written an event and not committed yet.
MISSING_SECONDS = 60.0
MAX_MISSING = 10_000


class Wake:
    """Wakes whoever waits when the database says that there is something to read.

    A notification is only ever a hint: it is lost when a connection is, and whoever waits reads after `POLL_SECONDS`
    in any case.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._news = asyncio.Event()
        self._log = structlog.get_logger()

    async def news(self) -> None:
        """Wait until there may be something to read."""
        try:
            async with asyncio.timeout(POLL_SECONDS):
                await self._news.wait()
        except TimeoutError:
            return

    def wake(self) -> None:
        """Wake everybody who waits now."""
        self._news.set()
        self._news = asyncio.Event()

    async def listen(self) -> None:
        """Listen until cancelled; a server that goes away is waited for."""
        while True:
            try:
                await self._listen_once()
            except (psycopg.Error, OSError) as error:
                self._log.warning("events_not_heard", reason=type(error).__name__, again_in_seconds=RECONNECT_SECONDS)
            await asyncio.sleep(RECONNECT_SECONDS)

    async def _listen_once(self) -> None:
        connection = await psycopg.AsyncConnection.connect(
            self._url, autocommit=True, connect_timeout=2, application_name="factorloom-events"
        )
        async with connection:
            await connection.execute(f"listen {CHANNEL}")
            # What came while nobody listened is read now.
            self.wake()
            async for _ in connection.notifies():
                self.wake()


class Reached:
    """How far a reader of the log is.

    Ids are given when an event is written and seen when its transaction commits, so an event may appear behind a later
    one. Ids that were passed over are looked for a minute longer; until then the place to go on from stays before them.
    """

    def __init__(self, event_id: int, *, stopwatch: Callable[[], float] = time.monotonic) -> None:
        self.newest = event_id
        self._missing: dict[int, float] = {}
        self._stopwatch = stopwatch

    @property
    def missing(self) -> list[int]:
        """Ids that were passed over and may still come."""
        now = self._stopwatch()
        for event_id in [each for each, until in self._missing.items() if until < now]:
            del self._missing[event_id]
        return list(self._missing)

    @property
    def place(self) -> int:
        """Id up to which everything has been seen."""
        return min(self._missing, default=self.newest + 1) - 1

    def see(self, event_id: int) -> None:
        """Note what has been read."""
        if event_id > self.newest:
            passed = range(max(self.newest + 1, event_id - MAX_MISSING), event_id)
            self._missing |= dict.fromkeys(passed, self._stopwatch() + MISSING_SECONDS)
            self.newest = event_id
        else:
            self._missing.pop(event_id, None)
