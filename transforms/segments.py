"""Stretches of bars within which prices can be compared: one instrument, one price segment."""

import numpy as np
import numpy.typing as npt
import pandas as pd

from transforms.days import as_days
from transforms.refusals import column_codes


def segment_starts(bars: pd.DataFrame, *, where: str) -> npt.NDArray[np.int64]:
    """Find the first row of each instrument's price segments.

    Parameters
    ----------
    bars : DataFrame of shape (n_bars, n_columns)
        Columns instrument_id, trade_date, price_segment; ordered by instrument_id and trade_date.
    where : str
        Who asks, for the message.

    Returns
    -------
    ndarray of int64, shape (n_segments,), ascending rows

    Raises
    ------
    ValueError
        If bars are out of order.
    """
    if len(bars) == 0:
        return np.zeros(0, dtype=np.int64)
    instrument, n_instruments = column_codes(bars["instrument_id"])
    is_same = instrument[1:] == instrument[:-1]
    is_later = np.diff(as_days(bars["trade_date"])) > np.timedelta64(0, "D")
    if not bool(np.all(is_later | ~is_same)) or int(np.sum(~is_same)) != n_instruments - 1:
        raise ValueError(
            f"{where}: bars must be ordered by instrument_id and trade_date; got {len(bars)} bars out of order. "
            "Sort them."
        )
    segment = bars["price_segment"].to_numpy(dtype=np.int64)
    return np.flatnonzero(np.r_[True, ~is_same | (np.diff(segment) != 0)]).astype(np.int64)
