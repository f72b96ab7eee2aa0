from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from transforms.selection_bias import (
    deflated_sharpe,
    deflated_sharpe_of_moments,
    deflated_sharpes,
    expected_maximum_sharpe,
    overfitting_probability,
    probabilistic_sharpe,
    sharpe_ratio,
)


def test_psr_of_returns_without_skew_by_hand():
    # -1, 0, 1, 2: mean 0.5, sd 1.29099; skew 0, kurtosis (2 * 1.5**4 + 2 * 0.5**4) / 4 / 1.25**2 = 1.64.
    sharpe = 0.5 / 1.2909944487358056
    expected = norm.cdf(sharpe * np.sqrt(3) / np.sqrt(1 + 0.64 / 4 * sharpe**2))
    assert probabilistic_sharpe(np.array([-1.0, 0.0, np.nan, 1.0, 2.0])) == pytest.approx(expected, rel=1e-12)
    assert probabilistic_sharpe(np.array([-1.0, 0.0, 1.0, 2.0]), benchmark=sharpe) == pytest.approx(0.5)


def test_the_best_of_many_trials_is_expected_as_high_as_simulations_find():
    draws = np.random.default_rng(2).normal(0, 0.1, (4000, 200)).max(axis=1)
    assert expected_maximum_sharpe(n_trials=200, sharpe_sd=0.1) == pytest.approx(draws.mean(), rel=0.02)
    assert expected_maximum_sharpe(n_trials=1, sharpe_sd=0.1) == 0.0


@given(n_trials=st.integers(1, 500), seed=st.integers(0, 100))
@settings(max_examples=30, deadline=None)
def test_more_trials_never_raise_the_deflated_sharpe(n_trials, seed):
    returns = np.random.default_rng(seed).normal(0.01, 0.05, 60)
    one, more = (deflated_sharpe(returns, n_trials=n, sharpe_sd=0.1) for n in (n_trials, n_trials + 1))
    assert more <= one + 1e-12
    assert deflated_sharpe(returns, n_trials=1, sharpe_sd=0.1) == probabilistic_sharpe(returns)


def test_the_best_of_a_thousand_without_skill_is_not_significant():
    returns = np.random.default_rng(1).normal(0, 0.01, (1260, 1000))
    sharpes = np.array([sharpe_ratio(column) for column in returns.T])
    best = returns[:, np.argmax(sharpes)]
    assert probabilistic_sharpe(best) > 0.99
    assert deflated_sharpe(best, n_trials=1000, sharpe_sd=float(sharpes.std(ddof=1))) < 0.95


def test_many_books_at_once_are_deflated_as_each_by_itself():
    draw = np.random.default_rng(3)
    # Skewed and fat-tailed ones among them, and one that makes nothing but gains.
    returns = draw.normal(0.0005, 0.01, (1260, 40)) * draw.exponential(1, (1260, 40))
    returns[:, 7] = 0.01 + 0.001 * draw.random(1260)
    at_once = deflated_sharpes(returns, n_trials=40, sharpe_sd=0.03)
    for column, value in zip(returns.T, at_once, strict=True):
        assert value == pytest.approx(deflated_sharpe(column, n_trials=40, sharpe_sd=0.03), rel=0, abs=1e-12)


def test_moments_from_elsewhere_give_the_same():
    returns = np.random.default_rng(4).normal(0.0005, 0.01, 300) ** 3
    standard = (returns - returns.mean()) / returns.std()
    found = deflated_sharpe_of_moments(
        returns.mean() / returns.std(ddof=1), skew=np.mean(standard**3), kurtosis=np.mean(standard**4), n_periods=300,
        n_trials=5, sharpe_sd=0.02,
    )  # fmt: skip
    assert found == pytest.approx(deflated_sharpe(returns, n_trials=5, sharpe_sd=0.02), rel=0, abs=1e-12)
    two = deflated_sharpe_of_moments(0.1, skew=0, kurtosis=1, n_periods=2, n_trials=1, sharpe_sd=0)
    assert np.isnan(two)


def test_a_ruined_book_among_many_and_one_that_does_not_move_have_no_probability():
    returns = np.random.default_rng(3).normal(0, 0.01, (50, 4))
    returns[20:, 1], returns[:, 2] = np.nan, 0.01
    found = deflated_sharpes(returns, n_trials=4, sharpe_sd=0.1)
    assert np.isfinite(found).tolist() == [True, False, False, True]
    assert np.isnan(deflated_sharpes(returns[:2], n_trials=4, sharpe_sd=0.1)).all()


@pytest.mark.parametrize("returns", [[0.1, 0.1, 0.1], [0.1], [], [0.1, 0.2]])
def test_what_says_nothing_has_no_probability(returns):
    assert np.isnan(probabilistic_sharpe(np.array(returns)))


def test_no_trial_is_refused():
    with pytest.raises(ValueError, match=r"got n_trials=0, sharpe_sd=0\.1"):
        expected_maximum_sharpe(n_trials=0, sharpe_sd=0.1)


def looped_overfitting(returns: np.ndarray, n_blocks: int) -> float:
    length = len(returns) // n_blocks
    blocks = [returns[len(returns) - (n_blocks - k) * length :][:length] for k in range(n_blocks)]
    bad, cases = 0, list(combinations(range(n_blocks), n_blocks // 2))
    for chosen in cases:
        inside = np.concatenate([blocks[k] for k in chosen])
        outside = np.concatenate([blocks[k] for k in range(n_blocks) if k not in chosen])
        best = np.argmax(inside.mean(axis=0) / inside.std(axis=0, ddof=1))
        later = outside.mean(axis=0) / outside.std(axis=0, ddof=1)
        bad += (later <= later[best]).sum() / (returns.shape[1] + 1) < 0.5
    return bad / len(cases)


@pytest.mark.parametrize("seed", range(5))
def test_overfitting_probability_is_that_of_a_plain_loop(seed):
    returns = np.random.default_rng(seed).normal(0.002, 0.02, (83, 9))
    assert overfitting_probability(returns, n_blocks=8) == pytest.approx(looped_overfitting(returns, 8), abs=1e-12)


def test_a_configuration_that_is_truly_best_is_no_overfitting():
    returns = np.random.default_rng(3).normal(0.0, 0.01, (160, 20))
    returns[:, 4] += 0.01
    assert overfitting_probability(returns, n_blocks=8) == 0.0


def test_too_little_to_compare_has_no_overfitting_probability():
    assert np.isnan(overfitting_probability(np.zeros((100, 1)), n_blocks=8))
    assert np.isnan(overfitting_probability(np.zeros((15, 3)), n_blocks=8))


@pytest.mark.parametrize(("n_blocks", "hole"), [(3, False), (0, False), (4, True)])
def test_odd_blocks_and_holes_are_refused(n_blocks, hole):
    returns = np.random.default_rng(0).normal(size=(40, 3))
    returns[0, 0] = np.nan if hole else 0.0
    with pytest.raises(ValueError, match=f"n_blocks={n_blocks} and {int(hole)} others"):
        overfitting_probability(returns, n_blocks=n_blocks)
