"""Days to rebalance and weights from ranks."""

import numpy as np
import pandas as pd
import pytest

from transforms.target_weights import capped_weights, quantile_weights, rebalance_rows, volatility_scaled

DAYS = np.array(["2023-12-28", "2023-12-29", "2024-01-02", "2024-01-05", "2024-01-08", "2024-02-01"], "datetime64[D]")


@pytest.mark.parametrize(
    ("every", "expected"),
    [
        ("daily", [0, 1, 2, 3, 4, 5]),
        ("weekly", [0, 2, 4, 5]),
        ("monthly", [0, 2, 5]),
        ("quarterly", [0, 2]),
    ],
)
def test_the_first_session_of_each_period_rebalances(every: str, expected: list[int]):
    assert rebalance_rows(DAYS, every=every).tolist() == expected


def test_rebalance_days_do_not_depend_on_later_days():
    assert rebalance_rows(DAYS[:4]).tolist() == [row for row in rebalance_rows(DAYS) if row < 4]


def test_an_unknown_period_is_named():
    with pytest.raises(ValueError, match="yearly"):
        rebalance_rows(DAYS, every="yearly")


def test_no_days_give_no_rebalances():
    assert rebalance_rows(DAYS[:0]).tolist() == []


RANKS = pd.DataFrame([[1.0, 2, 3, 4, np.nan], [np.nan] * 5, [9.0, 7, np.nan, 8, 5]], columns=list("ABCDE"))


def test_the_best_quantile_is_held_in_equal_weights():
    held = quantile_weights(RANKS, quantile=0.5)
    assert held.to_numpy().tolist() == [[0.5, 0.5, 0, 0, 0], [0.0] * 5, [0, 0.5, 0, 0, 0.5]]


def test_ranks_may_be_nullable_integers():
    pd.testing.assert_frame_equal(quantile_weights(RANKS.astype("Int64")), quantile_weights(RANKS))


def test_a_long_short_book_shorts_the_worst_quantile():
    held = quantile_weights(RANKS, quantile=0.25, long_only=False)
    assert held.to_numpy().tolist() == [[1, 0, 0, -1, 0], [0.0] * 5, [-1, 0, 0, 0, 1]]


def test_one_instrument_at_least_is_held():
    assert quantile_weights(RANKS, quantile=0.01, invested=0.9).iloc[0].tolist() == [0.9, 0, 0, 0, 0]


def test_the_quantile_is_a_fraction():
    with pytest.raises(ValueError, match="10"):
        quantile_weights(RANKS, quantile=10)


def test_a_sector_neutral_book_has_of_each_sector_what_the_universe_has():
    names = [f"n{number}" for number in range(10)]
    ranks = pd.DataFrame([list(range(1, 11))], columns=names, dtype=float)
    sectors = pd.Series(["Energy"] * 6 + ["Utilities"] * 4, index=names)
    long = quantile_weights(ranks, quantile=0.5, sectors=sectors)
    assert long.iloc[0].groupby(sectors).sum().to_dict() == pytest.approx({"Energy": 0.6, "Utilities": 0.4})
    # The best half of each: places 1 to 3, and 7 and 8.
    assert long.columns[long.iloc[0] > 0].tolist() == ["n0", "n1", "n2", "n6", "n7"]
    both = quantile_weights(ranks, quantile=0.5, sectors=sectors, long_only=False)
    assert both.iloc[0].groupby(sectors).sum().abs().max() < 1e-15


def test_a_sector_that_has_too_few_for_both_sides_has_neither():
    ranks = pd.DataFrame([[1.0, 2, 3, 4, 5]], columns=list("abcde"))
    sectors = pd.Series(["Energy"] * 4 + ["Utilities"], index=list("abcde"))
    both = quantile_weights(ranks, quantile=0.25, long_only=False, sectors=sectors)
    assert both.iloc[0].tolist() == [0.8, 0, 0, -0.8, 0]
    assert quantile_weights(ranks, quantile=0.25, sectors=sectors).iloc[0].tolist() == [0.8, 0, 0, 0, 0.2]


def test_a_cap_gives_what_it_cuts_to_those_with_room():
    weights = pd.DataFrame([[0.5, 0.3, 0.2, 0.0], [0.9, 0.1, 0.0, 0.0], [-0.6, 0.5, -0.1, 0.1]], columns=list("abcd"))
    capped = capped_weights(weights, max_weight=0.4)
    np.testing.assert_allclose(capped.iloc[0], [0.4, 0.36, 0.24, 0.0], atol=1e-15)
    # Two positions of 0.4 cannot hold it all: the rest is cash.
    np.testing.assert_allclose(capped.iloc[1], [0.4, 0.4, 0.0, 0.0], atol=1e-15)
    np.testing.assert_allclose(capped.iloc[2], [-0.4, 0.4, -0.3, 0.2], atol=1e-15)
    with pytest.raises(ValueError, match="max_weight=0"):
        capped_weights(weights, max_weight=0)


def test_a_volatility_target_scales_by_the_past_of_the_weights_alone():
    rng = np.random.default_rng(1)
    returns = rng.normal(0, 0.02, (80, 2))
    close = pd.DataFrame(100 * np.cumprod(1 + returns, axis=0), index=pd.bdate_range("2024-01-01", periods=80))
    weights = pd.DataFrame([[0.5, 0.5]] * 3, index=close.index[[10, 62, 70]])
    scaled = volatility_scaled(weights, close, target=0.1, lookback_sessions=60)
    past = returns[11:71] @ [0.5, 0.5]
    assert scaled.iloc[2, 0] == pytest.approx(0.5 * 0.1 / (past.std(ddof=1) * np.sqrt(252)))
    # Too short a past: as it is.
    assert scaled.iloc[0].tolist() == [0.5, 0.5]
    future = close.copy()
    future.iloc[71:] *= 9
    pd.testing.assert_frame_equal(volatility_scaled(weights, future, target=0.1, lookback_sessions=60), scaled)
    assert volatility_scaled(weights, close, target=9.0).iloc[2].sum() == pytest.approx(1.0)
    with pytest.raises(ValueError, match="target=0"):
        volatility_scaled(weights, close, target=0)
