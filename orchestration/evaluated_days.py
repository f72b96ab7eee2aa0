"""What research.evaluation_days says of forecasters, and the forecast of all together that it judges as well."""

import datetime as dt
from bisect import bisect_left
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from models.ensemble import combined_forecasts, model_weights, trailing_rank_ics
from models.labels import LABEL_SESSIONS
from models.registry import Registry
from transforms.days import as_days
from transforms.evaluation import N_DECILES, Evaluation


def as_evaluation(days: pd.DataFrame) -> Evaluation:
    """Return the rows of research.evaluation_days of one forecaster as `evaluate` gave them."""
    rank_ic = days["rank_ic"].to_numpy(np.float64, na_value=np.nan)
    tenths = (padded(days[name], N_DECILES) for name in ("decile_returns", "decile_up_shares", "decile_turnovers"))
    return Evaluation(rank_ic, days["n_instruments"].to_numpy(np.int64), *tenths)


def padded(lists: pd.Series, length: int) -> npt.NDArray[np.float64]:
    """Lay lists out as rows; what is null, or was written before the column was there, is NaN."""
    rows = np.full((len(lists), length), np.nan)
    for row, values in zip(rows, lists, strict=True):
        row[: len(values)] = np.asarray(values, dtype=np.float64)
    return rows


def last_known_day(sessions: Sequence[dt.date], day: dt.date) -> dt.date | None:
    """Return the newest day whose label was known at the close of a day, None where there is none."""
    place = bisect_left(sessions, day) - LABEL_SESSIONS
    return sessions[place] if place >= 0 else None


def voters(registry: Registry, made: pd.DataFrame) -> dict[str, float]:
    """Return the weights of the enabled forecasters that have forecasts and a weight above 0."""
    present = set(made["model_id"].unique())
    return {name: weight for name, weight in configured_weights(registry).items() if name in present}


def configured_weights(registry: Registry) -> dict[str, float]:
    """Return the weights of the enabled forecasters with a weight above 0."""
    return {entry.id: entry.weight for entry in registry.enabled if entry.weight > 0.0}


def configuration_of(registry: Registry) -> dict[str, Any] | None:
    """Return what orders the forecasts of the ensemble, None where fewer than two have a say: it would be a copy."""
    weights = configured_weights(registry)
    return {"weights": registry.ensemble.weights, "weight_of": weights} if len(weights) > 1 else None


def ensemble_forecasts(
    registry: Registry, made: pd.DataFrame, track: pd.DataFrame, sessions: Sequence[dt.date]
) -> pd.DataFrame:
    """Combine the forecasts of forecasters, each day by the weights that it had at its close.

    Parameters
    ----------
    registry : Registry
    made : DataFrame
        Rows of research.forecasts.
    track : DataFrame
        Rows of research.evaluation_days, by model and day.
    sessions : sequence of days, ascending

    Returns
    -------
    DataFrame
        As `combined_forecasts`, of the days on which two at least have a say.
    """
    configured = voters(registry, made)
    if len(configured) < 2:
        return pd.DataFrame(columns=["as_of_date", "instrument_id", "forecast"])
    days = pd.DatetimeIndex(np.sort(made["as_of_date"].unique()), name="as_of_date")
    known = [last_known_day(sessions, day.date()) for day in days]
    looks = np.array([day or dt.date.min for day in known], dtype="datetime64[D]")
    rank_ics = {name: _rank_ics(track[track["model_id"] == name], looks) for name in configured}
    is_there = pd.crosstab(made["as_of_date"], made["model_id"]).reindex(index=days, columns=list(configured)) > 0
    weights = []
    for row, present in enumerate(is_there.to_numpy()):
        own = {name: weight for (name, weight), has in zip(configured.items(), present, strict=True) if has}
        known_ics = {name: rank_ics[name][row] for name in own}
        weights.append(model_weights(own, known_ics, registry.ensemble) if len(own) > 1 else {})
    return combined_forecasts(made, pd.DataFrame(weights, index=days, columns=list(configured)).fillna(0.0))


def _rank_ics(own: pd.DataFrame, looks: npt.NDArray[np.datetime64]) -> npt.NDArray[np.float64]:
    """Mean rank IC of the days up to each look."""
    if own.empty:
        return np.full(len(looks), np.nan)
    return trailing_rank_ics(as_evaluation(own), np.searchsorted(as_days(own["as_of_date"]), looks, side="right"))
