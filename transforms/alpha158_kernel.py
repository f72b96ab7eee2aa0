"""Alpha158 compiled: the same definitions as `transforms.alpha158`, fused into one pass over the bars.

Rows are taken in blocks, and bars one step further back at a time, so that each step is one loop over neighbouring
rows that the compiler turns into vector instructions, and every row is added up in the same order wherever it lies.
Sums are taken of deviations from the row's own bar, which keeps them small and their differences exact.
"""

import numba
import numpy as np
import numpy.typing as npt

from transforms.alpha158 import CONSTANT, OF_A_WINDOW, OF_THE_BAR, TINY, WINDOWS, Array, Starts

N_WINDOWS = len(WINDOWS)
LENGTHS = np.array(WINDOWS)
LONGEST = max(WINDOWS)
FIRST = len(OF_THE_BAR)
# Rows of a block: its sums stay in the nearest cache.
BLOCK = 128
LN2 = float(np.log(2.0))
# First column of each feature of a window; its other windows follow.
FIRST_COLUMNS = tuple(FIRST + N_WINDOWS * number for number in range(len(OF_A_WINDOW)))
(ROC, MA, STD, BETA, RSQR, RESI, MAX, MIN, QTLU, QTLD, RANK, RSV, IMAX, IMIN, IMXD, CORR, CORD, CNTP, CNTN, CNTD, SUMP,
 SUMN, SUMD, VMA, VSTD, WVMA, VSUMP, VSUMN, VSUMD) = FIRST_COLUMNS  # fmt: skip
# Series of an instrument. The first N_PLAIN are added up as they are, into the sums of the same order from UP on.
(IS_UP, IS_DOWN, RISES, FALLS, V_RISES, V_FALLS, IS_PAIR, LOG_VOLUME, GROWTH, WEIGHTED, PAIR_GROWTH,
 PAIR_LOG) = range(12)  # fmt: skip
N_SERIES, N_PLAIN = 12, 7
# Sums of a window, by row of the block.
(UP, DOWN, RISE, FALL, V_RISE, V_FALL, N_PAIRS, C, CC, CJ, HIGH, HIGH_AT, LOW, LOW_AT, BELOW, EQUAL, Y, YY, CY, V, VV,
 G, GG, PG, PGG, L, LL, GL, W, WW) = range(30)  # fmt: skip
N_SUMS = 30


@numba.njit(parallel=True, cache=True, error_model="numpy")
def fill(
    out: npt.NDArray[np.float32],
    open_: Array,
    high: Array,
    low: Array,
    close: Array,
    vwap: Array,
    volume: Array,
    starts: Starts,
) -> None:
    """Write the features of all bars into `out`, shape (n_bars, 158)."""
    for number in numba.prange(len(starts)):
        a = starts[number]
        b = starts[number + 1] if number + 1 < len(starts) else len(close)
        _fill_bars(out[a:b], open_[a:b], high[a:b], low[a:b], close[a:b], vwap[a:b])
        _fill_quantiles(out[a:b], close[a:b])
        _fill_windows(out[a:b], high[a:b], low[a:b], close[a:b], volume[a:b])


@numba.njit(cache=True, error_model="numpy")
def _fill_bars(out: npt.NDArray[np.float32], open_: Array, high: Array, low: Array, close: Array, vwap: Array) -> None:
    for t in range(len(close)):
        o, h, lo, c = open_[t], high[t], low[t], close[t]
        spread = h - lo + TINY
        top, bottom = max(o, c), min(o, c)
        out[t, 0], out[t, 1], out[t, 2] = (c - o) / o, (h - lo) / o, (c - o) / spread
        out[t, 3], out[t, 4] = (h - top) / o, (h - top) / spread
        out[t, 5], out[t, 6] = (bottom - lo) / o, (bottom - lo) / spread
        out[t, 7], out[t, 8] = (2 * c - h - lo) / o, (2 * c - h - lo) / spread
        out[t, 9], out[t, 10], out[t, 11], out[t, 12] = o / c, h / c, lo / c, vwap[t] / c


