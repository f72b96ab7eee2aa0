"""Skill of a forecast across instruments: rank correlations, deciles, turnover."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from transforms.metrics import Metric

Array = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

N_DECILES = 10
TENTHS = "Tenth floor((r - 0.5) * 10 / n) of the rank r among n, average ranks for ties."


class Evaluation(NamedTuple):
    """Skill per day.

    Attributes
    ----------
    rank_ic : ndarray of shape (n_dates,), ratio
    n_instruments : ndarray of int64, shape (n_dates,)
        Instruments with forecast and label.
    decile_returns : ndarray of shape (n_dates, 10), unit of the label
        Mean label of each tenth by forecast, the worst first.
    decile_up_shares : ndarray of shape (n_dates, 10), fraction
        Share of each tenth's labels above 0.
    decile_turnovers : ndarray of shape (n_dates, 10), fraction
        Share of each tenth that was not in it `horizon_sessions` before.
    """

    rank_ic: Array
    n_instruments: npt.NDArray[np.int64]
    decile_returns: Array
    decile_up_shares: Array
    decile_turnovers: Array


class _Members(NamedTuple):
    """Those in a tenth, of all days: `place` among days and instruments, `cell` among days and tenths, both flat."""

    decile: npt.NDArray[np.int8]
    place: npt.NDArray[np.intp]
    cell: npt.NDArray[np.intp]

    @classmethod
    def of(cls, decile: npt.NDArray[np.int8]) -> "_Members":
        """Find them by the number of the tenth, -1 where there is none; shape (n_dates, n_instruments)."""
        place = np.flatnonzero(decile >= 0)
        return cls(decile, place, place // decile.shape[1] * N_DECILES + decile.ravel()[place])

    def add(self, weights: Array | Flags | None = None) -> Array:
        """Add a weight of each, by default 1, over each tenth; shape (n_dates, 10)."""
        n_rows = len(self.decile)
        sums = np.bincount(self.cell, weights=weights, minlength=n_rows * N_DECILES)
        return sums.astype(np.float64).reshape(n_rows, N_DECILES)

    def are_as_before(self, lag: int) -> Flags:
        """Tell who was in the same tenth `lag` days before; shape of `place`."""
        numbers = self.decile.ravel()
        before = self.place - lag * self.decile.shape[1]
        return np.asarray((before >= 0) & (numbers[np.maximum(before, 0)] == numbers[self.place]))


def evaluate(forecast: Array, label: Array, *, horizon_sessions: int = 22) -> Evaluation:
    """Compare forecasts with what came, day by day.

    Parameters
    ----------
    forecast : ndarray of shape (n_dates, n_instruments), any unit
        One row per session, oldest first; NaN where there is none.
    label : ndarray of shape (n_dates, n_instruments), fraction per horizon
        What the forecast was to foretell; NaN where it is not known.
    horizon_sessions : int, sessions
        Length of the label, and the lag of the turnover.

    Returns
    -------
    Evaluation

    Raises
    ------
    ValueError
        If the shapes differ or the horizon is not positive.

    Notes
    -----
    Missing: an instrument without forecast or label is left out of its day altogether. A day with
    fewer than two instruments, or without any variation in forecast or label, has no rank IC (NaN);
    with fewer than ten it has no deciles.
    Ties: the rank IC is Spearman's, with average ranks. A decile holds the instruments whose rank r
    (average, 1 worst) of n has ``floor((r - 0.5) * 10 / n)`` equal to its number.
    Source: Grinold and Kahn (2000), Active Portfolio Management, chapter 6.
    """
    if forecast.ndim != 2 or forecast.shape != label.shape or horizon_sessions < 1:
        raise ValueError(
            "evaluate: forecast and label must have the same shape (n_dates, n_instruments) and the horizon be "
            f"1 or more; got {forecast.shape}, {label.shape}, {horizon_sessions=}. Align them by day and instrument."
        )
    is_present = np.isfinite(forecast) & np.isfinite(label)
    n = np.asarray(is_present.sum(axis=1), dtype=np.int64)
    forecast_rank = average_ranks(forecast, is_present)
    label_rank = average_ranks(label, is_present)
    members = _Members.of(_deciles(forecast_rank, is_present, n))
    return Evaluation(
        rank_ic=_correlation(forecast_rank, label_rank, is_present, n),
        n_instruments=n,
        decile_returns=_decile_means(members, label),
        decile_up_shares=_decile_means(members, (label > 0.0).astype(np.float64)),
        decile_turnovers=_turnovers(members, horizon_sessions),
    )


def rank_correlations(forecast: Array, label: Array) -> Array:
    """Correlate forecasts with what came, day by day: the rank IC of `evaluate` alone.

    Parameters
    ----------
    forecast, label : ndarrays of shape (n_dates, n_instruments)
        NaN on either side leaves the instrument out.

    Returns
    -------
    ndarray of shape (n_dates,), ratio
    """
    is_present = np.isfinite(forecast) & np.isfinite(label)
    n = np.asarray(is_present.sum(axis=1), dtype=np.int64)
    return _correlation(average_ranks(forecast, is_present), average_ranks(label, is_present), is_present, n)


def average_ranks(values: Array, is_present: Flags) -> Array:
    """Rank each row from 1 (lowest), equal values sharing their average rank.

    Shape (n_dates, n_instruments); 0 where `is_present` is false.
    """
    n_rows, n_columns = values.shape
    keyed = np.where(is_present, values, np.inf)
    order = np.argsort(keyed, axis=1)
    ordered = np.take_along_axis(keyed, order, axis=1)
    place = np.broadcast_to(np.arange(1.0, n_columns + 1), (n_rows, n_columns))
    is_tied = ordered[:, 1:] == ordered[:, :-1]
    if bool(np.any(is_tied & np.isfinite(ordered[:, 1:]))):
        place = _shared_places(is_tied, n_columns)
    ranks = np.empty_like(keyed)
    np.put_along_axis(ranks, order, place, axis=1)
    return np.where(is_present, ranks, 0.0)


def _shared_places(is_tied: Flags, n_columns: int) -> Array:
    """Give every run of equal values the mean of its first and last place; shape (n_dates, n_columns)."""
    n_rows = len(is_tied)
    edge = np.ones((n_rows, 1), dtype=bool)
    column = np.arange(n_columns)
    first = np.maximum.accumulate(np.where(np.hstack([edge, ~is_tied]), column, 0), axis=1)
    ends = np.where(np.hstack([~is_tied, edge]), column, n_columns)
    last = np.minimum.accumulate(ends[:, ::-1], axis=1)[:, ::-1]
    return (first + last) / 2.0 + 1.0


def _correlation(x: Array, y: Array, is_present: Flags, n: npt.NDArray[np.int64]) -> Array:
    """Correlate two sets of ranks row by row; their mean is (n + 1) / 2 also with ties."""
    middle = ((n + 1) / 2.0)[:, None]
    dx = np.where(is_present, x - middle, 0.0)
    dy = np.where(is_present, y - middle, 0.0)
    squares = np.einsum("ij,ij->i", dx, dx) * np.einsum("ij,ij->i", dy, dy)
    result = np.full(len(x), np.nan)
    np.divide(np.einsum("ij,ij->i", dx, dy), np.sqrt(squares), out=result, where=squares > 0)
    return result


def _deciles(rank: Array, is_present: Flags, n: npt.NDArray[np.int64]) -> npt.NDArray[np.int8]:
    """Number the tenths from 0 (worst); -1 where there is none."""
    tenth = np.floor((rank - 0.5) * N_DECILES / np.maximum(n, 1)[:, None])
    return np.where(is_present & (n >= N_DECILES)[:, None], tenth, -1).astype(np.int8)


def _decile_means(members: _Members, label: Array) -> Array:
    """Average the labels of each tenth; shape (n_dates, 10)."""
    totals, counts = members.add(label.ravel()[members.place]), members.add()
    means = np.full(totals.shape, np.nan)
    np.divide(totals, counts, out=means, where=counts > 0)
    return means


def _turnovers(members: _Members, lag: int) -> Array:
    """Give the share of each tenth that was not in it `lag` rows before; NaN where one of them is empty."""
    n_members = members.add()
    n_stayed = members.add(members.are_as_before(lag))[lag:]
    result = np.full(n_members.shape, np.nan)
    known = (n_members[lag:] > 0) & (n_members[:-lag] > 0)
    result[lag:][known] = 1.0 - n_stayed[known] / n_members[lag:][known]
    return result


def newey_west_t(values: Array, *, lag: int) -> float:
    """Test whether the mean of a correlated series is 0.

    Parameters
    ----------
    values : ndarray of shape (n,)
        NaN are left out, as if the days around them were neighbours.
    lag : int
        Lags of the autocovariance; labels that overlap by h sessions need h - 1 at least.

    Returns
    -------
    float
        Mean over its standard error; NaN for fewer than two values or without variation.

    Notes
    -----
    Bartlett weights ``1 - k / (lag + 1)``, no small-sample correction.
    Source: Newey and West (1987), Econometrica 55(3).
    """
    known = values[np.isfinite(values)]
    if len(known) < 2:
        return float("nan")
    variance = newey_west_variance(known, lag=lag)
    # A constant series leaves a variance of rounding errors.
    if variance <= 1e-28 * max(float(known @ known) / len(known), 1e-300):
        return float("nan")
    return float(known.mean() / np.sqrt(variance / len(known)))


def newey_west_variance(values: Array, *, lag: int) -> float:
    """Estimate the long-run variance of a correlated series: that of its mean, times its length.

    Parameters
    ----------
    values : ndarray of shape (n,), finite
    lag : int

    Returns
    -------
    float, unit of the values squared
        Weights as in `newey_west_t`.
    """
    n, centred = len(values), values - values.mean()
    variance = float(centred @ centred) / n
    for k in range(1, min(lag, n - 1) + 1):
        variance += 2.0 * (1.0 - k / (lag + 1)) * float(centred[k:] @ centred[:-k]) / n
    return variance


def summarise(evaluation: Evaluation, *, horizon_sessions: int = 22) -> list[Metric]:
    """Condense the daily figures over all days.

    Parameters
    ----------
    evaluation : Evaluation
    horizon_sessions : int, sessions
        Length of the label.

    Returns
    -------
    list of Metric
        NaN days are left out; a figure without any day is NaN.
    """
    ic = evaluation.rank_ic[np.isfinite(evaluation.rank_ic)]
    mean, deviation = _mean(ic), float(ic.std(ddof=1)) if len(ic) > 1 else float("nan")
    spread = evaluation.decile_returns[:, -1] - evaluation.decile_returns[:, 0]
    deciles = _columns_mean(evaluation.decile_returns)
    lag = horizon_sessions - 1
    label = f"fraction per {horizon_sessions} sessions"
    return [
        Metric("n_days", float(len(ic)), "days", "Days with a rank IC."),
        Metric("rank_ic_mean", mean, "ratio", "Mean of the daily Spearman correlations of forecast and label."),
        Metric("rank_ic_sd", deviation, "ratio", "Sample standard deviation (ddof 1) of the daily rank IC."),
        Metric(
            "rank_ic_ir",
            mean / deviation if deviation > 0 else float("nan"),
            "ratio",
            "ICIR: mean of the daily rank IC over its sample standard deviation, not annualised.",
        ),
        Metric(
            "rank_ic_t",
            newey_west_t(ic, lag=lag),
            "ratio",
            f"Mean of the daily rank IC over its Newey-West standard error: Bartlett weights, {lag} lags, "
            "no small-sample correction.",
        ),
        Metric(
            "rank_ic_positive_share",
            _mean((ic > 0).astype(np.float64)),
            "fraction",
            "Share of days with a rank IC above 0.",
        ),
        Metric(
            "top_decile_return_mean",
            float(deciles[-1]),
            label,
            f"Mean over days of the best tenth's mean label. {TENTHS}",
        ),
        Metric("bottom_decile_return_mean", float(deciles[0]), label, "The same of the worst tenth."),
        Metric(
            "decile_spread_mean",
            _mean(spread),
            label,
            f"Mean over days of best less worst tenth's mean label. {TENTHS}",
        ),
        Metric(
            "decile_spread_t",
            newey_west_t(spread, lag=lag),
            "ratio",
            f"Mean spread over its Newey-West standard error: Bartlett weights, {lag} lags.",
        ),
        Metric(
            "decile_monotonicity",
            _monotonicity(deciles),
            "ratio",
            "Spearman correlation of the number of the tenth and its mean label over all days.",
        ),
        Metric(
            "top_decile_turnover_mean",
            _mean(evaluation.decile_turnovers[:, -1]),
            "fraction",
            f"Mean share of the best tenth that was not in it {horizon_sessions} sessions before.",
        ),
    ]


def _mean(values: Array) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else float("nan")


def _columns_mean(values: Array) -> Array:
    return np.array([_mean(column) for column in values.T])


def _monotonicity(means: Array) -> float:
    if not np.isfinite(means).all():
        return float("nan")
    everywhere = np.ones((1, len(means)), dtype=bool)
    ranks = average_ranks(means[None, :], everywhere)
    numbers = np.arange(1.0, len(means) + 1)[None, :]
    return float(_correlation(numbers, ranks, everywhere, np.array([len(means)]))[0])
