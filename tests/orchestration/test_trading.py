"""Strategies on a small market in a real warehouse: the same by day as at once, and a second run changes nothing."""

import datetime as dt
import json
from typing import Any

import numpy as np
import pandas as pd
import psycopg
import pytest

from orchestration.calendars import HomeCalendar
from orchestration.defs.strategies.assets import books_result
from orchestration.errors import StrategyMisconfigured
from orchestration.installation import Installation
from orchestration.resources import Warehouse
from orchestration.sources.simulated.options import SimulatedOptions
from orchestration.sources.simulated.source import SimulatedSource
from orchestration.strategy_registry import Entry, Registry, load_strategies, make_strategy
from orchestration.trading import read_definitions, seed_versions, trade, write_strategies, write_traded
from transforms.indicators import indicators
from transforms.paper_broker import BrokerRules
from transforms.selection_bias import overfitting_probability
from warehouse.settings import Settings

CALENDAR = HomeCalendar("XNYS")
LAST = dt.date(2023, 6, 30)
SESSIONS = CALENDAR.sessions(dt.date(2022, 6, 1), LAST)
BEGIN = dt.date(2022, 9, 1)
NAMES = [f"i_{letter}" for letter in "abcdefgh"]
# Held on that day by the rotation, which holds everything.
GONE, GONE_ON = "i_c", dt.date(2023, 4, 18)
PARTS = ("2022-11-15", "2022-11-16", "2023-02-28", "2023-03-01", "2023-04-19")
TURNS = {"above_sma_200d": False, "min_rsi": 0, "max_rsi": 100, "max_positions": 1}
REGISTRY = Registry(
    {
        "turns": Entry("macd_rsi", capital=100_000, parameters=TURNS),
        "bands": Entry("mean_reversion_bollinger", capital=100_000, parameters={"max_rsi": 60, "max_adx": 100}),
        "rotation": Entry("ranking_rotation", capital=100_000, parameters={"n_names": 8, "keep_places": 8}),
    },
    BrokerRules(participation=0.01),
)
TABLES = (
    "strategies", "strategy_signals", "paper_orders", "paper_fills", "paper_trades", "strategy_events",
    "strategy_equity",
)  # fmt: skip
DDL = """
create table marts.dim_instruments (instrument_id text, delisted_date date);
create table marts.fct_daily_prices (
    instrument_id text, trade_date date, open_adj float8, high_adj float8, low_adj float8, close_adj float8,
    volume_adj float8, currency_code text, price_segment integer, is_suspect boolean
);
create table marts.fct_exchange_rates (currency_code text, as_of_date date, exchange_rate float8);
create table marts.dim_benchmark_prices (trade_date date, return_1d float8);
"""


class At(Warehouse):
    """The warehouse of a test."""

    address: str

    @property
    def url(self) -> str:
        return self.address


def bars() -> pd.DataFrame:
    """Random walks with gaps; i_h is quoted in EUR."""
    rng = np.random.default_rng(11)
    frames = []
    for name in NAMES:
        close = 50 * np.exp(np.cumsum(rng.normal(0, 0.025, len(SESSIONS))))
        opened = close * np.exp(rng.normal(0, 0.01, len(SESSIONS)))
        spread = np.exp(np.abs(rng.normal(0, 0.01, len(SESSIONS))))
        frames.append(
            pd.DataFrame(
                {
                    "instrument_id": name, "trade_date": SESSIONS, "open_adj": opened,
                    "high_adj": np.maximum(opened, close) * spread, "low_adj": np.minimum(opened, close) / spread,
                    "close_adj": close, "volume_adj": rng.uniform(2e3, 2e5, len(SESSIONS)),
                    "currency_code": "EUR" if name == "i_h" else "USD", "price_segment": 0,
                }
            )
        )  # fmt: skip
    frame = pd.concat(frames, ignore_index=True)
    is_gone = (frame["instrument_id"] == GONE) & (frame["trade_date"] > GONE_ON)
    return frame[~is_gone].reset_index(drop=True)


def insert(connection: psycopg.Connection, table: str, frame: pd.DataFrame) -> None:
    listed, marks = ", ".join(frame.columns), ", ".join(["%s"] * len(frame.columns))
    rows = frame.astype(object).where(frame.notna(), None).to_numpy().tolist()
    connection.cursor().executemany(f"insert into {table} ({listed}) values ({marks})", rows)


