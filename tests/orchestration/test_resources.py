"""The warehouse as pipelines read it, on a real database."""

import datetime as dt
import threading

import psycopg
import pytest

from tests.orchestration.defs.conftest import WarehouseOfTest
from warehouse.arrow import read_arrow_at_once

DAYS = """
select day::date, n
from (values ('2020-01-01', 1), ('2023-06-30', 2), ('2023-07-01', null), ('2026-01-01', 4)) as days (day, n)
where n is distinct from $1
"""


SEEN = "select pg_current_snapshot()::text as seen"


@pytest.fixture
def warehouse(database) -> WarehouseOfTest:
    return WarehouseOfTest(address=database.url)


@pytest.mark.parametrize("last", [dt.date(2026, 1, 1), dt.date(2020, 1, 2), dt.date(2099, 1, 1)])
def test_a_history_is_read_whole_wherever_it_is_halved(warehouse, last):
    between = (dt.date(2020, 1, 1), last)
    halves = warehouse.read_history(DAYS, [2], day="day", between=between).sort_values("day", ignore_index=True)
    whole = warehouse.read_frame(DAYS, [2])
    assert len(whole) == 3
    assert halves.equals(whole)


def test_a_history_without_rows_has_its_columns(warehouse):
    nothing = warehouse.read_history(f"{DAYS} and false", [2], day="day", between=(dt.date(2020, 1, 1),) * 2)
    assert list(nothing.columns) == ["day", "n"]
    assert nothing.empty


def test_answers_of_several_queries_come_in_the_order_of_the_queries(warehouse):
    slow, quick = warehouse.read_frames("select 1 as slow from pg_sleep(0.2)", "select 2 as quick, 3 as more")
    assert slow.to_dict("list") == {"slow": [1]}
    assert quick.to_dict("list") == {"quick": [2], "more": [3]}


def test_both_halves_are_of_one_instant(warehouse, database):
    ended = threading.Event()

    def write() -> None:
        with psycopg.connect(database.owner_url, autocommit=True) as connection:
            while not ended.is_set():
                connection.execute("select txid_current()")

    writer = threading.Thread(target=write)
    writer.start()
    try:
        seen = [
            [table.column("seen")[0].as_py() for table in read_arrow_at_once(database.url, [SEEN, SEEN])]
            for _ in range(20)
        ]
    finally:
        ended.set()
        writer.join()
    assert all(one == other for one, other in seen)
    assert len({one for one, _ in seen}) > 1
