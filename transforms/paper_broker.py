"""A broker on paper: orders wait for the next bar, which fills them at prices that were there to be had."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, NamedTuple

Kind = Literal["market", "limit", "stop"]
KINDS: tuple[Kind, ...] = ("market", "limit", "stop")
# Below this many shares nothing is left.
NOTHING = 1e-9


@dataclass(frozen=True)
class BrokerRules:
    """What trading costs, and how much of a bar one can have.

    Attributes
    ----------
    fee_bps : float, basis points of the traded value
    slippage_bps : float, basis points of the price
        Of market and stop orders, against the trader; a limit is never passed.
    participation : float, fraction
        Largest share of a bar's volume that all orders of an instrument fill together.
    """

    fee_bps: float = 5.0
    slippage_bps: float = 5.0
    participation: float = 0.1

    def __post_init__(self) -> None:
        if min(self.fee_bps, self.slippage_bps) < 0 or not 0 < self.participation <= 1:
            raise ValueError(
                "BrokerRules: fee_bps and slippage_bps must be 0 or more, participation above 0 and 1 at most; got "
                f"{self.fee_bps}, {self.slippage_bps}, {self.participation}. One per cent is 100 basis points."
            )


class Bar(NamedTuple):
    """A session of an instrument: currency per share, and shares."""

    open: float
    high: float
    low: float
    close: float
    volume: float


@dataclass(frozen=True)
class Order:
    """What somebody wants to trade.

    Attributes
    ----------
    order_id, position_id : str
        An order belongs to a position: an entry opens or adds to it, an exit closes it.
    instrument_id : str
    quantity : float, shares
        Still to be filled; bought above 0, sold below.
    kind : str
        market; limit (not worse than `price`); stop (a market order once `price` is reached).
    price : float, currency per share, optional
        Of limits and stops.
    is_exit : bool
        An exit fills no more than its position holds; what closes a position cancels its other orders.
    good_till : int, session number, optional
        Last session in which it may be filled.
    stop_loss, take_profit : float, currency per share, optional
        Of an entry: exits that wait from the session after its fill on, for as much as was filled.
    reason : str
    """

    order_id: str
    position_id: str
    instrument_id: str
    quantity: float
    kind: Kind = "market"
    price: float | None = None
    is_exit: bool = False
    good_till: int | None = None
    stop_loss: float | None = None
    take_profit: float | None = None
    reason: str = "signal"

    def __post_init__(self) -> None:
        if self.kind not in KINDS or (self.kind == "market") != (self.price is None) or not abs(self.quantity) > 0:
            raise ValueError(
                f"Order {self.order_id}: quantity must not be 0, kind one of {KINDS}, with a price unless it is market;"
                f" got {self.quantity}, {self.kind!r}, {self.price}. Correct the order."
            )


class Fill(NamedTuple):
    """What was traded of an order in a session; `price` is after slippage, `fee` in currency."""

    session: int
    order_id: str
    position_id: str
    instrument_id: str
    quantity: float
    price: float
    fee: float
    reason: str


@dataclass(frozen=True)
class Position:
    """What is held of one instrument for one reason.

    Attributes
    ----------
    quantity : float, shares, negative when short
    cost : float, currency
        Paid for what is still held, without fees; below 0 for a short.
    realised : float, currency
        Gained by what was closed, after all fees of the position.
    entry_session : int, session number
    """

    position_id: str
    instrument_id: str
    quantity: float
    cost: float
    realised: float
    entry_session: int


class Trade(NamedTuple):
    """A position that was opened and closed; `pnl` in currency, after fees."""

    position_id: str
    instrument_id: str
    entry_session: int
    exit_session: int
    pnl: float
    exit_reason: str


@dataclass
class Book:
    """Where a broker stands after a session: all that the next one needs.

    Attributes
    ----------
    cash : float, currency
        Below 0 when more was bought than there was: sizes are the strategy's part.
    orders : list of Order
        Waiting, in the order in which they came.
    positions : dict of str to Position
        Open ones by their id.
    """

    cash: float
    orders: list[Order] = field(default_factory=list)
    positions: dict[str, Position] = field(default_factory=dict)


def trade_session(
    book: Book, session: int, bars: Mapping[str, Bar], *, rules: BrokerRules | None = None
) -> tuple[Book, list[Fill], list[Trade]]:
    """Hold the waiting orders against the bars of a session.

    Parameters
    ----------
    book : Book
        After the session before, with the orders that were placed since; it is not changed.
    session : int, session number
        Ascending from call to call.
    bars : mapping of instrument_id to Bar
        Instruments without one do not trade; their orders wait.
    rules : BrokerRules, optional

    Returns
    -------
    Book, list of Fill, list of Trade
        After the session; what was filled, and the positions that were closed.

    Notes
    -----
    Prices: a market order has the open. A limit has the open where that is better, else its price once the bar reaches
    it. A stop has the open where the bar opens beyond it (a gap), else its price once the bar reaches it. Slippage
    makes market and stop orders worse, and leaves them inside the bar.

    When a position is closed, its other orders are cancelled. Where a bar reaches both stop and limit, the stop counts,
    since nobody knows which came first. Exits that an entry brings with it wait from the next session on, for the same
    reason.

    Volume: all fills of an instrument in a session are at most `participation` of it, first come, first served; the
    rest waits.
    """
    rules = rules or BrokerRules()
    after = Book(book.cash, [], dict(book.positions))
    fills: list[Fill] = []
    trades: list[Trade] = []
    left = {name: bar.volume * rules.participation for name, bar in bars.items()}
    brought: list[Order] = []
    closed: set[str] = set()
    for order in sorted(book.orders, key=_stops_first):
        is_over = order.good_till is not None and session > order.good_till
        quantity = _wanted(order, after)
        if is_over or order.position_id in closed or abs(quantity) <= NOTHING:
            continue
        bar = bars.get(order.instrument_id)
        price = None if bar is None else _price(order, bar, rules)
        if price is None or left[order.instrument_id] <= NOTHING:
            after.orders.append(order)
            continue
        filled = min(abs(quantity), left[order.instrument_id]) * (1 if quantity > 0 else -1)
        left[order.instrument_id] -= abs(filled)
        fill, position = _book(after, order, session, filled, price, rules)
        fills.append(fill)
        if order.position_id not in after.positions:
            trades.append(_trade(position, fill))
            closed.add(order.position_id)
        brought += _exits_of(order, fill)
        if abs(quantity - filled) > NOTHING:
            after.orders.append(replace(order, quantity=quantity - filled))
    waiting = [order for order in [*after.orders, *brought] if order.position_id not in closed]
    # In the order in which they came; what an entry brings comes last.
    came = {order.order_id: place for place, order in enumerate(book.orders)}
    after.orders = sorted(waiting, key=lambda order: came.get(order.order_id, len(came)))
    return after, fills, trades


def placed(book: Book, orders: Iterable[Order]) -> Book:
    """Return the book with more orders waiting."""
    return Book(book.cash, [*book.orders, *orders], dict(book.positions))


def equity(book: Book, closes: Mapping[str, float]) -> float:
    """Give cash and positions at these closes, currency per share."""
    held = sum(position.quantity * closes[position.instrument_id] for position in book.positions.values())
    return book.cash + held


def quantity_at_risk(*, capital: float, risk: float, entry: float, stop_loss: float) -> float:
    """Give the shares that lose a share of the capital between entry and stop.

    Parameters
    ----------
    capital : float, currency
    risk : float, fraction
    entry, stop_loss : float, currency per share
        A stop above the entry gives a short, below 0.
    """
    distance = entry - stop_loss
    if not capital > 0 or not 0 < risk <= 1 or distance == 0:
        raise ValueError(
            "quantity_at_risk: capital must be above 0, risk above 0 and 1 at most, the stop apart from the entry; got "
            f"{capital}, {risk}, {entry}, {stop_loss}. Give risk as a fraction."
        )
    return capital * risk / distance


def _stops_first(order: Order) -> int:
    """Sort exits by stop before the others: where a bar reaches both, the stop counts."""
    return 0 if order.is_exit and order.kind == "stop" else 1


def _wanted(order: Order, book: Book) -> float:
    """Give what an order may still fill: an exit, no more than its position holds against it."""
    if not order.is_exit:
        return order.quantity
    held = book.positions[order.position_id].quantity if order.position_id in book.positions else 0.0
    if held * order.quantity >= 0:
        return 0.0
    return max(order.quantity, -held) if order.quantity < 0 else min(order.quantity, -held)


def _price(order: Order, bar: Bar, rules: BrokerRules) -> float | None:
    """Give the price at which a bar fills an order, None where it does not."""
    side = 1 if order.quantity > 0 else -1
    if order.kind == "limit":
        limit = _asked(order)
        if side * (bar.open - limit) <= 0:
            return bar.open
        reached = bar.low <= limit if side > 0 else bar.high >= limit
        return limit if reached else None
    reference = bar.open
    if order.kind == "stop" and side * (bar.open - _asked(order)) < 0:
        reference = _asked(order)
        if not (bar.high >= reference if side > 0 else bar.low <= reference):
            return None
    slipped = reference * (1 + side * rules.slippage_bps / 10_000)
    return min(slipped, max(bar.high, reference)) if side > 0 else max(slipped, min(bar.low, reference))


def _asked(order: Order) -> float:
    return float("nan") if order.price is None else order.price


def _book(
    book: Book, order: Order, session: int, filled: float, price: float, rules: BrokerRules
) -> tuple[Fill, Position]:
    """Write a fill into cash and position; the position is returned also when nothing of it is left."""
    fee = abs(filled) * price * rules.fee_bps / 10_000
    book.cash -= filled * price + fee
    held = book.positions.get(order.position_id)
    if held is None:
        held = Position(order.position_id, order.instrument_id, 0.0, 0.0, 0.0, session)
    if order.is_exit:
        part = -filled / held.quantity
        gained = -filled * price - held.cost * part - fee
        held = replace(
            held, quantity=held.quantity + filled, cost=held.cost * (1 - part), realised=held.realised + gained
        )
    else:
        held = replace(
            held, quantity=held.quantity + filled, cost=held.cost + filled * price, realised=held.realised - fee
        )
    book.positions[order.position_id] = held
    if abs(held.quantity) <= NOTHING:
        del book.positions[order.position_id]
    fill = Fill(session, order.order_id, order.position_id, order.instrument_id, filled, price, fee, order.reason)
    return fill, held


def _trade(position: Position, last: Fill) -> Trade:
    return Trade(
        position.position_id,
        position.instrument_id,
        position.entry_session,
        last.session,
        position.realised,
        last.reason,
    )


def _exits_of(order: Order, fill: Fill) -> list[Order]:
    """Return the exits that an entry brings with it, for as much as was filled."""
    if order.is_exit:
        return []
    wanted: list[tuple[str, Kind, float | None]] = [
        ("stop_loss", "stop", order.stop_loss),
        ("take_profit", "limit", order.take_profit),
    ]
    return [
        Order(
            order_id=f"{order.order_id}:{reason}:{fill.session}",
            position_id=order.position_id,
            instrument_id=order.instrument_id,
            quantity=-fill.quantity,
            kind=kind,
            price=price,
            is_exit=True,
            reason=reason,
        )
        for reason, kind, price in wanted
        if price is not None
    ]
