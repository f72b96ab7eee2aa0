"""Rows of the tables about trading on paper, from what happened to an account."""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import pandas as pd
import pyarrow as pa

from transforms.paper_account import RoundTrip, Ticket
from transforms.strategies.walk import Day, Decision, Walked

if TYPE_CHECKING:
    from orchestration.trading import Traded

TYPES = {"text": pa.string(), "number": pa.float64(), "whole": pa.int32(), "flag": pa.bool_(), "day": pa.date32()}


class Columns(NamedTuple):
    """Types of a table's columns: a day without rows could not tell them."""

    text: Sequence[str]
    number: Sequence[str] = ()
    whole: Sequence[str] = ()
    flag: Sequence[str] = ()
    day: Sequence[str] = ()

    def table(self, frame: pd.DataFrame) -> pa.Table:
        """Return rows as Arrow; NaN becomes null."""
        fields = {name: TYPES[kind] for kind, names in self._asdict().items() for name in names}
        schema = pa.schema({"strategy_id": pa.string(), **fields})
        if frame.empty:
            return schema.empty_table()
        return pa.Table.from_pandas(frame.reindex(columns=schema.names), schema=schema, preserve_index=False)


# By table: the day of its window, and its columns.
SCHEMAS: dict[str, tuple[str, Columns]] = {
    "strategy_signals": (
        "as_of_date",
        Columns(
            text=["instrument_id", "signal", "reason", "indicators", "order_id", "execution_status", "execution_note"],
            number=["price_adj"], whole=["version"], day=["as_of_date"],
        ),
    ),
    "paper_orders": (
        "placed_date",
        Columns(
            text=["order_id", "broker_order_id", "position_id", "instrument_id", "side", "kind", "reason", "status"],
            number=["quantity", "price", "stop_loss", "take_profit", "filled_quantity", "average_price", "fee"],
            flag=["is_exit"], day=["placed_date", "good_till_date", "closed_date"],
        ),
    ),
    "paper_fills": (
        "trade_date",
        Columns(
            text=["order_id", "position_id", "instrument_id", "reason"], number=["quantity", "price", "fee"],
            day=["trade_date"],
        ),
    ),
    "paper_trades": (
        "exit_date",
        Columns(
            text=["trade_id", "instrument_id", "side", "exit_reason", "context"],
            number=["quantity", "entry_price", "exit_price", "fee", "pnl", "return"], day=["entry_date", "exit_date"],
        ),
    ),
    "strategy_events": (
        "event_date",
        Columns(
            text=["type", "severity", "message", "instrument_id", "metadata"], whole=["event_number"],
            day=["event_date"],
        ),
    ),
    "strategy_equity": (
        "trade_date",
        Columns(
            text=["account"],
            number=[
                "equity", "cash", "positions_value", "return_1d", "benchmark_return_1d", "drawdown", "traded_value",
                "fee",
            ],
            whole=["n_positions", "n_orders", "version"], flag=["is_active"], day=["trade_date"],
        ),
    ),
}  # fmt: skip


def rows_of(
    strategy_id: str, walked: Walked, benchmark: "pd.Series[float]", sessions: Mapping[int, dt.date]
) -> dict[str, pd.DataFrame]:
    """Return the rows of each table.

    Parameters
    ----------
    strategy_id
    walked
    benchmark
        Its daily returns by session, fraction.
    sessions
        By number, as orders count them.
    """
    orders = [_order(ticket, sessions) for ticket in walked.tickets]
    signals = [_ordered(one) for one in walked.tickets if "signal" in one.context]
    rows: dict[str, list[dict[str, Any]]] = {
        "strategy_signals": [*signals, *map(_decided, walked.decisions)],
        "paper_orders": orders,
        "paper_fills": [
            {
                "order_id": fill.order_id, "trade_date": day, "position_id": fill.position_id,
                "instrument_id": fill.instrument_id, "quantity": fill.quantity, "price": fill.price, "fee": fill.fee,
                "reason": fill.reason,
            }
            for day, fill in walked.fills
        ],
        "paper_trades": [_trip(one) for one in walked.trips],
        "strategy_events": _events(walked),
        "strategy_equity": [_day(one, benchmark) for one in walked.days],
    }  # fmt: skip
    return {name: pd.DataFrame(of_table).assign(strategy_id=strategy_id) for name, of_table in rows.items()}


