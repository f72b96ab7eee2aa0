"""Indices on a small market: seeded once, by version, in the reporting currency, and the same by day as at once."""

import datetime as dt
import json
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import psycopg
import pytest

from orchestration.calendars import HomeCalendar
from orchestration.defs.index.assets import risk_metrics
from orchestration.indexing import (
    Definition,
    Panel,
    _standing,
    build_indices,
    read_definitions,
    read_panel,
    seed_definitions,
    write_indices,
)
from orchestration.installation import Installation
from orchestration.resources import Warehouse
from orchestration.sources.simulated.options import SimulatedOptions
from orchestration.sources.simulated.source import SimulatedSource
from transforms.days import as_days
from transforms.selection_bias import deflated_sharpe, overfitting_probability
from warehouse.settings import Settings

CALENDAR = HomeCalendar("XNYS")
LAST = dt.date(2023, 6, 30)
SESSIONS = CALENDAR.sessions(dt.date(2022, 6, 1), LAST)
BEGIN = dt.date(2023, 2, 1)
NAMES = [f"i_{letter}" for letter in "abcdefgh"]
# The largest, delisted while the index holds it.
GONE, GONE_ON = "i_a", dt.date(2023, 4, 18)
TABLES = """
create table marts.dim_instruments (instrument_id text, sector text, delisted_date date);
create table marts.fct_daily_prices (
    instrument_id text, trade_date date, close_adj double precision, return_1d double precision,
    price_segment integer, is_suspect boolean, currency_code text default 'USD'
);
create table marts.fct_exchange_rates (currency_code text, as_of_date date, exchange_rate double precision);
create table marts.dim_benchmark_prices (
    trade_date date, return_1d double precision, currency_code text default 'USD'
);
create table factors.fct_universe_members (instrument_id text, as_of_date date);
create table factors.fct_size (instrument_id text, as_of_date date, market_cap_reporting double precision);
create table factors.fct_momentum (instrument_id text, as_of_date date, momentum_252d_21d double precision);
"""
RULES = {"weighting": {"market_cap": 0.5, "risk_parity": 0.5}, "select_by": "market_cap", "n_names": 5}
LATER_RULES = RULES | {"n_names": 3, "drift_threshold": 0.02}


class At(Warehouse):
    """The warehouse of a test."""

    address: str

    @property
    def url(self) -> str:
        return self.address


@pytest.fixture
def warehouse(database: Any) -> At:
    """Prices, sizes and one index; the pipelines' tables as far as indices read them."""
    rng = np.random.default_rng(4)
    closes = 50 * np.exp(np.cumsum(rng.normal(0, 0.02, (len(SESSIONS), len(NAMES))), axis=0))
    rows = [
        (name, session, closes[row, column], closes[row, column] / closes[row - 1, column] - 1 if row else None)
        for row, session in enumerate(SESSIONS)
        for column, name in enumerate(NAMES)
        if name != GONE or session <= GONE_ON
    ]
    with psycopg.connect(database.url, autocommit=True) as connection:
        connection.execute(TABLES)
        cursor = connection.cursor()
        cursor.executemany("insert into marts.fct_daily_prices values (%s, %s, %s, %s, 0, false)", rows)
        sizes = [(name, session, close * (2e6 if name == GONE else 1e6)) for name, session, close, _ in rows]
        cursor.executemany("insert into factors.fct_size values (%s, %s, %s)", sizes)
        cursor.executemany("insert into factors.fct_universe_members values (%s, %s)", [row[:2] for row in rows])
        cursor.executemany("insert into marts.dim_benchmark_prices values (%s, 0.001)", [(day,) for day in SESSIONS])
        cursor.executemany("insert into marts.fct_exchange_rates values ('USD', %s, 1)", [(day,) for day in SESSIONS])
        for name in NAMES:
            gone = GONE_ON if name == GONE else None
            connection.execute("insert into marts.dim_instruments values (%s, 'x', %s)", [name, gone])
        add_version(connection, 1, dt.date(1970, 1, 1), RULES)
    return At(address=database.url)


