"""What the forecasters look at: feature sets, and the panel made from frames already read.

Every feature is a centred rank within its day's universe, -0.5 to 0.5. So it has no unit, needs no
fitting (a scaler would have to be fitted inside each fold), and a day's rows depend on that day
alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.daily_ranks import centred_ranks
from models.panels import as_days, day_starts, panel_index, rows_at

PRICE_FACTORS: tuple[str, ...] = (
    "momentum_252d_21d",
    "momentum_126d_21d",
    "reversal_21d",
    "volatility_21d",
    "volatility_63d",
    "volatility_252d",
    "beta_252d",
    "idiosyncratic_volatility_252d",
    "distance_to_high_252d",
    "amihud_21d",
    "turnover_21d",
    "dollar_volume_21d",
)

INDICATOR_RATIOS: tuple[str, ...] = (
    "rsi_14d",
    "macd_to_close",
    "macd_signal_to_close",
    "macd_histogram_to_close",
    "atr_to_close",
    "bollinger_position",
    "bollinger_width",
    "close_to_sma_20d",
    "close_to_sma_50d",
    "close_to_sma_200d",
    "sma_20d_to_sma_50d",
    "stochastic_k_14d",
    "stochastic_k_less_d",
    "adx_14d",
)

EXPOSURE_COLUMNS: tuple[str, ...] = tuple(f"{factor}_rank" for factor in PRICE_FACTORS)
"""Columns read from factors.fct_factor_exposures beside instrument_id and as_of_date."""

INDICATOR_COLUMNS: tuple[str, ...] = (
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
    "stochastic_k_14d",
    "stochastic_d_3d",
    "adx_14d",
)
"""Columns read from research.indicators beside instrument_id and as_of_date."""

TECHNICAL_FEATURES: tuple[str, ...] = tuple(f"{name}_centred_rank" for name in (*PRICE_FACTORS, *INDICATOR_RATIOS))

FEATURE_SETS: Mapping[str, tuple[str, ...]] = {
    "technical": TECHNICAL_FEATURES,
    "momentum_12_1": ("momentum_252d_21d_centred_rank",),
}
"""Feature sets by the name that models.yaml uses."""


def technical_panel(exposures: pd.DataFrame, indicators: pd.DataFrame, prices: pd.DataFrame) -> pd.DataFrame:
    """Build the features of price and volume for every member of the universe.

    Parameters
    ----------
    exposures : DataFrame, one row per member and as_of_date
        factors.fct_factor_exposures: instrument_id, as_of_date and `EXPOSURE_COLUMNS` (ranks, 0
        to 1). Its rows are the rows of the panel.
    indicators : DataFrame, one row per instrument and as_of_date
        research.indicators: instrument_id, as_of_date and `INDICATOR_COLUMNS`.
    prices : DataFrame, one row per instrument and trade_date
        marts.fct_daily_prices: instrument_id, trade_date, close_adj (currency per share).

    Returns
    -------
    DataFrame of shape (n_rows, n_features), float32, fraction
        Index (`as_of_date`, `instrument_id`) sorted; columns `TECHNICAL_FEATURES`, each the rank
        within the day's members, -0.5 to 0.5.

    Raises
    ------
    ValueError
        If a key occurs twice.
    KeyError
        If a column is missing.

    Notes
    -----
    Missing: a factor, indicator or price that is missing leaves its features NaN, and takes no
    place in the ranking; nothing is filled in, since trees learn a side for NaN.
    Point in time: row D reads rows of D only.
    On-balance volume is left out: its level depends on where an instrument's history begins.
    """
    index = panel_index(as_days(exposures["as_of_date"]), exposures["instrument_id"])
    own_rows = rows_at(index, as_days(exposures["as_of_date"]), exposures["instrument_id"])
    factor_ranks = _aligned(exposures, EXPOSURE_COLUMNS, own_rows)
    values = _aligned(
        indicators,
        INDICATOR_COLUMNS,
        rows_at(index, as_days(indicators["as_of_date"]), indicators["instrument_id"]),
    )
    close = _aligned(
        prices,
        ("close_adj",),
        rows_at(index, as_days(prices["trade_date"]), prices["instrument_id"]),
    )[:, 0]
    ratios = _indicator_ratios(dict(zip(INDICATOR_COLUMNS, values.T, strict=True)), close)
    matrix = np.empty((len(index), len(TECHNICAL_FEATURES)), dtype=np.float32)
    # The factors' ranks come from the same day and universe, so they are only centred.
    matrix[:, : len(PRICE_FACTORS)] = factor_ranks - 0.5
    matrix[:, len(PRICE_FACTORS) :] = centred_ranks(ratios, day_starts(index))
    return pd.DataFrame(matrix, index=index, columns=list(TECHNICAL_FEATURES), copy=False)


def features_hash(names: Sequence[str]) -> str:
    """Hash the names of the features and their order: 16 hexadecimal digits."""
    return hashlib.sha256("\n".join(names).encode()).hexdigest()[:16]


def _aligned(frame: pd.DataFrame, columns: Sequence[str], rows: NDArray[np.intp]) -> NDArray[np.float64]:
    """Take the rows that a panel asks for; NaN where it asks for a row that is not there."""
    values = frame[list(columns)].to_numpy(dtype=np.float64, na_value=np.nan)
    if not len(values):
        return np.full((rows.size, len(columns)), np.nan)
    taken = values[rows]
    taken[rows < 0] = np.nan
    return taken


def _indicator_ratios(column: Mapping[str, NDArray[np.float64]], close: NDArray[np.float64]) -> NDArray[np.float64]:
    """Free the indicators of price level and unit, in the order of `INDICATOR_RATIOS`."""
    band = column["bollinger_upper_20d"] - column["bollinger_lower_20d"]
    return np.column_stack(
        [
            column["rsi_14d"] / 100.0,
            _ratio(column["macd_12d_26d"], close),
            _ratio(column["macd_signal_9d"], close),
            _ratio(column["macd_histogram"], close),
            _ratio(column["atr_14d"], close),
            _ratio(close - column["bollinger_lower_20d"], band),
            _ratio(band, column["bollinger_middle_20d"]),
            _ratio(close, column["sma_20d"]) - 1.0,
            _ratio(close, column["sma_50d"]) - 1.0,
            _ratio(close, column["sma_200d"]) - 1.0,
            _ratio(column["sma_20d"], column["sma_50d"]) - 1.0,
            column["stochastic_k_14d"] / 100.0,
            (column["stochastic_k_14d"] - column["stochastic_d_3d"]) / 100.0,
            column["adx_14d"] / 100.0,
        ]
    )


def _ratio(numerator: NDArray[np.float64], denominator: NDArray[np.float64]) -> NDArray[np.float64]:
    """Divide; NaN where the denominator is not positive (a band of no width has no inside)."""
    usable = np.where(denominator > 0.0, denominator, np.nan)
    return numerator / usable
