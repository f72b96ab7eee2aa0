"""An instrument keeps its id when its ticker changes, and a ticker that is given out again is another instrument's."""

import datetime as dt
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from orchestration.defs.market_data.assets import instrument_aliases, instruments, ticker_events
from orchestration.sources.records import Batch, Instrument, TickerEvent
from orchestration.sources.wire import gather
from tests.orchestration.defs.conftest import WarehouseOfTest, market_data_of


class Listing:
    """A source that lists what it is told to."""

    name = "test"
    first_session, last_session = dt.date(2010, 1, 4), None

    def __init__(self, *listed: Instrument, events: tuple[TickerEvent, ...] = ()) -> None:
        self._listed, self._events = listed, events

    def instruments(self) -> Iterator[Batch]:
        yield gather(Instrument, "instruments", self._listed, lambda made: made, about="list")

    def ticker_events(self) -> Iterator[Batch]:
        yield gather(TickerEvent, "ticker_events", self._events, lambda made: made, about="events")


@pytest.fixture
def take(database: Any):
    """Take in what a source lists; return the aliases: symbol, first and last day, and the number of the instrument."""
    seen: dict[str, int] = {}

    def run(*listed: Instrument, events: tuple[TickerEvent, ...] = ()) -> list[tuple]:
        warehouse = WarehouseOfTest(address=database.url)
        market_data = market_data_of(Listing(*listed, events=events), now="2024-06-26T21:30:00Z")
        for asset in (ticker_events, instruments, instrument_aliases):
            result = asset(warehouse=warehouse, market_data=market_data)
            assert all(check.passed for check in result.check_results or ())
        with psycopg.connect(database.url) as connection:
            rows = connection.execute(
                "select source_symbol, valid_from_date, valid_to_date, instrument_id, ticker"
                " from raw.instrument_aliases where source = 'test' order by source_symbol, valid_from_date"
            ).fetchall()
        for row in rows:
            seen.setdefault(row[3], len(seen) + 1)
        return [(row[0], row[1].year, row[2], seen[row[3]], row[4]) for row in rows]

    return run


FB = Instrument(source_symbol="FB", ticker="FB", listed_date=dt.date(2012, 5, 18))
META = Instrument(source_symbol="META", ticker="META", listed_date=dt.date(2012, 5, 18))
RENAMED = TickerEvent(source_symbol="META", former_symbol="FB", changed_date=dt.date(2022, 6, 9))


def test_a_renamed_instrument_keeps_its_id_and_its_former_symbol_ends(take):
    assert take(FB) == [("FB", 1900, None, 1, "FB")]
    assert take(META, events=(RENAMED,)) == [
        ("FB", 1900, dt.date(2022, 6, 8), 1, "FB"),
        ("META", 1900, None, 1, "META"),
    ]


def test_the_former_symbol_may_be_given_out_again(take):
    take(FB)
    take(META, events=(RENAMED,))
    other = Instrument(source_symbol="FB", ticker="FB", listed_date=dt.date(2024, 2, 1))
    # FB itself was never told to be delisted: that it was given up is known by the event alone.
    assert take(META, other, events=(RENAMED,)) == [
        ("FB", 1900, dt.date(2022, 6, 8), 1, "FB"),
        ("FB", 2024, None, 2, "FB"),
        ("META", 1900, None, 1, "META"),
    ]


def test_a_ticker_of_a_delisted_instrument_that_is_given_out_again_is_another_one(take):
    gone = Instrument(
        source_symbol="XYZ", ticker="XYZ", listed_date=dt.date(2010, 1, 4), delisted_date=dt.date(2019, 5, 1),
        is_active=False,
    )  # fmt: skip
    take(gone)
    again = Instrument(source_symbol="XYZ", ticker="XYZ", listed_date=dt.date(2021, 3, 1))
    expected = [("XYZ", 1900, dt.date(2021, 2, 28), 1, "XYZ"), ("XYZ", 2021, None, 2, "XYZ")]
    assert take(again) == expected
    assert take(again) == expected


def test_a_stable_id_outlives_a_symbol_of_which_nobody_tells_an_event(take):
    before = Instrument(source_symbol="OLD", ticker="OLD", stable_id="BBG000000001")
    after = Instrument(source_symbol="NEW", ticker="NEW", stable_id="BBG000000001")
    take(before)
    assert [(row[0], row[3]) for row in take(after)] == [("NEW", 1), ("OLD", 1)]
