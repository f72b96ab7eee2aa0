"""The feature set Alpha158: 158 features of a bar and the 60 before it, the field's common yardstick."""

from collections.abc import Callable
from importlib.util import find_spec
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from transforms.segments import segment_starts

Array = npt.NDArray[np.float64]
Starts = npt.NDArray[np.int64]
Engine = Literal["auto", "numba", "numpy"]

WINDOWS = (5, 10, 20, 30, 60)
# Rows before a row that its features read: a change at the far end of the longest window needs the bar before it.
LOOKBACK_BARS = 60
# Below this standard deviation a series counts as constant, and has no correlation.
CONSTANT = 2e-5
TINY = 1e-12

OF_THE_BAR = (
    "kmid", "klen", "kmid2", "kup", "kup2", "klow", "klow2", "ksft", "ksft2", "open0", "high0", "low0", "vwap0",
)  # fmt: skip
OF_A_WINDOW = (
    "roc", "ma", "std", "beta", "rsqr", "resi", "max", "min", "qtlu", "qtld", "rank", "rsv", "imax", "imin", "imxd",
    "corr", "cord", "cntp", "cntn", "cntd", "sump", "sumn", "sumd", "vma", "vstd", "wvma", "vsump", "vsumn", "vsumd",
)  # fmt: skip
COLUMNS = (*OF_THE_BAR, *(f"{name}{window}" for name in OF_A_WINDOW for window in WINDOWS))


class Bars(NamedTuple):
    """Bars of one instrument after another, each by day; arrays of shape (n_bars,).

    Adjusted prices in currency per share, above 0; volume in adjusted shares, 0 or more. `starts` holds the first
    row of each instrument, ascending.
    """

    open: Array
    high: Array
    low: Array
    close: Array
    vwap: Array
    volume: Array
    starts: Starts

    def between(self, first: int, last: int) -> "Bars":
        """Take the rows of one instrument."""
        open_, high, low, close, vwap, volume = (values[first:last] for values in self[:-1])
        return Bars(open_, high, low, close, vwap, volume, np.zeros(1, dtype=np.int64))


def alpha158(bars: Bars, *, engine: Engine = "auto") -> npt.NDArray[np.float32]:
    """Compute Alpha158 for every bar.

    Parameters
    ----------
    bars : Bars
    engine : str
        numba (compiled, on all threads that numba may use), numpy, or auto: numba where it is installed.

    Returns
    -------
    ndarray of float32, shape (n_bars, 158)
        Columns as in `COLUMNS`, ratios without unit.

    Raises
    ------
    ValueError
        If lengths differ, a price is not above 0, a volume is missing or below 0, or `starts` does not part the rows.

    Notes
    -----
    Missing: windows are shorter where an instrument begins. NaN are changes before the first bar, deviations of one
    bar, and correlations with what does not move.
    Point in time: row t reads its instrument's rows t - 60 to t, so the last 61 bars give the last row bit for bit.
    Source: Yang, Liu, Zhou, Bian and Liu (2020), Qlib, arXiv:2009.11189; names as there, in lower case.
    """
    bars = _checked(bars)
    out = np.empty((len(bars.close), len(COLUMNS)), dtype=np.float32)
    if engine == "numba" or (engine == "auto" and find_spec("numba")):
        from transforms.alpha158_kernel import fill

        fill(out, *bars)
        return out
    ends = np.append(bars.starts[1:], len(bars.close))
    with np.errstate(divide="ignore", invalid="ignore"):
        for first, last in zip(bars.starts.tolist(), ends.tolist(), strict=True):
            part = bars.between(first, last)
            out[first:last, : len(OF_THE_BAR)] = _of_the_bar(part)
            out[first:last, len(OF_THE_BAR) :] = _of_windows(part)
    return out


def alpha158_rows(bars: pd.DataFrame, *, engine: Engine = "auto") -> pd.DataFrame:
    """Compute Alpha158 for the bars of a table.

    Parameters
    ----------
    bars : DataFrame of shape (n_bars, n_columns)
        Columns instrument_id, trade_date, price_segment, open_adj, high_adj, low_adj, close_adj (currency per share),
        volume_adj (shares): trusted bars, ordered by instrument_id and trade_date, nothing missing.
    engine : str
        As for `alpha158`.

    Returns
    -------
    DataFrame of shape (n_bars, 160)
        instrument_id, as_of_date and `COLUMNS`, in the order of `bars`.

    Raises
    ------
    ValueError
        If bars are out of order, or as `alpha158`.

    Notes
    -----
    Vendors of daily bars seldom give the volume-weighted price, so vwap is the mean of high, low and close. Each price
    segment begins afresh, as with `transforms.indicators`.
    """
    open_, high, low, close, volume = (
        bars[name].to_numpy(dtype=np.float64, na_value=np.nan)
        for name in ("open_adj", "high_adj", "low_adj", "close_adj", "volume_adj")
    )
    starts = segment_starts(bars, where="alpha158_rows")
    values = alpha158(Bars(open_, high, low, close, (high + low + close) / 3, volume, starts), engine=engine)
    frame = pd.DataFrame(values, columns=list(COLUMNS), index=bars.index, copy=False)
    frame.insert(0, "as_of_date", bars["trade_date"])
    frame.insert(0, "instrument_id", bars["instrument_id"])
    return frame


