import datetime as dt
import subprocess
import sys

import httpx
import pytest
from rich.console import Console

from factorloom.errors import FakeVendorPortTaken, UnknownFakeVendor
from factorloom.fake_vendors.commands import fake_vendor
from factorloom.fake_vendors.server import FakeVendor, Faults, Reply
from factorloom.sources import rows, tables_of
from orchestration.sources.ledger import Account, MemoryLedger
from orchestration.sources.registry import SOURCES
from orchestration.sources.twelve_data.source import TwelveDataSource
from warehouse.settings import Settings, VendorSettings

NOON = dt.datetime(2026, 3, 2, 12, 0, 10, tzinfo=dt.UTC)
KEY = "marker-key-5f1e"


@pytest.fixture
def settings(tmp_path):
    return Settings(home=tmp_path, vendors={"twelve_data": VendorSettings(api_key=KEY)})


def by_name(settings, ledger):
    return {row.name: row for row in rows(settings, ledger, now=lambda: NOON)}


def test_every_source_has_a_line_and_says_what_is_missing(settings):
    found = by_name(settings, MemoryLedger())
    assert list(found) == list(SOURCES)
    assert found["simulated"].key == "in use"
    assert "daily_bars" in found["simulated"].capabilities
    assert "FACTORLOOM_MASSIVE_API_KEY must be set" in found["massive"].key
    assert "company_ratios" in found["massive"].capabilities, "what it could do is told without a key"


def test_a_vendor_with_a_key_shows_what_is_left_and_how_it_answered(settings):
    ledger = MemoryLedger(failures_to_open=2)
    before = by_name(settings, ledger)["twelve_data"]
    assert (before.key, before.budget, before.last_answer) == ("present", "8 this minute, 800 today", "never asked")
    account = _account(settings)
    ledger.take(account, 5, NOON)
    ledger.record("api.twelvedata.com", NOON, status="200", is_failure=False)
    row = by_name(settings, ledger)["twelve_data"]
    assert (row.budget, row.last_answer) == ("3 this minute, 795 today", "2026-03-02 12:00:10Z 200")
    for _ in range(2):
        ledger.record("api.twelvedata.com", NOON, status="transient: 503", is_failure=True)
    ledger.block(account, NOON + dt.timedelta(hours=2))
    row = by_name(settings, ledger)["twelve_data"]
    assert row.breaker == "open until 12:01:10Z"
    assert row.budget.endswith("none before 2026-03-02 14:00:10Z")


def test_the_table_shows_no_key(settings):
    console = Console(record=True, width=300)
    console.print(*tables_of(rows(settings, MemoryLedger(), now=lambda: NOON)))
    assert KEY not in console.export_text()


def _account(settings) -> Account:
    from orchestration.calendars import HomeCalendar
    from orchestration.sources.registry import create_source

    source = create_source("twelve_data", settings, HomeCalendar(), lambda: NOON)
    assert isinstance(source, TwelveDataSource)
    source.transport.close()
    return source.transport.account


def test_an_unknown_fake_is_refused_with_the_known_ones():
    with pytest.raises(UnknownFakeVendor, match=r"'massive', .*; got 'nobody'"):
        fake_vendor("nobody", port=0, n_companies=2, faults=Faults(), say=print)


def test_a_person_can_run_a_fake_vendor():
    command = [sys.executable, "-u", "-m", "factorloom", "fake-vendor", "massive", "--companies", "3"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            url = process.stdout.readline().split(" answers at ")[1].split()[0]
            path = "/v2/aggs/grouped/locale/us/market/stocks/2024-06-03"
            answer = httpx.get(url + path, headers={"authorization": "Bearer k"}, timeout=60).json()
        finally:
            process.terminate()
    assert [row["T"] for row in answer["results"]] == ["F000", "F001", "F002", "SPY"]


def test_a_port_that_is_taken_is_named():
    with FakeVendor(lambda asked: Reply(200, b"{}")) as taken, pytest.raises(FakeVendorPortTaken, match="must be free"):
        fake_vendor("massive", port=int(taken.url.rpartition(":")[2]), n_companies=2, faults=Faults(), say=print)
