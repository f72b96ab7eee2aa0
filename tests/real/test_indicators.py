"""Indicators of real rows against plain recursions, written here from their definitions.

TA-Lib is no oracle for itself. Tolerance: 1e-9 relative for sums and recursions; 1e-8 of the price for Bollinger bands,
which TA-Lib makes of a difference of running sums of squares.
"""

import math
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from tests.real.comparison import KEY, by_segment

pytestmark = [pytest.mark.slow, pytest.mark.unwatched, pytest.mark.xdist_group("real")]

NONE = math.nan


@pytest.fixture(scope="module")
def segments(trusted):
    """Every twentieth instrument, and those with a break that nobody has explained; one frame per price segment."""
    symbols = sorted(trusted["source_symbol"].unique())
    broken = trusted.loc[trusted["segment"] > 0, "source_symbol"].unique()
    chosen = trusted[trusted["source_symbol"].isin({*symbols[::20], *broken})]
    return [own for _, own in by_segment(chosen)]


@pytest.fixture(scope="module")
def rows(pipeline):
    return pipeline.frame("select * from research.indicators").set_index(KEY).sort_index()


@pytest.fixture(scope="module")
def compare(segments, rows):
    """Compare a column with what a function of a segment's bars gives, missing values included."""

    def check(column, compute, *, rtol=1e-9, atol=1e-9):
        n_values = 0
        for own in segments:
            got = rows.loc[pd.MultiIndex.from_frame(own[KEY]), column].to_numpy()
            expected = np.array(compute(own), dtype=np.float64)
            assert (np.isnan(got) == np.isnan(expected)).all(), (column, own["source_symbol"].iloc[0])
            np.testing.assert_allclose(got, expected, rtol=rtol, atol=atol)
            n_values += np.isfinite(expected).sum()
        assert n_values > 10_000

    return check


def test_one_row_per_trusted_bar(rows, trusted):
    assert len(rows) == len(trusted)
    assert set(rows.index) == set(pd.MultiIndex.from_frame(trusted[KEY]))


@pytest.mark.parametrize("n", [20, 50, 200])
def test_simple_averages(compare, n):
    compare(f"sma_{n}d", lambda bars: simple_average(bars["close"].tolist(), n))


@pytest.mark.parametrize("n", [12, 26])
def test_exponential_averages(compare, n):
    compare(f"ema_{n}d", lambda bars: exponential_average(bars["close"].tolist(), n))


def test_macd_its_signal_and_its_histogram(compare):
    compare("macd_12d_26d", lambda bars: macd(bars)[0])
    compare("macd_signal_9d", lambda bars: macd(bars)[1])
    compare("macd_histogram", lambda bars: [line - signal for line, signal in zip(*macd(bars), strict=True)])


def test_relative_strength(compare):
    compare("rsi_14d", lambda bars: relative_strength(bars["close"].tolist(), 14))


def test_average_true_range(compare):
    compare("atr_14d", lambda bars: wilder_average(true_ranges(bars), 14))


def test_bollinger_bands(compare):
    for column, sign in (("bollinger_lower_20d", -1), ("bollinger_middle_20d", 0), ("bollinger_upper_20d", 1)):
        compare(column, lambda bars, sign=sign: bollinger(bars["close"].tolist(), 20, 2 * sign), rtol=1e-8, atol=1e-6)


def test_slow_stochastic(compare):
    compare("stochastic_k_14d", lambda bars: stochastic(bars)[0], atol=1e-7)
    compare("stochastic_d_3d", lambda bars: stochastic(bars)[1], atol=1e-7)


def test_average_directional_index(compare):
    compare("adx_14d", lambda bars: directional_index(bars, 14))


def test_on_balance_volume(compare):
    compare("obv_shares", on_balance_volume)


def simple_average(values, n):
    return [NONE if i < n - 1 else math.fsum(values[i - n + 1 : i + 1]) / n for i in range(len(values))]


def exponential_average(values, n):
    """Begin with the mean of the first n; then weigh the newest with 2 / (n + 1)."""
    result = [NONE] * len(values)
    for i in range(n - 1, len(values)):
        if i == n - 1:
            result[i] = math.fsum(values[:n]) / n
        else:
            result[i] = result[i - 1] + (values[i] - result[i - 1]) * 2 / (n + 1)
    return result


