"""Which version of each table stands, held for two seconds, so that a 304 costs no read of a table."""

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress

from api.errors import ApiProblem
from warehouse.queries import datasets
from warehouse.queries.datasets import Dataset
from warehouse.queries.reader import Reader
from warehouse.versions import version_of

REFRESH_SECONDS = 2.0


class Versions:
    """The versions of all tables.

    A version is always read before the rows that it labels, and a pipeline moves it no earlier than the rows, so rows
    may be newer than the version beside them, never older: an answer with an old tag is only asked for once more.
    """

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._known: dict[str, str] = {}
        self._together: dict[tuple[str, ...], str | None] = {}
        self.datasets: list[Dataset] = []
        """Every table as it was last seen."""
        self._read_at: float | None = None
        self._lock = asyncio.Lock()

    async def of(self, names: Sequence[str]) -> str | None:
        """Return one version for several tables together, None while one of them has none."""
        current = self._known if self._is_fresh() else await self._current()
        key = tuple(names)
        if key not in self._together:
            self._together[key] = version_of(names, current)
        return self._together[key]

    async def watch(self, *, every_seconds: float) -> None:
        """Look again and again, for those who read `datasets`; a database that is away is asked later."""
        while True:
            with suppress(ApiProblem):
                await self._current()
            await asyncio.sleep(every_seconds)

    async def _current(self) -> dict[str, str]:
        if self._is_fresh():
            return self._known
        async with self._lock:
            if not self._is_fresh():
                rows = await datasets.versions(self._reader)
                self.datasets = rows
                self._known = {row.dataset: row.version for row in rows}
                self._together = {}
                self._read_at = time.monotonic()
        return self._known

    def _is_fresh(self) -> bool:
        return self._read_at is not None and time.monotonic() - self._read_at < REFRESH_SECONDS
