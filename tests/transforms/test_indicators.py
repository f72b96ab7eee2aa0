"""Indicators against plain recursions and pandas; TA-Lib is no oracle for itself."""

import numpy as np
import pandas as pd
import pytest

from transforms.indicators import COLUMNS, indicator_rows, indicators

NAN = float("nan")


def bars(n: int = 300, seed: int = 0, name: str = "A", segment: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    close = 50 * np.exp(np.cumsum(rng.normal(0, 0.02, n)))
    spread = close * rng.uniform(0.0, 0.02, (2, n))
    return pd.DataFrame(
        {
            "instrument_id": name,
            "trade_date": pd.bdate_range("2020-01-01", periods=n),
            "price_segment": segment,
            "high_adj": close + spread[0],
            "low_adj": close - spread[1],
            "close_adj": close,
            "volume_adj": rng.integers(1_000, 9_000, n).astype(float),
        }
    )


def wilder(values: list[float], n: int) -> list[float]:
    """Average of the first n, then each new value with weight 1 / n."""
    smooth = [NAN] * (n - 1) + [sum(values[:n]) / n]
    for value in values[n:]:
        smooth.append((smooth[-1] * (n - 1) + value) / n)
    return smooth


def exponential(values: list[float], n: int, start: int = 0) -> list[float]:
    """Mean of the n values from `start`, then weight 2 / (n + 1)."""
    average = [NAN] * (start + n - 1) + [sum(values[start : start + n]) / n]
    for value in values[start + n :]:
        average.append(average[-1] + 2 / (n + 1) * (value - average[-1]))
    return average


def true_ranges(frame: pd.DataFrame) -> list[float]:
    """One for each bar but the first, which has no previous close."""
    rows = frame[["high_adj", "low_adj", "close_adj"]].to_numpy().tolist()
    return [
        max(high - low, abs(high - before), abs(low - before))
        for (high, low, _), (_, _, before) in zip(rows[1:], rows[:-1], strict=True)
    ]


def oracle_rsi(frame: pd.DataFrame) -> list[float]:
    changes = np.diff(frame["close_adj"]).tolist()
    gains = wilder([max(change, 0.0) for change in changes], 14)
    losses = wilder([max(-change, 0.0) for change in changes], 14)
    return [NAN] + [100 * g / (g + l) for g, l in zip(gains, losses, strict=True)]  # noqa: E741


def oracle_macd(frame: pd.DataFrame) -> tuple[list[float], list[float]]:
    close = frame["close_adj"].tolist()
    # Both averages give their first value on bar 26, so the fast one starts 14 bars later.
    fast, slow = exponential(close, 12, start=14), exponential(close, 26)
    line = [f - s for f, s in zip(fast, slow, strict=True)]
    signal = exponential(line, 9, start=25)
    return [NAN] * 33 + line[33:], signal


def oracle_adx(frame: pd.DataFrame, n: int = 14) -> list[float]:
    """Wilder's sums of directional movement; the first sums hold n - 1 movements."""
    up = np.diff(frame["high_adj"])
    down = -np.diff(frame["low_adj"])
    plus = np.where((up > down) & (up > 0), up, 0.0).tolist()
    minus = np.where((down > up) & (down > 0), down, 0.0).tolist()
    sums = [sum(series[: n - 1]) for series in (plus, minus, true_ranges(frame))]
    strengths = []
    for moves in zip(plus[n - 1 :], minus[n - 1 :], true_ranges(frame)[n - 1 :], strict=True):
        sums = [total - total / n + move for total, move in zip(sums, moves, strict=True)]
        strengths.append(100 * abs(sums[0] - sums[1]) / (sums[0] + sums[1]))
    return [NAN] * n + wilder(strengths, n)


def oracle(frame: pd.DataFrame) -> pd.DataFrame:
    close, volume = frame["close_adj"], frame["volume_adj"]
    middle, deviation = close.rolling(20).mean(), close.rolling(20).std(ddof=0)
    lowest, highest = frame["low_adj"].rolling(14).min(), frame["high_adj"].rolling(14).max()
    slow_k = (100 * (close - lowest) / (highest - lowest)).rolling(3).mean()
    slow_d = slow_k.rolling(3).mean()
    line, signal = oracle_macd(frame)
    direction = np.sign(close.diff()).fillna(1.0)
    return pd.DataFrame(
        {
            "rsi_14d": oracle_rsi(frame),
            "macd_12d_26d": line,
            "macd_signal_9d": signal,
            "macd_histogram": np.array(line) - np.array(signal),
            "atr_14d": [NAN, *wilder(true_ranges(frame), 14)],
            "bollinger_upper_20d": middle + 2 * deviation,
            "bollinger_middle_20d": middle,
            "bollinger_lower_20d": middle - 2 * deviation,
            "sma_20d": middle,
            "sma_50d": close.rolling(50).mean(),
            "sma_200d": close.rolling(200).mean(),
            "ema_12d": exponential(close.tolist(), 12),
            "ema_26d": exponential(close.tolist(), 26),
            # TA-Lib gives %K from the bar on which %D exists too.
            "stochastic_k_14d": slow_k.where(slow_d.notna()),
            "stochastic_d_3d": slow_d,
            "adx_14d": oracle_adx(frame),
            "obv_shares": (direction * volume).cumsum(),
        }
    )


def assert_equals_oracle(frame: pd.DataFrame) -> None:
    found = indicators(frame)
    expected = oracle(frame)
    assert tuple(expected.columns) == COLUMNS
    for name in COLUMNS:
        # Running sums forget a little: bands and averages lose digits in proportion to the price.
        scale = 1e-9 * float(frame["close_adj"].max()) if "obv" not in name else 0.0
        np.testing.assert_allclose(found[name], expected[name].to_numpy(), rtol=1e-9, atol=scale, err_msg=name)


@pytest.mark.parametrize("seed", range(3))
def test_every_indicator_equals_a_plain_recursion(seed: int):
    assert_equals_oracle(bars(seed=seed))


def test_every_indicator_equals_a_plain_recursion_on_real_rows(real_bars: pd.DataFrame):
    real = real_bars.dropna().rename(
        columns={name: f"{name}_adj" for name in ("high", "low", "close", "volume")}
        | {"source_symbol": "instrument_id"}
    )
    for name in sorted(set(real["instrument_id"]))[::60]:
        assert_equals_oracle(real[real["instrument_id"] == name].assign(price_segment=0).reset_index(drop=True))


def test_the_frame_has_the_keys_and_columns_of_its_table():
    frame = bars(40)
    found = indicators(frame)
    assert list(found.columns) == ["instrument_id", "as_of_date", *COLUMNS]
    assert found["as_of_date"].tolist() == frame["trade_date"].tolist()


def test_instruments_do_not_meet():
    both = pd.concat([bars(60, 1, "A"), bars(80, 2, "B")], ignore_index=True)
    apart = pd.concat([indicators(bars(60, 1, "A")), indicators(bars(80, 2, "B"))], ignore_index=True)
    pd.testing.assert_frame_equal(indicators(both), apart, check_exact=True)


def test_a_new_price_segment_starts_afresh():
    frame = bars(120)
    frame.loc[60:, "price_segment"] = 1
    found = indicators(frame)
    assert np.isnan(found["sma_20d"].iloc[60:79]).all()
    afresh = indicators(frame.iloc[60:])
    pd.testing.assert_frame_equal(found.iloc[60:], afresh, check_exact=True)


def test_cutting_the_future_off_changes_no_bit():
    frame = bars(300)
    whole = indicators(frame)
    for n_rows in (1, 34, 150, 299):
        pd.testing.assert_frame_equal(indicators(frame.iloc[:n_rows]), whole.iloc[:n_rows], check_exact=True)


@pytest.mark.parametrize("n", [1, 2, 14, 15])
def test_short_histories_are_nan_where_nothing_can_be_said(n: int):
    found = indicators(bars(n))
    assert found["rsi_14d"].notna().sum() == max(n - 14, 0)
    assert found["obv_shares"].notna().all()


def test_a_price_that_never_moves_has_no_infinite_indicator():
    frame = bars(250).assign(high_adj=5.0, low_adj=5.0, close_adj=5.0)
    found = indicators(frame).iloc[-1]
    assert found["bollinger_upper_20d"] == found["bollinger_lower_20d"] == 5.0
    assert np.isfinite(found[list(COLUMNS)].astype(float)).all()


def test_rows_from_a_day_on_are_those_of_the_full_history():
    frame = pd.concat([bars(60, 1, "A"), bars(60, 2, "B")], ignore_index=True)
    first = frame["trade_date"].iloc[50]
    whole = indicators(frame)
    expected = whole[whole["as_of_date"] >= first].reset_index(drop=True)
    pd.testing.assert_frame_equal(indicator_rows(frame, first_date=first.date()), expected, check_exact=True)


def test_no_bars_give_no_rows():
    assert indicators(bars(5).iloc[:0]).empty


def test_a_gap_is_refused():
    frame = bars(5)
    frame.loc[2, "high_adj"] = NAN
    with pytest.raises(ValueError, match="got 1 bars with a gap"):
        indicators(frame)


@pytest.mark.parametrize("order", [[1, 0, 2, 3], [0, 2, 1, 3]])
def test_bars_out_of_order_are_refused(order: list[int]):
    frame = pd.concat([bars(2, name="A"), bars(2, name="B")], ignore_index=True).iloc[order]
    with pytest.raises(ValueError, match="4 bars out of order"):
        indicators(frame)