@pytest.fixture
def warehouse(database: Any) -> At:
    """Prices, indicators, places and rates, as far as strategies read them."""
    frame = bars()
    rng = np.random.default_rng(5)
    ranks = pd.DataFrame(
        [
            {"profile": "balanced", "as_of_date": day, "instrument_id": name, "rank": int(place) + 1}
            for day in SESSIONS
            for name, place in zip(NAMES, rng.permutation(len(NAMES)), strict=True)
            if name != GONE or day <= GONE_ON
        ]
    ).assign(is_intraday=False, score=50.0, signal="hold")
    groups = ("forecast", "momentum", "value", "quality", "growth", "low_risk", "liquidity")
    ranks = ranks.assign(**{f"contribution_{group}": 0.0 for group in groups})
    with psycopg.connect(database.url, autocommit=True) as connection:
        connection.execute(DDL)
        insert(connection, "marts.fct_daily_prices", frame.assign(is_suspect=False))
        measured = indicators(frame).rename(columns={"trade_date": "as_of_date"})
        insert(connection, "research.indicators", measured)
        insert(connection, "research.rankings", ranks)
        for name in NAMES:
            gone = GONE_ON if name == GONE else None
            connection.execute("insert into marts.dim_instruments values (%s, %s)", [name, gone])
        for number, day in enumerate(SESSIONS):
            rate = 1.1 + 0.001 * (number % 7)
            connection.execute("insert into marts.fct_exchange_rates values ('EUR', %s, %s)", [day, rate])
            connection.execute("insert into marts.dim_benchmark_prices values (%s, 0.001)", [day])
    warehouse = At(address=database.url)
    seed_versions(warehouse, REGISTRY)
    return warehouse


def installation() -> Installation:
    now = dt.datetime(2023, 6, 30, 23, 30, tzinfo=dt.UTC)
    source = SimulatedSource(
        SimulatedOptions(n_instruments=5, first_session=SESSIONS[0], seed=1), calendar=CALENDAR, now=lambda: now
    )
    return Installation(Settings(now=now), lambda: now, CALENDAR, source)


def run(warehouse: At, first: dt.date, last: dt.date) -> int:
    """Trade and write a window as the asset does; return how many rows changed."""
    definitions = read_definitions(warehouse, REGISTRY)
    traded = trade(warehouse, installation(), REGISTRY, definitions, (first, last), begin=BEGIN)
    written = [*write_traded(warehouse, traded).values(), write_strategies(warehouse, traded, "USD")]
    return sum(result.changed for result in written)


def stored(warehouse: At) -> dict[str, list[tuple[Any, ...]]]:
    """All rows but for their stamps."""
    found = {}
    with warehouse.connection() as connection:
        for table in TABLES:
            names = connection.execute(f"select * from research.{table} limit 0").description or []
            columns = ", ".join(column.name for column in names if column.name != "computed_at")
            found[table] = connection.execute(f"select {columns} from research.{table} order by 1, 2, 3").fetchall()
    return found


def query(warehouse: At, sql: str) -> list[tuple[Any, ...]]:
    with warehouse.connection() as connection:
        return connection.execute(sql).fetchall()


def test_day_by_day_is_the_same_as_at_once_and_a_second_run_changes_nothing(warehouse):
    assert run(warehouse, SESSIONS[0], LAST) > 0
    at_once = stored(warehouse)
    assert all(at_once.values())
    assert run(warehouse, SESSIONS[0], LAST) == 0
    # A day in the middle alone: what came after it stays.
    assert run(warehouse, dt.date(2023, 3, 7), dt.date(2023, 3, 7)) == 0
    with warehouse.connection() as connection:
        for table in TABLES:
            connection.execute(f"delete from research.{table}")
    ends = [day for day in SESSIONS if day in (GONE_ON, LAST) or day.isoformat() in PARTS]
    first = SESSIONS[0]
    for end in ends:
        run(warehouse, first, end)
        first = CALENDAR.sessions(end, LAST)[1] if end < LAST else LAST
    assert stored(warehouse) == at_once


def test_the_probability_of_overfitting_is_one_figure_of_all_accounts(warehouse):
    run(warehouse, SESSIONS[0], LAST)
    rows = query(warehouse, "select trade_date, strategy_id, return_1d from research.strategy_equity")
    returns = pd.DataFrame(rows).pivot(index=0, columns=1, values=2)
    expected = overfitting_probability(returns.to_numpy(), n_blocks=16)
    found = query(warehouse, "select overfitting_probability from research.strategies")
    assert found == [(expected,)] * 3
    assert 0 <= expected <= 1


