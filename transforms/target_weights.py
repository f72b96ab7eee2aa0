"""Turn orders of preference into target weights, and choose the days to rebalance."""

from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from transforms.days import Days

Frequency = Literal["daily", "weekly", "monthly", "quarterly"]
FREQUENCIES: tuple[Frequency, ...] = ("daily", "weekly", "monthly", "quarterly")


def rebalance_rows(days: Days, *, every: Frequency = "monthly") -> npt.NDArray[np.intp]:
    """Choose the first session of each day, week, month or quarter.

    Parameters
    ----------
    days : ndarray of datetime64[D], shape (n_dates,)
        Sessions, ascending.
    every : str
        daily, weekly (weeks begin on Monday), monthly or quarterly.

    Returns
    -------
    ndarray of int, shape (n_rebalances,)
        Positions in `days`, ascending.

    Notes
    -----
    The first session, not the last: whether a session is the last of its month is known only once
    the next one has begun, and the newest session of a series always looks like one. The first row
    counts as the beginning of its period.
    """
    if every not in FREQUENCIES:
        raise ValueError(f"rebalance_rows: every must be one of {FREQUENCIES}; got {every!r}. Choose one of them.")
    number = days.astype("datetime64[D]").astype(np.int64)
    months = days.astype("datetime64[M]").astype(np.int64)
    # 1970-01-01 was a Thursday; three days more begin the weeks on Monday.
    period = {"daily": number, "weekly": (number + 3) // 7, "monthly": months, "quarterly": months // 3}[every]
    return np.flatnonzero(np.r_[True, period[1:] != period[:-1]]) if len(days) else np.empty(0, dtype=np.intp)


def quantile_weights(
    ranks: pd.DataFrame, *, quantile: float = 0.1, long_only: bool = True, invested: float = 1.0
) -> pd.DataFrame:
    """Hold the best quantile in equal weights, and short the worst if asked to.

    Parameters
    ----------
    ranks : DataFrame of shape (n_rebalances, n_instruments), places
        1 is the best; null where an instrument is not ranked. Ranks of a row differ from each other.
    quantile : float, fraction
        Share of the ranked instruments to hold, above 0 and at most 0.5; one at least is held.
    long_only : bool
        If false, the worst quantile is held with the opposite weights.
    invested : float, fraction
        Sum of the long weights.

    Returns
    -------
    DataFrame of shape (n_rebalances, n_instruments), fraction
        A row without ranked instruments has no weights: everything is sold.
    """
    if not 0 < quantile <= 0.5:
        raise ValueError(
            f"quantile_weights: quantile must be above 0 and at most 0.5; got {quantile=}. 0.1 holds the best tenth."
        )
    places = ranks.to_numpy(dtype=np.float64, na_value=np.nan)
    # Places may have holes where instruments were left out after ranking.
    order = pd.DataFrame(places).rank(axis=1).to_numpy(dtype=np.float64)
    n_ranked = np.sum(~np.isnan(places), axis=1, keepdims=True)
    n_held = np.maximum(np.floor(n_ranked * quantile + 1e-9), 1)
    weights = np.where(order <= n_held, invested / n_held, 0.0)
    if not long_only:
        is_worst = (order > n_ranked - n_held) & (order > n_held)
        weights = weights - np.where(is_worst, invested / n_held, 0.0)
    return pd.DataFrame(weights, index=ranks.index, columns=ranks.columns)
