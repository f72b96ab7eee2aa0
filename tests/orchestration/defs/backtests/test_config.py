"""What the launchpad may ask of a backtest."""

import datetime as dt

import pytest
from pydantic import ValidationError

from orchestration.defs.backtests.assets import BacktestConfig


def test_nothing_has_to_be_given():
    assert BacktestConfig().period == (None, None)


def test_days_are_days():
    config = BacktestConfig(first_date="2024-02-29", last_date="2024-06-28")
    assert config.period == (dt.date(2024, 2, 29), dt.date(2024, 6, 28))
    assert BacktestConfig(last_date="2024-06-28").period == (None, dt.date(2024, 6, 28))


@pytest.mark.parametrize("name", ["first_date", "last_date"])
@pytest.mark.parametrize("day", ["2023-02-29", "28.06.2024", "20240628", "2024-W26-5", "2024-6-28", "", "newest"])
def test_what_is_no_day_is_refused_and_shown(name: str, day: str):
    with pytest.raises(ValidationError, match=f"{name}\n.*YYYY-MM-DD and exist; got {day!r}. Write it as 2024-06-28"):
        BacktestConfig(**{name: day})


@pytest.mark.parametrize("last", ["2024-06-28", "2024-06-27"])
def test_the_first_day_comes_before_the_last(last: str):
    with pytest.raises(ValidationError, match=f"first_date must be before last_date; got 2024-06-28 and {last}"):
        BacktestConfig(first_date="2024-06-28", last_date=last)


def test_unknown_profiles_and_shares_are_refused():
    with pytest.raises(ValidationError, match=r"profiles must be some of .*; got \['bold'\]"):
        BacktestConfig(profiles=["bold"])
    with pytest.raises(ValidationError, match="less than or equal to"):
        BacktestConfig(quantile=0.6)


@pytest.mark.parametrize(
    ("options", "slippage"),
    [({}, 5.0), ({"spread_by_liquidity": True}, 0.0), ({"spread_by_liquidity": True, "slippage_bps": 2.0}, 2.0)],
)
def test_the_half_spread_is_charged_once(options: dict, slippage: float):
    assert BacktestConfig(**options).slippage() == slippage
