"""Best weights within limits: lowest variance, highest Sharpe ratio, and the frontier between risk and return."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import clarabel
import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import sparse

Array = npt.NDArray[np.float64]

TOLERANCE = 1e-10
# What an answer must keep at least where the solver's last digits run out: limits, and the objective as a share of it.
REDUCED_TOLERANCE, REDUCED_GAP = 1e-8, 1e-6
# A return above the risk-free rate by less than this share of the largest one is none.
LEAST = np.array([1e-6])
# Weights below it are wanted as if they were it: an instrument that nobody wants may still be needed to fill up.
SMALLEST_WANTED = 1e-6
SOLVED = ("Solved", "AlmostSolved")
# How far below the highest return a frontier ends, a share of the way there: nearer to it the solver makes no progress.
HAIR = 1e-6
# Rows that say what a portfolio is; no limit that one could loosen.
ALWAYS = ("sum", "bought", "sold")


class LimitsInfeasible(ValueError):
    """No portfolio keeps all limits at once.

    Attributes
    ----------
    limits : tuple of str
        Limits that contradict each other, with their values: without any one of them the others could be kept.
    """

    def __init__(self, where: str, limits: Sequence[str]) -> None:
        self.limits = tuple(limits)
        super().__init__(
            f"{where}: a portfolio that sums to 1 must keep all limits; got {' with '.join(limits)}, which none does. "
            "Loosen one of them, or offer more instruments."
        )


@dataclass(frozen=True)
class Limits:
    """What the weights must keep; they sum to 1.

    Attributes
    ----------
    min_weight, max_weight : float, fraction
        Of each instrument.
    groups : sequence of str of length n, optional
        Group of each instrument, for example its sector.
    max_group_weight : mapping of str to float, fraction
        Highest sum of the weights of a group.
    previous : ndarray of shape (n,), fraction, optional
        Weights before.
    max_turnover : float, fraction, optional
        Highest sum of bought and sold against `previous`.
    """

    min_weight: float = 0.0
    max_weight: float = 1.0
    groups: Sequence[str] | None = None
    max_group_weight: Mapping[str, float] = field(default_factory=dict)
    previous: Array | None = None
    max_turnover: float | None = None

    def __post_init__(self) -> None:
        if unknown := sorted(set(self.max_group_weight) - set(self.groups or ())):
            raise ValueError(
                f"Limits: max_group_weight must name groups of instruments; got {unknown}. "
                f"There are {sorted(set(self.groups or ()))}."
            )
        if self.max_turnover is not None and self.previous is None:
            raise ValueError("Limits: max_turnover needs the weights before; got none. Give them as `previous`.")


class _Rows(NamedTuple):
    """``left @ variables <= right`` (or equal), under the name of the limit that it is."""

    name: str
    left: "sparse.csr_matrix"
    right: Array
    is_equal: bool = False


def constrained_minimum_variance(
    covariance: Array,
    *,
    limits: Limits | None = None,
    expected_return: "Array | None" = None,
    min_return: float | None = None,
) -> Array:
    """Find the portfolio of the lowest variance within limits.

    Parameters
    ----------
    covariance : ndarray of shape (n, n), fraction squared per year
        Positive semidefinite.
    limits : Limits, optional
        Long-only without limits else.
    expected_return : ndarray of shape (n,), fraction per year, optional
    min_return : float, fraction per year, optional
        Lowest expected return of the portfolio.

    Returns
    -------
    ndarray of shape (n,), fraction
        Within 1e-8 of the limits.

    Raises
    ------
    LimitsInfeasible
        If no portfolio keeps them; it names those that would have to give.
    """
    n = len(covariance)
    rows = _rows(limits or Limits(), n)
    if min_return is not None and expected_return is not None:
        width = rows[0].left.shape[1]
        # In the size of the largest return, as the other rows are in that of the weights.
        scale = float(np.max(np.abs(expected_return))) or 1.0
        left, right = _wide(-expected_return[None, :] / scale, width), np.array([-min_return / scale])
        rows.append(_Rows(f"min_return={min_return}", left, right))
    solution = _solve(covariance, np.zeros(n), rows, where="constrained_minimum_variance")
    return solution[:n]


def nearest_weights(wanted: Array, *, limits: Limits) -> Array:
    """Bring weights within limits: what is cut goes to the others in proportion.

    Parameters
    ----------
    wanted : ndarray of shape (n,), fraction
        0 or more, sum 1.
    limits : Limits

    Returns
    -------
    ndarray of shape (n,), fraction
        The weights of the lowest ``sum((weight - wanted) ** 2 / wanted)`` within the limits; `wanted` itself, bit for
        bit, where it keeps them.

    Raises
    ------
    LimitsInfeasible
        If no portfolio keeps the limits.
    """
    rows = _rows(limits, len(wanted))
    own = [row for row in rows if row.left.shape[1] == len(wanted)]
    if len(own) == len(rows) and all(_is_kept(row, wanted) for row in own):
        return wanted
    pull = 1.0 / np.maximum(wanted, SMALLEST_WANTED)
    solution = _solve(np.diag(pull), -pull * wanted, rows, where="nearest_weights")[: len(wanted)]
    kept = np.maximum(solution, 0.0) if limits.min_weight >= 0 else solution
    weights: Array = kept / kept.sum()
    return weights


def _is_kept(row: _Rows, weights: Array) -> bool:
    distance = row.left @ weights - row.right
    return bool(np.all(np.abs(distance) < 1e-12 if row.is_equal else distance <= 0))


def maximum_sharpe(covariance: Array, excess_return: Array, *, limits: Limits | None = None) -> Array:
    """Find the portfolio of the highest Sharpe ratio within limits.

    Parameters
    ----------
    covariance : ndarray of shape (n, n), fraction squared per year
        Positive definite.
    excess_return : ndarray of shape (n,), fraction per year
        Expected return above the risk-free rate.
    limits : Limits, optional
        Long-only without limits else.

    Returns
    -------
    ndarray of shape (n,), fraction

    Raises
    ------
    LimitsInfeasible
        If no portfolio keeps the limits and earns more than the risk-free rate.

    Notes
    -----
    With ``y = weights * k`` the ratio is highest where the variance of y is lowest while ``excess_return @ y = 1``:
    a quadratic programme in y and k, in which each limit ``a @ weights <= b`` reads ``a @ y <= b * k``.
    Source: Cornuejols and Tütüncü (2006), Optimization Methods in Finance, 8.2.
    """
    n = len(covariance)
    rows = _rows(limits or Limits(), n)
    homogeneous = [
        _Rows(row.name, sparse.hstack([row.left, -row.right[:, None]]).tocsr(), np.zeros(len(row.right)), row.is_equal)
        for row in rows
    ]
    width = homogeneous[0].left.shape[1]
    # In the size of the largest return, so that y is neither tiny nor huge.
    scale = float(np.max(np.abs(excess_return))) or 1.0
    homogeneous.append(_Rows("excess_return", _wide(excess_return[None, :] / scale, width), np.ones(1), is_equal=True))
    positive = sparse.csr_matrix(([-1.0], ([0], [width - 1])), shape=(1, width))
    homogeneous.append(_Rows("scale", positive, np.zeros(1)))
    asked = [*rows, _earning(excess_return / scale, rows)]
    solution = _solve(covariance, np.zeros(n), homogeneous, where="maximum_sharpe", asked=asked)
    weights: Array = solution[:n] / solution[:n].sum()
    return weights


def efficient_frontier(
    covariance: Array, expected_return: Array, *, limits: Limits | None = None, n_points: int = 20
) -> pd.DataFrame:
    """Find the lowest variance at each expected return, from that of the lowest variance of all to the highest.

    Parameters
    ----------
    covariance : ndarray of shape (n, n), fraction squared per year
    expected_return : ndarray of shape (n,), fraction per year
    limits : Limits, optional
        Long-only without limits else.
    n_points : int, 2 or more

    Returns
    -------
    DataFrame of shape (n_points, 2 + n)
        expected_return, volatility (fractions per year), then the weights under the instruments' positions 0 .. n - 1;
        expected returns evenly spread, ascending.

    Raises
    ------
    LimitsInfeasible
        If no portfolio keeps the limits.
    """
    n = len(covariance)
    safest = constrained_minimum_variance(covariance, limits=limits)
    highest = _solve(np.zeros((n, n)), -expected_return, _rows(limits or Limits(), n), where="efficient_frontier")[:n]
    # The highest return itself leaves one portfolio: a hair below it the solver has room to move.
    bottom, top = float(expected_return @ safest), float(expected_return @ highest)
    top -= HAIR * max(top - bottom, 1e-3 * float(np.max(np.abs(expected_return))))
    targets = np.linspace(min(bottom, top), top, n_points)
    weights = [safest]
    weights += [
        constrained_minimum_variance(
            covariance, limits=limits, expected_return=expected_return, min_return=float(target)
        )
        for target in targets[1:]
    ]
    held = np.array(weights)
    figures = pd.DataFrame({"expected_return": held @ expected_return, "volatility": _volatilities(covariance, held)})
    return pd.concat([figures, pd.DataFrame(held)], axis=1)


def _volatilities(covariance: Array, held: Array) -> Array:
    volatilities: Array = np.sqrt(np.einsum("ij,jk,ik->i", held, covariance, held))
    return volatilities


def _rows(limits: Limits, n: int) -> list[_Rows]:
    """Write the limits as rows over n weights, and n amounts traded where turnover is limited."""
    width = n if limits.max_turnover is None else 2 * n
    each = sparse.eye(n, width, format="csr")
    rows = [
        _Rows("sum", _wide(np.ones((1, n)), width), np.ones(1), is_equal=True),
        _Rows(f"min_weight={limits.min_weight}", -each, np.full(n, -limits.min_weight)),
    ]
    # Weights of 0 or more that sum to 1 are 1 at most.
    if limits.max_weight < 1 or limits.min_weight < 0:
        rows.append(_Rows(f"max_weight={limits.max_weight}", each, np.full(n, limits.max_weight)))
    for name, highest in limits.max_group_weight.items():
        members = np.array([[float(group == name) for group in limits.groups or ()]])
        rows.append(_Rows(f"max_group_weight[{name}]={highest}", _wide(members, width), np.array([highest])))
    if limits.max_turnover is not None and limits.previous is not None:
        traded = sparse.eye(n, width, k=n, format="csr")
        rows.append(_Rows("bought", each - traded, limits.previous))
        rows.append(_Rows("sold", -each - traded, -limits.previous))
        total = sparse.csr_matrix(np.r_[np.zeros(n), np.ones(n)][None, :])
        rows.append(_Rows(f"max_turnover={limits.max_turnover}", total, np.array([limits.max_turnover])))
    return rows


def _earning(excess_return: Array, rows: Sequence[_Rows]) -> _Rows:
    """Ask for a return above the risk-free rate."""
    return _Rows("a return above the risk-free rate", _wide(-excess_return[None, :], rows[0].left.shape[1]), -LEAST)


def _wide(left: Array, width: int) -> "sparse.csr_matrix":
    return sparse.csr_matrix(np.pad(left, ((0, 0), (0, width - left.shape[1]))))


def _solve(
    covariance: Array, linear: Array, rows: Sequence[_Rows], *, where: str, asked: "Sequence[_Rows] | None" = None
) -> Array:
    """Minimise ``x' covariance x / 2 + linear' x`` over the rows; `asked` are the limits as the caller put them."""
    width = rows[0].left.shape[1]
    n_more = width - len(covariance)
    size = float(np.trace(covariance)) / len(covariance) or 1.0
    quadratic = sparse.csc_matrix(np.pad(np.triu(covariance / size), (0, n_more)))
    solution = _run(quadratic, np.pad(linear / size, (0, n_more)), rows)
    if str(solution.status) in SOLVED:
        return np.array(solution.x)
    if not _is_feasible(asked or rows):
        raise LimitsInfeasible(where, _contradicting(asked or rows))
    raise ValueError(
        f"{where}: the solver must find the best portfolio; got {solution.status} after {solution.iterations} steps. "
        "Shrink the covariance, or bring its numbers to a like size."
    )


def _contradicting(rows: Sequence[_Rows]) -> list[str]:
    """Leave out what is not needed to contradict; what stays is irreducible."""
    kept = list(rows)
    for row in rows:
        others = [other for other in kept if other is not row]
        if row.name not in ALWAYS and not _is_feasible(others):
            kept = others
    return [row.name for row in kept if row.name not in ALWAYS]


def _is_feasible(rows: Sequence[_Rows]) -> bool:
    width = rows[0].left.shape[1]
    return str(_run(sparse.csc_matrix((width, width)), np.zeros(width), rows).status) in SOLVED


def _run(quadratic: "sparse.csc_matrix", linear: Array, rows: Sequence[_Rows]) -> clarabel.DefaultSolution:
    ordered = [*(row for row in rows if row.is_equal), *(row for row in rows if not row.is_equal)]
    n_equal = sum(len(row.right) for row in rows if row.is_equal)
    left = sparse.vstack([row.left for row in ordered]).tocsc()
    right = np.concatenate([row.right for row in ordered])
    cones = [clarabel.ZeroConeT(n_equal), clarabel.NonnegativeConeT(len(right) - n_equal)]
    settings = clarabel.DefaultSettings()
    settings.verbose = False
    settings.tol_gap_abs = settings.tol_gap_rel = settings.tol_feas = TOLERANCE
    settings.reduced_tol_gap_abs = settings.reduced_tol_gap_rel = REDUCED_GAP
    settings.reduced_tol_feas = REDUCED_TOLERANCE
    return clarabel.DefaultSolver(quadratic, linear, left, right, cones, settings).solve()
