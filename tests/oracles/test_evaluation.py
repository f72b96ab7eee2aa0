"""Our figures beside those of alphalens, empyrical and purgedcv, which store_evaluation.py asked."""

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from transforms.evaluation import evaluate
from transforms.performance import performance
from transforms.selection_bias import deflated_sharpe, overfitting_probability, probabilistic_sharpe

STORED = Path(__file__).with_name("evaluation.npz")
PEERS = ("alphalens", "empyrical", "purgedcv")


@pytest.fixture(scope="module")
def stored() -> dict[str, np.ndarray]:
    return dict(np.load(STORED))


def test_rank_ic_deciles_and_turnover_are_those_of_alphalens(stored):
    found = evaluate(stored["forecast"], stored["label"], horizon_sessions=22)
    np.testing.assert_allclose(found.rank_ic, stored["rank_ic"], atol=1e-14)
    np.testing.assert_allclose(found.decile_returns, stored["decile_returns"], atol=1e-15)
    np.testing.assert_allclose(found.decile_turnovers[22:], stored["decile_turnovers"][22:], atol=1e-15)


def test_risk_figures_are_those_of_empyrical(stored):
    days = pd.bdate_range("2021-01-01", periods=len(stored["returns"]))
    returns, benchmark = (pd.Series(values, days) for values in (stored["returns"][:, 0], stored["benchmark"]))
    found = performance(returns, benchmark=benchmark).set_index("metric")["value"]
    expected = dict(zip(stored["risk_names"].tolist(), stored["risk_values"].tolist(), strict=True))
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, rel=1e-10), name


def test_probabilistic_and_deflated_sharpe_are_those_of_purgedcv(stored):
    # It takes sample moments where we take those of the population: a thousandth at 141 returns.
    for column, psr, dsr in zip(stored["returns"].T, stored["psr"], stored["dsr"], strict=True):
        assert probabilistic_sharpe(column) == pytest.approx(psr, abs=2e-3)
        assert deflated_sharpe(column, n_trials=20, sharpe_sd=0.05) == pytest.approx(dsr, abs=2e-3)


def test_probability_of_overfitting_is_that_of_purgedcv(stored):
    assert overfitting_probability(stored["returns"], n_blocks=10) == pytest.approx(float(stored["pbo"]), abs=1e-15)


@pytest.mark.skipif(not all(map(find_spec, PEERS)), reason=f"{', '.join(PEERS)} are not installed (extra `oracles`)")
def test_the_peers_still_say_what_is_stored(stored, tmp_path):
    asked, answered = tmp_path / "asked.npz", tmp_path / "answered.npz"
    np.savez(asked, **{name: stored[name] for name in ("forecast", "label", "returns", "benchmark")})
    subprocess.run([sys.executable, STORED.with_name("store_evaluation.py"), asked, answered], check=True)
    for name, values in np.load(answered).items():
        if values.dtype.kind == "f":
            np.testing.assert_allclose(values, stored[name], rtol=1e-9, err_msg=name)
