"""The API's connections to Postgres: few, read-only unless a transaction says otherwise, never waited for long."""

import asyncio
import datetime as dt
import time
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from itertools import starmap
from typing import Any

import psycopg
from psycopg import AsyncConnection, AsyncCursor, errors
from psycopg.pq import TransactionStatus
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from api import exchange, tracing
from api.errors import ApiProblem, DatabaseBusy, DatabaseUnreachable, DatasetMissing, QueryTooSlow, TextInvalid
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
# A connection goes from one to the next without the pool; now and then the pool sees it, and replaces an old one.
HANDED_ON_SECONDS = 1_800.0
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
        self._made_at = time.monotonic()

    def is_fit(self) -> bool:
        """Tell whether it may go on without a look by the pool, which replaces what is broken or old."""
        return (
            self.pgconn.transaction_status == TransactionStatus.IDLE
            and time.monotonic() - self._made_at < HANDED_ON_SECONDS
        )

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
        with _Timed(), tracing.query(sql):
            return await _rows(self.connection.cursor(binary=True), shape, sql, parameters)

    async def execute(self, sql: str, parameters: Mapping[str, object] | None = None) -> int:
        """Carry out a statement; returns how many rows it touched."""
        with _Timed(), tracing.query(sql):
            return (await self.connection.execute(sql, parameters)).rowcount


class Database(Reader):
    """A pool of connections that answers queries with structs."""

    def __init__(self, url: str, clock: Clock) -> None:
        self.now = clock
        self._held = 0
        self._waiting = 0
        self._n_turns = MAX_CONNECTIONS
        self._queue: deque[asyncio.Future[Connection | None]] = deque()
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
        with _AS_PROBLEMS, _Timed(), tracing.query(sql):
            try:
                return await self._once(shape, sql, parameters)
            except (PoolTimeout, errors.QueryCanceled):
                raise
            except _WORTH_ANOTHER_TRY:
                await self._pool.check()
                # The other connection may have planned for the table of before as well.
                return await self._once(shape, sql, parameters, is_planned_anew=True)

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
        with _AS_PROBLEMS:
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
        with _Timed():
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
            connection = await self._turn()
            if connection is None:
                try:
                    connection = await self._pool.getconn(max(began_at + ACQUIRE_SECONDS - time.monotonic(), 0))
                except BaseException:
                    self._pass_turn()
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

    async def _turn(self) -> Connection | None:
        """Wait for a turn: with the connection of who had it, or with none, to be taken from the pool."""
        if self._n_turns:
            self._n_turns -= 1
            return None
        loop = asyncio.get_running_loop()
        turn: asyncio.Future[Connection | None] = loop.create_future()
        self._queue.append(turn)
        limit = loop.call_later(ACQUIRE_SECONDS, _give_up, turn)
        try:
            return await turn
        except asyncio.CancelledError:
            # It came, but nobody is there any more.
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                await self._hand_on(turn.result())
            raise
        finally:
            limit.cancel()

    async def _release(self, connection: Connection) -> None:
        self._held -= 1
        self._released_at = time.monotonic()
        await self._hand_on(connection)

    async def _hand_on(self, connection: Connection | None) -> None:
        """Give a turn to who waits for it longest: with its connection, while that is as good as a new one."""
        if connection is not None:
            if connection.is_fit() and (turn := self._next_turn()) is not None:
                turn.set_result(connection)
                return
            try:
                await self._pool.putconn(connection)
            finally:
                self._pass_turn()
        else:
            self._pass_turn()

    def _pass_turn(self) -> None:
        turn = self._next_turn()
        if turn is None:
            self._n_turns += 1
        else:
            turn.set_result(None)

    def _next_turn(self) -> "asyncio.Future[Connection | None] | None":
        while self._queue:
            turn = self._queue.popleft()
            if not turn.done():
                return turn
        return None


def _give_up(turn: asyncio.Future[Connection | None]) -> None:
    if not turn.done():
        turn.set_exception(TimeoutError())


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
    of_values = sum([len(result.get_value(0, column) or b"") for column in range(result.nfields)])
    return result.ntuples * (VALUE_OVERHEAD_BYTES * result.nfields + of_values)


class _AsProblems:
    """Says what the driver says as a problem."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        if isinstance(error, psycopg.Error) and (problem := _problem_of(error)) is not None:
            raise problem from error


_AS_PROBLEMS = _AsProblems()


def _problem_of(error: psycopg.Error) -> ApiProblem | None:
    if isinstance(error, errors.QueryCanceled):
        return QueryTooSlow()
    if isinstance(error, errors.UndefinedTable | errors.InvalidSchemaName):
        return DatasetMissing()
    # PostgreSQL keeps every text but this: NUL, in text by the driver's word and in JSON by the server's.
    if isinstance(error, psycopg.DataError):
        is_nul = isinstance(error, errors.UntranslatableCharacter) or "NUL" in str(error)
        return TextInvalid("body") if is_nul else None
    return DatabaseUnreachable() if isinstance(error, psycopg.OperationalError) else None


class _Timed:
    """Counts its time in the exchange of now."""

    __slots__ = ("_started",)

    def __enter__(self) -> None:
        self._started = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        if (now := exchange.current.get(None)) is not None:
            now.database_seconds += time.perf_counter() - self._started


async def _configure(connection: AsyncConnection[Any]) -> None:
    await connection.execute(
        "select set_config('statement_timeout', %s, false), set_config('default_transaction_read_only', 'on', false),"
        " set_config('timezone', 'UTC', false), set_config('jit', 'off', false)",
        [STATEMENT_TIMEOUT],
    )
