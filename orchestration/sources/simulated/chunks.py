"""The market in chunks of companies: what is simulated together, and kept while it is needed.

A chunk is 256 slots, whatever the number of instruments, so that memory is bounded by two chunks and sums over
companies are always taken in the same order. Two adjacent ones are walked together, as a step of the loop costs
little more for twice as many companies; what comes out does not depend on it, as no company depends on another one.
"""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from orchestration.calendars import HomeCalendar
from orchestration.sources.simulated.draws import IntArray
from orchestration.sources.simulated.grid import Grid, grid
from orchestration.sources.simulated.market import SharedReturns, shared_returns
from orchestration.sources.simulated.options import SimulatedOptions
from orchestration.sources.simulated.paths import Paths, simulate
from orchestration.sources.simulated.reporting import Reporting, reporting
from orchestration.sources.simulated.universe import Companies, companies

SLOTS_PER_CHUNK = 256
_SLOTS_PER_WALK = 2 * SLOTS_PER_CHUNK
# A repeated bar can come from a month later, so paths run that much beyond what is asked for.
SESSIONS_AHEAD = 21
# Kept for the next question, so that quotes every minute cost milliseconds: 5,000 companies x 10 years fit.
_CACHE_BYTES = 768 * 2**20


@dataclass(frozen=True)
class Chunk:
    """Companies, what they report, their paths; `is_emitted` leaves out slots beyond n_instruments."""

    companies: Companies
    grid: Grid
    reports: Reporting
    paths: Paths
    is_emitted: NDArray[np.bool_]

    @cached_property
    def symbols(self) -> list[str]:
        """Tickers of the companies."""
        return self.companies.symbols()


class Market:
    """Chunks of one market, simulated on demand."""

    def __init__(
        self,
        options: SimulatedOptions,
        calendar: HomeCalendar,
        *,
        keep_characteristics: bool = False,
    ) -> None:
        self.options = options
        self.calendar = calendar
        self._keep_characteristics = keep_characteristics
        self._cache: dict[int, Chunk] = {}

    @property
    def first_session(self) -> dt.date:
        """First session of the market."""
        first = self.options.first_session
        return first if self.calendar.is_session(first) else self.calendar.next_session(first)

    def session(self, number: int) -> dt.date:
        """Session of a number; 0 is the first one."""
        return self.calendar.session_at(self.first_session, number)

    def number(self, day: dt.date) -> int:
        """Number of the first session at or after a day."""
        return len(self.calendar.sessions(self.first_session, day - dt.timedelta(days=1)))

    def chunks(self, last_number: int) -> Iterator[Chunk]:
        """Every chunk with paths up to a session and SESSIONS_AHEAD further.

        Parameters
        ----------
        last_number : int
            Number of the last session needed.
        """
        n_needed = last_number + 1 + SESSIONS_AHEAD
        for first_slot in range(0, self.options.n_instruments, SLOTS_PER_CHUNK):
            cached = self._cache.get(first_slot)
            if cached is None or cached.grid.n_sessions < n_needed:
                self._simulate(first_slot, n_needed)
            chunk = self._cache[first_slot] = self._cache.pop(first_slot)
            self._make_room()
            yield chunk

    def _make_room(self) -> None:
        """Forget the chunks that were asked for longest ago, but never the newest."""
        sizes = {slot: chunk.paths.n_bytes for slot, chunk in self._cache.items()}
        while sum(sizes.values()) > _CACHE_BYTES and len(sizes) > 1:
            oldest = next(iter(sizes))
            del sizes[oldest], self._cache[oldest]

    def _simulate(self, first_slot: int, n_sessions: int) -> None:
        """Walk the companies of a chunk and of the next one, and keep both chunks."""
        options = self.options
        axis = grid(self.calendar, self.first_session, self.session(n_sessions - 1))
        last_slot = min(first_slot + _SLOTS_PER_WALK, options.n_instruments)
        # An even number of slots, as each can be given the statement of its neighbour by mistake.
        last_slot += last_slot % 2
        members = companies(options.seed, first_slot, last_slot, n_sessions=n_sessions)
        reports = reporting(options.seed, members, axis)
        shared: SharedReturns = shared_returns(options.seed, n_sessions=n_sessions)
        paths = simulate(
            options.seed,
            members,
            axis,
            shared,
            reports,
            planted_alpha=options.planted_alpha,
            keep_characteristics=self._keep_characteristics,
        )
        for slot in range(first_slot, last_slot, SLOTS_PER_CHUNK):
            start, stop = np.searchsorted(members.ids, [2 * slot, 2 * (slot + SLOTS_PER_CHUNK)]).tolist()
            columns = slice(start, stop)
            part = members.of(columns)
            is_emitted = part.ids // 2 < options.n_instruments
            # One that is replaced goes to the end as well, where it is safe the longest.
            self._cache.pop(slot, None)
            self._cache[slot] = Chunk(part, axis, reports.of(columns), paths.of(columns), is_emitted)


def trading(chunk: Chunk, sessions: IntArray) -> NDArray[np.bool_]:
    """Whether each company of the feed trades on each session; shape (n_sessions, n_companies)."""
    days, members = sessions[:, None], chunk.companies
    return np.asarray((days >= members.listed) & (days <= members.last) & chunk.is_emitted)
