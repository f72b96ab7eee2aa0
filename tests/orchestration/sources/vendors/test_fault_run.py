"""A year of a market from a vendor that fails in four of ten requests, over real connections."""

import datetime as dt
from collections import Counter
from functools import lru_cache

import pytest

from factorloom.fake_vendors.market import FakeMarket
from factorloom.fake_vendors.massive import FakeMassive
from factorloom.fake_vendors.server import FakeVendor, Faults
from orchestration.calendars import HomeCalendar
from orchestration.sources.errors import VendorUnavailable
from orchestration.sources.ledger import MemoryLedger
from orchestration.sources.massive.source import MassiveSource
from orchestration.sources.transport import Limits, Time
from orchestration.sources.vendor import Surroundings, VendorOptions

# The same lines run thousands of times.
pytestmark = pytest.mark.unwatched

FIRST, LAST = dt.date(2023, 1, 3), dt.date(2023, 12, 29)
calendar_of = lru_cache(HomeCalendar)


class PassingTime:
    """Time that sleeping passes, for everybody at once."""

    def __init__(self) -> None:
        self.moment = dt.datetime(2024, 1, 2, tzinfo=dt.UTC)

    def now(self) -> dt.datetime:
        return self.moment

    def sleep(self, seconds: float) -> None:
        self.moment += dt.timedelta(seconds=seconds)


@pytest.fixture
def market():
    return FakeMarket(500, calendar_of("XNYS"))


@pytest.fixture
def source_at():
    made = []

    def source_at(url: str, ledger: MemoryLedger, **options) -> MassiveSource:
        time = PassingTime()
        given = Surroundings(calendar_of("XNYS"), time.now, ledger)
        wanted = VendorOptions(api_key="k", base_url=url, first_session=FIRST, plan="paid", **options)
        made.append(MassiveSource(wanted, given, limits=Limits(), time=Time(time.now, time.sleep, lambda: 0.0)))
        return made[-1]

    yield source_at
    for source in made:
        source.transport.close()


def test_a_year_of_500_companies_is_complete_and_right_although_four_in_ten_requests_fail(market, source_at):
    faults = Faults(errors=0.2, refusals=0.1, cuts=0.05, garbage=0.05, seed=7)
    with FakeVendor(FakeMassive(market), faults=faults) as vendor:
        source = source_at(vendor.url, MemoryLedger())
        batches = list(source.daily_bars(FIRST, LAST))
    found = [row for batch in batches for row in batch.rows.to_pylist()]
    sessions = market.sessions(FIRST, LAST)
    assert not [record for batch in batches for record in batch.refused]
    assert len(found) == 500 * len(sessions)
    assert max(Counter((row["source_symbol"], row["trade_date"]) for row in found).values()) == 1
    assert all(row["close"] == market.bar(row["source_symbol"], row["trade_date"]).close for row in found)
    assert all(vendor.met[kind] > 5 for kind in ("error", "refusal", "cut", "garbage"))


def test_every_request_is_in_the_budget_those_that_failed_too(market, source_at):
    ledger = MemoryLedger()
    with FakeVendor(FakeMassive(market), faults=Faults(errors=0.3, cuts=0.1, seed=3)) as vendor:
        source = source_at(vendor.url, ledger, symbols=("F001", "F002", "F003"))
        list(source.splits(FIRST, LAST))
        list(source.daily_bars(dt.date(2023, 6, 1), dt.date(2023, 6, 2)))
        used = ledger._used[source.transport.account.key_hash]
    assert used.day_used == len(vendor.asked) > 3


def test_a_vendor_that_is_down_is_an_error_and_is_used_again_when_it_is_back(market, source_at):
    ledger = MemoryLedger()
    with FakeVendor(FakeMassive(market), faults=Faults(errors=1.0)) as vendor:
        source = source_at(vendor.url, ledger, symbols=("F001",))
        with pytest.raises(VendorUnavailable, match="503 upstream failed"):
            list(source.splits(FIRST, LAST))
        vendor._faults = Faults()
        (batch,) = source.splits(FIRST, LAST)
    assert batch.rows.to_pylist() == [
        {"source_symbol": "F001", "ex_date": dt.date(2023, 6, 1), "shares_new": 4.0, "shares_old": 1.0}
    ]


def test_lists_are_followed_over_their_pages(source_at):
    market = FakeMarket(1500, calendar_of("XNYS"))
    with FakeVendor(FakeMassive(market)) as vendor:
        source = source_at(vendor.url, MemoryLedger())
        names = [row["source_symbol"] for batch in source.instruments() for row in batch.rows.to_pylist()]
    assert names == market.symbols
