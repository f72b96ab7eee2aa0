"""Standing test: cutting the future off changes no earlier forecast, and a leak put in on purpose is caught."""

from collections.abc import Callable

import msgspec
import numpy as np
import pandas as pd
import pytest

from models.daily_ranks import centred_ranks
from models.labels import forward_returns, label_panel
from models.panels import as_days, day_starts, panel_index
from models.registry import ModelEntry, Registry
from models.training import walk_forward
from models.walk_forward import quarterly_folds

N_SESSIONS, N_INSTRUMENTS, WARM_UP = 500, 25, 70
Features = Callable[[pd.DataFrame], dict[str, pd.DataFrame]]


def honest(close: pd.DataFrame) -> dict[str, pd.DataFrame]:
    return {
        "momentum_252d_21d_centred_rank": close.shift(21) / close.shift(60) - 1.0,
        "week": close / close.shift(5) - 1.0,
    }


def with_tomorrows_return(close: pd.DataFrame) -> dict[str, pd.DataFrame]:
    return honest(close) | {"leak": close.shift(-1) / close - 1.0}


def with_the_mean_of_all_history(close: pd.DataFrame) -> dict[str, pd.DataFrame]:
    return honest(close) | {"leak": close / close.mean() - 1.0}


def out_of_sample(
    prices: pd.DataFrame, days: np.ndarray, make: Features, model_id: str
) -> tuple[list[str], pd.DataFrame]:
    """Version ids and forecasts from prices alone, as the pipeline makes them."""
    close = prices.pivot_table(index="trade_date", columns="instrument_id", values="close_adj")
    named = {name: values.iloc[WARM_UP:].to_numpy() for name, values in make(close).items()}
    shape = (len(days) - WARM_UP, close.shape[1])
    index = panel_index(np.repeat(days[WARM_UP:], shape[1]), pd.Index(list(close.columns) * shape[0]))
    ranks = centred_ranks(np.column_stack([values.ravel() for values in named.values()]), day_starts(index))
    features = pd.DataFrame(ranks.astype(np.float32), index=index, columns=list(named))
    labels = label_panel(forward_returns(prices, days), index)["label_rank"]
    folds = quarterly_folds(days, min_train_sessions=150, warm_up_sessions=WARM_UP)
    made = list(walk_forward(registry_of(tuple(named)), model_id, folds, features, labels))
    return [trained.version.model_version_id for trained, _ in made], pd.concat([guesses for _, guesses in made])


class OwnFeatures(Registry, frozen=True):
    """A registry whose models all learn from the same columns."""

    names: tuple[str, ...] = ()

    def feature_names(self, model_id: str) -> tuple[str, ...]:
        return self.names


def registry_of(names: tuple[str, ...]) -> Registry:
    small = {"n_trees": 15, "min_rows_in_leaf": 20}
    trees = ModelEntry(id="technical", type="gradient_boosting", features="technical", parameters=small)
    naive = ModelEntry(id="momentum_12_1", type="momentum_12_1", features="technical")
    return OwnFeatures(entries=(trees, naive), names=names)


def changes_when_cut(prices: pd.DataFrame, days: np.ndarray, make: Features, model_id: str) -> int:
    """Count the forecasts, of those made before the cut, that the cut changes; also all whose version it changes."""
    n_kept = 440
    kept = prices[as_days(prices["trade_date"]) < days[n_kept]]
    full_versions, full = out_of_sample(prices, days, make, model_id)
    cut_versions, cut = out_of_sample(kept, days[:n_kept], make, model_id)
    assert len(cut_versions) >= 2
    if full_versions[: len(cut_versions)] != cut_versions:
        return len(cut)
    return int((full.loc[cut.index].to_numpy() != cut.to_numpy()).any(axis=1).sum())


@pytest.mark.parametrize("model_id", ["technical", "momentum_12_1"])
def test_cutting_the_future_off_changes_no_earlier_forecast(noise_market, sessions, model_id):
    prices = noise_market(N_SESSIONS, N_INSTRUMENTS, 5)
    assert changes_when_cut(prices, sessions(N_SESSIONS), honest, model_id) == 0


@pytest.mark.parametrize("leak", [with_tomorrows_return, with_the_mean_of_all_history])
def test_a_leak_put_in_on_purpose_is_caught(noise_market, sessions, leak):
    prices = noise_market(N_SESSIONS, N_INSTRUMENTS, 5)
    assert changes_when_cut(prices, sessions(N_SESSIONS), leak, "technical") > 0


def test_a_changed_past_price_makes_new_versions(noise_market, sessions):
    prices = noise_market(N_SESSIONS, N_INSTRUMENTS, 5)
    days = sessions(N_SESSIONS)
    before, _ = out_of_sample(prices, days, honest, "technical")
    changed = prices.copy()
    # The closes of a Tuesday upside down: entry prices of the labels of its Monday, a training day of every fold.
    of_day = (as_days(changed["trade_date"]) == days[118]).nonzero()[0]
    changed.loc[of_day, "close_adj"] = changed.loc[of_day, "close_adj"].to_numpy()[::-1]
    after, _ = out_of_sample(changed, days, honest, "technical")
    assert not set(before) & set(after)


def test_the_number_of_workers_changes_nothing(panel, sessions):
    columns = ("a", "b", "c")
    features = panel(columns, n_days=300, n_instruments=20)
    labels = features["a"].astype(float).rename("label_rank")
    folds = quarterly_folds(sessions(300), min_train_sessions=60)
    registry = registry_of(columns)
    alone, together = (list(walk_forward(registry, "technical", folds, features, labels, n_workers=n)) for n in (1, 3))
    for (one, guesses), (other, other_guesses) in zip(alone, together, strict=True):
        assert msgspec.structs.asdict(one.version) == msgspec.structs.asdict(other.version)
        pd.testing.assert_frame_equal(guesses, other_guesses, check_exact=True)
