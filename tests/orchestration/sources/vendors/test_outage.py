"""What an installation has after its vendor was down, or its budget small: real servers and a real database."""

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import psycopg
import pytest

from factorloom.fake_vendors.market import FakeMarket
from factorloom.fake_vendors.massive import FakeMassive
from factorloom.fake_vendors.server import FakeVendor, Faults
from factorloom.fake_vendors.twelve_data import FakeTwelveData
from orchestration.calendars import HomeCalendar
from orchestration.ingestion import Entity, Ingested, ingest
from orchestration.sources.failover import FailoverSource
from orchestration.sources.ledger import COOLDOWN, MemoryLedger, Plan
from orchestration.sources.massive.source import MassiveSource
from orchestration.sources.quoting import quote_batches
from orchestration.sources.records import DailyBar
from orchestration.sources.transport import Limits, Time
from orchestration.sources.twelve_data.source import TwelveDataSource
from orchestration.sources.vendor import Surroundings, VendorOptions, VendorSource
from transforms.refusals import separate
from warehouse.arrow import arrow_connection
from warehouse.queries.vendor_progress import VendorProgress

MONDAY, TUESDAY, WEDNESDAY = dt.date(2024, 6, 3), dt.date(2024, 6, 4), dt.date(2024, 6, 5)
NAMES = ("F000", "F001", "F002", "F003", "F004")
KEY = ("source_symbol", "trade_date")
BARS = Entity(
    table="raw.daily_bars",
    record=DailyBar,
    key=KEY,
    check=lambda records: separate(records, [], key=KEY),
    complete=lambda records: records.assign(volume=records["volume"].astype("Int64")),
)


class Clock:
    """The clock of the data and of the machine; sleeping passes it."""

    def __init__(self) -> None:
        self.moment = evening(MONDAY)

    def now(self) -> dt.datetime:
        return self.moment

    def sleep(self, seconds: float) -> None:
        self.moment += dt.timedelta(seconds=seconds)

    def as_time(self) -> Time:
        return Time(self.now, self.sleep, lambda: 0.0)


def evening(day: dt.date) -> dt.datetime:
    return dt.datetime.combine(day, dt.time(23, 30), dt.UTC)


class Warehouse:
    def __init__(self, url: str) -> None:
        self._url = url

    @contextmanager
    def transaction(self) -> Iterator[Any]:
        with arrow_connection(self._url) as connection:
            yield connection


class Installation:
    """A source, its failover, its ledger and its warehouse."""

    def __init__(self, url: str) -> None:
        self.url, self.clock, self.ledger = url, Clock(), MemoryLedger()
        self.market = FakeMarket(len(NAMES), HomeCalendar())

    def source(self, kind: type[VendorSource], server: FakeVendor, **options: Any) -> Any:
        given = {"api_key": "a-key", "base_url": server.url, "symbols": NAMES, "first_session": MONDAY, **options}
        progress = VendorProgress(lambda: self.url)
        around = Surroundings(self.market.calendar, self.clock.now, self.ledger, progress)
        return kind(VendorOptions(**given), around, limits=Limits(n_workers=1), time=self.clock.as_time())

    def take_bars(self, source: Any, first: dt.date, last: dt.date) -> Ingested:
        return ingest(Warehouse(self.url), source.name, BARS, source.daily_bars(first, last))  # type: ignore[arg-type]

    def stored(self, source: str) -> dict[str, list[dt.date]]:
        """Days of the bars by symbol."""
        sql = "select source_symbol, array_agg(trade_date order by trade_date) from raw.daily_bars where source = %s"
        with psycopg.connect(self.url) as connection:
            return dict(connection.execute(f"{sql} group by source_symbol order by 1", [source]).fetchall())


@pytest.fixture
def installation(database: Any) -> Installation:
    return Installation(database.url)


