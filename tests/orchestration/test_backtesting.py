"""What a backtest knows at its first session, and what its id is made of."""

import io

import numpy as np
import pandas as pd
import psycopg
import pytest

from orchestration.backtesting import (
    ENGINE,
    BacktestOptions,
    Market,
    digest_of,
    read_market,
    target_weights,
)
from orchestration.code_versions import sources_of
from orchestration.installation import current_installation
from tests.orchestration.defs.conftest import WarehouseOfTest

TABLES = """
create table marts.fct_daily_prices (
    instrument_id text, trade_date date, close_adj double precision, open_adj double precision,
    dollar_volume double precision, is_suspect boolean default false, price_segment integer default 0
);
create table marts.dim_instruments (instrument_id text, ticker text, name text, sector text, delisted_date date);
create table marts.dim_benchmark_prices (trade_date date, return_1d double precision);
grant select on all tables in schema marts to factorloom_writer
"""
NAMES = list("abcd")
# Sessions of the first order and of the last; instrument d is delisted before, c within.
FIRST, LAST = 100, 140
GONE = {"d": 90, "c": 120}


@pytest.fixture
def closes() -> pd.DataFrame:
    """Closes of 150 sessions that move by 3 % a day."""
    days = pd.DatetimeIndex(current_installation().sessions()[:150])
    moves = np.random.default_rng(1).normal(0, 0.03, (150, 4))
    closes = pd.DataFrame(np.exp(np.cumsum(moves, axis=0)), days, NAMES)
    for name, last in GONE.items():
        closes.loc[days[last + 1] :, name] = np.nan
    return closes


@pytest.fixture
def volume(closes: pd.DataFrame) -> pd.DataFrame:
    """What each session trades: more every day."""
    return closes * 0 + np.arange(1.0, 151.0)[:, None] * 1e6


@pytest.fixture
def market(database, closes: pd.DataFrame, volume: pd.DataFrame) -> Market:
    rows = closes.rename_axis("day").melt(ignore_index=False, var_name="id", value_name="close").reset_index()
    rows = rows.assign(open=rows["close"], volume=volume.melt()["value"]).dropna()
    text = io.StringIO()
    rows[["id", "day", "close", "open", "volume"]].to_csv(text, index=False, header=False)
    with psycopg.connect(database.owner_url) as connection:
        connection.execute(TABLES)
        columns = "instrument_id, trade_date, close_adj, open_adj, dollar_volume"
        with connection.cursor().copy(f"copy marts.fct_daily_prices ({columns}) from stdin (format csv)") as copy:
            copy.write(text.getvalue())
        for name in NAMES:
            gone = closes.index[GONE[name]].date() if name in GONE else None
            connection.execute("insert into marts.dim_instruments values (%s, %s, %s, 's', %s)", [name] * 3 + [gone])
    first, last = (closes.index[row].date() for row in (FIRST, LAST))
    return read_market(WarehouseOfTest(address=database.url), current_installation(), first, last)


def test_the_book_begins_at_the_first_session_with_the_past_of_those_that_trade_then(market: Market, closes):
    expected = closes.iloc[FIRST : LAST + 1][["a", "b", "c"]].to_numpy()
    for frame in (market.closes, market.opens):
        np.testing.assert_array_equal(frame.to_numpy(), expected)
    assert market.closes.index.equals(market.opens.index)
    assert market.closes.index.equals(market.dollar_volume.index)
    np.testing.assert_array_equal(market.history.to_numpy(), closes.iloc[FIRST - 63 : LAST + 1][["a", "b", "c"]])
    assert market.gone.to_dict() == {"c": closes.index[GONE["c"]]}


def test_the_first_weights_are_scaled_by_the_volatility_before_them(market: Market, closes):
    ranks = market.closes.iloc[::20].rank(axis=1)[["a", "b"]]
    held = target_weights(BacktestOptions("balanced", quantile=0.5, target_volatility=0.05), ranks, market)
    best = ranks.iloc[0].idxmin()
    past = closes[best].iloc[FIRST - 63 : FIRST + 1].to_numpy()
    deviation = np.std(past[1:] / past[:-1] - 1, ddof=1) * np.sqrt(252)
    assert held.iloc[0][best] == pytest.approx(0.05 / deviation)
    assert held.sum(axis=1).max() < 0.2


def test_the_first_orders_cost_by_the_21_sessions_before_them(market: Market, closes):
    liquidity = market.liquidity()
    # The middle of sessions 81 to 101, counted from 1.
    assert liquidity.dollar_volume[0].tolist() == [91e6] * 3
    past = closes["a"].iloc[FIRST - 21 : FIRST + 1].to_numpy()
    assert liquidity.volatility[0, 0] == pytest.approx(np.std(past[1:] / past[:-1] - 1, ddof=1))
    assert liquidity.volatility.shape == market.closes.shape


def test_the_id_hashes_delistings_and_the_past(market: Market):
    targets = market.closes.iloc[:1].rank(axis=1)
    later = market.gone + pd.Timedelta(days=1)
    earlier = market.history.copy()
    earlier.iloc[0, 0] *= 2
    others = [market._replace(gone=market.gone.iloc[:0]), market._replace(gone=later), market._replace(history=earlier)]
    assert len({digest_of(one, targets) for one in [market, *others]}) == 4
    # Of the same targets among more that are ranked, the benchmark is another.
    assert digest_of(market, targets, targets > 1) != digest_of(market, targets, targets > 2)


def test_the_id_hashes_the_whole_engine():
    names = {file.name for file in sources_of(*ENGINE)}
    assert names >= {
        "backtest.py", "ledger.py", "sweep.py", "target_weights.py", "trading_costs.py", "chained_prices.py",
        "performance.py", "metrics.py", "book_analysis.py", "selection_bias.py", "trial_honesty.py", "days.py",
    }  # fmt: skip
