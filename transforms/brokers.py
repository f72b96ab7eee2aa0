"""The interface of a broker, and the one on paper.

A live broker implements the same three methods against its venue: it hands orders over, takes them back, and says what
became of them in a session. It has no use for the bars. Everything else (sizes, books, rows) stays as it is.
"""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from transforms.paper_broker import Bar, Book, BrokerRules, Fill, Order, Trade, placed, trade_session


class Broker(Protocol):
    """Who executes orders of one account."""

    @property
    def name(self) -> str:
        """Name of the broker, first part of its order ids."""
        ...

    def submit(self, book: Book, orders: Sequence[Order]) -> tuple[Book, dict[str, str]]:
        """Hand orders over.

        Returns
        -------
        Book, dict of str to str
            With the orders waiting; the broker's id by order id. Handing the same order over again must give the same
            id and no second order.
        """
        ...

    def cancel(self, book: Book, order_ids: Collection[str]) -> Book:
        """Take waiting orders back; those that are not waiting are left alone."""
        ...

    def settle(self, book: Book, session: int, bars: Mapping[str, Bar]) -> tuple[Book, list[Fill], list[Trade]]:
        """Say what became of the waiting orders in a session; as `transforms.paper_broker.trade_session`."""
        ...


@dataclass(frozen=True)
class PaperBroker:
    """Fills orders by the bars of the session.

    Attributes
    ----------
    account_id : str
        Whose orders they are.
    rules : BrokerRules
    """

    account_id: str
    rules: BrokerRules = field(default_factory=BrokerRules)

    @property
    def name(self) -> str:
        """Name of the broker."""
        return "paper"

    def submit(self, book: Book, orders: Sequence[Order]) -> tuple[Book, dict[str, str]]:
        """Let orders wait for the next session."""
        waiting = {order.order_id for order in book.orders}
        book = placed(book, [order for order in orders if order.order_id not in waiting])
        return book, {order.order_id: self.order_id(order.order_id) for order in orders}

    def cancel(self, book: Book, order_ids: Collection[str]) -> Book:
        """Take waiting orders back."""
        return Book(book.cash, [one for one in book.orders if one.order_id not in order_ids], dict(book.positions))

    def settle(self, book: Book, session: int, bars: Mapping[str, Bar]) -> tuple[Book, list[Fill], list[Trade]]:
        """Hold the waiting orders against the bars of a session."""
        return trade_session(book, session, bars, rules=self.rules)

    def order_id(self, order_id: str) -> str:
        """Return this broker's id of an order: a content hash, so that handing it over again changes nothing."""
        digest = hashlib.blake2b(f"{self.account_id}|{order_id}".encode(), digest_size=8)
        return f"{self.name}_{digest.hexdigest()}"
