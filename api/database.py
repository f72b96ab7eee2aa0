"""The API's connections to Postgres: few, read-only unless a transaction says otherwise, never waited for long."""

import asyncio
import datetime as dt
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from itertools import starmap
from typing import Any

import psycopg
from psycopg import AsyncConnection, AsyncCursor, errors
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from api import exchange, tracing
from api.errors import DatabaseBusy, DatabaseUnreachable, DatasetMissing, QueryTooSlow, TextInvalid
from api.identity.principal import Principal
from warehouse.clock import Clock
from warehouse.queries.reader import Reader, Row, Writer

MIN_CONNECTIONS = 4
MAX_CONNECTIONS = 8
MAX_KEPT_CURSORS = 100
# A cursor holds its last answer; one that is longer is not kept.
MAX_KEPT_BYTES = 65_536
# What libpq holds of a value besides its bytes.
VALUE_OVERHEAD_BYTES = 16
OPEN_SECONDS = 2.0
ACQUIRE_SECONDS = 0.25
STATEMENT_TIMEOUT = "2s"
# Who the rows are for holds as long as the transaction; behind a pooler that shares connections too.
AS_USER = "select set_config('app.user_id', %s, true)"
AS_IDENTITY = "select set_config('app.identity', 'on', true)"

# dbt drops and makes its tables anew, and a server may restart: once more, on another connection, it works.
_WORTH_ANOTHER_TRY = (
    psycopg.OperationalError,
    errors.FeatureNotSupported,  # cached plan must not change result type
    errors.InvalidSqlStatementName,
    errors.InternalError_,  # could not open relation: dropped between planning and reading
    errors.UndefinedTable,
)


class Connection(AsyncConnection[Any]):
    """A connection that keeps a cursor for each query that it answers.

    A cursor that repeats its query still knows the types of parameters and columns: a sixth of a short answer's time.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._kept: dict[str, AsyncCursor[Any]] = {}

    def cursor_for(self, sql: str) -> AsyncCursor[Any]:
        """Return the cursor of a query, for whoever holds the connection alone."""
        found = self._kept.get(sql)
        if found is None:
            if len(self._kept) >= MAX_KEPT_CURSORS:
                self._kept.clear()
            found = self._kept[sql] = self.cursor(binary=True)
        return found

    def forget_if_long(self, sql: str) -> None:
        """Let go of a query's cursor where the answer that it holds until it is used again is a long one."""
        cursor = self._kept.get(sql)
        if cursor is not None and _estimated_bytes(cursor) > MAX_KEPT_BYTES:
            del self._kept[sql]


class Transaction(Writer):
    """Statements that commit together or not at all.

    Parameters
    ----------
    connection
        In a transaction; for what `rows` and `execute` do not do, such as COPY.
    now
        When it began: the instant of every row that it writes.
    """

    def __init__(self, connection: Connection, now: dt.datetime) -> None:
        self.connection = connection
        self.now = now

    async def rows(self, shape: type[Row], sql: str, parameters: Mapping[str, object] | None = None) -> list[Row]:
        """Return the rows of a statement, each as `shape`."""
        with _timed(), tracing.query(sql):
            return await _rows(self.connection.cursor(binary=True), shape, sql, parameters)

    async def execute(self, sql: str, parameters: Mapping[str, object] | None = None) -> int:
        """Carry out a statement; returns how many rows it touched."""
        with _timed(), tracing.query(sql):
            return (await self.connection.execute(sql, parameters)).rowcount


