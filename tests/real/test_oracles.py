"""Our figures beside those of other libraries, on real prices and on what the pipeline made of them.

The scripts of tests/oracles put the questions, as they do on the simulated market. Nothing of the answers is stored.
"""

import os
import subprocess
import sys
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from transforms.alpha158 import COLUMNS, Bars, alpha158
from transforms.backtest import Books, backtest
from transforms.evaluation import evaluate
from transforms.ledger import Execution
from transforms.performance import performance
from transforms.selection_bias import deflated_sharpe, overfitting_probability, probabilistic_sharpe
from transforms.target_weights import quantile_weights

ROOT = Path(__file__).resolve().parents[2]
PEERS = ("alphalens", "bt", "empyrical", "purgedcv")
QLIB = os.environ.get("QLIB_PYTHON")
HORIZON, COST_BPS = 22, 20.0

pytestmark = [
    pytest.mark.slow,
    pytest.mark.xdist_group("real"),
    pytest.mark.skipif(
        not all(map(find_spec, PEERS)), reason=f"{', '.join(PEERS)} are not installed (extra `oracles`)"
    ),
]


def ask(script: Path, question: dict[str, np.ndarray], folder: Path, python: str = sys.executable) -> dict:
    """Put a question to a script that imports nothing of ours."""
    asked, answered = folder / "asked.npz", folder / "answered.npz"
    np.savez(asked, **question)
    subprocess.run([python, script, asked, answered], check=True, capture_output=True)
    return dict(np.load(answered))


