"""/v1/portfolios and /v1/import/portfolio: what somebody holds, with what the market and the forecasters say of it."""

import datetime as dt
import hashlib
import unicodedata
import uuid
from collections.abc import Sequence
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from litestar import Request, Response
from litestar.di import NamedDependency
from litestar.openapi.spec import Example
from litestar.params import Body, PathParameter, QueryParameter
from msgspec import Meta
from psycopg.errors import UniqueViolation

from api import answers, operations
from api.answers import One, Page
from api.database import Database
from api.errors import ParameterConflict, ParameterError
from api.identity.principal import Principal
from api.refusals import Conflict, FileRefused, NameTaken, PortfolioUnknown
from api.writes import Answer, KeyWelcome, Write, user_of, writing
from warehouse.queries import portfolios, quotas
from warehouse.queries.portfolios import HeldNow, Portfolio, Replaced
from warehouse.records import holdings as records
from warehouse.records.errors import FileRefused as RecordsRefused
from warehouse.records.holdings import Holding

TAG = "Portfolios"
MOST_PORTFOLIOS = 100
CSV = "text/csv"
# No line end behind the last letter: Python's `$` would let one pass.
CURRENCY_PATTERN = r"^[A-Z]{3}$(?!\n)"
NAME_PATTERN = r"^\w[\w .,&()/\-]*$(?!\n)"
Name = Annotated[str, Meta(min_length=1, max_length=80, pattern=NAME_PATTERN, description="A name of your own.")]
Currency = Annotated[str, Meta(pattern=CURRENCY_PATTERN, description="Currency of the totals, ISO 4217.")]
EXAMPLE_ID = UUID("018f6b2e-7c1a-7cc3-9f3e-2f6d5a1b0c4e")
PortfolioId = Annotated[
    UUID, PathParameter(description="Id of the portfolio.", examples=[Example(value=str(EXAMPLE_ID))])
]
AT = dt.datetime(2024, 6, 28, 14, 5, tzinfo=dt.UTC)
EXAMPLE = Portfolio(EXAMPLE_ID, "Pension", "USD", 1, AT, AT)
HELD = HeldNow(
    ticker="ACME", name="Acme Corporation", instrument_id="i5f0c2a9b7d1e4c38", quantity_shares=Decimal(10),
    cost_price=Decimal("12.5"), price=15.0, currency_code="USD", price_at=AT, price_date=None, market_value=150.0,
    return_since_cost=0.2, signal="buy", signal_by="ensemble", signal_date=dt.date(2024, 6, 27), rank=17,
    confidence=0.61, expected_return_22d=0.012, previous_signal="hold", updated_at=AT,
)  # fmt: skip


GIVEN = {"holdings": [{"ticker": "ACME", "quantity_shares": "10", "cost_price": "12.5"}]}


