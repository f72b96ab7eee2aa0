"""Weights with a closed form or by Newton's method, beside another optimiser, and by what defines them."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms.covariances import shrunk_covariance
from transforms.portfolio_weights import (
    equal_risk_contribution,
    equal_weights,
    inverse_volatility,
    minimum_variance,
    proportional_weights,
    risk_contributions,
    tangency,
)

# Made by oracles/weights.py, which says how.
STORED = json.loads((Path(__file__).parent / "oracles" / "weights.json").read_text())
COVARIANCE = np.array(STORED["covariance"])
EXPECTED = np.array(STORED["expected_return"])
TWO = np.array([[0.04, 0.01], [0.01, 0.09]])


def random_covariance(n: int, *, seed: int) -> np.ndarray:
    """Instruments that share a market, with volatilities from 5 to 100 %."""
    rng = np.random.default_rng(seed)
    returns = rng.normal(size=(4 * n, n)) + rng.normal(size=(4 * n, 1)) * rng.normal(1, 0.5, n)
    volatility = np.exp(rng.uniform(np.log(0.05), 0, n))
    return np.cov(returns.T) * np.outer(volatility, volatility)


def test_simple_weights_by_hand():
    assert equal_weights(4).tolist() == [0.25] * 4
    assert proportional_weights(np.array([1.0, 3.0])).tolist() == [0.25, 0.75]
    # Volatilities 0.2 and 0.3.
    assert inverse_volatility(TWO).tolist() == pytest.approx([0.6, 0.4])
    # inverse(TWO) @ 1 is in proportion to 0.09 - 0.01 and 0.04 - 0.01.
    assert minimum_variance(TWO).tolist() == pytest.approx([8 / 11, 3 / 11])
    # ... and to 0.09 * 0.06 - 0.01 * 0.04 and 0.04 * 0.04 - 0.01 * 0.06.
    assert tangency(TWO, np.array([0.06, 0.04])).tolist() == pytest.approx([0.0050 / 0.0060, 0.0010 / 0.0060])


def test_equal_risk_of_two_instruments_is_inverse_volatility_whatever_their_correlation():
    assert equal_risk_contribution(TWO).tolist() == pytest.approx([0.6, 0.4], rel=1e-14)


@pytest.mark.parametrize(("name", "budgets"), [("equal_risk_contribution", None), ("risk_budgets", np.arange(1.0, 13))])
def test_risk_is_shared_as_another_optimiser_shares_it(name: str, budgets: "np.ndarray | None"):
    found = equal_risk_contribution(COVARIANCE, budgets=budgets)
    # As far as the other one is exact: its own contributions differ by some 1e-5 of each other.
    assert found == pytest.approx(np.array(STORED[name]), abs=1e-5)


@given(n=st.integers(1, 40), seed=st.integers(0, 10_000), is_equal=st.booleans())
@settings(max_examples=150, deadline=None)
def test_contributions_are_the_budgets(n: int, seed: int, is_equal: bool):
    covariance = random_covariance(n, seed=seed) if n > 1 else np.array([[0.04]])
    budgets = np.ones(n) if is_equal else np.exp(np.random.default_rng(seed).normal(0, 2, n))
    weights = equal_risk_contribution(covariance, budgets=None if is_equal else budgets)
    assert weights.min() > 0
    assert weights.sum() == pytest.approx(1, rel=1e-12)
    assert risk_contributions(covariance, weights) / budgets * budgets.sum() == pytest.approx(np.ones(n), rel=1e-8)


def test_five_hundred_instruments_contribute_the_same_risk():
    covariance = random_covariance(500, seed=1)
    contributions = risk_contributions(covariance, equal_risk_contribution(covariance))
    assert contributions.max() / contributions.min() - 1 < 1e-8


@pytest.mark.parametrize("correlation", [-0.4999, 0.0, 0.9999])
def test_alike_instruments_get_alike_weights_however_they_are_correlated(correlation: float):
    covariance = 0.04 * (np.full((3, 3), correlation) + (1 - correlation) * np.eye(3))
    assert equal_risk_contribution(covariance) == pytest.approx(np.full(3, 1 / 3), rel=1e-9)
    assert minimum_variance(covariance) == pytest.approx(np.full(3, 1 / 3), rel=1e-9)


@given(seed=st.integers(0, 10_000))
@settings(max_examples=50, deadline=None)
def test_no_neighbour_of_the_minimum_varies_less_and_none_of_the_tangency_has_a_better_ratio(seed: int):
    rng = np.random.default_rng(seed)
    covariance, expected = random_covariance(6, seed=seed), rng.uniform(0.01, 0.2, 6)
    lowest = minimum_variance(covariance)
    shift = rng.normal(size=6)
    neighbour = lowest + 0.01 * (shift - shift.mean())
    assert neighbour.sum() == pytest.approx(1)
    assert neighbour @ covariance @ neighbour > lowest @ covariance @ lowest
    if np.linalg.solve(covariance, expected).sum() > 1e-6:
        best = tangency(covariance, expected)
        other = best + 0.01 * shift
        assert sharpe(covariance, expected, other) < sharpe(covariance, expected, best) + 1e-12


def sharpe(covariance: np.ndarray, expected: np.ndarray, weights: np.ndarray) -> float:
    return float(weights @ expected / np.sqrt(weights @ covariance @ weights))


def test_covariances_that_cannot_be_are_refused():
    singular = np.array([[0.04, 0.04], [0.04, 0.04]])
    with pytest.raises(ValueError, match="minimum_variance: the covariance must be finite and positive definite"):
        minimum_variance(singular - 1e-9 * np.eye(2))
    with pytest.raises(ValueError, match=r"variances must be finite and above 0; got 0\.0"):
        inverse_volatility(np.array([[0.0, 0], [0, 1]]))
    with pytest.raises(ValueError, match=r"sizes must be finite and above 0; got -1\.0"):
        proportional_weights(np.array([1.0, -1.0]))
    with pytest.raises(ValueError, match="must earn more than the risk-free rate"):
        tangency(TWO, np.array([-0.1, -0.1]))


# -- covariances


def test_the_covariance_is_that_of_ledoit_and_wolf():
    """By their formulas (2004, lemmas 3.2 to 3.4), written down without the library."""
    returns = np.random.default_rng(2).normal(0, 0.01, (60, 8)) * np.arange(1, 9)
    centred = returns - returns.mean(axis=0)
    n = len(centred)
    sample = centred.T @ centred / n
    mean = np.trace(sample) / 8
    distance = ((sample - mean * np.eye(8)) ** 2).sum()
    error = min(sum(((np.outer(row, row) - sample) ** 2).sum() for row in centred) / n**2, distance)
    expected = error / distance * mean * np.eye(8) + (1 - error / distance) * sample
    assert shrunk_covariance(returns) == pytest.approx(expected * 252, rel=1e-12)


def test_a_missing_return_counts_as_the_mean():
    returns = np.random.default_rng(3).normal(0, 0.01, (50, 3))
    missing = returns.copy()
    missing[7, 1] = np.nan
    filled = returns.copy()
    filled[7, 1] = np.nanmean(missing[:, 1])
    assert shrunk_covariance(missing) == pytest.approx(shrunk_covariance(filled), rel=1e-12)


def test_more_instruments_than_dates_still_have_a_covariance_that_can_be_inverted():
    returns = np.random.default_rng(4).normal(0, 0.01, (20, 60))
    assert np.linalg.eigvalsh(shrunk_covariance(returns)).min() > 0


def test_an_instrument_without_returns_is_counted():
    with pytest.raises(ValueError, match=r"got shape \(5, 2\) and 1 instruments without"):
        shrunk_covariance(np.column_stack([np.ones(5), np.full(5, np.nan)]))


def test_real_returns_give_equal_contributions(real_bars: pd.DataFrame):
    closes = real_bars.pivot(index="trade_date", columns="source_symbol", values="close").iloc[-504:]
    returns = closes.dropna(axis=1).pct_change().iloc[1:].to_numpy()
    assert returns.shape[1] > 300
    covariance = shrunk_covariance(returns)
    contributions = risk_contributions(covariance, equal_risk_contribution(covariance))
    assert contributions.max() / contributions.min() - 1 < 1e-8
