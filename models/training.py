"""Training one version of a forecaster, and forecasting with it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from itertools import pairwise

import msgspec
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.daily_ranks import daily_ranks
from models.features import features_hash
from models.forecaster import Forecaster, Setting, metadata, parameters
from models.panels import as_days, day_starts, rows_between, rows_on
from models.provenance import code_version, content_id, data_digest, library_versions
from models.registry import Registry
from models.walk_forward import Fold

Metrics = dict[str, float | dict[str, float]]

_N_DIAGNOSIS_DAYS = 12


class ModelVersion(msgspec.Struct, frozen=True):
    """What was learnt, from what: a row of research.model_versions without artifact_uri."""

    model_version_id: str
    model_id: str
    train_first_date: date
    train_last_date: date
    valid_from_date: date
    valid_to_date: date
    n_rows: int
    n_instruments: int
    features: tuple[str, ...]
    features_hash: str
    data_digest: str
    parameters: dict[str, Setting]
    seed: int
    code_version: str
    library_versions: dict[str, str]
    metrics: Metrics


@dataclass(frozen=True)
class TrainedVersion:
    """A fitted forecaster with the record of how it came about."""

    version: ModelVersion
    forecaster: Forecaster


def train(
    fold: Fold,
    features: pd.DataFrame,
    labels: pd.Series,
    forecaster: Forecaster,
    *,
    model_id: str | None = None,
) -> TrainedVersion:
    """Fit a forecaster on the training days of a fold.

    Parameters
    ----------
    fold : Fold
    features : DataFrame of shape (n_rows, n_features), float32
        Panel with the columns of the forecaster's feature set; days beyond the fold are not used.
    labels : Series of shape (n_rows,), fraction
        `label_rank` of `models.labels.label_panel`, on the index of `features`. Rows without a
        label are left out.
    forecaster : Forecaster
        Unfitted; it is fitted in place.
    model_id : str or None
        Id in the registry; `None` is the forecaster's name.

    Returns
    -------
    TrainedVersion
        `version.metrics` are in-sample figures for diagnosis, never a measure of skill:
        `rank_ic_in_sample` (mean over the last 12 training days), `n_train_days` and, where the
        forecaster has them, `feature_importances` (shares of the gain).

    Raises
    ------
    ValueError
        If labels and features have different indexes, or no row of the fold has a label.

    Notes
    -----
    `model_version_id` is the hash of model id, type, first day forecast, data digest, features
    hash, parameters (seed included), code version and library versions.
    """
    if len(labels) != len(features) or not labels.index.equals(features.index):
        raise ValueError(
            f"train: labels must have the index of the features; got {len(labels)} labels and "
            f"{len(features)} rows. Make them with label_panel(returns, features.index)."
        )
    rows = rows_on(_panel_index(features), np.array(fold.train_dates, dtype="datetime64[D]"))
    rows = rows[labels.to_numpy(np.float64)[rows] == labels.to_numpy(np.float64)[rows]]
    if not rows.size:
        raise ValueError(
            f"train: a fold must have rows with labels; got none from {fold.train_first_date} to "
            f"{fold.train_last_date}. Check that the universe has members then."
        )
    learnt_from, target = features.iloc[rows], labels.iloc[rows]
    fitted = forecaster.fit(learnt_from, target)
    version = _describe(fold, learnt_from, target, fitted, model_id=model_id or forecaster.name)
    return TrainedVersion(version=version, forecaster=fitted)


def forecast(trained: TrainedVersion, features: pd.DataFrame) -> pd.DataFrame:
    """Forecast days that the version has not learnt from.

    Parameters
    ----------
    trained : TrainedVersion
    features : DataFrame of shape (n_rows, n_features), float32
        Panel from `valid_from_date` on. Days after `valid_to_date` are answered too: an older
        version is out of sample there, only older than need be.

    Returns
    -------
    DataFrame of shape (n_rows, 2)
        On the index of `features`: `forecast`, the expected centred rank of the label, fraction,
        and `forecast_rank`, its rank within the day, 0 worst to 1 best.

    Raises
    ------
    ValueError
        If a day lies before `valid_from_date`, or a forecast is not a finite number.

    Notes
    -----
    Point in time: a row depends on its own features only, its rank on those of its day.
    """
    version = trained.version
    index = _panel_index(features)
    starts = day_starts(index)
    days = as_days(index.get_level_values(0)[starts[:-1]])
    if days.size and days[0] < np.datetime64(version.valid_from_date, "D"):
        raise ValueError(
            f"forecast: days must be from {version.valid_from_date} on, where {version.model_id} "
            f"is out of sample; got {days[0]}. Use the version of that quarter."
        )
    values = trained.forecaster.predict(features).to_numpy(np.float64)
    n_others = int((~np.isfinite(values)).sum())
    if n_others:
        raise ValueError(
            f"forecast: every forecast must be a finite number; got {n_others} others from "
            f"{version.model_id}. Let the forecaster decide what missing features mean."
        )
    ranks = daily_ranks(values[:, None], starts)[:, 0]
    return pd.DataFrame({"forecast": values, "forecast_rank": ranks}, index=index)


def train_folds(
    registry: Registry,
    model_id: str,
    folds: Sequence[Fold],
    features: pd.DataFrame,
    labels: pd.Series,
    *,
    n_workers: int = 1,
) -> Iterator[TrainedVersion]:
    """Train one version per fold, in the order of `folds`.

    Parameters
    ----------
    registry : Registry
    model_id : str
    folds : sequence of Fold
    features : DataFrame of shape (n_rows, n_features), float32
        Panel with at least the columns of the model's feature set.
    labels : Series of shape (n_rows,), fraction
        As in `train`.
    n_workers : int, threads
        Folds trained side by side. They share nothing, so the number changes no result; with it, versions are made
        ahead of the one asked for.
    """
    chosen = features[list(registry.feature_names(model_id))]

    def one(fold: Fold) -> TrainedVersion:
        return train(fold, chosen, labels, registry.create(model_id), model_id=model_id)

    with ThreadPoolExecutor(max_workers=n_workers) as pool:
        yield from pool.map(one, folds)


def walk_forward(
    registry: Registry,
    model_id: str,
    folds: Sequence[Fold],
    features: pd.DataFrame,
    labels: pd.Series,
    *,
    n_workers: int = 1,
) -> Iterator[tuple[TrainedVersion, pd.DataFrame]]:
    """Train fold after fold and forecast the days of each: pairs of version and forecasts, as `forecast` gives them.

    Parameters are those of `train_folds`; a panel that ends earlier gives the same pairs for the days that it has.
    """
    index = _panel_index(features)
    for trained in train_folds(registry, model_id, folds, features, labels, n_workers=n_workers):
        rows = rows_between(index, trained.version.valid_from_date, trained.version.valid_to_date)
        yield trained, forecast(trained, features.iloc[rows])


def _describe(
    fold: Fold, features: pd.DataFrame, target: pd.Series, fitted: Forecaster, *, model_id: str
) -> ModelVersion:
    index = _panel_index(features)
    days = as_days(index.levels[0])[[index.codes[0][0], index.codes[0][-1]]].tolist()
    names = tuple(str(name) for name in features.columns)
    settings = parameters(fitted)
    made_of = {
        "features_hash": features_hash(names),
        "data_digest": data_digest(features, target),
        "code_version": code_version(type(fitted)),
    }
    libraries = library_versions(metadata(fitted).libraries)
    identity = {
        "model_id": model_id,
        "type": fitted.name,
        "valid_from_date": fold.valid_from_date,
        "parameters": settings,
        "library_versions": libraries,
    }
    return ModelVersion(
        model_version_id=content_id(identity | made_of),
        model_id=model_id,
        train_first_date=days[0],
        train_last_date=days[1],
        valid_from_date=fold.valid_from_date,
        valid_to_date=fold.valid_to_date,
        n_rows=len(features),
        n_instruments=int(np.unique(index.codes[1]).size),
        features=names,
        parameters=settings,
        seed=_seed(settings),
        library_versions=libraries,
        metrics=_metrics(features, target, fitted),
        **made_of,
    )


def _seed(settings: dict[str, Setting]) -> int:
    """Forecasters that draw nothing have no seed; the column says 0."""
    seed = settings.get("seed")
    return seed if isinstance(seed, int) else 0


def _metrics(features: pd.DataFrame, target: pd.Series, fitted: Forecaster) -> Metrics:
    starts = day_starts(_panel_index(features))
    first = int(starts[max(len(starts) - 1 - _N_DIAGNOSIS_DAYS, 0)])
    recent = features.iloc[first:]
    figures: Metrics = {
        "n_train_days": float(len(starts) - 1),
        "rank_ic_in_sample": _mean_rank_correlation(
            fitted.predict(recent).to_numpy(np.float64),
            target.iloc[first:].to_numpy(np.float64),
            day_starts(_panel_index(recent)),
        ),
    }
    importances = metadata(fitted).feature_importances
    return figures | ({"feature_importances": importances} if importances else {})


def _mean_rank_correlation(left: NDArray[np.float64], right: NDArray[np.float64], starts: NDArray[np.intp]) -> float:
    """Mean over days of the correlation of ranks; a day on which either is constant counts 0."""
    ranks = daily_ranks(np.column_stack([left, right]), starts)
    correlations = []
    for start, end in pairwise(starts):
        centred = ranks[start:end] - ranks[start:end].mean(axis=0)
        scale = float(np.sqrt((centred**2).sum(axis=0).prod()))
        correlations.append(float(centred.prod(axis=1).sum()) / scale if scale > 0.0 else 0.0)
    return float(np.mean(correlations))


def _panel_index(features: pd.DataFrame) -> pd.MultiIndex:
    if not isinstance(features.index, pd.MultiIndex):
        raise TypeError(
            f"training: features must have the index (as_of_date, instrument_id); "
            f"got {type(features.index).__name__}. Build them with models.features."
        )
    return features.index
