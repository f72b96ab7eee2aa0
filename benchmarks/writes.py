"""How long writes take over HTTP, uncontended: the import of 50 holdings and of 1,000 rows, and an event made durable.

    python -m benchmarks.writes

An embedded PostgreSQL below a folder of its own, the API on a socket of this machine, one client. Nothing is asserted.
"""

import datetime as dt
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import psycopg

from warehouse.connect import connect, with_role
from warehouse.embedded import EmbeddedServer
from warehouse.migrate import upgrade
from warehouse.queries.events import write_event

REPEATS = 200
BULK_ROWS = 1_000

UPSERT = """
insert into raw.quotes (source, source_symbol, quoted_at, price, currency_code)
select 'bench', g.symbol, g.at, g.price, 'USD'
from unnest(%(symbols)s::text[], %(ats)s::timestamptz[], %(prices)s::float8[]) as g (symbol, at, price)
on conflict (source, source_symbol, quoted_at) do update set price = excluded.price
where raw.quotes.price is distinct from excluded.price
"""


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory(prefix="fl-") as folder:
        server = EmbeddedServer(Path(folder) / "postgres")
        server.start()
        try:
            url = server.url("bench")
            with connect(server.url("postgres"), autocommit=True) as connection:
                connection.execute("create database bench")
            upgrade(url)
            with connect(url) as connection:
                connection.execute("grant create, temporary on database bench to factorloom_writer")
            _measure(url, Path(folder))
        finally:
            server.stop()


def _measure(url: str, home: Path) -> None:
    from tests.api.conftest import ALICE, fill
    from tests.api.serving import serving

    fill(url)
    with connect(with_role(url, "factorloom_writer"), autocommit=True) as connection:
        connection.execute(
            "insert into marts.dim_instruments (instrument_id, ticker, name, market, currency_code, is_active, source)"
            " select 'i_b' || n, 'B' || n, 'Bench ' || n, 'stocks', 'USD', true, 'bench' from generate_series(1, 50) n"
        )
        with serving(url, home) as port:
            client = httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=ALICE.headers)
            _show("import of 50 holdings over HTTP", lambda n: _import(client, n))
        _show("event made durable", lambda n: _publish(connection, n))
        _show(f"upsert of {BULK_ROWS} rows", lambda n: _upsert(connection, n))


def _import(client: httpx.Client, number: int) -> None:
    rows = "".join(f"B{n},{n + number},{n}.5\n" for n in range(1, 51))
    answer = client.post(
        "/v1/import/portfolio", params={"name": "Bench"}, headers={"Content-Type": "text/csv"},
        content=f"ticker,quantity,price paid\n{rows}",
    )  # fmt: skip
    answer.raise_for_status()


def _publish(connection: psycopg.Connection, number: int) -> None:
    write_event(
        connection, "price.updated", {"n_symbols": number}, dedup_key=f"bench:{number}", now=dt.datetime.now(dt.UTC)
    )


def _upsert(connection: psycopg.Connection, number: int) -> None:
    values = {
        "symbols": [f"S{n}" for n in range(BULK_ROWS)],
        "ats": ["2024-06-27T14:00:00Z"] * BULK_ROWS,
        "prices": [float(n + number) for n in range(BULK_ROWS)],
    }
    connection.execute(UPSERT, values)


def _show(what: str, work: Callable[[int], None]) -> None:
    work(0)
    times = []
    for number in range(1, REPEATS + 1):
        started = time.perf_counter()
        work(number)
        times.append((time.perf_counter() - started) * 1_000)
    hundredths = statistics.quantiles(times, n=100)
    print(f"{what:<36} p50 {statistics.median(times):7.2f} ms   p99 {hundredths[98]:7.2f} ms   ({REPEATS} times)")


if __name__ == "__main__":
    main()
