"""What the API reads of the log of events in its order, for those who follow it."""

import datetime as dt
from collections.abc import Sequence
from typing import Any

import msgspec

from warehouse.queries.reader import Reader

NEWEST = "select max(event_id) from app.events"

# Row-level security shows whoever asks the events of everybody and their own.
FOLLOWING = """
select event_id, type, user_id is not null, subject, payload, correlation_id, created_at
from app.events
where event_id > %(after)s or event_id = any(%(missing)s)
order by event_id
limit %(limit)s
"""


class LoggedEvent(msgspec.Struct, frozen=True):
    """Something that happened, as the log has it."""

    event_id: int
    type: str
    is_own: bool
    subject: str | None
    payload: dict[str, Any]
    correlation_id: str | None
    created_at: dt.datetime


class _Newest(msgspec.Struct, frozen=True):
    event_id: int | None


async def newest_id(reader: Reader) -> int:
    """Return the place of the newest event that can be seen, 0 while there is none."""
    return (await reader.rows(_Newest, NEWEST))[0].event_id or 0


async def following(reader: Reader, *, after: int, missing: Sequence[int], limit: int) -> list[LoggedEvent]:
    """Return events behind a place, and those before it that had not been seen, in their order."""
    parameters = {"after": after, "missing": list(missing), "limit": limit}
    return await reader.rows(LoggedEvent, FOLLOWING, parameters)
