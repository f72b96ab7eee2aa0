"""Sessions of an account: the broker's fills, jumps in prices and delistings, and what it all comes to."""

import datetime as dt
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple, Protocol

from transforms.brokers import Broker
from transforms.paper_account import Account, Context, Event, Holding, Mark, RoundTrip, Severity, Status, Ticket
from transforms.paper_broker import NOTHING, Bar, Book, BrokerRules, Fill, Order, trade_session

FREE = BrokerRules(fee_bps=0.0, slippage_bps=0.0, participation=1.0)
# More shares than anybody holds.
UNLIMITED = 1e300


class Session(Protocol):
    """The prices of one session, currency per share."""

    def bar(self, instrument_id: str) -> Bar | None:
        """Return the bar, None where there is none that can be trusted."""
        ...

    def mark(self, instrument_id: str) -> Mark | None:
        """Return close and segment, None where there is none that can be trusted."""
        ...

    def is_gone(self, instrument_id: str) -> bool:
        """Tell whether an instrument had its last session before this one."""
        ...


class Settled(NamedTuple):
    """What a session did to an account."""

    account: Account
    fills: list[Fill]
    closed: list[Ticket]
    trips: list[RoundTrip]
    events: list[Event]


def settle(account: Account, day: dt.date, number: int, session: Session, broker: Broker) -> Settled:
    """Carry an account through a session: jumps in prices, delistings, the broker's fills, and its worth at the close.

    Parameters
    ----------
    account : Account
        After the session before and with the orders placed since; it is not changed.
    day : date
    number : int
        Number of the session, as orders count them.
    session : Session
    broker : Broker

    Returns
    -------
    Settled
        After the session's close; tickets of the orders that ended, and positions that were closed.

    Notes
    -----
    Prices are adjusted ones, so that splits change nothing and dividends are reinvested. Where they jump without an
    explanation (a new price segment), shares and prices of waiting orders follow, and the worth stays.

    Delisting: in the first session after its last one a position is closed at the last close without costs; orders for
    it are cancelled.
    """
    account, events = _across_breaks(account, session)
    account, left, gone = _without_delisted(account, day, number, session)
    before = account.book
    bars = {name: bar for name in {order.instrument_id for order in before.orders} if (bar := session.bar(name))}
    after, filled, _ = broker.settle(before, number, bars)
    fills = [*left, *filled]
    tickets = account.tickets | _brought(account, after, broker, day)
    for fill in fills:
        tickets[fill.order_id] = _filled(tickets[fill.order_id], fill)
    waiting = {order.order_id for order in after.orders}
    closed = [_closed(one, day, number, fills) for name, one in tickets.items() if name not in waiting]
    holdings, trips = _held(account.holdings, fills, tickets, after, day)
    kept = {name: one for name, one in tickets.items() if name in waiting}
    marks = _marks(account, after, session)
    worth = after.cash + sum(one.quantity * marks[one.instrument_id].price for one in after.positions.values())
    account = Account(after, kept, holdings, marks, worth, max(account.peak, worth))
    return Settled(account, fills, closed, trips, [*events, *gone, *_told(closed, trips)])


def place(
    account: Account,
    orders: Sequence[Order],
    broker: Broker,
    *,
    day: dt.date,
    marks: Mapping[str, Mark],
    contexts: Mapping[str, Context],
) -> Account:
    """Hand orders to the broker and keep their tickets.

    Parameters
    ----------
    account : Account
        It is not changed.
    orders : sequence of Order
    broker : Broker
    day : date
        Session after whose close they are placed.
    marks : mapping of instrument_id to Mark
        At that close.
    contexts : mapping of order_id to mapping
        What each rests on.
    """
    book, ids = broker.submit(account.book, orders)
    tickets = {
        order.order_id: Ticket(order, ids[order.order_id], day, context=contexts.get(order.order_id, {}))
        for order in orders
    }
    ordered = {order.instrument_id: marks[order.instrument_id] for order in orders if order.instrument_id in marks}
    return replace(account, book=book, tickets=account.tickets | tickets, marks=account.marks | ordered)


