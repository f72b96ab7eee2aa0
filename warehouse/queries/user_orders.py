"""Orders on paper that users place: written by the API, executed by the pipeline's broker."""

import datetime as dt
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from msgspec import Meta

from warehouse.queries import columns
from warehouse.queries.reader import Reader, Writer

OrderState = Literal["requested", "waiting", "partly_filled", "filled", "expired", "cancelled", "rejected"]
UNFINISHED: tuple[OrderState, ...] = ("requested", "waiting", "partly_filled")

_ORDER = """
    o.order_id, i.ticker, o.instrument_id, o.side, o.kind, o.quantity_shares, o.price, o.stop_loss, o.take_profit,
    o.good_till_date, o.placed_at, o.cancel_requested_at, o.state, o.state_reason, o.broker_order_id, o.filled_shares,
    o.average_price, o.fee, o.closed_date
"""
_FROM = """
from app.paper_orders as o
left join marts.dim_instruments as i on o.instrument_id = i.instrument_id
where o.user_id = %(user_id)s
"""
NEWEST = f"""
select {_ORDER} {_FROM}
    and (%(state)s::text is null or o.state = %(state)s)
    and (%(before_at)s::timestamptz is null or (o.placed_at, o.order_id) < (%(before_at)s, %(before_id)s::uuid))
order by o.placed_at desc, o.order_id desc
limit %(limit)s
"""
ONE = f"select {_ORDER} {_FROM} and o.order_id = %(order_id)s"
INSERT = """
insert into app.paper_orders (
    order_id, user_id, instrument_id, side, kind, quantity_shares, price, stop_loss, take_profit, good_till_date,
    placed_at, updated_at
) values (
    %(order_id)s, %(user_id)s, %(instrument_id)s, %(side)s, %(kind)s, %(quantity_shares)s, %(price)s, %(stop_loss)s,
    %(take_profit)s, %(good_till_date)s, %(now)s, %(now)s
)
"""
COUNT_OPEN = """
select count(*) as n_orders from app.paper_orders
where user_id = %(user_id)s and state in ('requested', 'waiting', 'partly_filled')
"""
CANCEL = """
update app.paper_orders
set cancel_requested_at = coalesce(cancel_requested_at, %(now)s), updated_at = %(now)s
where user_id = %(user_id)s and order_id = %(order_id)s and state in ('requested', 'waiting', 'partly_filled')
"""

# -- what the pipeline reads and writes

USERS = (
    "select user_id::text, min(placed_at) as first_placed_at from app.paper_orders group by user_id order by user_id"
)

# $1 day
ACCOUNTS_BEFORE = """
select distinct on (user_id) user_id::text, trade_date, account
from app.paper_accounts
where trade_date < $1
order by user_id, trade_date desc
"""
NEWEST_ACCOUNT = "select max(trade_date) as trade_date from app.paper_accounts"

# %(user_id)s
ORDERS_OF_USER = """
select
    order_id::text, instrument_id, side, kind, quantity_shares, price, stop_loss, take_profit, good_till_date,
    placed_at, cancel_requested_at
from app.paper_orders
where user_id = %(user_id)s
order by placed_at, order_id
"""
WRITE_STATE = """
update app.paper_orders
set
    state = %(state)s, state_reason = %(state_reason)s, broker_order_id = %(broker_order_id)s,
    filled_shares = %(filled_shares)s, average_price = %(average_price)s, fee = %(fee)s, closed_date = %(closed_date)s,
    updated_at = %(now)s
where
    order_id = %(order_id)s::uuid
    and (state, state_reason, broker_order_id, filled_shares, average_price, fee, closed_date) is distinct from (
        %(state)s::text, %(state_reason)s::text, %(broker_order_id)s::text, %(filled_shares)s::float8,
        %(average_price)s::float8, %(fee)s::float8, %(closed_date)s::date
    )
"""
WRITE_ACCOUNT = """
insert into app.paper_accounts as a (user_id, trade_date, equity, cash, currency_code, account, computed_at)
values (
    %(user_id)s::uuid, %(trade_date)s, %(equity)s, %(cash)s, %(currency_code)s, %(account)s, %(now)s
)
on conflict (user_id, trade_date) do update
set
    equity = excluded.equity, cash = excluded.cash, currency_code = excluded.currency_code, account = excluded.account,
    computed_at = excluded.computed_at
where (a.equity, a.cash, a.currency_code, a.account)
    is distinct from (excluded.equity, excluded.cash, excluded.currency_code, excluded.account)
"""
# $1 first day, $2 last day, $3 currency of the accounts
FACTORS_BETWEEN = """
select
    p.instrument_id, p.trade_date, coalesce(p.adjustment_factor, 1) as factor,
    case when p.currency_code = $3 then 1 else r.exchange_rate end as rate
from marts.fct_daily_prices as p
left join marts.fct_exchange_rates as r on p.currency_code = r.currency_code and p.trade_date = r.as_of_date
where p.trade_date between $1 and $2 and not p.is_suspect
"""


