"""Bars of a wrong day: a feed handed out one day's bar for another day as well."""

from itertools import count

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from transforms.bar_history import MEDIAN_TO_DEVIATION, BarHistory, Flags, Found, Numbers, Rows, times
from transforms.days import Days

# In usual overnight moves. Of ordinary bars nine in ten have neighbours within 3 on both sides, and three in a thousand
# have both beyond 4. A bar cleared by mistake may leak the future, one kept out costs a day: so the two lie apart.
CONNECTED, APART = 3.0, 4.0

# Vendors correct volumes after the fact, and prices hardly: repeated bars have been seen to differ by up to two fifths
# in volume. Four equal prices by chance want a low price with few ticks, and their volumes differ by anything.
VOLUME_TOLERANCE = 0.4

# An adjustment that begins between the two days leaves the repeated prices in one ratio, up to the rounding of vendors
# to four decimals, a step each.
PRICE_STEP = 1e-4
RESCALED_VOLUME_TOLERANCE = 0.02

MIXER = np.uint64(0x9E3779B97F4A7C15)

Pairs = tuple[Rows, Rows]


def wrong_days(history: BarHistory, *, is_adjusted: Flags, volume_tolerance: float) -> Found:
    """Find bars equal to another day's bar, and decide which of them may stay.

    Parameters
    ----------
    history : BarHistory
    is_adjusted : ndarray of bool, shape (n_bars,)
        Bars whose prices a vendor has adjusted: they also repeat when they are another bar's times one factor.
    volume_tolerance : float, fraction
        Largest difference of the volumes of repeated bars.

    Returns
    -------
    Found
        Every repeated bar once.
    """
    rows, group = _repeated(history, is_adjusted, volume_tolerance)
    is_questioned = np.zeros(len(history.code), dtype=bool)
    is_questioned[rows] = True
    before, after = _unquestioned_neighbours(is_questioned)
    gap_in, gap_out = _gaps(history, rows, before[rows], after[rows])
    connects = (gap_in <= CONNECTED) & (gap_out <= CONNECTED)
    clashes = (gap_in > APART) & (gap_out > APART)
    size = np.bincount(group)
    decided = (np.bincount(group, connects) == 1) & (np.bincount(group, clashes) == size - 1)
    is_cleared = connects & decided[group]
    other = _other_bar(rows, group, is_cleared)
    known = _known_from(history, rows, group, is_questioned, after[rows])
    repeats = _repeats(history, rows, other, size[group])
    details = [
        f"{repeat}; {_gap_detail(twin, gap_in=a, gap_out=b, is_decided=sure, is_cleared=clear)}"
        for repeat, twin, a, b, sure, clear in zip(
            repeats, history.day[other], gap_in, gap_out, decided[group], is_cleared, strict=True
        )
    ]
    return Found(rows, ~is_cleared, history.day[other], known, details)


def _repeats(history: BarHistory, rows: Rows, others: Rows, n_bars: Rows) -> list[str]:
    """Say of each bar which other it repeats, and how exactly."""
    ratio = history.close[rows] / history.close[others]
    volume = history.volume[rows] / history.volume[others] - 1
    return [
        f"Prices{'' if r == 1 else f' over {r:.6g}'} and volume{f' ({v:+.2%})' if v else ''} repeat those of {twin}"
        f"{'' if n == 2 else f' and {n - 2} more'}"
        for r, v, twin, n in zip(ratio, volume, history.day[others], n_bars, strict=True)
    ]


def _gap_detail(twin: np.datetime64, *, gap_in: float, gap_out: float, is_decided: bool, is_cleared: bool) -> str:
    conclusion = "which day is right does not show"
    if is_decided:
        conclusion = "it connects, no other does" if is_cleared else f"it stands apart, {twin} does not"
    return f"gaps to its neighbours {times(gap_in)} and {times(gap_out)} the usual: {conclusion}."


def _repeated(history: BarHistory, is_adjusted: Flags, volume_tolerance: float) -> tuple[Rows, Rows]:
    """Rows of repeated bars, and the number of each one's group; sorted by group and row."""
    repeats = (history.volume > 0) & (history.high > history.low)
    equal = _equal_bars(history, np.flatnonzero(repeats), volume_tolerance)
    rescaled = _rescaled_bars(history, np.flatnonzero(repeats & is_adjusted))
    pairs = np.stack([np.concatenate([equal[0], rescaled[0]]), np.concatenate([equal[1], rescaled[1]])])
    rows, places = np.unique(pairs, return_inverse=True)
    links = coo_array((np.ones(pairs.shape[1]), places.reshape(pairs.shape)), shape=(len(rows), len(rows)))
    group = connected_components(links, directed=False)[1].astype(np.int64)
    order = np.lexsort((rows, group))
    return rows[order], group[order]


def _equal_bars(history: BarHistory, eligible: Rows, volume_tolerance: float) -> Pairs:
    """Pairs of bars with the same four prices and nearly the same volume."""
    columns = (history.code, history.open, history.high, history.low, history.close)
    # One number per bar finds the few that may repeat; the comparison below is exact.
    mixed = np.zeros(len(eligible), dtype=np.uint64)
    for values in columns:
        mixed = (mixed ^ values[eligible].view(np.uint64)) * MIXER
        mixed ^= mixed >> np.uint64(29)
    rows = eligible[pd.Series(mixed).duplicated(keep=False).to_numpy()]
    rows = rows[np.lexsort((rows, history.volume[rows], *(values[rows] for values in reversed(columns))))]
    first, second = rows[:-1], rows[1:]
    is_pair = history.volume[second] <= history.volume[first] * (1 + volume_tolerance)
    for values in columns:
        is_pair &= values[second] == values[first]
    return first[is_pair], second[is_pair]


