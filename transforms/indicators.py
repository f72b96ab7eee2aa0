"""Technical indicators of all instruments at once, computed by TA-Lib."""

import datetime as dt
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pandas as pd
import talib

from transforms.days import as_days
from transforms.segments import segment_starts

Array = npt.NDArray[np.float64]

COLUMNS = (
    "rsi_14d",
    "macd_12d_26d",
    "macd_signal_9d",
    "macd_histogram",
    "atr_14d",
    "bollinger_upper_20d",
    "bollinger_middle_20d",
    "bollinger_lower_20d",
    "sma_20d",
    "sma_50d",
    "sma_200d",
    "ema_12d",
    "ema_26d",
    "stochastic_k_14d",
    "stochastic_d_3d",
    "adx_14d",
    "obv_shares",
)


def indicators(bars: pd.DataFrame) -> pd.DataFrame:
    """Compute the indicators of every instrument and day.

    Parameters
    ----------
    bars : DataFrame of shape (n_bars, n_columns)
        Columns instrument_id, trade_date, price_segment, high_adj, low_adj, close_adj (currency per
        share), volume_adj (shares): the full history of each instrument's trusted bars, ordered by
        instrument_id and trade_date, nothing missing.

    Returns
    -------
    DataFrame of shape (n_bars, 19)
        instrument_id, as_of_date and `COLUMNS`, in the order of `bars`. Units: rsi_14d,
        stochastic_* and adx_14d points 0 to 100; obv_shares shares; the rest currency per share.

    Raises
    ------
    ValueError
        If bars are out of order or a price or volume is missing.

    Notes
    -----
    A new `price_segment` starts every indicator afresh: prices before and after a split that nobody
    recorded must not meet in one average.

    Missing: NaN until an indicator has its first value (rsi_14d from the 15th bar of a segment,
    sma_200d from the 200th, adx_14d from the 28th, macd from the 34th, stochastic from the 18th).
    Point in time: row t reads rows of its instrument up to t only; as the recursions never forget
    their beginning, the history must always be whole.
    Source: definitions of TA-Lib 0.6: Wilder (1978), New Concepts in Technical Trading Systems, for
    RSI, ATR and ADX; EMAs start with the mean of their first window; Bollinger bands use the
    population deviation; slow stochastic 14, 3, 3 with simple averages; OBV starts with the volume
    of the first bar.
    """
    return _indicators(bars, np.ones(len(bars), dtype=bool))


def indicator_rows(bars: pd.DataFrame, *, first_date: dt.date) -> pd.DataFrame:
    """Give the rows of `research.indicators` from `first_date` on.

    Parameters
    ----------
    bars : DataFrame of shape (n_bars, n_columns)
        As for `indicators`: the full history, also before `first_date`.
    first_date : date
        First `as_of_date` to give.

    Returns
    -------
    DataFrame of shape (n_bars from first_date, 19)
    """
    is_wanted = as_days(bars["trade_date"]) >= np.datetime64(first_date, "D")
    return _indicators(bars, is_wanted).reset_index(drop=True)


def _indicators(bars: pd.DataFrame, is_wanted: npt.NDArray[np.bool_]) -> pd.DataFrame:
    """Compute from all bars, and keep the wanted ones: of each instrument the last."""
    high, low, close, volume = (
        np.ascontiguousarray(bars[name].to_numpy(dtype=np.float64, na_value=np.nan))
        for name in ("high_adj", "low_adj", "close_adj", "volume_adj")
    )
    _require_complete(high + low + close + volume)
    place = np.append(0, np.cumsum(is_wanted))
    values = np.empty((len(COLUMNS), place[-1]))
    for first, last in pairwise([*segment_starts(bars, where="indicators").tolist(), len(bars)]):
        if place[first] < place[last]:
            part = slice(first, last)
            _fill(values[:, place[first] : place[last]], high[part], low[part], close[part], volume[part])
    keys = bars.loc[is_wanted, ["instrument_id", "trade_date"]]
    # The transposed array becomes the frame's one block, without a copy.
    frame = pd.DataFrame(values.T, columns=list(COLUMNS), index=keys.index, copy=False)
    frame.insert(0, "as_of_date", keys["trade_date"])
    frame.insert(0, "instrument_id", keys["instrument_id"])
    return frame


def _fill(out: Array, high: Array, low: Array, close: Array, volume: Array) -> None:
    """Write the indicators of the last bars of one segment into `out`, shape (n_indicators, n_kept)."""
    lines = (
        talib.RSI(close, 14),
        *talib.MACD(close, 12, 26, 9),
        talib.ATR(high, low, close, 14),
        *talib.BBANDS(close, 20, 2.0, 2.0),
        talib.SMA(close, 20),
        talib.SMA(close, 50),
        talib.SMA(close, 200),
        talib.EMA(close, 12),
        talib.EMA(close, 26),
        *talib.STOCH(high, low, close, fastk_period=14, slowk_period=3, slowd_period=3),
        talib.ADX(high, low, close, 14),
        talib.OBV(close, volume),
    )
    for row, line in zip(out, lines, strict=True):
        row[:] = line[-out.shape[1] :]


def _require_complete(total: Array) -> None:
    missing = int(np.sum(~np.isfinite(total)))
    if missing > 0:
        raise ValueError(
            f"indicators: prices and volumes must be given; got {missing} bars with a gap. "
            "Pass trusted bars only, and adjusted prices."
        )
