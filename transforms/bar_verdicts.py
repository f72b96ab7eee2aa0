"""Soft rules for daily bars: what may be stored, but not trusted, and what looks like a split nobody recorded.

Both rules look at the full history of an instrument, and at nothing later than the day their verdict names.
"""

import numpy as np
import pandas as pd

from transforms.bar_history import BarHistory, Flags, Found, Numbers
from transforms.numbers import as_numbers
from transforms.unadjusted_splits import unadjusted_splits
from transforms.wrong_days import VOLUME_TOLERANCE, wrong_days

WRONG_DAY = "wrong_day"
UNADJUSTED_SPLIT = "unadjusted_split"
RULES = (WRONG_DAY, UNADJUSTED_SPLIT)
WITHDRAWN = "Withdrawn: the rule no longer finds anything in this bar, beside the bars, splits and dividends of today."


def bar_verdicts(
    bars: pd.DataFrame,
    *,
    splits: pd.DataFrame,
    dividends: pd.DataFrame | None = None,
    volume_tolerance: float = VOLUME_TOLERANCE,
) -> pd.DataFrame:
    """Find the bars that cannot be trusted, and the jumps that only a split or a distribution in kind explains.

    Parameters
    ----------
    bars : DataFrame of shape (n_bars, n_columns)
        Accepted bars, the full history, sorted by source_symbol and trade_date: columns source (who said it),
        source_symbol, trade_date, open, high, low, close (currency per share), volume (shares), adjustment.
    splits : DataFrame of shape (n_splits, n_columns)
        Recorded splits: columns source_symbol, ex_date; may be empty.
    dividends : DataFrame of shape (n_dividends, n_columns), optional
        Recorded dividends: columns source_symbol, ex_date, amount (currency per share). Taken out of the opening gap
        of bars whose prices still hold them, so that a large one is not taken for a distribution.
    volume_tolerance : float, fraction
        Bars whose four prices are equal count as repeated when their volumes differ by no more than this. Feeds
        correct the volume of a day after the fact, so 0 misses repeats that have been corrected.

    Returns
    -------
    DataFrame of shape (n_verdicts, 8)
        The columns of `raw.bar_verdicts` that are not about the writing: source, source_symbol, trade_date, rule,
        verdict (suspect or cleared), other_trade_date (NaT where there is none), known_from_date, detail; sorted by
        symbol, day and rule, one row per bar and rule.

    Raises
    ------
    ValueError
        If the bars are not sorted, or a key comes twice.

    Notes
    -----
    wrong_day: all bars of an instrument with the same open, high, low, close and volume are suspect, and so are
    adjusted bars that are another one's times a factor, as an adjustment between the days leaves them. One of them is
    cleared if it alone connects to its neighbours, no more than 3 usual overnight moves away on either side, close to
    open, while every other lies more than 4 away on both sides. Neighbours that are in question themselves are stepped
    over. Bars without volume or without a range do not count, they repeat by nature. Of two bars on consecutive days,
    which share their neighbours, mostly both stay suspect.

    unadjusted_split: the bar lies wholly apart from the one before; the opening gap is far beyond the instrument's
    usual day and not shared by the market; and the day is calm. It is either near a simple ratio, open and close, or
    any gap down (a distribution in kind). What tells it from a crash is unrest: turnover in money over the usual,
    times the day's range over the usual. Holders of a split have no reason to trade: the shares traded grow with the
    ratio, the money stays. A crash of one half trades five to thirty times the usual money, over several usual
    ranges, so that even when it opens at exactly one half its unrest is an order of magnitude higher. Where the usual
    volume is not known, the range alone decides. What has a split record of its day, in prices as traded, is
    explained. If the next bar takes back half of the jump, it was one bad bar: the verdict turns to cleared.

    Point in time: a verdict is made from bars up to its known_from_date only, so a history cut off on that day or
    later gives the same row. A day at the end of the history, whose next bar is not there, is judged without it and
    may be judged again.
    """
    history = BarHistory.of(bars)
    is_adjusted = (bars["adjustment"] != "none").to_numpy(dtype=bool, na_value=True)
    repeated = wrong_days(history, is_adjusted=is_adjusted, volume_tolerance=volume_tolerance)
    jumps = unadjusted_splits(
        history, explained=_explained(history, bars, splits), dividend=_dividend(history, bars, dividends)
    )
    verdicts = pd.concat([_verdicts(WRONG_DAY, repeated), _verdicts(UNADJUSTED_SPLIT, jumps)])
    verdicts = verdicts.sort_values(["row", "rule"], kind="stable")
    rows = verdicts["row"].to_numpy()
    verdicts.insert(0, "source", bars["source"].take(rows).array)
    verdicts.insert(1, "source_symbol", bars["source_symbol"].take(rows).array)
    verdicts.insert(2, "trade_date", history.day[rows].astype("datetime64[s]"))
    return verdicts.drop(columns="row").reset_index(drop=True)


