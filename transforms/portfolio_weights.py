"""Weights of a portfolio that have a closed form, or that Newton's method finds."""

import numpy as np
import numpy.typing as npt
from scipy.linalg import LinAlgError, cho_factor, cho_solve

Array = npt.NDArray[np.float64]

MAX_STEPS = 100
# A step of this share of every weight changes nothing but rounding: the next would square it.
SETTLED = 1e-7
SMALLEST_STEP = 1e-6


def equal_weights(n_instruments: int) -> Array:
    """Give every instrument the same weight; shape (n_instruments,), fraction."""
    return np.full(n_instruments, 1.0 / n_instruments)


def proportional_weights(sizes: Array) -> Array:
    """Weigh by size, for example by market capitalisation.

    Parameters
    ----------
    sizes : ndarray of shape (n,), above 0

    Returns
    -------
    ndarray of shape (n,), fraction
    """
    if not bool(np.all(np.isfinite(sizes) & (sizes > 0))):
        raise ValueError(
            f"proportional_weights: sizes must be finite and above 0; got {np.min(sizes)} as the lowest. "
            "Leave out what has no size."
        )
    weights: Array = sizes / sizes.sum()
    return weights


def inverse_volatility(covariance: Array) -> Array:
    """Weigh by one over volatility: equal risk if nothing were correlated.

    Parameters
    ----------
    covariance : ndarray of shape (n, n), fraction squared per year

    Returns
    -------
    ndarray of shape (n,), fraction
    """
    return proportional_weights(1.0 / _volatilities(covariance, where="inverse_volatility"))


def minimum_variance(covariance: Array) -> Array:
    """Find the fully invested portfolio of the lowest variance; weights may be negative.

    Parameters
    ----------
    covariance : ndarray of shape (n, n), fraction squared per year
        Positive definite.

    Returns
    -------
    ndarray of shape (n,), fraction
        ``inverse(covariance) @ 1``, scaled to the sum 1.

    Raises
    ------
    ValueError
        If the covariance is not positive definite.
    """
    along = _solved(covariance, np.ones(len(covariance)), where="minimum_variance")
    weights: Array = along / along.sum()
    return weights


def tangency(covariance: Array, excess_return: Array) -> Array:
    """Find the fully invested portfolio of the highest Sharpe ratio; weights may be negative.

    Parameters
    ----------
    covariance : ndarray of shape (n, n), fraction squared per year
        Positive definite.
    excess_return : ndarray of shape (n,), fraction per year
        Expected return above the risk-free rate.

    Returns
    -------
    ndarray of shape (n,), fraction
        ``inverse(covariance) @ excess_return``, scaled to the sum 1.

    Raises
    ------
    ValueError
        If the covariance is not positive definite, or the minimum variance portfolio earns no more than the risk-free
        rate: then the ratio grows without end and no fully invested portfolio has the highest.
    """
    along = _solved(covariance, excess_return, where="tangency")
    if not along.sum() > 0:
        raise ValueError(
            "tangency: the minimum variance portfolio must earn more than the risk-free rate; "
            f"got weights that sum to {along.sum()}. Limit the weights, or lower the rate."
        )
    weights: Array = along / along.sum()
    return weights


def equal_risk_contribution(covariance: Array, *, budgets: "Array | None" = None) -> Array:
    """Find the long-only portfolio whose instruments contribute the same risk, or risk in proportion to budgets.

    Parameters
    ----------
    covariance : ndarray of shape (n, n), fraction squared per year
        Positive definite.
    budgets : ndarray of shape (n,), above 0, optional
        Shares of the variance; scaled to the sum 1.

    Returns
    -------
    ndarray of shape (n,), fraction
        Weights with ``weights * (covariance @ weights)`` in proportion to the budgets.

    Raises
    ------
    ValueError
        If a variance or a budget is not above 0, or the covariance is not positive definite.

    Notes
    -----
    In terms of ``x = weights * volatility``, up to scale, ``x' C x / 2 - sum(budgets * log(x))`` with the correlations
    C is convex, and where its gradient ``C x - budgets / x`` is zero the budgets hold. Newton's method with
    steps that are halved until they descend converges from everywhere.
    Source: Spinu (2013), An Algorithm for Computing Risk Parity Weights.
    """
    volatility = _volatilities(covariance, where="equal_risk_contribution")
    shares = proportional_weights(np.ones(len(covariance)) if budgets is None else budgets)
    correlation = covariance / np.outer(volatility, volatility)
    # The answer where every instrument is correlated with the others alike.
    x = np.sqrt(shares * shares.sum() / correlation.sum(axis=1).mean())
    for _ in range(MAX_STEPS):
        pull = correlation @ x
        curvature = correlation + np.diag(shares / x**2)
        step = _solved(curvature, shares / x - pull, where="equal_risk_contribution")
        x = x + _damping(x, step, pull, correlation @ step, shares) * step
        if np.max(np.abs(step) / x) < SETTLED:
            break
    return proportional_weights(x / volatility)


def risk_contributions(covariance: Array, weights: Array) -> Array:
    """Give each instrument's share of the variance; shape (n,), fraction, sum 1."""
    parts = weights * (covariance @ weights)
    contributions: Array = parts / parts.sum()
    return contributions


def _damping(x: Array, step: Array, pull: Array, push: Array, shares: Array) -> float:
    """Give the share of Newton's step that stays above 0 and lowers ``x' C x / 2 - sum(shares * log(x))``.

    `pull` is ``C x`` and `push` is ``C step``.
    """
    slope, curvature, ratio = float(pull @ step), float(push @ step), step / x
    length = min(1.0, -0.9 / min(float(ratio.min()), -1e-300))
    while length > SMALLEST_STEP:
        change = length * slope + 0.5 * length**2 * curvature - float(shares @ np.log1p(length * ratio))
        if change <= 1e-16:
            break
        length /= 2
    return length


def _volatilities(covariance: Array, *, where: str) -> Array:
    variances = np.diag(covariance)
    if not bool(np.all(np.isfinite(variances) & (variances > 0))):
        raise ValueError(
            f"{where}: variances must be finite and above 0; got {np.min(variances)} as the lowest. "
            "Leave out what does not move."
        )
    volatilities: Array = np.sqrt(variances)
    return volatilities


def _solved(matrix: Array, right: Array, *, where: str) -> Array:
    try:
        solution: Array = cho_solve(cho_factor(matrix, lower=True), right)
    except (LinAlgError, ValueError) as error:
        raise ValueError(
            f"{where}: the covariance must be finite and positive definite; got shape {matrix.shape}, and {error}. "
            "Shrink it, or give more dates than instruments."
        ) from error
    return solution
