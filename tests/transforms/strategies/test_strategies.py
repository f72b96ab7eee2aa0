"""Signals of the shipped strategies, worked out by hand, and what every strategy promises."""

import numpy as np
import pytest

from transforms.strategies.macd_rsi import MacdRsi
from transforms.strategies.mean_reversion_bollinger import MeanReversionBollinger
from transforms.strategies.ranking_rotation import RankingRotation
from transforms.strategies.strategy import Board

ALL = (MacdRsi, MeanReversionBollinger, RankingRotation)


def board(days: list[str], **measures: list[float]) -> Board:
    """One instrument; measures that are not given are missing."""
    names = {name for one in ALL for name in one.inputs}
    shape = (len(days), 1)
    values = {name: np.full(shape, np.nan) for name in names}
    values |= {name: np.array(of_name, dtype=float)[:, None] for name, of_name in measures.items()}
    return Board(np.array(days, dtype="datetime64[D]"), np.array(["a"], dtype=object), values)


DAYS = ["2024-01-30", "2024-01-31", "2024-02-01", "2024-02-02"]


def test_macd_rsi_buys_at_a_crossing_within_the_levels_and_sells_at_the_other_or_at_a_high_rsi():
    shown = board(
        DAYS, close_adj=[10, 10, 10, 10], sma_200d=[9, 9, 9, 9], macd_histogram=[-1, 1, 2, -1], rsi_14d=[50, 50, 85, 60]
    )
    assert MacdRsi().signals(shown).action[:, 0].tolist() == [0, 1, -1, -1]
    assert MacdRsi(max_rsi=49).signals(shown).action[:, 0].tolist() == [0, 0, -1, -1]
    below = shown._replace(measures=shown.measures | {"sma_200d": np.full((4, 1), 11.0)})
    assert MacdRsi().signals(below).action[:, 0].tolist() == [0, 0, -1, -1]
    assert MacdRsi(above_sma_200d=False).signals(below).action[:, 0].tolist() == [0, 1, -1, -1]


def test_mean_reversion_waits_at_the_close_for_the_middle_band():
    shown = board(
        DAYS, close_adj=[10, 8, 9, 11], bollinger_lower_20d=[9, 9, 8, 8], bollinger_middle_20d=[11, 10, 10, 10],
        rsi_14d=[50, 30, 40, 60], adx_14d=[20, 20, 20, 20],
    )  # fmt: skip
    signals = MeanReversionBollinger().signals(shown)
    assert signals.action[:, 0].tolist() == [0, 1, 0, -1]
    assert (signals.limit[1, 0], signals.target[1, 0]) == (8, 10)
    assert signals.strength[1, 0] == pytest.approx(1 / 8)
    assert MeanReversionBollinger(max_adx=19).signals(shown).action[1, 0] == 0


def test_rotation_decides_in_the_first_session_of_a_month_and_never_in_the_first_row():
    shown = board(DAYS, rank_balanced=[3, 3, 3, 3])
    assert RankingRotation().signals(shown).action[:, 0].tolist() == [0, 0, 1, 0]
    fallen = board(DAYS, rank_balanced=[3, 3, 41, 3])
    assert RankingRotation().signals(fallen).action[:, 0].tolist() == [0, 0, -1, 0]
    kept = board(DAYS, rank_balanced=[3, 3, 40, 3])
    assert RankingRotation().signals(kept).action[:, 0].tolist() == [0, 0, 0, 0]
    left = board(DAYS, rank_balanced=[3, 3, np.nan, 3])
    assert RankingRotation().signals(left).action[:, 0].tolist() == [0, 0, -1, 0]


@pytest.mark.parametrize("strategy", ALL)
def test_no_strategy_sees_the_future_or_further_back_than_it_says(strategy):
    rng = np.random.default_rng(2)
    days = np.arange("2024-01-01", "2024-04-01", dtype="datetime64[D]")
    shape = (len(days), 6)
    close = 50 * np.exp(np.cumsum(rng.normal(0, 0.02, shape), axis=0))
    measures = {name: close * rng.uniform(0.9, 1.1, shape) for name in strategy.inputs}
    measures |= {name: rng.uniform(20, 90, shape) for name in ("rsi_14d", "adx_14d")}
    measures |= {"close_adj": close, "macd_histogram": rng.normal(size=shape)}
    measures |= {"rank_balanced": rng.uniform(1, 60, shape)}
    names = np.array(list("abcdef"), dtype=object)
    whole = strategy().signals(Board(days, names, measures))
    assert {-1, 0, 1} == set(np.unique(whole.action))
    back = strategy.lookback_sessions
    for row in range(back, len(days), 7):
        part = {name: values[row - back : row + 1] for name, values in measures.items()}
        cut = strategy().signals(Board(days[row - back : row + 1], names, part))
        assert np.array_equal(cut.action[-1], whole.action[row])
        assert np.array_equal(cut.strength[-1], whole.strength[row])


@pytest.mark.parametrize("strategy", ALL)
def test_every_strategy_describes_itself_and_its_parameters(strategy):
    assert strategy.title
    assert strategy.description.endswith(".")
    assert {"close_adj", "atr_14d"} <= set(strategy.inputs)
    for name, schema in strategy.parameter_schema().items():
        assert schema["description"], name
        assert "default" in schema, name
