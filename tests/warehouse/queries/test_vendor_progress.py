import datetime as dt
import json

import psycopg
import pytest

from warehouse.arrow import arrow_connection
from warehouse.queries.vendor_progress import VendorProgress, record_progress

MONDAY, TUESDAY = dt.date(2024, 6, 3), dt.date(2024, 6, 4)
USER = "00000000-0000-0000-0000-000000000001"


@pytest.fixture
def progress(database):
    return VendorProgress(lambda: database.url)


def reach(database, *rows: tuple[str, dt.date], entity: str = "daily_bars", is_asked: bool = True) -> None:
    columns = ("source", "entity", "source_symbol", "reached_date", "is_asked")
    reached = [dict(zip(columns, ("x", entity, *row, is_asked), strict=True)) for row in rows]
    with arrow_connection(database.url) as connection:
        record_progress(connection, reached)


def trade(database, symbol: str, volume: int) -> None:
    with psycopg.connect(database.url) as connection:
        connection.execute(
            "insert into raw.daily_bars (source, source_symbol, trade_date, close, volume, currency_code, adjustment)"
            " values ('x', %s, '2024-06-03', 10, %s, 'USD', 'none')",
            [symbol, volume],
        )


def names(standing) -> list[str]:
    return [symbol for symbol, _ in standing]


def test_what_was_never_asked_for_keeps_its_order(progress):
    assert progress.standing("x", "daily_bars", ["B", "A"]) == [("B", None), ("A", None)]
    assert progress.standing("x", "daily_bars", []) == []


def test_those_that_have_waited_longest_come_first(database, progress):
    reach(database, ("A", MONDAY))
    reach(database, ("B", TUESDAY))
    reach(database, ("A", TUESDAY))
    assert progress.standing("x", "daily_bars", ["A", "B", "C"]) == [("C", None), ("B", TUESDAY), ("A", TUESDAY)]


def test_who_was_left_waits_on_and_keeps_the_days_that_are_wanted(database, progress):
    reach(database, ("A", MONDAY))
    reach(database, ("A", TUESDAY), ("B", TUESDAY))
    reach(database, ("A", MONDAY), ("C", MONDAY), is_asked=False)
    assert progress.standing("x", "daily_bars", ["A", "B", "C"]) == [("C", MONDAY), ("A", TUESDAY), ("B", TUESDAY)]


def test_progress_never_goes_back_and_is_each_entitys_own(database, progress):
    reach(database, ("A", TUESDAY))
    reach(database, ("A", MONDAY), ("A", MONDAY))
    assert progress.standing("x", "daily_bars", ["A"]) == [("A", TUESDAY)]
    assert progress.standing("x", "splits", ["A"]) == progress.standing("y", "daily_bars", ["A"]) == [("A", None)]


def test_of_those_that_have_waited_as_long_the_more_traded_come_first(database, progress):
    trade(database, "B", 100)
    trade(database, "C", 900)
    assert names(progress.standing("x", "daily_bars", ["A", "B", "C"])) == ["C", "B", "A"]


def test_what_somebody_holds_or_waits_for_comes_before_all_others(database, progress):
    """C is held, D has an alert, E has one that is switched off; none of them has waited as long as A and B."""
    with psycopg.connect(database.url) as connection:
        connection.execute("insert into app.users (user_id, display_name, role) values (%s, 'U', 'user')", [USER])
        for name in "ABCDE":
            connection.execute(
                "insert into raw.instrument_aliases (source, source_symbol, valid_from_date, instrument_id, ticker)"
                " values ('x', %s, '2020-01-01', %s, %s)",
                [name, f"i{name}", name],
            )
        connection.execute(
            "insert into app.portfolios (portfolio_id, user_id, name, currency_code) values (%s, %s, 'mine', 'USD')",
            [USER, USER],
        )
        connection.execute(
            "insert into app.holdings (portfolio_id, instrument_id, user_id, quantity_shares) values (%s, 'iC', %s, 1)",
            [USER, USER],
        )
        for name, is_active in (("D", True), ("E", False)):
            connection.execute(
                "insert into app.alerts (alert_id, user_id, name, rule, is_active)"
                " values (gen_random_uuid(), %s, %s, %s::jsonb, %s)",
                [USER, name, json.dumps({"instruments": [f"i{name}"]}), is_active],
            )
    reach(database, ("C", TUESDAY), ("D", TUESDAY), ("E", TUESDAY))
    assert names(progress.standing("x", "daily_bars", list("ABCDE"))) == ["C", "D", "A", "B", "E"]
