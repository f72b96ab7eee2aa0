"""What the tests on real prices share beside their fixtures."""

from typing import Any

import numpy as np
import pandas as pd

KEY = ["instrument_id", "as_of_date"]


def by_segment(bars: pd.DataFrame) -> Any:
    """Group bars by what may be compared with each other."""
    return bars.groupby(["instrument_id", "segment"], sort=False)


def expected_factor(bars: pd.DataFrame, values: Any) -> pd.Series:
    """Expected values beside the rows of `bars`, by instrument and day."""
    return pd.Series(np.asarray(values, dtype=np.float64), index=pd.MultiIndex.from_frame(bars[KEY]))


def assert_agrees(stored: pd.DataFrame, expected: pd.Series, *, column: str, rtol: float, atol: float = 0.0) -> None:
    """Compare a stored column with expected values, both ways: no value too many, none missing, none different."""
    got = stored.set_index(KEY)[column].dropna().astype(np.float64).sort_index()
    wanted = expected.dropna().sort_index()
    assert len(wanted) > 0
    assert len(got.index.difference(wanted.index)) == 0
    assert len(wanted.index.difference(got.index)) == 0
    np.testing.assert_allclose(got.to_numpy(), wanted.to_numpy(), rtol=rtol, atol=atol)
