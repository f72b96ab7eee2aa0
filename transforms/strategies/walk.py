"""Walk a strategy through sessions: settle yesterday's orders, decide at the close, hand new orders over."""

import datetime as dt
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from transforms.brokers import Broker
from transforms.paper_account import Account, Event, Mark, RoundTrip, Ticket
from transforms.paper_broker import Fill, Order, quantity_at_risk
from transforms.paper_settlement import place, settle, withdraw
from transforms.strategies.strategy import BUY, HOLD, SELL, Board, Signals, Strategy
from transforms.tape import Tape

# Kept back from what may be spent: the next open is not the close that sizes are made with.
RESERVE = 0.01
# Entries below this share of the equity are not worth their fees.
SMALLEST_ENTRY = 0.001
ACTIONS = {BUY: "buy", SELL: "sell", HOLD: "hold"}


class Version(NamedTuple):
    """Parameters that count from a day on."""

    version: int
    effective_date: dt.date
    is_active: bool
    strategy: Strategy


class Decision(NamedTuple):
    """A signal that led to no order: a held instrument stays, or an entry was left out."""

    as_of_date: dt.date
    signal: dict[str, Any]
    note: str | None


class Day(NamedTuple):
    """An account at the close of a session; `traded` and `fee` in currency."""

    trade_date: dt.date
    version: Version
    account: Account
    equity_before: float
    traded: float
    fee: float


@dataclass
class Walked:
    """What happened on the way; `account` is the last one, open tickets in it."""

    account: Account
    days: list[Day] = field(default_factory=list)
    decisions: list[Decision] = field(default_factory=list)
    closed: list[Ticket] = field(default_factory=list)
    fills: list[tuple[dt.date, Fill]] = field(default_factory=list)
    trips: list[RoundTrip] = field(default_factory=list)
    events: list[tuple[dt.date, Event]] = field(default_factory=list)

    @property
    def tickets(self) -> list[Ticket]:
        """All orders that were placed or waited on the way."""
        return [*self.closed, *self.account.tickets.values()]


def walk(
    account: Account,
    board: Board,
    tape: Tape,
    versions: Sequence[Version],
    broker: Broker,
    *,
    account_id: str,
    first_row: int,
    first_number: int,
) -> Walked:
    """Walk from a row of the board to its end.

    Parameters
    ----------
    account : Account
        After the session before `first_row`.
    board : Board
        With at least `lookback_sessions` rows before `first_row`, where there are so many sessions.
    tape : Tape
        Prices of the same days and instruments, in the currency of the account.
    versions : sequence of Version
        Ascending by effective_date; before the first of them it counts too.
    broker : Broker
    account_id : str
        First part of all ids.
    first_row : int
    first_number : int
        Number of that session, as orders count them.

    Returns
    -------
    Walked

    Notes
    -----
    Point in time: what is decided in row t uses rows up to t, and is filled in row t + 1 at the earliest. Walking in
    parts, each from the account that the one before left, gives the same as walking at once.
    """
    walked = Walked(account)
    signals = {one.version: one.strategy.signals(board) for one in versions}
    before = None if first_row == 0 else version_at(versions, _day(board, first_row - 1))
    for row in range(first_row, len(board.days)):
        day, number = _day(board, row), first_number + row - first_row
        version = version_at(versions, day)
        equity_before = walked.account.equity
        settled = settle(walked.account, day, number, tape.at(row), broker)
        events = [*_news(before, version), *settled.events, *_alarm(walked.account, settled.account, version)]
        desk = _Desk(settled.account, board, tape, row, number, version, signals[version.version], broker, account_id)
        desk.decide()
        walked.account = desk.account
        walked.closed += [*settled.closed, *desk.withdrawn]
        walked.decisions += desk.decisions
        walked.fills += [(day, fill) for fill in settled.fills]
        walked.trips += settled.trips
        walked.events += [(day, event) for event in events]
        traded = sum(abs(fill.quantity) * fill.price for fill in settled.fills)
        fee = sum(fill.fee for fill in settled.fills)
        walked.days.append(Day(day, version, desk.account, equity_before, traded, fee))
        before = version
    return walked


def version_at(versions: Sequence[Version], day: dt.date) -> Version:
    """Return the version in force on a day, the first one before its day."""
    return next((one for one in reversed(versions) if one.effective_date <= day), versions[0])


