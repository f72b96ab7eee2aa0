"""Risk figures of an index beside its benchmark, over windows that end on the newest day."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pandas as pd

from transforms.performance import (
    DEFINITIONS as PERFORMANCE,
)
from transforms.performance import NAN, SESSIONS_PER_YEAR, Array, max_drawdown, relative_figures, single_figures
from transforms.trial_honesty import sibling_figures

CONFIDENCE = 0.95
SINGLE = ("n_days", "total_return", "cagr", "volatility", "sharpe", "sortino", "max_drawdown", "hit_rate")
RELATIVE = ("beta", "alpha", "tracking_error", "information_ratio")
OWN_DEFINITIONS: dict[str, tuple[str, str]] = {
    "value_at_risk": ("fraction", "5th percentile of daily returns, linear between order statistics."),
    "expected_shortfall": (
        "fraction",
        "Mean of the lowest daily returns, up to and including the one at position int((n - 1) * 0.05) (CVaR).",
    ),
    "up_capture": (
        "ratio",
        "Of days on which the benchmark rose: compounded return over 252 of them, over the benchmark's own.",
    ),
    "down_capture": (
        "ratio",
        "Of days on which the benchmark fell: compounded return over 252 of them, over the benchmark's own.",
    ),
}
DEFINITIONS = {name: PERFORMANCE[name] for name in (*SINGLE, *RELATIVE)} | OWN_DEFINITIONS
# First day of a window that ends on a day; its returns count from the session after it.
WINDOWS: dict[str, Callable[[pd.Timestamp], pd.Timestamp]] = {
    "1m": lambda last: last - pd.DateOffset(months=1),
    "3m": lambda last: last - pd.DateOffset(months=3),
    "ytd": lambda last: pd.Timestamp(year=last.year - 1, month=12, day=31),
    "1y": lambda last: last - pd.DateOffset(years=1),
    "3y": lambda last: last - pd.DateOffset(years=3),
    "all": lambda last: pd.Timestamp.min,
}


class _Span(NamedTuple):
    first_date: pd.Timestamp
    last_date: pd.Timestamp


def risk_windows(return_1d: pd.Series, benchmark: pd.Series) -> pd.DataFrame:
    """Compute the figures of each window.

    Parameters
    ----------
    return_1d : Series of shape (n_dates,), fraction
        Daily returns, index trade_date ascending; NaN (as on the first day) is left out.
    benchmark : Series of shape (n_dates,), fraction
        On the same index. What compares the two uses the days that have both.

    Returns
    -------
    DataFrame of shape (n_windows * n_figures, 8)
        window, metric, value, benchmark_value, unit, definition, first_date, last_date: the window's own days, and of
        the drawdown those of its peak and its trough (null where there is none). A window that reaches back before the
        first day is left out, but for `all`.
    """
    known = return_1d[return_1d.notna()]
    if known.empty:
        return pd.DataFrame(columns=["window", "metric", "value", "benchmark_value", "unit", "definition"])
    last = pd.Timestamp(known.index[-1])
    parts = []
    for window, first_of in WINDOWS.items():
        first = first_of(last)
        if window == "all" or first >= pd.Timestamp(return_1d.index[0]):
            own = known[known.index > first]
            parts.append(_rows(own, benchmark.reindex(own.index)).assign(window=window))
    return pd.concat(parts, ignore_index=True)


def honest_windows(returns: pd.DataFrame, *, n_trials: int) -> pd.DataFrame:
    """Set each index beside all the others, over each of its windows.

    Parameters
    ----------
    returns : DataFrame of shape (n_dates, n_indices), fraction
        Daily returns, index trade_date ascending, columns index_id; NaN where an index has none.
    n_trials : int
        Versions of the rules of indices on record.

    Returns
    -------
    DataFrame of shape (n_indices * n_windows * 3, 6)
        index_id, window, metric, value, unit, definition: `transforms.trial_honesty.sibling_figures` of the days of the
        window, also of one that reaches back before the first day.
    """
    found = []
    days_of = {name: returns.index[returns[name].notna()] for name in returns}
    last_of = {name: pd.Timestamp(days[-1]) for name, days in days_of.items() if len(days)}
    for last in sorted(set(last_of.values())):
        for window, first_of in WINDOWS.items():
            days = returns[(returns.index > first_of(last)) & (returns.index <= last)]
            figures = sibling_figures(days, n_trials=n_trials, siblings="indices")
            own = [name for name, day in last_of.items() if day == last]
            found += [(name, window, *metric) for name in own for metric in figures[name]]
    return pd.DataFrame(found, columns=["index_id", "window", "metric", "value", "unit", "definition"])


def _rows(own: pd.Series, benchmark: pd.Series) -> pd.DataFrame:
    returns, other = own.to_numpy(dtype=np.float64), benchmark.to_numpy(dtype=np.float64)
    both = np.isfinite(other)
    values = _figures(returns) | relative_figures(returns[both], other[both]) | _captures(returns[both], other[both])
    beside = _figures(other[both])
    frame = pd.DataFrame(
        [(name, values.get(name, NAN), beside.get(name, NAN), *DEFINITIONS[name]) for name in DEFINITIONS]
    )
    frame.columns = pd.Index(["metric", "value", "benchmark_value", "unit", "definition"])
    spans = {"max_drawdown": _fall(own)}
    whole = _Span(own.index[0], own.index[-1])
    frame["first_date"] = [spans.get(name, whole).first_date for name in frame["metric"]]
    frame["last_date"] = [spans.get(name, whole).last_date for name in frame["metric"]]
    return frame


def _figures(returns: Array) -> dict[str, float]:
    return single_figures(returns) | {
        "value_at_risk": float(np.percentile(returns, 100 * (1 - CONFIDENCE))) if len(returns) else NAN,
        "expected_shortfall": expected_shortfall(returns),
    }


def expected_shortfall(returns: Array) -> float:
    """Give the mean of the lowest returns; see `DEFINITIONS`. NaN without returns."""
    if len(returns) == 0:
        return NAN
    place = int((len(returns) - 1) * (1 - CONFIDENCE))
    return float(np.mean(np.partition(returns, place)[: place + 1]))


def _captures(returns: Array, benchmark: Array) -> dict[str, float]:
    return {
        name: _ratio(_annual(returns[days]), _annual(benchmark[days]))
        for name, days in (("up_capture", benchmark > 0), ("down_capture", benchmark < 0))
    }


def _annual(returns: Array) -> float:
    """Compound over 252 days."""
    return float(np.prod(1.0 + returns) ** (SESSIONS_PER_YEAR / len(returns)) - 1.0) if len(returns) else NAN


def _ratio(one: float, other: float) -> float:
    return one / other if other else NAN


def _fall(own: pd.Series) -> _Span:
    """Give the days of the peak and the trough of the deepest fall."""
    fall = max_drawdown(own.to_numpy(dtype=np.float64))
    if fall.depth == 0:
        return _Span(pd.NaT, pd.NaT)  # type: ignore[arg-type] # the stubs keep NaT apart
    # The starting capital stands before the first return.
    peak = pd.Timestamp(own.index[fall.peak_row]) if fall.peak_row >= 0 else pd.NaT
    return _Span(peak, pd.Timestamp(own.index[fall.trough_row]))  # type: ignore[arg-type] # the same
