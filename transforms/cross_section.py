"""The chain that makes characteristics of a day comparable: clip, score, take out what is known, mark what is missing.

Every step looks at one day only, so there is nothing that would have to be fitted inside a fold, and nothing that could
be fitted outside of one.
"""

from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

Array = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Codes = npt.NDArray[np.intp]
Score = Callable[[Array], Array]

# Median absolute deviation of a normal variable, over its standard deviation.
MAD_OF_NORMAL = 0.6744897501960817


class Scores(NamedTuple):
    """What the chain makes of a panel; arrays of shape (n_rows, n_columns).

    Attributes
    ----------
    score : ndarray
        In standard deviations of the day, 0 where missing.
    is_missing : ndarray of bool
    """

    score: Array
    is_missing: Flags


def winsorised(values: Array, *, tail: float = 0.01) -> Array:
    """Pull each column's outliers in to its quantiles.

    Parameters
    ----------
    values : ndarray of shape (n_instruments, n_columns)
        One day. NaN stays NaN and counts nowhere.
    tail : float, fraction
        Values below the quantile `tail` become it, and those above the quantile ``1 - tail`` that one; quantiles by
        linear interpolation.

    Returns
    -------
    ndarray of shape (n_instruments, n_columns)
    """
    if not 0.0 <= tail < 0.5:
        raise ValueError(f"winsorised: tail must be from 0 to below 0.5; got {tail=}")
    result = values.copy()
    for column in result.T:
        known = np.isfinite(column)
        if known.any():
            lowest, highest = np.quantile(column[known], [tail, 1.0 - tail])
            column[known] = np.clip(column[known], lowest, highest)
    return result


def rank_gauss(values: Array) -> Array:
    """Give each column's values the quantiles of a normal distribution that belong to their ranks.

    Parameters
    ----------
    values : ndarray of shape (n_instruments, n_columns)
        One day.

    Returns
    -------
    ndarray of shape (n_instruments, n_columns), standard deviations
        ``ndtri((rank - 0.5) / n)`` with the average rank among the n values present, 1 lowest; NaN stays NaN.
    """
    result = np.full(values.shape, np.nan)
    for column, out in zip(values.T, result.T, strict=True):
        known = np.isfinite(column)
        distinct, place, count = np.unique(column[known], return_inverse=True, return_counts=True)
        if len(distinct):
            middle = np.cumsum(count) - (count - 1) / 2.0
            out[known] = ndtri((middle[place] - 0.5) / known.sum())
    return result


def robust_z(values: Array) -> Array:
    """Measure each column from its median, in units that outliers do not stretch.

    Parameters
    ----------
    values : ndarray of shape (n_instruments, n_columns)
        One day.

    Returns
    -------
    ndarray of shape (n_instruments, n_columns), standard deviations
        ``(value - median) * 0.6745 / median(|value - median|)``; NaN stays NaN, and a column half of whose values are
        equal, which has no deviation of this kind, is NaN.
    """
    result = np.full(values.shape, np.nan)
    for column, out in zip(values.T, result.T, strict=True):
        known = np.isfinite(column)
        if known.any():
            away = column[known] - np.median(column[known])
            deviation = np.median(np.abs(away))
            if deviation > 0.0:
                out[known] = away * MAD_OF_NORMAL / deviation
    return result


def residuals(values: Array, exposures: Array) -> Array:
    """Take out of each column what a regression on known exposures explains.

    Parameters
    ----------
    values : ndarray of shape (n_instruments, n_columns)
        One day.
    exposures : ndarray of shape (n_instruments, n_exposures), finite
        For example a column of ones for each sector, size and beta. Columns may depend on each other.

    Returns
    -------
    ndarray of shape (n_instruments, n_columns)
        Residuals of ordinary least squares over the instruments that have the value; NaN stays NaN.
    """
    result = np.full(values.shape, np.nan)
    known = np.isfinite(values)
    # Columns that miss the same instruments share a regression.
    patterns, which = np.unique(known, axis=1, return_inverse=True)
    for number in range(patterns.shape[1]):
        rows, columns = np.flatnonzero(patterns[:, number]), np.flatnonzero(which == number)
        if len(rows):
            y, x = values[np.ix_(rows, columns)], exposures[rows]
            result[np.ix_(rows, columns)] = y - x @ np.linalg.lstsq(x, y, rcond=None)[0]
    return result


def neutral_scores(
    values: Array, day_starts: Codes, sectors: Codes, controls: Array, *, score: Score = rank_gauss, tail: float = 0.01
) -> Scores:
    """Run the chain over a panel, day by day.

    Parameters
    ----------
    values : ndarray of shape (n_rows, n_columns), any unit
        Characteristics of the universe; rows of one day are neighbours. NaN is missing.
    day_starts : ndarray of int, shape (n_days + 1,)
        First row of each day, then `n_rows`.
    sectors : ndarray of int, shape (n_rows,)
        Number of the sector; -1 where it is not known, which is a sector of its own.
    controls : ndarray of shape (n_rows, n_controls)
        What is to be taken out beside the sector, such as log size and beta; a missing one counts as the day's middle.
    score : callable
        `rank_gauss` or `robust_z`.
    tail : float, fraction
        As for `winsorised`.

    Returns
    -------
    Scores

    Notes
    -----
    Order: winsorise, score, residual to sector and (scored) controls, divide by the day's sample standard deviation, 0
    for what is missing. A sector's only member has residuals near 0: nothing tells it from its sector.
    Point in time: a row depends on the rows of its own day only.
    """
    if len(values) != len(sectors) or len(values) != len(controls) or day_starts[-1] != len(values):
        raise ValueError(
            f"neutral_scores: values, sectors, controls and days must have the same rows; got {len(values)}, "
            f"{len(sectors)}, {len(controls)} and {day_starts[-1]}. Align them by day and instrument."
        )
    result = np.empty(values.shape)
    for first, last in pairwise(day_starts):
        day = slice(first, last)
        known = np.nan_to_num(score(winsorised(controls[day], tail=tail)), nan=0.0)
        of_sector = (sectors[day][:, None] == np.unique(sectors[day])[None, :]).astype(np.float64)
        left = residuals(score(winsorised(values[day], tail=tail)), np.column_stack([of_sector, known]))
        result[day] = left / _deviations(left)
    is_missing = ~np.isfinite(result)
    return Scores(np.where(is_missing, 0.0, result), is_missing)


def _deviations(values: Array) -> Array:
    """Sample standard deviation of each column; NaN where nothing is left but rounding."""
    n = np.isfinite(values).sum(axis=0)
    mean = np.nansum(values, axis=0) / np.maximum(n, 1)
    deviation = np.sqrt(np.nansum((values - mean) ** 2, axis=0) / np.maximum(n - 1, 1))
    return np.where(deviation > 1e-12, deviation, np.nan)
