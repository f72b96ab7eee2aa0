"""Parameters are chosen by what was known before the quarter that uses them, and by nothing else."""

import datetime as dt

import numpy as np
import pandas as pd
import pytest

from models.daily_ranks import centred_ranks
from models.labels import forward_returns, label_panel
from models.panels import as_days, day_starts, panel_index
from models.registry import ModelEntry, Registry
from models.tuning import combinations_of, inner_folds, tune, with_parameters
from models.walk_forward import quarterly_folds

N_SESSIONS, N_INSTRUMENTS = 700, 30
FEATURES = "momentum_12_1"
NAME = "momentum_252d_21d_centred_rank"
REGISTRY = Registry(
    entries=(
        ModelEntry(
            id="trees", type="gradient_boosting", features=FEATURES,
            parameters={"n_trees": 20, "learning_rate": 0.2, "l2_penalty": 1.0},
        ),
        ModelEntry(id="other", type="linear", features=FEATURES),
    )
)  # fmt: skip


@pytest.fixture
def market(noise_market, sessions):
    """Noise, and one feature that knows some of what comes."""
    days = sessions(N_SESSIONS)
    prices = noise_market(N_SESSIONS, N_INSTRUMENTS, 3)
    index = panel_index(as_days(prices["trade_date"]), prices["instrument_id"])
    labels = label_panel(forward_returns(prices, days), index)
    told = labels["label_return"].fillna(0.0).to_numpy() + np.random.default_rng(1).normal(0, 0.1, len(labels))
    values = centred_ranks(told[:, None], day_starts(index)).astype(np.float32)
    return days, pd.DataFrame(values, index=index, columns=[NAME]), labels


def folds_before(days, quarter: dt.date, n: int = 2):
    known = [day for day in days.tolist() if day < quarter]
    return inner_folds(quarterly_folds(known, min_train_sessions=252), quarter, n_folds=n)


def quarter_of(days) -> dt.date:
    """A quarter in the last third of the sessions."""
    day = days.tolist()[-150]
    return dt.date(day.year, (day.month - 1) // 3 * 3 + 1, 1)


def choose(market, grid, *, labels=None):
    days, features, own = market
    quarter = quarter_of(days)
    return tune(
        REGISTRY, "trees", grid, folds_before(days, quarter), features, own if labels is None else labels, days,
        valid_from_date=quarter,
    )  # fmt: skip


def test_what_forecasts_better_on_the_inner_quarters_is_chosen(market):
    # So many rows in a leaf let no tree split: the same forecast for all has no skill.
    choice = choose(market, {"min_rows_in_leaf": [100_000, 20], "n_leaves": [4]})
    assert choice.best.parameters["min_rows_in_leaf"] == 20
    assert choice.best.parameters["n_trees"] == 20
    assert choice.best.rank_ic_mean > 0.1
    assert [c.parameters["min_rows_in_leaf"] for c in choice.candidates] == [100_000, 20]
    assert np.isneginf(choice.candidates[0].rank_ic_mean)
    assert choice.best.rank_ic_error > 0


def test_a_choice_sees_no_label_that_ends_in_its_quarter(market):
    days, _, labels = market
    quarter = quarter_of(days)
    grid = {"min_rows_in_leaf": [20, 60]}
    before = choose(market, grid)
    begin = int(np.searchsorted(days, np.datetime64(quarter, "D")))
    assert before.last_date == days[begin - 23].item()
    ends_later = labels.index.get_level_values(0) > pd.Timestamp(days[begin - 23])
    wrong = labels.copy()
    wrong.loc[ends_later] = np.random.default_rng(2).normal(size=(int(ends_later.sum()), 2))
    assert choose(market, grid, labels=wrong) == before


def test_inner_quarters_end_before_the_quarter_and_there_must_be_one(market):
    days, quarter = market[0], quarter_of(market[0])
    folds = folds_before(days, quarter)
    assert len(folds) == 2
    assert all(fold.valid_to_date < quarter for fold in folds)
    with pytest.raises(ValueError, match="got none"):
        inner_folds(folds, folds[0].valid_from_date, n_folds=2)


def test_a_grid_is_every_combination_and_leaves_other_parameters_and_models_alone():
    grid = combinations_of({"a": [1, 2], "b": ["x", "y"]})
    assert grid == [{"a": 1, "b": "x"}, {"a": 1, "b": "y"}, {"a": 2, "b": "x"}, {"a": 2, "b": "y"}]
    changed = with_parameters(REGISTRY, "trees", {"n_trees": 5})
    assert changed.entry("trees").parameters == {"n_trees": 5, "learning_rate": 0.2, "l2_penalty": 1.0}
    assert changed.entry("other") == REGISTRY.entry("other")
