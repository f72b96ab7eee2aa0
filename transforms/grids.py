"""From rows of days and instruments to grids."""

from collections.abc import Sequence

import numpy as np
import pandas as pd


def on_grid(rows: pd.DataFrame, columns: Sequence[str], *, day: str = "trade_date") -> dict[str, pd.DataFrame]:
    """Lay columns out as (session, instrument) grids, all at once.

    Parameters
    ----------
    rows : DataFrame, one row per instrument and day
        instrument_id, the day, and the columns.
    day : str
        Column with the day.

    Returns
    -------
    dict of DataFrame of shape (n_sessions, n_instruments), by column
        Index the day, columns instrument_id, both ascending; NaN where there is no row.

    Raises
    ------
    ValueError
        If an instrument has two rows in a session.
    """
    row, days = pd.factorize(rows[day], sort=True)
    column, instruments = pd.factorize(rows["instrument_id"], sort=True)
    place = row * len(instruments) + column
    n_rows = np.bincount(place, minlength=1)
    if n_rows.max() > 1:
        raise ValueError(
            f"on_grid: an instrument must have one row per session; got {int((n_rows > 1).sum())} with more. Read one "
            "source's rows."
        )
    grids = {}
    for name in columns:
        values = np.full(len(days) * len(instruments), np.nan)
        values[place] = rows[name].to_numpy(dtype=np.float64, na_value=np.nan)
        grids[name] = pd.DataFrame(
            values.reshape(len(days), len(instruments)), index=pd.Index(days, name=day),
            columns=pd.Index(instruments, name="instrument_id"),
        )  # fmt: skip
    return grids
