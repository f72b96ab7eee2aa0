"""Every trial on record counts against a book."""

import numpy as np
import pandas as pd
import pytest

from transforms.selection_bias import deflated_sharpe, overfitting_probability, probabilistic_sharpe
from transforms.trial_honesty import N_BLOCKS, honesty_figures, sibling_figures, spread_of_trials

RETURNS = np.random.default_rng(1).normal(0.0008, 0.01, (500, 4))


def figures(trials: list[float]) -> dict[str, float]:
    peers = pd.DataFrame(RETURNS)
    return {m.name: m.value for m in honesty_figures(np.r_[np.nan, RETURNS[:, 0]], np.array(trials), peers)}


def test_the_figures_are_those_of_the_trials_on_record():
    found = figures([1.0, 0.5, np.nan, 0.2])
    daily = np.array([1.0, 0.5, 0.2]) / np.sqrt(252)
    assert found["n_trials"] == 4
    assert found["sharpe_probability"] == probabilistic_sharpe(RETURNS[:, 0])
    assert found["deflated_sharpe"] == pytest.approx(
        deflated_sharpe(RETURNS[:, 0], n_trials=4, sharpe_sd=daily.std(ddof=1))
    )
    assert found["overfitting_probability"] == overfitting_probability(RETURNS, n_blocks=N_BLOCKS)


def test_more_trials_leave_less():
    assert figures([1.0, 0.2] * 50)["deflated_sharpe"] < figures([1.0, 0.2])["deflated_sharpe"]


def test_a_single_trial_is_deflated_by_nothing():
    found = figures([1.0])
    assert found["deflated_sharpe"] == pytest.approx(found["sharpe_probability"])


def test_the_order_of_the_record_does_not_show():
    sharpes = np.random.default_rng(2).normal(0.5, 1, 999)
    assert spread_of_trials(sharpes) == spread_of_trials(sharpes[::-1]) == spread_of_trials(np.sort(sharpes))


def test_siblings_are_the_trials_of_each_other_and_replaced_versions_count():
    returns = pd.DataFrame(RETURNS, columns=list("abcd"))
    found = sibling_figures(returns, n_trials=6, siblings="s")
    daily = np.array([column.mean() / column.std(ddof=1) for column in RETURNS.T])
    for name, column in zip("abcd", RETURNS.T, strict=True):
        assert {m.name: m.value for m in found[name]} == {
            "deflated_sharpe": pytest.approx(deflated_sharpe(column, n_trials=6, sharpe_sd=daily.std(ddof=1))),
            "overfitting_probability": overfitting_probability(RETURNS, n_blocks=N_BLOCKS),
            "n_trials": 6,
        }


def test_siblings_overfit_on_the_days_that_those_at_work_share():
    returns = pd.DataFrame(RETURNS, columns=list("abcd"))
    # One began later, and one has ended: that one is a trial still, and no longer among the compared.
    returns.loc[:99, "b"], returns.loc[400:, "c"] = np.nan, np.nan
    found = {m.name: m.value for m in sibling_figures(returns, n_trials=4, siblings="s")["a"]}
    assert found["overfitting_probability"] == overfitting_probability(RETURNS[100:][:, [0, 1, 3]], n_blocks=N_BLOCKS)
    assert found["n_trials"] == 4
    short = {m.name: m.value for m in sibling_figures(returns.tail(31), n_trials=4, siblings="s")["a"]}
    assert np.isnan(short["overfitting_probability"])
    assert np.isfinite(short["deflated_sharpe"])


def test_an_only_child_is_deflated_by_nothing():
    only = {m.name: m.value for m in sibling_figures(pd.DataFrame({"a": RETURNS[:, 0]}), n_trials=1, siblings="s")["a"]}
    assert only["deflated_sharpe"] == probabilistic_sharpe(RETURNS[:, 0])
    assert np.isnan(only["overfitting_probability"])


def test_where_the_others_have_no_ratio_nobody_knows_what_chance_would_show():
    only = {m.name: m.value for m in sibling_figures(pd.DataFrame({"a": RETURNS[:, 0]}), n_trials=5, siblings="s")["a"]}
    assert np.isnan(only["deflated_sharpe"])
    assert only["n_trials"] == 5
    assert np.isnan(figures([1.0, np.nan])["deflated_sharpe"])


def test_a_young_sibling_takes_nothing_from_the_others():
    returns = pd.DataFrame(RETURNS, columns=list("abcd"))
    returns.loc[: len(returns) - 2 * N_BLOCKS, "d"] = np.nan
    found = {m.name: m.value for m in sibling_figures(returns, n_trials=4, siblings="s")["a"]}
    assert found["overfitting_probability"] == overfitting_probability(RETURNS[:, :3], n_blocks=N_BLOCKS)