def macd(bars):
    """The faster average begins with the mean of the 12 closes that end where the slower one begins."""
    close = bars["close"].tolist()
    slow = exponential_average(close, 26)
    fast = ([NONE] * 14 + exponential_average(close[14:], 12))[: len(close)]
    line = [one - other for one, other in zip(fast, slow, strict=True)]
    signal = ([NONE] * 25 + exponential_average(line[25:], 9))[: len(close)]
    begun = [value if not math.isnan(other) else NONE for value, other in zip(line, signal, strict=True)]
    return begun, signal


def relative_strength(close, n):
    """Wilder's averages of gains and losses; they begin with the means of the first n changes."""
    result = [NONE] * len(close)
    changes = [0.0, *(later - earlier for earlier, later in pairwise(close))]
    gain = loss = 0.0
    for i in range(n, len(close)):
        if i == n:
            gain = math.fsum(max(change, 0) for change in changes[1 : n + 1]) / n
            loss = math.fsum(max(-change, 0) for change in changes[1 : n + 1]) / n
        else:
            gain = (gain * (n - 1) + max(changes[i], 0)) / n
            loss = (loss * (n - 1) + max(-changes[i], 0)) / n
        result[i] = 100 * gain / (gain + loss) if gain + loss else 0.0
    return result


def true_ranges(bars):
    high, low, close = (bars[name].tolist() for name in ("high", "low", "close"))
    later = [max(high[i], close[i - 1]) - min(low[i], close[i - 1]) for i in range(1, len(close))]
    return [NONE, *later]


def wilder_average(values, n):
    """The first value is missing; begin with the mean of the n that follow it."""
    result = [NONE] * len(values)
    for i in range(n, len(values)):
        if i == n:
            result[i] = math.fsum(values[1 : n + 1]) / n
        else:
            result[i] = (result[i - 1] * (n - 1) + values[i]) / n
    return result


def bollinger(close, n, deviations):
    result = [NONE] * len(close)
    for i in range(n - 1, len(close)):
        window = close[i - n + 1 : i + 1]
        mean = math.fsum(window) / n
        result[i] = mean + deviations * math.sqrt(math.fsum((value - mean) ** 2 for value in window) / n)
    return result


def stochastic(bars):
    """Place of the close in the range of 14 bars, averaged over 3, and that over 3 again; from where both are known."""
    high, low, close = (bars[name].tolist() for name in ("high", "low", "close"))
    fast = []
    for i in range(len(close)):
        top, bottom = max(high[max(i - 13, 0) : i + 1]), min(low[max(i - 13, 0) : i + 1])
        fast.append(100 * (close[i] - bottom) / (top - bottom) if top > bottom else 0.0)
    slow = [NONE if i < 15 else math.fsum(fast[i - 2 : i + 1]) / 3 for i in range(len(fast))]
    slower = [NONE if i < 17 else math.fsum(slow[i - 2 : i + 1]) / 3 for i in range(len(fast))]
    return [NONE if i < 17 else value for i, value in enumerate(slow)], slower


def directional_index(bars, n):
    """Wilder's sums begin with n - 1 movements; the index is a Wilder average of n values of DX."""
    high, low = bars["high"].tolist(), bars["low"].tolist()
    ranges = true_ranges(bars)
    up_sum = down_sum = range_sum = 0.0
    strengths = []
    result = [NONE] * len(high)
    for i in range(1, len(high)):
        up, down = high[i] - high[i - 1], low[i - 1] - low[i]
        up_move, down_move = (up if up > down and up > 0 else 0.0), (down if down > up and down > 0 else 0.0)
        decay = (n - 1) / n if i >= n else 1.0
        up_sum, down_sum = up_sum * decay + up_move, down_sum * decay + down_move
        range_sum = range_sum * decay + ranges[i]
        if i < n:
            continue
        plus, minus = 100 * up_sum / range_sum, 100 * down_sum / range_sum
        strengths.append(100 * abs(plus - minus) / (plus + minus))
        if len(strengths) == n:
            result[i] = math.fsum(strengths) / n
        elif len(strengths) > n:
            result[i] = (result[i - 1] * (n - 1) + strengths[-1]) / n
    return result


def on_balance_volume(bars):
    close, volume = bars["close"].tolist(), bars["volume"].tolist()
    total = volume[0]
    result = [total]
    for i in range(1, len(close)):
        total += volume[i] * ((close[i] > close[i - 1]) - (close[i] < close[i - 1]))
        result.append(total)
    return result
