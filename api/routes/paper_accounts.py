"""/v1/paper-account: what the caller's orders on paper have led to."""

import datetime as dt

from litestar.di import NamedDependency

from api import answers, operations
from api.answers import Page
from api.cursors import Cursors
from api.database import Database
from api.identity.principal import Principal
from api.parameters import AsOf, Cursor, Limit
from api.routes.instruments import ACME
from api.writes import user_of
from warehouse.queries import paper_accounts
from warehouse.queries.paper_accounts import AccountDay, AccountPosition

TAG = "Orders"
DAY = AccountDay(dt.date(2024, 6, 28), 100_012.5, 99_485.0, 527.5, "USD")
POSITION = AccountPosition(
    ACME.ticker, ACME.instrument_id, 10.0, 52.75, 527.5, 515.0, 12.5, "USD", dt.date(2024, 6, 28)
)


@operations.read(
    "/paper-account",
    operation_id="list_paper_account",
    summary="List the worth of your account on paper",
    tag=TAG,
    scope="write:portfolio",
    problems=[410],
    example=Page([DAY], answers.Meta()),
)
async def list_account(
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
    cursors: NamedDependency[Cursors],
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[AccountDay]:
    """Cash and value at each close, the newest first; nothing before the first session after your first order."""
    before = cursors.read(cursor, tuple[dt.date])[0] if cursor else dt.date.max
    async with database.as_user(principal) as transaction:
        rows = await paper_accounts.days(transaction, user_of(principal), before=before, limit=limit + 1)
    shown, last = answers.first_page(rows, limit=limit)
    return Page(shown, answers.meta(), cursors.after(last.as_of_date) if last else None)


@operations.read(
    "/paper-account/positions",
    operation_id="list_paper_positions",
    summary="List what your account on paper holds",
    tag=TAG,
    scope="write:portfolio",
    example=Page([POSITION], answers.Meta()),
)
async def list_positions(
    database: NamedDependency[Database], principal: NamedDependency[Principal], as_of: AsOf = None
) -> Page[AccountPosition]:
    """What is held at the newest close, or at that of `as_of`, the largest first."""
    async with database.as_user(principal) as transaction:
        rows = await paper_accounts.positions(transaction, user_of(principal), as_of=as_of or dt.date.max)
    return Page(rows, answers.meta())
