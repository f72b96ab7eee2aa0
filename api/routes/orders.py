"""/v1/orders: orders on paper of the caller, executed by the pipeline's broker in the sessions that follow."""

import datetime as dt
from itertools import pairwise
from typing import Annotated, Any, Literal
from uuid import UUID, uuid4

import msgspec
from litestar import Request, Response
from litestar.di import NamedDependency
from litestar.openapi.spec import Example
from litestar.params import Body, PathParameter, QueryParameter
from msgspec import Meta

from api import answers, operations
from api.answers import One, Page
from api.cursors import Cursors
from api.database import Database
from api.errors import ParameterConflict, TickerUnknown
from api.identity.principal import Principal
from api.parameters import TICKER_PATTERN, Cursor, Limit
from api.refusals import Conflict, OrderEnded, OrderUnknown
from api.routes.instruments import ACME
from api.writes import Answer, KeyNeeded, user_of, writing
from warehouse.queries import instruments, quotas, user_orders
from warehouse.queries.user_orders import OrderState, UserOrder

TAG = "Orders"
MOST_OPEN_ORDERS = 500
OrderId = Annotated[
    UUID,
    PathParameter(description="Id of the order.", examples=[Example(value="018f6b2e-7c1a-7cc3-9f3e-2f6d5a1b0c50")]),
]
Price = Annotated[float, Meta(ge=1e-6, le=1e9)]
EXAMPLE = UserOrder(
    order_id=UUID("018f6b2e-7c1a-7cc3-9f3e-2f6d5a1b0c50"),
    ticker=ACME.ticker,
    instrument_id=ACME.instrument_id,
    side="buy",
    kind="limit",
    quantity_shares=10.0,
    price=50.0,
    stop_loss=45.0,
    take_profit=None,
    good_till_date=dt.date(2024, 7, 31),
    placed_at=dt.datetime(2024, 6, 28, 20, 30, tzinfo=dt.UTC),
    cancel_requested_at=None,
    state="requested",
    state_reason=None,
    broker_order_id=None,
    filled_shares=0.0,
    average_price=None,
    fee=0.0,
    closed_date=None,
)


