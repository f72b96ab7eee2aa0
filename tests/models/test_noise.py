"""Standing test: on noise a forecaster has no skill, and only the purge keeps it from seeming to have some.

Returns are independent noise, features are slow series that have nothing to do with them. Two neighbouring days then
have nearly the same features and share 20 of the 21 returns of their labels, so training days next to the day forecast
give its label away. Each fold is judged on its first day only: those are 22 sessions apart, so their labels do not
overlap and their rank ICs are independent draws, with a plain standard error.
"""

import numpy as np
import pandas as pd
import pytest

from models.daily_ranks import centred_ranks
from models.gradient_boosting import GradientBoostingForecaster
from models.labels import forward_returns, label_panel
from models.panels import as_days, day_starts, panel_index, rows_on
from models.training import forecast, train
from models.walk_forward import walk_forward_folds

SEEDS = (1, 2, 3, 4)
N_SESSIONS, N_INSTRUMENTS, N_FEATURES = 600, 50, 6


def slow_features(index: pd.MultiIndex, seed: int) -> pd.DataFrame:
    """Ranks of autoregressive series whose half-life is 138 sessions."""
    rng, memory = np.random.default_rng([seed, 1]), 0.995
    values = np.empty((N_SESSIONS, N_INSTRUMENTS, N_FEATURES))
    values[0] = rng.standard_normal(values[0].shape)
    for day in range(1, N_SESSIONS):
        values[day] = memory * values[day - 1] + np.sqrt(1 - memory**2) * rng.standard_normal(values[0].shape)
    ranks = centred_ranks(values.reshape(-1, N_FEATURES), day_starts(index))
    return pd.DataFrame(ranks.astype(np.float32), index=index, columns=[f"slow_{n}" for n in range(N_FEATURES)])


def first_day_rank_ics(prices: pd.DataFrame, days: np.ndarray, seed: int, *, label_sessions: int) -> list[float]:
    """Rank ICs of folds that are told how long labels are; labels are 22 sessions whatever they are told."""
    index = panel_index(as_days(prices["trade_date"]), prices["instrument_id"])
    features = slow_features(index, seed)
    labels = label_panel(forward_returns(prices, days), index)["label_rank"]
    folds = walk_forward_folds(
        days[:-22], days[252:-22:22].tolist(), min_train_sessions=200, window_sessions=252, step_sessions=2,
        label_sessions=label_sessions, purge_sessions=label_sessions,
    )  # fmt: skip
    ics = []
    for fold in folds:
        forecaster = GradientBoostingForecaster(n_trees=40, min_rows_in_leaf=20, l2_penalty=1.0, learning_rate=0.1)
        rows = rows_on(index, as_days([fold.valid_from_date]))
        guess = forecast(train(fold, features, labels, forecaster), features.iloc[rows])["forecast_rank"]
        ics.append(float(np.corrcoef(guess, labels.iloc[rows])[0, 1]))
    return ics


@pytest.mark.parametrize("label_sessions", [22, 0])
def test_noise_shows_skill_only_when_the_purge_is_left_out(noise_market, sessions, label_sessions):
    days = sessions(N_SESSIONS)
    ics = np.concatenate(
        [
            first_day_rank_ics(noise_market(N_SESSIONS, N_INSTRUMENTS, seed), days, seed, label_sessions=label_sessions)
            for seed in SEEDS
        ]
    )
    standard_error = ics.std(ddof=1) / np.sqrt(len(ics))
    print(f"purge of {label_sessions} sessions: mean rank IC {ics.mean():+.4f}, standard error {standard_error:.4f}")
    if label_sessions == 22:
        assert abs(ics.mean()) < 2.0 * standard_error
    else:
        assert ics.mean() > 5.0 * standard_error
        assert ics.mean() > 0.1
