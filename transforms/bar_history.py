"""The history of bars as arrays, and what is usual for an instrument at a given bar."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from transforms.bar_rules import PRICES
from transforms.days import Days, as_days
from transforms.numbers import as_numbers

Numbers = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Rows = npt.NDArray[np.int64]

# What is usual is judged by the year before the bar, and by nothing shorter than a month.
USUAL_BARS = 250
FEWEST_BARS = 20
MEDIAN_TO_DEVIATION = 1.4826
SMALLEST_MOVE = 1e-4


@dataclass(frozen=True)
class Found:
    """What a soft rule found; arrays of shape (n_found,).

    Attributes
    ----------
    rows : ndarray of int64
        Rows of the history.
    is_suspect : ndarray of bool
        False for bars that were suspected and proved good.
    other_day : ndarray of datetime64[D]
        The other bar of a pair, NaT where there is none.
    known_from : ndarray of datetime64[D]
        Latest day of a bar that the decision rests on.
    details : list of str
        What was seen, one sentence each.
    """

    rows: Rows
    is_suspect: Flags
    other_day: Days
    known_from: Days
    details: list[str]


@dataclass(frozen=True)
class BarHistory:
    """All bars as arrays of shape (n_bars,), sorted by instrument and day.

    Attributes
    ----------
    symbols : Index of shape (n_instruments,)
    code : ndarray of int64
        Place of the bar's instrument in `symbols`.
    scale : ndarray of int64
        Bars of one instrument compare where this is the same: prices as traded are everybody's, adjusted ones are those
        of one source and one kind of adjustment.
    day : ndarray of datetime64[D]
    open, high, low, close : ndarray of float, currency per share
    volume : ndarray of float, shares
    log_open, log_close : ndarray of float
    gap, move : ndarray of float, log ratio
        From the close before to the open, and to the close; NaN on the first bar of an instrument and of a scale.
    """

    symbols: "pd.Index[str]"
    code: Rows
    scale: Rows
    day: Days
    open: Numbers
    high: Numbers
    low: Numbers
    close: Numbers
    volume: Numbers
    log_open: Numbers
    log_close: Numbers
    gap: Numbers
    move: Numbers

    @classmethod
    def of(cls, bars: pd.DataFrame) -> "BarHistory":
        """Take the columns out of a frame; see `transforms.bar_verdicts.bar_verdicts`."""
        codes, symbols = pd.factorize(bars["source_symbol"])
        code = codes.astype(np.int64)
        scale = _scale(bars)
        day = as_days(bars["trade_date"])
        _require_sorted(code, day)
        prices = {name: as_numbers(bars[name]) for name in PRICES}
        log_open, log_close = np.log(prices["open"]), np.log(prices["close"])
        before = np.full(len(code), np.nan)
        follows = (code[1:] == code[:-1]) & (scale[1:] == scale[:-1])
        before[1:][follows] = log_close[:-1][follows]
        return cls(
            symbols=pd.Index(symbols),
            code=code,
            scale=scale,
            day=day,
            **prices,
            volume=as_numbers(bars["volume"]),
            log_open=log_open,
            log_close=log_close,
            gap=log_open - before,
            move=log_close - before,
        )

    def usual(self, values: Numbers, rows: Rows, *, n_bars: int = USUAL_BARS) -> Numbers:
        """Median of the `n_bars` bars before each row, NaN with too few; same shape as `rows`."""
        medians = np.full(len(rows), np.nan)
        # In blocks: a history full of defects would make a matrix of gigabytes.
        for start in range(0, len(rows), 10_000):
            block = rows[start : start + 10_000, None]
            distance = np.minimum(np.arange(1, n_bars + 1), block)
            earlier = block - distance
            of_instrument = (distance == np.arange(1, n_bars + 1)) & (self.code[earlier] == self.code[block])
            medians[start : start + 10_000] = _medians(np.where(of_instrument, values[earlier], np.nan))
        return medians

    def usual_move(self, rows: Rows) -> Numbers:
        """Robust deviation of the daily moves, log."""
        return np.maximum(self.usual(np.abs(self.move), rows) * MEDIAN_TO_DEVIATION, SMALLEST_MOVE)

    def rows_of(self, events: pd.DataFrame) -> tuple[Rows, Rows]:
        """Places of the events that meet a bar, and the bar: the instrument's first one from ex_date on."""
        code = self.symbols.get_indexer(pd.Index(events["source_symbol"])).astype(np.int64)
        keys = self.code * 10_000_000 + self.day.astype(np.int64)
        rows = np.searchsorted(keys, code * 10_000_000 + as_days(events["ex_date"]).astype(np.int64))
        meets = (rows < len(keys)) & (code >= 0)
        meets &= self.code[np.where(meets, rows, 0)] == code if len(keys) > 0 else False
        return np.flatnonzero(meets), rows[meets]

    def are_comparable(self, rows: Rows, others: Rows) -> Flags:
        """Whether the bars of two rows exist, and belong to one instrument on one scale; same shape as `rows`."""
        exists = (others >= 0) & (others < len(self.code))
        others = np.where(exists, others, rows)
        same = (self.code[others] == self.code[rows]) & (self.scale[others] == self.scale[rows])
        return np.asarray(exists & same)


def _scale(bars: pd.DataFrame) -> Rows:
    """Number what prices are quoted on; shape (n_bars,)."""
    is_raw = (bars["adjustment"] == "none").to_numpy(dtype=bool, na_value=False)
    sources, names = pd.factorize(bars["source"])
    kinds = pd.factorize(bars["adjustment"])[0]
    return np.where(is_raw, -1, kinds * len(names) + sources).astype(np.int64)


def _medians(values: Numbers) -> Numbers:
    """Median of each row without NaN; NaN for rows with fewer than FEWEST_BARS numbers."""
    count = np.isfinite(values).sum(axis=1)
    ordered = np.sort(values, axis=1)
    place = np.arange(len(values))
    middle = (ordered[place, np.maximum(count - 1, 0) // 2] + ordered[place, count // 2]) / 2
    return np.where(count >= FEWEST_BARS, middle, np.nan)


def _require_sorted(code: Rows, day: Days) -> None:
    # Numbered in the order of appearance: a symbol that comes back later has a lower number than the one before it.
    step = np.diff(code)
    unsorted = np.flatnonzero((step < 0) | ((step == 0) & ~(day[1:] > day[:-1])))
    if len(unsorted) > 0:
        place = int(unsorted[0]) + 1
        raise ValueError(
            "bar_verdicts: bars must be sorted by source_symbol and trade_date, each key once; "
            f"got row {place} of {day[place]} after {day[place - 1]}. Sort the accepted bars."
        )


def times(value: float) -> str:
    """Say how many times the usual something is."""
    return "unknown times" if np.isnan(value) else f"{value:.1f} times"
