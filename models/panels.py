"""What a panel is here, and how its rows are found: the index that features and labels share.

A panel is a frame or series whose index has the levels `as_of_date` (datetime64) and
`instrument_id`, sorted by both, without duplicates. Splits and ranks go by whole days, so the
day's number of each row is read from the index codes and never computed from dates again.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Days = NDArray[np.datetime64]


def as_days(dates: pd.Series | pd.Index | Sequence[date] | Days) -> Days:
    """Turn dates of any kind into an array of datetime64[D]."""
    return np.asarray(dates).astype("datetime64[D]")


def panel_index(as_of_dates: Days, instrument_ids: pd.Series | pd.Index) -> pd.MultiIndex:
    """Make the index of a panel, sorted, from the keys of its rows in any order.

    Raises
    ------
    ValueError
        If a key occurs twice.
    """
    days, day_codes = np.unique(as_of_dates, return_inverse=True)
    instruments = pd.Index(instrument_ids).unique().sort_values()
    instrument_codes = instruments.get_indexer(pd.Index(instrument_ids))
    keys = np.sort(day_codes.astype(np.int64) * len(instruments) + instrument_codes)
    repeated = keys[1:][keys[1:] == keys[:-1]]
    if repeated.size:
        day, instrument = divmod(int(repeated[0]), len(instruments))
        raise ValueError(
            f"panel_index: keys must be unique; got {repeated.size} repeated, first "
            f"{instruments[instrument]} on {days[day]}. Read one row per instrument and day."
        )
    day_codes, instrument_codes = np.divmod(keys, max(len(instruments), 1))
    return pd.MultiIndex(
        # The stubs ask for plain lists; pandas takes arrays, and lists would cost a second here.
        levels=[pd.DatetimeIndex(days.astype("datetime64[s]")), instruments],  # type: ignore[list-item]
        codes=[day_codes, instrument_codes],  # type: ignore[list-item]
        names=["as_of_date", "instrument_id"],
        verify_integrity=False,
    )


def rows_at(index: pd.MultiIndex, dates: Days, instrument_ids: pd.Series) -> NDArray[np.intp]:
    """Find, for each row of a panel, the position of its key among other keys; -1 where absent.

    Parameters
    ----------
    index : MultiIndex of shape (n_rows,)
    dates : datetime64[D] array of shape (n_keys,)
    instrument_ids : Series of shape (n_keys,)

    Returns
    -------
    array of shape (n_rows,), positions in `dates`

    Raises
    ------
    ValueError
        If two of the other keys that the panel asks for are equal.
    """
    days, instruments = as_days(index.levels[0]), index.levels[1]
    day_codes = _positions(days, dates)
    instrument_codes = instruments.get_indexer(pd.Index(instrument_ids))
    known = np.flatnonzero((day_codes >= 0) & (instrument_codes >= 0))
    cells = np.full(len(days) * len(instruments), -1, dtype=np.intp)
    flat = day_codes[known] * len(instruments) + instrument_codes[known]
    cells[flat] = known
    if not np.array_equal(cells[flat], known):
        again = int(known[cells[flat] != known][0])
        raise ValueError(
            f"rows_at: keys must be unique; got {instrument_ids.iloc[again]} on {dates[again]} "
            f"more than once. Read one row per instrument and day."
        )
    codes = day_codes_of(index) * len(instruments) + np.asarray(index.codes[1], dtype=np.intp)
    return cells[codes]


def day_codes_of(index: pd.MultiIndex) -> NDArray[np.intp]:
    """Number each row's day, in the order of the days."""
    return np.asarray(index.codes[0], dtype=np.intp)


def day_starts(index: pd.MultiIndex) -> NDArray[np.intp]:
    """Position of the first row of each day, and the number of rows at the end.

    Raises
    ------
    ValueError
        If the rows are not sorted by day.
    """
    codes = day_codes_of(index)
    steps = np.diff(codes)
    if (steps < 0).any():
        raise ValueError(
            f"day_starts: rows must be sorted by as_of_date; got {int((steps < 0).sum())} steps "
            f"back. Sort the panel by its index."
        )
    if codes.size == 0:
        return np.zeros(1, dtype=np.intp)
    return np.concatenate([[0], np.flatnonzero(steps) + 1, [codes.size]]).astype(np.intp)


def rows_on(index: pd.MultiIndex, days: Days) -> NDArray[np.intp]:
    """Positions of the rows whose day is among `days`, in the order of the panel."""
    wanted = np.isin(as_days(index.levels[0]), days)
    return np.flatnonzero(wanted[day_codes_of(index)])


def rows_between(index: pd.MultiIndex, first: date, last: date) -> NDArray[np.intp]:
    """Positions of the rows from `first` to `last`, both included, in the order of the panel."""
    days = as_days(index.levels[0])
    wanted = (days >= np.datetime64(first, "D")) & (days <= np.datetime64(last, "D"))
    return np.flatnonzero(wanted[day_codes_of(index)])


def _positions(sorted_days: Days, dates: Days) -> NDArray[np.intp]:
    if sorted_days.size == 0:
        return np.full(dates.shape, -1, dtype=np.intp)
    places = np.searchsorted(sorted_days, dates)
    inside = np.minimum(places, sorted_days.size - 1)
    return np.where(sorted_days[inside] == dates, inside, -1)
