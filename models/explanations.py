"""Why a forecast is what it is: what each feature adds to it, and the strongest of these in words."""

from __future__ import annotations

from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
import pandas as pd

from models.forecaster import Forecaster

N_REASONS = 5


@runtime_checkable
class Explained(Protocol):
    """A forecaster that can say what each feature adds."""

    def contributions(self, features: pd.DataFrame) -> pd.DataFrame:
        """Split each forecast among the features.

        Returns
        -------
        DataFrame of shape (n_rows, n_features), fraction
            On the index of `features`; a row's sum is its forecast, less a constant of the forecaster.
        """
        ...


class Reasons(NamedTuple):
    """The strongest reasons of each row, strongest first; lists of length n_rows.

    Attributes
    ----------
    features : list of list of str
    sizes : list of list of float
        What each adds to the forecast, in centred ranks; negative where it lowers it.
    words : list of list of str
    """

    features: list[list[str]]
    sizes: list[list[float]]
    words: list[list[str]]


def strongest_reasons(forecaster: Forecaster, features: pd.DataFrame, *, n_reasons: int = N_REASONS) -> Reasons:
    """Name the features that move each forecast most.

    Parameters
    ----------
    forecaster : Forecaster
        Fitted. One without `contributions` has no reasons.
    features : DataFrame of shape (n_rows, n_features), float32
    n_reasons : int
        At most so many; features that add nothing are no reason.

    Returns
    -------
    Reasons
    """
    if not isinstance(forecaster, Explained):
        n = len(features)
        return Reasons([[] for _ in range(n)], [[] for _ in range(n)], [[] for _ in range(n)])
    parts = forecaster.contributions(features)
    sizes, names = parts.to_numpy(np.float64), [str(name) for name in parts.columns]
    values = features[names].to_numpy(np.float64)
    order = np.argsort(-np.abs(sizes), axis=1, kind="stable")[:, :n_reasons]
    found = Reasons([], [], [])
    for row, columns in enumerate(order):
        chosen = [int(column) for column in columns if sizes[row, column] != 0.0]
        found.features.append([names[column] for column in chosen])
        found.sizes.append([float(sizes[row, column]) for column in chosen])
        found.words.append([in_words(names[c], float(values[row, c]), float(sizes[row, c])) for c in chosen])
    return found


def in_words(feature: str, value: float, size: float) -> str:
    """Say in a sentence what a feature does to a forecast."""
    effect = f"{'raises' if size > 0 else 'lowers'} the forecast by {abs(size):.4f}"
    if np.isnan(value):
        return f"{_plain(feature)} is not known, which {effect}"
    if feature.endswith("_centred_rank"):
        return f"{_plain(feature)} above {(value + 0.5) * 100:.0f} % of the universe {effect}"
    return f"{_plain(feature)} at {value:+.2f} {effect}"


def _plain(feature: str) -> str:
    return feature.removesuffix("_centred_rank").replace("_", " ")
