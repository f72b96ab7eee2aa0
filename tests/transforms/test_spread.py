import numpy as np
import pytest

from transforms.evaluation import Evaluation
from transforms.spread import decile_figures, period_returns, period_rows, spread_figures

NAN = np.nan


def evaluation(spreads, top=0.5, bottom=0.25) -> Evaluation:
    """One row per day: the best tenth earns the spread, the others nothing."""
    n = len(spreads)
    deciles = np.zeros((n, 10))
    deciles[:, -1] = spreads
    turnovers = np.tile([bottom, *[NAN] * 8, top], (n, 1))
    return Evaluation(np.zeros(n), np.full(n, 50), deciles, deciles, turnovers)


def figures(found: Evaluation, **options) -> dict[str, float]:
    return {metric.name: metric.value for metric in spread_figures(found, **options)}


def test_periods_follow_each_other_without_overlap_back_from_the_newest_day():
    assert period_rows(50, horizon_sessions=22).tolist() == [7, 28, 49]
    assert period_rows(0).tolist() == []


def test_replaced_shares_are_sold_and_bought():
    # Half of the best and a quarter of the worst tenth replaced: 2 * 0.75 = 1.5 of the capital traded, at 0.1 %.
    gross, cost = period_returns(evaluation([0.03, 0.02]), cost_bps=10.0, horizon_sessions=2)
    assert gross.tolist() == [0.03, 0.02]
    assert cost.tolist() == pytest.approx([0.0015, 0.0015])


def test_an_unknown_turnover_counts_as_a_whole_tenth():
    _, cost = period_returns(evaluation([0.03], top=NAN, bottom=NAN), cost_bps=10.0)
    assert cost.tolist() == pytest.approx([0.004])


def test_figures_by_hand():
    # Periods of 21 sessions: 12 a year. Spreads 0.02 and 0.04 cost 0.0015 each: net 0.0185 and 0.0385.
    spreads = np.full(22, 9.9)
    spreads[[0, 21]] = (0.02, 0.04)
    found = figures(evaluation(spreads), cost_bps=10.0)
    assert found["n_periods"] == 2
    assert found["spread_return"] == pytest.approx(0.36)
    assert found["spread_return_net"] == pytest.approx(0.342)
    assert found["spread_sharpe"] == pytest.approx(0.03 / (0.02 / np.sqrt(2)) * np.sqrt(12))
    assert found["spread_sharpe_net"] == pytest.approx(0.0285 / (0.02 / np.sqrt(2)) * np.sqrt(12))
    # The best tenth: half of it replaced, sold and bought at 0.1 %. The worst earns nothing, and a quarter is replaced.
    assert found["best_tenth_return_net_mean"] == pytest.approx(0.03 - 0.001)
    assert found["worst_tenth_short_return_net_mean"] == pytest.approx(-0.0005)
    # At 200 basis points the trades of 1.5 cost what the mean spread of 0.03 brings.
    assert found["break_even_cost_bps"] == pytest.approx(200.0)


def test_each_tenth_by_hand_before_and_after_its_own_costs():
    # Tenth k earns k % on the one day and 3 k % on the other, and k tenths of it are replaced: at 50 basis points, both
    # ways, 0.1 % of each tenth. Nothing is known of what was in the third one before: all of it counts.
    tenths = np.arange(1, 11)
    turnovers = np.tile(tenths / 10, (3, 1))
    turnovers[:, 2] = NAN
    returns = np.outer([0.01, 0.03, 0.09], tenths)
    returns[2, 4] = NAN
    days = Evaluation(np.zeros(3), np.full(3, 50), returns, returns, turnovers)
    metrics = decile_figures(days, cost_bps=50.0)
    names = [f"decile_{k:02d}_{name}_mean" for name in ("return", "return_net") for k in tenths]
    assert [metric.name for metric in metrics] == names
    gross, net = np.array([metric.value for metric in metrics]).reshape(2, 10)
    np.testing.assert_allclose(gross, 0.02 * tenths, rtol=1e-12)
    costs = np.where(tenths == 3, 0.01, 0.001 * tenths)
    np.testing.assert_allclose(net, gross - costs, rtol=1e-12)
    assert "Net of 50 basis points" in metrics[10].definition
    assert all(metric.unit == "fraction per 22 sessions" and metric.definition.endswith(".") for metric in metrics)


def test_tenths_of_no_day_have_no_figure():
    assert np.isnan([metric.value for metric in decile_figures(evaluation([]))]).all()
    assert np.isnan([metric.value for metric in decile_figures(evaluation([NAN]))]).all()


def test_days_without_tenths_are_left_out():
    spreads = np.full(43, NAN)
    spreads[42] = 0.02
    assert figures(evaluation(spreads))["n_periods"] == 1


def test_more_trials_deflate():
    spreads = np.random.default_rng(1).normal(0.01, 0.02, 600)
    alone, among_many = (figures(evaluation(spreads), n_trials=n, sharpe_sd=0.2) for n in (1, 50))
    assert alone["deflated_sharpe"] == alone["sharpe_probability"]
    assert among_many["deflated_sharpe"] < alone["deflated_sharpe"]


def test_a_spread_that_loses_has_no_break_even_and_nothing_has_no_figure():
    assert np.isnan(figures(evaluation([-0.01, -0.02]))["break_even_cost_bps"])
    nothing = figures(evaluation([]))
    assert nothing.pop("n_periods") == 0
    assert np.isnan(list(nothing.values())).all()


def test_every_figure_says_how_it_is_computed():
    metrics = spread_figures(evaluation([0.01] * 50), cost_bps=7.0, n_trials=3, sharpe_sd=0.1)
    assert all(metric.unit and metric.definition.endswith(".") for metric in metrics)
    text = {metric.name: metric.definition for metric in metrics}
    assert "7 basis points" in text["spread_sharpe_net"]
    assert "3 configurations on record" in text["deflated_sharpe"]
