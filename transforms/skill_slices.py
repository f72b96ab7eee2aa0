"""Where and when a forecast has skill: by horizon, year and sector, and over the baseline."""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from transforms.evaluation import newey_west_t, rank_correlations
from transforms.metrics import Metric

Array = npt.NDArray[np.float64]

# A forecaster beats the baseline when the mean difference of their daily rank ICs is so many standard errors above 0.
BEATS_AT_T = 2.0
DAILY = "daily Spearman correlations of forecast and label"


def sector_correlations(forecast: Array, label: Array, sectors: Sequence[str | None]) -> dict[str, Array]:
    """Correlate forecasts with what came within each sector.

    Parameters
    ----------
    forecast, label : ndarrays of shape (n_dates, n_instruments)
        NaN on either side leaves the instrument out.
    sectors : sequence of str or None, length n_instruments
        None is in no sector.

    Returns
    -------
    dict of ndarray of shape (n_dates,), ratio
        By sector, in order of their names.
    """
    of = np.array([sector or "" for sector in sectors], dtype=object)
    names = sorted({sector for sector in sectors if sector})
    return {name: rank_correlations(forecast[:, of == name], label[:, of == name]) for name in names}


def by_horizon(rank_ic: Array, horizons: Sequence[int]) -> list[Metric]:
    """Average the rank IC over days for each holding time.

    Parameters
    ----------
    rank_ic : ndarray of shape (n_dates, n_horizons), ratio
    horizons : sequence of int, sessions after the trade

    Returns
    -------
    list of Metric
    """
    return [
        Metric(
            f"rank_ic_{sessions}_sessions",
            _mean(column),
            "ratio",
            f"Mean of the {DAILY}, where the label is the return of the {sessions} sessions after the trade.",
        )
        for sessions, column in zip(horizons, rank_ic.T, strict=True)
    ]


def by_year(days: npt.NDArray[np.datetime64], rank_ic: Array) -> list[Metric]:
    """Average the rank IC over the days of each calendar year; both of shape (n_dates,)."""
    years = days.astype("datetime64[Y]").astype(int) + 1970
    return [
        Metric(
            f"rank_ic_{year}", _mean(rank_ic[years == year]), "ratio", f"Mean of the {DAILY} over the days of {year}."
        )
        for year in np.unique(years).tolist()
    ]


def by_sector(rank_ic: Mapping[str, Array]) -> list[Metric]:
    """Average the rank IC within each sector over days; arrays of shape (n_dates,) by sector."""
    return [
        Metric(
            f"rank_ic_sector_{_as_name(sector)}",
            _mean(values),
            "ratio",
            f"Mean of the {DAILY} within the sector {sector}, by the sectors of today.",
        )
        for sector, values in sorted(rank_ic.items())
    ]


def over_baseline(rank_ic: Array, baseline_rank_ic: Array, *, baseline: str, lag: int) -> list[Metric]:
    """Compare a forecaster with the baseline on the same days.

    Parameters
    ----------
    rank_ic, baseline_rank_ic : ndarrays of shape (n_dates,), ratio
    baseline : str
        Id of the baseline.
    lag : int
        Lags of the autocovariance.

    Returns
    -------
    list of Metric
        rank_ic_over_baseline and rank_ic_over_baseline_t.
    """
    difference = rank_ic - baseline_rank_ic
    return [
        Metric(
            "rank_ic_over_baseline", _mean(difference), "ratio", f"Mean of the daily rank IC less that of {baseline}."
        ),
        Metric(
            "rank_ic_over_baseline_t",
            newey_west_t(difference, lag=lag),
            "ratio",
            f"That mean over its Newey-West standard error: Bartlett weights, {lag} lags; from {BEATS_AT_T:g} on the "
            "forecaster beats the baseline.",
        ),
    ]


def beats_baseline(t: float | None) -> bool:
    """Tell whether a `rank_ic_over_baseline_t` is enough."""
    return t is not None and t >= BEATS_AT_T


def verdict(model_id: str, baseline: str, *, difference: float | None, t: float | None) -> str:
    """Say in a sentence how a forecaster stands to the baseline."""
    if difference is None or t is None or not np.isfinite(difference + t):
        return f"{model_id} cannot be compared with {baseline} yet."
    figures = f"rank IC {difference:+.4f} over it, t {t:+.2f}"
    if beats_baseline(t):
        return f"{model_id} beats {baseline}: {figures}."
    return f"{model_id} does not beat {baseline}: {figures}, below {BEATS_AT_T:g}."


def _as_name(text: str) -> str:
    return "_".join("".join(letter if letter.isalnum() else " " for letter in text.lower()).split())


def _mean(values: Array) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else float("nan")
