"""Which forecasters there are: the lines of models.yaml, and other packages' entry points."""

from __future__ import annotations

import pkgutil
from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

import msgspec

from models.ensemble import ENSEMBLE, EnsembleSettings
from models.errors import (
    NotAForecaster,
    RegistryError,
    UnknownForecasterType,
    UnknownModel,
    UnknownParameter,
)
from models.features import FEATURE_SETS
from models.forecaster import Forecaster, Setting, parameter_names

ENTRY_POINT_GROUP = "factorloom.forecasters"
# What every forecaster must beat; evaluated beside them, whatever the file names.
BASELINE = "momentum_12_1"
DEFAULT_PATH = Path(__file__).with_name("models.yaml")

# Named, not imported: LightGBM takes a second to load, which a command that only lists models
# should not pay.
_OWN_TYPES: Mapping[str, str] = {
    "gradient_boosting": "models.gradient_boosting:GradientBoostingForecaster",
    "linear": "models.linear:LinearForecaster",
    "momentum_12_1": "models.momentum:MomentumForecaster",
}


class ModelEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One line of the registry."""

    id: str
    type: str
    features: str
    enabled: bool = True
    weight: float = 1.0
    parameters: dict[str, Setting] = {}


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    models: list[ModelEntry]
    ensemble: EnsembleSettings = EnsembleSettings()
    ranking: str | None = None


class Registry(msgspec.Struct, frozen=True):
    """All forecasters known to this installation, in the order of the file."""

    entries: tuple[ModelEntry, ...]
    ensemble: EnsembleSettings = EnsembleSettings()
    ranking: str | None = None

    @property
    def ranking_model(self) -> str | None:
        """Id of the forecaster that the rankings follow: the one that is named, else the first enabled; None = none."""
        return self.ranking or next((entry.id for entry in self.enabled), None)

    @property
    def enabled(self) -> list[ModelEntry]:
        """List the entries that are trained and shown."""
        return [entry for entry in self.entries if entry.enabled]

    def entry(self, model_id: str) -> ModelEntry:
        """Look one entry up.

        Raises
        ------
        UnknownModel
            If there is none of that id.
        """
        for entry in self.entries:
            if entry.id == model_id:
                return entry
        raise UnknownModel(model_id, known=[entry.id for entry in self.entries])

    def feature_names(self, model_id: str) -> tuple[str, ...]:
        """List the columns that the forecaster learns from, in order."""
        return FEATURE_SETS[self.entry(model_id).features]

    def create(self, model_id: str) -> Forecaster:
        """Make an unfitted forecaster with the parameters of its line.

        Raises
        ------
        UnknownModel, UnknownForecasterType, UnknownParameter, NotAForecaster
        """
        entry = self.entry(model_id)
        forecaster_class = resolve_type(entry.type)
        known = parameter_names(forecaster_class)
        unknown = set(entry.parameters) - set(known)
        if unknown:
            raise UnknownParameter(model_id, unknown=unknown, known=known)
        return forecaster_class(**entry.parameters)


def load_registry(path: Path | None = None) -> Registry:
    """Read the registry; `None` reads the file that comes with the project.

    The baseline is one of the entries also where the file does not name it, with weight 0. An entry point that no line
    uses becomes an entry under its own name, enabled, with weight 1 and
    the feature set that the class names in ``feature_set`` (default ``technical``).

    Raises
    ------
    RegistryError
        If the file cannot be read as a registry, an id occurs twice, a weight is below 0, or a type
        or feature set is not known.
    """
    source = path or DEFAULT_PATH
    try:
        parsed = msgspec.yaml.decode(source.read_bytes(), type=_File)
    except (OSError, msgspec.MsgspecError) as exc:
        raise RegistryError(
            f"registry: {source.name} must be a list of models; got {exc}. Compare it with models/models.yaml."
        ) from exc
    used = {entry.type for entry in parsed.models}
    entries = [
        *parsed.models,
        *(_unlisted(name) for name in sorted(_entry_points()) if name not in used),
    ]
    if all(entry.id != BASELINE for entry in entries):
        entries.append(ModelEntry(id=BASELINE, type=BASELINE, features=BASELINE, weight=0.0))
    _check(entries)
    registry = Registry(entries=tuple(entries), ensemble=parsed.ensemble, ranking=parsed.ranking)
    enabled = [entry.id for entry in registry.enabled]
    if parsed.ranking is not None and parsed.ranking not in enabled:
        raise RegistryError(
            f"registry: ranking must be one of the enabled forecasters {enabled}; got {parsed.ranking!r}. Name one of "
            "them, or enable it."
        )
    return registry


def resolve_type(forecaster_type: str) -> type[Forecaster]:
    """Find the class of a type.

    Raises
    ------
    UnknownForecasterType
        If nobody has registered it.
    NotAForecaster
        If what is registered lacks `fit` or `predict`, or its `name` is not the type.
    """
    others = _entry_points()
    if forecaster_type in _OWN_TYPES:
        found = pkgutil.resolve_name(_OWN_TYPES[forecaster_type])
    elif forecaster_type in others:
        found = others[forecaster_type].load()
    else:
        raise UnknownForecasterType(forecaster_type, known=[*_OWN_TYPES, *others])
    missing = [part for part in ("fit", "predict") if not callable(getattr(found, part, None))]
    # The saved form of a forecaster names its type by `name`, so both must be the same.
    if getattr(found, "name", None) != forecaster_type:
        missing.append("name")
    if missing or not isinstance(found, type):
        raise NotAForecaster(forecaster_type, missing=missing)
    return found


def _entry_points() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=ENTRY_POINT_GROUP) if point.name not in _OWN_TYPES}


def _unlisted(forecaster_type: str) -> ModelEntry:
    features = getattr(resolve_type(forecaster_type), "feature_set", "technical")
    return ModelEntry(id=forecaster_type, type=forecaster_type, features=features)


def _check(entries: list[ModelEntry]) -> None:
    ids = [entry.id for entry in entries]
    if ENSEMBLE in ids:
        raise RegistryError(f"registry: {ENSEMBLE!r} is the name of all models together; got it as an id. Rename it.")
    twice = sorted({model_id for model_id in ids if ids.count(model_id) > 1})
    if twice:
        raise RegistryError(f"registry: every model id must be unique; got {twice} more than once. Rename one.")
    types = {*_OWN_TYPES, *_entry_points()}
    baseline = next(entry for entry in entries if entry.id == BASELINE)
    if not baseline.enabled or (baseline.type, baseline.features) != (BASELINE, BASELINE):
        raise RegistryError(
            f"registry: {BASELINE!r} is the baseline that all must beat: it must be enabled, with type and features "
            f"{BASELINE!r}; got {baseline}. Correct its line or leave it out; weight 0 keeps it out of the ensemble."
        )
    for entry in entries:
        if entry.type not in types:
            raise UnknownForecasterType(entry.type, known=types)
        if not 0.0 <= entry.weight < float("inf"):
            raise RegistryError(
                f"registry: weight of {entry.id!r} must be 0 or more and finite; got {entry.weight}. Correct its line; "
                "0 leaves it out of the ensemble."
            )
        if entry.features not in FEATURE_SETS:
            raise RegistryError(
                f"registry: features of {entry.id!r} must be one of {sorted(FEATURE_SETS)}; "
                f"got {entry.features!r}. Correct its line, or add the set to models/features.py."
            )
