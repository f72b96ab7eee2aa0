"""What the forecasters look at: feature sets, and the panels made from frames already read.

Every feature is a centred rank within its day's universe, -0.5 to 0.5, or a score of that day. So it has no unit, needs
no fitting (a scaler would have to be fitted inside each fold), and a day's rows depend on that day alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.daily_ranks import centred_ranks
from models.panels import as_days, day_codes_of, day_starts, panel_index, rows_at
from transforms.alpha158 import COLUMNS as ALPHA158_COLUMNS
from transforms.alpha158 import alpha158_rows
from transforms.cross_section import neutral_scores

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

FUNDAMENTAL_FACTORS: tuple[str, ...] = (
    "log_market_cap",
    "earnings_to_price",
    "book_to_price",
    "sales_to_price",
    "free_cash_flow_to_price",
    "dividend_yield",
    "return_on_equity",
    "gross_profitability",
    "profit_margin",
    "accruals",
    "debt_to_equity",
    "revenue_growth_1y",
    "earnings_growth_1y",
    "revenue_growth_5y",
)

EXPOSURE_COLUMNS: tuple[str, ...] = tuple(f"{factor}_rank" for factor in PRICE_FACTORS)
"""Columns read from factors.fct_factor_exposures beside instrument_id and as_of_date."""

FUNDAMENTAL_COLUMNS: tuple[str, ...] = tuple(f"{factor}_rank" for factor in FUNDAMENTAL_FACTORS)
"""The same for the features of statements."""

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
FUNDAMENTAL_FEATURES: tuple[str, ...] = tuple(f"{name}_centred_rank" for name in FUNDAMENTAL_FACTORS)
NEUTRAL_CONTROLS: tuple[str, ...] = ("log_market_cap", "beta_252d")
NEUTRAL_FACTORS: tuple[str, ...] = tuple(
    factor for factor in (*PRICE_FACTORS, *FUNDAMENTAL_FACTORS) if factor not in NEUTRAL_CONTROLS
)
"""Columns read from factors.fct_factor_values with `NEUTRAL_CONTROLS` and sector for the set `neutral`."""

NEUTRAL_FEATURES: tuple[str, ...] = (
    *(f"{factor}_neutral" for factor in NEUTRAL_FACTORS),
    *(f"{factor}_is_missing" for factor in FUNDAMENTAL_FACTORS if factor not in NEUTRAL_CONTROLS),
)
ALPHA158_FEATURES: tuple[str, ...] = tuple(f"{name}_centred_rank" for name in ALPHA158_COLUMNS)

# Calendar days over which the tone of news is averaged.
TONE_DAYS = (7, 30, 90)
SENTIMENT_FEATURES: tuple[str, ...] = (
    *(f"tone_{days}d_centred_rank" for days in TONE_DAYS),
    "tone_change_centred_rank",
    "n_articles_30d_centred_rank",
)

FEATURE_SETS: Mapping[str, tuple[str, ...]] = {
    "technical": TECHNICAL_FEATURES,
    "momentum_12_1": ("momentum_252d_21d_centred_rank",),
    "fundamental": FUNDAMENTAL_FEATURES,
    "alpha158": ALPHA158_FEATURES,
    "neutral": NEUTRAL_FEATURES,
    "sentiment": SENTIMENT_FEATURES,
}
"""Feature sets by the name that models.yaml uses."""


_INSTRUMENTS_AT_A_TIME = 100


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
    index = universe_index(exposures)
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


def universe_index(exposures: pd.DataFrame) -> pd.MultiIndex:
    """Index of the panels: the members of the universe, one row of `exposures` each."""
    return panel_index(as_days(exposures["as_of_date"]), exposures["instrument_id"])


def fundamental_panel(exposures: pd.DataFrame) -> pd.DataFrame:
    """Build the features of statements, and of size and price beside them, for every member of the universe.

    Parameters
    ----------
    exposures : DataFrame, one row per member and as_of_date
        factors.fct_factor_exposures: instrument_id, as_of_date and `FUNDAMENTAL_COLUMNS` (ranks, 0 to 1).

    Returns
    -------
    DataFrame of shape (n_rows, 14), float32, fraction
        Index (`as_of_date`, `instrument_id`) sorted; columns `FUNDAMENTAL_FEATURES`, -0.5 to 0.5.

    Notes
    -----
    Missing: NaN where the factor is.
    Point in time: the factors use statements from the session on at whose close they were known.
    """
    index = universe_index(exposures)
    rows = rows_at(index, as_days(exposures["as_of_date"]), exposures["instrument_id"])
    ranks = (_aligned(exposures, FUNDAMENTAL_COLUMNS, rows) - 0.5).astype(np.float32)
    return pd.DataFrame(ranks, index=index, columns=list(FUNDAMENTAL_FEATURES), copy=False)


def neutral_panel(values: pd.DataFrame) -> pd.DataFrame:
    """Build the factors that neither sector nor size nor beta explains.

    Parameters
    ----------
    values : DataFrame, one row per member and as_of_date
        factors.fct_factor_values: instrument_id, as_of_date, sector, `NEUTRAL_FACTORS` and `NEUTRAL_CONTROLS`.

    Returns
    -------
    DataFrame of shape (n_rows, 37), float32
        Index (`as_of_date`, `instrument_id`) sorted; columns `NEUTRAL_FEATURES`: residual scores in standard deviations
        of the day, and 1 where a factor of statements is missing.

    Notes
    -----
    Missing: 0, the middle, with the flag beside it.
    Point in time: row D reads rows of D only. The sector is today's, as no source says what it was.
    """
    index = universe_index(values)
    rows = rows_at(index, as_days(values["as_of_date"]), values["instrument_id"])
    sectors, _ = pd.factorize(values["sector"])
    scores = neutral_scores(
        _aligned(values, NEUTRAL_FACTORS, rows),
        day_starts(index),
        sectors[rows],
        _aligned(values, NEUTRAL_CONTROLS, rows),
    )
    flagged = [
        NEUTRAL_FACTORS.index(name.removesuffix("_is_missing")) for name in NEUTRAL_FEATURES[len(NEUTRAL_FACTORS) :]
    ]
    matrix = np.hstack([scores.score, scores.is_missing[:, flagged]]).astype(np.float32)
    return pd.DataFrame(matrix, index=index, columns=list(NEUTRAL_FEATURES), copy=False)


def alpha158_panel(bars: pd.DataFrame, index: pd.MultiIndex) -> pd.DataFrame:
    """Build the Alpha158 features of the rows of a panel.

    Parameters
    ----------
    bars : DataFrame, one row per instrument and trade_date
        As for `transforms.alpha158.alpha158_rows`, with the 60 bars before the first day of the panel.
    index : MultiIndex of shape (n_rows,)
        From `universe_index`.

    Returns
    -------
    DataFrame of shape (n_rows, 158), float32, fraction
        Columns `ALPHA158_FEATURES`, each the rank within the day's rows, -0.5 to 0.5.

    Notes
    -----
    Missing: NaN where the feature is, and where the instrument has no trusted bar on the day.
    Point in time: row D reads its instrument's bars D - 60 to D, and ranks of D.
    """
    values = np.full((len(index), len(ALPHA158_FEATURES)), np.nan, dtype=np.float32)
    # Some instruments at a time: what all bars have would be several times what the panel wants.
    for part in _by_instruments(bars, _INSTRUMENTS_AT_A_TIME):
        found = alpha158_rows(part)
        rows = rows_at(index, as_days(found["as_of_date"]), found["instrument_id"])
        wanted = rows >= 0
        values[wanted] = found[list(ALPHA158_COLUMNS)].to_numpy(np.float32)[rows[wanted]]
    for first, last in pairwise(day_starts(index).tolist()):
        day = values[first:last].astype(np.float64)
        values[first:last] = centred_ranks(day, np.array([0, len(day)], dtype=np.intp))
    return pd.DataFrame(values, index=index, columns=list(ALPHA158_FEATURES), copy=False)


def sentiment_panel(tones: pd.DataFrame, index: pd.MultiIndex) -> pd.DataFrame:
    """Build the features of news of the rows of a panel.

    Parameters
    ----------
    tones : DataFrame, one row per instrument and known_from_date
        tone_sum (sum of tones, -1 to 1 each) and n_articles (count) of the articles first known at that session's
        close, from 90 days before the first day of the panel on.
    index : MultiIndex of shape (n_rows,)
        From `universe_index`.

    Returns
    -------
    DataFrame of shape (n_rows, 5), float32, fraction
        Columns `SENTIMENT_FEATURES`, each the rank within the day's rows, -0.5 to 0.5: mean tone over 7, 30 and 90
        calendar days, that of 7 less that of 90, and the number of articles in 30.

    Notes
    -----
    Missing: NaN where there was no article in the window; no articles is a number of 0.
    Point in time: row D counts articles that were known at D's close.
    """
    days = as_days(index.levels[0])
    matrix = np.full((len(index), len(SENTIMENT_FEATURES)), np.nan)
    if len(days):
        begin = days[0] - np.timedelta64(max(TONE_DAYS), "D")
        known = as_days(tones["known_from_date"])
        inside = (known > begin) & (known <= days[-1])
        row = (known[inside] - begin).astype(np.intp)
        column = index.levels[1].get_indexer(pd.Index(tones["instrument_id"][inside]))
        shape = (int((days[-1] - begin).astype(np.intp)) + 1, len(index.levels[1]))
        sums, counts = (_running(tones[name][inside], row, column, shape) for name in ("tone_sum", "n_articles"))
        at, of = (days - begin).astype(np.intp)[day_codes_of(index)], np.asarray(index.codes[1], dtype=np.intp)
        means, numbers = {}, {}
        for window in TONE_DAYS:
            numbers[window] = counts[at, of] - counts[at - window, of]
            total = sums[at, of] - sums[at - window, of]
            means[window] = np.where(numbers[window] > 0, total / np.maximum(numbers[window], 1), np.nan)
        matrix = np.column_stack([*means.values(), means[7] - means[90], numbers[30]])
    ranks = centred_ranks(matrix, day_starts(index)).astype(np.float32)
    return pd.DataFrame(ranks, index=index, columns=list(SENTIMENT_FEATURES), copy=False)


def _running(
    values: pd.Series, row: NDArray[np.intp], column: NDArray[np.intp], shape: tuple[int, int]
) -> NDArray[np.float64]:
    """Sum values by calendar day and instrument, from the first day on."""
    grid = np.zeros(shape)
    ours = column >= 0
    np.add.at(grid, (row[ours], column[ours]), values.to_numpy(np.float64)[ours])
    return np.cumsum(grid, axis=0)


def features_hash(names: Sequence[str]) -> str:
    """Hash the names of the features and their order: 16 hexadecimal digits."""
    return hashlib.sha256("\n".join(names).encode()).hexdigest()[:16]


def _by_instruments(bars: pd.DataFrame, n_at_a_time: int) -> Iterator[pd.DataFrame]:
    """Cut bars that are ordered by instrument between instruments."""
    instrument = bars["instrument_id"]
    is_first = np.ones(len(bars), dtype=bool)
    is_first[1:] = instrument.to_numpy()[1:] != instrument.to_numpy()[:-1]
    edges = [*np.flatnonzero(is_first)[::n_at_a_time].tolist(), len(bars)]
    for first, last in pairwise(edges):
        yield bars.iloc[first:last]


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
