"""What a sweep may be asked, in which order it answers, and that its rows stand."""

import json

import msgspec
import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

import orchestration.sweeping as sweeping
from orchestration.backtesting import BacktestOptions, Market, target_weights
from orchestration.defs.backtests.sweeps import SweepConfig, _base, _report, write_sweep
from orchestration.sweeping import _rows, grid_of
from tests.orchestration.defs.conftest import WarehouseOfTest
from tests.transforms.test_backtest import random_market, random_opens
from transforms.backtest import backtest
from transforms.performance import performance
from transforms.selection_bias import deflated_sharpe
from transforms.sweep import sweep


def test_the_default_grid_is_of_144_backtests_in_order():
    config = SweepConfig()
    grid = grid_of(_base(config, "balanced"), config.axes())
    assert len(grid) == len(set(grid)) == 6 * 3 * 4 * 2
    assert (grid[0].quantile, grid[0].rebalance, grid[0].cost_bps, grid[0].slippage_bps) == (0.05, "weekly", 0.0, 0.0)
    assert (grid[2].cost_bps, grid[-1].rebalance, grid[-1].long_only) == (5.0, "quarterly", False)


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ({"quantiles": [0.1, 0.6]}, "at most 0.5"),
        ({"rebalances": ["daily"]}, r"got .* and \['daily'\]"),
        ({"costs_bps": [-1.0]}, "from 0 to 500"),
        ({"quantiles": [0.1], "rebalances": ["weekly"], "costs_bps": [1.0], "long_only": [True]}, "got 1"),
        ({"costs_bps": [5, 10, 5.0]}, r"must name a value once; got cost_bps=\[5.0, 10.0, 5.0\]"),
        ({"quantiles": [n / 1000 for n in range(1, 500)]}, "got 11976"),
    ],
)
def test_a_grid_that_is_none_is_refused(wrong: dict, text: str):
    with pytest.raises(ValidationError, match=text):
        SweepConfig(**wrong)


def test_every_configuration_is_a_row_with_the_figures_of_its_own_backtest(database):
    close, last = random_market(4, n_days=260, n_names=20)
    sectors = pd.DataFrame({"sector": ["a", "b"] * 10}, index=close.columns)
    market = Market(close, random_opens(close), close * 0 + 1e7, last, close.iloc[:, 6].pct_change(), sectors)
    ranks = close.ffill().iloc[30::21].rank(axis=1)
    base = BacktestOptions(profile="balanced", slippage_bps=0.0, fill="open", cash_rate=0.02, delisting_return=-0.3)
    axes = {"quantile": [0.1, 0.3], "cost_bps": [0.0, 30.0], "sector_neutral": [False, True]}
    grid = grid_of(base, axes)
    found = sweep(
        close, [target_weights(options, ranks, market) for options in grid],
        cost_bps=[options.cost_bps for options in grid], long_only=[True] * 8, open_adj=market.opens,
        last_trade_dates=last, execution=base.execution(),
    )  # fmt: skip
    # One of them stands on record already, and one beside it.
    on_record = {grid[2]: 9.0, msgspec.structs.replace(base, quantile=0.05): -1.0}
    swept = _rows(base, axes, grid, found, "digest", close.index, on_record=on_record)
    for number in (3, 6):
        options = grid[number]
        books = backtest(
            close, target_weights(options, ranks, market), open_adj=market.opens, last_trade_dates=last,
            execution=options.execution(),
        )  # fmt: skip
        figures = performance(books.daily["return_1d"]).set_index("metric")["value"]
        row = swept.results.iloc[number]
        assert json.loads(row["parameters"]) == {name: getattr(options, name) for name in axes}
        assert row["sharpe"] == pytest.approx(figures["sharpe"], rel=1e-9)
        assert row["max_drawdown"] == pytest.approx(figures["max_drawdown"], rel=1e-9)
    head = swept.row.iloc[0]
    assert head["best_number"] == int(swept.results["sharpe"].argmax())
    assert 0 <= head["overfitting_probability"] <= 1
    daily = np.append(swept.results["sharpe"], -1.0) / np.sqrt(252)
    best = found.returns[:, head["best_number"]]
    rows = swept.results["deflated_sharpe"]
    of_all = {"n_trials": 9, "sharpe_sd": daily.std(ddof=1)}
    expected = [deflated_sharpe(found.returns[:, number], **of_all) for number in range(8)]
    assert rows.tolist() == pytest.approx(expected, rel=0, abs=1e-12)
    assert head["deflated_sharpe"] == rows[head["best_number"]] == rows.max()
    assert head["deflated_sharpe"] < deflated_sharpe(best, n_trials=8, sharpe_sd=daily[:8].std(ddof=1))

    warehouse = WarehouseOfTest(address=database.url)
    assert write_sweep(warehouse, swept)["sweep_results"].inserted == 8
    assert not write_sweep(warehouse, swept)["sweep_results"].changed
    # Run again, its own configurations stand on record, in another order.
    known = dict(zip(reversed(grid), reversed(swept.results["sharpe"].tolist()), strict=True))
    again = _rows(base, axes, grid, found, "digest", close.index, on_record=known | on_record | known)
    assert not any(written.changed for written in write_sweep(warehouse, again).values())


def test_the_report_has_the_deflated_sharpe_ratio_beside_each_and_the_probability_of_overfitting_once():
    row = {"sweep_id": "s", "n_configurations": 2, "deflated_sharpe": 0.9, "overfitting_probability": 0.25}
    results = pd.DataFrame(
        {
            "sweep_id": "s", "number": [0, 1], "parameters": ['{"quantile": 0.1}', '{"quantile": 0.2}'],
            "sharpe": [0.5, 1.5], "deflated_sharpe": [0.4, 0.9],
        }
    )  # fmt: skip
    report = _report(sweeping.Swept("s", pd.DataFrame([row]), results))
    header, _, first, _ = report["best"].value.splitlines()
    assert [cell.strip() for cell in header.strip("|").split("|")][-2:] == ["sharpe", "deflated_sharpe"]
    assert [cell.strip() for cell in first.strip("|").split("|")][-2:] == ["1.500", "0.900"]
    assert report["overfitting_probability"] == 0.25
    assert "research.sweep_results" in report["definitions"].value


def test_ruined_books_are_not_compared():
    returns = np.random.default_rng(1).normal(size=(50, 500))
    returns[10:, 3] = np.nan
    compared = sweeping._compared(returns)
    assert compared.shape == (50, sweeping.MOST_COMPARED)
    assert np.isfinite(compared).all()
    assert sweeping._compared(returns[:, 3:4]).shape == (50, 0)
