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
    ranks: pd.DataFrame,
    *,
    quantile: float = 0.1,
    long_only: bool = True,
    invested: float = 1.0,
    sectors: "pd.Series | None" = None,
) -> pd.DataFrame:
    """Hold the best quantile in equal weights, and short the worst if asked to.

    Parameters
    ----------
    ranks : DataFrame of shape (n_rebalances, n_instruments), places
        1 is the best; null where an instrument is not ranked. Ranks of a row differ from each other.
    quantile : float, fraction
        Share of the ranked instruments to hold, above 0 and at most 0.5; one at least is held.
    long_only : bool
        If false, the worst quantile is held with the opposite weights; where too few are ranked for both sides, neither
        is held.
    invested : float, fraction
        Sum of the long weights.
    sectors : Series of shape (n_instruments,), index instrument_id, optional
        If given, the quantile is taken within each sector, and a sector gets the share of the weight that it has of the
        ranked instruments: the book is neutral to sectors. Those without a sector are one of their own.

    Returns
    -------
    DataFrame of shape (n_rebalances, n_instruments), fraction
        A row without ranked instruments has no weights: everything is sold.
    """
    if sectors is not None:
        return _by_sector(ranks, sectors, quantile=quantile, long_only=long_only, invested=invested)
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
        weights = weights - np.where(order > n_ranked - n_held, invested / n_held, 0.0)
        weights = np.where(2 * n_held <= n_ranked, weights, 0.0)
    return pd.DataFrame(weights, index=ranks.index, columns=ranks.columns)


def equal_weights(ranks: pd.DataFrame) -> pd.DataFrame:
    """Hold all that is ranked in equal weights: what a choice among them is measured by.

    Parameters
    ----------
    ranks : DataFrame of shape (n_rebalances, n_instruments), places
        Null where an instrument is not ranked.

    Returns
    -------
    DataFrame of shape (n_rebalances, n_instruments), fraction
        A row without ranked instruments has no weights.
    """
    is_ranked = ranks.notna()
    return is_ranked.astype(np.float64).div(is_ranked.sum(axis=1).clip(lower=1), axis=0)


def _by_sector(
    ranks: pd.DataFrame, sectors: pd.Series, *, quantile: float, long_only: bool, invested: float
) -> pd.DataFrame:
    of = sectors.reindex(ranks.columns).astype("object").fillna("")
    n_ranked = ranks.notna().sum(axis=1).to_numpy(dtype=np.float64)[:, None]
    weights = pd.DataFrame(0.0, index=ranks.index, columns=ranks.columns)
    for sector in sorted(set(of)):
        own = ranks.loc[:, (of == sector).to_numpy()]
        share = own.notna().sum(axis=1).to_numpy(dtype=np.float64)[:, None] / np.maximum(n_ranked, 1.0)
        weights[own.columns] = quantile_weights(own, quantile=quantile, long_only=long_only, invested=invested) * share
    return weights


def capped_weights(weights: pd.DataFrame, *, max_weight: float) -> pd.DataFrame:
    """Limit each position; what is cut off goes to the others in proportion, as far as they have room.

    Parameters
    ----------
    weights : DataFrame of shape (n_rebalances, n_instruments), fraction
        Longs and shorts are limited apart from each other.
    max_weight : float, fraction
        Above 0.

    Returns
    -------
    DataFrame of the same shape, fraction
        What finds no room is left in cash.
    """
    if not max_weight > 0:
        raise ValueError(f"capped_weights: max_weight must be above 0; got {max_weight=}. 0.05 is five per cent.")
    values = weights.to_numpy(dtype=np.float64)
    longs, shorts = (_capped(np.maximum(sign * values, 0.0), max_weight) for sign in (1.0, -1.0))
    return pd.DataFrame(longs - shorts, index=weights.index, columns=weights.columns)


def _capped(weights: npt.NDArray[np.float64], limit: float) -> npt.NDArray[np.float64]:
    """Cap rows of weights of 0 or more; each pass fills at least one more position up."""
    capped = weights.copy()
    for _ in range(weights.shape[1]):
        excess = np.maximum(capped - limit, 0.0).sum(axis=1, keepdims=True)
        capped = np.minimum(capped, limit)
        open_ = np.where((capped < limit) & (capped > 0.0), capped, 0.0)
        room = open_.sum(axis=1, keepdims=True)
        if not bool(((excess > 1e-15) & (room > 0.0)).any()):
            break
        capped += np.where(room > 0.0, open_ / np.where(room > 0.0, room, 1.0), 0.0) * excess
    return np.minimum(capped, limit)


def volatility_scaled(
    weights: pd.DataFrame,
    close_adj: pd.DataFrame,
    *,
    target: float,
    lookback_sessions: int = 63,
    max_gross: float = 1.0,
) -> pd.DataFrame:
    """Scale weights so that the book would have had the wanted volatility.

    Parameters
    ----------
    weights : DataFrame of shape (n_rebalances, n_instruments), fraction
        Index: days of `close_adj`.
    close_adj : DataFrame of shape (n_dates, n_instruments), currency per share
        With the columns of `weights` among its own.
    target : float, fraction per year
    lookback_sessions : int, sessions
        Daily returns of these weights over so many sessions up to the day, a missing one counting 0.
    max_gross : float, fraction
        Sum of absolute weights that is not exceeded: 1 borrows nothing.

    Returns
    -------
    DataFrame of the same shape, fraction
        A row whose past volatility is not known yet (or is 0) is scaled to `max_gross` at most.

    Notes
    -----
    ``scale = target / (sample deviation (ddof 1) of the returns of the weights x sqrt(252))``.
    Point in time: a row reads closes up to its own day.
    """
    if not target > 0 or lookback_sessions < 2 or not max_gross > 0:
        raise ValueError(
            f"volatility_scaled: target and max_gross must be above 0 and lookback_sessions 2 or more; got {target=}, "
            f"{max_gross=}, {lookback_sessions=}. 0.1 is ten per cent a year."
        )
    returns = close_adj[weights.columns].pct_change(fill_method=None).fillna(0.0).to_numpy(dtype=np.float64)
    rows = close_adj.index.get_indexer(weights.index).tolist()
    values = weights.to_numpy(dtype=np.float64)
    scaled = np.empty_like(values)
    for place, (row, own) in enumerate(zip(rows, values, strict=True)):
        past = returns[max(row - lookback_sessions + 1, 1) : row + 1] @ own
        deviation = float(past.std(ddof=1)) * np.sqrt(252.0) if len(past) == lookback_sessions else 0.0
        gross = float(np.abs(own).sum())
        most = max_gross / gross if gross > 0 else 1.0
        scaled[place] = own * min(target / deviation if deviation > 1e-12 else np.inf, most)
    return pd.DataFrame(scaled, index=weights.index, columns=weights.columns)