def withdraw(
    account: Account, order_ids: Collection[str], broker: Broker, *, day: dt.date
) -> tuple[Account, list[Ticket]]:
    """Take waiting orders back; returns the account without them, and their tickets."""
    book = broker.cancel(account.book, order_ids)
    gone = [
        replace(one, status="cancelled", closed_date=day) for name, one in account.tickets.items() if name in order_ids
    ]
    tickets = {name: one for name, one in account.tickets.items() if name not in order_ids}
    return replace(account, book=book, tickets=tickets), gone


def _across_breaks(account: Account, session: Session) -> tuple[Account, list[Event]]:
    """Let shares and waiting prices follow where prices jump without an explanation."""
    events: list[Event] = []
    for name, mark in account.marks.items():
        bar, now = session.bar(name), session.mark(name)
        if now is None or now.segment == mark.segment:
            continue
        ratio = (now.price if bar is None else bar.open) / mark.price
        account = _rescaled(account, name, ratio, now.segment)
        facts = {"ratio": ratio}
        events.append(
            Event("price_break", "warning", "Prices jumped without an explanation; shares follow.", name, facts)
        )
    return account, events


def _rescaled(account: Account, name: str, ratio: float, segment: int) -> Account:
    def price(value: float | None) -> float | None:
        return None if value is None else value * ratio

    def scaled(order: Order) -> Order:
        if order.instrument_id != name:
            return order
        return replace(
            order, quantity=order.quantity / ratio, price=price(order.price), stop_loss=price(order.stop_loss),
            take_profit=price(order.take_profit),
        )  # fmt: skip

    book, holdings = account.book, dict(account.holdings)
    positions = dict(book.positions)
    for position_id, one in book.positions.items():
        if one.instrument_id == name:
            positions[position_id] = replace(one, quantity=one.quantity / ratio)
            held = holdings[position_id]
            holdings[position_id] = replace(held, opened=held.opened / ratio, closed=held.closed / ratio)
    marks = account.marks | {name: Mark(account.marks[name].price * ratio, segment)}
    tickets = {
        order_id: replace(one, order=scaled(one.order), filled=one.filled / ratio)
        if one.order.instrument_id == name
        else one
        for order_id, one in account.tickets.items()
    }
    book = Book(book.cash, [scaled(order) for order in book.orders], positions)
    return replace(account, book=book, tickets=tickets, holdings=holdings, marks=marks)


def _without_delisted(
    account: Account, day: dt.date, number: int, session: Session
) -> tuple[Account, list[Fill], list[Event]]:
    """Close positions in what is not listed any more at the last close; their orders end."""
    gone = [name for name in account.marks if session.is_gone(name)]
    if not gone:
        return account, [], []
    book = account.book
    exits = [
        Order(
            f"{one.position_id}:delisting", one.position_id, one.instrument_id, -one.quantity, is_exit=True,
            reason="delisting",
        )
        for one in book.positions.values()
        if one.instrument_id in gone
    ]  # fmt: skip
    prices = {name: account.marks[name].price for name in gone}
    bars = {name: Bar(price, price, price, price, UNLIMITED) for name, price in prices.items()}
    closing = Book(book.cash, exits, dict(book.positions))
    after, fills, _ = trade_session(closing, number, bars, rules=FREE)
    kept = [order for order in book.orders if order.instrument_id not in gone]
    tickets = account.tickets | {order.order_id: Ticket(order, order.order_id, day) for order in exits}
    events = [
        Event(
            "delisting",
            "warning",
            "It is not listed any more; the position was closed at its last price.",
            fill.instrument_id,
        )
        for fill in fills
    ]
    return replace(account, book=Book(after.cash, kept, after.positions), tickets=tickets), fills, events


def _brought(account: Account, after: Book, broker: Broker, day: dt.date) -> dict[str, Ticket]:
    """Make tickets of the exits that filled entries have brought with them."""
    new = [order for order in after.orders if order.order_id not in account.tickets]
    if not new:
        return {}
    # They wait already: handing them over again only tells their ids.
    _, ids = broker.submit(after, new)
    return {order.order_id: Ticket(order, ids[order.order_id], day) for order in new}


