"""What can go wrong with a forecaster, and where.

ModelsError
├── NotFitted              predict was called before fit
├── FeaturesMismatch       the columns to predict from are not those learnt from
├── RegistryError          models.yaml or an entry point does not hold together
│   ├── UnknownModel
│   ├── UnknownForecasterType
│   ├── UnknownParameter
│   └── NotAForecaster
└── UnreadableArtifact     bytes that are no saved forecaster, or one of another format
"""

from collections.abc import Iterable


class ModelsError(Exception):
    """Something about a forecaster that the caller can put right."""


class NotFitted(ModelsError):
    """The forecaster has learnt nothing yet."""

    def __init__(self, forecaster: str) -> None:
        super().__init__(
            f"{forecaster}.predict: fit must come first; got an unfitted forecaster. "
            f"Call fit(features, target), or load a saved version."
        )


class FeaturesMismatch(ModelsError):
    """The frame lacks columns that the forecaster learnt from."""

    def __init__(self, forecaster: str, *, missing: Iterable[str]) -> None:
        super().__init__(
            f"{forecaster}: every feature learnt from must be a column; missing {sorted(missing)}. "
            f"Build the panel with the same feature set as in training."
        )


class RegistryError(ModelsError):
    """The list of forecasters does not hold together."""


class UnknownModel(RegistryError):
    """No line of the registry has this id."""

    def __init__(self, model_id: str, *, known: Iterable[str]) -> None:
        super().__init__(
            f"registry: model id must be one of {sorted(known)}; got {model_id!r}. Add a line to models/models.yaml."
        )


class UnknownForecasterType(RegistryError):
    """No class is registered under this type."""

    def __init__(self, forecaster_type: str, *, known: Iterable[str]) -> None:
        super().__init__(
            f"registry: type must be one of {sorted(known)}; got {forecaster_type!r}. "
            f"Install the package that registers it under factorloom.forecasters."
        )


class UnknownParameter(RegistryError):
    """The constructor of the type does not take these parameters."""

    def __init__(self, model_id: str, *, unknown: Iterable[str], known: Iterable[str]) -> None:
        super().__init__(
            f"registry: parameters of {model_id!r} must be among {sorted(known)}; "
            f"got {sorted(unknown)}. Correct its line in models/models.yaml."
        )


class NotAForecaster(RegistryError):
    """What an entry point names lacks a part of the protocol."""

    def __init__(self, forecaster_type: str, *, missing: Iterable[str]) -> None:
        super().__init__(
            f"registry: type {forecaster_type!r} must be a class with name, fit and predict; "
            f"missing or different {sorted(missing)}. See models/forecaster.py."
        )


class UnreadableArtifact(ModelsError):
    """Bytes that do not hold a saved forecaster of the present format."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"artifacts.load: bytes must be a saved forecaster; got {reason}. Train it again.")