def add_version(connection: psycopg.Connection, version: int, day: dt.date, rules: dict[str, Any]) -> None:
    statement = (
        "insert into app.index_definitions (index_id, version, effective_date, rules) values ('own', %s, %s, %s)"
    )
    connection.execute(statement, [version, day, json.dumps(rules)])


def installation() -> Installation:
    now = dt.datetime(2023, 6, 30, 23, 30, tzinfo=dt.UTC)
    source = SimulatedSource(
        SimulatedOptions(n_instruments=5, first_session=SESSIONS[0], seed=1), calendar=CALENDAR, now=lambda: now
    )
    return Installation(Settings(now=now), lambda: now, CALENDAR, source)


def run(warehouse: At, first: dt.date, last: dt.date) -> int:
    """Build and write a window as the asset does; return how many rows changed."""
    definitions: list[Definition] = read_definitions(warehouse)
    built = build_indices(warehouse, installation(), definitions, (first, last), begin=BEGIN)
    return sum(result.changed for result in write_indices(warehouse, built, last).values())


def stored(warehouse: At, until: dt.date = LAST) -> dict[str, list[tuple[Any, ...]]]:
    """All rows up to a day but for their stamps."""
    found = {}
    with warehouse.connection() as connection:
        for table in ("index_allocations", "index_values", "index_turnover"):
            names = connection.execute(f"select * from research.{table} limit 0").description or []
            columns = ", ".join(column.name for column in names if column.name != "computed_at")
            sql = f"select {columns} from research.{table} where as_of_date <= %s order by 1, 2, 3"
            found[table] = connection.execute(sql, [until]).fetchall()
    return found


def test_an_index_begins_after_the_first_decision_and_loses_what_is_delisted(warehouse):
    run(warehouse, SESSIONS[0], LAST)
    rows = stored(warehouse)
    days = [row[1] for row in rows["index_values"]]
    assert days == CALENDAR.sessions(dt.date(2023, 2, 2), LAST)
    assert rows["index_values"][0][2] == pytest.approx(100)
    reasons = [row[2] for row in rows["index_turnover"]]
    assert reasons[0] == "base"
    assert reasons.count("rebalance") == 4
    left = [row for row in rows["index_allocations"] if row[2] == GONE and row[3] == "delisting"]
    assert [row[1] for row in left] == [dt.date(2023, 4, 19)]
    assert left[0][5:8] == (0, 0, 0)
    assert sum(row[5] for row in rows["index_allocations"] if row[1] == days[0]) == pytest.approx(1)


def test_stored_values_move_by_stored_weights_times_returns(warehouse):
    """Through rebalancing, drift and a delisting; from the tables alone, closes as the pipeline keeps them."""
    with warehouse.connection() as connection:
        add_version(connection, 2, dt.date(2023, 4, 1), LATER_RULES)
    run(warehouse, SESSIONS[0], LAST)
    closes = warehouse.read_frame("select instrument_id, trade_date, close_adj from marts.fct_daily_prices")
    grid = closes.pivot(index="trade_date", columns="instrument_id", values="close_adj").ffill()
    returns = (grid / grid.shift(1) - 1).fillna(0.0)
    changes = warehouse.read_frame("select as_of_date, instrument_id, weight, reason from research.index_allocations")
    assert {"base", "rebalance", "drift", "delisting"} == set(changes["reason"])
    after = {day: rows.set_index("instrument_id")["weight"] for day, rows in changes.groupby("as_of_date")}
    levels = warehouse.read_frame("select as_of_date, value from research.index_values order by 1").set_index(
        "as_of_date"
    )
    weights = after[levels.index[0]]
    for before, day in pairwise(levels.index):
        moves = returns.loc[day].reindex(weights.index)
        moved = float(weights @ moves)
        assert levels["value"][day] / levels["value"][before] - 1 == pytest.approx(moved, abs=1e-9)
        weights = after.get(day, weights * (1 + moves) / (1 + moved))