def test_cash_is_the_capital_less_the_fills_and_equity_adds_up_every_day(warehouse):
    run(warehouse, SESSIONS[0], LAST)
    rows = query(
        warehouse,
        """
        with held as (
            select e.strategy_id, e.trade_date, f.instrument_id, sum(f.quantity) as quantity
            from research.strategy_equity as e
            inner join research.paper_fills as f on e.strategy_id = f.strategy_id and f.trade_date <= e.trade_date
            group by e.strategy_id, e.trade_date, f.instrument_id
        ),
        worth as (
            select h.strategy_id, h.trade_date, sum(h.quantity * p.close_adj * coalesce(r.exchange_rate, 1)) as value
            from held as h
            cross join lateral (
                select p.* from marts.fct_daily_prices as p
                where p.instrument_id = h.instrument_id and p.trade_date <= h.trade_date
                order by p.trade_date desc limit 1
            ) as p
            left join marts.fct_exchange_rates as r
                on p.currency_code = r.currency_code and p.trade_date = r.as_of_date
            group by h.strategy_id, h.trade_date
        )
        select
            e.equity, e.cash, coalesce(w.value, 0),
            100000 - coalesce((
                select sum(f.quantity * f.price + f.fee) from research.paper_fills as f
                where f.strategy_id = e.strategy_id and f.trade_date <= e.trade_date
            ), 0)
        from research.strategy_equity as e
        left join worth as w on e.strategy_id = w.strategy_id and e.trade_date = w.trade_date
        """,
    )
    assert len(rows) == 3 * len(CALENDAR.sessions(BEGIN, LAST))
    for equity, cash, value, left in rows:
        assert cash == pytest.approx(left, abs=1e-6)
        assert equity == pytest.approx(cash + value, rel=1e-9)


@pytest.mark.parametrize(
    "change",
    [
        "update research.strategy_equity set equity = equity * (1 + 1e-8) where trade_date = '2023-03-01'",
        "update research.paper_fills set fee = fee + 0.01 where trade_date = (select max(trade_date) from"
        " research.paper_fills)",
        # Another digit before each quantity, orders and positions.
        "update research.strategy_equity set account ="
        r""" regexp_replace(account, '"quantity":(\d)', '"quantity":1\1', 'g')"""
        " where strategy_id = 'rotation' and trade_date = '2023-03-01'",
    ],
)
def test_the_check_of_the_books_passes_and_finds_what_does_not_add_up(warehouse, change):
    run(warehouse, SESSIONS[0], LAST)
    assert books_result(warehouse, dt.date.min).passed
    with warehouse.connection() as connection:
        assert connection.execute(change).rowcount > 0
    verdict = books_result(warehouse, dt.date.min)
    assert not verdict.passed
    assert verdict.metadata["sessions_out_of_balance"].value >= 1


def test_the_check_of_the_books_looks_at_the_sessions_of_the_run_and_the_cash_before_them(warehouse):
    run(warehouse, SESSIONS[0], LAST)
    change = "update research.strategy_equity set cash = cash + 1 where trade_date = '2023-03-01'"
    with warehouse.connection() as connection:
        assert connection.execute(change).rowcount > 0
    first_after = SESSIONS[SESSIONS.index(dt.date(2023, 3, 1)) + 1]
    assert not books_result(warehouse, dt.date(2023, 3, 1)).passed
    assert not books_result(warehouse, first_after).passed
    assert books_result(warehouse, SESSIONS[SESSIONS.index(first_after) + 1]).passed


def test_the_gains_of_trades_are_those_of_their_fills(warehouse):
    run(warehouse, SESSIONS[0], LAST)
    rows = query(
        warehouse,
        """
        select t.strategy_id, t.exit_reason, t.pnl, -sum(f.quantity * f.price + f.fee), sum(f.quantity)
        from research.paper_trades as t
        inner join research.paper_fills as f on t.strategy_id = f.strategy_id and t.trade_id = f.position_id
        group by t.strategy_id, t.trade_id, t.exit_reason, t.pnl
        """,
    )
    assert {row[1] for row in rows} == {"signal", "stop_loss", "take_profit", "delisting"}
    assert {row[0] for row in rows} == set(REGISTRY.strategies)
    for _, _, pnl, of_fills, left in rows:
        assert pnl == pytest.approx(of_fills, abs=1e-6)
        assert left == pytest.approx(0, abs=1e-6)