def withdrawn(stored: pd.DataFrame, *, found: pd.DataFrame, bars: pd.DataFrame) -> pd.DataFrame:
    """Clear the verdicts that the rules no longer find: a bar was corrected, or its split came in later.

    Parameters
    ----------
    stored : DataFrame of shape (n_stored, n_columns)
        Verdicts there are: columns source, source_symbol, trade_date, rule, known_from_date.
    found : DataFrame of shape (n_verdicts, 8)
        What `bar_verdicts` has found.
    bars : DataFrame of shape (n_bars, n_columns)
        The bars it has looked at: verdicts on others stand, and so do those of rules that are not ours.

    Returns
    -------
    DataFrame of shape (n_withdrawn, 8)
        The columns of `found`; cleared and without another day. Those that were withdrawn before come again.
    """
    bar = ["source", "source_symbol", "trade_date"]
    ours = stored[stored["rule"].isin(RULES)].astype(dict.fromkeys(["source", "source_symbol", "rule"], "str"))
    is_found = pd.MultiIndex.from_frame(ours[[*bar, "rule"]]).isin(pd.MultiIndex.from_frame(found[[*bar, "rule"]]))
    gone = ours[~is_found]
    looked_at = bars.loc[bars["source_symbol"].isin(gone["source_symbol"]), bar]
    gone = gone[pd.MultiIndex.from_frame(gone[bar]).isin(pd.MultiIndex.from_frame(looked_at))]
    nothing = pd.Series(pd.NaT, index=gone.index, dtype="datetime64[s]")
    return gone.assign(verdict="cleared", other_trade_date=nothing, detail=WITHDRAWN)[list(found.columns)]


def _verdicts(rule: str, found: Found) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "row": found.rows,
            "rule": pd.Series([rule] * len(found.rows), dtype="str"),
            "verdict": pd.Series(np.where(found.is_suspect, "suspect", "cleared"), dtype="str"),
            "other_trade_date": found.other_day.astype("datetime64[s]"),
            "known_from_date": found.known_from.astype("datetime64[s]"),
            "detail": pd.Series(found.details, dtype="str"),
        }
    )


def _explained(history: BarHistory, bars: pd.DataFrame, splits: pd.DataFrame) -> Flags:
    """Flag the bars as traded that have the record of a split; shape (n_bars,)."""
    has_record = np.zeros(len(bars), dtype=bool)
    has_record[history.rows_of(splits)[1]] = True
    return has_record & (bars["adjustment"] == "none").to_numpy(dtype=bool, na_value=False)


def _dividend(history: BarHistory, bars: pd.DataFrame, dividends: pd.DataFrame | None) -> Numbers:
    """Recorded dividends that a bar's opening gap still holds, currency per share; shape (n_bars,)."""
    amount = np.zeros(len(bars))
    if dividends is not None:
        events, rows = history.rows_of(dividends)
        np.add.at(amount, rows, as_numbers(dividends["amount"])[events])
    return np.where((bars["adjustment"] == "splits_dividends").to_numpy(dtype=bool, na_value=False), 0.0, amount)