class NewPortfolio(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A portfolio to be made."""

    name: Name
    currency_code: Currency = "USD"


class PortfolioChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is to change of a portfolio; what is left out stays."""

    name: Name | None = None
    currency_code: Currency | None = None


class Imported(msgspec.Struct, frozen=True):
    """What came of a file."""

    portfolio_id: Annotated[UUID | None, Meta(description="The portfolio; null where a dry run would make one.")]
    is_dry_run: Annotated[bool, Meta(description="True where nothing was written.")]
    is_known: Annotated[bool, Meta(description="True where the portfolio stands as of this file already.")]
    n_holdings: Annotated[int, Meta(description="Holdings in the file. Unit count.")]
    inserted: Annotated[int, Meta(description="Holdings that are new. Unit count.")]
    updated: Annotated[int, Meta(description="Holdings that have changed. Unit count.")]
    deleted: Annotated[int, Meta(description="Holdings that the file does not have any more. Unit count.")]


@operations.read(
    "/portfolios", operation_id="list_portfolios", summary="List portfolios", tag=TAG, scope="write:portfolio",
    example=Page([EXAMPLE], answers.Meta()),
)  # fmt: skip
async def list_portfolios(
    database: NamedDependency[Database], principal: NamedDependency[Principal]
) -> Page[Portfolio]:
    """Return the caller's portfolios, by name."""
    async with database.as_user(principal) as transaction:
        return Page(await portfolios.of_user(transaction, user_of(principal)), answers.meta())


@operations.read(
    "/portfolios/{portfolio_id:uuid}", operation_id="get_portfolio", summary="Look at a portfolio", tag=TAG,
    scope="write:portfolio", problems=[404], example=One(EXAMPLE, answers.Meta()),
)  # fmt: skip
async def get_portfolio(
    database: NamedDependency[Database], principal: NamedDependency[Principal], portfolio_id: PortfolioId
) -> One[Portfolio]:
    """Name, currency and number of holdings."""
    async with database.as_user(principal) as transaction:
        found = await portfolios.one(transaction, user_of(principal), portfolio_id)
    if found is None:
        raise PortfolioUnknown(portfolio_id)
    return One(found, answers.meta())


@operations.read(
    "/portfolios/{portfolio_id:uuid}/holdings", operation_id="list_holdings", summary="List what a portfolio holds",
    tag=TAG, scope="write:portfolio", problems=[404], example=Page([HELD], answers.Meta()),
)  # fmt: skip
async def list_holdings(
    database: NamedDependency[Database], principal: NamedDependency[Principal], portfolio_id: PortfolioId
) -> Page[HeldNow]:
    """Each holding with its latest price and its newest signal, by ticker; shares and cost as exact decimals."""
    async with database.as_user(principal) as transaction:
        if await portfolios.one(transaction, user_of(principal), portfolio_id) is None:
            raise PortfolioUnknown(portfolio_id)
        return Page(await portfolios.held(transaction, user_of(principal), portfolio_id), answers.meta())


@operations.write(
    "POST", "/portfolios", operation_id="create_portfolio", summary="Make a portfolio", tag=TAG,
    scope="write:portfolio", status_code=201, problems=[409, 422], example=One(EXAMPLE, answers.Meta()),
)  # fmt: skip
async def create_portfolio(
    request: Request[Any, Any, Any],
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
    data: Annotated[
        NewPortfolio,
        Body(title="Portfolio", examples=[Example(value={"name": "Pension", "currency_code": "USD"})]),
    ],
    idempotency_key: KeyWelcome,
) -> Response[One[Portfolio]]:
    """Make a portfolio that holds nothing yet; /v1/import/portfolio fills it."""
    try:
        async with writing(database, principal, request, idempotency_key) as write:
            known = await write.answered()
            if known is not None:
                return known
            made = await _make(write, data.name, data.currency_code)
            return await write.end(Answer(One(made, answers.meta()), 201, f"/v1/portfolios/{made.portfolio_id}"))
    except UniqueViolation as taken:
        raise NameTaken("portfolios", data.name) from taken


@operations.write(
    "PATCH", "/portfolios/{portfolio_id:uuid}", operation_id="change_portfolio", summary="Change a portfolio", tag=TAG,
    scope="write:portfolio", status_code=200, problems=[404, 409, 422], example=One(EXAMPLE, answers.Meta()),
)  # fmt: skip
async def change_portfolio(
    request: Request[Any, Any, Any],
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
    portfolio_id: PortfolioId,
    data: Annotated[PortfolioChange, Body(title="Change", examples=[Example(value={"name": "Savings"})])],
    idempotency_key: KeyWelcome,
) -> Response[One[Portfolio]]:
    """Change name or currency; what is left out stays."""
    try:
        async with writing(database, principal, request, idempotency_key) as write:
            if (known := await write.answered()) is not None:
                return known
            changed = await portfolios.update(
                write.transaction, write.user_id, portfolio_id, name=_clean(data.name),
                currency_code=data.currency_code, now=write.now,
            )  # fmt: skip
            found = await portfolios.one(write.transaction, write.user_id, portfolio_id) if changed else None
            if found is None:
                raise PortfolioUnknown(portfolio_id)
            await write.event("portfolio.changed", str(portfolio_id), {"change": "described"})
            write.note("portfolio.changed", str(portfolio_id))
            return await write.end(Answer(One(found, answers.meta()), 200))
    except UniqueViolation as taken:
        raise NameTaken("portfolios", data.name or "") from taken


@operations.write(
    "DELETE", "/portfolios/{portfolio_id:uuid}", operation_id="delete_portfolio", summary="Delete a portfolio", tag=TAG,
    scope="write:portfolio", status_code=204, media_types=(), problems=[404],
)  # fmt: skip
async def delete_portfolio(
    request: Request[Any, Any, Any],
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
    portfolio_id: PortfolioId,
) -> None:
    """Delete a portfolio with everything that it holds."""
    async with writing(database, principal, request) as write:
        if not await portfolios.delete(write.transaction, write.user_id, portfolio_id):
            raise PortfolioUnknown(portfolio_id)
        await write.event("portfolio.changed", str(portfolio_id), {"change": "deleted"})
        write.note("portfolio.deleted", str(portfolio_id))
        await write.end(Answer(None, 204))


@operations.write(
    "POST", "/import/portfolio", operation_id="import_portfolio", summary="Take a portfolio from a file", tag=TAG,
    scope="write:portfolio", status_code=200, media_types=(operations.JSON, CSV), problems=[404, 409, 422],
    example=One(Imported(EXAMPLE_ID, False, False, 50, 49, 1, 0), answers.Meta()),
    bodies={
        operations.JSON: {"shape": records.HoldingsGiven, "example": GIVEN},
        CSV: {"schema": {"type": "string"}, "example": "ticker,quantity,price paid\nACME,10,12.5\n"},
    },
)  # fmt: skip
async def import_portfolio(
    request: Request[Any, Any, Any],
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
    idempotency_key: KeyWelcome,
    portfolio_id: Annotated[
        UUID | None, QueryParameter(description="An existing portfolio.", examples=[Example(value=str(EXAMPLE_ID))])
    ] = None,
    name: Annotated[
        str | None,
        QueryParameter(
            pattern=NAME_PATTERN,
            min_length=1,
            max_length=80,
            description="In place of portfolio_id: one of this name, made where there is none.",
        ),
    ] = None,
    currency_code: Annotated[
        str, QueryParameter(pattern=CURRENCY_PATTERN, description="Of a portfolio that is made, ISO 4217.")
    ] = "USD",
    mode: Annotated[
        Literal["replace", "merge"],
        QueryParameter(description="replace: what the file does not hold goes; merge: it stays."),
    ] = "replace",
    dry_run: Annotated[bool, QueryParameter(description="Say what would come of it, and write nothing.")] = False,
) -> Response[One[Imported]]:
    """Take over the holdings of a CSV file (text/csv) or a JSON document, all of them or none.

    A CSV file has a header with at least a ticker and a quantity, under the names that brokers use, separated by comma,
    semicolon or tab, in UTF-8, and at most 5,000 rows. A JSON document is
    `{"holdings": [{"ticker": "ACME", "quantity_shares": "10", "cost_price": "12.5"}]}`. Each row that does not hold is
    named in `errors`. The same file again changes nothing.
    """  # fmt: skip
    if (portfolio_id is None) == (name is None):
        found = "neither" if name is None else "both"
        raise ParameterConflict(f"portfolio_id: must be given, or else name; got {found}. Give one of them.")
    body = await request.body()
    read = _read(body, is_csv=request.content_type[0] == CSV)
    try:
        async with writing(database, principal, request, idempotency_key) as write:
            known = await write.answered()
            if known is not None:
                return known
            known_tickers = await portfolios.instruments_of(write.transaction, [one.ticker for one in read])
            holdings = _with_instruments(read, known_tickers)
            target = await _target(write, portfolio_id, name)
            if dry_run:
                done = await _compare(write, target, holdings, keep_others=mode == "merge")
                return Answer(One(_imported(target, done, read, is_dry_run=True), answers.meta()), 200).response()
            target = target or await _found_or_made(write, name or "", currency_code)
            return await _take_over(write, target, holdings, body, keep_others=mode == "merge")
    except UniqueViolation as taken:
        raise NameTaken("portfolios", name or "") from taken


def _read(body: bytes, *, is_csv: bool) -> list[Holding]:
    try:
        return records.read_csv(body) if is_csv else records.read_json(body)
    except RecordsRefused as refused:
        raise FileRefused(
            [_error(problem.row, problem.field, problem.problem, "invalid") for problem in refused.problems]
        ) from refused


def _with_instruments(read: Sequence[Holding], known: dict[str, str]) -> list[tuple[str, Holding]]:
    unknown = [one for one in read if one.ticker not in known]
    if unknown:
        raise FileRefused(
            [
                _error(one.row, "ticker", f"No instrument has the ticker {one.ticker}", "unknown-ticker")
                for one in unknown
            ]
        )
    return [(known[one.ticker], one) for one in read]


def _error(row: int | None, field: str | None, problem: str, code: str) -> ParameterError:
    where = "/".join(["", *(["rows", str(row)] if row else []), *([field] if field else [])])
    return ParameterError(code=code, message=f"row {row}: {problem}" if row else problem, pointer=where)


async def _target(write: Write, portfolio_id: UUID | None, name: str | None) -> Portfolio | None:
    """Return the portfolio that is meant, None for one that is to be made."""
    if portfolio_id is None:
        return await portfolios.by_name(write.transaction, write.user_id, _clean(name) or "")
    found = await portfolios.one(write.transaction, write.user_id, portfolio_id)
    if found is None:
        raise PortfolioUnknown(portfolio_id)
    return found


async def _found_or_made(write: Write, name: str, currency_code: str) -> Portfolio:
    """Make a portfolio of this name, unless another request has made it since it was looked for."""
    await quotas.alone(write.transaction, write.user_id, "portfolios")
    return await _target(write, None, name) or await _make(write, name, currency_code)


async def _make(write: Write, name: str, currency_code: str) -> Portfolio:
    portfolio_id, clean = uuid.uuid4(), _clean(name) or ""
    await quotas.alone(write.transaction, write.user_id, "portfolios")
    if len(await portfolios.of_user(write.transaction, write.user_id)) >= MOST_PORTFOLIOS:
        raise Conflict(f"portfolios: at most {MOST_PORTFOLIOS} may be yours; they are. Delete one first.")
    await portfolios.insert(
        write.transaction, write.user_id, portfolio_id, name=clean, currency_code=currency_code, now=write.now
    )
    await write.event("portfolio.changed", str(portfolio_id), {"change": "created"})
    write.note("portfolio.created", str(portfolio_id))
    return Portfolio(portfolio_id, clean, currency_code, 0, write.now, write.now)


async def _take_over(
    write: Write, target: Portfolio, holdings: Sequence[tuple[str, Holding]], body: bytes, *, keep_others: bool
) -> Response[Any]:
    file_hash = hashlib.sha256(b"merge" * keep_others + body).hexdigest()
    if not await portfolios.lock(write.transaction, write.user_id, target.portfolio_id):
        raise PortfolioUnknown(target.portfolio_id)
    read = [one for _, one in holdings]
    is_known = await portfolios.latest_import(write.transaction, write.user_id, target.portfolio_id) == file_hash
    # A ticker of the same file may have been given to another instrument since.
    if is_known and await _compare(write, target, holdings, keep_others=keep_others) == Replaced(0, 0, 0):
        return await write.end(
            Answer(One(_imported(target, Replaced(0, 0, 0), read, is_known=True), answers.meta()), 200)
        )
    done = await portfolios.replace(
        write.transaction, write.user_id, target.portfolio_id, holdings, file_hash=file_hash, keep_others=keep_others,
        now=write.now,
    )  # fmt: skip
    counts = {"inserted": done.inserted, "updated": done.updated, "deleted": done.deleted}
    await write.event("portfolio.changed", str(target.portfolio_id), {"change": "holdings", **counts})
    write.note("portfolio.imported", str(target.portfolio_id), file_hash=file_hash, **counts)
    return await write.end(Answer(One(_imported(target, done, read), answers.meta()), 200))


async def _compare(
    write: Write, target: Portfolio | None, holdings: Sequence[tuple[str, Holding]], *, keep_others: bool
) -> Replaced:
    """Return what taking over would change."""
    held = await portfolios.held(write.transaction, write.user_id, target.portfolio_id) if target else []
    before = {one.instrument_id: (one.quantity_shares, one.cost_price) for one in held}
    after = {instrument_id: (one.quantity_shares, one.cost_price) for instrument_id, one in holdings}
    return Replaced(
        inserted=len(after.keys() - before.keys()),
        updated=sum(before[name] != after[name] for name in after.keys() & before.keys()),
        deleted=0 if keep_others else len(before.keys() - after.keys()),
    )


def _imported(
    target: Portfolio | None,
    done: Replaced,
    read: Sequence[Holding],
    *,
    is_dry_run: bool = False,
    is_known: bool = False,
) -> Imported:
    portfolio_id = target.portfolio_id if target else None
    return Imported(portfolio_id, is_dry_run, is_known, len(read), done.inserted, done.updated, done.deleted)


def _clean(name: str | None) -> str | None:
    """Write a name in one way: two that look alike are the same."""
    return None if name is None else unicodedata.normalize("NFC", name.strip())
