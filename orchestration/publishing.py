"""Publishing hot answers of the API: made as the API would make them, over one connection of the pipelines."""

import datetime as dt
from collections.abc import Mapping

import psycopg
from psycopg.rows import args_row

from warehouse.queries import datasets, published
from warehouse.queries.events import write_event
from warehouse.queries.rankings import Ranked
from warehouse.queries.reader import Reader, Row
from warehouse.records.answers import Page
from warehouse.records.cursors import Signer
from warehouse.records.events import TOP_SYMBOLS


async def publish(connection: psycopg.Connection, signer: Signer, now: dt.datetime) -> dict[str, int]:
    """Make and store every hot answer that is not there yet, and delete what is old; returns how many of each.

    Whoever follows the rankings is told of each new one.
    """
    reader = StatementReader(connection)
    versions = {row.dataset: row.version for row in await datasets.versions(reader)}
    there = published.known(connection)
    counts = {"made": 0, "unchanged": 0, "without_data": 0, "bytes": 0}
    keys = []
    async for question, answer in published.hot(reader, signer, versions):
        version = published.document_version(str(question.version), signer)
        keys.append(question.key)
        if (question.key, version) in there:
            counts["unchanged"] += 1
        elif (page := await answer()) is None:
            counts["without_data"] += 1
        else:
            made = published.document(question, version, page)
            published.store(connection, made)
            if question.operation_id == "list_rankings":
                _announce(connection, page, now)
            counts["made"] += 1
            counts["bytes"] += len(made.body) + len(made.body_brotli)
    return counts | {"deleted": published.delete_old(connection, keys)}


def _announce(connection: psycopg.Connection, page: Page[Ranked], now: dt.datetime) -> None:
    meta = page.meta
    facts = {
        "profile": meta.profile,
        "as_of": str(meta.as_of_date),
        "dataset_version": meta.dataset_version,
        "top_symbols": [row.ticker for row in page.data[:TOP_SYMBOLS]],
    }
    key = f"ranking.changed:{meta.profile}:{meta.dataset_version}"
    write_event(connection, "ranking.changed", facts, dedup_key=key, subject=meta.profile, now=now)


class StatementReader(Reader):
    """Reads as the API does, over one connection of the pipelines."""

    def __init__(self, connection: psycopg.Connection) -> None:
        self._connection = connection

    async def rows(self, shape: type[Row], sql: str, parameters: Mapping[str, object] | None = None) -> list[Row]:
        """Return the rows of a query, each as `shape`."""
        with self._connection.cursor(binary=True, row_factory=args_row(shape)) as cursor:
            return cursor.execute(sql, parameters).fetchall()