def strategy_rows(traded: "Sequence[Traded]", currency_code: str) -> pd.DataFrame:
    """Return the rows of research.strategies; of strategies that did not trade just now, nothing."""
    rows = []
    for one in traded:
        definition, last = one.definition, one.walked.days[-1]
        strategy = last.version.strategy
        rows.append(
            {
                "strategy_id": definition.strategy_id,
                "strategy_type": definition.strategy_type,
                "title": strategy.title,
                "description": strategy.description,
                "version": last.version.version,
                "is_active": last.version.is_active,
                "parameters": as_json(strategy),
                "parameter_schema": as_json(strategy.parameter_schema()),
                "capital": definition.capital,
                "currency_code": currency_code,
                "last_trade_date": last.trade_date,
            }
        )
    return pd.DataFrame(rows)


def as_json(value: object) -> str:
    """Return a value as JSON text."""
    return msgspec.json.encode(value).decode()


def _order(ticket: Ticket, sessions: Mapping[int, dt.date]) -> dict[str, Any]:
    order = ticket.order
    return {
        "order_id": order.order_id,
        "broker_order_id": ticket.broker_order_id,
        "position_id": order.position_id,
        "instrument_id": order.instrument_id,
        "placed_date": ticket.placed_date,
        "side": "buy" if order.quantity > 0 else "sell",
        "kind": order.kind,
        "reason": order.reason,
        "is_exit": order.is_exit,
        "quantity": abs(order.quantity),
        "price": order.price,
        "stop_loss": order.stop_loss,
        "take_profit": order.take_profit,
        "good_till_date": None if order.good_till is None else sessions.get(order.good_till),
        "status": ticket.status,
        "filled_quantity": ticket.filled,
        "average_price": ticket.value / ticket.filled if ticket.filled else None,
        "fee": ticket.fee,
        "closed_date": ticket.closed_date,
    }


def _ordered(ticket: Ticket) -> dict[str, Any]:
    """Return the signal that led to an order."""
    status = {"order_id": ticket.order.order_id, "execution_status": ticket.status, "execution_note": None}
    return _signal(ticket.context) | status


def _decided(decision: Decision) -> dict[str, Any]:
    """Return a signal that led to none."""
    status = "skipped" if decision.signal["signal"] == "buy" else "none"
    return _signal(decision.signal) | {"order_id": None, "execution_status": status, "execution_note": decision.note}


def _signal(signal: Mapping[str, Any]) -> dict[str, Any]:
    day = dt.date.fromisoformat(signal["as_of_date"])
    return {**signal, "as_of_date": day, "indicators": as_json(signal["indicators"])}


def _trip(one: RoundTrip) -> dict[str, Any]:
    row = one._asdict() | {"side": "long" if one.side > 0 else "short", "context": as_json(one.context)}
    return row | {"trade_id": one.position_id, "return": one.pnl / (one.quantity * one.entry_price)}


def _events(walked: Walked) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for day, event in walked.events:
        is_same_day = bool(rows) and rows[-1]["event_date"] == day
        rows.append(
            {
                "event_date": day, "event_number": rows[-1]["event_number"] + 1 if is_same_day else 1,
                "type": event.type, "severity": event.severity, "message": event.message,
                "instrument_id": event.instrument_id, "metadata": as_json(event.facts or {}),
            }
        )  # fmt: skip
    return rows


def _day(one: Day, benchmark: "pd.Series[float]") -> dict[str, Any]:
    account, book = one.account, one.account.book
    return {
        "trade_date": one.trade_date,
        "equity": account.equity,
        "cash": book.cash,
        "positions_value": account.equity - book.cash,
        "n_positions": len(book.positions),
        "n_orders": len(book.orders),
        "return_1d": account.equity / one.equity_before - 1,
        "benchmark_return_1d": benchmark.get(pd.Timestamp(one.trade_date)),
        "drawdown": account.equity / account.peak - 1,
        "traded_value": one.traded,
        "fee": one.fee,
        "version": one.version.version,
        "is_active": one.version.is_active,
        "account": as_json(account),
    }