def test_a_delisted_holding_is_closed_at_its_last_close_in_the_next_session(warehouse):
    run(warehouse, SESSIONS[0], LAST)
    sql = f"select close_adj from marts.fct_daily_prices where instrument_id = '{GONE}' and trade_date = '{GONE_ON}'"
    ((close,),) = query(warehouse, sql)
    of_fills = "select instrument_id, trade_date, price, fee from research.paper_fills where reason = 'delisting'"
    fills = query(warehouse, of_fills)
    assert len(fills) > 0
    for name, day, price, fee in fills:
        assert (name, day, fee) == (GONE, CALENDAR.sessions(GONE_ON, LAST)[1], 0)
        assert price == pytest.approx(close)
    later = "select count(*) from research.strategy_signals where instrument_id = %s and as_of_date > %s"
    with warehouse.connection() as connection:
        assert connection.execute(later, [GONE, GONE_ON]).fetchone() == (0,)


def test_signals_say_what_became_of_their_orders(warehouse):
    run(warehouse, SESSIONS[0], LAST)
    rows = query(
        warehouse,
        """
        select s.signal, s.execution_status, o.status, s.reason, s.indicators, o.side, s.as_of_date = o.placed_date
        from research.strategy_signals as s left join research.paper_orders as o using (strategy_id, order_id)
        """,
    )
    assert {row[0] for row in rows} == {"buy", "sell", "hold"}
    for signal, told, status, reason, values, side, same_day in rows:
        assert told == (status or ("skipped" if signal == "buy" else "none"))
        assert status is None or (side, same_day) == (signal, True)
        assert reason.endswith(".")
        assert "close_adj" in values
    assert {"filled", "expired", "skipped", "none"} <= {row[1] for row in rows}
    ids = query(warehouse, "select count(*), count(distinct broker_order_id) from research.paper_orders")
    assert ids[0][0] == ids[0][1] > 50


def test_orders_are_filled_after_the_session_that_placed_them(warehouse):
    run(warehouse, SESSIONS[0], LAST)
    early = query(
        warehouse,
        "select count(*) from research.paper_orders as o"
        " inner join research.paper_fills as f using (strategy_id, order_id) where f.trade_date <= o.placed_date"
        " and f.reason <> 'delisting'",
    )
    assert early == [(0,)]


def test_a_new_version_changes_nothing_before_its_day_and_an_inactive_strategy_opens_nothing(warehouse):
    run(warehouse, SESSIONS[0], LAST)
    before = stored(warehouse)
    day = dt.date(2023, 3, 1)
    with warehouse.connection() as connection:
        connection.execute(
            "insert into app.strategy_versions values ('bands', 2, %s, false, %s, now(), 'test')",
            [day, json.dumps(REGISTRY.strategies["bands"].parameters)],
        )
    run(warehouse, SESSIONS[0], LAST)
    after = stored(warehouse)
    for table in ("strategy_equity", "strategy_events"):
        assert [row for row in after[table] if row[1] < day] == [row for row in before[table] if row[1] < day]
    opened = "select count(*) from research.strategy_events where strategy_id = 'bands' and type = 'position_opened'"
    assert query(warehouse, f"{opened} and event_date > '2023-03-06'") == [(0,)]
    assert query(warehouse, f"{opened} and event_date < '2023-03-01'")[0][0] > 0
    assert query(warehouse, "select event_date, severity from research.strategy_events where type = 'deactivated'") == [
        (day, "info")
    ]
    assert query(warehouse, "select version, is_active from research.strategies where strategy_id = 'bands'") == [
        (2, False)
    ]


def test_settings_are_seeded_once_and_then_the_table_counts(warehouse):
    with warehouse.connection() as connection:
        connection.execute(
            "update app.strategy_versions set parameters = '{\"max_rsi\": 20}' where strategy_id = 'bands'"
        )
    seed_versions(warehouse, REGISTRY)
    bands = next(one for one in read_definitions(warehouse, REGISTRY) if one.strategy_id == "bands")
    assert [(one.version, one.strategy.max_rsi) for one in bands.versions] == [(1, 20)]


def test_the_registry_of_the_project_holds_together():
    assert set(load_strategies().strategies) >= {"macd_rsi", "mean_reversion_bollinger", "ranking_rotation"}


@pytest.mark.parametrize(
    ("kind", "parameters", "said"),
    [
        ("macd_rsi", {"max_rsi": 101}, "max_rsi"),
        ("macd_rsi", {"moon": 1}, "moon"),
        ("macd_rsi", {"take_profit_atr": -1.0}, "take_profit_atr"),
        ("ranking_rotation", {"take_profit_atr": 1e308}, "take_profit_atr"),
        ("astrology", {}, "astrology"),
    ],
)
def test_settings_that_do_not_hold_together_say_so(kind, parameters, said):
    with pytest.raises(StrategyMisconfigured, match=said):
        make_strategy("mine", kind, parameters)