def test_a_second_run_writes_nothing(warehouse):
    assert run(warehouse, SESSIONS[0], LAST) > 0
    assert run(warehouse, SESSIONS[0], LAST) == 0
    assert run(warehouse, dt.date(2023, 5, 2), LAST) == 0


def test_day_by_day_is_the_same_as_at_once(warehouse):
    """With days on which nothing changes, a decision at a window's end, and the delisting in a window of its own."""
    run(warehouse, SESSIONS[0], LAST)
    at_once = stored(warehouse)
    with warehouse.connection() as connection:
        for table in at_once:
            connection.execute(f"delete from research.{table}")
    ends = [
        dt.date(2023, 2, 6),
        dt.date(2023, 4, 3),
        dt.date(2023, 4, 18),
        dt.date(2023, 4, 19),
        dt.date(2023, 6, 1),
        LAST,
    ]
    first = SESSIONS[0]
    for end in ends:
        run(warehouse, first, end)
        first = CALENDAR.sessions(end, LAST)[1] if end < LAST else LAST
    assert stored(warehouse) == at_once


def test_a_new_version_changes_nothing_before_its_day(warehouse):
    run(warehouse, SESSIONS[0], LAST)
    before = stored(warehouse)
    with warehouse.connection() as connection:
        add_version(connection, 2, dt.date(2023, 5, 1), LATER_RULES)
    run(warehouse, SESSIONS[0], LAST)
    untouched = dt.date(2023, 5, 1) - dt.timedelta(days=1)
    assert stored(warehouse, untouched) == {
        table: [row for row in rows if row[1] <= untouched] for table, rows in before.items()
    }
    newest = stored(warehouse)["index_values"][-1]
    assert (newest[6], newest[7]) == (3, 2)
    assert "drift" in [row[2] for row in stored(warehouse)["index_turnover"]]


def test_definitions_are_seeded_once_and_then_the_table_counts(warehouse):
    seed_definitions(warehouse)
    assert {one.index_id for one in read_definitions(warehouse)} >= {"main", "equal", "own"}
    with warehouse.connection() as connection:
        connection.execute("update app.index_definitions set rules = %s where index_id = 'main'", [json.dumps(RULES)])
    seed_definitions(warehouse)
    main = next(one for one in read_definitions(warehouse) if one.index_id == "main")
    assert [(version.version, version.rules.n_names) for version in main.versions] == [(1, 5)]


def test_after_costs_each_trade_lowers_the_level_by_its_turnover_times_the_rate(warehouse):
    run(warehouse, SESSIONS[0], LAST)
    with warehouse.connection() as connection:
        rows = connection.execute(
            "select v.return_1d, v.return_net_1d, v.value_net, coalesce(t.turnover, 0), coalesce(t.cost, 0)"
            " from research.index_values as v left join research.index_turnover as t using (index_id, as_of_date)"
            " order by v.as_of_date"
        ).fetchall()
    assert rows[0][2:4] == (pytest.approx(100 * (1 - 0.001)), pytest.approx(1))
    level = rows[0][2]
    for gross, net, value_net, turnover, cost in rows[1:]:
        assert cost == pytest.approx(turnover * 0.001)
        assert 1 + net == pytest.approx((1 + gross) * (1 - cost))
        level *= 1 + net
        assert value_net == pytest.approx(level)


def test_a_session_that_somebody_let_decide_trades_at_the_next_close_and_changes_nothing_before(warehouse):
    run(warehouse, SESSIONS[0], LAST)
    before = stored(warehouse)
    asked, traded = dt.date(2023, 5, 16), dt.date(2023, 5, 17)
    with warehouse.connection() as connection:
        connection.execute("insert into app.index_rebalances values ('own', %s, 'test')", [asked])
    run(warehouse, SESSIONS[0], LAST)
    after = stored(warehouse)
    assert next(row[1] for row in after["index_turnover"] if row not in before["index_turnover"]) == traded
    assert stored(warehouse, asked) == {
        table: [row for row in rows if row[1] <= asked] for table, rows in before.items()
    }


