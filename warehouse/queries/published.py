"""Answers made in advance: which are hot, how they are made, stored, found and thrown away."""

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from pathlib import Path
from typing import Any, NamedTuple, get_args

import brotli
import msgspec
import psycopg

from warehouse.queries import answers, instruments, ordering, prices, rankings, signals
from warehouse.queries.instruments import Instrument
from warehouse.queries.rankings import Profile
from warehouse.queries.reader import Reader
from warehouse.records import answers as envelope
from warehouse.records.answers import Page
from warehouse.records.cursors import Asked, Signer
from warehouse.records.questions import Question, content_hash
from warehouse.versions import version_of

MEDIA_TYPE = "application/json"
HOT_INSTRUMENTS = 50
HOT_PERIODS: tuple[prices.Period, ...] = (prices.DEFAULT_PERIOD, "5y")
KEPT_VERSIONS = 2
# As the operations have it by default.
ROWS = 50
# Half a per cent longer than with 9, in a seventh of the time.
BROTLI_QUALITY = 5

# Another code may put the same data in another way: documents of the one are none of the other.
FORM = content_hash(
    *(
        Path(str(module.__file__)).read_text(encoding="utf-8")
        for module in (answers, envelope, instruments, ordering, prices, rankings, signals)
    )
)

MOST_LIQUID = f"""
select {instruments.COLUMNS}
from marts.dim_instruments
inner join (
    select instrument_id, dollar_volume_21d
    from factors.fct_liquidity
    where as_of_date = (select max(as_of_date) from factors.fct_liquidity)
) as newest using (instrument_id)
where is_active and dollar_volume_21d is not null
order by dollar_volume_21d desc, instrument_id
limit %(limit)s
"""

KNOWN = "select key, version from app.published_documents"
PLAIN = "select body, next_cursor from app.published_documents where key = %(key)s and version = %(version)s"
COMPRESSED = """
select body_brotli, next_cursor from app.published_documents where key = %(key)s and version = %(version)s
"""

INSERT = """
insert into app.published_documents (key, version, etag, media_type, body, body_brotli, next_cursor)
values (%(key)s, %(version)s, %(etag)s, %(media_type)s, %(body)s, %(body_brotli)s, %(next_cursor)s)
on conflict (key, version) do nothing
"""

# What is hot no longer goes too.
DELETE_OLD = """
delete from app.published_documents as d
using (
    select key, version, row_number() over (partition by key order by published_at desc, version) as age
    from app.published_documents
) as aged
where
    d.key = aged.key and d.version = aged.version
    and (aged.age > %(kept)s or not d.key = any(%(hot)s))
"""


class Known(msgspec.Struct, frozen=True, gc=False):
    """A document that there is."""

    key: str
    version: str


class Body(msgspec.Struct, frozen=True, gc=False):
    """What is sent."""

    body: bytes
    next_cursor: str | None


class Document(NamedTuple):
    """One answer, ready to be stored."""

    key: str
    version: str
    etag: str
    media_type: str
    body: bytes
    body_brotli: bytes
    next_cursor: str | None


class Hot(NamedTuple):
    """A question that is asked often, and how it is answered; None where there is nothing to answer with."""

    question: Question
    answer: Callable[[], Awaitable[Page[Any] | None]]


def document_version(version: str, signer: Signer) -> str:
    """Return the version of documents that are made from these data, by this code, with cursors of this key."""
    return content_hash(version, FORM, signer.fingerprint)


async def hot(reader: Reader, signer: Signer, versions: Mapping[str, str]) -> AsyncIterator[Hot]:
    """Give every hot question whose tables have versions."""
    version = version_of(rankings.DATASETS, versions)
    if version is not None:
        for profile in get_args(Profile):
            filters = () if profile == "balanced" else (("profile", profile),)
            yield _ranking(reader, signer, Question("list_rankings", "/v1/rankings", filters, version), profile)
    version = version_of(signals.DATASETS, versions)
    if version is not None:
        yield _live_signals(reader, signer, Question("list_live_signals", "/v1/signals/live", (), version))
    version = version_of(prices.DATASETS, versions)
    if version is not None:
        for instrument in await reader.rows(Instrument, MOST_LIQUID, {"limit": HOT_INSTRUMENTS}):
            for period in HOT_PERIODS:
                filters = () if period == prices.DEFAULT_PERIOD else (("period", period),)
                question = Question("list_history", f"/v1/history/{instrument.ticker}", filters, version)
                yield _history(reader, signer, question, instrument, period)


def document(question: Question, version: str, page: Page[Any]) -> Document:
    """Return the document of an answer."""
    body = msgspec.json.encode(page)
    etag = content_hash(body.decode())
    return Document(
        question.key, version, etag, MEDIA_TYPE, body, brotli.compress(body, quality=BROTLI_QUALITY), page.next
    )


def known(connection: psycopg.Connection) -> set[tuple[str, str]]:
    """Return key and version of every document that there is."""
    return {(key, version) for key, version in connection.execute(KNOWN)}


def store(connection: psycopg.Connection, made: Document) -> None:
    """Store a document; one that is there already stays."""
    connection.execute(INSERT, made._asdict())


def delete_old(connection: psycopg.Connection, hot: Collection[str]) -> int:
    """Delete all but the newest versions of each document, and documents that are hot no longer; returns how many."""
    return connection.execute(DELETE_OLD, {"kept": KEPT_VERSIONS, "hot": list(hot)}).rowcount


async def documents(reader: Reader) -> set[tuple[str, str]]:
    """Return key and version of every document that there is."""
    return {(row.key, row.version) for row in await reader.rows(Known, KNOWN)}


async def body(reader: Reader, key: str, version: str, *, compressed: bool) -> Body | None:
    """Return a document by its key, None where it is gone."""
    rows = await reader.rows(Body, COMPRESSED if compressed else PLAIN, {"key": key, "version": version})
    return rows[0] if rows else None


def _ranking(reader: Reader, signer: Signer, question: Question, profile: Profile) -> Hot:
    async def answer() -> Page[Any] | None:
        return await answers.ranking(reader, Asked(question, signer), profile=profile, limit=ROWS)

    return Hot(question, answer)


def _live_signals(reader: Reader, signer: Signer, question: Question) -> Hot:
    async def answer() -> Page[Any] | None:
        return await answers.live_signals(reader, Asked(question, signer), limit=ROWS)

    return Hot(question, answer)


def _history(reader: Reader, signer: Signer, question: Question, instrument: Instrument, period: prices.Period) -> Hot:
    async def answer() -> Page[Any] | None:
        found = await prices.history(reader, instrument.instrument_id, months=prices.MONTHS[period])
        return answers.history(Asked(question, signer), instrument, found) if found and found.bars else None

    return Hot(question, answer)
