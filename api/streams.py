"""Streams of events: each reads the log at its own pace, so that a slow client holds nobody up and fills nothing.

There is no queue to overflow: what a client has not taken yet stands in the log, and is read when it takes it.
"""

import asyncio
import datetime as dt
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import suppress
from typing import NamedTuple, TypeVar

import msgspec

from api.database import Database
from api.errors import ApiProblem, StreamsFull
from api.following import Reached, Wake
from api.identity.principal import Principal
from warehouse.queries import event_stream
from warehouse.queries.event_stream import LoggedEvent
from warehouse.queries.reader import Reader
from warehouse.records.event_topics import types_of
from warehouse.records.questions import content_hash

Found = TypeVar("Found")

MEDIA_TYPE = "text/event-stream"
COMMENT_SECONDS = 15.0
# So long a stream may outlive what opened it: its key, its token, its account.
CHECK_SECONDS = 4.0
BATCH = 200
KEPT = dt.timedelta(hours=24)
MAX_STREAMS = 200
MAX_STREAMS_OF_ONE = 5
# Streams share so many connections of the pool: requests keep the others.
READERS = 2
RETRY = b"retry: 2000\n\n"
RESET = b'{"reason":"older than 24 h, or of another log: read what stands, then go on"}'
COMMENT = b": still here\n\n"


class _Listener(NamedTuple):
    """Who follows what, under whose name the places are counted, and whether it may go on."""

    principal: Principal
    whose: str
    topics: Sequence[str]
    is_admitted: Callable[[], Awaitable[bool]]


class Streams:
    """Every stream of this process."""

    def __init__(self, database: Database, wake: Wake) -> None:
        self._database = database
        self._wake = wake
        self._open: Counter[str] = Counter()
        self._reading = asyncio.Semaphore(READERS)
        self._is_ending = False

    def end(self) -> None:
        """End every stream; a client goes on elsewhere from where it is."""
        self._is_ending = True
        self._wake.wake()

    async def open(
        self,
        principal: Principal,
        whose: str,
        topics: Sequence[str],
        last_event_id: str | None,
        *,
        is_admitted: Callable[[], Awaitable[bool]],
    ) -> AsyncIterator[bytes]:
        """Return a stream that has its place, piece by piece until the client leaves or the server ends.

        Parameters
        ----------
        is_admitted
            Asked every CHECK_SECONDS: a stream ends with the key, token or account that opened it.

        Raises
        ------
        StreamsFull
            When this client, or all of them, have as many as there may be.
        """
        self.admit(whose)
        pieces = self._follow(_Listener(principal, whose, topics, is_admitted), last_event_id)
        # It begins here, before anybody else is admitted; and whatever ends it from now on gives its place back.
        await anext(pieces)
        return pieces

    def admit(self, whose: str) -> None:
        """Refuse a stream too many; raises StreamsFull."""
        if self._open[whose] >= MAX_STREAMS_OF_ONE or self._open.total() >= MAX_STREAMS:
            raise StreamsFull(MAX_STREAMS_OF_ONE)

    async def _follow(self, listener: _Listener, last_event_id: str | None) -> AsyncIterator[bytes]:
        self._open[listener.whose] += 1
        try:
            reached, is_reset = await self._start(listener.principal, last_event_id)
            yield b""
            yield RETRY
            if is_reset:
                yield self._message(reached, "reset", RESET)
            async for piece in self._pieces(listener, reached):
                yield piece
        finally:
            self._open[listener.whose] -= 1
            self._open += Counter()

    async def _start(self, principal: Principal, last_event_id: str | None) -> tuple[Reached, bool]:
        """Return where a stream begins, and whether what the client has is nothing to go on from.

        It is not when it is too old, nor when the log ends before it: then it is of another log, or an older one.
        """
        newest = await self._newest(principal)
        if last_event_id is not None:
            event_id, at = (int(part) for part in last_event_id.split("."))
            if event_id <= newest and dt.datetime.fromtimestamp(at, dt.UTC) >= self._database.now() - KEPT:
                return Reached(event_id), False
        return Reached(newest), last_event_id is not None

    async def _pieces(self, listener: _Listener, reached: Reached) -> AsyncIterator[bytes]:
        types, clock = types_of(listener.topics), asyncio.get_running_loop().time
        spoke_at = checked_at = clock()
        while not self._is_ending:
            seen: list[LoggedEvent] = []
            # A database that is away, or busy, is read a little later: the log has everything.
            with suppress(ApiProblem):
                if clock() - checked_at >= CHECK_SECONDS:
                    async with self._reading:
                        if not await listener.is_admitted():
                            return
                    checked_at = clock()
                seen = await self._read(listener.principal, reached)
            for event in seen:
                reached.see(event.event_id)
                if event.type in types:
                    yield self._message(reached, event.type, msgspec.json.encode(event))
                    spoke_at = clock()
            if clock() - spoke_at >= COMMENT_SECONDS:
                yield COMMENT
                spoke_at = clock()
            if len(seen) < BATCH:
                await self._wake.news()

    async def _read(self, principal: Principal, reached: Reached) -> list[LoggedEvent]:
        def following(reader: Reader) -> Awaitable[list[LoggedEvent]]:
            return event_stream.following(reader, after=reached.newest, missing=reached.missing, limit=BATCH)

        async with self._reading:
            return await self._as(principal, following)

    async def _newest(self, principal: Principal) -> int:
        return await self._as(principal, event_stream.newest_id)

    async def _as(self, principal: Principal, read: Callable[[Reader], Awaitable[Found]]) -> Found:
        """Read as whoever asks: row-level security shows them what is theirs and what is everybody's."""
        if principal.user_id is None:
            return await read(self._database)
        async with self._database.as_user(principal) as transaction:
            return await read(transaction)

    def _message(self, reached: Reached, type: str, data: bytes) -> bytes:
        at = int(self._database.now().timestamp())
        return b"id: %d.%d\nevent: %s\ndata: %s\n\n" % (reached.place, at, type.encode(), data)


def whose_stream(principal: Principal, peer: str | None) -> str:
    """Name whoever a stream counts for: the account, else the address."""
    return f"principal {principal.user_id}" if principal.user_id else f"peer {content_hash(peer or '')}"