class _Count(msgspec.Struct, frozen=True):
    n_orders: int


class UserOrder(msgspec.Struct, frozen=True):
    """An order on paper of a user, and what the broker has made of it."""

    order_id: Annotated[UUID, Meta(description="Id of the order.")]
    ticker: Annotated[str | None, Meta(description="Canonical ticker today.")]
    instrument_id: columns.InstrumentId
    side: Annotated[str, Meta(description="buy, or sell what is held.")]
    kind: Annotated[str, Meta(description="market, limit, or stop.")]
    quantity_shares: Annotated[float, Meta(description="Ordered, as traded when it was placed. Unit shares.")]
    price: Annotated[float | None, Meta(description="Limit, or price that sets a stop off. Unit currency per share.")]
    stop_loss: Annotated[float | None, Meta(description="Stop of what is filled. Unit currency per share.")]
    take_profit: Annotated[float | None, Meta(description="Target of what is filled. Unit currency per share.")]
    good_till_date: Annotated[dt.date | None, Meta(description="Last day; null = until cancelled.")]
    placed_at: Annotated[dt.datetime, Meta(description="When it was placed, UTC.")]
    cancel_requested_at: Annotated[dt.datetime | None, Meta(description="When its owner took it back, UTC.")]
    state: Annotated[
        OrderState, Meta(description="requested, waiting, partly_filled; then filled, expired, cancelled, rejected.")
    ]
    state_reason: Annotated[str | None, Meta(description="Why it was rejected or cancelled.")]
    broker_order_id: Annotated[str | None, Meta(description="The broker's id, once it has one.")]
    filled_shares: Annotated[float, Meta(description="Filled so far, as `quantity_shares`. Unit shares.")]
    average_price: Annotated[float | None, Meta(description="Average of the fills. Unit currency per share.")]
    fee: Annotated[float, Meta(description="Fees in the currency of the account. Unit currency.")]
    closed_date: Annotated[dt.date | None, Meta(description="Session that ended it.")]


async def newest(
    reader: Reader, user_id: UUID, *, state: str | None, before: tuple[dt.datetime, UUID] | None, limit: int
) -> list[UserOrder]:
    """Return orders of a user, the newest first."""
    at, order_id = before or (None, None)
    parameters = {"user_id": user_id, "state": state, "before_at": at, "before_id": order_id, "limit": limit}
    return await reader.rows(UserOrder, NEWEST, parameters)


async def one(reader: Reader, user_id: UUID, order_id: UUID) -> UserOrder | None:
    """Return an order of a user."""
    rows = await reader.rows(UserOrder, ONE, {"user_id": user_id, "order_id": order_id})
    return rows[0] if rows else None


async def count_open(reader: Reader, user_id: UUID) -> int:
    """Return how many orders of a user may still be filled."""
    return (await reader.rows(_Count, COUNT_OPEN, {"user_id": user_id}))[0].n_orders


async def insert(writer: Writer, row: dict[str, Any]) -> None:
    """Write an order."""
    await writer.execute(INSERT, row)


async def cancel(writer: Writer, user_id: UUID, order_id: UUID, *, now: dt.datetime) -> bool:
    """Ask for an order to be taken back; False where it has ended."""
    return await writer.execute(CANCEL, {"user_id": user_id, "order_id": order_id, "now": now}) > 0