class _Desk:
    """One close: what to do with what is held, and what to buy."""

    def __init__(
        self,
        account: Account,
        board: Board,
        tape: Tape,
        row: int,
        number: int,
        version: Version,
        signals: Signals,
        broker: Broker,
        account_id: str,
    ) -> None:
        self.account, self.withdrawn, self.decisions = account, list[Ticket](), list[Decision]()
        self._board, self._tape, self._row, self._number = board, tape, row, number
        self._version, self._signals, self._broker, self._account_id = version, signals, broker, account_id
        self._strategy, self._day = version.strategy, _day(board, row)
        self._contexts: dict[str, dict[str, Any]] = {}

    def decide(self) -> None:
        """Sell, hold and buy."""
        held = {one.instrument_id: one.position_id for one in self.account.book.positions.values()}
        exits = [order for name in sorted(held) if (order := self._exit(name, held[name]))]
        self._withdraw_entries(held)
        entries = self._entries(held, exits)
        orders = [*exits, *entries]
        if orders:
            marks = {order.instrument_id: self._mark(order.instrument_id) for order in orders}
            known = {name: mark for name, mark in marks.items() if mark is not None}
            self.account = place(
                self.account, orders, self._broker, day=self._day, marks=known, contexts=self._contexts
            )

    def _exit(self, name: str, position_id: str) -> Order | None:
        """Sell what a rule sells; everything else that is held is held on."""
        action = self._action(name)
        is_ordered = any(
            one.position_id == position_id and one.is_exit and one.reason == "signal"
            for one in self.account.book.orders
        )
        if action != SELL or is_ordered:
            note = "its exit waits already" if is_ordered else None
            self.decisions.append(Decision(self._day, self._signal(name, HOLD), note))
            return None
        order_id = f"{position_id}-exit-{self._day}"
        self._contexts[order_id] = self._signal(name, SELL)
        quantity = -self.account.book.positions[position_id].quantity
        return Order(order_id, position_id, name, quantity, is_exit=True)

    def _withdraw_entries(self, held: Mapping[str, str]) -> None:
        """Take entries back that a rule would sell by now."""
        unwanted = [
            order.order_id
            for order in self.account.book.orders
            if not order.is_exit and order.instrument_id not in held and self._action(order.instrument_id) == SELL
        ]
        if unwanted:
            self.account, gone = withdraw(self.account, unwanted, self._broker, day=self._day)
            self.withdrawn += gone

    def _entries(self, held: Mapping[str, str], exits: Sequence[Order]) -> list[Order]:
        """Buy the strongest as long as there are places and cash."""
        book = self.account.book
        waiting = {order.instrument_id: order for order in book.orders if not order.is_exit}
        leaving = [*exits, *(one for one in book.orders if one.is_exit and one.reason == "signal")]
        n_kept = len(set(held) - {order.instrument_id for order in leaving})
        free = self._strategy.max_positions - n_kept - len(set(waiting) - set(held))
        budget = book.cash - RESERVE * self.account.equity
        budget += sum(abs(one.quantity) * self._price(one.instrument_id) for one in leaving)
        budget -= sum(abs(one.quantity) * self._price(name) for name, one in waiting.items())
        entries: list[Order] = []
        for name in self._wanted():
            if name in held or name in waiting:
                continue
            if not self._version.is_active:
                order, note = None, "the strategy is switched off"
            elif len(entries) >= free:
                order, note = None, "no place is free"
            else:
                order, note = self._entry(name, budget)
            if order is None:
                self.decisions.append(Decision(self._day, self._signal(name, BUY), note))
                continue
            entries.append(order)
            self._contexts[order.order_id] = self._signal(name, BUY)
            budget -= order.quantity * self._price(name)
        return entries

    def _entry(self, name: str, budget: float) -> tuple[Order | None, str]:
        """Return an entry sized by its risk, or why there is none."""
        strategy, price = self._strategy, self._price(name)
        close, range_ = self._value("close_adj", name), self._value("atr_14d", name)
        distance = strategy.stop_loss_atr * range_ / close
        if not price > 0 or not 0 < distance < 1:
            return None, "no stop loss can be set: its average true range is missing, or wider than its price"
        equity = self.account.equity
        at_risk = quantity_at_risk(
            capital=equity, risk=strategy.risk_per_trade, entry=price, stop_loss=price * (1 - distance)
        )
        quantity = min(at_risk, strategy.max_weight * equity / price, budget / price)
        if quantity * price < SMALLEST_ENTRY * equity:
            return None, "no cash is left"
        position_id = f"{self._account_id}-{self._day}-{name}"
        limit = self._of_close(self._signals.limit, name, close)
        order = Order(
            f"{position_id}-entry", position_id, name, quantity, kind="market" if limit is None else "limit",
            price=None if limit is None else price * limit, good_till=self._number + strategy.good_till_sessions,
            stop_loss=price * (1 - distance), take_profit=self._take_profit(name, price, close, range_),
        )  # fmt: skip
        return order, ""

    def _take_profit(self, name: str, price: float, close: float, range_: float) -> float | None:
        target = self._of_close(self._signals.target, name, close)
        if target is not None:
            return price * target if target > 1 else None
        multiple = self._strategy.take_profit_atr
        return None if multiple is None else price * (1 + multiple * range_ / close)

    def _of_close(self, values: Any, name: str, close: float) -> float | None:
        """Return a price as a multiple of the close, None where there is none."""
        if values is None:
            return None
        ratio = float(values[self._row, self._tape.places[name]]) / close
        return ratio if math.isfinite(ratio) and ratio > 0 else None

    def _wanted(self) -> list[str]:
        """Return what a rule buys, the strongest first."""
        found = np.flatnonzero(self._signals.action[self._row] == BUY)
        strength = self._signals.strength[self._row, found]
        return [str(self._board.instruments[place]) for place in found[np.argsort(-strength, kind="stable")]]

    def _action(self, name: str) -> int:
        place = self._tape.places.get(name)
        return HOLD if place is None else int(self._signals.action[self._row, place])

    def _mark(self, name: str) -> Mark | None:
        return self._tape.mark(self._row, name) or self.account.marks.get(name)

    def _price(self, name: str) -> float:
        mark = self._mark(name)
        return math.nan if mark is None else mark.price

    def _value(self, column: str, name: str) -> float:
        place = self._tape.places.get(name)
        return math.nan if place is None else float(self._board.measures[column][self._row, place])

    def _signal(self, name: str, action: int) -> dict[str, Any]:
        """Describe a signal: what it says, why, and the values that it rests on."""
        values = {column: self._value(column, name) for column in self._strategy.inputs}
        place = self._tape.places.get(name)
        is_spoken = action != HOLD and place is not None and self._signals.action[self._row, place] == action
        rule = int(self._signals.rule[self._row, place]) if is_spoken and place is not None else 0
        price = self._price(name)
        return {
            "signal": ACTIONS[action],
            "as_of_date": self._day.isoformat(),
            "instrument_id": name,
            "version": self._version.version,
            "reason": _sentence(self._signals.rules[rule], values, self._strategy),
            "indicators": {column: _known(value) for column, value in values.items()},
            "price_adj": _known(price),
        }


