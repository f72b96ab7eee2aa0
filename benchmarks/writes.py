"""How long writes take, uncontended: 50 holdings over HTTP, an event made durable, 1,000 rows that all change.

    python -m benchmarks.writes

An embedded PostgreSQL below a folder of its own, the API on a socket of this machine, one client. The 1,000 rows are
changed by one statement, and by the merge of pipelines, which also counts, hashes and moves the table's version.
Nothing is asserted.
"""

import datetime as dt
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import adbc_driver_postgresql.dbapi as adbc
import httpx
import psycopg
import pyarrow as pa

from warehouse.connect import connect, with_role
from warehouse.embedded import EmbeddedServer
from warehouse.merge import merge
from warehouse.migrate import upgrade
from warehouse.queries.events import write_event

REPEATS = 200
BULK_ROWS = 1_000
SYMBOLS = [f"S{n}" for n in range(BULK_ROWS)]
AT = dt.datetime(2024, 6, 27, 14, tzinfo=dt.UTC)

# Arrays in binary: as text they cost the client as much again as the whole statement costs the server.
UPSERT = """
insert into raw.quotes (source, source_symbol, quoted_at, price, currency_code)
select 'bench', g.symbol, g.at, g.price, 'USD'
from unnest(%(symbols)b::text[], %(ats)b::timestamptz[], %(prices)b::float8[]) as g (symbol, at, price)
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
        # The filled warehouse gives its tables versions that no merge has made.
        connection.execute("delete from app.dataset_versions where dataset = 'raw.quotes'")
    with adbc.connect(with_role(url, "factorloom_writer")) as connection:
        _show(f"merge of {BULK_ROWS} rows", lambda n: _merge(connection, n))


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
    connection.execute(UPSERT, {"symbols": SYMBOLS, "ats": [AT] * BULK_ROWS, "prices": _prices(number)})


def _merge(connection: adbc.Connection, number: int) -> None:
    rows = pa.table(
        {
            "source": ["merged"] * BULK_ROWS,
            "source_symbol": SYMBOLS,
            "quoted_at": pa.array([AT] * BULK_ROWS, pa.timestamp("us", "UTC")),
            "price": _prices(number),
            "currency_code": ["USD"] * BULK_ROWS,
        }
    )
    merge(connection, "raw.quotes", rows)
    connection.commit()


def _prices(number: int) -> list[float]:
    return [float(n + number) for n in range(BULK_ROWS)]


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