@numba.njit(cache=True, error_model="numpy")
def _fill_quantiles(out: npt.NDArray[np.float32], close: Array) -> None:
    """Keep each window sorted while it moves: one value comes in, one goes."""
    ordered = np.empty(LONGEST)
    for k in range(N_WINDOWS):
        length, n = LENGTHS[k], 0
        for t in range(len(close)):
            if n == length:
                _remove(ordered, n, close[t - length])
                n -= 1
            _insert(ordered, n, close[t])
            n += 1
            out[t, QTLU + k] = _quantile(ordered, n, 0.8) / close[t]
            out[t, QTLD + k] = _quantile(ordered, n, 0.2) / close[t]


@numba.njit(cache=True)
def _insert(ordered: Array, n: int, value: float) -> None:
    at = n
    while at > 0 and ordered[at - 1] > value:
        ordered[at] = ordered[at - 1]
        at -= 1
    ordered[at] = value


@numba.njit(cache=True)
def _remove(ordered: Array, n: int, value: float) -> None:
    at = 0
    while ordered[at] != value:
        at += 1
    for place in range(at, n - 1):
        ordered[place] = ordered[place + 1]


@numba.njit(cache=True)
def _quantile(ordered: Array, n: int, share: float) -> float:
    at = share * (n - 1)
    below = int(at)
    if at > below:
        return ordered[below] + (ordered[below + 1] - ordered[below]) * (at - below)
    return ordered[below]


@numba.njit(cache=True, error_model="numpy")
def _fill_windows(out: npt.NDArray[np.float32], high: Array, low: Array, close: Array, volume: Array) -> None:
    n = len(close)
    series = _series(close, volume)
    sums = np.empty((N_SUMS, BLOCK))
    for a in range(0, n, BLOCK):
        b = min(a + BLOCK, n)
        sums[:] = 0.0
        sums[HIGH] = -np.inf
        sums[LOW] = np.inf
        k = 0
        for j in range(LONGEST):
            # Rows before `j` have no bar so far back; the first bar of an instrument has no change.
            _add_bars(sums, a, max(a, j), b, j, high, low, close, volume, series)
            _add_changes(sums, a, max(a, j + 1), b, j, series)
            if j + 1 == LENGTHS[k]:
                _write(out, sums, a, b, k, close, volume, series[WEIGHTED])
                k += 1


@numba.njit(cache=True, error_model="numpy")
def _series(close: Array, volume: Array) -> Array:
    """Give what the sums are made of, shape (N_SERIES, n_bars); changes into the first bar are 0."""
    series = np.zeros((N_SERIES, len(close)))
    series[LOG_VOLUME] = np.log(volume + 1)
    for t in range(1, len(close)):
        d, v = close[t] - close[t - 1], volume[t] - volume[t - 1]
        series[IS_UP, t], series[IS_DOWN, t] = 1.0 if d > 0 else 0.0, 1.0 if d < 0 else 0.0
        series[RISES, t], series[FALLS, t] = max(d, 0.0), max(-d, 0.0)
        series[V_RISES, t], series[V_FALLS, t] = max(v, 0.0), max(-v, 0.0)
        growth, ratio = close[t] / close[t - 1] - 1, volume[t] / volume[t - 1]
        series[GROWTH, t], series[WEIGHTED, t] = growth, abs(growth) * volume[t]
        if np.isfinite(ratio):
            series[IS_PAIR, t], series[PAIR_GROWTH, t] = 1.0, growth
            # Taken off a constant near its mean: sums stay small.
            series[PAIR_LOG, t] = np.log(ratio + 1) - LN2
    return series


@numba.njit(cache=True)
def _add_bars(
    sums: Array, a: int, first: int, b: int, j: int, high: Array, low: Array, close: Array, volume: Array, series: Array
) -> None:
    """Add the bar `j` before each of the rows from `first` to `b` to the row's sums; the block begins at `a`."""
    if first >= b:
        return
    own, ago, to = slice(first, b), slice(first - j, b - j), slice(first - a, b - a)
    _add_moments(sums[C, to], sums[CC, to], close[ago], close[own])
    _add_places(sums[CJ, to], close[ago], close[own], float(j))
    _add_ranks(sums[BELOW, to], sums[EQUAL, to], close[ago], close[own])
    _add_moments(sums[V, to], sums[VV, to], volume[ago], volume[own])
    log_ago, log_own = series[LOG_VOLUME, ago], series[LOG_VOLUME, own]
    _add_moments(sums[Y, to], sums[YY, to], log_ago, log_own)
    _add_products(sums[CY, to], close[ago], close[own], log_ago, log_own)
    _keep_highest(sums[HIGH, to], sums[HIGH_AT, to], high[ago], float(j))
    _keep_lowest(sums[LOW, to], sums[LOW_AT, to], low[ago], float(j))