def _checked(bars: Bars) -> Bars:
    n_bars = len(bars.close)
    lengths = [len(values) for values in bars[:-1]]
    if lengths != [n_bars] * len(lengths):
        raise ValueError(f"alpha158: all arrays must have one length; got {lengths}. Align the bars by day.")
    starts = np.ascontiguousarray(bars.starts, dtype=np.int64)
    edges = np.append(starts, n_bars)
    if n_bars and (edges[0] != 0 or bool(np.any(np.diff(edges) <= 0))):
        raise ValueError(
            f"alpha158: starts must be ascending rows from 0 on; got {starts[:5]} for {n_bars} bars. "
            "Give the first row of each instrument."
        )
    arrays = [np.ascontiguousarray(values, dtype=np.float64) for values in bars[:-1]]
    n_prices = sum(int(np.sum(~((values > 0) & np.isfinite(values)))) for values in arrays[:-1])
    n_volumes = int(np.sum(~((arrays[-1] >= 0) & np.isfinite(arrays[-1]))))
    if n_prices or n_volumes:
        raise ValueError(
            f"alpha158: prices must be above 0 and volumes 0 or more; got {n_prices} other prices and {n_volumes} "
            "other volumes. Pass trusted bars only."
        )
    open_, high, low, close, vwap, volume = arrays
    return Bars(open_, high, low, close, vwap, volume, starts)


def _of_the_bar(bars: Bars) -> Array:
    """Shape (n_bars, 13): the candle, and prices over the close."""
    body, upper, lower = bars.close - bars.open, np.maximum(bars.open, bars.close), np.minimum(bars.open, bars.close)
    shift, spread = 2 * bars.close - bars.high - bars.low, bars.high - bars.low + TINY
    parts = (body, bars.high - upper, lower - bars.low, shift)
    over_open = [part / bars.open for part in parts]
    over_spread = [part / spread for part in parts]
    candle = [over_open[0], (bars.high - bars.low) / bars.open, over_spread[0]]
    for number in (1, 2, 3):
        candle += [over_open[number], over_spread[number]]
    return np.column_stack([*candle, *(price / bars.close for price in (bars.open, bars.high, bars.low, bars.vwap))])


def _of_windows(bars: Bars) -> Array:
    """Shape (n_bars, 145): each feature over its five windows, in the order of `COLUMNS`."""
    by_window = [_of_window(bars, window) for window in WINDOWS]
    return np.column_stack([values[number] for number in range(len(OF_A_WINDOW)) for values in by_window])


def _of_window(bars: Bars, window: int) -> list[Array]:
    """Give the 29 features over one window, each of shape (n_bars,)."""
    close, volume = bars.close, bars.volume
    back = _Windows(window)
    high, low = back(bars.high, np.max, -np.inf), back(bars.low, np.min, np.inf)
    slope, r_squared, residual = back.trend(close)
    place_high, place_low = back.place(bars.high), back.place(-bars.low)
    growth, volume_growth = _growth(close), _growth(volume)
    weighted = np.abs(growth - 1) * volume
    gains, losses = back.mean(_is_up(close)), back.mean(_is_up(-close))
    return [
        _before(close, window) / close,
        back.mean(close) / close,
        back.deviation(close) / close,
        slope / close,
        np.where(back.deviation(close) <= CONSTANT, np.nan, r_squared),
        residual / close,
        high / close,
        low / close,
        back.quantile(close, 0.8) / close,
        back.quantile(close, 0.2) / close,
        back.rank(close),
        (close - low) / (high - low + TINY),
        place_high / window,
        place_low / window,
        (place_high - place_low) / window,
        back.correlation(close, np.log(volume + 1)),
        back.correlation(growth, np.log(volume_growth + 1)),
        gains,
        losses,
        gains - losses,
        *back.balance(close),
        back.mean(volume) / (volume + TINY),
        back.deviation(volume) / (volume + TINY),
        back.deviation(weighted) / (back.mean(weighted) + TINY),
        *back.balance(volume),
    ]


