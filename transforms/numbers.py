"""Numeric columns as numpy arrays, whatever a frame keeps them in."""

import numpy as np
import numpy.typing as npt
import pandas as pd


def as_numbers(values: pd.Series) -> npt.NDArray[np.float64]:
    """Give a column as floats, missing ones as NaN; shape (n,)."""
    return values.to_numpy(dtype=np.float64, na_value=np.nan)
