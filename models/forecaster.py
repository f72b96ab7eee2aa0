"""The protocol of a forecaster, and what its conventions let everybody else read from it.

A forecaster is a class of two methods. Its constructor only stores settings under the names of its
arguments; what `fit` learns are attributes whose names end in ``_``. These two conventions are
enough to know its parameters, to save it and to load it again, so no forecaster writes code for
that. Nothing here knows a particular forecaster.
"""

from __future__ import annotations

import inspect
from typing import Any, ClassVar, Protocol, Self, runtime_checkable

import msgspec
import pandas as pd

from models.errors import FeaturesMismatch, NotFitted

# Plain values only, so that a setting can be written in models.yaml and hashed.
Setting = str | int | float | bool | None


@runtime_checkable
class Forecaster(Protocol):
    """A cross-sectional return forecaster.

    Learnt attributes end in ``_`` and are plain values: str, int, float, bool, None, bytes, and
    lists or dicts of these. `feature_names_` is learnt by all; `feature_importances_`, a dict of
    shares by feature name, by those that have them. A class may name the libraries that its
    numbers depend on in a class attribute ``libraries``.
    """

    name: ClassVar[str]

    def fit(self, features: pd.DataFrame, target: pd.Series) -> Self:
        """Learn. The constructor only stores settings; learnt values end in ``_``.

        Parameters
        ----------
        features : DataFrame of shape (n_rows, n_features), float32
            Index (`as_of_date`, `instrument_id`). NaN is missing.
        target : Series of shape (n_rows,), fraction
            Centred rank of the label within its day, -0.5 to 0.5, without NaN.
        """
        ...

    def predict(self, features: pd.DataFrame) -> pd.Series:
        """Forecast the centred rank, fraction, on the index of `features`; never NaN.

        Raises
        ------
        NotFitted
            If nothing has been learnt.
        """
        ...


class ForecasterMetadata(msgspec.Struct, frozen=True):
    """What a forecaster is, and what it says of what it has learnt."""

    name: str
    parameters: dict[str, Setting]
    feature_names: list[str]
    feature_importances: dict[str, float] | None
    libraries: tuple[str, ...]


def parameter_names(forecaster_class: type[Forecaster]) -> list[str]:
    """List the settings that the constructor takes, in its order."""
    return list(inspect.signature(forecaster_class).parameters)


def parameters(forecaster: Forecaster) -> dict[str, Setting]:
    """Read the settings back, defaults included, in the order of the constructor."""
    return {name: getattr(forecaster, name) for name in parameter_names(type(forecaster))}


def learnt_values(forecaster: Forecaster) -> dict[str, Any]:
    """Read every attribute that `fit` has set, by name; empty before `fit`."""
    return {name: value for name, value in vars(forecaster).items() if name.endswith("_") and not name.startswith("_")}


def restore(forecaster: Forecaster, learnt: dict[str, Any]) -> Forecaster:
    """Give an unfitted forecaster what another one has learnt, and return it."""
    for name, value in learnt.items():
        setattr(forecaster, name, value)
    return forecaster


def metadata(forecaster: Forecaster) -> ForecasterMetadata:
    """Describe a forecaster, fitted or not."""
    learnt = learnt_values(forecaster)
    return ForecasterMetadata(
        name=forecaster.name,
        parameters=parameters(forecaster),
        feature_names=list(learnt.get("feature_names_", [])),
        feature_importances=learnt.get("feature_importances_"),
        libraries=tuple(getattr(type(forecaster), "libraries", ())),
    )


def learnt_features(forecaster: Forecaster, features: pd.DataFrame) -> pd.DataFrame:
    """Select the columns learnt from, in their order.

    Raises
    ------
    NotFitted
        If the forecaster has learnt nothing.
    FeaturesMismatch
        If a column learnt from is missing.
    """
    names = learnt_values(forecaster).get("feature_names_")
    if names is None:
        raise NotFitted(type(forecaster).__name__)
    missing = [name for name in names if name not in features.columns]
    if missing:
        raise FeaturesMismatch(type(forecaster).__name__, missing=missing)
    return features if list(features.columns) == names else features[names]
