"""From forecasts to signals: calibrated out of sample, one model at a time and all of them together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

import msgspec
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import stdtr

from transforms.evaluation import Evaluation, newey_west_t

ENSEMBLE = "ensemble"
# Fewer known days say nothing about a return.
MIN_DAYS = 63
SIGNAL_STEPS = np.array([0.1, 0.3, 0.7, 0.9])
SIGNALS = ("strong_sell", "sell", "hold", "buy", "strong_buy")
HOLD = SIGNALS.index("hold")
VOTES = np.array([-1, -1, 0, 1, 1])

Array = NDArray[np.float64]


class EnsembleSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the signals of several models become one; the lines `ensemble` of models.yaml.

    Attributes
    ----------
    strategy : str
        weighted_mean: by the weighted mean of the models' percentiles. weighted_majority: the side with most weight,
        hold where two are level. unanimous: the side that all are on, else hold.
    weights : str
        configured, or trailing_ic: those times the mean rank IC of all days known by then, where that is above 0.
    min_agreement : float, fraction
        Share of the weight that must be on the side of the combined signal; below it the signal is hold.
    min_confidence : float, 0 to 1
        Confidence below which the combined signal is hold.
    """

    strategy: Literal["weighted_mean", "weighted_majority", "unanimous"] = "weighted_mean"
    weights: Literal["configured", "trailing_ic"] = "configured"
    min_agreement: float = 0.0
    min_confidence: float = 0.0

    def __post_init__(self) -> None:
        if not (0.0 <= self.min_agreement <= 1.0 and 0.0 <= self.min_confidence <= 1.0):
            raise ValueError(
                f"ensemble: min_agreement and min_confidence must be from 0 to 1; "
                f"got {self.min_agreement} and {self.min_confidence}"
            )


class Calibration(NamedTuple):
    """What a model's rank has meant so far.

    Attributes
    ----------
    return_in_middle, return_slope : float, fraction per 22 sessions
        The line ``return_in_middle + return_slope * (rank - 0.5)`` through the mean labels of the tenths.
    up_in_middle, up_slope : float, fraction
        The same line through the shares of labels above 0.
    reliability : float, 0 to 1
        ``2 * F(t) - 1`` of the Newey-West t of the rank IC, 0 where t is below 0; F is Student's distribution with one
        degree of freedom less than there are labels that do not overlap, since few labels say little.
    mean_rank_ic : float, ratio
    n_days : int
    """

    return_in_middle: float
    return_slope: float
    up_in_middle: float
    up_slope: float
    reliability: float
    mean_rank_ic: float
    n_days: int


UNKNOWN = Calibration(np.nan, np.nan, np.nan, np.nan, 0.0, np.nan, 0)


def calibrate(known: Evaluation, *, label_sessions: int = 22) -> Calibration:
    """Fit what a rank has meant on days whose labels are known.

    Parameters
    ----------
    known : Evaluation
        Out-of-sample days of one model; the caller leaves out every day whose label is not known yet.
    label_sessions : int, sessions

    Returns
    -------
    Calibration
        `UNKNOWN` for fewer than 63 days with tenths.
    """
    returns, ups = known.decile_returns, known.decile_up_shares
    usable = _usable(known)
    if usable.sum() < MIN_DAYS:
        return UNKNOWN
    t = newey_west_t(known.rank_ic[usable], lag=label_sessions - 1)
    return Calibration(
        *_line(returns[usable].mean(axis=0)),
        *_line(ups[usable].mean(axis=0)),
        reliability=max(2.0 * float(stdtr(usable.sum() / label_sessions - 1.0, t)) - 1.0, 0.0)
        if np.isfinite(t)
        else 0.0,
        mean_rank_ic=float(known.rank_ic[usable].mean()),
        n_days=int(usable.sum()),
    )


def trailing_rank_ics(known: Evaluation, n_days: NDArray[np.intp]) -> Array:
    """Give the mean rank IC of the first n days for many n at once: what `calibrate` says of each.

    Parameters
    ----------
    known : Evaluation
        Out-of-sample days of one model, oldest first.
    n_days : ndarray of int, shape (n_looks,)

    Returns
    -------
    ndarray of shape (n_looks,), ratio
        NaN for fewer than 63 days with tenths among the first n.
    """
    usable = _usable(known)
    sums = np.append(0.0, np.cumsum(np.where(usable, known.rank_ic, 0.0)))[n_days]
    counts = np.append(0, np.cumsum(usable))[n_days]
    return np.where(counts >= MIN_DAYS, sums / np.maximum(counts, 1), np.nan)


