"""Whole tables in and out of PostgreSQL as Arrow, by ADBC. Apart from `connect`, since the API holds no Arrow."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import adbc_driver_postgresql.dbapi as adbc
import pyarrow as pa


@contextmanager
def arrow_connection(url: str) -> Iterator[adbc.Connection]:
    """Open an ADBC connection for reads and writes of whole tables; one transaction, committed at the end."""
    with adbc.connect(url) as connection:
        yield connection
        connection.commit()


def read_arrow(url: str, sql: str, parameters: Sequence[object] = ()) -> pa.Table:
    """Read the answer of a query as an Arrow table; parameters are `$1`, `$2`, ..."""
    with adbc.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute(sql, list(parameters) or None)
        return cursor.fetch_arrow_table()
