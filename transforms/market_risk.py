"""Rolling regressions of daily returns on the benchmark: beta and idiosyncratic volatility."""

import datetime as dt
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from transforms.days import Days, as_days
from transforms.numbers import as_numbers

Matrix = npt.NDArray[np.float64]
Positions = npt.NDArray[np.int64]

SESSIONS_PER_YEAR = 252

# Below this share of its uncentred sum of squares, a centred one is nothing but rounding.
NO_VARIATION = 1e-12


class MarketRisk(NamedTuple):
    """Rolling regressions, one per day and instrument.

    Attributes
    ----------
    beta : ndarray of shape (n_dates, n_instruments), ratio
    idiosyncratic_volatility : ndarray of shape (n_dates, n_instruments), fraction per year
    n_observations : ndarray of int64, shape (n_dates, n_instruments), sessions
    """

    beta: Matrix
    idiosyncratic_volatility: Matrix
    n_observations: Positions


def rolling_market_risk(
    return_1d: Matrix, benchmark_return_1d: Matrix, *, window_sessions: int = 252, min_observations: int = 126
) -> MarketRisk:
    """Regress each instrument's daily returns on the benchmark's over a moving window.

    Parameters
    ----------
    return_1d : ndarray of shape (n_dates, n_instruments), fraction
        One row per session of the benchmark, oldest first.
    benchmark_return_1d : ndarray of shape (n_dates,), fraction
    window_sessions : int, sessions
        Length of the window, which ends with the row's own session.
    min_observations : int, sessions
        Fewest sessions with both returns; with less of them the row's measures are NaN.

    Returns
    -------
    MarketRisk
        With an intercept: ``r = alpha + beta * benchmark + e``. `beta` is the slope of least squares;
        `idiosyncratic_volatility` is ``sqrt(sum(e**2) / (n - 2)) * sqrt(252)``: two degrees of
        freedom are spent on alpha and beta.

    Raises
    ------
    ValueError
        If the shapes do not fit, or not ``3 <= min_observations <= window_sessions``.

    Notes
    -----
    Missing: a session where one of the two returns is not finite is left out of both. The first
    rows have shorter windows. A benchmark that does not move gives NaN.
    Point in time: row t reads rows ``t - window_sessions + 1 .. t`` only, and its value is the same
    bit for bit whatever lies outside of them, other instruments included; see `window_sums`.
    Accuracy: sums of uncentred products; daily returns have means far below their deviations, so
    this costs no more than the last digits. Residuals below 1e-7 of the return's size are noise.
    Source: Sharpe (1963), Management Science 9(2), market model; Ang, Hodrick, Xing and Zhang
    (2006), J. Finance 61(1), idiosyncratic volatility as the deviation of the residuals.
    """
    _require_fit(return_1d, benchmark_return_1d, window_sessions, min_observations)
    paired = np.isfinite(return_1d) & np.isfinite(benchmark_return_1d)[:, None]
    y = np.where(paired, return_1d, 0.0)
    x = np.where(paired, benchmark_return_1d[:, None], 0.0)
    n = window_sums(paired.astype(np.float64), window_sessions)
    sum_x = window_sums(x, window_sessions)
    sum_y = window_sums(y, window_sessions)
    sum_xx = window_sums(x * x, window_sessions)
    enough = n >= min_observations
    divisor = np.where(enough, n, np.nan)
    var_x = sum_xx - sum_x * sum_x / divisor
    cov_xy = window_sums(x * y, window_sessions) - sum_x * sum_y / divisor
    var_y = window_sums(y * y, window_sessions) - sum_y * sum_y / divisor
    var_x = np.where(var_x > NO_VARIATION * sum_xx, var_x, np.nan)
    beta = cov_xy / var_x
    unexplained = np.maximum(var_y - beta * cov_xy, 0.0)
    volatility = np.sqrt(unexplained / (divisor - 2) * SESSIONS_PER_YEAR)
    return MarketRisk(beta, volatility, n.astype(np.int64))


def window_sums(values: Matrix, width: int) -> Matrix:
    """Add up the last `width` rows at each row; fewer at the start.

    Parameters
    ----------
    values : ndarray of shape (n_dates, n_columns), finite
    width : int, rows

    Returns
    -------
    ndarray of shape (n_dates, n_columns)

    Notes
    -----
    Sums of 1, 2, 4, 8, ... rows are made by doubling, and those in the binary digits of `width` are
    put together: 252 = 4 + 8 + 16 + 32 + 64 + 128. Each value is added in an order that depends on
    its distance from the row alone, so a result never depends on where the history begins, as
    differences of running sums do; and rounding grows with log2(width) only.
    """
    total = np.zeros_like(values)
    covered = 0
    block, size = values, 1
    while size <= width:
        if width & size:
            total[covered:] += block[: max(len(block) - covered, 0)]
            covered += size
        block = _plus_earlier(block, size)
        size *= 2
    return total


def _plus_earlier(block: Matrix, rows: int) -> Matrix:
    """Add to each row the one that lies `rows` above it, where there is one."""
    doubled = block.copy()
    doubled[rows:] += block[: max(len(block) - rows, 0)]
    return doubled


