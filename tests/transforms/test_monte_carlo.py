"""Simulated paths beside closed forms, and beside each rotation of a short history."""

import math
from statistics import NormalDist

import numpy as np
import pandas as pd
import pytest

from transforms.monte_carlo import (
    DEFINITIONS,
    Growth,
    Plan,
    bootstrap_outlook,
    brownian_outlook,
    estimated_growth,
    portfolio_returns,
)

NORMAL = NormalDist()
HISTORY = [0.1, -0.2, 0.05, -0.1, 0.3]


def figures(frame: pd.DataFrame, column: str = "value") -> dict[str, float]:
    return dict(zip(frame["metric"], frame[column], strict=True))


def closed_form(growth: Growth, *, years: float, confidence: float) -> dict[str, float]:
    """Moments and losses of a lognormal value."""
    middle = (growth.drift - growth.volatility**2 / 2) * years
    spread = growth.volatility * math.sqrt(years)
    z = NORMAL.inv_cdf(1 - confidence)
    mean = math.exp(growth.drift * years)
    return {
        "mean_return": mean - 1,
        "volatility": mean * math.sqrt(math.expm1(spread**2)),
        "loss_probability": NORMAL.cdf(-middle / spread),
        "value_at_risk": 1 - math.exp(middle + spread * z),
        "expected_shortfall": 1 - mean * NORMAL.cdf(z - spread) / (1 - confidence),
    }


@pytest.mark.parametrize("antithetic", [True, False])
@pytest.mark.parametrize(("drift", "volatility", "n_sessions"), [(0.08, 0.2, 252), (-0.1, 0.6, 63), (0.02, 0.1, 504)])
def test_figures_are_those_of_the_closed_form_within_three_standard_errors(antithetic, drift, volatility, n_sessions):
    growth = Growth(drift, volatility)
    plan = Plan(n_paths=100_000, n_sessions=n_sessions, seed=5, confidence=0.99)
    found = brownian_outlook(growth, plan=plan, antithetic=antithetic).figures
    errors = figures(found, "standard_error")
    for name, expected in closed_form(growth, years=n_sessions / 252, confidence=0.99).items():
        assert abs(figures(found)[name] - expected) < 3 * errors[name], name
        assert errors[name] < 0.02 * abs(expected) + 0.001, name


def test_standard_errors_are_as_large_as_the_estimates_scatter():
    growth = Growth(0.05, 0.3)
    runs = [brownian_outlook(growth, plan=Plan(n_paths=5_000, n_sessions=50, seed=seed)).figures for seed in range(60)]
    scatter = pd.DataFrame([figures(run) for run in runs]).std()
    stated = pd.DataFrame([figures(run, "standard_error") for run in runs]).mean()
    # Of 60 runs a deviation is known to a tenth.
    assert (stated / scatter).between(0.7, 1.4).all()


def test_mirrored_paths_know_the_mean_far_better():
    plan = Plan(n_paths=20_000, seed=2)
    mirrored, plain = (brownian_outlook(Growth(0.05, 0.2), plan=plan, antithetic=way).figures for way in (True, False))
    assert figures(mirrored, "standard_error")["mean_return"] < 0.5 * figures(plain, "standard_error")["mean_return"]


def test_percentiles_at_each_point_are_lognormal():
    plan = Plan(n_paths=200_000, n_sessions=100, n_points=5, percentiles=(5.0, 50.0, 95.0))
    found = brownian_outlook(Growth(0.1, 0.25), plan=plan).percentile_paths
    assert found.index.tolist() == [0, 25, 50, 75, 100]
    assert found.iloc[0].tolist() == [1, 1, 1]
    for session, row in found.iloc[1:].iterrows():
        years = float(str(session)) / 252
        middle, spread = (0.1 - 0.25**2 / 2) * years, 0.25 * math.sqrt(years)
        expected = [math.exp(middle + spread * NORMAL.inv_cdf(percentile / 100)) for percentile in plan.percentiles]
        assert row.tolist() == pytest.approx(expected, rel=0.005)


def test_without_volatility_every_path_is_the_drift():
    found = brownian_outlook(Growth(-0.2, 0.0), plan=Plan(n_paths=1_000))
    assert found.percentile_paths.iloc[-1].tolist() == pytest.approx([math.exp(-0.2)] * 5)
    values = figures(found.figures)
    assert values["loss_probability"] == 1
    for name in ("value_at_risk", "expected_shortfall"):
        assert values[name] == pytest.approx(1 - math.exp(-0.2)), name
    assert values["max_drawdown_median"] == pytest.approx(math.exp(-0.2) - 1)
    assert max(figures(found.figures, "standard_error").values()) < 1e-15