def test_a_vendor_that_is_down_for_ten_minutes_is_replaced_and_nothing_is_missing_afterwards(installation):
    """On Monday Twelve Data answers in place of Massive, which is asked as seldom as its breaker lets through."""
    clock, market = installation.clock, installation.market
    with FakeVendor(FakeMassive(market), faults=Faults(errors=1.0)) as down, FakeVendor(FakeTwelveData(market)) as up:
        first = installation.source(MassiveSource, down, plan="paid")
        behind = installation.source(TwelveDataSource, up, plan="pro_1597")
        source = FailoverSource(first, {name: [behind] for name in ("daily_bars", "instruments", "quotes")})
        began, asked_for_nothing = clock.moment, 0
        while clock.moment - began < dt.timedelta(minutes=10):
            before = len(down.asked)
            assert {batch.source for batch in source.instruments()} == {"twelve_data"}
            assert {batch.source for batch in quote_batches(source, None, clock.moment)} == {"twelve_data"}
            assert len(source.quotes(None, clock.moment)) == len(NAMES)
            asked_for_nothing += len(down.asked) - before
            clock.sleep(60)
        outage = (clock.moment - began).total_seconds()
        # Each cooldown ends with a try; the first failures open the breaker, and each try is one request.
        assert asked_for_nothing <= 8 + outage / COOLDOWN.total_seconds() + 1
        monday = installation.take_bars(source, MONDAY, MONDAY)
        assert monday.received_by_source == {"twelve_data": len(NAMES)}
        assert installation.stored("massive") == {}

        down._faults = Faults()
        clock.moment = evening(TUESDAY)
        tuesday = installation.take_bars(source, TUESDAY, TUESDAY)
        first.transport.close()
        behind.transport.close()
    assert tuesday.received_by_source == {"massive": len(NAMES)}
    assert {batch_day for days in installation.stored("massive").values() for batch_day in days} == {TUESDAY}
    whole = {name: {*installation.stored("twelve_data")[name], *installation.stored("massive")[name]} for name in NAMES}
    assert whole == {name: {MONDAY, TUESDAY} for name in NAMES}


def test_who_was_had_before_the_outage_is_asked_for_the_days_of_the_outage_when_the_vendor_is_back(installation):
    clock = installation.clock
    with FakeVendor(FakeTwelveData(installation.market)) as server:
        source = installation.source(TwelveDataSource, server, plan="pro_1597")
        installation.take_bars(source, MONDAY, MONDAY)
        server._faults = Faults(errors=1.0)
        clock.moment = evening(TUESDAY)
        with pytest.raises(Exception, match="must be answered"):
            installation.take_bars(source, TUESDAY, TUESDAY)
        server._faults = Faults()
        clock.moment = evening(WEDNESDAY)
        installation.take_bars(source, WEDNESDAY, WEDNESDAY)
        source.transport.close()
    assert installation.stored("twelve_data") == {name: [MONDAY, TUESDAY, WEDNESDAY] for name in NAMES}


class Tiny(TwelveDataSource):
    """Five credits go for the lists of the venues, and three are left for a day's bars."""

    plans: ClassVar = {"tiny": Plan("tiny", per_day=8)}


def test_a_small_budget_takes_what_matters_most_says_what_it_left_out_and_goes_on_there(installation):
    """F004 is held. The others take turns, and whoever waited gets the days between as well."""
    hold(installation.url, "twelve_data", "F004")
    left_out = []
    with FakeVendor(FakeTwelveData(installation.market)) as server:
        for day in (MONDAY, TUESDAY, WEDNESDAY):
            installation.clock.moment = evening(day)
            source = installation.source(Tiny, server, plan="tiny")
            taken = installation.take_bars(source, day, day)
            source.transport.close()
            left_out.append(taken.left_out)
            assert taken.is_accounted_for
    # Of those that have waited as long the more traded come first, which is what the formula of the market says.
    assert left_out[0] == ["F002", "F003"]
    assert sorted(left_out[1]) == ["F000", "F001"]
    assert sorted(left_out[2]) == ["F002", "F003"]
    assert installation.stored("twelve_data") == {
        "F000": [MONDAY, TUESDAY, WEDNESDAY],
        "F001": [MONDAY, TUESDAY, WEDNESDAY],
        "F002": [MONDAY, TUESDAY],
        "F003": [MONDAY, TUESDAY],
        "F004": [MONDAY, TUESDAY, WEDNESDAY],
    }
    with psycopg.connect(installation.url) as connection:
        rules = connection.execute("select distinct rule from raw.quarantine").fetchall()
    assert rules == [("vendor_quota_day",)]


def hold(url: str, source: str, symbol: str) -> None:
    user = "00000000-0000-0000-0000-000000000001"
    with psycopg.connect(url) as connection:
        connection.execute("insert into app.users (user_id, display_name, role) values (%s, 'U', 'user')", [user])
        connection.execute(
            "insert into raw.instrument_aliases (source, source_symbol, valid_from_date, instrument_id, ticker)"
            " values (%s, %s, '2020-01-01', 'held', %s)",
            [source, symbol, symbol],
        )
        connection.execute(
            "insert into app.portfolios (portfolio_id, user_id, name, currency_code) values (%s, %s, 'mine', 'USD')",
            [user, user],
        )
        connection.execute(
            "insert into app.holdings (portfolio_id, instrument_id, user_id, quantity_shares)"
            " values (%s, 'held', %s, 1)",
            [user, user],
        )
