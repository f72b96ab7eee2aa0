"""What taking in costs: a day of a whole market beside a bare COPY of its rows, a history beside its vendor's answers.

Both run over the installation's own parts: adapter, transport, rules, merge into PostgreSQL.
"""

import datetime as dt
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import adbc_driver_postgresql.dbapi as adbc
import httpx
import msgspec
import numpy as np
import pyarrow as pa
from rich.console import Console

from benchmarks.kernels import warehouse
from factorloom.fake_vendors.market import FakeMarket
from factorloom.fake_vendors.massive import FakeMassive
from factorloom.fake_vendors.server import Asked
from orchestration.calendars import HomeCalendar
from orchestration.ingestion import Entity, ingest
from orchestration.sources.ledger import MemoryLedger
from orchestration.sources.massive.source import MassiveSource
from orchestration.sources.records import Batch, DailyBar
from orchestration.sources.transport import Limits
from orchestration.sources.vendor import Surroundings, VendorOptions
from transforms.bar_rules import check_bars
from warehouse.arrow import arrow_connection

N_BARS, N_COMPANIES, TIMES = 10_000, 500, 5
DAY = dt.date(2024, 6, 3)
HISTORY = (dt.date(2023, 6, 5), dt.date(2024, 6, 3))
NOW = dt.datetime(2024, 6, 4, 12, 0, tzinfo=dt.UTC)
# Seconds: as fast as this machine, and as a vendor answers that is not on it.
DELAYS = (0.0, 0.1)
KEY = "a-key-for-nobody"
GROUPED = "/v2/aggs/grouped/locale/us/market/stocks"


class Warehouse:
    """The part of the resource that taking in needs."""

    def __init__(self, url: str) -> None:
        self._url = url

    @contextmanager
    def transaction(self) -> Iterator[adbc.Connection]:
        """Open a connection for whole tables; commits at the end."""
        with arrow_connection(self._url) as connection:
            yield connection


def main() -> None:
    """Measure and print."""
    console, before = Console(width=140), os.getloadavg()[0]
    with warehouse() as url:
        ours, bare = day_beside_copy(url)
        console.print(
            f"a day of {N_BARS:,} bars, decoded, judged and stored: {ours:.3f} s; bare COPY of its rows: {bare:.3f} s;"
            f" ratio {ours / bare:.2f} (median of {TIMES})"
        )
        for delay in DELAYS:
            whole, answers, n_rows = history_beside_answers(url, delay)
            console.print(
                f"{n_rows:,} bars of {N_COMPANIES} companies from a vendor that thinks {delay * 1000:.0f} ms, a session"
                f" each request: {whole:.1f} s; its answers alone: {answers:.1f} s; ratio {whole / answers:.2f}"
            )
    console.print(f"load average before and after: {before:.1f}, {os.getloadavg()[0]:.1f}")


def day_beside_copy(url: str) -> tuple[float, float]:
    """Return seconds for a day of a whole market, and for a bare COPY of its rows, medians."""
    market = FakeMarket(N_BARS, HomeCalendar())
    key = {"authorization": f"Bearer {KEY}"}
    body = FakeMassive(market)(Asked(f"{GROUPED}/{DAY}", {}, key)).body
    listed = tuple(market.symbols)

    def answering(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=body)

    client = httpx.Client(transport=httpx.MockTransport(answering))
    ours, bare = [], []
    for _ in range(TIMES):
        source = source_at("https://api.massive.com", listed, client=client)
        empty(url)
        began = time.perf_counter()
        stored(url, source.daily_bars(DAY, DAY), N_BARS)
        ours.append(time.perf_counter() - began)
        with arrow_connection(url) as connection, connection.cursor() as cursor:
            cursor.execute("select * from raw.daily_bars")
            rows = cursor.fetch_arrow_table()
        empty(url)
        began = time.perf_counter()
        copied(url, rows)
        bare.append(time.perf_counter() - began)
    return statistics.median(ours), statistics.median(bare)


def history_beside_answers(url: str, delay: float) -> tuple[float, float, int]:
    """Return seconds for a history, for the vendor's answers alone, and the number of bars; `delay` in seconds."""
    sessions = HomeCalendar().sessions(*HISTORY)
    names = FakeMarket(N_COMPANIES, HomeCalendar()).symbols
    with running_vendor(delay) as address:
        began = time.perf_counter()
        fetched(address, sessions)
        answers = time.perf_counter() - began
        source = source_at(address, tuple(names))
        empty(url)
        began = time.perf_counter()
        stored(url, source.daily_bars(*HISTORY), N_COMPANIES * len(sessions))
        whole = time.perf_counter() - began
        source.transport.close()
    return whole, answers, N_COMPANIES * len(sessions)


def source_at(address: str, symbols: tuple[str, ...], **more: httpx.Client) -> MassiveSource:
    """Return the source, without a budget that would hold it up."""
    options = VendorOptions(api_key=KEY, base_url=address, plan="paid", symbols=symbols, first_session=HISTORY[0])
    source = MassiveSource(options, Surroundings(HomeCalendar(), lambda: NOW, MemoryLedger()), **more)
    source.transport.vendor = source.transport.vendor._replace(plan=source.plan._replace(spacing_seconds=0.0))
    source.transport.account = source.transport.account._replace(plan=source.transport.vendor.plan)
    return source


def stored(url: str, batches: Iterator[Batch], n_rows: int) -> None:
    """Take records in as the asset does.

    Raises
    ------
    RuntimeError
        When not all of them are stored.
    """
    sessions = np.array(HomeCalendar().sessions(*HISTORY), dtype="datetime64[D]")
    entity = Entity(
        table="raw.daily_bars",
        record=DailyBar,
        key=("source_symbol", "trade_date"),
        check=lambda records: check_bars(records, sessions=sessions),
        complete=lambda records: records.assign(volume=records["volume"].astype("Int64")),
    )
    ingested = ingest(Warehouse(url), "massive", entity, batches)  # type: ignore[arg-type]
    if ingested.written.inserted != n_rows:
        raise RuntimeError(f"all {n_rows} bars must be stored; got {msgspec.to_builtins(ingested)}")


def copied(url: str, rows: pa.Table) -> None:
    """COPY rows into the table."""
    with arrow_connection(url) as connection, connection.cursor() as cursor:
        cursor.adbc_ingest("daily_bars", rows, mode="append", db_schema_name="raw")


def empty(url: str) -> None:
    """Empty the table."""
    with arrow_connection(url) as connection, connection.cursor() as cursor:
        cursor.execute("truncate raw.daily_bars")


def fetched(address: str, sessions: list[dt.date]) -> None:
    """Fetch the answers as the source does, and throw them away."""
    headers = {"authorization": f"Bearer {KEY}"}
    with httpx.Client(base_url=address, headers=headers) as client, ThreadPoolExecutor(Limits().n_workers) as pool:
        answers = pool.map(lambda day: client.get(f"{GROUPED}/{day}", params={"adjusted": "false"}), sessions)
        for answer in answers:
            answer.raise_for_status()


@contextmanager
def running_vendor(delay: float) -> Iterator[str]:
    """Run a made-up vendor in a process of its own, and return its address."""
    command = [sys.executable, "-u", "-m", "factorloom", "fake-vendor", "massive", "--companies", str(N_COMPANIES)]
    command += ["--slow-seconds", str(delay)]
    root = Path(__file__).resolve().parent.parent
    with subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True) as process:
        try:
            line = process.stdout.readline() if process.stdout else ""
            yield line.split(" answers at ")[1].split()[0]
        finally:
            process.terminate()


if __name__ == "__main__":
    main()
