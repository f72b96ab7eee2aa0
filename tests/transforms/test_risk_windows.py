"""Risk figures beside another library, and the days that each window holds."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from transforms.risk_windows import DEFINITIONS, WINDOWS, expected_shortfall, honest_windows, risk_windows
from transforms.trial_honesty import sibling_figures

# Made by oracles/risk.py, which says how.
STORED = json.loads((Path(__file__).parent / "oracles" / "risk.json").read_text())


def series(values: list[float], *, first: str = "2023-01-02") -> pd.Series:
    return pd.Series(values, index=pd.bdate_range(first, periods=len(values), name="trade_date"), dtype=float)


def of_window(frame: pd.DataFrame, window: str) -> pd.DataFrame:
    return frame[frame["window"] == window].set_index("metric")


@pytest.mark.parametrize("metric", STORED["figures"])
def test_figures_are_those_of_another_library(metric: str):
    found = of_window(risk_windows(series(STORED["returns"]), series(STORED["benchmark"])), "all")
    assert found["value"][metric] == pytest.approx(STORED["figures"][metric], rel=1e-12)


def test_tracking_error_and_information_ratio_by_hand():
    book, market = series([0.02, 0.0, 0.03]), series([0.01, 0.01, 0.01])
    found = of_window(risk_windows(book, market), "all")["value"]
    # Differences 0.01, -0.01, 0.02: mean 0.02 / 3.
    deviation = np.std([0.01, -0.01, 0.02], ddof=1)
    assert found["tracking_error"] == pytest.approx(deviation * np.sqrt(252))
    assert found["information_ratio"] == pytest.approx(0.02 / 3 / deviation * np.sqrt(252))


def test_each_window_holds_the_returns_after_its_first_day():
    returns = series(np.full(900, 0.001).tolist(), first="2021-01-04")
    last = returns.index[-1]
    found = risk_windows(returns, returns * 0.5)
    assert list(dict.fromkeys(found["window"])) == list(WINDOWS)
    for window, months in (("1m", 1), ("3m", 3), ("1y", 12), ("3y", 36)):
        expected = returns.index[returns.index > last - pd.DateOffset(months=months)]
        one = of_window(found, window)
        assert one["value"]["n_days"] == len(expected)
        assert (one["first_date"]["beta"], one["last_date"]["beta"]) == (expected[0], last)
    this_year = of_window(found, "ytd")
    assert this_year["value"]["n_days"] == (returns.index.year == last.year).sum()
    assert of_window(found, "all")["value"]["n_days"] == 900


def test_a_window_longer_than_the_history_is_left_out():
    returns = series([0.01] * 60)
    assert list(dict.fromkeys(risk_windows(returns, returns)["window"])) == ["1m", "all"]


def test_the_drawdown_says_from_when_to_when():
    returns = series([0.1, -0.2, 0.05, -0.1, 0.3])
    found = of_window(risk_windows(returns, returns), "all")
    assert found["value"]["max_drawdown"] == pytest.approx(0.8 * 1.05 * 0.9 - 1)
    assert found["first_date"]["max_drawdown"] == returns.index[0]
    assert found["last_date"]["max_drawdown"] == returns.index[3]
    rising = of_window(risk_windows(returns.abs(), returns), "all")
    assert pd.isna(rising["first_date"]["max_drawdown"])


def test_the_shortfall_of_twenty_one_returns_is_the_mean_of_the_two_lowest():
    assert expected_shortfall(np.arange(21.0)) == 0.5
    assert np.isnan(expected_shortfall(np.array([])))


def test_days_without_the_benchmark_count_for_the_index_alone():
    found = of_window(risk_windows(series([np.nan, 0.01, 0.02, 0.03]), series([0.0, 0.01, np.nan, 0.02])), "all")
    assert found["value"]["n_days"] == 3
    assert found["benchmark_value"]["n_days"] == 2
    assert found["value"]["beta"] == pytest.approx(2.0)


def test_no_returns_have_no_figures():
    assert risk_windows(series([np.nan]), series([0.1])).empty


def test_every_figure_has_a_unit_and_a_definition():
    found = of_window(risk_windows(series([0.01, 0.02]), series([0.01, 0.0])), "all")
    assert found.index.tolist() == list(DEFINITIONS)
    assert found["definition"].str.endswith(".").all()


def test_each_window_of_an_index_stands_beside_the_others_on_its_days():
    draw = np.random.default_rng(5).normal(0.0005, 0.01, (600, 3))
    returns = pd.DataFrame(draw, columns=["a", "b", "c"], index=series([0.0] * 600).index)
    # One of them ended a month ago: its windows end there.
    returns.loc[returns.index[-22] :, "c"] = np.nan
    found = honest_windows(returns, n_trials=5).set_index(["index_id", "window", "metric"])["value"]
    for name, last in (("a", returns.index[-1]), ("c", returns.index[-23])):
        days = returns[(returns.index > last - pd.DateOffset(years=1)) & (returns.index <= last)]
        expected = {m.name: m.value for m in sibling_figures(days, n_trials=5, siblings="indices")[name]}
        assert found[name]["1y"].to_dict() == expected
    assert np.isnan(found["a"]["1m"]["overfitting_probability"])