@numba.njit(cache=True)
def _add_changes(sums: Array, a: int, first: int, b: int, j: int, series: Array) -> None:
    """Add the change into the bar `j` before each row."""
    if first >= b:
        return
    own, ago, to = slice(first, b), slice(first - j, b - j), slice(first - a, b - a)
    for number in range(N_PLAIN):
        _add(sums[UP + number, to], series[IS_UP + number, ago])
    _add_moments(sums[W, to], sums[WW, to], series[WEIGHTED, ago], series[WEIGHTED, own])
    _add_squares(sums[G, to], sums[GG, to], series[GROWTH, ago])
    _add_squares(sums[PG, to], sums[PGG, to], series[PAIR_GROWTH, ago])
    _add_squares(sums[L, to], sums[LL, to], series[PAIR_LOG, ago])
    _add_pairs(sums[GL, to], series[PAIR_GROWTH, ago], series[PAIR_LOG, ago])


# Each loop has few arrays, so that the compiler can show them apart and use vector instructions.
@numba.njit(cache=True)
def _add(total: Array, x: Array) -> None:
    for r in range(len(total)):
        total[r] += x[r]


@numba.njit(cache=True)
def _add_squares(total: Array, squares: Array, x: Array) -> None:
    for r in range(len(total)):
        total[r] += x[r]
        squares[r] += x[r] * x[r]


@numba.njit(cache=True)
def _add_moments(total: Array, squares: Array, x: Array, own: Array) -> None:
    for r in range(len(total)):
        d = x[r] - own[r]
        total[r] += d
        squares[r] += d * d


@numba.njit(cache=True)
def _add_places(total: Array, x: Array, own: Array, place: float) -> None:
    for r in range(len(total)):
        total[r] += (x[r] - own[r]) * place


@numba.njit(cache=True)
def _add_products(total: Array, x: Array, x_own: Array, y: Array, y_own: Array) -> None:
    for r in range(len(total)):
        total[r] += (x[r] - x_own[r]) * (y[r] - y_own[r])


@numba.njit(cache=True)
def _add_pairs(total: Array, x: Array, y: Array) -> None:
    for r in range(len(total)):
        total[r] += x[r] * y[r]


@numba.njit(cache=True)
def _add_ranks(below: Array, equal: Array, x: Array, own: Array) -> None:
    for r in range(len(below)):
        below[r] += 1.0 if x[r] < own[r] else 0.0
        equal[r] += 1.0 if x[r] == own[r] else 0.0


@numba.njit(cache=True)
def _keep_highest(best: Array, at: Array, x: Array, place: float) -> None:
    """Of equal ones the oldest counts, which comes last."""
    for r in range(len(best)):
        is_new = x[r] >= best[r]
        at[r] = place if is_new else at[r]
        best[r] = x[r] if is_new else best[r]


@numba.njit(cache=True)
def _keep_lowest(best: Array, at: Array, x: Array, place: float) -> None:
    for r in range(len(best)):
        is_new = x[r] <= best[r]
        at[r] = place if is_new else at[r]
        best[r] = x[r] if is_new else best[r]


