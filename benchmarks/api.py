"""Side by side: our API against FastAPI with SQLAlchemy and pydantic, and against FastAPI with a raw driver.

`python -m benchmarks.api [--seconds 5] [--rounds 3] [--connections 32]`. One worker each, the same tables in one
embedded PostgreSQL: 500 instruments, 1,260 sessions of 50 of them, rankings of 250 days. The servers take turns in each
round; medians are shown, beside the processor time per answer of server and database. Ours says more (envelope, units
of the latest share, version, entity tag, access log) and is asked over the same socket. It refuses with 503 who has
waited 250 ms for a connection to PostgreSQL, where the others let wait; what a refusal costs is in the time per answer,
so on a busy machine, where there are many, fewer connections tell more.
"""

import argparse
import asyncio
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import httpx
import psutil
import uvloop
from rich.console import Console
from rich.table import Table

from orchestration.publishing import publish
from warehouse.connect import API, WRITER, connect, with_role
from warehouse.cursor_key import cursor_key
from warehouse.embedded import EmbeddedServer
from warehouse.migrate import upgrade
from warehouse.records.cursors import Signer
from warehouse.settings import Settings

ROOT = Path(__file__).resolve().parent.parent
CONNECTIONS = 32
SEED = """
create table marts.dim_instruments (
    instrument_id text primary key, ticker text, name text, exchange_code text, market text, currency_code text,
    country_code text, sector text, industry text, listed_date date, delisted_date date, is_active boolean, source text,
    first_trade_date date, last_trade_date date
);
create index on marts.dim_instruments (ticker);
insert into marts.dim_instruments
(instrument_id, ticker, name, market, currency_code, sector, is_active, source, first_trade_date, last_trade_date)
select
    'i_' || lpad(n::text, 16, '0'), 'T' || n, 'Company number ' || n, 'stocks', 'USD', 'Sector ' || n % 11, true,
    'simulated', '2019-07-01', '2024-06-28'
from generate_series(1, 500) as n;
create table marts.dim_tickers (ticker text, valid_from_date date, valid_to_date date, instrument_id text);

create table marts.fct_daily_prices (
    instrument_id text, trade_date date, source text, currency_code text, adjustment text,
    open_raw float8, high_raw float8, low_raw float8, close_raw float8, volume_shares bigint,
    adjustment_factor float8, split_factor float8, open_adj float8, high_adj float8, low_adj float8, close_adj float8,
    volume_adj float8, return_1d float8, is_suspect boolean, primary key (instrument_id, trade_date)
);
insert into marts.fct_daily_prices
select
    'i_' || lpad(n::text, 16, '0'), date '2019-07-01' + (day * 1.4486)::integer, 'simulated', 'USD', 'none',
    p, p * 1.013, p * 0.987, p * 1.0042, 1000000 + day, 1.0371, 2,
    p * 1.0371, p * 1.013 * 1.0371, p * 0.987 * 1.0371, p * 1.0042 * 1.0371, 500000 + day / 2.0, 0.001, false
from generate_series(1, 50) as n
cross join generate_series(0, 1259) as day
cross join lateral (select 50 + n + 10 * sin(day / 37.0 + n)) as price (p);

create table factors.fct_liquidity (instrument_id text, as_of_date date, dollar_volume_21d float8);
insert into factors.fct_liquidity select instrument_id, '2024-06-28', 1e6 from marts.dim_instruments limit 25;

insert into research.rankings
(profile, as_of_date, is_intraday, instrument_id, rank, score, signal, contribution_forecast, contribution_momentum,
 contribution_value, contribution_quality, contribution_growth, contribution_low_risk, contribution_liquidity)
select
    'balanced', date '2024-06-28' - day, false, 'i_' || lpad(n::text, 16, '0'), 1 + (n + day) % 500, 90.0 - n / 10.0,
    'hold', 14.1234567 / n, 6.5 / n, 2.1 / n, 5.3 / n, 1.5 / n, 2.2 / n, 0.5 / n
from generate_series(1, 500) as n
cross join generate_series(0, 249) as day;
insert into research.signals
(model_id, as_of_date, instrument_id, expected_return_22d, probability_up, confidence, rank, signal, reasons)
select
    'ensemble', '2024-06-28', 'i_' || lpad(n::text, 16, '0'), 0.01 / n, 0.5, 0.7, n, 'hold',
    '{technical: buy with weight 0.60,momentum: hold with weight 0.40}'
from generate_series(1, 500) as n;
insert into app.dataset_versions (dataset, version, as_of_date)
select name, md5(name), '2024-06-28' from unnest(array[
    'marts.dim_instruments', 'marts.fct_daily_prices', 'research.rankings', 'research.signals'
]) as name;
analyze;
"""
OURS = """
import os
from pathlib import Path
from pydantic import SecretStr
from api.server import run
from warehouse.settings import Settings
run(Settings(home=Path(os.environ["PEER_HOME"]), api_database_url=SecretStr(os.environ["PEER_URL"]),
             api_port=int(os.environ["PEER_PORT"])))
"""
PEER = """
import os, uvicorn
uvicorn.run("benchmarks.peers.{name}:app", port=int(os.environ["PEER_PORT"]), log_level="error")
"""
ORM, CONTROL = "FastAPI + SQLAlchemy + pydantic", "FastAPI + raw driver"