ABROAD, AT_HOME = "i_b", "i_c"
NO_BAR, NO_RATE = dt.date(2023, 2, 9), dt.date(2023, 2, 14)


@pytest.fixture
def two_currencies(warehouse):
    """An equal index of one instrument in euros and one in dollars; one close is suspect, and one has no rate."""
    rates = {day: 1 + 0.01 * (row % 7) for row, day in enumerate(SESSIONS) if day != NO_RATE}
    with warehouse.connection() as connection:
        connection.execute("delete from factors.fct_universe_members where instrument_id not in ('i_b', 'i_c')")
        connection.execute("update marts.fct_daily_prices set currency_code = 'EUR' where instrument_id = %s", [ABROAD])
        # The mart names no return of a suspect close; that of the close after it goes back to the one before.
        closes = dict(
            connection.execute(
                "select trade_date, close_adj from marts.fct_daily_prices where instrument_id = %s", [ABROAD]
            ).fetchall()
        )
        at = SESSIONS.index(NO_BAR)
        connection.execute(
            "update marts.fct_daily_prices set is_suspect = true, return_1d = null"
            " where instrument_id = %s and trade_date = %s",
            [ABROAD, NO_BAR],
        )
        connection.execute(
            "update marts.fct_daily_prices set return_1d = %s where instrument_id = %s and trade_date = %s",
            [closes[SESSIONS[at + 1]] / closes[SESSIONS[at - 1]] - 1, ABROAD, SESSIONS[at + 1]],
        )
        connection.cursor().executemany("insert into marts.fct_exchange_rates values ('EUR', %s, %s)", rates.items())
        rules = json.dumps({"weighting": {"equal": 1.0}, "select_by": "market_cap", "rebalance": "quarterly"})
        connection.execute("update app.index_definitions set rules = %s", [rules])
    return warehouse, rates, closes


def test_closes_abroad_count_by_the_rate_of_their_day(two_currencies):
    warehouse, rates, closes = two_currencies
    run(warehouse, SESSIONS[0], LAST)
    with warehouse.connection() as connection:
        at_home = dict(
            connection.execute(
                "select trade_date, close_adj from marts.fct_daily_prices where instrument_id = %s", [AT_HOME]
            ).fetchall()
        )
    values = {row[1]: row[2] for row in stored(warehouse)["index_values"]}
    days = [day for day in values if day < dt.date(2023, 4, 3)]
    base = days[0]
    abroad = closes[base] * rates[base]
    begun = abroad
    for day in days:
        # Where there is no trusted close, or no rate, the last worth counts.
        if day not in (NO_BAR, NO_RATE):
            abroad = closes[day] * rates[day]
        assert values[day] == pytest.approx(50 * abroad / begun + 50 * at_home[day] / at_home[base], rel=1e-12), day
    held = {row[2]: row[8] for row in stored(warehouse)["index_allocations"] if row[1] == base}
    assert held == {ABROAD: pytest.approx(begun), AT_HOME: at_home[base]}


def test_returns_abroad_are_those_of_the_converted_closes_and_home_stays_bit_for_bit(two_currencies):
    warehouse, _, _ = two_currencies
    panel = read_panel(warehouse, as_days(pd.Index(SESSIONS)), SESSIONS[0], "USD")
    columns = {name: column for column, name in enumerate(panel.instruments)}
    abroad = pd.Series(panel.close_adj[:, columns[ABROAD]])
    known = panel.return_1d[:, columns[ABROAD]]
    # Of the session without a rate, and of the one after it, nobody knows the return.
    expected = abroad.ffill().pct_change().where(abroad.notna()).mask(abroad.isna().shift(fill_value=False))
    after = SESSIONS.index(NO_BAR) + 1
    expected[after] = abroad[after] / abroad[after - 2] - 1
    np.testing.assert_allclose(known, expected, rtol=0, atol=1e-14)
    with warehouse.connection() as connection:
        rows = connection.execute(
            "select close_adj, return_1d from marts.fct_daily_prices where instrument_id = %s order by trade_date",
            [AT_HOME],
        ).fetchall()
    at_home = np.array(rows, dtype=float)
    np.testing.assert_array_equal(panel.close_adj[:, columns[AT_HOME]], at_home[:, 0])
    np.testing.assert_array_equal(panel.return_1d[:, columns[AT_HOME]], at_home[:, 1])


