"""Ranks within each day. They look at one day only, so nothing has to be fitted or held back."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray


def daily_ranks(values: NDArray[np.float64], day_starts: NDArray[np.intp]) -> NDArray[np.float64]:
    """Rank every column within its day, 0 for the least and 1 for the greatest.

    Parameters
    ----------
    values : array of shape (n_rows, n_columns)
        Rows of one day are neighbours.
    day_starts : array of shape (n_days + 1,)
        First row of each day, then `n_rows`.

    Returns
    -------
    array of shape (n_rows, n_columns), fraction
        ``(place - 1) / (n - 1)`` among the n values present; equal values share the mean of their
        places, and a value alone on its day is in the middle, 0.5.

    Notes
    -----
    Missing: NaN stays NaN and takes no place.
    Point in time: a row depends on the rows of its own day only.
    """
    ranks = np.empty(values.shape, dtype=np.float64)
    for start, end in pairwise(day_starts):
        ranks[start:end] = _ranks(values[start:end].T).T
    return ranks


def centred_ranks(values: NDArray[np.float64], day_starts: NDArray[np.intp]) -> NDArray[np.float64]:
    """Rank every column within its day, from -0.5 for the least to 0.5 for the greatest.

    As `daily_ranks`, less 0.5: a value in the middle of its day is 0.
    """
    return daily_ranks(values, day_starts) - 0.5


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rank along the last axis of an array of shape (n_columns, n_rows of one day)."""
    n_rows = values.shape[1]
    order = np.argsort(values, axis=1, kind="stable")
    ordered = np.take_along_axis(values, order, axis=1)
    places = np.broadcast_to(np.arange(n_rows, dtype=np.float64), values.shape)
    tied = ordered[:, 1:] == ordered[:, :-1]
    if tied.any():
        places = _shared_places(tied)
    n_present = n_rows - np.isnan(values).sum(axis=1, keepdims=True)
    # NaN sorts to the end, so the values present hold the places 0 to n_present - 1.
    scaled = np.where(n_present == 1, 0.5, places / np.maximum(n_present - 1, 1))
    scaled[np.isnan(ordered)] = np.nan
    ranks = np.empty_like(scaled)
    np.put_along_axis(ranks, order, scaled, axis=1)
    return ranks


def _shared_places(tied: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Mean of the first and last place of each run of equal values."""
    n_columns, n_rows = tied.shape[0], tied.shape[1] + 1
    places = np.arange(n_rows)
    edge = np.ones((n_columns, 1), dtype=bool)
    begins = np.concatenate([edge, ~tied], axis=1)
    ends = np.concatenate([~tied, edge], axis=1)
    first = np.maximum.accumulate(np.where(begins, places, 0), axis=1)
    last = np.minimum.accumulate(np.where(ends, places, n_rows)[:, ::-1], axis=1)[:, ::-1]
    return (first + last) / 2.0
