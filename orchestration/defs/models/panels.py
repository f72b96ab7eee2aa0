"""What forecasters learn from and forecast on, read from the tables."""

import datetime as dt
from collections.abc import Sequence

import pandas as pd

from models.features import EXPOSURE_COLUMNS, INDICATOR_COLUMNS, technical_panel
from models.labels import forward_returns, label_panel
from orchestration.resources import Warehouse
from warehouse.queries import research as queries


def read_features(warehouse: Warehouse, first: dt.date, last: dt.date) -> pd.DataFrame:
    """Return the panel of all features from `first` to `last`, index (as_of_date, instrument_id), float32."""
    window = [first, last]
    exposures = warehouse.read_frame(queries.columns_between("factors.fct_factor_exposures", EXPOSURE_COLUMNS), window)
    indicators = warehouse.read_frame(queries.columns_between("research.indicators", INDICATOR_COLUMNS), window)
    prices = warehouse.read_frame(queries.CLOSES_BETWEEN, window)
    return technical_panel(exposures, indicators, prices)


def read_labels(warehouse: Warehouse, sessions: Sequence[dt.date], index: pd.MultiIndex) -> pd.DataFrame:
    """Return label_return and label_rank on the rows of a panel; labels end at the last of `sessions`."""
    prices = warehouse.read_frame(queries.PRICES_FOR_LABELS, [sessions[0], sessions[-1]])
    return label_panel(forward_returns(prices, sessions), index)
