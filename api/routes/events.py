"""GET /v1/events: the one log of what happened, everybody's and the caller's own."""

import datetime as dt
from typing import Annotated

from litestar.di import NamedDependency
from litestar.openapi.spec import Example
from litestar.params import QueryParameter

from api import answers, operations
from api.answers import Page
from api.cursors import Cursors
from api.database import Database
from api.identity.principal import Principal
from api.parameters import Cursor, Limit
from warehouse.queries import event_log
from warehouse.queries.event_log import Event

EXAMPLE = Event(
    event_id=1042,
    type="price.updated",
    is_own=False,
    subject="raw.daily_bars",
    payload={"as_of_date": "2024-06-28", "n_symbols": 500, "top_symbols": ["ACME", "ZETA"]},
    correlation_id="3f1c8a52-9a55-4cde-8a3f-0d6f6a2b1c77",
    created_at=dt.datetime(2024, 6, 28, 23, 5, tzinfo=dt.UTC),
)


@operations.read(
    "/events", operation_id="list_events", summary="List events", tag="Events", scope="read:market", problems=[410],
    example=Page([EXAMPLE], answers.Meta()),
)  # fmt: skip
async def list_events(
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
    cursors: NamedDependency[Cursors],
    type: Annotated[
        str | None,
        QueryParameter(
            pattern=r"^[a-z_]{1,40}\.[a-z_]{1,40}$",
            description="Only of this type.",
            examples=[Example(value="price.updated")],
        ),
    ] = None,
    subject: Annotated[
        str | None,
        QueryParameter(
            pattern=r"^[\w.\-:/]{1,128}$",
            description="Only what is about this.",
            examples=[Example(value="raw.daily_bars")],
        ),
    ] = None,
    correlation_id: Annotated[
        str | None,
        QueryParameter(
            pattern=r"^[A-Za-z0-9][A-Za-z0-9\-]{7,63}$",
            description="Only what one request, or one run, has led to.",
            examples=[Example(value="3f1c8a52-9a55-4cde-8a3f-0d6f6a2b1c77")],
        ),
    ] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[Event]:
    """Return events of the last 30 days, newest first: those of everybody, and the caller's own."""  # fmt: skip
    before = cursors.read(cursor, tuple[int])[0] if cursor else None
    types = None if type is None else [type]
    if principal.user_id is None:
        rows = await event_log.newest(
            database, None, types=types, subject=subject, correlation_id=correlation_id, before=before, limit=limit + 1
        )
    else:
        async with database.as_user(principal) as transaction:
            rows = await event_log.newest(
                transaction, principal.user_id, types=types, subject=subject, correlation_id=correlation_id,
                before=before, limit=limit + 1,
            )  # fmt: skip
    shown, last = answers.first_page(rows, limit=limit)
    return Page(shown, answers.meta(), cursors.after(last.event_id) if last else None)
