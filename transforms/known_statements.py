"""Which statement of a company was the newest that was known on each day."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from transforms.days import Days, as_days

Array = npt.NDArray[np.float64]
Rows = npt.NDArray[np.intp]


def known_rows(statements: pd.DataFrame, *, days: Days, instruments: pd.Index) -> Rows:
    """Find the row of the statement that counts on each day.

    Parameters
    ----------
    statements : DataFrame of shape (n_statements, n_columns)
        Columns instrument_id, known_from_date and period_end_date, in any order of rows; of revisions of one period
        that become known on one day the last row counts.
    days : datetime64[D], shape (n_dates,), ascending
    instruments : Index of shape (n_instruments,)

    Returns
    -------
    ndarray of int, shape (n_dates, n_instruments)
        Position in `statements`; -1 where nothing is known.

    Notes
    -----
    Of what is known the latest period counts, of it the latest revision: a restated old period does not displace a
    newer one, as in `marts.fct_fundamentals`.

    Point in time: row t reads statements known from day t or before only.
    """
    names = instruments.get_indexer(pd.Index(statements["instrument_id"]))
    known_from, periods = as_days(statements["known_from_date"]), as_days(statements["period_end_date"])
    first_days = np.searchsorted(days, known_from)
    order = np.lexsort((periods, known_from, names))
    order = order[(names[order] >= 0) & (first_days[order] < len(days))]
    _, ranks = np.unique(periods[order], return_inverse=True)
    # Names ascend, so the largest so far of name and period together is the latest period of this name.
    of_name = names[order] * (len(order) + 1) + ranks
    order = order[of_name == np.maximum.accumulate(of_name)]
    # The position among what is left ascends with the days of each name; of one day the last one is kept.
    newest = np.zeros((len(days), len(instruments)), dtype=np.intp)
    newest[first_days[order], names[order]] = np.arange(1, len(order) + 1)
    np.maximum.accumulate(newest, axis=0, out=newest)
    return np.concatenate([[-1], order])[newest]


def known_values(
    statements: pd.DataFrame, figures: Sequence[str], *, days: Days, instruments: pd.Index
) -> dict[str, pd.DataFrame]:
    """Give figures as they were known on each day.

    Parameters
    ----------
    statements, days, instruments
        As for `known_rows`; the statements have a column for each figure.
    figures : sequence of str

    Returns
    -------
    dict of DataFrames of shape (n_dates, n_instruments), in the unit of the statements
        Index as_of_date, columns instrument_id; NaN where nothing is known or the statement does not tell.
    """
    rows = known_rows(statements, days=days, instruments=instruments)
    index = pd.DatetimeIndex(days.astype("datetime64[s]"), name="as_of_date")
    # A row of -1 finds the NaN behind all others.
    values = {name: np.append(statements[name].to_numpy(dtype=np.float64), np.nan)[rows] for name in figures}
    return {name: pd.DataFrame(found, index, instruments, copy=False) for name, found in values.items()}
