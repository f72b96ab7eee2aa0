"""Real prices for the tests that want them; they lie outside the repository."""

import os
from pathlib import Path

import pandas as pd
import pytest


@pytest.fixture(scope="session")
def real_folder() -> Path:
    """Folder of real market data, named by FACTORLOOM_REAL_DATA."""
    folder = os.environ.get("FACTORLOOM_REAL_DATA")
    if not folder:
        pytest.skip("FACTORLOOM_REAL_DATA is not set: no real market data here")
    return Path(folder)


@pytest.fixture(scope="session")
def real_bars(real_folder: Path) -> pd.DataFrame:
    """All real bars with the columns of `raw.daily_bars`, sorted by symbol and day."""
    bars = pd.read_parquet(real_folder / "ohlcv.parquet")
    bars = bars.rename(columns={"ticker": "source_symbol", "date": "trade_date"})
    bars["trade_date"] = pd.to_datetime(bars["trade_date"])
    bars = bars.assign(source="files", currency_code="USD", adjustment="splits_dividends")
    return bars.sort_values(["source_symbol", "trade_date"], ignore_index=True)
