"""The audit log: who asked for which write. Append only; each row carries a digest over the row before and itself."""

import datetime as dt
from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec
from psycopg.types.json import Jsonb

from warehouse.queries.reader import Reader, Writer

INSERT_ENTRY = """
insert into app.audit (at, actor, actor_kind, action, target, detail, request_id, client_address, user_agent)
values (
    %(at)s, %(actor)s, %(actor_kind)s, %(action)s, %(target)s, %(detail)s, %(request_id)s, %(client_address)s,
    %(user_agent)s
)
"""
BROKEN_LINKS = """
select chained.audit_id
from (
    select
        audit_id,
        digest,
        app.audit_digest(lag(digest, 1, '') over (order by audit_id), audit) as expected
    from app.audit as audit
) as chained
where chained.digest is distinct from chained.expected
order by chained.audit_id
"""


class Entry(NamedTuple):
    """One write that somebody asked for; `detail` holds facts, never secrets."""

    at: dt.datetime
    actor: str
    actor_kind: str
    action: str
    target: str
    detail: Mapping[str, Any]
    request_id: str | None = None
    client_address: str | None = None
    user_agent: str | None = None


class BrokenLink(msgspec.Struct, frozen=True):
    """A row whose digest is not the one of its content behind the row before it."""

    audit_id: int


async def append(writer: Writer, entry: Entry) -> None:
    """Write a row; it commits with whatever else the transaction does. Write it last: the log takes one at a time."""
    await writer.execute(INSERT_ENTRY, {**entry._asdict(), "detail": Jsonb(dict(entry.detail))})


async def broken_links(reader: Reader) -> list[BrokenLink]:
    """Return the rows that were changed, or behind which others were taken away."""
    return await reader.rows(BrokenLink, BROKEN_LINKS)
