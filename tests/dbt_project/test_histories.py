"""Day by day, all at once, twice, and with the future cut off: the tables are the same."""

import datetime as dt
from collections.abc import Callable
from typing import NamedTuple

import pandas as pd
import pytest

# Nearly all of it is the work of dbt.
pytestmark = pytest.mark.unwatched

TABLES = (
    "marts.dim_instruments", "marts.dim_benchmark_prices", "marts.fct_daily_prices", "marts.fct_fundamentals",
    "factors.fct_universe_members", "factors.fct_momentum", "factors.fct_volatility", "factors.fct_market_risk",
    "factors.fct_price_extremes", "factors.fct_liquidity", "factors.fct_size", "factors.fct_value",
    "factors.fct_quality", "factors.fct_growth", "factors.fct_factor_values", "factors.fct_factor_exposures",
    "factors.fct_sector_exposures",
)  # fmt: skip
DAYED = tuple(table for table in TABLES if table not in ("marts.dim_instruments", "marts.fct_fundamentals"))


class Histories(NamedTuple):
    """The same market built at once, and built up to a day and then day by day."""

    at_once: object
    by_day: object
    cut: dt.date
    rows_at_cut: dict[str, list[str]]


def rows(store, table: str, where: str = "true") -> list[str]:
    """Every row as text, bit for bit: PostgreSQL prints the shortest text that reads back as the same double."""
    return store.read(f"select t::text as row from {table} as t where {where} order by 1")["row"].tolist()


def day_column(table: str) -> str:
    return "trade_date" if table.startswith("marts") else "as_of_date"


@pytest.fixture(scope="module")
def histories(new_store: Callable, market) -> Histories:
    days = sorted(market.tables["raw.benchmark_bars"]["trade_date"])
    cut = days[-4]
    at_once, by_day = new_store("at_once"), new_store("by_day")
    market.load(at_once)
    at_once.dbt.run("run")
    known = market.known_on(cut)
    known.load(by_day)
    by_day.dbt.run("run")
    rows_at_cut = {table: rows(by_day, table) for table in TABLES}
    for day in days[-3:]:
        arrived = market.known_on(day)
        arrived.load(by_day, without=known)
        known = arrived
        by_day.dbt.run("run", window_first_date=day, window_last_date=day)
    return Histories(at_once, by_day, cut, rows_at_cut)


@pytest.mark.parametrize("table", TABLES)
def test_day_by_day_equals_all_at_once(histories, table):
    expected = rows(histories.at_once, table)
    assert expected
    assert rows(histories.by_day, table) == expected


@pytest.mark.parametrize("table", DAYED)
def test_cutting_the_future_off_changes_no_past_row(histories, table):
    past = rows(histories.at_once, table, f"{day_column(table)} <= '{histories.cut}'")
    assert past == histories.rows_at_cut[table]


def test_cutting_the_future_off_leaves_what_was_known_of_companies(histories):
    columns = "instrument_id, known_from_date, period_end_date, revenue, revenue_1y_ago, shares_outstanding_adj"
    past = histories.at_once.read(
        f"select {columns} from marts.fct_fundamentals where known_from_date <= '{histories.cut}' order by 1, 2"
    )
    assert len(past) == len(histories.rows_at_cut["marts.fct_fundamentals"])
    assert len(past) < len(rows(histories.at_once, "marts.fct_fundamentals"))


def versions(store) -> pd.DataFrame:
    """Place and writing transaction of every row: they change whenever a row is written."""
    stored = [table for table in TABLES if table != "factors.fct_sector_exposures"]  # a view
    parts = [f"select '{table}' as name, ctid::text as place, xmin::text as writer from {table}" for table in stored]
    return store.read(f"select * from ({' union all '.join(parts)}) as versions order by name, place")


@pytest.mark.parametrize("window", ["last day", "fortnight", "everything"])
def test_a_second_run_writes_no_row(histories, window):
    days = sorted(histories.by_day.read("select distinct trade_date from marts.fct_daily_prices")["trade_date"])
    first = {"last day": days[-1], "fortnight": days[-10]}.get(window)
    settings = {} if first is None else {"window_first_date": first, "window_last_date": days[-1]}
    before = versions(histories.by_day)
    histories.by_day.dbt.run("run", **settings)
    pd.testing.assert_frame_equal(versions(histories.by_day), before)


def test_a_changed_bar_and_a_lost_one_are_carried_by_the_window_from_their_day(histories, new_store, market):
    """The store built at once is told late; the other one knew from the start."""
    days = sorted(market.tables["raw.benchmark_bars"]["trade_date"])
    late, early = histories.at_once, new_store("early")
    change = f"""
        update raw.daily_bars set close = round(close::numeric * 1.01, 2)
        where source_symbol = 'S06' and trade_date = '{days[-9]}';
        delete from raw.daily_bars where source_symbol = 'S08' and trade_date = '{days[-7]}';
        insert into raw.bar_verdicts (source, source_symbol, trade_date, rule, verdict, known_from_date, detail)
        values ('made_up', 'S10', '{days[-8]}', 'wrong_day', 'suspect', '{days[-2]}', 'made up') on conflict do nothing
    """
    market.load(early)
    for store in (late, early):
        with store.connect() as connection:
            connection.execute(change)
    before = {table: rows(late, table, f"{day_column(table)} < '{days[-9]}'") for table in DAYED}
    late.dbt.run("run", window_first_date=days[-9], window_last_date=days[-1])
    early.dbt.run("run")
    for table in TABLES:
        assert rows(late, table) == rows(early, table), table
    for table in DAYED:
        assert rows(late, table, f"{day_column(table)} < '{days[-9]}'") == before[table]


def test_data_tests_pass_on_the_market(histories):
    histories.by_day.dbt.run("build", "--select", "test_type:data", "test_type:unit")
