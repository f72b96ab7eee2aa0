"""The account behind a broker's book: what was ordered, what it cost, what it is worth, day after day.

An account is all that the next session needs. It goes through JSON without loss, so that a table can keep it.
"""

import datetime as dt
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from transforms.paper_broker import Book, Order

Status = Literal["waiting", "partly_filled", "filled", "expired", "cancelled"]
Severity = Literal["info", "warning"]
Context = dict[str, Any]


class Mark(NamedTuple):
    """What a share was last worth: a trusted close in currency per share, and its price segment."""

    price: float
    segment: int


@dataclass(frozen=True)
class Ticket:
    """An order and what became of it.

    Attributes
    ----------
    order : Order
        As it was placed.
    broker_order_id : str
    placed_date : date
        Session after whose close it was placed.
    status : str
        waiting, partly_filled, filled, expired or cancelled.
    filled, value, fee : float, shares (always above 0), currency, currency
    closed_date : date, optional
        Session that ended it.
    context : mapping, optional
        What the order rests on.
    """

    order: Order
    broker_order_id: str
    placed_date: dt.date
    status: Status = "waiting"
    filled: float = 0.0
    value: float = 0.0
    fee: float = 0.0
    closed_date: dt.date | None = None
    context: Context = field(default_factory=dict)


@dataclass(frozen=True)
class Holding:
    """What a position was bought and sold for so far; shares, currency."""

    entry_date: dt.date
    side: int
    opened: float = 0.0
    opened_value: float = 0.0
    closed: float = 0.0
    closed_value: float = 0.0
    fee: float = 0.0
    context: Context = field(default_factory=dict)


class RoundTrip(NamedTuple):
    """A position from entry to exit; prices are averages, currency per share."""

    position_id: str
    instrument_id: str
    side: int
    entry_date: dt.date
    exit_date: dt.date
    quantity: float
    entry_price: float
    exit_price: float
    fee: float
    pnl: float
    exit_reason: str
    context: Context


class Event(NamedTuple):
    """Something that happened to an account."""

    type: str
    severity: Severity
    message: str
    instrument_id: str | None = None
    facts: Context | None = None


@dataclass
class Account:
    """An account after a session.

    Attributes
    ----------
    book : Book
        Cash, waiting orders and positions.
    tickets : dict of str to Ticket
        Of the waiting orders, by order id.
    holdings : dict of str to Holding
        Of the open positions, by position id.
    marks : dict of str to Mark
        Of everything held or ordered, by instrument id.
    equity, peak : float, currency
        Worth at the last close, and the highest so far.
    """

    book: Book
    tickets: dict[str, Ticket] = field(default_factory=dict)
    holdings: dict[str, Holding] = field(default_factory=dict)
    marks: dict[str, Mark] = field(default_factory=dict)
    equity: float = 0.0
    peak: float = 0.0

    @classmethod
    def opened(cls, cash: float) -> "Account":
        """Return an account with nothing but cash."""
        return cls(Book(cash), equity=cash, peak=cash)

    def position_of(self, instrument_id: str) -> str | None:
        """Return the open position in an instrument, None where there is none."""
        return next((name for name, one in self.book.positions.items() if one.instrument_id == instrument_id), None)