class Database(Reader):
    """A pool of connections that answers queries with structs."""

    def __init__(self, url: str, clock: Clock) -> None:
        self.now = clock
        self._held = 0
        self._waiting = 0
        self._turns = asyncio.Semaphore(MAX_CONNECTIONS)
        self._released_at = 0.0
        self._pool = AsyncConnectionPool(
            url,
            connection_class=Connection,
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
        # The pool's own `wait` closes it for ever when the time is over.
        with suppress(TimeoutError):
            async with asyncio.timeout(OPEN_SECONDS):
                while self._pool.get_stats()["pool_available"] < MIN_CONNECTIONS:
                    await asyncio.sleep(0.01)

    async def close(self) -> None:
        """Close every connection."""
        await self._pool.close(timeout=2)

    def stats(self) -> dict[str, int]:
        """Return what the pool says of itself, and how many wait for it."""
        return self._pool.get_stats() | {"requests_waiting": self._waiting}

    async def rows(self, shape: type[Row], sql: str, parameters: Mapping[str, object] | None = None) -> list[Row]:
        """Return the rows of a query, each as `shape`.

        Raises
        ------
        DatabaseBusy, DatabaseUnreachable, QueryTooSlow, DatasetMissing
            When no connection came free, the server is away, it took too long, or a table is not there.
        """
        with _as_problems(), _timed(), tracing.query(sql):
            return await self._twice(shape, sql, parameters)

    @asynccontextmanager
    async def as_user(self, principal: Principal) -> AsyncIterator[Transaction]:
        """One transaction that reads and writes the rows of one person and sees nobody else's.

        It commits at the end of the block and rolls back when an exception leaves it.

        Raises
        ------
        DatabaseBusy, DatabaseUnreachable, QueryTooSlow, DatasetMissing
            As `rows`; then nothing of it stands. Violated constraints are psycopg's `IntegrityError`.
        ValueError
            When it is not known who asks; the handler's scope sees to it that this does not happen.
        """
        async with self._transaction(AS_USER, [str(principal.owner_id)]) as transaction:
            yield transaction

    @asynccontextmanager
    async def as_identity(self) -> AsyncIterator[Transaction]:
        """One transaction that looks for people and keys before it is known who asks; for `api.identity` alone."""
        async with self._transaction(AS_IDENTITY, []) as transaction:
            yield transaction

    @asynccontextmanager
    async def _transaction(self, claim: str, parameters: list[str]) -> AsyncIterator[Transaction]:
        with _as_problems():
            transaction = Transaction(await self._begin(claim, parameters), self.now())
            try:
                yield transaction
                await transaction.execute("commit")
            except Exception:
                # The pool would roll back as well, but with a warning, and what is refused is nothing to warn of.
                with suppress(psycopg.Error):
                    await transaction.connection.rollback()
                raise
            finally:
                # One whose request was given up is rolled back by the pool, a broken one replaced.
                await self._release(transaction.connection)

    async def _begin(self, claim: str, parameters: list[str]) -> Connection:
        """Return a connection inside a transaction; one that has died in the pool is replaced."""
        with _timed():
            try:
                return await self._begin_once(claim, parameters)
            except psycopg.OperationalError:
                await self._pool.check()
                return await self._begin_once(claim, parameters)

    async def _begin_once(self, claim: str, parameters: list[str]) -> Connection:
        connection = await self._acquire()
        has_begun = False
        try:
            await connection.execute("begin read write")
            await connection.execute(claim, parameters)
            has_begun = True
        finally:
            if not has_begun:
                await connection.close()
                await self._release(connection)
        return connection

    async def _twice(self, shape: type[Row], sql: str, parameters: Mapping[str, object] | None) -> list[Row]:
        try:
            return await self._once(shape, sql, parameters)
        except (PoolTimeout, errors.QueryCanceled):
            raise
        except _WORTH_ANOTHER_TRY:
            await self._pool.check()
            # The other connection may have planned for the table of before as well.
            return await self._once(shape, sql, parameters, is_planned_anew=True)

    async def _once(
        self,
        shape: type[Row],
        sql: str,
        parameters: Mapping[str, object] | None,
        *,
        is_planned_anew: bool = False,
    ) -> list[Row]:
        connection = await self._acquire()
        try:
            if is_planned_anew:
                return await _rows(connection.cursor(binary=True), shape, sql, parameters, prepare=False)
            rows = await _rows(connection.cursor_for(sql), shape, sql, parameters)
            connection.forget_if_long(sql)
            return rows
        except errors.QueryCanceled:
            raise
        except _WORTH_ANOTHER_TRY:
            await connection.close()
            raise
        finally:
            await self._release(connection)

    async def _acquire(self) -> Connection:
        began_at = time.monotonic()
        self._waiting += 1
        try:
            # The pool would let them wait too, but with a condition and a task for each.
            async with asyncio.timeout(ACQUIRE_SECONDS):
                await self._turns.acquire()
                try:
                    connection = await self._pool.getconn()
                except BaseException:
                    self._turns.release()
                    raise
        except (TimeoutError, PoolTimeout) as error:
            # Nobody held one all the time and none came: the server does not let us in. The pool's own size counts
            # attempts too.
            is_busy = self._held or self._released_at >= began_at
            raise (DatabaseBusy if is_busy else DatabaseUnreachable) from error
        finally:
            self._waiting -= 1
        self._held += 1
        return connection

    async def _release(self, connection: Connection) -> None:
        self._held -= 1
        self._released_at = time.monotonic()
        try:
            await self._pool.putconn(connection)
        finally:
            self._turns.release()


async def _rows(
    cursor: AsyncCursor[Any],
    shape: type[Row],
    sql: str,
    parameters: Mapping[str, object] | None,
    *,
    prepare: bool | None = None,
) -> list[Row]:
    await cursor.execute(sql, parameters, prepare=prepare)
    # Tuples are what the driver makes fastest; no Python runs between one row and the next.
    return list(starmap(shape, await cursor.fetchall()))


def _estimated_bytes(cursor: AsyncCursor[Any]) -> int:
    """Return about how much a cursor holds: as if each row had the length of the first.

    One row may be long by itself: arrays of thousands of bars, a published document.
    """
    result = cursor.pgresult
    if result is None or not result.ntuples:
        return 0
    values = (result.get_value(0, column) or b"" for column in range(result.nfields))
    return result.ntuples * sum(VALUE_OVERHEAD_BYTES + len(value) for value in values)


@contextmanager
def _as_problems() -> Iterator[None]:
    """Say what the driver says as a problem."""
    try:
        yield
    except errors.QueryCanceled as error:
        raise QueryTooSlow from error
    except (errors.UndefinedTable, errors.InvalidSchemaName) as error:
        raise DatasetMissing from error
    except psycopg.DataError as error:
        # PostgreSQL keeps every text but this: NUL, in text by the driver's word and in JSON by the server's.
        if isinstance(error, errors.UntranslatableCharacter) or "NUL" in str(error):
            raise TextInvalid("body") from error
        raise
    except psycopg.OperationalError as error:
        raise DatabaseUnreachable from error


@contextmanager
def _timed() -> Iterator[None]:
    """Count the time in the exchange of now."""
    started = time.perf_counter()
    try:
        yield
    finally:
        if (now := exchange.current.get(None)) is not None:
            now.database_seconds += time.perf_counter() - started


async def _configure(connection: AsyncConnection[Any]) -> None:
    await connection.execute(
        "select set_config('statement_timeout', %s, false), set_config('default_transaction_read_only', 'on', false),"
        " set_config('timezone', 'UTC', false), set_config('jit', 'off', false)",
        [STATEMENT_TIMEOUT],
    )
