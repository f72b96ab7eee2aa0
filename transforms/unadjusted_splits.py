"""Jumps of a bar that only an unadjusted split or distribution explains."""

import numpy as np
import pandas as pd

from transforms.bar_history import MEDIAN_TO_DEVIATION, BarHistory, Flags, Found, Numbers, Rows, times

# Log ratio, and usual daily moves. A bad quarter moves large companies by 5 to 15 of them, but not on a calm day.
SMALLEST_JUMP = 0.10
SPLIT_MOVES, DISTRIBUTION_MOVES = 10.0, 11.0
# Turnover times range, each over the usual. Holders trade more after a spin-off than after a split, but a crash has 15
# and more; an arbitrary ratio needs the calmer day.
SPLIT_UNREST, DISTRIBUTION_UNREST = 14.0, 6.0
RATIO_MOVES, RATIO_TOLERANCE = 4.0, 0.06
RATIOS = np.array([1.5, 2, 2.5, 3, 4, 5, 6, 7, 8, 10, 12, 15, 20, 25, 30, 40, 50, 100])
# Robust deviations of the market's own gaps that day.
MARKET_SPREADS = 8.0
FEWEST_INSTRUMENTS = 10
USUAL_VOLUME_BARS = 21
REVERSAL = 0.5


def unadjusted_splits(history: BarHistory, *, explained: Flags, dividend: Numbers) -> Found:
    """Find jumps of a size and a calm that only a split or a distribution in kind explains.

    Parameters
    ----------
    history : BarHistory
    explained : ndarray of bool, shape (n_bars,)
        Bars whose jump, if they have one, is on record.
    dividend : ndarray of shape (n_bars,), currency per share
        Dividends of the day that the prices still hold.

    Returns
    -------
    Found
        Jumps that the next bar took back are not suspect.
    """
    rows = _jumps(history)
    rows = rows[~explained[rows]]
    gap = history.gap[rows] - np.log1p(-np.minimum(dividend[rows] / history.close[rows - 1], 0.99))
    change = history.log_close[rows] - history.log_open[rows] + gap
    usual_move = history.usual_move(rows)
    unrest, surge = _unrest(history, rows, gap, usual_move)
    shared, spread = _market_gap(history, rows)
    moves = np.where(np.abs(gap - shared) >= MARKET_SPREADS * spread, np.abs(gap - shared) / usual_move, 0.0)
    ratio = _nearest_ratio(gap)
    tolerance = np.minimum(RATIO_MOVES * usual_move, RATIO_TOLERANCE)
    near = np.maximum(np.abs(gap - np.log(ratio)), np.abs(change - np.log(ratio))) <= tolerance
    is_split = near & (moves >= SPLIT_MOVES) & (unrest <= SPLIT_UNREST)
    is_distribution = (gap <= -SMALLEST_JUMP) & (moves >= DISTRIBUTION_MOVES) & (unrest <= DISTRIBUTION_UNREST)
    found = np.flatnonzero(is_split | is_distribution)
    rows = rows[found]
    has_next = history.are_comparable(rows, rows + 1)
    confirming = np.where(has_next, rows + 1, rows)
    is_back = (history.log_close[confirming] - history.log_close[rows - 1]) / history.move[rows] < REVERSAL
    details = [
        f"Opened at {np.exp(gap[k]):.4g} times the close before, {moves[k]:.0f} usual daily moves, volume "
        f"{times(surge[k])} the usual, {f'near the ratio {ratio[k]:.4g}' if is_split[k] else 'like a distribution'}; "
        f"{('the next bar came back' if back else 'the next bar stayed') if known else 'no later bar yet'}."
        for k, known, back in zip(found, has_next, is_back, strict=True)
    ]
    no_other = np.full(len(rows), np.datetime64("NaT"), dtype="datetime64[D]")
    return Found(rows, ~is_back, no_other, history.day[confirming], details)


def _jumps(history: BarHistory) -> Rows:
    """Rows whose bar lies wholly apart from the one before, after a large gap that does not undo another one."""
    rows = np.flatnonzero(np.abs(history.gap) >= SMALLEST_JUMP)
    apart = (history.low[rows] > history.high[rows - 1]) | (history.high[rows] < history.low[rows - 1])
    undoes = history.move[rows - 1] / history.gap[rows] <= -REVERSAL
    return rows[apart & ~undoes]


def _unrest(history: BarHistory, rows: Rows, gap: Numbers, usual_move: Numbers) -> tuple[Numbers, Numbers]:
    """Turnover times range, each over the usual; and volume in shares over the usual."""
    day_range = np.log(history.high / history.low)
    usual_range = np.maximum(history.usual(day_range, rows), usual_move)
    usual_volume = history.usual(history.volume, rows, n_bars=USUAL_VOLUME_BARS)
    surge = np.divide(history.volume[rows], usual_volume, out=np.ones(len(rows)), where=usual_volume > 0)
    # Feeds that forget to adjust prices may have adjusted the volume: then shares and not money stay the same.
    turnover = surge * np.minimum(np.exp(gap), 1.0)
    return turnover * day_range[rows] / usual_range, surge


def _market_gap(history: BarHistory, rows: Rows) -> tuple[Numbers, Numbers]:
    """Median gap of all instruments on each row's day and the robust deviation from it; zeros with few of them."""
    day = history.day.astype(np.int64)
    on_day = np.flatnonzero(np.isin(day, day[rows], kind="table") & np.isfinite(history.gap))
    frame = pd.DataFrame({"day": day[on_day], "gap": history.gap[on_day]})
    median = frame.groupby("day")["gap"].transform("median")
    by_day = frame.assign(median=median, away=(frame["gap"] - median).abs()).groupby("day")
    days = by_day.agg(n=("gap", "size"), median=("median", "first"), away=("away", "median"))
    of_rows = days.where(days["n"] >= FEWEST_INSTRUMENTS, 0.0).reindex(day[rows])
    return of_rows["median"].to_numpy(), of_rows["away"].to_numpy() * MEDIAN_TO_DEVIATION


def _nearest_ratio(gap: Numbers) -> Numbers:
    """Price ratio of the simple split nearest to each log gap."""
    ratios = np.concatenate([1 / RATIOS, RATIOS])
    return np.asarray(ratios[np.abs(gap[:, None] - np.log(ratios)).argmin(axis=1)])
