"""How much of a Sharpe ratio is left when one remembers how many were looked at.

All Sharpe ratios here are per period, not annualised: mean over sample standard deviation (ddof 1), no risk-free rate.
"""

from itertools import combinations

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr, ndtri

Array = npt.NDArray[np.float64]

EULER_GAMMA = 0.5772156649015329
# Equal returns leave a deviation of rounding errors.
NO_VARIATION = 1e-12


def sharpe_ratio(returns: Array) -> float:
    """Mean over sample standard deviation of finite returns, shape (n,); NaN without variation."""
    if len(returns) < 2 or float(np.std(returns)) <= NO_VARIATION:
        return float("nan")
    return float(np.mean(returns) / np.std(returns, ddof=1))


def probabilistic_sharpe(returns: Array, *, benchmark: float = 0.0) -> float:
    """Give the probability that the true Sharpe ratio is above a benchmark.

    Parameters
    ----------
    returns : ndarray of shape (n_periods,), fraction
        Independent returns. NaN are left out.
    benchmark : float, per period

    Returns
    -------
    float, fraction
        NaN without variation or with fewer than three returns.

    Notes
    -----
    ``Phi((sharpe - benchmark) * sqrt(n - 1) / sqrt(1 - skew * sharpe + (kurtosis - 1) / 4 * sharpe ** 2))``, with
    population moments (ddof 0) for skew and kurtosis (3 for a normal distribution).
    Source: Bailey and Lopez de Prado (2012), J. of Risk 15(2).
    """
    known = returns[np.isfinite(returns)]
    sharpe = sharpe_ratio(known)
    if len(known) < 3 or not np.isfinite(sharpe):
        return float("nan")
    standard = (known - known.mean()) / known.std()
    skew, kurtosis = np.mean(standard**3), np.mean(standard**4)
    return float(_probability(sharpe, skew, kurtosis, n=len(known), benchmark=benchmark))


def expected_maximum_sharpe(*, n_trials: int, sharpe_sd: float) -> float:
    """Give the Sharpe ratio that the best of many trials without skill is expected to have.

    Parameters
    ----------
    n_trials : int
        Independent trials, 1 or more.
    sharpe_sd : float, per period
        Standard deviation of the trials' Sharpe ratios; NaN where it is not known.

    Returns
    -------
    float, per period
        ``sharpe_sd * ((1 - g) * Z(1 - 1 / n) + g * Z(1 - 1 / (n * e)))`` with Euler's g and normal quantiles Z; 0 for a
        single trial.

    Notes
    -----
    Source: Bailey and Lopez de Prado (2014), J. of Portfolio Management 40(5).
    """
    if n_trials < 1 or sharpe_sd < 0.0:
        raise ValueError(
            "expected_maximum_sharpe: there must be 1 trial or more and no deviation below 0; "
            f"got {n_trials=}, {sharpe_sd=}"
        )
    if n_trials == 1:
        return 0.0
    first, second = ndtri(1.0 - 1.0 / n_trials), ndtri(1.0 - 1.0 / (n_trials * np.e))
    return float(sharpe_sd * ((1.0 - EULER_GAMMA) * first + EULER_GAMMA * second))


def spread_of_sharpes(sharpes: Array) -> tuple[int, float]:
    """Count trials, and give the sample deviation (ddof 1) of their Sharpe ratios.

    Parameters
    ----------
    sharpes : ndarray of shape (n_trials,), per period
        NaN where a trial has none; it counts all the same.

    Returns
    -------
    int, float per period
        1 at least; 0 for one trial, NaN where fewer than two of several are known: by how much they deviate does not
        show. The order of the trials does not show in the last bit.
    """
    if len(sharpes) < 2:
        return 1, 0.0
    known = np.sort(sharpes[np.isfinite(sharpes)])
    return len(sharpes), float(known.std(ddof=1)) if len(known) > 1 else float("nan")


def deflated_sharpe(returns: Array, *, n_trials: int, sharpe_sd: float) -> float:
    """Give the probability that the true Sharpe ratio is above what the best of the trials would have without skill.

    Parameters are those of `probabilistic_sharpe` and `expected_maximum_sharpe`; with one trial it is the former.
    """
    return probabilistic_sharpe(returns, benchmark=expected_maximum_sharpe(n_trials=n_trials, sharpe_sd=sharpe_sd))


def deflated_sharpe_of_moments(
    sharpe: float, *, skew: float, kurtosis: float, n_periods: int, n_trials: int, sharpe_sd: float
) -> float:
    """Give `deflated_sharpe` of returns of which somebody else has the moments.

    Parameters
    ----------
    sharpe : float, per period
    skew, kurtosis : float
        Population moments (ddof 0), 3 for the kurtosis of a normal distribution.
    n_periods : int
        Returns behind them.
    n_trials, sharpe_sd
        As for `expected_maximum_sharpe`.

    Returns
    -------
    float, fraction
        NaN with fewer than three returns.
    """
    benchmark = expected_maximum_sharpe(n_trials=n_trials, sharpe_sd=sharpe_sd)
    if n_periods < 3:
        return float("nan")
    return float(_probability(sharpe, skew, kurtosis, n=n_periods, benchmark=benchmark))


