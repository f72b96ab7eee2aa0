"""Days to rebalance and weights from ranks."""

import numpy as np
import pandas as pd
import pytest

from transforms.target_weights import quantile_weights, rebalance_rows

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