def test_day_by_day_is_the_same_as_at_once_in_two_currencies(two_currencies):
    warehouse, _, _ = two_currencies
    run(warehouse, SESSIONS[0], LAST)
    at_once = stored(warehouse)
    with warehouse.connection() as connection:
        for table in at_once:
            connection.execute(f"delete from research.{table}")
    ends = [NO_BAR, NO_RATE, dt.date(2023, 2, 15), LAST]
    for first, end in zip(
        [SESSIONS[0], dt.date(2023, 2, 10), dt.date(2023, 2, 15), dt.date(2023, 2, 16)], ends, strict=True
    ):
        run(warehouse, first, end)
    assert stored(warehouse) == at_once


@pytest.fixture
def in_euros(two_currencies):
    """The same index, in euros; of the day without a rate nobody knows what it is worth there."""
    warehouse, rates, _ = two_currencies
    run(warehouse, SESSIONS[0], LAST)
    in_dollars = {row[1]: row for row in stored(warehouse)["index_values"]}
    with warehouse.connection() as connection:
        for table in ("index_allocations", "index_values", "index_turnover"):
            connection.execute(f"delete from research.{table}")
        connection.execute("update app.index_definitions set rules = rules || jsonb_build_object('currency', 'EUR')")
    run(warehouse, SESSIONS[0], LAST)
    return warehouse, rates, in_dollars


def test_an_index_in_a_currency_of_its_own_is_the_other_one_by_each_days_rate(in_euros):
    warehouse, rates, in_dollars = in_euros
    table = stored(warehouse)
    values = {row[1]: row for row in table["index_values"]}
    base = min(values)
    # Until the next rebalancing, where both hold the same; a suspect or a rateless close counts by its last worth.
    days = [day for day in values if day < dt.date(2023, 4, 3) and day not in (NO_BAR, NO_RATE)]
    for day in days:
        expected = in_dollars[day][2] * rates[base] / rates[day]
        assert values[day][2] == pytest.approx(expected, rel=1e-12), day
    with warehouse.connection() as connection:
        codes = connection.execute("select distinct currency_code from research.index_values").fetchall()
        closes = connection.execute(
            "select a.close_adj * r.exchange_rate, p.close_adj from research.index_allocations as a"
            " inner join marts.fct_daily_prices as p"
            " on a.instrument_id = p.instrument_id and a.as_of_date = p.trade_date"
            " inner join marts.fct_exchange_rates as r on a.as_of_date = r.as_of_date and r.currency_code = 'EUR'"
            " where a.instrument_id = %s",
            [AT_HOME],
        ).fetchall()
    assert codes == [("EUR",)]
    assert [one for one, _ in closes] == pytest.approx([other for _, other in closes])


def test_the_benchmark_beside_it_is_in_its_currency(in_euros):
    warehouse, rates, _ = in_euros
    with warehouse.connection() as connection:
        found = dict(connection.execute("select as_of_date, benchmark_return_1d from research.index_values").fetchall())
    at = SESSIONS.index(NO_RATE)
    for before, day in pairwise(SESSIONS):
        if day in found and before in rates and day in rates:
            assert found[day] == pytest.approx(1.001 * rates[before] / rates[day] - 1, rel=1e-9), day
    # Of the day without a rate nobody knows it; the next has the move of both.
    before, after = SESSIONS[at - 1], SESSIONS[at + 1]
    assert found[NO_RATE] is None
    assert found[after] == pytest.approx(1.001**2 * rates[before] / rates[after] - 1, rel=1e-9)


def test_day_by_day_is_the_same_as_at_once_in_euros(in_euros):
    warehouse, _, _ = in_euros
    at_once = stored(warehouse)
    with warehouse.connection() as connection:
        for table in at_once:
            connection.execute(f"delete from research.{table}")
    for first, end in [
        (SESSIONS[0], NO_RATE),
        (dt.date(2023, 2, 15), dt.date(2023, 4, 3)),
        (dt.date(2023, 4, 4), LAST),
    ]:
        run(warehouse, first, end)
    assert stored(warehouse) == at_once


