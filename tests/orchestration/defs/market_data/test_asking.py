"""What a vendor has answered whole is not asked for again while the answer is fresh."""

import datetime as dt
from collections.abc import Iterator
from typing import Any

import dagster as dg
import psycopg
import pytest

from orchestration.defs.market_data.assets import ASK_AGAIN, splits
from orchestration.sources.records import Batch, Refused, Split
from orchestration.sources.wire import LEFT_OUT, gather
from tests.orchestration.conftest import Market
from tests.orchestration.defs.conftest import WarehouseOfTest, market_data_of

MORNING, EVENING, NEXT_DAY = "2024-06-27T08:00:00Z", "2024-06-27T23:00:00Z", "2024-06-28T08:00:01Z"
DAY, DAY_BEFORE = "2024-06-26", "2024-06-25"


class Metered:
    """A vendor that tells of one split a day, and counts how often it is asked."""

    name, is_metered = "vendor", True
    first_session, last_session = dt.date(2024, 1, 2), None

    def __init__(self, *, leaves_out: bool = False) -> None:
        self.asked: list[tuple[str, str]] = []
        self._leaves_out = leaves_out

    def splits(self, first_date: dt.date, last_date: dt.date) -> Iterator[Batch]:
        """One split, of the window's last day."""
        self.asked.append((str(first_date), str(last_date)))
        split = Split(source_symbol="A", ex_date=last_date, shares_new=2.0, shares_old=1.0)
        batch = gather(Split, "splits", [split], lambda record: record, about="A")
        if self._leaves_out:
            batch.refused.append(
                Refused(
                    entity="splits", record_key="B", rule=f"{LEFT_OUT}_budget", detail="no budget left.", payload={}
                )
            )
        yield batch


@pytest.fixture
def warehouse(market: Market, database: Any) -> WarehouseOfTest:
    return WarehouseOfTest(address=database.url)


def told(warehouse: WarehouseOfTest, source: Any, *, now: str, day: str = DAY, **tags: str) -> dict[str, Any]:
    """Build the table for one day; return what it says of itself."""
    done = dg.materialize(
        [splits], selection=[splits], partition_key=day, tags=tags,
        resources={"warehouse": warehouse, "market_data": market_data_of(source, now=now)},
    )  # fmt: skip
    (event,) = done.get_asset_materialization_events()
    return {name: value.value for name, value in event.materialization.metadata.items()}


def test_a_window_is_asked_for_once_a_day(warehouse: WarehouseOfTest) -> None:
    vendor = Metered()
    assert told(warehouse, vendor, now=MORNING)["inserted"] == 1
    again = told(warehouse, vendor, now=EVENING)
    assert (again["received"], again["not_asked"]) == (0, "answered within 24 hours")
    assert "not_asked" not in told(warehouse, vendor, now=EVENING, day=DAY_BEFORE)
    assert told(warehouse, vendor, now=NEXT_DAY)["unchanged"] == 1
    assert vendor.asked == [(DAY, DAY), (DAY_BEFORE, DAY_BEFORE), (DAY, DAY)]


def test_a_run_with_the_tag_asks_for_what_was_corrected(warehouse: WarehouseOfTest) -> None:
    vendor = Metered()
    told(warehouse, vendor, now=MORNING)
    assert told(warehouse, vendor, now=EVENING, **{ASK_AGAIN: "true"})["received"] == 1


def test_an_answer_that_left_something_out_is_asked_for_again(warehouse: WarehouseOfTest) -> None:
    vendor = Metered(leaves_out=True)
    told(warehouse, vendor, now=MORNING)
    assert told(warehouse, vendor, now=EVENING)["received"] == 2
    with psycopg.connect(warehouse.url) as connection:
        assert connection.execute("select count(*) from app.refreshes").fetchone() == (0,)


def test_what_costs_nothing_is_asked_for_each_time(warehouse: WarehouseOfTest) -> None:
    own = Metered()
    own.is_metered = False
    told(warehouse, own, now=MORNING)
    assert told(warehouse, own, now=EVENING)["unchanged"] == 1