class _Windows:
    """Figures over the window that ends at each row, missing values left out; all of shape (n_bars,)."""

    def __init__(self, length: int) -> None:
        self._length = length

    def __call__(self, values: Array, reduce: Callable[..., Array], missing: float) -> Array:
        """Reduce each window, with `missing` in the place of missing values."""
        window = self._views(values)
        return reduce(np.where(np.isnan(window), missing, window), axis=1)

    def mean(self, values: Array) -> Array:
        """Mean of the values present."""
        return self._sum(values) / self._count(values)

    def deviation(self, values: Array) -> Array:
        """Sample standard deviation, NaN of fewer than two values."""
        window = self._views(values)
        squares = np.nansum((window - self.mean(values)[:, None]) ** 2, axis=1)
        n = self._count(values)
        return np.where(n > 1, np.sqrt(squares / (n - 1)), np.nan)

    def trend(self, values: Array) -> tuple[Array, Array, Array]:
        """Slope per bar, R squared and last residual of the regression on the place in the window."""
        window = self._views(values)
        n = self._count(values)
        ago = np.arange(self._length - 1, -1, -1.0)
        is_there = ~np.isnan(window)
        x = np.where(is_there, (n[:, None] - 1) / 2 - ago, 0.0)
        y = np.where(is_there, window - self.mean(values)[:, None], 0.0)
        xx, xy, yy = (np.sum(product, axis=1) for product in (x * x, x * y, y * y))
        slope = xy / xx
        return slope, xy**2 / (xx * yy), y[:, -1] - slope * x[:, -1]

    def place(self, values: Array) -> Array:
        """Place of the highest value, 1 for the oldest bar of the window; of equal ones the oldest counts."""
        window = self._views(values)
        found = np.argmax(np.where(np.isnan(window), -np.inf, window), axis=1)
        return np.asarray(found + 1 - (self._length - self._count(values)))

    def quantile(self, values: Array, share: float) -> Array:
        """Quantile with linear interpolation."""
        ordered = np.sort(self._views(values), axis=1)
        at = share * (self._count(values) - 1)
        below = np.floor(at).astype(np.intp)
        above = np.minimum(below + 1, self._length - 1)
        rows = np.arange(len(values))
        left, right = ordered[rows, below], ordered[rows, above]
        return left + np.where(at > below, right - left, 0.0) * (at - below)

    def rank(self, values: Array) -> Array:
        """Average rank of the newest bar within its window over the number of bars."""
        window, newest = self._views(values), values[:, None]
        below, equal = np.sum(window < newest, axis=1), np.sum(window == newest, axis=1)
        return np.asarray((below + (equal + 1) / 2) / self._count(values))

    def correlation(self, left: Array, right: Array) -> Array:
        """Correlation over the rows that have both; NaN where one of them is constant."""
        left, right = (np.where(np.isfinite(values), values, np.nan) for values in (left, right))
        is_constant = np.minimum(self.deviation(left), self.deviation(right)) <= CONSTANT
        both = left + right
        left, right = (np.where(np.isnan(both), np.nan, values) for values in (left, right))
        x, y = (self._views(values) - self.mean(values)[:, None] for values in (left, right))
        xy, xx, yy = (np.nansum(product, axis=1) for product in (x * y, x * x, y * y))
        return np.where(is_constant, np.nan, xy / np.sqrt(xx * yy))

    def balance(self, values: Array) -> tuple[Array, Array, Array]:
        """Sum of rises, of falls, and their difference, over the sum of all changes."""
        change = np.diff(values, prepend=np.nan)
        rises, falls = self._sum(np.maximum(change, 0)), self._sum(np.maximum(-change, 0))
        total = self._sum(np.abs(change)) + TINY
        has_change = self._count(change) > 0
        rise, fall, both = (np.where(has_change, part / total, np.nan) for part in (rises, falls, rises - falls))
        return rise, fall, both

    def _sum(self, values: Array) -> Array:
        return np.asarray(np.nansum(self._views(values), axis=1))

    def _count(self, values: Array) -> Array:
        return np.asarray(np.sum(~np.isnan(self._views(values)), axis=1), dtype=np.float64)

    def _views(self, values: Array) -> Array:
        """Shape (n_bars, length), oldest first; NaN before the first bar."""
        padded = np.concatenate([np.full(self._length - 1, np.nan), values])
        return np.lib.stride_tricks.sliding_window_view(padded, self._length)


def _before(values: Array, n_bars: int) -> Array:
    return np.concatenate([np.full(min(n_bars, len(values)), np.nan), values[: -n_bars or None]])[: len(values)]


def _growth(values: Array) -> Array:
    return values / _before(values, 1)


def _is_up(values: Array) -> Array:
    """1 where a value is above the one before, else 0; the first is 0."""
    return (values > _before(values, 1)).astype(np.float64)
