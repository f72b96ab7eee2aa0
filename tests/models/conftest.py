"""Small seeded markets and panels, in the shapes that the tables have."""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
import pytest

from models.panels import panel_index

Panel = Callable[..., pd.DataFrame]


def weekdays(n_sessions: int, first: str = "2015-01-01") -> np.ndarray:
    return np.busday_offset(np.datetime64(first), np.arange(n_sessions), roll="forward")


def market(n_sessions: int, n_instruments: int, seed: int) -> pd.DataFrame:
    """Prices whose daily log returns are independent noise: nothing can be foreseen."""
    days = weekdays(n_sessions)
    steps = np.random.default_rng(seed).normal(0.0, 0.02, (n_sessions, n_instruments))
    return pd.DataFrame(
        {
            "instrument_id": np.tile([f"i{number:03d}" for number in range(n_instruments)], n_sessions),
            "trade_date": np.repeat(days.astype("datetime64[s]"), n_instruments),
            "close_adj": 50.0 * np.exp(steps.cumsum(axis=0)).ravel(),
            "is_suspect": False,
            "price_segment": 0,
        }
    )


@pytest.fixture
def sessions() -> Callable[..., np.ndarray]:
    """Weekdays from 2015 on, as many as asked for."""
    return weekdays


@pytest.fixture
def noise_market() -> Callable[[int, int, int], pd.DataFrame]:
    """Make a market of noise: (n_sessions, n_instruments, seed) -> prices."""
    return market


@pytest.fixture
def panel() -> Panel:
    """Make a panel of independent uniform features: (columns, n_days=, n_instruments=, seed=)."""

    def make(columns: Sequence[str], *, n_days: int = 60, n_instruments: int = 40, seed: int = 1) -> pd.DataFrame:
        days = np.repeat(weekdays(n_days), n_instruments)
        instruments = pd.Index([f"i{number:03d}" for number in range(n_instruments)] * n_days)
        values = np.random.default_rng(seed).random((len(days), len(columns))) - 0.5
        return pd.DataFrame(values.astype(np.float32), index=panel_index(days, instruments), columns=list(columns))

    return make