class Measured(NamedTuple):
    """One server under one question."""

    per_second: float
    refused: float
    p50_ms: float
    p99_ms: float
    server_us: float
    database_us: float


class Case(NamedTuple):
    """A question, and what it is compared with: by path for each server."""

    name: str
    ours: str
    peers: str
    headers: dict[str, str]
    wanted: float


CASES = [
    Case("rankings, dynamic", "/v1/rankings?format=json", "/rankings", {}, 5),
    Case("rankings, published", "/v1/rankings", "/rankings", {}, 5),
    Case("history of 5 years, dynamic", "/v1/history/T7?period=5y&format=json", "/history/T7", {}, 8),
    Case("history of 5 years, published", "/v1/history/T7?period=5y", "/history/T7", {"Accept-Encoding": "br"}, 40),
]


def main() -> None:
    """Measure, and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--connections", type=int, default=CONNECTIONS)
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="fl-bench-"))
    database = EmbeddedServer(folder / "postgres")
    database.start()
    try:
        url = prepare(database, folder)
        report(database, url, folder, options.seconds, options.rounds, options.connections)
    finally:
        database.stop()
        shutil.rmtree(folder, ignore_errors=True)


def prepare(database: EmbeddedServer, folder: Path) -> str:
    """Fill a warehouse and publish its hot answers; returns the API's address of it."""
    with connect(database.url("postgres"), autocommit=True) as connection:
        connection.execute("create database bench")
    upgrade(database.url("bench"))
    with connect(with_role(database.url("bench"), WRITER)) as connection:
        connection.execute(SEED)
    with connect(with_role(database.url("bench"), WRITER)) as connection:
        now = connection.execute("select now()").fetchone()
        asyncio.run(publish(connection, Signer(cursor_key(Settings(home=folder))), now[0]))
    return with_role(database.url("bench"), API)


def report(database: EmbeddedServer, url: str, folder: Path, seconds: float, rounds: int, connections: int) -> None:
    """Measure each case in turn and print medians and ratios."""
    console = Console(width=140)
    load = os.getloadavg()[0]
    found: dict[tuple[str, str], list[Measured]] = {}
    with (
        serving("ours", OURS, url, folder) as ours,
        serving(ORM, PEER.format(name="orm"), url, folder) as orm,
        serving(CONTROL, PEER.format(name="raw"), url, folder) as raw,
    ):
        for _ in range(rounds):
            for case in CASES:
                for name, server, path in (
                    ("ours", ours, case.ours),
                    (ORM, orm, case.peers),
                    (CONTROL, raw, case.peers),
                ):
                    one = uvloop.run(measure(database, server, path, case.headers, seconds, connections))
                    found.setdefault((case.name, name), []).append(one)
        alone = [latency(ours, "/v1/signals/live?format=json") for _ in range(rounds)]
    table = Table(
        "question",
        "server",
        "per second",
        "refused",
        "p50 ms",
        "p99 ms",
        "CPU us, server + database",
        "ours / it",
        "asked for",
    )
    for case in CASES:
        mine = middle(found[case.name, "ours"])
        for name in ("ours", ORM, CONTROL):
            one = middle(found[case.name, name])
            ratio = "" if name == "ours" else f"{mine.per_second / one.per_second:.1f}x"
            asked = f">= {case.wanted}x" if name == ORM else ">= 1x" if name == CONTROL else ""
            cost = f"{one.server_us:,.0f} + {one.database_us:,.0f}"
            times = [f"{one.per_second:,.0f}", f"{one.refused:.0%}", f"{one.p50_ms:.1f}", f"{one.p99_ms:.1f}"]
            table.add_row(case.name, name, *times, cost, ratio, asked)
    console.print(table)
    p50, p99 = (min(values) for values in zip(*alone, strict=True))
    console.print(f"live signals alone, dynamic: p50 {p50:.2f} ms, p99 {p99:.2f} ms (asked for: <= 5)")
    console.print(
        f"load average {load:.1f} before, {os.getloadavg()[0]:.1f} after; "
        f"{rounds} rounds of {seconds:g} s, {connections} connections"
    )


