"""Closes that a book can be valued with across breaks that nobody has explained."""

import numpy as np
import pandas as pd

from transforms.grids import on_grid


def chained_closes(prices: pd.DataFrame) -> pd.DataFrame:
    """Put closes on a (session, instrument) grid and join the price segments of an instrument.

    Parameters
    ----------
    prices : DataFrame, one row per instrument and trade_date
        instrument_id, trade_date, close_adj (currency per share), is_suspect, price_segment.

    Returns
    -------
    DataFrame of shape (n_sessions, n_instruments), currency per share of the first segment
        Index trade_date, columns instrument_id, both ascending. NaN where there is no bar, or a suspect one.

    Notes
    -----
    A jump that only an unadjusted split explains begins a new segment: the return across it is unknown. A book that
    counted it would win or lose a fortune on a printing error; here it is 0, so each segment goes on where the one
    before it ended.
    Point in time: row t reads rows up to t only.
    """
    return chained(prices, ("close_adj",))["close_adj"]


def chained(prices: pd.DataFrame, columns: tuple[str, ...]) -> dict[str, pd.DataFrame]:
    """Do the same with several columns of prices, by column: all are scaled as the closes are."""
    trusted = prices[~prices["is_suspect"].to_numpy(dtype=bool)]
    grids = on_grid(trusted, columns)
    broken = trusted.loc[trusted["price_segment"].to_numpy() > 0, "instrument_id"].unique()
    for instrument, own in trusted[trusted["instrument_id"].isin(broken)].groupby("instrument_id"):
        own = own.sort_values("trade_date")
        close = own["close_adj"].to_numpy(dtype=np.float64)
        begins = np.flatnonzero(np.diff(own["price_segment"].to_numpy())) + 1
        steps = np.ones(len(close))
        steps[begins] = close[begins - 1] / close[begins]
        for name, grid in grids.items():
            grid.loc[own["trade_date"], instrument] = own[name].to_numpy(dtype=np.float64) * np.cumprod(steps)
    return grids