def rolling_market_risk_rows(
    returns: pd.DataFrame, benchmark: pd.DataFrame, *, first_date: dt.date, window_sessions: int = 252
) -> pd.DataFrame:
    """Give the rows of `research.rolling_measures` from `first_date` on.

    Parameters
    ----------
    returns : DataFrame of shape (n_rows, n_columns)
        Columns instrument_id, trade_date, return_1d (fraction, may be missing); in any order. To be
        complete, it reaches back `window_sessions` sessions from `first_date`.
    benchmark : DataFrame of shape (n_sessions, n_columns)
        Columns trade_date, return_1d (fraction, may be missing); each session once.
    first_date : date
        First `as_of_date` to give.
    window_sessions : int, sessions of the benchmark

    Returns
    -------
    DataFrame of shape (n_rows from first_date, 5)
        Columns instrument_id, as_of_date, beta_252d (ratio), idiosyncratic_volatility_252d (fraction
        per year), n_observations (sessions): one row per row of `returns` from `first_date` on, in
        their order. Measures are NaN where half a window of observations is not there.

    Raises
    ------
    ValueError
        If a session of the benchmark, or an instrument's day, comes twice.

    Notes
    -----
    A day that the benchmark does not know looks at the window that ends with the session before it;
    its own return is in no window.
    """
    sessions, benchmark_returns = _benchmark_in_order(benchmark)
    first = _day(first_date)
    needed = _latest_session(sessions, first) - (window_sessions - 1)
    begin = max(int(needed), 0)
    days = as_days(returns["trade_date"])
    if len(sessions) > 0:
        used = days >= min(sessions[begin], first)
        returns, days = returns[used], days[used]
    codes, instruments = pd.factorize(returns["instrument_id"])
    position = _latest_session(sessions, days) - begin
    matrix = np.full((len(sessions) - begin, len(instruments)), np.nan)
    on_session = np.isin(days, sessions)
    matrix[position[on_session], codes[on_session]] = as_numbers(returns["return_1d"])[on_session]
    _require_one_row_per_day(codes, days)
    risk = rolling_market_risk(
        matrix,
        benchmark_returns[begin:],
        window_sessions=window_sessions,
        min_observations=(window_sessions + 1) // 2,
    )
    wanted = np.flatnonzero(days >= first)
    return _as_rows(returns.iloc[wanted], risk, position[wanted], codes[wanted])


def _as_rows(returns: pd.DataFrame, risk: MarketRisk, position: Positions, codes: Positions) -> pd.DataFrame:
    """Pick each row's measures; before the benchmark's first session there are none."""
    known = position >= 0
    row = np.maximum(position, 0)
    beta = np.full(len(row), np.nan)
    volatility = np.full(len(row), np.nan)
    n_observations = np.zeros(len(row), dtype=np.int64)
    beta[known] = risk.beta[row[known], codes[known]]
    volatility[known] = risk.idiosyncratic_volatility[row[known], codes[known]]
    n_observations[known] = risk.n_observations[row[known], codes[known]]
    return pd.DataFrame(
        {
            "instrument_id": returns["instrument_id"].array,
            "as_of_date": returns["trade_date"].array,
            "beta_252d": beta,
            "idiosyncratic_volatility_252d": volatility,
            "n_observations": n_observations,
        }
    )


def _benchmark_in_order(benchmark: pd.DataFrame) -> tuple[Days, Matrix]:
    days = as_days(benchmark["trade_date"])
    order = np.argsort(days)
    sessions = days[order]
    repeated = sessions[1:][sessions[1:] == sessions[:-1]]
    if len(repeated) > 0:
        raise ValueError(
            f"rolling_market_risk_rows: benchmark must have each session once; got {repeated[0]} twice. "
            "Pass the bars of one benchmark."
        )
    return sessions, as_numbers(benchmark["return_1d"])[order]


def _latest_session(sessions: Days, days: "Days | np.datetime64") -> Positions:
    """Position of the last session up to each day, -1 before the first."""
    return np.asarray(np.searchsorted(sessions, days, side="right") - 1, dtype=np.int64)


def _day(day: dt.date) -> np.datetime64:
    return np.datetime64(day, "D")


def _require_one_row_per_day(codes: Positions, days: Days) -> None:
    keys = pd.Series(codes * np.int64(1_000_000) + days.astype("datetime64[D]").astype(np.int64))
    repeated = np.flatnonzero(keys.duplicated().to_numpy())
    if len(repeated) > 0:
        raise ValueError(
            f"rolling_market_risk_rows: an instrument must have one return per day; got {len(repeated)} more, "
            f"the first on {days[repeated[0]]}. Pass the bars of one source."
        )


def _require_fit(return_1d: Matrix, benchmark: Matrix, window_sessions: int, min_observations: int) -> None:
    if return_1d.ndim != 2 or benchmark.shape != return_1d.shape[:1]:
        raise ValueError(
            "rolling_market_risk: returns must be (n_dates, n_instruments) and the benchmark (n_dates,); "
            f"got {return_1d.shape} and {benchmark.shape}."
        )
    if not 3 <= min_observations <= window_sessions:
        raise ValueError(
            "rolling_market_risk: 3 <= min_observations <= window_sessions must hold; "
            f"got {min_observations=}, {window_sessions=}."
        )