GAP = CALENDAR.sessions(dt.date(2023, 3, 14), dt.date(2023, 3, 17))


@pytest.fixture
def through_a_gap(warehouse):
    """All but two instruments in euros, four days without a rate, and rules that trade each week among half of them."""
    rules = {"weighting": {"market_cap": 1.0}, "select_by": "market_cap", "n_names": 4, "rebalance": "weekly"}
    with warehouse.connection() as connection:
        connection.execute("update marts.fct_daily_prices set currency_code = 'EUR' where instrument_id > 'i_b'")
        rates = [(day, 1 + 0.01 * (row % 7)) for row, day in enumerate(SESSIONS) if day not in GAP]
        connection.cursor().executemany("insert into marts.fct_exchange_rates values ('EUR', %s, %s)", rates)
        # Another one is among the four every few days.
        connection.execute(
            "update factors.fct_size set market_cap_reporting = market_cap_reporting"
            " * (2 + sin(hashtext(instrument_id || date_trunc('week', as_of_date)::text)))"
        )
        connection.execute("update app.index_definitions set rules = %s", [json.dumps(rules)])
        add_index(connection, "in_euros", rules | {"currency": "EUR"})
    return warehouse


def add_index(connection: psycopg.Connection, name: str, rules: dict[str, Any]) -> None:
    statement = (
        "insert into app.index_definitions (index_id, version, effective_date, rules) values (%s, 1, '1970-01-01', %s)"
    )
    connection.execute(statement, [name, json.dumps(rules)])


def test_day_by_day_is_the_same_as_at_once_through_days_without_rates(through_a_gap):
    warehouse = through_a_gap
    run(warehouse, SESSIONS[0], LAST)
    at_once = stored(warehouse)
    assert {row[0] for row in at_once["index_values"]} == {"own", "in_euros"}
    with warehouse.connection() as connection:
        for table in at_once:
            connection.execute(f"delete from research.{table}")
    days = CALENDAR.sessions(dt.date(2023, 3, 1), dt.date(2023, 4, 6))
    run(warehouse, SESSIONS[0], days[0])
    for day in days[1:]:
        run(warehouse, day, day)
    run(warehouse, dt.date(2023, 4, 10), LAST)
    assert stored(warehouse) == at_once


def test_a_run_that_ended_earlier_leaves_no_hole(warehouse):
    run(warehouse, SESSIONS[0], LAST)
    at_once = stored(warehouse)
    with warehouse.connection() as connection:
        for table in at_once:
            connection.execute(f"delete from research.{table}")
    run(warehouse, dt.date(2023, 3, 1), dt.date(2023, 3, 31))
    run(warehouse, LAST, LAST)
    assert stored(warehouse) == at_once


def test_an_index_in_the_reporting_currency_by_name_is_the_one_without(warehouse):
    with warehouse.connection() as connection:
        add_index(connection, "by_name", RULES | {"currency": "USD"})
    run(warehouse, SESSIONS[0], LAST)
    for table, rows in stored(warehouse).items():
        own, by_name = ([row[1:] for row in rows if row[0] == name] for name in ("own", "by_name"))
        assert own
        # The levels say their currency last.
        is_level = table == "index_values"
        assert [row[:-1] if is_level else row for row in by_name] == [row[:-1] if is_level else row for row in own]


def test_an_index_begins_with_the_rates_of_its_currency(through_a_gap):
    warehouse = through_a_gap
    begin = dt.date(2023, 4, 20)
    with warehouse.connection() as connection:
        connection.execute(
            "delete from marts.fct_exchange_rates where currency_code = 'EUR' and as_of_date < %s", [begin]
        )
        add_index(connection, "in_pounds", RULES | {"currency": "GBP"})
    run(warehouse, SESSIONS[0], LAST)
    first = {row[0]: row[1] for row in reversed(stored(warehouse)["index_values"])}
    assert set(first) == {"own", "in_euros"}
    assert first["in_euros"] >= begin


