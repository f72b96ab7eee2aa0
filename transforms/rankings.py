"""Scores, ranks and signals of the risk profiles, from factor exposures and a forecast."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from transforms.profiles import GROUPS, Profile

Array = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]

MAX_Z = 3.0
# A score of 0 or 100 needs every group at the clipping limit.
POINTS_PER_Z = 50.0 / MAX_Z

NO_DATA = "no_data"

# From the share of the ranked instruments that lie below, in the middle of one's own place.
SIGNAL_STEPS = np.array([0.1, 0.3, 0.7, 0.9])
SIGNALS = pd.array(["strong_sell", "sell", "hold", "buy", "strong_buy", "not_ranked"], dtype="str")
NOT_RANKED = 5


@dataclass(frozen=True)
class _Days:
    """Rows of a frame ordered by day and instrument, so that each day is one block."""

    order: Codes
    starts: Codes
    sizes: Codes
    code: Codes


def rankings(exposures: pd.DataFrame, *, profile: Profile) -> pd.DataFrame:
    """Score and rank the members of the universe, all days at once.

    Parameters
    ----------
    exposures : DataFrame of shape (n_rows, n_columns)
        One row per instrument_id and as_of_date; the `<factor>_z` columns of
        `factors.fct_factor_exposures` (standard deviations), the columns that the profile's limits
        name, and `forecast` (any unit; NaN or absent where there is none).
    profile : Profile
        Weights of the groups and risk limits.

    Returns
    -------
    DataFrame of shape (n_rows, 15), ordered by as_of_date and instrument_id
        profile, as_of_date, instrument_id, rank (places, 1 best, null where not ranked), score
        (points 0 to 100), signal, breached_limit (null where none is), contribution_<group>
        (points), missing_groups (tuple of group names). The index labels are those of `exposures`.

    Raises
    ------
    ValueError
        If an instrument comes twice on a day.

    Notes
    -----
    A group's z is the mean of its present factors' z, each clipped to +-3 and signed so that more is
    better (`transforms.profiles.GROUPS`); the forecast's z is its z-score within the day. The weight of a
    group without a value goes to the others in proportion. ``contribution = 50 / 3 * weight * z``
    and ``score = 50 + sum(contributions)``.

    Ranks order the instruments that breach no limit by score, ties by instrument_id. The signal of
    place r of n comes from the percentile ``(n - r + 0.5) / n``: strong_buy from 0.9, buy from 0.7,
    hold, sell below 0.3, strong_sell below 0.1. A limit whose measure is missing is not breached;
    an instrument without any group is not ranked (no_data).

    Point in time: a row depends on the rows of its own day only, bit for bit.
    """
    days = _days(exposures)
    frame = exposures.iloc[days.order]
    z = _group_z(frame, days)
    weights = _shared_out(np.array([profile.weights[group] for group in GROUPS]), ~np.isnan(z))
    # Adding 0 turns the -0.0 of a group without weight into 0.0.
    contributions = POINTS_PER_Z * weights * np.nan_to_num(z) + 0.0
    score = np.clip(50.0 + contributions.sum(axis=1), 0.0, 100.0)
    breached = _breached(frame, profile, has_data=np.any(weights > 0, axis=1))
    place, percentile = _places(score, breached < 0, days)
    is_ranked = place > 0
    limit_names = pd.array([*(limit.name for limit in profile.limits), NO_DATA, None], dtype="str")
    signal = np.where(is_ranked, np.searchsorted(SIGNAL_STEPS, percentile, side="right"), NOT_RANKED)
    columns: dict[str, object] = {
        "profile": pd.array([profile.name], dtype="str").take(np.zeros(len(frame), dtype=np.intp)),
        "as_of_date": frame["as_of_date"],
        "instrument_id": frame["instrument_id"],
        "rank": pd.Series(np.where(is_ranked, place, 1), index=frame.index, dtype="Int64").where(is_ranked),
        "score": score,
        "signal": SIGNALS.take(signal),
        "breached_limit": limit_names.take(np.where(breached < 0, len(profile.limits) + 1, breached)),
        **{f"contribution_{group}": contributions[:, position] for position, group in enumerate(GROUPS)},
        "missing_groups": _missing_groups(np.isnan(z), profile),
    }
    return pd.DataFrame(columns, index=frame.index)


def _days(exposures: pd.DataFrame) -> _Days:
    """Order the rows by day and instrument and find where each day begins."""
    day, _ = pd.factorize(exposures["as_of_date"], sort=True)
    instrument, _ = pd.factorize(exposures["instrument_id"], sort=True)
    n_instruments = int(instrument.max(initial=0)) + 1
    key = day.astype(np.int64) * n_instruments + instrument
    # Tables come ordered; then the sort, half of the time, can be left out.
    is_ordered = bool(np.all(key[1:] >= key[:-1]))
    order = np.arange(len(key)) if is_ordered else np.argsort(key, kind="stable")
    sorted_day = day[order]
    if bool(np.any(np.diff(key[order]) == 0)):
        raise ValueError(
            f"rankings: an instrument must come once a day; got {len(key) - len(np.unique(key))} rows too many. "
            "Pass the exposures of one universe."
        )
    starts = np.flatnonzero(np.r_[True, sorted_day[1:] != sorted_day[:-1]]) if len(day) else np.empty(0, np.int64)
    sizes = np.diff(np.r_[starts, len(day)])
    return _Days(order=order, starts=starts, sizes=sizes, code=np.repeat(np.arange(len(starts)), sizes))


def _group_z(frame: pd.DataFrame, days: _Days) -> Array:
    """Give the z of each group; shape (n_rows, n_groups), NaN where a group has no value."""
    z = np.full((len(frame), len(GROUPS)), np.nan)
    for position, factors in enumerate(GROUPS.values()):
        total = np.zeros(len(frame))
        n_present = np.zeros(len(frame))
        for factor, sign in factors.items():
            if f"{factor}_z" in frame:
                values = frame[f"{factor}_z"].to_numpy(dtype=np.float64, na_value=np.nan)
                is_present = ~np.isnan(values)
                total += sign * np.clip(np.where(is_present, values, 0.0), -MAX_Z, MAX_Z)
                n_present += is_present
        np.divide(total, n_present, out=z[:, position], where=n_present > 0)
    if "forecast" in frame:
        forecast = frame["forecast"].to_numpy(dtype=np.float64, na_value=np.nan)
        z[:, list(GROUPS).index("forecast")] = np.clip(_z_of_day(forecast, days), -MAX_Z, MAX_Z)
    return z


def _z_of_day(values: Array, days: _Days) -> Array:
    """Standardise within each day, population deviation; 0 where all values of a day are equal."""
    is_present = ~np.isnan(values)
    n_present = np.maximum(_sum_of_day(is_present.astype(np.float64), days), 1.0)
    mean = _sum_of_day(np.where(is_present, values, 0.0), days) / n_present
    centred = values - mean[days.code]
    variance = _sum_of_day(np.where(is_present, centred**2, 0.0), days) / n_present
    # Rounding leaves a deviation of 1e-17 where all values are equal.
    deviation = np.where(variance > 1e-24 * (mean**2 + 1e-12), np.sqrt(variance), np.inf)
    return centred / deviation[days.code]


def _sum_of_day(values: npt.NDArray[np.float64 | np.int64], days: _Days) -> npt.NDArray[np.float64 | np.int64]:
    return np.asarray(np.add.reduceat(values, days.starts)) if len(values) else values


def _shared_out(weights: Array, is_present: npt.NDArray[np.bool_]) -> Array:
    """Give the weight of missing groups to the present ones; shape (n_rows, n_groups)."""
    present = np.where(is_present, weights, 0.0)
    total = present.sum(axis=1, keepdims=True)
    shared = np.zeros_like(present)
    np.divide(present, total, out=shared, where=total > 0)
    return shared


def _breached(frame: pd.DataFrame, profile: Profile, *, has_data: npt.NDArray[np.bool_]) -> Codes:
    """Give the position of the first limit breached, -1 for none; one past the limits is no_data."""
    breached = np.where(has_data, -1, len(profile.limits))
    for position in reversed(range(len(profile.limits))):
        limit = profile.limits[position]
        if limit.column in frame:
            values = frame[limit.column].to_numpy(dtype=np.float64, na_value=np.nan)
            breached[limit.is_breached(values)] = position
    return breached


def _places(score: Array, is_ranked: npt.NDArray[np.bool_], days: _Days) -> tuple[Codes, Array]:
    """Rank within each day, 0 where not ranked, and give the percentile of each place."""
    # One row per day, filled up with infinity: sorting short rows is three times faster than all at once.
    column = np.arange(len(score)) - days.starts[days.code]
    losses = np.full((len(days.starts), int(days.sizes.max(initial=0))), np.inf)
    losses[days.code, column] = np.where(is_ranked, -score, np.inf)
    # Rows are ordered by instrument within a day, so a stable sort settles ties by instrument_id.
    order = np.argsort(losses, axis=1, kind="stable")
    places = np.empty_like(order)
    np.put_along_axis(places, order, np.arange(1, losses.shape[1] + 1)[None, :], axis=1)
    place = np.where(is_ranked, places[days.code, column], 0)
    n_ranked = np.maximum(_sum_of_day(is_ranked.astype(np.int64), days), 1)[days.code]
    return place, (n_ranked - place + 0.5) / n_ranked


def _missing_groups(is_missing: npt.NDArray[np.bool_], profile: Profile) -> npt.NDArray[np.object_]:
    """Name the groups that have a weight but no value; equal rows share one tuple."""
    matters = np.array([profile.weights[group] > 0 for group in GROUPS])
    bits = (is_missing & matters) @ (1 << np.arange(len(GROUPS)))
    names = np.empty(2 ** len(GROUPS), dtype=object)
    for pattern in range(len(names)):
        names[pattern] = tuple(group for position, group in enumerate(GROUPS) if pattern >> position & 1)
    return np.asarray(names[bits])
