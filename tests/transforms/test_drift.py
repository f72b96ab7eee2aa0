"""Drift of values against hand-worked bins and scipy, and drift of skill."""

import numpy as np
import pytest
from scipy.stats import entropy, ks_2samp

from transforms.drift import DRIFTED_INDEX, drift, ks_statistic, population_stability_index, skill_drift
from transforms.evaluation import newey_west_t

NAN = float("nan")


def test_the_index_of_two_halves_is_that_worked_by_hand():
    expected = np.array([1.0, 2.0, 3.0, 4.0])
    live = np.array([1.0, 1.5, 2.0, 4.0])
    # Cut at the middle, 2.5: shares 1/2 and 1/2 before, 3/4 and 1/4 now; the empty bin of missing values adds nothing.
    by_hand = (0.75 - 0.5) * np.log(1.5) + (0.25 - 0.5) * np.log(0.5)
    assert population_stability_index(expected, live, n_bins=2) == pytest.approx(by_hand, abs=1e-15)


def test_the_index_is_the_divergence_both_ways_of_scipy():
    rng = np.random.default_rng(1)
    expected, live = rng.normal(size=5_000), rng.normal(0.3, 1.2, 3_000)
    edges = np.r_[-np.inf, np.quantile(expected, np.arange(1, 10) / 10), np.inf]
    before, after = (np.histogram(values, edges)[0] / len(values) for values in (expected, live))
    assert population_stability_index(expected, live) == pytest.approx(
        entropy(after, before) + entropy(before, after), rel=1e-12
    )


@pytest.mark.parametrize("shift", [0.0, 0.2, 3.0])
def test_the_distance_is_that_of_scipy(shift: float):
    rng = np.random.default_rng(2)
    # Rounded, so that values repeat within and between the samples.
    expected, live = rng.normal(size=400).round(1), rng.normal(shift, 1.0, 150).round(1)
    assert ks_statistic(expected, live) == pytest.approx(ks_2samp(expected, live).statistic, abs=1e-15)


def test_a_rising_share_of_missing_values_is_drift():
    rng = np.random.default_rng(3)
    expected, live = rng.normal(size=2_000), rng.normal(size=2_000)
    assert not drift(expected, live).is_drifted
    live[:700] = NAN
    found = drift(expected, live)
    assert found.is_drifted
    assert found.ks_statistic < 0.06
    assert found.live_mean == pytest.approx(np.nanmean(live))


def test_a_shift_of_one_deviation_is_drift_and_noise_is_none():
    rng = np.random.default_rng(4)
    expected = rng.normal(size=10_000)
    assert drift(expected, rng.normal(size=1_000)).population_stability_index < 0.05
    assert drift(expected, rng.normal(1.0, 1.0, 1_000)).population_stability_index > DRIFTED_INDEX


def test_a_constant_that_stays_has_not_drifted_and_one_that_moves_has():
    same, other = np.zeros(50), np.ones(50)
    assert drift(same, same).population_stability_index == 0.0
    assert drift(same, other).is_drifted


def test_nothing_to_compare_is_no_drift():
    empty = np.empty(0)
    assert not drift(empty, np.ones(3)).is_drifted
    assert not drift(np.full(3, NAN), np.ones(3)).ks_statistic > 0


def test_skill_is_compared_by_the_long_run_variance_of_the_days_before():
    rng = np.random.default_rng(5)
    before, now = rng.normal(0.05, 0.1, 400), rng.normal(-0.05, 0.1, 40)
    found = skill_drift(before, np.r_[now, NAN], lag=21)
    deviation = before.mean() / newey_west_t(before, lag=21) * np.sqrt(len(before))
    by_hand = (now.mean() - before.mean()) / (deviation * np.sqrt(1 / 40 + 1 / 400))
    assert found.t == pytest.approx(by_hand, rel=1e-12)
    assert (found.n_expected, found.n_live) == (400, 40)
    assert found.is_drifted
    assert not skill_drift(before, before[:40], lag=21).is_drifted


def test_a_few_days_say_nothing_about_skill():
    days = np.linspace(-0.1, 0.1, 80)
    assert np.isnan(skill_drift(days, np.full(20, -1.0), lag=21).t)
    assert np.isnan(skill_drift(days[:62], np.full(30, -1.0), lag=21).t)
