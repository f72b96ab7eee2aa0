"""What the forecasters learn to foresee: the return of the 21 sessions after the trade.

The signal is known at D's close and traded at the next session's close, so the label runs from
the close of session D+1 to that of D+22, counted in sessions of the market, not of the instrument.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.daily_ranks import centred_ranks
from models.panels import Days, as_days, day_codes_of, day_starts

LABEL_SESSIONS = 22
"""Sessions from D to the close at which D's label is known."""


def forward_returns(
    prices: pd.DataFrame,
    sessions: Sequence[date] | Days,
    *,
    label_sessions: int = LABEL_SESSIONS,
) -> pd.DataFrame:
    """Compute the return from the close of session D+1 to that of D+22.

    Parameters
    ----------
    prices : DataFrame, one row per instrument and trade_date
        marts.fct_daily_prices: instrument_id, trade_date, close_adj (currency per share),
        is_suspect, price_segment. Rows on other days than the sessions are left out.
    sessions : array of shape (n_sessions,), days
        Sessions of the home calendar, ascending, up to the last one known.
    label_sessions : int, sessions
        From D to the exit; at least 2.

    Returns
    -------
    DataFrame of shape (n_sessions, n_instruments), fraction
        ``close_adj[D + label_sessions] / close_adj[D + 1] - 1``; index `as_of_date`, columns
        `instrument_id` sorted.

    Raises
    ------
    ValueError
        If `label_sessions` is below 2 or `sessions` are not ascending.

    Notes
    -----
    Missing: NaN where session D+1 has no bar (nobody can trade), where the bar of entry or exit is
    suspect, where entry and exit lie in different price segments, and for the last
    `label_sessions` sessions. Where the instrument has no bar at the exit (delisted or halted in
    between) the last bar after the entry is the exit: the holder had that price and no other. Only
    sessions up to the exit are looked at to decide that, so later data changes no label.
    Source: Lopez de Prado (2018), Advances in Financial Machine Learning, ch. 7, on labels that
    overlap what comes after them.
    """
    return forward_returns_at(prices, sessions, [label_sessions])[label_sessions]


def forward_returns_at(
    prices: pd.DataFrame, sessions: Sequence[date] | Days, label_sessions: Sequence[int]
) -> dict[int, pd.DataFrame]:
    """Compute `forward_returns` for several lengths, by length; the bars are laid out once."""
    if min(label_sessions) < 2:
        raise ValueError(
            f"forward_returns: label_sessions must be at least 2, since the trade takes the first; "
            f"got label_sessions={min(label_sessions)}"
        )
    days = ascending_sessions(sessions, where="forward_returns")
    grids = _Grids(prices, days)
    index = pd.DatetimeIndex(days.astype("datetime64[s]"), name="as_of_date")
    return {
        length: pd.DataFrame(_returns(grids, length), index=index, columns=grids.instruments)
        for length in label_sessions
    }


def _returns(grids: _Grids, label_sessions: int) -> NDArray[np.float64]:
    """Return of each session and instrument, shape (n_sessions, n_instruments)."""
    n_sessions = len(grids.close)
    returns = np.full(grids.close.shape, np.nan)
    if n_sessions > label_sessions:
        entry = np.arange(1, n_sessions - label_sessions + 1)
        exits = grids.last_bar[label_sessions:]
        columns = np.arange(grids.close.shape[1])
        known = exits > entry[:, None]
        exits = np.maximum(exits, 0)
        known &= grids.segment[entry] == grids.segment[exits, columns]
        ratio = grids.close[exits, columns] / grids.close[entry] - 1.0
        returns[: n_sessions - label_sessions] = np.where(known, ratio, np.nan)
    return returns


def label_panel(returns: pd.DataFrame, index: pd.MultiIndex) -> pd.DataFrame:
    """Put the labels on the rows of a panel and rank them within each day.

    Parameters
    ----------
    returns : DataFrame of shape (n_sessions, n_instruments), fraction
        From `forward_returns`.
    index : MultiIndex of shape (n_rows,)
        Index of the features: the universe of each day, among which the label is ranked.

    Returns
    -------
    DataFrame of shape (n_rows, 2)
        `label_return`, fraction per 21 sessions, and `label_rank`, its rank within the day's rows,
        -0.5 to 0.5.

    Notes
    -----
    Missing: NaN in both columns where the label is not known, or the day or instrument is not in
    `returns`; it takes no place in the ranking.
    """
    day_places = pd.Index(as_days(returns.index)).get_indexer(pd.Index(as_days(index.levels[0])))
    columns = returns.columns.get_indexer(index.levels[1])
    days = day_places[day_codes_of(index)]
    instruments = columns[np.asarray(index.codes[1], dtype=np.intp)]
    values = np.full(len(index), np.nan)
    known = (days >= 0) & (instruments >= 0)
    values[known] = returns.to_numpy(np.float64)[days[known], instruments[known]]
    ranks = centred_ranks(values[:, None], day_starts(index))[:, 0]
    return pd.DataFrame({"label_return": values, "label_rank": ranks}, index=index)


def ascending_sessions(sessions: Sequence[date] | Days, *, where: str) -> Days:
    """Take sessions as days, and refuse them unless each is later than the one before."""
    days = as_days(sessions)
    steps = np.diff(days).astype(np.int64)
    if (steps <= 0).any():
        first = days[1:][steps <= 0][0]
        raise ValueError(
            f"{where}: sessions must be ascending and unique; got {first} out of order. Take them from the calendar."
        )
    return days


class _Grids:
    """Bars laid out by session and instrument; suspect closes are NaN, but the bar counts."""

    def __init__(self, prices: pd.DataFrame, days: Days) -> None:
        self.instruments = pd.Index(prices["instrument_id"].unique(), name="instrument_id").sort_values()
        columns = self.instruments.get_indexer(pd.Index(prices["instrument_id"]))
        trade_dates = as_days(prices["trade_date"])
        rows = pd.Index(days).get_indexer(pd.Index(trade_dates))
        on_session = rows >= 0
        rows, columns = rows[on_session], columns[on_session]
        shape = (len(days), len(self.instruments))
        suspect = prices["is_suspect"].to_numpy(dtype=bool)[on_session]
        close = prices["close_adj"].to_numpy(dtype=np.float64, na_value=np.nan)[on_session]
        self.close: NDArray[np.float64] = np.full(shape, np.nan)
        self.close[rows, columns] = np.where(suspect | ~(close > 0.0), np.nan, close)
        self.segment: NDArray[np.int64] = np.full(shape, -1, dtype=np.int64)
        self.segment[rows, columns] = prices["price_segment"].to_numpy(dtype=np.int64)[on_session]
        has_bar = self.segment >= 0
        places = np.where(has_bar, np.arange(len(days))[:, None], -1)
        # Row t: the newest session up to t on which the instrument has a bar, -1 before its first.
        self.last_bar: NDArray[np.int64] = np.maximum.accumulate(places, axis=0)
