"""The keys of vendors stand nowhere: run what uses them with markers, at debug level, and look everywhere."""

import datetime as dt
import io
import json
import logging
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from psycopg import sql
from rich.console import Console

from factorloom.fake_vendors.commands import FAKES, PLANS
from factorloom.fake_vendors.market import FakeMarket
from factorloom.fake_vendors.server import Asked, FakeVendor, Reply
from factorloom.sources import rows, tables_of
from orchestration.calendars import HomeCalendar
from orchestration.ingestion import Entity, ingest
from orchestration.sources.ledger import Plan
from orchestration.sources.protocols import capabilities
from orchestration.sources.quoting import quote_batches
from orchestration.sources.records import DailyBar, Quote, Split
from orchestration.sources.registry import create_with_fallbacks
from orchestration.sources.yahoo.source import YahooSource
from transforms.refusals import separate
from warehouse.arrow import arrow_connection
from warehouse.queries.vendor_budgets import VendorLedger
from warehouse.queries.vendor_progress import VendorProgress
from warehouse.settings import read_settings

NOW = dt.datetime(2024, 6, 3, 23, 30, tzinfo=dt.UTC)
DAY = dt.date(2024, 6, 3)
MARKERS = {name: f"marker-{name}-5f1e9c77".replace("_", "-") for name in FAKES}
NEXT = dict(zip(FAKES, [*list(FAKES)[1:], *FAKES], strict=False))
SESSION, CRUMB = "fake-session", "fake.crumb"  # what the fakes of Nordnet and Yahoo hand out


def entity(table: str, record: type, *key: str) -> Entity:
    def complete(records: Any) -> Any:
        return records.assign(volume=records["volume"].astype("Int64")) if "volume" in records else records

    return Entity(table, record, key, lambda records: separate(records, [], key=key), complete)


TAKEN_IN = {
    "daily_bars": entity("raw.daily_bars", DailyBar, "source_symbol", "trade_date"),
    "splits": entity("raw.splits", Split, "source_symbol", "ex_date"),
    "quotes": entity("raw.quotes", Quote, "source_symbol", "quoted_at"),
}


class Telltale:
    """Answers as a vendor does, then with errors that repeat all that it was told: address, headers and form."""

    def __init__(self, answering: Any) -> None:
        self._answering = answering
        self.is_telling = False

    def __call__(self, asked: Asked) -> Reply:
        if not self.is_telling:
            return self._answering(asked)
        told = {"path": asked.path, **asked.parameters, **asked.headers, **asked.form}
        if asked.path.endswith(("F001", "F001.US")):
            return Reply(200, json.dumps([told]).encode())  # a row that is none: it goes to quarantine
        return Reply(404, json.dumps({"status": "NOT_FOUND", "message": json.dumps(told), "code": 404}).encode())


class Warehouse:
    def __init__(self, url: str) -> None:
        self._url = url

    @contextmanager
    def transaction(self) -> Iterator[Any]:
        with arrow_connection(self._url) as connection:
            yield connection


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """Everything that anybody logs, from DEBUG on."""
    stream, root = io.StringIO(), logging.getLogger()
    handler, level = logging.StreamHandler(stream), root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield stream
    root.setLevel(level)
    root.removeHandler(handler)


@pytest.fixture
def private_key() -> str:
    form = serialization.PrivateFormat.OpenSSH
    key = Ed25519PrivateKey.generate()
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode()


def settings_of(servers: dict[str, FakeVendor], private_key: str, folder: Path, first: str) -> Any:
    given = {
        "FACTORLOOM_SOURCE": first, "FACTORLOOM_LIVE_SYMBOLS": "F000,F001", "FACTORLOOM_LOG_LEVEL": "DEBUG",
        "FACTORLOOM_LIVE_FIRST_SESSION": str(DAY), "FACTORLOOM_HOME": str(folder / "home"),
        "FACTORLOOM_LIVE_FALLBACKS": NEXT[first],
        "FACTORLOOM_NORDNET_PRIVATE_KEY": private_key,
    }  # fmt: skip
    for name, server in servers.items():
        prefix = f"FACTORLOOM_{name.upper()}"
        given |= {f"{prefix}_BASE_URL": server.url, f"{prefix}_PLAN": PLANS[name], f"{prefix}_API_KEY": MARKERS[name]}
    return read_settings(given, folder=folder)


def everything_stored(url: str) -> str:
    """The text of every row of every table of ours."""
    listed = "select schemaname, tablename from pg_tables where schemaname in ('raw', 'app', 'research')"
    with psycopg.connect(url) as connection:
        names = connection.execute(listed).fetchall()
        whole = [
            connection.execute(
                sql.SQL("select coalesce(string_agg(t::text, '|'), '') from {} as t").format(sql.Identifier(*name))
            ).fetchone()
            for name in names
        ]
    assert len(names) > 20
    return "".join(row[0] for row in whole if row)


@pytest.mark.parametrize("first", FAKES)
def test_no_key_is_in_logs_errors_tables_metadata_or_files(database, log, private_key, tmp_path, monkeypatch, first):
    # The vendor itself is asked once in two seconds.
    monkeypatch.setitem(YahooSource.plans, "personal", Plan("personal"))
    market, ledger = FakeMarket(3, HomeCalendar()), VendorLedger(lambda: database.url)
    telltales = {name: Telltale(FAKES[name](market)) for name in FAKES}
    servers = {name: FakeVendor(telltales[name]).__enter__() for name in FAKES}
    told: list[str] = []
    try:
        settings = settings_of(servers, private_key, tmp_path, first)
        progress = VendorProgress(lambda: database.url)
        source = create_with_fallbacks(first, settings, HomeCalendar(), lambda: NOW, ledger, progress)
        told += [repr(settings), repr(source), repr(vars(source))]
        for is_telling in (False, True):
            for telltale in telltales.values():
                telltale.is_telling = is_telling
            for name in sorted(TAKEN_IN.keys() & capabilities(source)):
                batches = quote_batches(source, None, NOW) if name == "quotes" else getattr(source, name)(DAY, DAY)
                try:
                    taken = ingest(Warehouse(database.url), first, without_days(TAKEN_IN[name]), batches)  # type: ignore[arg-type]
                    told += [repr(taken.metadata()), repr(taken)]
                except Exception:
                    told.append(traceback.format_exc())
        console = Console(file=io.StringIO(), width=400, record=True)
        console.print(*tables_of(rows(settings, ledger)))
        told.append(console.export_text())
    finally:
        source.close()  # type: ignore[attr-defined]
        for server in servers.values():
            server.__exit__(None, None, None)
        ledger.close()
    told += [log.getvalue(), everything_stored(database.owner_url)]
    told += [path.read_text(errors="replace") for path in tmp_path.rglob("*") if path.is_file()]
    secret_line = private_key.splitlines()[1]
    for secret in (*MARKERS.values(), secret_line, SESSION, CRUMB):
        assert not [text for text in told if secret in text], secret
    sent = [repr(asked) for server in servers.values() for asked in server.asked]
    assert any(MARKERS[first] in text for text in sent) or first in ("nordnet", "yahoo"), "the key was in use"


def without_days(kind: Entity) -> Entity:
    """Quotes have the day of their market in the table, which is not what is looked at here."""
    if kind.table != "raw.quotes":
        return kind

    def complete(records: Any) -> Any:
        days = records["quoted_at"].dt.tz_convert(None).dt.normalize()
        return records.assign(volume=records["volume"].astype("Int64"), trade_date=days)

    return Entity(kind.table, kind.record, kind.key, kind.check, complete)
