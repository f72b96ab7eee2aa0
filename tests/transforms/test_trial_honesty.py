"""Every trial on record counts against a book."""

import numpy as np
import pandas as pd
import pytest

from transforms.selection_bias import deflated_sharpe, overfitting_probability, probabilistic_sharpe
from transforms.trial_honesty import N_BLOCKS, honesty_figures

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
