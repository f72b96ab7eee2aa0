"""What forecasters learn from and forecast on, read from the tables."""

import datetime as dt
from collections.abc import Collection, Sequence
from typing import cast

import pandas as pd

from models.features import (
    EXPOSURE_COLUMNS,
    FUNDAMENTAL_COLUMNS,
    INDICATOR_COLUMNS,
    NEUTRAL_CONTROLS,
    NEUTRAL_FACTORS,
    TONE_DAYS,
    alpha158_panel,
    fundamental_panel,
    neutral_panel,
    sentiment_panel,
    technical_panel,
)
from models.labels import forward_returns, label_panel
from models.sentiment import NAME
from orchestration.resources import Warehouse
from warehouse.queries import news as news_queries
from warehouse.queries import research as queries

EXPOSURES = "factors.fct_factor_exposures"
VALUES = "factors.fct_factor_values"
# The sets whose columns the technical panel has.
TECHNICAL = {"technical", "momentum_12_1"}


def read_features(warehouse: Warehouse, sets: Collection[str], days: Sequence[dt.date]) -> pd.DataFrame:
    """Return the panel of some feature sets on some sessions, float32.

    Parameters
    ----------
    warehouse : Warehouse
    sets : collection of str
        Names of `models.features.FEATURE_SETS`.
    days : sequence of date, ascending
        A forecaster learns from one session in five, so only these are read.

    Returns
    -------
    DataFrame of shape (n_rows, n_features)
        Index (as_of_date, instrument_id): the universe of these days.
    """
    parts = []
    if TECHNICAL & set(sets):
        parts.append(_technical(warehouse, days))
    if "fundamental" in sets:
        parts.append(fundamental_panel(warehouse.read_frame(queries.columns_on(EXPOSURES, FUNDAMENTAL_COLUMNS, days))))
    if "neutral" in sets:
        columns = ("sector", *NEUTRAL_FACTORS, *NEUTRAL_CONTROLS)
        parts.append(neutral_panel(warehouse.read_frame(queries.columns_on(VALUES, columns, days))))
    if {"alpha158", "sentiment"} & set(sets):
        # These take their universe from a panel that is there already, or from one of statements.
        index = parts[0].index if parts else read_features(warehouse, ["fundamental"], days).index
    if "sentiment" in sets:
        begin = days[0] - dt.timedelta(days=max(TONE_DAYS))
        tones = warehouse.read_frame(news_queries.TONES_BETWEEN, [NAME, begin, days[-1]])
        parts.append(sentiment_panel(tones, cast(pd.MultiIndex, index)))
    if "alpha158" in sets:
        bars = warehouse.read_frame(queries.ADJUSTED_BARS_UNTIL, [days[-1]])
        bars = bars.sort_values(["instrument_id", "trade_date"], ignore_index=True)
        parts.append(alpha158_panel(bars, cast(pd.MultiIndex, index)))
    return parts[0] if len(parts) == 1 else pd.concat(parts, axis=1)


def read_labels(warehouse: Warehouse, sessions: Sequence[dt.date], index: pd.MultiIndex) -> pd.DataFrame:
    """Return label_return and label_rank on the rows of a panel; labels end at the last of `sessions`."""
    prices = warehouse.read_frame(queries.PRICES_FOR_LABELS, [sessions[0], sessions[-1]])
    return label_panel(forward_returns(prices, sessions), index)


def _technical(warehouse: Warehouse, days: Sequence[dt.date]) -> pd.DataFrame:
    exposures, indicators, closes = warehouse.read_frames(
        queries.columns_on(EXPOSURES, EXPOSURE_COLUMNS, days),
        queries.columns_on("research.indicators", INDICATOR_COLUMNS, days),
        queries.closes_on(days),
    )
    return technical_panel(exposures, indicators, closes)
