"""Figures of return series by hand, by independent formulas, and at the edges."""

import math

import numpy as np
import pandas as pd
import pytest

from transforms.performance import DEFINITIONS, max_drawdown, performance

NAN = math.nan


def series(values: list[float]) -> pd.Series:
    return pd.Series(values, index=pd.bdate_range("2024-01-01", periods=len(values), name="trade_date"), dtype=float)


def figures(frame: pd.DataFrame, column: str = "value") -> dict[str, float]:
    return dict(zip(frame["metric"], frame[column], strict=True))


def random_pair(n: int = 500) -> tuple[pd.Series, pd.Series]:
    rng = np.random.default_rng(7)
    market = rng.normal(0.0004, 0.01, n)
    return series((0.0002 + 1.2 * market + rng.normal(0, 0.005, n)).tolist()), series(market.tolist())


def test_figures_of_four_days_by_hand():
    found = figures(performance(series([NAN, 0.1, -0.1, 0.2, 0.0])))
    wealth = 1.1 * 0.9 * 1.2
    assert found["n_days"] == 4
    assert found["total_return"] == pytest.approx(wealth - 1)
    assert found["cagr"] == pytest.approx(wealth ** (252 / 4) - 1)
    # Mean 0.05; squared deviations 0.0025, 0.0225, 0.0225, 0.0025.
    assert found["volatility"] == pytest.approx(math.sqrt(0.05 / 3) * math.sqrt(252))
    assert found["sharpe"] == pytest.approx(0.05 / math.sqrt(0.05 / 3) * math.sqrt(252))
    assert found["sortino"] == pytest.approx(0.05 / math.sqrt(0.01 / 4) * math.sqrt(252))
    assert found["max_drawdown"] == pytest.approx(-0.1)
    assert found["max_drawdown_sessions"] == 1
    assert found["hit_rate"] == 0.5


def test_comparisons_equal_a_least_squares_fit():
    book, market = random_pair()
    found = figures(performance(book, benchmark=market))
    design = np.column_stack([np.ones(len(market)), market])
    intercept, slope = np.linalg.lstsq(design, book.to_numpy(), rcond=None)[0]
    active = book - market
    assert found["beta"] == pytest.approx(slope, rel=1e-12)
    assert found["alpha"] == pytest.approx((1 + intercept) ** 252 - 1, rel=1e-9)
    assert found["tracking_error"] == pytest.approx(active.std() * math.sqrt(252), rel=1e-12)
    assert found["information_ratio"] == pytest.approx(active.mean() / active.std() * math.sqrt(252), rel=1e-12)
    assert found["active_hit_rate"] == (active > 0).mean()


def test_the_benchmark_has_its_own_figures_on_the_days_of_the_book():
    book, market = random_pair(50)
    book.iloc[0] = NAN
    frame = performance(book, benchmark=market)
    alone = performance(market.iloc[1:])
    assert figures(frame, "benchmark_value")["sharpe"] == figures(alone)["sharpe"]
    assert math.isnan(figures(frame, "benchmark_value")["beta"])


def test_a_day_without_the_benchmark_counts_only_for_the_book():
    book, market = series([0.01, 0.02, 0.03]), series([0.01, NAN, 0.02])
    found = performance(book, benchmark=market)
    assert figures(found)["n_days"] == 3
    assert figures(found, "benchmark_value")["n_days"] == 2
    assert figures(found)["beta"] == pytest.approx(2.0)


def test_turnover_is_per_year():
    found = figures(performance(series([0.0, 0.0]), turnover=series([0.5, 0.0])))
    assert found["turnover"] == 0.25 * 252


def test_a_loss_on_the_first_day_is_a_drawdown():
    fall = max_drawdown(np.array([-0.1, 0.05]))
    assert (fall.depth, fall.peak_row, fall.trough_row) == (pytest.approx(-0.1), -1, 0)


def test_a_drawdown_runs_from_its_own_peak_to_its_trough():
    fall = max_drawdown(np.array([0.5, -0.2, 0.1, -0.5, 2.0, -0.3]))
    # 1.5 falls to 1.2, 1.32 and 0.66.
    assert (fall.depth, fall.peak_row, fall.trough_row) == (pytest.approx(0.66 / 1.5 - 1), 0, 3)


def test_a_book_that_never_falls_has_no_drawdown():
    assert max_drawdown(np.array([0.1, 0.0, 0.2])).depth == 0.0


@pytest.mark.parametrize("value", [0.0, 0.001, -0.001])
def test_constant_returns_have_no_ratio(value: float):
    found = figures(performance(series([value] * 30), benchmark=series([value] * 30)))
    assert math.isnan(found["sharpe"])
    assert math.isnan(found["beta"])
    assert math.isnan(found["information_ratio"])
    assert found["volatility"] == pytest.approx(0.0, abs=1e-12)


def test_without_losses_there_is_no_sortino():
    assert math.isnan(figures(performance(series([0.01, 0.02])))["sortino"])


def test_no_returns_give_no_figures():
    empty = series([])
    found = figures(performance(empty, benchmark=empty, turnover=empty))
    assert found.pop("n_days") == 0
    assert all(math.isnan(value) for value in found.values())


def test_one_return_has_no_deviation():
    found = figures(performance(series([0.01]), benchmark=series([0.02])))
    assert found["total_return"] == pytest.approx(0.01)
    assert math.isnan(found["volatility"])
    assert math.isnan(found["beta"])


def test_a_total_loss_is_a_growth_of_minus_one():
    assert figures(performance(series([0.1, -1.0])))["cagr"] == -1.0


def test_every_figure_has_a_unit_and_a_definition():
    frame = performance(series([0.01]))
    assert frame["metric"].tolist() == list(DEFINITIONS)
    assert frame["definition"].str.endswith(".").all()
    assert (frame["unit"] != "").all()


def test_the_days_must_be_the_same():
    with pytest.raises(ValueError, match="benchmark must have the days of the returns; got 1 and 2 days"):
        performance(series([0.1, 0.2]), benchmark=series([0.1]))
