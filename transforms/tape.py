"""Prices of all instruments over some sessions, as accounts look at them one session at a time."""

import numpy as np
import numpy.typing as npt

from transforms.paper_account import Mark
from transforms.paper_broker import Bar

Array = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]


class Tape:
    """Trusted bars, arrays of shape (n_dates, n_instruments), currency per share and shares; NaN where there is none.

    Attributes
    ----------
    places : dict of str to int
        Column of each instrument.
    """

    def __init__(
        self,
        instruments: "npt.NDArray[np.object_]",
        prices: "dict[str, Array]",
        segment: Whole,
        gone_after: Whole,
    ) -> None:
        """Keep arrays open, high, low, close and volume; `gone_after` is the row of each instrument's last session."""
        self.places = {str(name): place for place, name in enumerate(instruments)}
        self._fields = tuple(prices[name] for name in ("open", "high", "low", "close", "volume"))
        self._segment, self._gone_after = segment, gone_after

    def at(self, row: int) -> "TapeSession":
        """Return one session."""
        return TapeSession(self, row)

    def bar(self, row: int, instrument_id: str) -> Bar | None:
        """Return a bar, None where any part of it is missing or nothing was traded."""
        place = self.places.get(instrument_id)
        if place is None:
            return None
        bar = Bar(*(float(field[row, place]) for field in self._fields))
        is_whole = bar.open > 0 and bar.high > 0 and bar.low > 0 and bar.close > 0 and bar.volume > 0
        return bar if is_whole else None

    def mark(self, row: int, instrument_id: str) -> Mark | None:
        """Return close and segment, None where there is no close."""
        place = self.places.get(instrument_id)
        if place is None:
            return None
        price = float(self._fields[3][row, place])
        return Mark(price, int(self._segment[row, place])) if price > 0 else None

    def is_gone(self, row: int, instrument_id: str) -> bool:
        """Tell whether an instrument had its last session before this one."""
        place = self.places.get(instrument_id)
        return place is not None and row > int(self._gone_after[place])


class TapeSession:
    """One row of a tape."""

    def __init__(self, tape: Tape, row: int) -> None:
        self._tape, self._row = tape, row

    def bar(self, instrument_id: str) -> Bar | None:
        """Return the bar, None where there is none that can be trusted."""
        return self._tape.bar(self._row, instrument_id)

    def mark(self, instrument_id: str) -> Mark | None:
        """Return close and segment, None where there is none that can be trusted."""
        return self._tape.mark(self._row, instrument_id)

    def is_gone(self, instrument_id: str) -> bool:
        """Tell whether an instrument had its last session before this one."""
        return self._tape.is_gone(self._row, instrument_id)
