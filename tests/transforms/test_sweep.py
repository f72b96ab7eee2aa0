"""Books of a sweep are those of the engine, one by one."""

import numpy as np
import pandas as pd
import pytest

from tests.transforms.test_backtest import prices, random_market, random_opens, random_targets, weights
from transforms.backtest import backtest
from transforms.ledger import Execution
from transforms.performance import performance
from transforms.sweep import CHUNK, sweep, sweep_figures


@pytest.mark.parametrize(
    "rules", [{}, {"fill": "open"}, {"max_turnover": 0.5, "delisting_return": -0.4, "cash_return_1d": 0.0002}]
)
def test_every_book_of_a_sweep_is_the_engines(rules: dict):
    close, last = random_market(5)
    close = close.fillna({last.index[0]: 1000.0})
    opens = random_opens(close)
    frames = [random_targets(close, seed, long_only=seed % 2 == 0) for seed in range(6)]
    frames.append(frames[0].iloc[::2])
    targets = [frame for frame in frames for _ in range(2)]
    only = [frame.to_numpy().min() >= 0 for frame in targets]
    costs = [0.0, 35.0] * len(frames)
    found = sweep(
        close, targets, cost_bps=costs, long_only=only, open_adj=opens, last_trade_dates=last,
        execution=Execution(**rules),
    )  # fmt: skip
    figures = sweep_figures(found)
    for book, (frame, cost, is_long) in enumerate(zip(targets, costs, only, strict=True)):
        alone = Execution(cost_bps=cost, slippage_bps=0, long_only=is_long, **rules)
        books = backtest(close, frame, open_adj=opens, last_trade_dates=last, execution=alone)
        np.testing.assert_allclose(found.equity[:, book], books.daily["equity"], rtol=1e-12)
        np.testing.assert_allclose(found.turnover[:, book], books.daily["turnover"], rtol=1e-10, atol=1e-12)
        of_one = performance(books.daily["return_1d"], turnover=books.daily["turnover"]).set_index("metric")["value"]
        for name in ("sharpe", "cagr", "volatility", "max_drawdown", "turnover"):
            assert figures.loc[book, name] == pytest.approx(of_one[name], rel=1e-9), name


def test_more_books_than_a_chunk_stay_in_their_order():
    close, _ = random_market(2, n_days=40)
    frame = random_targets(close, 1, long_only=True)
    costs = np.linspace(0, 50, CHUNK * 2 + 3)
    found = sweep(close, [frame] * len(costs), cost_bps=costs, long_only=[True] * len(costs))
    assert (np.diff(found.equity[-1]) < 0).all()


def test_a_ruined_book_is_left_and_the_others_go_on():
    close = prices(A=[1.0, 1.0, 5.0, 5.0, 5.0], B=[1.0, 1.0, 2.0, 2.0, 2.0])
    ruined, sound = (weights(close, {0: {name: side}, 2: {name: side}}) for name, side in (("A", -1.0), ("B", 0.5)))
    found = sweep(close, [ruined, sound], cost_bps=[0, 0], long_only=[False, False])
    assert np.isnan(found.equity[-1, 0])
    assert found.equity[-1, 1] == pytest.approx(1.5)
    assert np.isnan(sweep_figures(found).loc[0, "sharpe"])


def test_a_book_that_lost_all_to_a_delisting_is_left():
    close = prices(A=[10.0, 10.0, np.nan, np.nan], B=[10.0] * 4)
    last = pd.Series([close.index[1]], index=["A"])
    frames = [weights(close, {0: {name: 1.0}}) for name in "AB"]
    rules = Execution(delisting_return=-1.0)
    found = sweep(close, frames, cost_bps=[0, 0], long_only=[True, True], last_trade_dates=last, execution=rules)
    np.testing.assert_array_equal(found.equity, [[1, 1], [1, 1], [np.nan, 1], [np.nan, 1]])
    assert sweep_figures(found).loc[0].isna().all()


@pytest.mark.parametrize("n_days", [1, 2])
def test_figures_of_too_few_days_are_those_of_one_book(n_days: int):
    close = prices(A=[1.0, 1.5][:n_days])
    frame = weights(close, {0: {"A": 1.0}})
    found = sweep_figures(sweep(close, [frame], cost_bps=[10], long_only=[True]))
    daily = backtest(close, frame).daily
    of_one = performance(daily["return_1d"], turnover=daily["turnover"]).set_index("metric")["value"]
    pd.testing.assert_series_equal(found.loc[0], of_one[found.columns], check_names=False)


def test_what_a_sweep_cannot_do_it_says():
    close = prices(A=[1.0, 1.0])
    frame = pd.DataFrame({"A": [1.0]}, index=close.index[:1])
    with pytest.raises(ValueError, match="got 1, 2, 1"):
        sweep(close, [frame], cost_bps=[1, 2], long_only=[True])
    with pytest.raises(ValueError, match="Run `backtest`"):
        sweep(close, [frame], cost_bps=[1], long_only=[True], execution=Execution(impact_coefficient=1.0))


@pytest.mark.parametrize("cost_bps", [-50.0, np.nan, 12_000.0])
def test_costs_of_a_sweep_have_the_bounds_of_the_engines(cost_bps: float):
    close = prices(A=[1.0, 1.0])
    frame = weights(close, {0: {"A": 1.0}})
    with pytest.raises(ValueError, match=rf"sweep: cost_bps must be 0 to 1000; got \[{cost_bps}\]"):
        sweep(close, [frame, frame], cost_bps=[5.0, cost_bps], long_only=[True, True])