def test_whole_histories_are_drawn_as_rotations():
    """Each path is the history begun on another day: five ends that are one, and five deepest falls."""
    plan = Plan(n_paths=10_000, n_sessions=5, n_points=2, percentiles=(0.0, 100.0), confidence=0.75)
    found = bootstrap_outlook(HISTORY, plan=plan, block_sessions=5)
    assert found.percentile_paths.iloc[-1].tolist() == pytest.approx([math.prod(1 + r for r in HISTORY)] * 2)
    falls = sorted(deepest_fall(HISTORY[start:] + HISTORY[:start]) for start in range(5))
    values = figures(found.figures)
    # The worst fifth falls deepest, so that 0.75 of the paths are kept by the second of five.
    assert values["max_drawdown_tail"] == pytest.approx(falls[1])
    assert values["max_drawdown_median"] == pytest.approx(falls[2])


def deepest_fall(returns: list[float]) -> float:
    value, highest, deepest = 1.0, 1.0, 0.0
    for step in returns:
        value *= 1 + step
        highest = max(highest, value)
        deepest = min(deepest, value / highest - 1)
    return deepest


def test_days_are_drawn_one_by_one_and_each_as_often():
    """After two sessions there are 25 equally likely values; their mean is the square of that of one."""
    found = bootstrap_outlook(HISTORY, plan=Plan(n_paths=100_000, n_sessions=2, confidence=0.9))
    values = np.sort([(1 + one) * (1 + two) for one in HISTORY for two in HISTORY])
    got, errors = figures(found.figures), figures(found.figures, "standard_error")
    assert abs(got["mean_return"] - (values.mean() - 1)) < 3 * errors["mean_return"]
    assert abs(got["loss_probability"] - (values < 1).mean()) < 3 * errors["loss_probability"]
    # Of 25 values the worst tenth are two and a half.
    assert got["value_at_risk"] == pytest.approx(1 - values[2])
    assert abs(got["expected_shortfall"] - (1 - values[[0, 0, 1, 1, 2]].mean())) < 3 * errors["expected_shortfall"]


def test_blocks_keep_calm_and_storm_together():
    calm_and_storm = np.r_[np.tile([0.001, -0.001], 100), np.tile([0.05, -0.05], 100)]
    by_days, by_blocks = (
        bootstrap_outlook(calm_and_storm, plan=Plan(n_sessions=20, seed=1), block_sessions=size).percentile_paths
        for size in (1, 20)
    )
    spread = [paths.iloc[-1].max() - paths.iloc[-1].min() for paths in (by_days, by_blocks)]
    assert spread[1] < 0.5 * spread[0]


def test_the_same_seed_draws_the_same_paths():
    again, first, other = (brownian_outlook(Growth(0, 0.2), plan=Plan(seed=seed)) for seed in (1, 1, 2))
    pd.testing.assert_frame_equal(again.figures, first.figures, check_exact=True)
    pd.testing.assert_frame_equal(again.percentile_paths, first.percentile_paths, check_exact=True)
    assert not again.figures["value"].equals(other.figures["value"])


def test_growth_is_estimated_from_log_returns():
    logs = np.array([0.01, -0.02, 0.03, 0.0])
    found = estimated_growth([*np.expm1(logs), math.nan])
    assert found.volatility == pytest.approx(math.sqrt(sum((x - 0.005) ** 2 for x in logs) / 3 * 252))
    assert found.drift == pytest.approx(0.005 * 252 + found.volatility**2 / 2)


def test_a_portfolio_earns_what_its_weights_earn_each_day():
    returns = [[0.1, 0.0, math.nan], [0.0, -0.2, 0.5]]
    assert portfolio_returns(returns, [0.5, 0.25, 0.0]).tolist() == pytest.approx([0.05, -0.05])
    assert math.isnan(portfolio_returns(returns, [0.5, 0.25, 0.25])[0])
    with pytest.raises(ValueError, match=r"got \(2,\) for \(2, 3\)"):
        portfolio_returns(returns, [0.5, 0.5])


def test_every_figure_has_a_unit_and_a_definition():
    found = brownian_outlook(Growth(0, 0.2), plan=Plan(n_paths=1_000)).figures
    assert found["metric"].tolist() == list(DEFINITIONS)
    assert found["definition"].str.endswith(".").all()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"n_paths": 999}, "n_paths must be even and 1000 or more; got 999"),
        ({"n_sessions": 0}, "n_sessions must be 1 or more and n_points 2 or more; got 0 and 13"),
        ({"confidence": 5.0}, "confidence must be between 0.5 and 1; got 5.0"),
        ({"percentiles": (101.0,)}, "percentiles must be from 0 to 100"),
    ],
)
def test_a_plan_that_cannot_be_carried_out_is_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        Plan(**wrong)


def test_growth_and_histories_that_cannot_be_are_refused():
    with pytest.raises(ValueError, match="volatility finite and 0 or more"):
        brownian_outlook(Growth(0.1, -0.2))
    with pytest.raises(ValueError, match=r"each above -1; got 3, the lowest -1\.0"):
        estimated_growth([0.1, -1.0, 0.2])
    with pytest.raises(ValueError, match="got 0, the lowest None"):
        bootstrap_outlook([math.nan])
    with pytest.raises(ValueError, match="from 1 to the 5 returns; got 6"):
        bootstrap_outlook(HISTORY, block_sessions=6)
