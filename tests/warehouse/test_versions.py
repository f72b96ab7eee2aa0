import datetime as dt

import pytest

from warehouse.connect import connect
from warehouse.versions import record_built

PRICES = "marts.fct_daily_prices"


@pytest.fixture
def connection(database):
    with connect(database.url) as connection:
        connection.execute(
            "create table marts.fct_daily_prices (instrument_id text, trade_date date, close_adj double precision)"
        )
        yield connection


def recorded(connection, dataset=PRICES):
    record_built(connection, "marts")
    record_built(connection, "factors")
    return connection.execute(
        "select version, as_of_date, n_rows, changed_at from app.dataset_versions where dataset = %s", [dataset]
    ).fetchone()


def test_a_version_stands_for_the_content_whatever_the_order_of_rows(connection):
    rows = [("A", dt.date(2024, 1, 2), 1.0), ("B", dt.date(2024, 1, 3), 2.0)]
    insert = "insert into marts.fct_daily_prices values (%s, %s, %s)"
    connection.cursor().executemany(insert, rows)
    version, as_of_date, n_rows, _ = recorded(connection)
    assert (as_of_date, n_rows) == (dt.date(2024, 1, 3), 2)
    connection.execute("truncate marts.fct_daily_prices")
    assert recorded(connection)[:3] != (version, as_of_date, n_rows)
    connection.cursor().executemany(insert, rows[::-1])
    assert recorded(connection)[:3] == (version, as_of_date, n_rows)


def test_a_change_of_any_old_value_is_another_version(connection):
    connection.execute("insert into marts.fct_daily_prices values ('A', '2024-01-02', 1.0), ('A', '2024-01-03', 2.0)")
    before = recorded(connection)
    connection.execute("update marts.fct_daily_prices set close_adj = 1.01 where trade_date = '2024-01-02'")
    after = recorded(connection)
    assert after[0] != before[0]
    assert after[1:3] == before[1:3]


def test_the_same_content_leaves_the_row_alone(connection):
    recorded(connection)
    connection.commit()
    touched = "select xmin::text from app.dataset_versions where dataset = %s"
    before = connection.execute(touched, [PRICES]).fetchone()
    recorded(connection)
    assert connection.execute(touched, [PRICES]).fetchone() == before


def test_a_table_that_is_not_built_yet_has_no_version(connection):
    assert recorded(connection, "marts.dim_instruments") is None