def deflated_sharpes(returns: Array, *, n_trials: int, sharpe_sd: float) -> Array:
    """Give `deflated_sharpe` of many books at once, to rounding.

    Parameters
    ----------
    returns : ndarray of shape (n_periods, n_books), fraction
    n_trials, sharpe_sd
        As for `expected_maximum_sharpe`; the same for all books.

    Returns
    -------
    ndarray of shape (n_books,), fraction
        NaN for a book without variation, or with a return that is not finite: a ruined one.
    """
    n, n_books = returns.shape
    benchmark = expected_maximum_sharpe(n_trials=n_trials, sharpe_sd=sharpe_sd)
    if n < 3:
        return np.full(n_books, np.nan)
    mean = returns.mean(axis=0)
    centred = returns - mean
    squares = centred * centred
    variance = squares.mean(axis=0)
    # Equal returns and those that are not finite alike: a comparison with NaN is false.
    has_any = variance > NO_VARIATION**2
    variance = np.where(has_any, variance, np.nan)
    skew = np.einsum("ij,ij->j", squares, centred) / n / variance**1.5
    kurtosis = np.einsum("ij,ij->j", squares, squares) / n / variance**2
    sharpe = mean / np.sqrt(variance * n / (n - 1))
    return _probability(sharpe, skew, kurtosis, n=n, benchmark=benchmark)


def _probability(
    sharpe: float | Array, skew: float | Array, kurtosis: float | Array, *, n: int, benchmark: float
) -> Array:
    """Give the formula of `probabilistic_sharpe` from moments; arrays of shape (n_books,)."""
    variance = 1.0 - skew * sharpe + (kurtosis - 1.0) / 4.0 * sharpe**2
    return np.asarray(ndtr((sharpe - benchmark) * np.sqrt(n - 1) / np.sqrt(variance)))


def overfitting_probability(returns: Array, *, n_blocks: int = 16) -> float:
    """Give the share of cases in which what was best on one half of the time is below the middle on the other.

    Parameters
    ----------
    returns : ndarray of shape (n_periods, n_configurations), fraction, finite
        One column per configuration that was tried.
    n_blocks : int, even
        Blocks of neighbouring periods; every choice of half of them is one case. What does not divide is left out at
        the start.

    Returns
    -------
    float, fraction
        NaN for fewer than two configurations or two periods in a block.

    Raises
    ------
    ValueError
        If the number of blocks is odd or below 2, or a return is not finite.

    Notes
    -----
    Combinatorially symmetric cross-validation. Within a case, the best Sharpe ratio on the chosen blocks is looked up
    among all on the others: relative rank ``r / (n + 1)`` with r from 1 for the worst; the case counts where it is
    below 0.5, the middle. Sharpe ratios come from sums over blocks, so that 12,870 cases cost little. Of equal ones the
    first is best.
    Source: Bailey, Borwein, Lopez de Prado and Zhu (2017), J. of Computational Finance 20(4).
    """
    if n_blocks < 2 or n_blocks % 2 or not np.isfinite(returns).all():
        raise ValueError(
            f"overfitting_probability: blocks must be even and all returns finite; got {n_blocks=} and "
            f"{int((~np.isfinite(returns)).sum())} others. Use the periods that all configurations have."
        )
    n_periods, n_configurations = returns.shape
    length = n_periods // n_blocks
    if n_configurations < 2 or length < 2:
        return float("nan")
    blocks = returns[n_periods - length * n_blocks :].reshape(n_blocks, length, n_configurations)
    sums, squares = blocks.sum(axis=1), (blocks**2).sum(axis=1)
    cases = list(combinations(range(n_blocks), n_blocks // 2))
    chosen = np.zeros((len(cases), n_blocks))
    np.put_along_axis(chosen, np.array(cases), 1.0, axis=1)
    n = length * n_blocks // 2
    inside = _sharpe_of_sums(chosen @ sums, chosen @ squares, n)
    outside = _sharpe_of_sums((1.0 - chosen) @ sums, (1.0 - chosen) @ squares, n)
    best = np.argmax(inside, axis=1)
    own = np.take_along_axis(outside, best[:, None], axis=1)
    rank = (outside < own).sum(axis=1) + ((outside == own).sum(axis=1) + 1) / 2.0
    return float(np.mean(rank / (n_configurations + 1) < 0.5))


def _sharpe_of_sums(sums: Array, squares: Array, n: int) -> Array:
    """Sharpe ratios from sums and sums of squares of n returns; -inf without variation, so that it is never best."""
    variance = (squares - sums**2 / n) / (n - 1)
    has_any = variance > NO_VARIATION**2
    return np.where(has_any, sums / n / np.sqrt(np.where(has_any, variance, 1.0)), -np.inf)
