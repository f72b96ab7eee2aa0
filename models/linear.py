"""Ridge regression on the centred rank of the label: what a straight line makes of the same features."""

from __future__ import annotations

from typing import ClassVar, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.forecaster import learnt_features


class LinearForecaster:
    """A weighted sum of the features, weights held small.

    Parameters
    ----------
    l2_penalty : float
        Added to the features' mean squares, which are 1/12 for ranks without holes. The ratios of indicators are near
        copies of each other; the penalty lets them share a weight in place of large ones against each other.

    Notes
    -----
    Missing: a feature without a value is in the middle of its day, 0.
    Source: Hoerl and Kennard (1970), Technometrics 12(1). No intercept: features and target are centred within each
    day, so the mean forecast of a day is near 0.
    """

    name: ClassVar[str] = "linear"

    feature_names_: list[str]
    feature_importances_: dict[str, float]
    weights_: list[float]

    def __init__(self, *, l2_penalty: float = 0.01) -> None:
        self.l2_penalty = l2_penalty

    def fit(self, features: pd.DataFrame, target: pd.Series) -> Self:
        """Solve the normal equations."""
        names = [str(name) for name in features.columns]
        values = _filled(features)
        squares = values.T @ values / len(values)
        products = values.T @ target.to_numpy(np.float64) / len(values)
        weights = np.linalg.solve(squares + self.l2_penalty * np.eye(len(names)), products)
        moved = np.abs(weights) * np.sqrt(np.diag(squares))
        total = float(moved.sum()) or 1.0
        self.feature_names_ = names
        self.weights_ = weights.tolist()
        self.feature_importances_ = {name: float(part) / total for name, part in zip(names, moved, strict=True)}
        return self

    def predict(self, features: pd.DataFrame) -> pd.Series:
        """Forecast the centred rank, fraction, on the index of `features`."""
        # Each row is added up by itself, not by a matrix product: its last bits must not depend on its company.
        values = np.ascontiguousarray(self.contributions(features).to_numpy()).sum(axis=1)
        return pd.Series(values, index=features.index, name="forecast")

    def contributions(self, features: pd.DataFrame) -> pd.DataFrame:
        """Split each forecast among the features: weight times value."""
        chosen = learnt_features(self, features)
        return pd.DataFrame(
            _filled(chosen) * np.array(self.weights_), index=features.index, columns=self.feature_names_
        )


def _filled(features: pd.DataFrame) -> NDArray[np.float64]:
    """Put 0 where a value is missing."""
    return np.asarray(np.nan_to_num(features.to_numpy(np.float64), nan=0.0))