class Server(NamedTuple):
    """A server that runs."""

    port: int
    process: psutil.Process


@contextmanager
def serving(name: str, program: str, url: str, folder: Path) -> Iterator[Server]:
    """Run a server as a process of its own."""
    port = free_port()
    environment = {
        **{key: value for key, value in os.environ.items() if not key.startswith("FACTORLOOM_")},
        "PEER_URL": url, "PEER_PORT": str(port), "PEER_HOME": str(folder), "PYTHONPATH": str(ROOT),
    }  # fmt: skip
    with (folder / f"{port}.log").open("wb") as log:
        process = subprocess.Popen([sys.executable, "-c", program], env=environment, cwd=ROOT, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline and process.poll() is None:
            try:
                httpx.get(f"http://127.0.0.1:{port}/nope", trust_env=False, timeout=5)
                break
            except httpx.TransportError:
                time.sleep(0.1)
        else:
            raise RuntimeError(f"{name}: must start; it did not: {(folder / f'{port}.log').read_text()[-2000:]}")
        yield Server(port, psutil.Process(process.pid))
    finally:
        process.terminate()
        process.wait(timeout=20)


async def measure(
    database: EmbeddedServer, server: Server, path: str, headers: dict[str, str], seconds: float, connections: int
) -> Measured:
    """Ask over some connections, each again as soon as it has its answer."""
    request = request_of(path, headers)
    await ask_for(server.port, request, 0.5, connections)
    before = cpu(server, database)
    taken, n_refused = await ask_for(server.port, request, seconds, connections)
    after = cpu(server, database)
    ordered = sorted(taken)
    server_us, database_us = ((b - a) / len(taken) * 1e6 for a, b in zip(before, after, strict=True))
    return Measured(
        len(taken) / seconds,
        n_refused / (n_refused + len(taken)),
        ordered[len(taken) // 2] * 1e3,
        ordered[int(len(taken) * 0.99)] * 1e3,
        server_us,
        database_us,
    )


async def ask_for(port: int, request: bytes, seconds: float, connections: int) -> tuple[list[float], int]:
    """Return how long each answer took, and how many were refused (503)."""
    taken: list[float] = []
    n_refused = 0
    until = time.perf_counter() + seconds

    async def one() -> None:
        nonlocal n_refused
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 20)
        while (began := time.perf_counter()) < until:
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
            await reader.readexactly(length)
            # A server that has no connection free says so at once: that is no answer.
            if head.startswith(b"HTTP/1.1 200"):
                taken.append(time.perf_counter() - began)
            elif head.startswith(b"HTTP/1.1 503"):
                n_refused += 1
            else:
                raise RuntimeError(f"the server must answer with 200; got {head[:400]!r}")
        writer.close()

    await asyncio.gather(*(one() for _ in range(connections)))
    return taken, n_refused


def latency(server: Server, path: str, times: int = 1_000) -> tuple[float, float]:
    """Return median and 99th percentile of one connection that asks again and again, in milliseconds."""

    async def ask() -> list[float]:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port, limit=1 << 20)
        taken = []
        for _ in range(times):
            began = time.perf_counter()
            writer.write(request_of(path, {}))
            head = await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0]))
            taken.append(time.perf_counter() - began)
        writer.close()
        return sorted(taken)

    ordered = uvloop.run(ask())
    return ordered[times // 2] * 1e3, ordered[int(times * 0.99)] * 1e3


def request_of(path: str, headers: dict[str, str]) -> bytes:
    """Return a request as it travels."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"GET {path} HTTP/1.1\r\nHost: x\r\n{lines}\r\n".encode()


def cpu(server: Server, database: EmbeddedServer) -> tuple[float, float]:
    """Return processor seconds of the server, and of the database with its connections."""
    postmaster = psutil.Process(int((database.data / "postmaster.pid").read_text().split()[0]))
    own = sum(server.process.cpu_times()[:2])
    # With the time of connections that have ended, which is its parent's.
    of_database = sum(postmaster.cpu_times()[:4])
    for connection in postmaster.children():
        with suppress(psutil.NoSuchProcess):
            of_database += sum(connection.cpu_times()[:2])
    return own, of_database


def middle(measured: list[Measured]) -> Measured:
    """Return the medians of several rounds."""
    return Measured(*(statistics.median(values) for values in zip(*measured, strict=True)))


def free_port() -> int:
    """Return a port that nobody uses now."""
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


if __name__ == "__main__":
    main()
