"""Orders on paper that users placed: handed to the broker before the first session that opens after them."""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from psycopg.rows import dict_row

from orchestration.installation import Installation
from orchestration.resources import Warehouse
from orchestration.trading import read_account, read_tape
from orchestration.trading_rows import as_json
from transforms.brokers import PaperBroker
from transforms.days import as_days
from transforms.paper_account import Account, Ticket
from transforms.paper_broker import NOTHING, BrokerRules, Order
from transforms.paper_settlement import place, settle, withdraw
from transforms.tape import Tape
from warehouse.merge import MergeResult
from warehouse.queries import user_orders as queries

STARTING_CASH = 100_000.0
# Sessions before the first one from which an order's prices are understood: an instrument may have paused.
LOOK_BACK = 30


class Basis(NamedTuple):
    """What a share and a price of an order mean in adjusted terms, as of the session before it takes part."""

    factor: float
    rate: float


class Rejected(NamedTuple):
    """An order that the broker did not take."""

    order_id: str
    reason: str
    day: dt.date
    is_cancelled: bool = False


class Prices(NamedTuple):
    """What orders of users are filled at: sessions, their tape, and factors and rates by (session, instrument)."""

    sessions: list[dt.date]
    tape: Tape
    basis: Mapping[str, tuple[np.ndarray, np.ndarray]]

    def basis_before(self, row: int, instrument_id: str) -> Basis | None:
        """Return the newest factor and rate before a session, None where there are none."""
        if instrument_id not in self.basis:
            return None
        factor, rate = (values[:row] for values in self.basis[instrument_id])
        known = np.flatnonzero(np.isfinite(factor * rate))
        return Basis(float(factor[known[-1]]), float(rate[known[-1]])) if len(known) else None


def trade_for_users(
    warehouse: Warehouse, installation: Installation, rules: BrokerRules, window: tuple[dt.date, dt.date]
) -> MergeResult:
    """Carry the accounts of all users through a window, and on to the newest session that is stored.

    Returns
    -------
    MergeResult
        Orders that changed, as updated, and that did not.
    """
    first, last = window
    users = warehouse.read(queries.USERS).to_pylist()
    if not users:
        return MergeResult()
    stored = {row["user_id"]: row for row in warehouse.read(queries.ACCOUNTS_BEFORE, [first]).to_pylist()}
    newest = warehouse.read(queries.NEWEST_ACCOUNT).to_pylist()[0]["trade_date"]
    last = max(day for day in (last, newest) if day is not None)
    sessions = installation.sessions(None, last)
    starts = {}
    for user in users:
        before = stored.get(user["user_id"])
        since = before["trade_date"] if before else user["first_placed_at"].date() - dt.timedelta(days=1)
        starts[user["user_id"]] = next((n for n, day in enumerate(sessions) if day > since), len(sessions))
    begin = max(min(starts.values()) - LOOK_BACK, 0)
    if begin >= len(sessions):
        return MergeResult()
    prices = _read_prices(warehouse, installation, sessions[begin:])
    total = MergeResult()
    for user_id, start in starts.items():
        row = stored.get(user_id)
        account = Account.opened(STARTING_CASH) if row is None else read_account(row["account"])
        total += _trade(warehouse, installation, rules, user_id, account, prices, start - begin, begin)
    return total


def _trade(
    warehouse: Warehouse,
    installation: Installation,
    rules: BrokerRules,
    user_id: str,
    account: Account,
    prices: Prices,
    first_row: int,
    offset: int,
) -> MergeResult:
    """Carry one account on, and write it with its orders."""
    with warehouse.connection() as connection:
        cursor = connection.cursor(row_factory=dict_row)
        orders = cursor.execute(queries.ORDERS_OF_USER, {"user_id": user_id}).fetchall()
    broker, calendar = PaperBroker(user_id, rules), installation.calendar
    closed: dict[str, Ticket] = {}
    rejected: list[Rejected] = []
    days: list[tuple[dt.date, Account]] = []
    for row in range(first_row, len(prices.sessions)):
        day = prices.sessions[row]
        opens = calendar.open_at(day)
        opened_before = calendar.open_at(calendar.session_at(day, -1))
        withdrawn = [one["order_id"] for one in orders if (at := one["cancel_requested_at"]) and at <= opens]
        account, gone = withdraw(account, [name for name in withdrawn if name in account.tickets], broker, day=day)
        closed |= {ticket.order.order_id: ticket for ticket in gone}
        for one in orders:
            if opened_before < one["placed_at"] <= opens:
                if one["order_id"] in withdrawn:
                    rejected.append(Rejected(one["order_id"], "taken back before a session opened", day, True))
                    continue
                account, reason = _submit(account, one, prices, row, offset, broker, installation)
                rejected += [Rejected(one["order_id"], reason, day)] if reason else []
        settled = settle(account, day, offset + row, prices.tape.at(row), broker)
        account = settled.account
        closed |= {ticket.order.order_id: ticket for ticket in settled.closed}
        days.append((day, account))
    states = _states({**closed, **account.tickets}, rejected)
    return _write(warehouse, installation, user_id, days, states)