def test_an_index_without_anything_to_hold_has_no_rows(warehouse):
    with warehouse.connection() as connection:
        connection.execute("delete from factors.fct_universe_members")
    assert run(warehouse, SESSIONS[0], LAST) == 0


def test_a_book_that_goes_on_knows_the_last_price_of_what_it_does_not_hold():
    close = np.array([[10.0, 20.0, np.nan], [11.0, np.nan, np.nan], [12.0, np.nan, np.nan]])
    segment = np.array([[0, 3, 0], [0, 9, 0], [0, 9, 0]])
    names = np.array(["i_a", "i_b", "i_c"], dtype=object)
    panel = Panel(as_days(pd.Index(SESSIONS[:3])), names, close, close, segment, np.full(3, 3))
    before = pd.DataFrame(
        {"instrument_id": ["i_a"], "units": [2.0], "close_adj": [12.0], "price_segment": [0], "target_weight": [1.0],
         "divisor": [1.0]}
    )  # fmt: skip
    standing = _standing(before, panel, rows=slice(0, 3))
    assert standing.units.tolist() == [2, 0, 0]
    # The third has never had a price.
    np.testing.assert_array_equal(standing.price, [12, 20, np.nan])
    assert standing.segment.tolist()[:2] == [0, 3]


def test_every_sharpe_ratio_of_an_index_has_a_deflated_one_beside_it(warehouse):
    with warehouse.connection() as connection:
        add_index(connection, "equal", RULES | {"weighting": {"equal": 1.0}})
        add_version(connection, 2, dt.date(2023, 5, 2), LATER_RULES)
        # Decides nothing yet, so nobody has tried it.
        add_version(connection, 3, LAST + dt.timedelta(days=1), RULES)
    run(warehouse, SESSIONS[0], LAST)
    risk_metrics(warehouse=warehouse)
    rows = warehouse.read_frame("select * from research.risk_metrics").set_index(["index_id", "window_name", "metric"])
    assert not rows["definition"].isna().any()
    sharpes = rows.xs("sharpe", level="metric")
    deflated = rows.xs("deflated_sharpe", level="metric")
    assert deflated.index.sort_values().equals(sharpes.index.sort_values())
    assert (deflated["last_date"] == sharpes["last_date"].reindex(deflated.index)).all()
    assert rows.xs("n_trials", level="metric")["value"].eq(3).all()
    assert set(sharpes.index.get_level_values("index_id")) == {"own", "equal"}
    values = warehouse.read_frame("select * from research.index_values order by as_of_date")
    for column, figure in (("return_1d", "value"), ("return_net_1d", "net_value")):
        returns = values.pivot(index="as_of_date", columns="index_id", values=column)
        own = rows[figure]["own"]["all"]
        daily = rows[figure].xs("sharpe", level="metric").xs("all", level="window_name") / np.sqrt(252)
        expected = deflated_sharpe(returns["own"].to_numpy(), n_trials=3, sharpe_sd=daily.std(ddof=1))
        assert own["deflated_sharpe"] == pytest.approx(expected, rel=1e-9)
        assert own["overfitting_probability"] == overfitting_probability(returns.dropna().to_numpy(), n_blocks=16)


def test_risk_figures_of_the_same_levels_change_no_row(warehouse):
    run(warehouse, SESSIONS[0], LAST)
    assert risk_metrics(warehouse=warehouse).metadata["inserted"] > 0
    again = risk_metrics(warehouse=warehouse).metadata
    assert (again["inserted"], again["updated"], again["deleted"]) == (0, 0, 0)


def test_indices_without_a_return_yet_have_no_figures(warehouse):
    run(warehouse, SESSIONS[0], LAST)
    with warehouse.connection() as connection:
        connection.execute("delete from research.index_values where return_1d is not null")
    assert risk_metrics(warehouse=warehouse).metadata["note"] == "No index has a return yet."
