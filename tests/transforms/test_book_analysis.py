"""What a book was made of, against books worked by hand and the engine's own."""

import numpy as np
import pandas as pd
import pytest

from tests.transforms.test_backtest import FREE, prices, random_market, random_opens, random_targets, weights
from transforms.backtest import backtest
from transforms.book_analysis import (
    benchmark_returns,
    break_even,
    capacity,
    contributions,
    exposures,
    holdings,
    index_figures,
    monthly_returns,
    rolling_sharpe,
)
from transforms.ledger import Execution

NAN = float("nan")


@pytest.mark.parametrize("fill", ["close", "open"])
def test_contributions_add_up_to_what_the_book_has_earned(fill: str):
    close, last = random_market(7)
    rules = Execution(fill=fill, delisting_return=-0.3, long_only=False)
    books = backtest(
        close, random_targets(close, 7, long_only=False), open_adj=random_opens(close), last_trade_dates=last,
        execution=rules,
    )  # fmt: skip
    earned = contributions(books, close)
    assert earned.sum() == pytest.approx(books.daily["equity"].iloc[-1] - 1, abs=1e-9)
    assert earned.is_monotonic_decreasing


def test_holdings_are_the_weights_at_the_close():
    close, last = random_market(8)
    books = backtest(close, random_targets(close, 8, long_only=True), last_trade_dates=last)
    held = holdings(books, close)
    daily = books.daily.loc[held.index]
    np.testing.assert_allclose(held.sum(axis=1), daily["positions_value"] / daily["equity"], atol=1e-9)
    np.testing.assert_array_equal((held != 0).sum(axis=1), daily["n_positions"])


def test_what_was_lost_to_a_delisting_is_held_no_more():
    close = prices(A=[10.0] * 3 + [NAN] * 4, B=[10.0] * 7)
    last = pd.Series([close.index[2]], index=["A"])
    targets = weights(close, {0: {"A": 0.5, "B": 0.5}, 4: {"B": 0.9}})
    books = backtest(
        close, targets, last_trade_dates=last, execution=Execution(cost_bps=0, slippage_bps=0, delisting_return=-1.0)
    )
    assert contributions(books, close).to_dict() == {"B": 0.0, "A": -0.5}
    assert holdings(books, close)["A"].tolist() == [0.5, 0.0, 0.0]
    assert holdings(books, close)["B"].tolist() == pytest.approx([0.5, 1.0, 0.9])


def test_a_book_without_trades_has_no_holdings():
    close = prices(A=[10.0, 10.0])
    books = backtest(close, weights(close, {1: {"A": 1.0}}))
    assert contributions(books, close).empty
    assert holdings(books, close).empty


def test_exposures_are_weighted_and_what_is_unknown_counts_as_the_rest():
    day = pd.DatetimeIndex(["2024-01-02", "2024-01-03"])
    held = pd.DataFrame([[0.5, 0.25, 0.25], [0.5, -0.5, 0.0]], index=day, columns=list("abc"))
    beta = pd.DataFrame([[1.0, 2.0, NAN], [1.0, 0.4, NAN]], index=day, columns=list("abc"))
    found = exposures(held, {"market": beta, "size": beta * NAN})
    assert found["market"].tolist() == pytest.approx([(0.5 + 0.5) / 0.75, 0.3])
    assert found["size"].isna().all()


def test_capacity_is_where_nine_tenths_of_the_trading_stay_small():
    close = prices(A=[10.0] * 3, B=[5.0] * 3)
    books = backtest(close, weights(close, {0: {"A": 0.95, "B": 0.05}}), execution=FREE)
    volume = pd.DataFrame({"A": [1e6] * 3, "B": [1e3] * 3}, index=close.index)
    # A: a tenth of a million over 95 % of the book. B binds earlier, but is 5 % of the trading.
    assert capacity(books, volume).value == pytest.approx(1e5 / 0.95)
    assert capacity(books, volume.iloc[:, :1]).value == pytest.approx(1e5 / 0.95)
    assert np.isnan(capacity(books, volume * NAN).value)