class OrderAsked(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An order to place; prices and shares as they are traded now."""

    ticker: Annotated[str, Meta(pattern=TICKER_PATTERN, description="Canonical ticker.")]
    side: Annotated[Literal["buy", "sell"], Meta(description="buy, or sell what is held.")]
    quantity_shares: Annotated[float, Meta(ge=1e-6, le=1e9, description="How many; parts too. Unit shares.")]
    kind: Annotated[Literal["market", "limit", "stop"], Meta(description="How it is filled.")] = "market"
    price: Annotated[
        Price | None, Meta(description="Limit, or price that sets a stop off. Unit currency per share.")
    ] = None
    stop_loss: Annotated[
        Price | None, Meta(description="Of a purchase: stop of what is filled. Unit currency per share.")
    ] = None
    take_profit: Annotated[
        Price | None, Meta(description="Of a purchase: target of what is filled. Unit currency per share.")
    ] = None
    good_till_date: Annotated[dt.date | None, Meta(description="Last day; until cancelled by default.")] = None


@operations.write(
    "POST",
    "/orders",
    operation_id="create_order",
    summary="Place an order on paper",
    tag=TAG,
    scope="write:portfolio",
    status_code=201,
    problems=[404, 409, 422],
    example=One(EXAMPLE, answers.Meta()),
)
async def create_order(
    request: Request[Any, Any, Any],
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
    data: Annotated[
        OrderAsked,
        Body(
            title="Order",
            description="What to trade.",
            examples=[Example(value={"ticker": "ACME", "side": "buy", "quantity_shares": 10})],
        ),
    ],
    idempotency_key: KeyNeeded,
) -> Response[One[UserOrder]]:
    """Place an order. It takes part in the first session that opens after now: filled by that session's prices.

    Each account begins with 100,000 in the reporting currency; a purchase that it cannot pay for, and a sale of what it
    does not hold, are rejected by the broker.
    """
    _check(data)
    async with writing(database, principal, request, idempotency_key) as write:
        known = await write.answered()
        if known is not None:
            return known
        _check_last_day(data, write.now.date())
        instrument = await instruments.by_ticker(write.transaction, data.ticker.upper())
        if instrument is None:
            raise TickerUnknown([data.ticker.upper()])
        await quotas.alone(write.transaction, write.user_id, "orders")
        if await user_orders.count_open(write.transaction, write.user_id) >= MOST_OPEN_ORDERS:
            raise Conflict(f"orders: at most {MOST_OPEN_ORDERS} of yours may be open; they are. Take one back first.")
        order_id = uuid4()
        row = msgspec.structs.asdict(data) | {
            "order_id": order_id, "user_id": write.user_id, "instrument_id": instrument.instrument_id, "now": write.now,
        }  # fmt: skip
        row.pop("ticker")
        await user_orders.insert(write.transaction, row)
        placed = await user_orders.one(write.transaction, write.user_id, order_id)
        write.note("order.placed", str(order_id), ticker=instrument.ticker, side=data.side, kind=data.kind)
        return await write.end(Answer(One(placed, answers.meta()), 201, f"/v1/orders/{order_id}"))


@operations.read(
    "/orders",
    operation_id="list_orders",
    summary="List orders on paper",
    tag=TAG,
    scope="write:portfolio",
    problems=[410],
    example=Page([EXAMPLE], answers.Meta()),
)
async def list_orders(
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
    cursors: NamedDependency[Cursors],
    order_state: Annotated[
        OrderState | None,
        QueryParameter(name="state", description="Only in this state.", examples=[Example(value="requested")]),
    ] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[UserOrder]:
    """The caller's orders, the newest first."""
    async with database.as_user(principal) as transaction:
        rows = await user_orders.newest(
            transaction, user_of(principal), state=order_state,
            before=cursors.read(cursor, tuple[dt.datetime, UUID]) if cursor else None, limit=limit + 1,
        )  # fmt: skip
    shown, last = answers.first_page(rows, limit=limit)
    return Page(shown, answers.meta(), cursors.after(last.placed_at, last.order_id) if last else None)


@operations.read(
    "/orders/{order_id:uuid}",
    operation_id="get_order",
    summary="Look at an order on paper",
    tag=TAG,
    scope="write:portfolio",
    problems=[404],
    example=One(EXAMPLE, answers.Meta()),
)
async def get_order(
    database: NamedDependency[Database], principal: NamedDependency[Principal], order_id: OrderId
) -> One[UserOrder]:
    """One of the caller's orders, and what the broker has made of it."""
    async with database.as_user(principal) as transaction:
        found = await user_orders.one(transaction, user_of(principal), order_id)
    if found is None:
        raise OrderUnknown(order_id)
    return One(found, answers.meta())


@operations.write(
    "DELETE",
    "/orders/{order_id:uuid}",
    operation_id="cancel_order",
    summary="Take an order on paper back",
    tag=TAG,
    scope="write:portfolio",
    status_code=202,
    media_types=(),
    problems=[404, 409],
    example=One(msgspec.structs.replace(EXAMPLE, cancel_requested_at=EXAMPLE.placed_at), answers.Meta()),
)
async def cancel_order(
    request: Request[Any, Any, Any],
    database: NamedDependency[Database],
    principal: NamedDependency[Principal],
    order_id: OrderId,
) -> Response[One[UserOrder]]:
    """Ask for an order to be taken back: the broker does so before the next session opens.

    What a session that has opened already fills stays filled.
    """
    async with writing(database, principal, request) as write:
        before = await user_orders.one(write.transaction, write.user_id, order_id)
        if before is None:
            raise OrderUnknown(order_id)
        if not await user_orders.cancel(write.transaction, write.user_id, order_id, now=write.now):
            raise OrderEnded(order_id, before.state)
        now = await user_orders.one(write.transaction, write.user_id, order_id)
        write.note("order.cancelled", str(order_id), state=before.state)
        return await write.end(Answer(One(now, answers.meta()), 202, f"/v1/orders/{order_id}"))


def _check_last_day(order: OrderAsked, today: dt.date) -> None:
    """Refuse what no session that is yet to open can fill."""
    if order.good_till_date is not None and order.good_till_date < today:
        raise ParameterConflict(
            f"good_till_date: must be {today} (today, UTC) or later; got {order.good_till_date}. "
            "Name a later day, or leave it out."
        )


def _check(order: OrderAsked) -> None:
    """Refuse what does not go together."""
    if (order.kind == "market") != (order.price is None):
        raise ParameterConflict(
            f"price: must be given for limit and stop orders, and for them alone; got {order.price} for {order.kind}. "
            "Give it, or leave it out."
        )
    if order.side == "sell" and (order.stop_loss is not None or order.take_profit is not None):
        raise ParameterConflict(
            "stop_loss: must go with a purchase, as take_profit; "
            f"got {order.stop_loss} and {order.take_profit} with a sale. Leave them out."
        )
    named = [("stop_loss", order.stop_loss), ("price", order.price), ("take_profit", order.take_profit)]
    given = [(name, price) for name, price in named if price is not None]
    for (lower, low), (upper, high) in pairwise(given):
        if low >= high:
            raise ParameterConflict(f"{lower}: must be below {upper}; got {low} and {high}. Lower it.")
