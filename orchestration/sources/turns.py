"""Whose turn it is where symbols are asked for one by one and a budget does not reach for all of them.

The most valuable come first, then those that have waited longest; each is asked from where its last answer ended, so
that a run that stopped half-way is gone on with and nobody who was left out stays without the days between.
"""

import datetime as dt
from collections.abc import Sequence
from typing import Protocol

from orchestration.sources.records import Turn


class Progress(Protocol):
    """Knows what symbols are worth, and how far each has come; implemented on the warehouse."""

    def standing(self, source: str, entity: str, symbols: Sequence[str]) -> Sequence[tuple[str, dt.date | None]]:
        """Return symbols in the order in which they are to be asked, each with the last day that was had."""
        ...


class NoProgress:
    """Keeps the order that symbols are given in, and knows of no earlier run."""

    def standing(self, source: str, entity: str, symbols: Sequence[str]) -> Sequence[tuple[str, dt.date | None]]:
        """See `Progress`."""
        return [(symbol, None) for symbol in symbols]


def turns_of(
    standing: Sequence[tuple[str, dt.date | None]], first_date: dt.date, last_date: dt.date, *, beginning: dt.date
) -> list[Turn]:
    """Return the turns of a window: a symbol that stopped before it is asked for the days between as well.

    Parameters
    ----------
    standing
        As `Progress.standing` returns it.
    first_date, last_date
        The window.
    beginning
        First day that the source is asked for at all.

    >>> day = dt.date
    >>> turns_of([("A", day(2024, 6, 3))], day(2024, 6, 6), day(2024, 6, 7), beginning=day(2024, 1, 2))
    [Turn(symbol='A', first_date=datetime.date(2024, 6, 4), last_date=datetime.date(2024, 6, 7))]
    """
    return [
        Turn(
            symbol,
            first_date if had is None else max(min(first_date, had + dt.timedelta(days=1)), beginning),
            last_date,
        )
        for symbol, had in standing
    ]