def _sentence(rule: str, values: Mapping[str, float], strategy: Strategy) -> str:
    close = values.get("close_adj", math.nan)
    gaps = {f"{name}_gap": value / close - 1 for name, value in values.items()}
    parameters = {name: getattr(strategy, name) for name in strategy.__struct_fields__}
    return rule.format(**parameters, **values, **gaps).replace("nan%", "nan").replace("nan", "unknown")


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _news(before: Version | None, now: Version) -> list[Event]:
    """Tell that other parameters count from this session on."""
    if before is None or before.version == now.version:
        return []
    facts = {"version": now.version, "version_before": before.version}
    if before.is_active != now.is_active:
        kind, word = ("activated", "on") if now.is_active else ("deactivated", "off")
        return [Event(kind, "info", f"The strategy was switched {word}.", None, facts)]
    return [Event("parameters_changed", "info", "Other parameters count from this session on.", None, facts)]


def _alarm(before: Account, now: Account, version: Version) -> list[Event]:
    """Tell when the equity falls through the alarm level."""
    level = -version.strategy.alarm_drawdown
    then, drawdown = before.equity / before.peak - 1, now.equity / now.peak - 1
    if then <= level or drawdown > level:
        return []
    message = f"The equity lies {-drawdown:.1%} below its highest level."
    return [Event("drawdown", "warning", message, None, {"drawdown": drawdown, "alarm": level})]


def _day(board: Board, row: int) -> dt.date:
    day: dt.date = pd.Timestamp(board.days[row]).date()
    return day
