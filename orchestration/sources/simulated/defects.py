"""Defects as real feeds have them: which record gets which. What the feed then says is made where the record is.

Whether a record is hit depends on (seed, company, day) alone; a kind that cannot happen there (the other day of a
repeated bar lies before the listing) happens not at all.
"""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from orchestration.sources.simulated.chunks import SESSIONS_AHEAD, Chunk, trading
from orchestration.sources.simulated.draws import IntArray, Stream, uniforms

# Splits and statements are rare; at the rate of bars a market would have no such defect in years.
_SPLIT_FACTOR = 200.0
_STATEMENT_FACTOR = 20.0
_HIGHEST_RATE = 0.5
_FIRST_SESSIONS_SPARED = 5


class BarDefect(IntEnum):
    """What can be wrong with a bar."""

    NULL_PRICE = 0
    HIGH_BELOW_LOW = 1
    NEGATIVE_PRICE = 2
    ZERO_PRICE = 3
    REPEATED_FROM_EARLIER = 4
    REPEATED_FROM_LATER = 5
    MISSING_SESSION = 6
    EXACT_DUPLICATE = 7
    CONFLICTING_DUPLICATE = 8


@dataclass(frozen=True)
class BarDefects:
    """Bars that are hit, one array of shape (n_defects,) each.

    `session` and `other_session` are session numbers (the same one unless the bar is repeated), `column` is the
    company's place in the chunk, `kind` a BarDefect.
    """

    session: IntArray
    column: IntArray
    kind: IntArray
    other_session: IntArray


def bar_defects(chunk: Chunk, seed: int, rate: float, *, first: int, last: int) -> BarDefects:
    """Defects of the bars of the sessions ``first <= session <= last``."""
    sessions = np.arange(first, last + 1, dtype=np.int64)
    if rate == 0.0:
        nothing = np.empty(0, dtype=np.int64)
        return BarDefects(nothing, nothing, nothing, nothing)
    u = uniforms(seed, Stream.DEFECT, chunk.companies.ids, first=first, n_steps=len(sessions))
    is_old_enough = sessions[:, None] >= chunk.companies.listed + _FIRST_SESSIONS_SPARED
    is_hit = (u[..., 0] < rate) & trading(chunk, sessions) & is_old_enough
    row, column = np.nonzero(is_hit)
    session = sessions[row]
    kind = (u[row, column, 1] * len(BarDefect)).astype(np.int64)
    distance = 1 + (u[row, column, 2] * (SESSIONS_AHEAD - 1)).astype(np.int64)
    step = np.select(
        [kind == BarDefect.REPEATED_FROM_EARLIER, kind == BarDefect.REPEATED_FROM_LATER],
        [-distance, distance],
        0,
    )
    other = session + step
    members = chunk.companies
    happens = (other >= members.listed[column]) & (other <= members.last[column])
    return BarDefects(session[happens], column[happens], kind[happens], other[happens])


def has_lost_split(chunk: Chunk, seed: int, rate: float) -> NDArray[np.bool_]:
    """Whether the feed keeps quiet about each split of the chunk; shape (n_splits,)."""
    splits = chunk.paths.splits
    session, column = splits[:, 0].astype(np.int64), splits[:, 1].astype(np.int64)
    threshold = min(_HIGHEST_RATE, rate * _SPLIT_FACTOR)
    lost = [
        uniforms(seed, Stream.DEFECT, chunk.companies.ids[[j]], first=int(t), n_steps=1)[0, 0, 3] < threshold
        for t, j in zip(session, column, strict=True)
    ]
    return np.array(lost, dtype=np.bool_)


def statement_owner(chunk: Chunk, seed: int, rate: float) -> IntArray:
    """Column of the company whose figures each report holds; shape (n_quarters, n_companies).

    The company itself, save for a wrong one: then its neighbour in the next slot.
    """
    members, axis = chunk.companies, chunk.grid
    own = np.broadcast_to(np.arange(len(members)), chunk.reports.published.shape)
    if rate == 0.0:
        return np.asarray(own)
    first, n_quarters = int(axis.quarter_numbers[0]), len(axis.quarter_numbers)
    u = uniforms(seed, Stream.STATEMENT_DEFECT, members.ids, first=first, n_steps=n_quarters)
    is_hit = u[..., 0] < min(_HIGHEST_RATE, rate * _STATEMENT_FACTOR)
    # Ids are 2 x slot: the neighbour of slot 2k is 2k + 1, and both have been listed since the beginning.
    neighbour = np.searchsorted(members.ids, members.ids ^ 2)
    neighbour = np.minimum(neighbour, len(members) - 1)
    is_annual = chunk.reports.is_annual
    is_alike = (members.ids % 2 == 0) & (is_annual == is_annual[:, neighbour])
    return np.where(is_hit & is_alike, neighbour, own)