@numba.njit(cache=True, error_model="numpy")
def _write(
    out: npt.NDArray[np.float32], sums: Array, a: int, b: int, k: int, close: Array, volume: Array, weighted: Array
) -> None:
    """Turn the sums of window `k` into features."""
    length = LENGTHS[k]
    for t in range(a, b):
        r, c, v = t - a, close[t], volume[t]
        n = min(t + 1, length)
        n_changes = min(t, length)
        out[t, ROC + k] = close[t - length] / c if t >= length else np.nan
        out[t, MA + k] = (c + sums[C, r] / n) / c
        squares = max(sums[CC, r] - sums[C, r] * sums[C, r] / n, 0.0)
        deviation = np.sqrt(squares / (n - 1)) if n > 1 else np.nan
        out[t, STD + k] = deviation / c
        # Places ascend with time, bars are counted back from the row: the sign turns.
        mean_j = (n - 1) / 2
        jj = n * (n * n - 1) / 12
        jc = mean_j * sums[C, r] - sums[CJ, r]
        slope = jc / jj
        out[t, BETA + k] = slope / c
        out[t, RSQR + k] = jc * jc / (jj * squares) if deviation > CONSTANT else np.nan
        out[t, RESI + k] = (-sums[C, r] / n - slope * mean_j) / c
        top, bottom = sums[HIGH, r], sums[LOW, r]
        out[t, MAX + k], out[t, MIN + k] = top / c, bottom / c
        out[t, RANK + k] = (sums[BELOW, r] + (sums[EQUAL, r] + 1) / 2) / n
        out[t, RSV + k] = (c - bottom) / (top - bottom + TINY)
        out[t, IMAX + k], out[t, IMIN + k] = (n - sums[HIGH_AT, r]) / length, (n - sums[LOW_AT, r]) / length
        out[t, IMXD + k] = (sums[LOW_AT, r] - sums[HIGH_AT, r]) / length
        out[t, CORR + k] = _correlation(n, sums[C, r], squares, sums[Y, r], sums[YY, r], sums[CY, r], deviation)
        out[t, CNTP + k], out[t, CNTN + k] = sums[UP, r] / n, sums[DOWN, r] / n
        out[t, CNTD + k] = (sums[UP, r] - sums[DOWN, r]) / n
        out[t, VMA + k] = (v + sums[V, r] / n) / (v + TINY)
        v_squares = max(sums[VV, r] - sums[V, r] * sums[V, r] / n, 0.0)
        out[t, VSTD + k] = (np.sqrt(v_squares / (n - 1)) if n > 1 else np.nan) / (v + TINY)
        _write_changes(out, sums, t, r, k, n_changes, weighted[t])


@numba.njit(cache=True, error_model="numpy")
def _write_changes(out: npt.NDArray[np.float32], sums: Array, t: int, r: int, k: int, n: int, weighted: float) -> None:
    missing = n == 0
    rise, fall = sums[RISE, r], sums[FALL, r]
    total = np.nan if missing else rise + fall + TINY
    out[t, SUMP + k], out[t, SUMN + k], out[t, SUMD + k] = rise / total, fall / total, (rise - fall) / total
    rise, fall = sums[V_RISE, r], sums[V_FALL, r]
    total = np.nan if missing else rise + fall + TINY
    out[t, VSUMP + k], out[t, VSUMN + k], out[t, VSUMD + k] = rise / total, fall / total, (rise - fall) / total
    squares = max(sums[WW, r] - sums[W, r] * sums[W, r] / n, 0.0)
    out[t, WVMA + k] = np.sqrt(squares / (n - 1)) / (weighted + sums[W, r] / n + TINY) if n > 1 else np.nan
    own = max(sums[GG, r] - sums[G, r] * sums[G, r] / n, 0.0)
    deviation = np.sqrt(own / (n - 1)) if n > 1 else np.nan
    pairs = sums[N_PAIRS, r]
    squares = max(sums[PGG, r] - sums[PG, r] * sums[PG, r] / pairs, 0.0)
    out[t, CORD + k] = _correlation(pairs, sums[PG, r], squares, sums[L, r], sums[LL, r], sums[GL, r], deviation)


@numba.njit(cache=True, error_model="numpy")
def _correlation(n: float, x: float, x_squares: float, y: float, yy: float, xy: float, x_deviation: float) -> float:
    y_squares = max(yy - y * y / n, 0.0)
    if n < 2 or not (x_deviation > CONSTANT and np.sqrt(y_squares / (n - 1)) > CONSTANT):
        return np.nan
    return (xy - x * y / n) / np.sqrt(x_squares * y_squares)
