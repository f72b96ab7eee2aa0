"""Whole tables in and out of PostgreSQL as Arrow, by ADBC. Apart from `connect`, since the API holds no Arrow."""

import atexit
import os
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import adbc_driver_postgresql.dbapi as adbc
import pyarrow as pa

MAX_ADDRESSES = 4
ONE_SNAPSHOT = "set transaction isolation level repeatable read"
_FIRST: dict[tuple[str, int], adbc.Connection] = {}
_LOCK = threading.Lock()


@contextmanager
def arrow_connection(url: str) -> Iterator[adbc.Connection]:
    """Open an ADBC connection for reads and writes of whole tables; one transaction, committed at the end."""
    with _connect(url) as connection:
        yield connection
        connection.commit()


def read_arrow(url: str, sql: str, parameters: Sequence[object] = ()) -> pa.Table:
    """Read the answer of a query as an Arrow table; parameters are `$1`, `$2`, ..."""
    with arrow_connection(url) as connection, connection.cursor() as cursor:
        cursor.execute(sql, list(parameters) or None)
        return cursor.fetch_arrow_table()


def read_arrow_at_once(url: str, queries: Sequence[str], parameters: Sequence[object] = ()) -> list[pa.Table]:
    """Read the answers of queries with the same parameters, each in its place, from one snapshot of the database.

    Each is read on a connection of its own while the others are.
    """
    with arrow_connection(url) as connection, connection.cursor() as cursor, ThreadPoolExecutor(len(queries)) as pool:
        cursor.execute(ONE_SNAPSHOT)
        cursor.execute("select pg_export_snapshot()")
        [(snapshot,)] = cursor.fetchall()
        return list(pool.map(lambda sql: _read_from(snapshot, url, sql, parameters), queries))


def _read_from(snapshot: str, url: str, sql: str, parameters: Sequence[object]) -> pa.Table:
    with arrow_connection(url) as connection, connection.cursor() as cursor:
        cursor.execute(ONE_SNAPSHOT)
        cursor.execute(f"set transaction snapshot '{snapshot}'")
        cursor.execute(sql, list(parameters) or None)
        return cursor.fetch_arrow_table()


def _connect(url: str) -> adbc.Connection:
    """Open a connection beside the first one of this process to the same address, which stays open and idle.

    Opening a database, the driver reads the whole type catalogue, 0.1 s of processor time; one more connection to it
    costs a hundredth of that.
    """
    address = (url, os.getpid())
    with _LOCK:
        if address not in _FIRST:
            while len(_FIRST) >= MAX_ADDRESSES:
                _FIRST.pop(next(iter(_FIRST))).close()
            _FIRST[address] = adbc.connect(url, autocommit=True)
        return _FIRST[address].adbc_clone()


@atexit.register
def _close_first_connections() -> None:
    with _LOCK:
        while _FIRST:
            _FIRST.popitem()[1].close()
