import datetime as dt
from contextlib import contextmanager

import psycopg
import pytest

from orchestration.ingestion import Entity, ingest
from orchestration.sources.records import Batch, Split
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