def model_signals(forecasts: pd.DataFrame, calibration: Calibration) -> pd.DataFrame:
    """Turn one model's forecasts of one day into signals.

    Parameters
    ----------
    forecasts : DataFrame of shape (n_instruments, n_columns)
        instrument_id and forecast_rank (0 worst to 1 best within the day); other columns are kept.
    calibration : Calibration
        Of days whose labels were known at that day's close.

    Returns
    -------
    DataFrame of shape (n_instruments, n_columns + 5), best first
        expected_return_22d (fraction), probability_up (fraction), confidence (0 to 1:
        ``reliability * |2 * forecast_rank - 1|``), rank (places, 1 best, ties by instrument_id) and signal, cut at the
        percentiles 90, 70, 30 and 10 of the place.
    """
    ordered = forecasts.sort_values(["forecast_rank", "instrument_id"], ascending=[False, True], ignore_index=True)
    away = ordered["forecast_rank"].to_numpy(np.float64) - 0.5
    return ordered.assign(
        expected_return_22d=calibration.return_in_middle + calibration.return_slope * away,
        probability_up=np.clip(calibration.up_in_middle + calibration.up_slope * away, 0.0, 1.0),
        confidence=calibration.reliability * np.abs(2.0 * away),
        rank=np.arange(1, len(ordered) + 1),
        signal=np.array(SIGNALS, dtype=object)[_steps(_percentiles(len(ordered)))],
    )


def model_weights(
    configured: Mapping[str, float], rank_ics: Mapping[str, float], settings: EnsembleSettings
) -> dict[str, float]:
    """Give the weight of each model on a day: those above 0 only.

    Parameters
    ----------
    configured, rank_ics : mapping of float, by model
        Weight of the registry, and mean rank IC of the days known by then, NaN where there are too few.
    settings : EnsembleSettings
        With trailing_ic a model whose mean rank IC is not above 0 has no weight; where no model has any, the configured
        ones stand.
    """
    weights = {name: weight for name, weight in configured.items() if weight > 0.0}
    if settings.weights == "configured":
        return weights
    skills = {name: max(float(np.nan_to_num(rank_ics[name])), 0.0) for name in weights}
    scaled = {name: weight * skills[name] for name, weight in weights.items() if skills[name] > 0.0}
    return scaled or weights


def combine(
    signals: Mapping[str, pd.DataFrame], weights: Mapping[str, float], settings: EnsembleSettings
) -> pd.DataFrame:
    """Make one signal of those of several models, for one day.

    Parameters
    ----------
    signals : mapping of DataFrame, by model
        From `model_signals`.
    weights : mapping of float, by model
        Models without a weight above 0 have no say.
    settings : EnsembleSettings

    Returns
    -------
    DataFrame of shape (n_instruments, 7), best first
        instrument_id, expected_return_22d and probability_up (weighted means of the models that have them), confidence
        (weighted mean, times the share of the weight on the side of the signal), rank (by the weighted mean of the
        models' percentiles), signal, and reasons: who says what, and what kept the signal back.
    """
    voters = {name: frame.set_index("instrument_id") for name, frame in signals.items() if weights.get(name, 0.0) > 0.0}
    instruments = pd.Index(sorted(set().union(*(frame.index for frame in voters.values()))), name="instrument_id")
    tables = {name: frame.reindex(instruments) for name, frame in voters.items()}
    weight = np.column_stack([np.where(frame["rank"].notna(), weights[name], 0.0) for name, frame in tables.items()])
    weight = weight / weight.sum(axis=1, keepdims=True)
    percentile = np.column_stack([_percentile_of(tables[name], len(frame)) for name, frame in voters.items()])
    score = np.nansum(weight * percentile, axis=1)
    order = np.lexsort((np.arange(len(score)), -score))
    rank = np.empty(len(score), dtype=np.int64)
    rank[order] = np.arange(1, len(score) + 1)
    by_place = _steps(_percentiles(len(score)))[rank - 1]
    votes = np.where(np.isnan(percentile), 0, VOTES[_steps(np.nan_to_num(percentile, nan=0.5))])
    side = _side(votes, weight, by_place, settings.strategy)
    agreement = (weight * (votes == side[:, None])).sum(axis=1)
    confidence = _mean_of(tables, "confidence", weight) * agreement
    signal = _on_side(by_place, side)
    is_weak = (agreement < settings.min_agreement) | (confidence < settings.min_confidence)
    held_back = is_weak & (signal != HOLD)
    signal = np.where(held_back, HOLD, signal)
    combined = pd.DataFrame(
        {
            "instrument_id": instruments,
            "expected_return_22d": _mean_of(tables, "expected_return_22d", weight),
            "probability_up": _mean_of(tables, "probability_up", weight),
            "confidence": confidence,
            "rank": rank,
            "signal": np.array(SIGNALS, dtype=object)[signal],
            "reasons": _reasons(tables, held_back, agreement, confidence, settings),
        }
    )
    return combined.iloc[order].reset_index(drop=True)


