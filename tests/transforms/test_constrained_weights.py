"""Weights within limits beside another optimiser, at the edges, and where nothing keeps the limits."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms.constrained_weights import (
    Limits,
    LimitsInfeasible,
    constrained_minimum_variance,
    efficient_frontier,
    maximum_sharpe,
)
from transforms.portfolio_weights import minimum_variance, tangency

# Made by oracles/weights.py, which says how.
STORED = json.loads((Path(__file__).parent / "oracles" / "weights.json").read_text())
COVARIANCE = np.array(STORED["covariance"])
EXPECTED = np.array(STORED["expected_return"])
EXCESS = EXPECTED - 0.02
LIMITED = Limits(max_weight=0.2, groups=list("aaaabbbbcccc"), max_group_weight=dict.fromkeys("abc", 0.35))
N = len(COVARIANCE)
FREE = Limits(min_weight=-100, max_weight=100)


def variance(weights: np.ndarray) -> float:
    return float(weights @ COVARIANCE @ weights)


def ratio(weights: np.ndarray) -> float:
    return float(weights @ EXCESS / np.sqrt(variance(weights)))


@pytest.mark.parametrize(("name", "limits"), [("minimum_variance", None), ("limited_minimum_variance", LIMITED)])
def test_the_lowest_variance_is_that_of_another_optimiser(name: str, limits: Limits | None):
    found, stored = constrained_minimum_variance(COVARIANCE, limits=limits), np.array(STORED[name])
    assert variance(found) == pytest.approx(variance(stored), rel=1e-5)
    assert found == pytest.approx(stored, abs=1e-4)


@pytest.mark.parametrize(("name", "limits"), [("maximum_sharpe", None), ("limited_maximum_sharpe", LIMITED)])
def test_the_highest_ratio_is_that_of_another_optimiser(name: str, limits: Limits | None):
    found, stored = maximum_sharpe(COVARIANCE, EXCESS, limits=limits), np.array(STORED[name])
    assert ratio(found) == pytest.approx(ratio(stored), rel=1e-5)
    assert found == pytest.approx(stored, abs=1e-4)


@pytest.mark.parametrize("point", STORED["frontier"])
def test_points_of_the_frontier_are_those_of_another_optimiser(point: dict[str, object]):
    found = constrained_minimum_variance(
        COVARIANCE, limits=LIMITED, expected_return=EXPECTED, min_return=float(str(point["target"]))
    )
    assert variance(found) == pytest.approx(variance(np.array(point["weights"])), rel=1e-5)


def test_without_limits_the_solver_finds_the_closed_form():
    assert constrained_minimum_variance(COVARIANCE, limits=FREE) == pytest.approx(
        minimum_variance(COVARIANCE), abs=1e-6
    )
    assert maximum_sharpe(COVARIANCE, EXCESS + 0.1, limits=FREE) == pytest.approx(
        tangency(COVARIANCE, EXCESS + 0.1), abs=1e-6
    )


@given(seed=st.integers(0, 10_000))
@settings(max_examples=40, deadline=None)
def test_weights_keep_their_limits_and_no_other_that_does_varies_less(seed: int):
    rng = np.random.default_rng(seed)
    previous = rng.dirichlet(np.ones(N))
    limits = Limits(
        min_weight=0.01, max_weight=0.3, groups=list("abcabcabcabc"), max_group_weight={"a": 0.5},
        previous=previous, max_turnover=0.4 + 2 * float(np.maximum(previous - 0.3, 0).sum()) + 0.24,
    )  # fmt: skip
    found = constrained_minimum_variance(COVARIANCE, limits=limits)
    assert keeps(found, limits, within=1e-8)
    for _ in range(20):
        other = 0.9 * found + 0.1 * rng.dirichlet(np.ones(N))
        if keeps(other, limits, within=0):
            assert variance(other) >= variance(found) - 1e-10


def keeps(weights: np.ndarray, limits: Limits, *, within: float) -> bool:
    in_a = np.array([group == "a" for group in limits.groups or ()])
    traded = np.abs(weights - limits.previous).sum()
    return bool(
        abs(weights.sum() - 1) < 1e-9
        and weights.min() >= limits.min_weight - within
        and weights.max() <= limits.max_weight + within
        and weights[in_a].sum() <= limits.max_group_weight["a"] + within
        and traded <= (limits.max_turnover or 0) + within
    )


def test_turnover_that_suffices_for_nothing_keeps_the_weights():
    previous = np.full(N, 1 / N)
    found = constrained_minimum_variance(COVARIANCE, limits=Limits(previous=previous, max_turnover=0.0))
    assert found == pytest.approx(previous, abs=1e-7)


@pytest.mark.parametrize("size", [0.01, 1.0, 30.0])
def test_every_frontier_of_many_ends_near_the_highest_return(size: float):
    """Up to the vertex itself the solver would stop on every fifteenth."""
    for seed in range(25):
        rng = np.random.default_rng(seed)
        n = int(rng.integers(2, 12))
        own, common = rng.uniform(0.005, 0.03, n), rng.normal(0, 0.008, (300, 1))
        moves = rng.normal(rng.normal(0, 0.0005, n), own, (300, n)) + common
        covariance, expected = np.cov(moves.T) * 252 * size, moves.mean(axis=0) * 252 * size
        limits = [None, Limits(max_weight=max(0.6, 1 / n + 0.01)), Limits(min_weight=-1.0, max_weight=1.0)][seed % 3]
        found = efficient_frontier(covariance, expected, limits=limits, n_points=3)
        if limits is None:
            assert found["expected_return"].iloc[-1] == pytest.approx(expected.max(), abs=1e-5 * size)


def test_the_frontier_runs_from_the_lowest_variance_to_the_highest_return():
    found = efficient_frontier(COVARIANCE, EXPECTED, n_points=8)
    assert found.shape == (8, 2 + N)
    assert found["expected_return"].is_monotonic_increasing
    assert found["volatility"].is_monotonic_increasing
    assert found["volatility"].iloc[0] == pytest.approx(
        np.sqrt(variance(np.array(STORED["minimum_variance"]))), rel=1e-6
    )
    assert found["expected_return"].iloc[-1] == pytest.approx(EXPECTED.max(), abs=1e-6)
    assert np.diff(found["expected_return"]) == pytest.approx(np.ptp(found["expected_return"]) / 7, rel=1e-4)
    # Convex: between two points the frontier lies left of the line.
    assert (np.diff(found["volatility"], 2) > -1e-7).all()
    best = max(found["expected_return"].sub(0.02) / found["volatility"])
    assert best <= ratio(np.array(STORED["maximum_sharpe"])) + 1e-6


SHORT = np.full(N, 1.0 / N)


@pytest.mark.parametrize(
    ("limits", "named"),
    [
        (Limits(max_weight=0.05), ("max_weight=0.05",)),
        (Limits(min_weight=0.1), ("min_weight=0.1",)),
        (
            Limits(groups=list("aaaaaabbbbbb"), max_group_weight={"a": 0.3, "b": 0.6}),
            ("max_group_weight[a]=0.3", "max_group_weight[b]=0.6"),
        ),
        (
            Limits(max_weight=0.5, previous=np.eye(N)[0], max_turnover=0.1),
            ("max_weight=0.5", "max_turnover=0.1"),
        ),
    ],
)
def test_limits_that_contradict_each_other_are_named(limits: Limits, named: tuple[str, ...]):
    for solve in (
        lambda: constrained_minimum_variance(COVARIANCE, limits=limits),
        lambda: maximum_sharpe(COVARIANCE, EXCESS, limits=limits),
        lambda: efficient_frontier(COVARIANCE, EXPECTED, limits=limits),
    ):
        with pytest.raises(LimitsInfeasible, match="must keep all limits") as caught:
            solve()
        assert caught.value.limits == named


def test_a_return_that_nothing_earns_is_named():
    with pytest.raises(LimitsInfeasible, match=r"min_weight=0\.0 with min_return=3\.0, which none does"):
        constrained_minimum_variance(COVARIANCE, expected_return=EXPECTED, min_return=3.0)
    with pytest.raises(LimitsInfeasible, match="with a return above the risk-free rate"):
        maximum_sharpe(COVARIANCE, EXPECTED - 1)


def test_limits_that_say_nothing_are_refused():
    with pytest.raises(ValueError, match=r"got \['d'\]\. There are \['a', 'b'\]"):
        Limits(groups=["a", "b"], max_group_weight={"d": 0.1})
    with pytest.raises(ValueError, match="max_turnover needs the weights before"):
        Limits(max_turnover=0.1)
