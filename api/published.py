"""Answers that the pipeline has made in advance: found by one look-up in memory, sent as they are."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Collection
from functools import lru_cache

from litestar import Response

from api.exchange import Exchange
from api.presentation import weighed
from warehouse.queries import published
from warehouse.queries.published import Body
from warehouse.queries.reader import Reader
from warehouse.records.cursors import Signer

REFRESH_SECONDS = 2.0
# Compressed, all hot answers are some 3 MB; as they are, ten times that.
MAX_HELD_BYTES = 32_000_000

# Whether an answer was made in advance, and so comes compressed, can change under the same address.
VARY = "Accept, Accept-Encoding"

Name = tuple[str, str, bool]


class Bodies:
    """Bodies held in memory, by key, version and whether they are compressed; those asked for longest ago go first."""

    def __init__(self, max_bytes: int = MAX_HELD_BYTES) -> None:
        self._max_bytes = max_bytes
        self._held: OrderedDict[Name, Body] = OrderedDict()
        self._n_bytes = 0

    def get(self, name: Name) -> Body | None:
        """Return a body, None where it is not held."""
        found = self._held.get(name)
        if found is not None:
            self._held.move_to_end(name)
        return found

    def hold(self, name: Name, body: Body) -> None:
        """Keep a body that is not held yet, and let go of others until all fit."""
        if name in self._held or len(body.body) > self._max_bytes:
            return
        self._held[name] = body
        self._n_bytes += len(body.body)
        while self._n_bytes > self._max_bytes:
            self._drop(next(iter(self._held)))

    def keep(self, known: Collection[tuple[str, str]]) -> None:
        """Let go of every body whose key and version are not among these."""
        for name in [name for name in self._held if name[:2] not in known]:
            self._drop(name)

    def _drop(self, name: Name) -> None:
        self._n_bytes -= len(self._held.pop(name).body)


class Published:
    """The documents that there are: which ones is looked up every two seconds, a body when it is first asked for.

    What a document says under its key and version never changes.
    """

    def __init__(self, reader: Reader, signer: Signer) -> None:
        self._reader = reader
        self._signer = signer
        self._known: set[tuple[str, str]] = set()
        self._bodies = Bodies()
        self._read_at: float | None = None
        self._lock = asyncio.Lock()
        self._version_of = lru_cache(256)(lambda version: published.document_version(version, signer))

    async def answer(self, now: Exchange, accept_encoding: str) -> Response[bytes] | None:
        """Return the answer to the question of an exchange, None where none was made for these data."""
        key, version = now.question.key, self._version_of(now.question.version)
        if (key, version) not in await self._current():
            return None
        compressed = takes_brotli(accept_encoding)
        found = await self._body((key, version, compressed))
        if found is None:
            return None
        headers = {"Vary": VARY}
        if compressed:
            headers["Content-Encoding"] = "br"
            now.etag = brotli_tag(now.etag or "")
        if found.next_cursor:
            headers["Link"] = now.link(found.next_cursor)
        return Response(found.body, media_type=published.MEDIA_TYPE, headers=headers)

    async def _body(self, name: Name) -> Body | None:
        found = self._bodies.get(name)
        if found is None:
            key, version, compressed = name
            found = await published.body(self._reader, key, version, compressed=compressed)
            if found is not None:
                self._bodies.hold(name, found)
        return found

    async def _current(self) -> set[tuple[str, str]]:
        if self._is_fresh():
            return self._known
        async with self._lock:
            if not self._is_fresh():
                self._known = await published.documents(self._reader)
                self._bodies.keep(self._known)
                self._read_at = time.monotonic()
        return self._known

    def _is_fresh(self) -> bool:
        return self._read_at is not None and time.monotonic() - self._read_at < REFRESH_SECONDS


def brotli_tag(etag: str) -> str:
    """Return the entity tag of the same answer compressed: another representation has another tag."""
    return f'{etag[:-1]}-br"'


@lru_cache(256)
def takes_brotli(accept_encoding: str) -> bool:
    """Tell whether a client takes brotli.

    >>> takes_brotli("gzip, br;q=0.8"), takes_brotli("br;q=0.0"), takes_brotli("")
    (True, False, False)
    """
    return any(coding == "br" and quality > 0 for coding, quality in map(weighed, accept_encoding.split(",")))