def _submit(
    account: Account,
    asked: Mapping[str, Any],
    prices: Prices,
    row: int,
    offset: int,
    broker: PaperBroker,
    installation: Installation,
) -> tuple[Account, str | None]:
    """Hand an order to the broker; returns why not, where it is refused."""
    name, basis = asked["instrument_id"], prices.basis_before(row, asked["instrument_id"])
    mark = next((mark for back in range(1, row + 1) if (mark := prices.tape.mark(row - back, name))), None)
    if basis is None or mark is None or prices.tape.is_gone(row, name):
        return account, "it is not traded"
    quantity, price = asked["quantity_shares"] / basis.factor, _adjusted(asked["price"], basis)
    if quantity <= NOTHING:
        return account, "it is too small to be traded"
    held = account.position_of(name)
    if asked["side"] == "sell" and held is None:
        return account, "nothing of it is held"
    cost = quantity * (price or mark.price)
    waiting = sum(
        order.quantity * (order.price or account.marks[order.instrument_id].price)
        for order in account.book.orders
        if not order.is_exit
    )
    if asked["side"] == "buy" and cost > account.book.cash - waiting:
        return account, "the cash does not suffice"
    last = None
    if asked["good_till_date"] is not None:
        calendar = installation.calendar
        until = min(asked["good_till_date"], calendar.last_known_session)
        last = offset + row + len(calendar.sessions(prices.sessions[row], until)) - 1
        if last < offset + row:
            return account, "its last day was over before a session opened"
    position_id = held or _awaited(account, name) or asked["order_id"]
    order = Order(
        asked["order_id"], position_id, name, quantity if asked["side"] == "buy" else -quantity,
        kind=asked["kind"], price=price, is_exit=asked["side"] == "sell", good_till=last,
        stop_loss=_adjusted(asked["stop_loss"], basis), take_profit=_adjusted(asked["take_profit"], basis),
    )  # fmt: skip
    context = {"factor": basis.factor, "rate": basis.rate}
    placed_on = prices.sessions[row - 1] if row else prices.sessions[row]
    account = place(account, [order], broker, day=placed_on, marks={name: mark}, contexts={order.order_id: context})
    return account, None


def _awaited(account: Account, name: str) -> str | None:
    """Return the position that a waiting purchase is to open: a user has one in an instrument, which one sale sells."""
    waiting = (one for one in account.book.orders if one.instrument_id == name and not one.is_exit)
    return next((one.position_id for one in waiting), None)


def _adjusted(price: float | None, basis: Basis) -> float | None:
    return None if price is None else price * basis.factor * basis.rate


def _states(tickets: Mapping[str, Ticket], rejected: Sequence[Rejected]) -> list[dict[str, Any]]:
    """Return what became of orders, in the shares and prices that they were placed in."""
    nothing = {"broker_order_id": None, "filled_shares": 0.0, "average_price": None, "fee": 0.0}
    rows = [
        {
            "order_id": one.order_id,
            "state": "cancelled" if one.is_cancelled else "rejected",
            "state_reason": one.reason,
            "closed_date": one.day,
            **nothing,
        }
        for one in rejected
    ]
    for order_id, ticket in tickets.items():
        # The exits that an entry brings with it are no orders of the user's.
        if "factor" not in ticket.context:
            continue
        factor, rate = ticket.context["factor"], ticket.context["rate"]
        average = ticket.value / ticket.filled / factor / rate if ticket.filled else None
        rows.append(
            {
                "order_id": order_id, "state": ticket.status, "state_reason": _reason(ticket),
                "closed_date": ticket.closed_date, "broker_order_id": ticket.broker_order_id,
                "filled_shares": ticket.filled * factor, "average_price": average, "fee": ticket.fee,
            }
        )  # fmt: skip
    return rows


def _reason(ticket: Ticket) -> str | None:
    """Say why an order ended otherwise than it was asked for."""
    if ticket.status == "cancelled":
        return "taken back, or its position was closed"
    is_cut = ticket.order.is_exit and ticket.filled < abs(ticket.order.quantity) - NOTHING
    return "no more was held" if ticket.status == "filled" and is_cut else None


def _write(
    warehouse: Warehouse,
    installation: Installation,
    user_id: str,
    days: Sequence[tuple[dt.date, Account]],
    states: Sequence[Mapping[str, Any]],
) -> MergeResult:
    now = installation.clock()
    changed = 0
    with warehouse.connection() as connection:
        for day, account in days:
            row = {
                "user_id": user_id, "trade_date": day, "equity": account.equity, "cash": account.book.cash,
                "currency_code": installation.reporting_currency, "account": as_json(account), "now": now,
            }  # fmt: skip
            connection.execute(queries.WRITE_ACCOUNT, row)
        for state in states:
            changed += connection.execute(queries.WRITE_STATE, {**state, "now": now}).rowcount
    return MergeResult(updated=changed, unchanged=len(states) - changed)


def _read_prices(warehouse: Warehouse, installation: Installation, sessions: list[dt.date]) -> Prices:
    tape = read_tape(warehouse, installation, sessions)
    span = [sessions[0], sessions[-1], installation.reporting_currency]
    frame = warehouse.read_frame(queries.FACTORS_BETWEEN, span)
    days = as_days(pd.Index(sessions))
    basis: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    for name, own in frame.groupby("instrument_id"):
        rows = np.searchsorted(days, as_days(own["trade_date"]))
        grids = np.full((2, len(days)), np.nan)
        grids[:, rows] = own[["factor", "rate"]].to_numpy(dtype=np.float64, na_value=np.nan).T
        basis[str(name)] = (grids[0], grids[1])
    return Prices(sessions, tape, basis)
