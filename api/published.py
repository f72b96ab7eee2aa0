"""Answers that the pipeline has made in advance: found by one look-up, sent as they are."""

import asyncio
import time
from functools import lru_cache

from litestar import Response

from api.exchange import Exchange
from warehouse.queries import published
from warehouse.queries.reader import Reader
from warehouse.records.cursors import Signer

REFRESH_SECONDS = 2.0


class Published:
    """The documents that there are, by what is held in memory of them: their keys."""

    def __init__(self, reader: Reader, signer: Signer) -> None:
        self._reader = reader
        self._signer = signer
        self._known: set[tuple[str, str]] = set()
        self._read_at: float | None = None
        self._lock = asyncio.Lock()
        self._version_of = lru_cache(256)(lambda version: published.document_version(version, signer))

    async def answer(self, now: Exchange, accept_encoding: str) -> Response[bytes] | None:
        """Return the answer to the question of an exchange, None where none was made for these data."""
        key, version = now.question.key, self._version_of(now.question.version)
        if (key, version) not in await self._current():
            return None
        compressed = takes_brotli(accept_encoding)
        found = await published.body(self._reader, key, version, compressed=compressed)
        if found is None:
            return None
        headers = {"Vary": "Accept, Accept-Encoding"}
        if compressed:
            headers["Content-Encoding"] = "br"
            now.etag = brotli_tag(now.etag or "")
        if found.next_cursor:
            headers["Link"] = now.link(found.next_cursor)
        return Response(found.body, media_type=published.MEDIA_TYPE, headers=headers)

    async def _current(self) -> set[tuple[str, str]]:
        if self._is_fresh():
            return self._known
        async with self._lock:
            if not self._is_fresh():
                self._known = await published.documents(self._reader)
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

    >>> takes_brotli("gzip, br;q=0.8"), takes_brotli("br;q=0"), takes_brotli("")
    (True, False, False)
    """
    for part in accept_encoding.split(","):
        coding, _, parameter = part.partition(";")
        if coding.strip().lower() == "br":
            return parameter.replace(" ", "").rstrip("0").rstrip(".") != "q="
    return False