def test_break_even_is_the_cost_at_which_the_book_earns_what_the_benchmark_does():
    close = prices(A=[10.0, 10.0, 10.5, 10.0, 11.0], B=[10.0, 10.0, 10.0, 10.4, 10.0])
    targets = weights(close, {0: {"A": 1.0}, 1: {"B": 1.0}, 2: {"A": 1.0}})
    free, flat = backtest(close, targets, execution=FREE).daily, pd.Series(0.0001, index=close.index)
    found = break_even(free, flat).value
    dear = backtest(close, targets, execution=Execution(cost_bps=found, slippage_bps=0)).daily
    # To first order in the costs.
    assert dear["return_1d"].mean() == pytest.approx(0.0001, abs=0.1 * free["return_1d"].mean())
    assert np.isnan(break_even(free, pd.Series(1.0, index=close.index)).value)


def test_months_and_years_are_compounded():
    days = pd.DatetimeIndex(["2023-12-28", "2023-12-29", "2024-01-02", "2024-02-01"])
    table = monthly_returns(pd.Series([NAN, 0.1, 0.1, -0.1], index=days))
    assert table.index.tolist() == [2023, 2024]
    assert table.loc[2023, 12] == pytest.approx(0.1)
    assert table.loc[2024, "year"] == pytest.approx(1.1 * 0.9 - 1)
    assert np.isnan(table.loc[2024, 3])


def test_the_rolling_ratio_is_that_of_its_window():
    returns = pd.Series(np.random.default_rng(1).normal(0.001, 0.01, 200))
    found = rolling_sharpe(returns, sessions=126)
    window = returns.iloc[50:176]
    assert found.iloc[175] == pytest.approx(window.mean() / window.std(ddof=1) * np.sqrt(252))
    assert found.iloc[:125].isna().all()


@pytest.mark.parametrize("invested", [1.0, 0.4])
def test_a_book_is_measured_by_all_that_is_ranked_in_equal_weights(invested: float):
    """As much of it invested as the targets are; left alone between signals, traded at the close after each."""
    rng = np.random.default_rng(3)
    close = prices(**{name: np.exp(np.cumsum(rng.normal(0, 0.02, 40))).tolist() for name in "ABCD"})
    ranks = pd.DataFrame({"A": [1.0, 1.0], "B": [2.0, NAN], "C": [3.0, 2.0]}, index=close.index[[0, 20]])
    targets = pd.DataFrame({"A": [invested, invested]}, index=ranks.index)
    rules = Execution(cost_bps=50.0, slippage_bps=0.0, max_turnover=0.1)
    found = benchmark_returns(close, targets, ranks, execution=rules)
    worth = np.ones(40)
    for bought, until, names in ((1, 21, ["A", "B", "C"]), (21, 39, ["A", "C"])):
        grown = (close[names].to_numpy()[bought : until + 1] / close[names].to_numpy()[bought]).mean(axis=1)
        worth[bought : until + 1] = worth[bought] * (1 - invested + invested * grown)
    assert np.isnan(found.iloc[0])
    np.testing.assert_allclose(found.to_numpy()[1:], worth[1:] / worth[:-1] - 1, rtol=1e-9, atol=1e-12)
    assert found.index.equals(close.index)


def test_a_long_short_book_is_measured_by_interest():
    close = prices(A=[10.0, 11.0, 12.0], B=[10.0, 9.0, 8.0])
    rules = Execution(long_only=False, cash_return_1d=0.0002)
    ranks = pd.DataFrame({"A": [1.0], "B": [2.0]}, index=close.index[[0]])
    found = benchmark_returns(close, ranks * 0, ranks, execution=rules)
    np.testing.assert_array_equal(found, [NAN, 0.0002, 0.0002])


def test_the_index_stands_beside_it():
    index = pd.Series(np.random.default_rng(2).normal(0, 0.01, 300))
    own = 0.0002 + 1.5 * index
    index.iloc[7] = NAN
    beta, alpha = index_figures(own, index)
    assert (beta.name, beta.value) == ("market_beta", pytest.approx(1.5))
    assert (alpha.name, alpha.value) == ("market_alpha", pytest.approx(1.0002**252 - 1))
