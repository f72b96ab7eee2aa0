"""Figures of a return series, each with its definition."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from transforms.days import as_days
from transforms.metrics import Metric

Array = npt.NDArray[np.float64]

SESSIONS_PER_YEAR = 252
NAN = float("nan")

# Equal returns leave a deviation of rounding errors; a Sharpe ratio of 1e16 is none.
NO_VARIATION = 1e-12

DEFINITIONS: dict[str, tuple[str, str]] = {
    "n_days": ("days", "Daily returns that the figures are computed from."),
    "total_return": ("fraction", "Product of 1 + daily return over all days, less 1."),
    "cagr": ("fraction per year", "Product of 1 + daily return to the power of 252 / days, less 1."),
    "volatility": ("fraction per year", "Sample standard deviation (ddof 1) of daily returns, times sqrt(252)."),
    "sharpe": (
        "ratio",
        "Mean of daily returns over their sample standard deviation (ddof 1), times sqrt(252); no risk-free rate.",
    ),
    "sortino": (
        "ratio",
        "Mean of daily returns over the root of the mean of min(return, 0) squared over all days, "
        "times sqrt(252); target 0.",
    ),
    "max_drawdown": (
        "fraction",
        "Lowest value of the compounded wealth over its running maximum, less 1; the starting "
        "capital is the first maximum.",
    ),
    "max_drawdown_sessions": ("sessions", "Sessions from the peak to the trough of the deepest drawdown."),
    "hit_rate": ("fraction", "Share of days with a return above 0."),
    "beta": ("ratio", "Covariance of daily returns with the benchmark's over the benchmark's variance."),
    "alpha": ("fraction per year", "Mean of daily return less beta times the benchmark's, compounded over 252 days."),
    "tracking_error": (
        "fraction per year",
        "Sample standard deviation (ddof 1) of daily return less the benchmark's, times sqrt(252).",
    ),
    "information_ratio": (
        "ratio",
        "Mean of daily return less the benchmark's over its sample standard deviation (ddof 1), times sqrt(252).",
    ),
    "active_hit_rate": ("fraction", "Share of days with a return above the benchmark's."),
    "turnover": ("fraction per year", "Mean of daily traded value (bought plus sold) over equity, times 252."),
}


class Drawdown(NamedTuple):
    """The deepest fall of a wealth path.

    Attributes
    ----------
    depth : float, fraction
        0 or less; NaN without returns.
    peak_row, trough_row : int
        Rows in the returns; -1 for the starting capital before the first return.
    """

    depth: float
    peak_row: int
    trough_row: int


def performance(
    return_1d: pd.Series, *, benchmark: "pd.Series | None" = None, turnover: "pd.Series | None" = None
) -> pd.DataFrame:
    """Compute all figures of a book, beside those of its benchmark.

    Parameters
    ----------
    return_1d : Series of shape (n_dates,), fraction
        Daily returns after costs, index trade_date ascending. NaN (as on the first day) is left out.
    benchmark : Series of shape (n_dates,), fraction, optional
        Returns of the benchmark on the same index. The figures that compare the two use the days
        that have both; the benchmark's own figures use the book's days.
    turnover : Series of shape (n_dates,), fraction, optional
        Bought plus sold over equity, per day.

    Returns
    -------
    DataFrame of shape (n_metrics, 5)
        metric, value, benchmark_value, unit, definition; NaN where a figure is not defined: none
        without returns, no ratio without variation.

    Raises
    ------
    ValueError
        If the indices differ.
    """
    for name, other in (("benchmark", benchmark), ("turnover", turnover)):
        if other is not None and not np.array_equal(as_days(other.index), as_days(return_1d.index)):
            raise ValueError(
                f"performance: {name} must have the days of the returns; got {len(other)} and {len(return_1d)} days. "
                "Reindex it."
            )
    own = return_1d.to_numpy(dtype=np.float64, na_value=np.nan)
    is_day = np.isfinite(own)
    values = single_figures(own[is_day])
    benchmark_values: dict[str, float] = {}
    if benchmark is not None:
        other_returns = benchmark.to_numpy(dtype=np.float64, na_value=np.nan)
        both = is_day & np.isfinite(other_returns)
        values |= relative_figures(own[both], other_returns[both])
        benchmark_values = single_figures(other_returns[both])
    if turnover is not None:
        traded = turnover.to_numpy(dtype=np.float64, na_value=np.nan)
        values["turnover"] = _mean(traded[np.isfinite(traded)]) * SESSIONS_PER_YEAR
    metrics = [Metric(name, values.get(name, NAN), *DEFINITIONS[name]) for name in DEFINITIONS]
    frame = pd.DataFrame(metrics).rename(columns={"name": "metric"})
    frame.insert(2, "benchmark_value", [benchmark_values.get(name, NAN) for name in DEFINITIONS])
    return frame


def single_figures(returns: Array) -> dict[str, float]:
    """Compute the figures that need no benchmark; returns of shape (n,), finite; see `DEFINITIONS`."""
    n = len(returns)
    wealth = float(np.prod(1.0 + returns)) if n else NAN
    fall = max_drawdown(returns)
    downside = float(np.sqrt(np.mean(np.minimum(returns, 0.0) ** 2))) if n else NAN
    return {
        "n_days": float(n),
        "total_return": wealth - 1.0,
        "cagr": max(wealth, 0.0) ** (SESSIONS_PER_YEAR / n) - 1.0 if n else NAN,
        "volatility": _deviation(returns) * np.sqrt(SESSIONS_PER_YEAR),
        "sharpe": _ratio(returns),
        "sortino": _mean(returns) / downside * float(np.sqrt(SESSIONS_PER_YEAR)) if downside > 0 else NAN,
        "max_drawdown": fall.depth,
        "max_drawdown_sessions": float(fall.trough_row - fall.peak_row) if n else NAN,
        "hit_rate": _mean((returns > 0).astype(np.float64)),
    }


def relative_figures(returns: Array, benchmark: Array) -> dict[str, float]:
    """Compute the figures against a benchmark; both of shape (n,), finite; see `DEFINITIONS`."""
    active = returns - benchmark
    beta = NAN
    if _deviation(benchmark) > NO_VARIATION:
        beta = float(np.cov(returns, benchmark, ddof=1)[0, 1] / np.var(benchmark, ddof=1))
    return {
        "beta": beta,
        "alpha": (1.0 + _mean(returns - beta * benchmark)) ** SESSIONS_PER_YEAR - 1.0,
        "tracking_error": _deviation(active) * float(np.sqrt(SESSIONS_PER_YEAR)),
        "information_ratio": _ratio(active),
        "active_hit_rate": _mean((active > 0).astype(np.float64)),
    }


def max_drawdown(returns: Array) -> Drawdown:
    """Find the deepest fall of the compounded wealth from its running maximum.

    Parameters
    ----------
    returns : ndarray of shape (n,), fraction, finite

    Returns
    -------
    Drawdown
        The first of several equally deep ones. A book that never falls has depth 0 and its trough
        on its peak.
    """
    if len(returns) == 0:
        return Drawdown(NAN, -1, -1)
    # The starting capital comes first, so that a loss on the first day counts.
    wealth = np.concatenate([[1.0], np.cumprod(1.0 + returns)])
    depth = wealth / np.maximum.accumulate(wealth) - 1.0
    trough = int(np.argmin(depth))
    peak = int(np.argmax(wealth[: trough + 1]))
    return Drawdown(float(depth[trough]), peak - 1, trough - 1)


def _mean(values: Array) -> float:
    return float(np.mean(values)) if len(values) else NAN


def _deviation(values: Array) -> float:
    return float(np.std(values, ddof=1)) if len(values) > 1 else NAN


def _ratio(values: Array) -> float:
    """Annualised mean over deviation; NaN where there is no deviation."""
    deviation = _deviation(values)
    return _mean(values) / deviation * float(np.sqrt(SESSIONS_PER_YEAR)) if deviation > NO_VARIATION else NAN
