"""What CONTRIBUTING promises: a source is one file and one line; its settings, budget and command are there already."""

import datetime as dt
import json
from collections.abc import Iterator, Sequence
from typing import ClassVar

import msgspec
import pytest

from factorloom.fake_vendors.server import Asked, FakeVendor, Reply
from factorloom.sources import rows
from orchestration.calendars import HomeCalendar
from orchestration.sources.credentials import Credential
from orchestration.sources.ledger import Account, MemoryLedger, Plan
from orchestration.sources.makers import daily_bar
from orchestration.sources.protocols import capabilities
from orchestration.sources.records import Batch, DailyBar
from orchestration.sources.registry import SOURCES, OfVendor, create_source
from orchestration.sources.transport import Call, Vendor
from orchestration.sources.vendor import VendorOptions, VendorSource
from orchestration.sources.wire import Gathering, Number, day, rows_of
from warehouse.settings import read_settings

MONDAY, TUESDAY = dt.date(2024, 6, 3), dt.date(2024, 6, 4)
NOW = dt.datetime(2024, 6, 4, 22, 0, tzinfo=dt.UTC)


# The file of the sixth source, from here ...
class Row(msgspec.Struct):
    date: str
    open: Number = None
    high: Number = None
    low: Number = None
    close: Number = None
    volume: Number = None


class ToySource(VendorSource):
    name: ClassVar[str] = "toy"
    label: ClassVar[str] = "A toy."
    plans: ClassVar = {"small": Plan("small", per_day=2), "large": Plan("large")}

    def vendor(self, options: VendorOptions) -> Vendor:
        return Vendor(
            name=self.name,
            base_url=options.base_url or "https://toy.example",
            credential=Credential(options.api_key, header="x-key"),
            plan=self.plan,
        )

    def daily_bars(self, first_date: dt.date, last_date: dt.date) -> Iterator[Batch]:
        turns = self._turns_of_sessions("daily_bars", first_date, last_date)
        calls = ((turn, Call(f"/{turn.symbol}", lambda body: rows_of(body, Row))) for turn in turns)
        yield from self._lists_by_symbol(Gathering(DailyBar, "daily_bars"), calls, self._bar)

    def _bar(self, row: Row, turn) -> DailyBar:
        return daily_bar(row, turn.symbol, self._asked_session(day(row.date), *turn.days), ("USD", 1.0))


# ... to here.


def answering(asked: Asked) -> Reply:
    if asked.headers.get("x-key") != "the-toys-key":
        return Reply(401, b"who are you")
    bar = {"date": str(MONDAY), "open": 1, "high": 2, "low": 1, "close": "1.5", "volume": 7}
    return Reply(200, json.dumps([bar, bar | {"date": "2020-01-01"}]).encode())


class NoonLedger(MemoryLedger):
    """Its day is never nearly over: a budget that midnight renews would be waited for."""

    def take(self, account: Account, cost: int, now: dt.datetime) -> dt.datetime | None:
        to_noon = now.replace(hour=12) - now
        until = super().take(account, cost, now + to_noon)
        return None if until is None else until - to_noon


@pytest.fixture
def settings(tmp_path, monkeypatch):
    monkeypatch.setitem(SOURCES, "toy", OfVendor(ToySource))  # the line in the registry

    def settings(url: str, symbols: Sequence[str]):
        given = {
            "FACTORLOOM_SOURCE": "toy", "FACTORLOOM_TOY_API_KEY": "the-toys-key", "FACTORLOOM_TOY_BASE_URL": url,
            "FACTORLOOM_LIVE_SYMBOLS": ",".join(symbols), "FACTORLOOM_LIVE_FIRST_SESSION": "2024-06-03",
        }  # fmt: skip
        return read_settings(given, folder=tmp_path)

    return settings


def test_a_sixth_source_has_its_settings_budget_quarantine_and_place_in_the_table(settings):
    ledger = NoonLedger()
    with FakeVendor(answering) as server:
        known = settings(server.url, "ABC")
        source = create_source("toy", known, HomeCalendar(), lambda: NOW, ledger)
        batches = list(source.daily_bars(MONDAY, TUESDAY))
        source.transport.close()
    assert capabilities(source) == {"daily_bars"}
    assert [row["close"] for batch in batches for row in batch.rows.to_pylist()] == [1.5, 1.5]
    rules = sorted(record.rule for batch in batches for record in batch.refused)
    assert rules == ["another_day", "another_day", "vendor_quota_day"], "two requests a day are not three"
    (shown,) = [row for row in rows(known, ledger) if row.name == "toy"]
    assert (shown.capabilities, shown.key, shown.budget) == ({"daily_bars"}, "present, in use", "0 today")