def _filled(ticket: Ticket, fill: Fill) -> Ticket:
    filled = ticket.filled + abs(fill.quantity)
    value = ticket.value + abs(fill.quantity) * fill.price
    return replace(ticket, status="partly_filled", filled=filled, value=value, fee=ticket.fee + fill.fee)


def _closed(ticket: Ticket, day: dt.date, number: int, fills: Sequence[Fill]) -> Ticket:
    """Say why an order does not wait any more."""
    order = ticket.order
    is_complete = ticket.filled >= abs(order.quantity) - NOTHING
    # An exit is for what is left of its position, which may be less than it was placed for.
    ended_position = order.is_exit and any(fill.order_id == order.order_id for fill in fills)
    is_over = order.good_till is not None and number > order.good_till
    status: Status = "filled" if is_complete or ended_position else "expired" if is_over else "cancelled"
    return replace(ticket, status=status, closed_date=day)


def _held(
    holdings: Mapping[str, Holding], fills: Iterable[Fill], tickets: Mapping[str, Ticket], after: Book, day: dt.date
) -> tuple[dict[str, Holding], list[RoundTrip]]:
    """Write fills into the holdings; those that are closed become round trips."""
    held, trips = dict(holdings), []
    for fill in fills:
        ticket = tickets[fill.order_id]
        quantity, value = abs(fill.quantity), abs(fill.quantity) * fill.price
        if ticket.order.is_exit:
            one = held[fill.position_id]
            one = replace(
                one, closed=one.closed + quantity, closed_value=one.closed_value + value, fee=one.fee + fill.fee
            )
        else:
            begun = Holding(day, 1 if fill.quantity > 0 else -1, context=ticket.context)
            one = held.get(fill.position_id, begun)
            one = replace(
                one, opened=one.opened + quantity, opened_value=one.opened_value + value, fee=one.fee + fill.fee
            )
        held[fill.position_id] = one
        if fill.position_id not in after.positions and one.closed >= one.opened - NOTHING:
            trips.append(_trip(held.pop(fill.position_id), fill, ticket, day))
    return held, trips


def _trip(one: Holding, last: Fill, ticket: Ticket, day: dt.date) -> RoundTrip:
    exit_context = ticket.context if ticket.order.reason == "signal" else {"reason": last.reason}
    return RoundTrip(
        position_id=last.position_id,
        instrument_id=last.instrument_id,
        side=one.side,
        entry_date=one.entry_date,
        exit_date=day,
        quantity=one.opened,
        entry_price=one.opened_value / one.opened,
        exit_price=one.closed_value / one.closed,
        fee=one.fee,
        pnl=one.side * (one.closed_value - one.opened_value) - one.fee,
        exit_reason=last.reason,
        context={"entry": one.context, "exit": exit_context},
    )


def _marks(account: Account, after: Book, session: Session) -> dict[str, Mark]:
    """Return what everything held or ordered was last worth."""
    names = {one.instrument_id for one in after.positions.values()} | {one.instrument_id for one in after.orders}
    found = {name: session.mark(name) or account.marks.get(name) for name in sorted(names)}
    return {name: mark for name, mark in found.items() if mark is not None}


def _told(closed: Iterable[Ticket], trips: Iterable[RoundTrip]) -> list[Event]:
    """Tell what became of orders and positions."""
    events = []
    for one in closed:
        order = one.order
        facts = {"order_id": order.order_id, "filled": one.filled, "quantity": order.quantity}
        if one.status == "expired":
            message = f"An order waited in vain and has expired, {one.filled / abs(order.quantity):.0%} of it filled."
            events.append(Event("order_expired", "info", message, order.instrument_id, facts))
        elif one.status == "filled" and not order.is_exit:
            facts["price"] = one.value / one.filled
            events.append(Event("position_opened", "info", "A position was opened.", order.instrument_id, facts))
    for trip in trips:
        facts = {"position_id": trip.position_id, "pnl": trip.pnl, "exit_reason": trip.exit_reason}
        severity: Severity = "warning" if trip.exit_reason == "stop_loss" else "info"
        message = f"A position was closed by {trip.exit_reason.replace('_', ' ')}."
        events.append(Event("position_closed", severity, message, trip.instrument_id, facts))
    return events