def _rescaled_bars(history: BarHistory, eligible: Rows) -> Pairs:
    """Pairs of bars whose four prices stand in one ratio, with nearly the same volume."""
    spread = history.high[eligible] / history.low[eligible]
    order = np.lexsort((eligible, spread, history.code[eligible]))
    rows, spread = eligible[order], spread[order]
    # Bars in one ratio have the same high over low, up to rounding, so they lie close together here.
    reach = spread * (1 + 4 * PRICE_STEP / history.low[rows])
    firsts, seconds = [np.empty(0, dtype=np.int64)], [np.empty(0, dtype=np.int64)]
    start = np.arange(len(rows))
    for ahead in count(1):
        start = start[start + ahead < len(rows)]
        is_near = spread[start + ahead] <= reach[start]
        start = start[is_near & (history.code[rows[start + ahead]] == history.code[rows[start]])]
        if len(start) == 0:
            break
        first, second = rows[start], rows[start + ahead]
        is_pair = _stand_in_one_ratio(history, first, second)
        firsts.append(first[is_pair])
        seconds.append(second[is_pair])
    return np.concatenate(firsts), np.concatenate(seconds)


def _stand_in_one_ratio(history: BarHistory, rows: Rows, others: Rows) -> Flags:
    """Whether two bars differ by one factor in prices, up to rounding, and little in volume; same shape as `rows`."""
    ratio = history.close[others] / history.close[rows]
    volume, other_volume = history.volume[rows], history.volume[others]
    agree = np.abs(other_volume - volume) <= volume * RESCALED_VOLUME_TOLERANCE
    for prices in (history.open, history.high, history.low):
        # Four roundings by half a step: of this price and of the closes, on both days.
        slack = PRICE_STEP * (1 + ratio)
        agree &= np.abs(prices[others] - prices[rows] * ratio) <= slack
    return agree


def _unquestioned_neighbours(is_questioned: Flags) -> tuple[Rows, Rows]:
    """For each row, the nearest ones before and after that are not in question; -1 and n where there are none."""
    n = len(is_questioned)
    place = np.arange(n, dtype=np.int64)
    last = np.maximum.accumulate(np.where(is_questioned, -1, place))
    following = np.minimum.accumulate(np.where(is_questioned, n, place)[::-1])[::-1]
    return np.append(-1, last)[:n], np.append(following, n)[1:]


def _gaps(history: BarHistory, rows: Rows, before: Rows, after: Rows) -> tuple[Numbers, Numbers]:
    """Distance to both neighbours in usual overnight moves, NaN where a neighbour or the usual is not known."""
    move = history.usual_move(rows)
    overnight = history.usual(np.abs(history.gap), rows) * MEDIAN_TO_DEVIATION
    # Some feeds open each day at the close before: their gaps say nothing of what is usual.
    overnight = np.maximum(overnight, move / 4)
    has_before = history.are_comparable(rows, before)
    has_after = history.are_comparable(rows, after)
    before, after = np.where(has_before, before, rows), np.where(has_after, after, rows)
    gap_in = np.abs(history.log_open[rows] - history.log_close[before])
    gap_out = np.abs(history.log_open[after] - history.log_close[rows])
    # Each bar stepped over leaves a whole day's move in between.
    gap_in /= np.sqrt(overnight**2 + np.maximum(rows - before - 1, 0) * move**2)
    gap_out /= np.sqrt(overnight**2 + np.maximum(after - rows - 1, 0) * move**2)
    return np.where(has_before, gap_in, np.nan), np.where(has_after, gap_out, np.nan)


def _other_bar(rows: Rows, group: Rows, is_cleared: Flags) -> Rows:
    """The bar of the group that is cleared, else the nearest one, the earlier of two."""
    far = np.iinfo(np.int64).max
    same = group[1:] == group[:-1]
    to_earlier, to_later = np.full(len(rows), far), np.full(len(rows), far)
    distance = np.where(same, rows[1:] - rows[:-1], far)
    to_earlier[1:], to_later[:-1] = distance, distance
    other = np.where(to_earlier <= to_later, rows - to_earlier, rows + to_later)
    cleared_row = np.full(len(rows), -1)
    cleared_row[group[is_cleared]] = rows[is_cleared]
    return np.where(~is_cleared & (cleared_row[group] >= 0), cleared_row[group], other).astype(np.int64)


def _known_from(history: BarHistory, rows: Rows, group: Rows, is_questioned: Flags, after: Rows) -> Days:
    """Latest day of a bar that a group's decision rests on.

    These are the group's own bars, the neighbours after them, and the twins of the bars stepped over: without its
    twin such a bar would have been a neighbour itself.
    """
    day = history.day[rows].astype(np.int64)
    latest_of_group = _latest(group, day)
    # A stretch of questioned bars is stepped over as a whole.
    begins = np.append(True, history.code[1:] != history.code[:-1])
    stretch = np.cumsum(begins | ~is_questioned, dtype=np.int64)[rows]
    latest = _latest(stretch, latest_of_group[group])[stretch]
    has_after = history.are_comparable(rows, after)
    neighbour = history.day[np.where(has_after, after, rows)].astype(np.int64)
    return _latest(group, np.maximum(latest, neighbour))[group].astype("datetime64[D]")


def _latest(group: Rows, day: Rows) -> Rows:
    """Latest day of each group; shape (n_groups,)."""
    latest = np.full(len(np.bincount(group)), np.iinfo(np.int64).min)
    np.maximum.at(latest, group, day)
    return latest
