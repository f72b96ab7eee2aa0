"""How far what comes now is from what was learnt from: of values, and of skill."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from transforms.evaluation import newey_west_variance

Array = npt.NDArray[np.float64]

N_BINS = 10
# Below this a bin counts as holding one value in ten thousand: the logarithm of nothing is infinite.
LEAST_SHARE = 1e-4
# The customary reading of the index: below 0.1 no change, from 0.25 on a large one.
DRIFTED_INDEX = 0.25
# Skill has gone where the live rank IC is so many standard errors below the expected one.
DRIFTED_T = -2.0
# Fewer days say nothing about skill; expected ones need a quarter, live ones a month.
LEAST_EXPECTED_DAYS, LEAST_LIVE_DAYS = 63, 21


class Drift(NamedTuple):
    """Two samples compared.

    Attributes
    ----------
    population_stability_index, ks_statistic : float
        NaN where a sample has no value.
    expected_mean, live_mean : float, unit of the values
        Of the values present.
    n_expected, n_live : int
        Values, missing ones among them.
    """

    population_stability_index: float
    ks_statistic: float
    expected_mean: float
    live_mean: float
    n_expected: int
    n_live: int

    @property
    def is_drifted(self) -> bool:
        """Whether the index says that the distribution is another one."""
        return self.population_stability_index >= DRIFTED_INDEX


class SkillDrift(NamedTuple):
    """Live skill beside the expected one; `t` is NaN where there are too few days to tell."""

    expected: float
    live: float
    t: float
    n_expected: int
    n_live: int

    @property
    def is_drifted(self) -> bool:
        """Whether the live skill is lower than chance explains."""
        return self.t <= DRIFTED_T


def drift(expected: Array, live: Array) -> Drift:
    """Compare two samples of a value.

    Parameters
    ----------
    expected, live : ndarrays of shape (n_expected,), (n_live,)
        NaN is missing.

    Returns
    -------
    Drift
    """
    return Drift(
        population_stability_index=population_stability_index(expected, live),
        ks_statistic=ks_statistic(expected, live),
        expected_mean=_mean(expected),
        live_mean=_mean(live),
        n_expected=len(expected),
        n_live=len(live),
    )


def population_stability_index(expected: Array, live: Array, *, n_bins: int = N_BINS) -> float:
    """Measure how far shares of bins have moved.

    Parameters
    ----------
    expected, live : ndarrays of shape (n_expected,), (n_live,)
        NaN is missing, and a bin of its own.
    n_bins : int
        Bins of equal share of the expected values present; fewer where values repeat.

    Returns
    -------
    float
        ``sum((live share - expected share) * log(live share / expected share))``; NaN where a sample is empty.

    Notes
    -----
    Bins are cut at the expected sample's quantiles (linear interpolation) and closed on the right; the outer ones have
    no end. A share below 1e-4 counts as 1e-4.
    Source: Siddiqi (2006), Credit Risk Scorecards, chapter 9; it is the symmetric Kullback-Leibler divergence.
    """
    if not len(expected) or not len(live):
        return float("nan")
    known = expected[np.isfinite(expected)]
    inner = np.unique(np.quantile(known, np.arange(1, n_bins) / n_bins)) if len(known) else np.empty(0)
    before, after = (np.maximum(_shares(values, inner), LEAST_SHARE) for values in (expected, live))
    return float(np.sum((after - before) * np.log(after / before)))


def ks_statistic(expected: Array, live: Array) -> float:
    """Give the largest distance of two empirical distribution functions; missing values are left out.

    NaN where a sample has no value. Source: Smirnov (1939); the probability is not given, as panel rows of one day are
    far from independent.
    """
    one, other = (np.sort(values[np.isfinite(values)]) for values in (expected, live))
    if not len(one) or not len(other):
        return float("nan")
    everywhere = np.concatenate([one, other])
    below_one = np.searchsorted(one, everywhere, side="right") / len(one)
    below_other = np.searchsorted(other, everywhere, side="right") / len(other)
    return float(np.max(np.abs(below_one - below_other)))


def skill_drift(expected_ic: Array, live_ic: Array, *, lag: int) -> SkillDrift:
    """Compare the rank IC of a window with that of the days before it.

    Parameters
    ----------
    expected_ic, live_ic : ndarrays of shape (n_expected,), (n_live,), ratio
        Daily rank IC, oldest first; NaN are left out.
    lag : int
        Lags of the autocovariance: labels that overlap by h sessions need h - 1.

    Returns
    -------
    SkillDrift
        ``t = (live - expected) / sqrt(v * (1 / n_live + 1 / n_expected))``, v the long-run variance of the expected
        days (Bartlett weights): a window of a few weeks is too short to tell its own.
    """
    before, now = (values[np.isfinite(values)] for values in (expected_ic, live_ic))
    t = float("nan")
    if len(before) >= LEAST_EXPECTED_DAYS and len(now) >= LEAST_LIVE_DAYS:
        variance = newey_west_variance(before, lag=lag) * (1.0 / len(now) + 1.0 / len(before))
        t = float((now.mean() - before.mean()) / np.sqrt(variance)) if variance > 0 else float("nan")
    return SkillDrift(_mean(before), _mean(now), t, len(before), len(now))


def _shares(values: Array, inner: Array) -> Array:
    """Share of each bin, the missing ones last; shape (n_inner + 2,)."""
    is_known = np.isfinite(values)
    counts = np.bincount(np.searchsorted(inner, values[is_known], side="left"), minlength=len(inner) + 1)
    return np.append(counts, (~is_known).sum()) / len(values)


def _mean(values: Array) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else float("nan")
