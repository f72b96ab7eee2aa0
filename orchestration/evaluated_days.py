"""What research.evaluation_days says of forecasters, and the forecast of all together that it judges as well."""

import datetime as dt
from bisect import bisect_left
from collections.abc import Sequence

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
    rank_ic, top, bottom = (
        days[name].to_numpy(np.float64, na_value=np.nan)
        for name in ("rank_ic", "top_decile_turnover", "bottom_decile_turnover")
    )
    returns, up_shares = (padded(days[name], N_DECILES) for name in ("decile_returns", "decile_up_shares"))
    return Evaluation(rank_ic, days["n_instruments"].to_numpy(np.int64), returns, up_shares, top, bottom)


def padded(lists: pd.Series, length: int) -> npt.NDArray[np.float64]:
    """Lay lists out as rows; what is null, or was written before there were horizons, is NaN."""
    rows = np.full((len(lists), length), np.nan)
    for row, values in zip(rows, lists, strict=True):
        row[: len(values)] = np.asarray(values, dtype=np.float64)
    return rows


def last_known_day(sessions: Sequence[dt.date], day: dt.date) -> dt.date | None:
    """Return the newest day whose label was known at the close of a day, None where there is none."""
    place = bisect_left(sessions, day) - LABEL_SESSIONS
    return sessions[place] if place >= 0 else None


def voters(registry: Registry, made: pd.DataFrame) -> dict[str, float]:
    """Return the weights of the enabled forecasters that have forecasts and a weight above 0.

    Of a single one the ensemble would be a copy, and it is not judged beside it.
    """
    present = set(made["model_id"].unique())
    return {entry.id: entry.weight for entry in registry.enabled if entry.weight > 0.0 and entry.id in present}


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
        As `combined_forecasts`.
    """
    configured = voters(registry, made)
    days = pd.DatetimeIndex(np.sort(made["as_of_date"].unique()), name="as_of_date")
    known = [last_known_day(sessions, day.date()) for day in days]
    looks = np.array([day or dt.date.min for day in known], dtype="datetime64[D]")
    rank_ics = {name: _rank_ics(track[track["model_id"] == name], looks) for name in configured}
    weights = [
        model_weights(configured, {name: values[row] for name, values in rank_ics.items()}, registry.ensemble)
        for row in range(len(days))
    ]
    return combined_forecasts(made, pd.DataFrame(weights, index=days, columns=list(configured)).fillna(0.0))


def _rank_ics(own: pd.DataFrame, looks: npt.NDArray[np.datetime64]) -> npt.NDArray[np.float64]:
    """Mean rank IC of the days up to each look."""
    if own.empty:
        return np.full(len(looks), np.nan)
    return trailing_rank_ics(as_evaluation(own), np.searchsorted(as_days(own["as_of_date"]), looks, side="right"))
