import datetime as dt
from contextlib import contextmanager

import psycopg
import pytest

from orchestration.ingestion import Entity, ingest, larger
from orchestration.sources.errors import Kind, VendorOverBudget, VendorRefused
from orchestration.sources.records import Batch, Split, Turn
from orchestration.sources.wire import Gathering
from transforms.record_rules import check_splits
from warehouse.arrow import arrow_connection

DAY = dt.date(2024, 6, 3)
ENTITY = Entity(table="raw.splits", record=Split, key=("source_symbol", "ex_date"), check=check_splits)


class Warehouse:
    """The warehouse of a test."""

    def __init__(self, url: str) -> None:
        self._url = url

    @contextmanager
    def transaction(self):
        with arrow_connection(self._url) as connection:
            yield connection


def batch(symbol: str, source: str | None = None, refused: str | None = None) -> Batch:
    gathering = Gathering(Split, "splits")
    split = Split(source_symbol=symbol, ex_date=DAY, shares_new=4.0, shares_old=1.0)
    gathering.add(split, lambda made: made, about=symbol)
    if refused:
        gathering.refuse(refused, "unreadable_record", "it is not.", {"row": "a\x00b"})
    found = gathering.batch()
    return Batch(found.rows, found.refused, source)


@pytest.fixture
def stored(database):
    def stored(sql: str) -> list[tuple]:
        with psycopg.connect(database.url) as connection:
            return connection.execute(sql).fetchall()

    return stored


def test_rows_carry_the_source_that_answered_and_so_do_those_that_were_refused(database, stored):
    batches = iter([batch("A"), batch("B", source="two", refused="C")])
    ingested = ingest(Warehouse(database.url), "one", ENTITY, batches)
    assert stored("select source, source_symbol from raw.splits order by 2") == [("one", "A"), ("two", "B")]
    assert stored("select source, payload ->> 'row' from raw.quarantine") == [("two", "a�b")]
    assert ingested.received_by_source == {"one": 1, "two": 2}
    assert ingested.is_accounted_for


def test_a_second_run_that_the_first_source_answers_adds_its_rows_and_leaves_the_others(database, stored):
    warehouse = Warehouse(database.url)
    ingest(warehouse, "one", ENTITY, iter([batch("A", source="two")]))
    ingest(warehouse, "one", ENTITY, iter([batch("A", source="one")]))
    assert stored("select source from raw.splits order by 1") == [("one",), ("two",)]
    assert ingest(warehouse, "one", ENTITY, iter([batch("A", source="one")])).written.changed == 0


def test_two_sources_may_hold_the_same_fact_in_one_run(database, stored):
    ingested = ingest(Warehouse(database.url), "one", ENTITY, iter([batch("A", "one"), batch("A", "two")]))
    assert stored("select source from raw.splits order by 1") == [("one",), ("two",)]
    assert (ingested.written.inserted, ingested.n_exact_duplicates, ingested.n_quarantined) == (2, 0, 0)
    assert ingested.is_accounted_for


def test_what_was_left_out_is_said_and_how_far_the_others_have_come_is_kept(database, stored):
    gathering = Gathering(Split, "splits")
    over = VendorOverBudget("one", "GET /splits", kind=Kind.QUOTA_DAY, retry_at=None, got="no credits")
    gathering.leave_out("C", over)
    gathering.leave_out("D", VendorRefused("one", "GET /splits", kind=Kind.NOT_FOUND, got="nobody"))
    had, turn = batch("A"), Turn("A", DAY, DAY)
    waits = [turn._replace(symbol="C")]
    batches = [Batch(had.rows, reached=(turn,)), gathering.batch(turn._replace(symbol="D"), left=waits)]
    ingested = ingest(Warehouse(database.url), "one", ENTITY, iter(batches))
    assert ingested.metadata()["left_out"] == 2
    assert ingested.metadata()["left_out_first"] == "C, D"
    assert stored("select source, entity, source_symbol, reached_date from app.vendor_progress order by 3") == [
        ("one", "splits", "A", DAY), ("one", "splits", "C", DAY - dt.timedelta(days=1)), ("one", "splits", "D", DAY),
    ]  # fmt: skip
    assert "left_out" not in ingest(Warehouse(database.url), "one", ENTITY, iter([batch("A")])).metadata()


def test_progress_is_kept_with_the_rows_or_not_at_all(database, stored):
    def broken():
        yield Batch(batch("A").rows, reached=(Turn("A", DAY, DAY),))
        raise RuntimeError("the vendor is gone")

    with pytest.raises(Exception, match="the vendor is gone"):
        ingest(Warehouse(database.url), "one", ENTITY, broken())
    assert stored("select count(*) from app.vendor_progress") == [(0,)]


def test_small_batches_of_one_source_are_put_together_and_nothing_of_them_is_lost():
    batches = [batch("A", refused="X"), batch("B"), batch("C"), batch("D", source="two"), batch("E")]
    together = list(larger(iter(batches), 2))
    shown = [(b.rows.column("source_symbol").to_pylist(), len(b.refused), b.source) for b in together]
    assert shown == [(["A", "B"], 1, None), (["C"], 0, None), (["D"], 0, "two"), (["E"], 0, None)]
    assert list(larger(iter([]))) == []