@pytest.fixture(scope="module")
def closes(pipeline) -> pd.DataFrame:
    """Trusted closes since the first forecast, of the instruments that have one in every session."""
    prices = pipeline.frame(
        "select trade_date, instrument_id, close_adj from marts.fct_daily_prices where not is_suspect"
        " and trade_date >= (select min(as_of_date) from research.forecasts)"
    )
    grid = prices.pivot(index="trade_date", columns="instrument_id", values="close_adj").dropna(axis=1)
    # Tenths of a number that ten does not divide are cut differently by everybody.
    return grid.iloc[:, : len(grid.columns) // 10 * 10]


@pytest.fixture(scope="module")
def forecasts(pipeline, closes: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """What `technical` forecast on the days whose label is known, and what came."""
    made = pipeline.frame(
        "select as_of_date, instrument_id, forecast from research.forecasts where model_id = 'technical'"
    )
    grid = made.pivot(index="as_of_date", columns="instrument_id", values="forecast").reindex_like(closes)
    known = grid.dropna(axis=1).iloc[:-HORIZON]
    known = known.iloc[:, : len(known.columns) // 10 * 10]
    came = closes[known.columns].to_numpy()
    return known.to_numpy(), came[HORIZON:] / came[1 : 1 - HORIZON] - 1


@pytest.fixture(scope="module")
def books(pipeline) -> pd.DataFrame:
    """The books of the default backtests."""
    return pipeline.frame(
        "select b.profile, b.backtest_id, e.trade_date, e.return_1d, e.benchmark_return_1d, e.index_return_1d"
        " from research.backtest_equity as e inner join research.backtests as b using (backtest_id)"
        " order by b.profile, e.trade_date"
    )


@pytest.fixture(scope="module")
def question(closes: pd.DataFrame, forecasts, books: pd.DataFrame) -> dict[str, np.ndarray]:
    """Returns of the balanced backtest and of seven baskets, one share in seven each."""
    forecast, label = forecasts
    balanced = books[books["profile"] == "balanced"]
    daily = closes.pct_change().to_numpy()[1:]
    baskets = np.column_stack([daily[:, number::7].mean(axis=1) for number in range(7)])
    own = balanced["return_1d"].to_numpy()[1:]
    return {
        "forecast": forecast, "label": label, "benchmark": balanced["benchmark_return_1d"].to_numpy()[1:],
        "returns": np.column_stack([own, baskets[-len(own) :]]),
    }  # fmt: skip


@pytest.fixture(scope="module")
def answers(question, tmp_path_factory) -> dict[str, np.ndarray]:
    folder = tmp_path_factory.mktemp("oracles")
    return ask(ROOT / "tests" / "oracles" / "store_evaluation.py", question, folder)


def test_rank_ic_deciles_and_turnover_are_those_of_alphalens(question, answers):
    found = evaluate(question["forecast"], question["label"], horizon_sessions=HORIZON)
    assert found.rank_ic.shape[0] > 400
    np.testing.assert_allclose(found.rank_ic, answers["rank_ic"], atol=1e-13)
    # Equal forecasts where tenths are cut: we keep them together by their average rank, alphalens by a quantile.
    ordered = np.sort(question["forecast"], axis=1)
    cuts = ordered.shape[1] // 10 * np.arange(1, 10)
    is_clear = (ordered[:, cuts] > ordered[:, cuts - 1]).all(axis=1)
    assert is_clear.mean() > 0.98
    np.testing.assert_allclose(found.decile_returns[is_clear], answers["decile_returns"][is_clear], atol=1e-14)
    both = np.flatnonzero(is_clear[HORIZON:] & is_clear[:-HORIZON]) + HORIZON
    np.testing.assert_allclose(found.decile_turnovers[both], answers["decile_turnovers"][both], atol=1e-14)


def test_the_figures_of_a_backtest_in_the_tables_are_those_of_empyrical(pipeline, books, answers):
    [backtest_id] = books.loc[books["profile"] == "balanced", "backtest_id"].unique()
    stored = pipeline.frame(f"select metric, value from research.backtest_metrics where backtest_id = '{backtest_id}'")
    found = stored.set_index("metric")["value"]
    expected = dict(zip(answers["risk_names"].tolist(), answers["risk_values"].tolist(), strict=True))
    assert len(expected) == 8
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, rel=1e-9), name


def test_sharpe_ratios_and_overfitting_are_those_of_purgedcv(question, answers):
    # It takes sample moments where we take those of the population: a thousandth at some 450 returns.
    for returns, psr, dsr in zip(question["returns"].T, answers["psr"], answers["dsr"], strict=True):
        assert probabilistic_sharpe(returns) == pytest.approx(psr, abs=2e-3)
        assert deflated_sharpe(returns, n_trials=20, sharpe_sd=0.05) == pytest.approx(dsr, abs=2e-3)
    whole = question["returns"][len(question["returns"]) % 10 :]
    assert overfitting_probability(whole, n_blocks=10) == pytest.approx(float(answers["pbo"]), abs=1e-15)


def test_books_are_worth_what_bt_says_on_every_day(pipeline, closes, tmp_path):
    ranks = pipeline.frame(
        "select as_of_date, instrument_id, rank::float8 as rank from research.rankings"
        " where profile = 'balanced' and not is_intraday and rank is not null"
    ).pivot(index="as_of_date", columns="instrument_id", values="rank")
    days = closes.index
    firsts = [0, *(row for row, (before, day) in enumerate(pairwise(days), start=1) if before.month != day.month)]
    signals = [row for row in firsts if days[row] in ranks.index and row + 1 < len(days)]
    own = ranks.loc[days[signals]].reindex(columns=closes.columns)
    held = {
        "full": quantile_weights(own), "part": 0.8 * quantile_weights(own, quantile=0.2),
        "shorts": quantile_weights(own, long_only=False, invested=0.5),
    }  # fmt: skip
    asked = {name: weights.to_numpy() for name, weights in held.items()}
    answers = ask(
        ROOT / "tests" / "oracles" / "store_portfolio.py",
        {"close": closes.to_numpy(), "signal_rows": np.array(signals), **asked}, tmp_path,
    )  # fmt: skip
    assert len(signals) > 15
    for name, weights in held.items():
        equity = books_of(closes, weights).daily["equity"]
        np.testing.assert_allclose(equity, answers[f"{name}_equity"], rtol=1e-10, err_msg=name)
    # bt takes the cost of an order out of that order, we trade to weights of what is left after all costs: a book then
    # holds more or less of a name by a cost (0.2 %) of what is traded, which is of second order in its worth.
    after_costs = books_of(closes, held["full"], cost_bps=COST_BPS).daily["equity"]
    np.testing.assert_allclose(after_costs, answers["full_equity_after_costs"], rtol=1e-3)
    paid = 1 - answers["full_equity_after_costs"][-1] / answers["full_equity"][-1]
    assert paid > 0.01
    assert 1 - after_costs.iloc[-1] / answers["full_equity"][-1] == pytest.approx(paid, rel=0.02)


def books_of(closes: pd.DataFrame, weights: pd.DataFrame, *, cost_bps: float = 0.0) -> Books:
    rules = Execution(cost_bps=cost_bps, slippage_bps=0.0, long_only=bool((weights >= 0).all(axis=None)))
    return backtest(closes, weights, execution=rules)


@pytest.mark.skipif(not QLIB, reason="QLIB_PYTHON names no Python with pyqlib, which needs an environment of its own")
def test_alpha158_is_that_of_qlib(pipeline, tmp_path):
    bars = pipeline.frame(
        "select instrument_id, trade_date, open_adj, high_adj, low_adj, close_adj, volume_adj, price_segment"
        " from marts.fct_daily_prices where not is_suspect and instrument_id in"
        " (select instrument_id from marts.fct_daily_prices group by instrument_id"
        "  having max(price_segment) = 0 and count(*) filter (where is_suspect) = 0 order by instrument_id limit 40)"
        " order by instrument_id, trade_date"
    )
    names = ("open", "high", "low", "close", "volume")
    given = {name: bars[f"{name}_adj"].to_numpy(np.float32) for name in names}
    given["vwap"] = ((given["high"] + given["low"] + given["close"]) / 3).astype(np.float32)
    lengths = bars.groupby("instrument_id", sort=False).size().to_numpy()
    given["starts"] = np.concatenate([[0], np.cumsum(lengths)[:-1]]).astype(np.int64)
    answers = ask(ROOT / "benchmarks" / "qlib_alpha158.py", given, tmp_path, str(QLIB))
    assert answers["names"].tolist() == list(COLUMNS)
    ours, theirs = alpha158(Bars(**{name: given[name] for name in Bars._fields})), answers["values"]
    assert ours.shape[0] > 40_000
    np.testing.assert_array_equal(np.isnan(ours), np.isnan(theirs))
    # Qlib computes in float32: a share of the values that rests on small differences of large sums is off by more.
    error = np.abs(ours - theirs) / np.maximum(np.abs(theirs), 1e-2)
    assert np.nanquantile(error, 0.999, axis=0).max() < 2e-3


def test_relative_figures_of_the_index_are_those_of_empyrical(pipeline, books, question, tmp_path):
    """market_beta and market_alpha, where the data has an index."""
    balanced = books[books["profile"] == "balanced"].iloc[1:].dropna(subset=["index_return_1d"])
    assert len(balanced) > 400
    index, own = (balanced[name].to_numpy() for name in ("index_return_1d", "return_1d"))
    answered = ask(
        ROOT / "tests" / "oracles" / "store_evaluation.py",
        {**question, "returns": np.column_stack([own, question["returns"][-len(own) :, 1:]]), "benchmark": index},
        tmp_path,
    )  # fmt: skip
    expected = dict(zip(answered["risk_names"].tolist(), answered["risk_values"].tolist(), strict=True))
    [backtest_id] = balanced["backtest_id"].unique()
    stored = pipeline.frame(f"select metric, value from research.backtest_metrics where backtest_id = '{backtest_id}'")
    found = stored.set_index("metric")["value"]
    assert found["market_beta"] == pytest.approx(expected["beta"], rel=1e-9)
    assert found["market_alpha"] == pytest.approx(expected["alpha"], rel=1e-9)
    figures = performance(pd.Series(own), benchmark=pd.Series(index)).set_index("metric")["value"]
    assert figures["tracking_error"] > 0
