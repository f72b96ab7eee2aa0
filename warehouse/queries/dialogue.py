"""Work that needs several queries, written once for both kinds of connection.

A dialogue is a generator: it yields a query with its parameters, is sent the rows, and returns its result in the end.
"""

from collections.abc import Generator, Mapping
from typing import Any, TypeAlias, TypeVar

import psycopg

Result = TypeVar("Result")
Query: TypeAlias = tuple[str, Mapping[str, Any]]
Rows: TypeAlias = list[tuple[Any, ...]]
Dialogue: TypeAlias = Generator[Query, Rows, Result]


def hold(connection: psycopg.Connection, dialogue: Dialogue[Result]) -> Result:
    """Hold a dialogue over a connection of the pipelines or of a command."""
    try:
        sql, parameters = next(dialogue)
        while True:
            rows = connection.execute(sql, parameters or None).fetchall()
            sql, parameters = dialogue.send(rows)
    except StopIteration as end:
        result: Result = end.value
        return result


async def hold_async(connection: psycopg.AsyncConnection[Any], dialogue: Dialogue[Result]) -> Result:
    """Hold a dialogue over a connection of the API."""
    try:
        sql, parameters = next(dialogue)
        while True:
            cursor = await connection.execute(sql, parameters or None)
            sql, parameters = dialogue.send(await cursor.fetchall())
    except StopIteration as end:
        result: Result = end.value
        return result