def combined_forecasts(made: pd.DataFrame, weights: pd.DataFrame) -> pd.DataFrame:
    """Make one forecast of those of several models, for many days: what `combine` orders by.

    Parameters
    ----------
    made : DataFrame, one row per model_id, as_of_date and instrument_id
        forecast_rank (0 worst to 1 best within the day).
    weights : DataFrame of shape (n_days, n_models), 0 or more
        By as_of_date and model_id; other models and days have no say.

    Returns
    -------
    DataFrame, one row per as_of_date and instrument_id that a model with a weight has forecast
        forecast: weighted mean of the models' percentiles, fraction.
    """
    keys = ["as_of_date", "model_id"]
    rows = made[made["model_id"].isin(weights.columns) & made["as_of_date"].isin(weights.index)]
    rows = rows.sort_values([*keys, "forecast_rank", "instrument_id"], ascending=[True, True, False, True])
    of_day = rows.groupby(keys, sort=False)
    size = of_day["instrument_id"].transform("size").to_numpy(np.float64)
    percentile = (size - of_day.cumcount().to_numpy(np.float64) - 0.5) / size
    day = weights.index.get_indexer(pd.Index(rows["as_of_date"]))
    model = weights.columns.get_indexer(pd.Index(rows["model_id"]))
    weight = weights.to_numpy(np.float64)[day, model]
    voted = pd.DataFrame(
        {
            "as_of_date": rows["as_of_date"].to_numpy(), "instrument_id": rows["instrument_id"].to_numpy(),
            "weighted": weight * percentile, "weight": weight,
        }
    )[weight > 0.0]  # fmt: skip
    sums = voted.groupby(["as_of_date", "instrument_id"], as_index=False)[["weighted", "weight"]].sum()
    return sums.assign(forecast=sums["weighted"] / sums["weight"])[["as_of_date", "instrument_id", "forecast"]]


def _usable(known: Evaluation) -> NDArray[np.bool_]:
    """Mark the days with a rank IC and all tenths."""
    tenths = np.isfinite(known.decile_returns).all(axis=1) & np.isfinite(known.decile_up_shares).all(axis=1)
    return np.asarray(tenths & np.isfinite(known.rank_ic))


def _line(tenths: Array) -> tuple[float, float]:
    """Middle and slope of the least-squares line through the tenths, whose middles lie at 0.05 to 0.95."""
    places = (np.arange(len(tenths)) + 0.5) / len(tenths) - 0.5
    return float(tenths.mean()), float(places @ tenths / (places @ places))


def _percentiles(n: int) -> Array:
    """Share below each place, from the best on, counted from the middle of one's own."""
    return (n - np.arange(1, n + 1) + 0.5) / n


def _percentile_of(frame: pd.DataFrame, n: int) -> Array:
    return np.asarray((n - frame["rank"].to_numpy(np.float64, na_value=np.nan) + 0.5) / n)


def _steps(percentile: Array) -> NDArray[np.intp]:
    return np.asarray(np.searchsorted(SIGNAL_STEPS, percentile, side="right"))


def _side(votes: NDArray[np.int_], weight: Array, by_place: NDArray[np.intp], strategy: str) -> NDArray[np.int_]:
    """Give the side of each instrument: 1 to buy, 0 to hold, -1 to sell."""
    if strategy == "weighted_mean":
        return np.asarray(VOTES[by_place])
    has_vote = weight > 0.0
    if strategy == "unanimous":
        first = votes[np.arange(len(votes)), np.argmax(has_vote, axis=1)]
        return np.where(((votes == first[:, None]) | ~has_vote).all(axis=1), first, 0)
    sums = np.column_stack([(weight * (votes == side)).sum(axis=1) for side in (-1, 0, 1)])
    highest = sums.max(axis=1, keepdims=True)
    is_level = (np.isclose(sums, highest)).sum(axis=1) > 1
    return np.where(is_level, 0, np.argmax(sums, axis=1) - 1)


def _on_side(by_place: NDArray[np.intp], side: NDArray[np.int_]) -> NDArray[np.intp]:
    """Take the place's signal where it is on the side, else the side's plain one."""
    plain = np.array([1, HOLD, 3])[side + 1]
    return np.where(VOTES[by_place] == side, by_place, plain)


def _mean_of(tables: Mapping[str, pd.DataFrame], column: str, weight: Array) -> Array:
    """Weighted mean over the models that have a value; NaN where none has."""
    values = np.column_stack([frame[column].to_numpy(np.float64, na_value=np.nan) for frame in tables.values()])
    share = np.where(np.isnan(values), 0.0, weight)
    total = share.sum(axis=1)
    return np.where(total > 0.0, np.nansum(values * share, axis=1) / np.where(total > 0.0, total, 1.0), np.nan)


def _reasons(
    tables: Mapping[str, pd.DataFrame], held_back: NDArray[np.bool_], agreement: Array, confidence: Array,
    settings: EnsembleSettings,
) -> list[list[str]]:  # fmt: skip
    reasons: list[list[str]] = [[] for _ in held_back]
    for name, frame in tables.items():
        for own, rank, signal in zip(reasons, frame["rank"], frame["signal"], strict=True):
            own.append(
                f"{name}: {signal.replace('_', ' ')}, place {int(rank)}" if pd.notna(rank) else f"{name}: nothing"
            )
    for row in np.flatnonzero(held_back):
        short = [
            f"{what} {value:.2f} is below {least:g}"
            for what, value, least in (
                ("agreement", agreement[row], settings.min_agreement),
                ("confidence", confidence[row], settings.min_confidence),
            )
            if value < least
        ]
        reasons[row].append(f"held back: {' and '.join(short)}")
    return reasons
