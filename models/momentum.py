"""The naive baseline that every other forecaster has to beat."""

from __future__ import annotations

from typing import ClassVar, Self

import numpy as np
import pandas as pd

from models.forecaster import learnt_features

MOMENTUM_FEATURE = "momentum_252d_21d_centred_rank"


class MomentumForecaster:
    """Last year's winners go on winning: the forecast is the rank of 12-1 momentum.

    Learns nothing but its column, so its skill cannot come from fitting.

    Notes
    -----
    Missing: an instrument without momentum is forecast in the middle, 0.
    Source: Jegadeesh and Titman (1993), J. Finance 48(1); Carhart (1997), J. Finance 52(1).
    """

    name: ClassVar[str] = "momentum_12_1"

    feature_names_: list[str]

    def fit(self, features: pd.DataFrame, target: pd.Series) -> Self:
        """Check that the column is there; the target is not looked at."""
        self.feature_names_ = [MOMENTUM_FEATURE]
        learnt_features(self, features)
        return self

    def predict(self, features: pd.DataFrame) -> pd.Series:
        """Forecast the centred rank of momentum, fraction, on the index of `features`."""
        return self.contributions(features)[MOMENTUM_FEATURE].rename("forecast")

    def contributions(self, features: pd.DataFrame) -> pd.DataFrame:
        """Give the only feature the whole forecast."""
        chosen = learnt_features(self, features)
        values = np.nan_to_num(chosen[MOMENTUM_FEATURE].to_numpy(np.float64), nan=0.0)
        return pd.DataFrame({MOMENTUM_FEATURE: values}, index=features.index)
