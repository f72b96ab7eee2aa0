"""Parameters chosen by nested walk-forward: what a quarter may use, earlier quarters have shown.

A choice for the quarter Q looks at forecasts of quarters before Q alone, each made by versions that learnt from days
before their own quarter, and only at days whose labels were known before Q. So Q, which the choice will be judged by,
has no say in it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from itertools import product
from typing import NamedTuple

import msgspec
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.forecaster import Setting
from models.labels import LABEL_SESSIONS
from models.panels import Days
from models.registry import ModelEntry, Registry
from models.training import walk_forward
from models.walk_forward import Fold
from transforms.evaluation import evaluate, newey_west_variance
from transforms.selection_bias import sharpe_ratio
from transforms.spread import period_returns

# Tried where nobody says what to try, by type; parameters of the registry stand for the rest.
DEFAULT_GRIDS: Mapping[str, Mapping[str, Sequence[Setting]]] = {
    "gradient_boosting": {"n_leaves": (4, 8, 16), "n_trees": (60, 120, 240)},
    "linear": {"l2_penalty": (0.001, 0.01, 0.1, 1.0)},
}


class Candidate(NamedTuple):
    """Parameters and what they showed on the inner test days.

    Attributes
    ----------
    parameters : dict
        All of them, those of the registry included.
    rank_ic_mean, rank_ic_error : float, ratio
        Mean daily rank IC, and its Newey-West standard error.
    sharpe_net : float, per period of 21 sessions
        Of best less worst tenth after costs, as in research.trials; NaN where there are too few periods.
    n_periods : int
    return_net : tuple of floats, fraction per period
        What that Sharpe ratio is of, oldest first; NaN where a period has no tenths.
    """

    parameters: dict[str, Setting]
    rank_ic_mean: float
    rank_ic_error: float
    sharpe_net: float
    n_periods: int
    return_net: tuple[float, ...]


class Choice(NamedTuple):
    """The best candidate, all of them in the order tried, and the inner test days."""

    best: Candidate
    candidates: list[Candidate]
    first_date: date
    last_date: date
    n_folds: int


def combinations_of(grid: Mapping[str, Sequence[Setting]]) -> list[dict[str, Setting]]:
    """Return every combination of a grid, in order."""
    return [dict(zip(grid, values, strict=True)) for values in product(*grid.values())]


def with_parameters(registry: Registry, model_id: str, parameters: Mapping[str, Setting]) -> Registry:
    """Return a registry in which some parameters of a model are others."""

    def changed(entry: ModelEntry) -> ModelEntry:
        return msgspec.structs.replace(entry, parameters={**entry.parameters, **parameters})

    entries = tuple(changed(entry) if entry.id == model_id else entry for entry in registry.entries)
    return msgspec.structs.replace(registry, entries=entries)


def inner_folds(folds: Sequence[Fold], valid_from_date: date, *, n_folds: int) -> list[Fold]:
    """Return the newest folds that end before a quarter begins.

    Raises
    ------
    ValueError
        If there is none.
    """
    before = [fold for fold in folds if fold.valid_to_date < valid_from_date][-n_folds:]
    if not before:
        raise ValueError(
            f"tune: some quarter before {valid_from_date} must have enough history to be forecast; got none. Choose a "
            "later quarter."
        )
    return before


def tune(
    registry: Registry,
    model_id: str,
    grid: Mapping[str, Sequence[Setting]],
    folds: Sequence[Fold],
    features: pd.DataFrame,
    labels: pd.DataFrame,
    sessions: Sequence[date] | Days,
    *,
    valid_from_date: date,
    cost_bps: float = 10.0,
    n_workers: int = 1,
) -> Choice:
    """Choose parameters for the quarters from a day on.

    Parameters
    ----------
    registry : Registry
    model_id : str
    grid : mapping of lists, by parameter
        Every combination is a candidate.
    folds : sequence of Fold
        From `inner_folds`.
    features : DataFrame of shape (n_rows, n_features), float32
        Panel of the training days and the inner test days.
    labels : DataFrame of shape (n_rows, 2)
        `models.labels.label_panel` on the index of the features.
    sessions : array of shape (n_sessions,), days
        Sessions of the home calendar, ascending.
    valid_from_date : date
        First day that the choice may be used on.
    cost_bps : float, basis points
    n_workers : int, threads

    Returns
    -------
    Choice
        The candidate with the highest mean rank IC; of equal ones the first.

    Raises
    ------
    UnknownModel, UnknownParameter
    ValueError
        If no label of an inner test day was known before `valid_from_date`.
    """
    label = _known_labels(labels["label_return"], sessions, valid_from_date)
    tried = []
    days: pd.Index = pd.Index([])
    for parameters in combinations_of(grid):
        own = with_parameters(registry, model_id, parameters)
        made = walk_forward(own, model_id, folds, features, labels["label_rank"], n_workers=n_workers)
        forecast = pd.concat([guesses["forecast"] for _, guesses in made]).unstack()
        days = forecast.index.intersection(label.index)
        if not len(days):
            raise ValueError(
                f"tune: labels of inner test days must be known before {valid_from_date}; got none. Choose a later "
                "quarter."
            )
        tried.append(_judged(own.entry(model_id).parameters, forecast.loc[days], label, cost_bps))
    best = max(tried, key=lambda candidate: candidate.rank_ic_mean)
    return Choice(best, tried, days[0].date(), days[-1].date(), len(folds))


def _known_labels(returns: pd.Series, sessions: Sequence[date] | Days, valid_from_date: date) -> pd.DataFrame:
    """Lay out the labels of the days whose label ended before a day; shape (n_days, n_instruments)."""
    known = np.asarray(sessions).astype("datetime64[D]")
    begin = int(np.searchsorted(known, np.datetime64(valid_from_date, "D")))
    last = begin - 1 - LABEL_SESSIONS
    grid = returns.unstack()
    if last < 0:
        return grid.iloc[:0]
    return grid[grid.index <= pd.Timestamp(known[last])]


def _judged(
    parameters: Mapping[str, Setting], forecast: pd.DataFrame, label: pd.DataFrame, cost_bps: float
) -> Candidate:
    came = label.reindex(index=forecast.index, columns=forecast.columns)
    found = evaluate(_values(forecast), _values(came), horizon_sessions=LABEL_SESSIONS)
    ic = found.rank_ic[np.isfinite(found.rank_ic)]
    error = float(np.sqrt(newey_west_variance(ic, lag=LABEL_SESSIONS - 1) / len(ic))) if len(ic) > 1 else float("nan")
    gross, cost = period_returns(found, cost_bps=cost_bps, horizon_sessions=LABEL_SESSIONS)
    net = gross - cost
    known = net[np.isfinite(net)]
    mean = float(ic.mean()) if len(ic) else float("-inf")
    return Candidate(dict(parameters), mean, error, sharpe_ratio(known), len(known), tuple(net.tolist()))


def _values(frame: pd.DataFrame) -> NDArray[np.float64]:
    return np.asarray(frame.to_numpy(np.float64))
