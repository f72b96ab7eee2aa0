"""The API's connections to Postgres: few, read-only by default, and never waited for long."""

import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import psycopg
from psycopg import AsyncConnection, errors
from psycopg.rows import args_row
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from api import exchange
from api.errors import DatabaseBusy, DatabaseUnreachable, DatasetMissing, QueryTooSlow
from warehouse.queries.reader import Row

MIN_CONNECTIONS = 4
MAX_CONNECTIONS = 8
ACQUIRE_SECONDS = 0.25
STATEMENT_TIMEOUT = "2s"

# dbt drops and makes its tables anew, and a server may restart: once more, on another connection, it works.
_WORTH_ANOTHER_TRY = (
    psycopg.OperationalError,
    errors.FeatureNotSupported,  # cached plan must not change result type
    errors.InvalidSqlStatementName,
    errors.InternalError_,  # could not open relation: dropped between planning and reading
    errors.UndefinedTable,
)


class Database:
    """A pool of connections that answers queries with structs. Implements `warehouse.queries.reader.Reader`."""

    def __init__(self, url: str) -> None:
        self._pool = AsyncConnectionPool(
            url,
            min_size=MIN_CONNECTIONS,
            max_size=MAX_CONNECTIONS,
            timeout=ACQUIRE_SECONDS,
            reconnect_timeout=2,
            configure=_configure,
            kwargs={"autocommit": True, "application_name": "factorloom-api", "connect_timeout": 2},
            name="api",
            open=False,
        )

    async def open(self) -> None:
        """Begin to connect; a server that is not there yet does not stop the start."""
        await self._pool.open(wait=False)
        with suppress(PoolTimeout):
            await self._pool.wait(timeout=2)

    async def close(self) -> None:
        """Close every connection."""
        await self._pool.close(timeout=2)

    async def rows(self, shape: type[Row], sql: str, parameters: Mapping[str, object] | None = None) -> list[Row]:
        """Return the rows of a query, each as `shape`.

        Raises
        ------
        DatabaseBusy, DatabaseUnreachable, QueryTooSlow, DatasetMissing
            When no connection came free, the server is away, it took too long, or a table is not there.
        """
        started = time.perf_counter()
        try:
            return await self._twice(shape, sql, parameters)
        except errors.QueryCanceled as error:
            raise QueryTooSlow from error
        except (errors.UndefinedTable, errors.InvalidSchemaName) as error:
            raise DatasetMissing from error
        except psycopg.OperationalError as error:
            raise DatabaseUnreachable from error
        finally:
            if (now := exchange.current.get(None)) is not None:
                now.database_seconds += time.perf_counter() - started

    async def _twice(self, shape: type[Row], sql: str, parameters: Mapping[str, object] | None) -> list[Row]:
        try:
            return await self._once(shape, sql, parameters)
        except (PoolTimeout, errors.QueryCanceled):
            raise
        except _WORTH_ANOTHER_TRY:
            await self._pool.check()
            return await self._once(shape, sql, parameters)

    async def _once(self, shape: type[Row], sql: str, parameters: Mapping[str, object] | None) -> list[Row]:
        connection = await self._acquire()
        try:
            async with connection.cursor(binary=True, row_factory=args_row(shape)) as cursor:
                await cursor.execute(sql, parameters)
                return await cursor.fetchall()
        except errors.QueryCanceled:
            raise
        except _WORTH_ANOTHER_TRY:
            await connection.close()
            raise
        finally:
            await self._pool.putconn(connection)

    async def _acquire(self) -> AsyncConnection[Any]:
        try:
            return await self._pool.getconn()
        except PoolTimeout as error:
            if self._pool.get_stats().get("pool_size", 0) == 0:
                raise DatabaseUnreachable from error
            raise DatabaseBusy from error


async def _configure(connection: AsyncConnection[Any]) -> None:
    await connection.execute(
        "select set_config('statement_timeout', %s, false), set_config('default_transaction_read_only', 'on', false),"
        " set_config('timezone', 'UTC', false), set_config('jit', 'off', false)",
        [STATEMENT_TIMEOUT],
    )
