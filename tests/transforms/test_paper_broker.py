"""A broker on paper by hand, beside an independent simulation on real prices, and through a restart."""

import json
import math
from dataclasses import asdict, replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms.paper_broker import (
    Bar,
    Book,
    BrokerRules,
    Fill,
    Order,
    Position,
    Trade,
    equity,
    placed,
    quantity_at_risk,
    trade_session,
)

FREE = BrokerRules(fee_bps=0, slippage_bps=0, participation=1)
BUY = Order("o", "p", "A", 10)


def bar(open_: float, high: float, low: float, close: float, volume: float = 1e6) -> Bar:
    return Bar(open_, high, low, close, volume)


def after(
    order: Order, *bars: Bar, rules: BrokerRules = FREE, cash: float = 1000.0
) -> tuple[Book, list[Fill], list[Trade]]:
    """Where a book with one order stands after some sessions, and all that was filled and closed."""
    book, fills, trades = Book(cash, [order]), [], []
    for session, one in enumerate(bars, start=1):
        book, filled, closed = trade_session(book, session, {"A": one}, rules=rules)
        fills, trades = [*fills, *filled], [*trades, *closed]
    return book, fills, trades


@pytest.mark.parametrize(
    ("kind", "price", "quantity", "filled"),
    [
        ("market", None, 10, 100),
        ("market", None, -10, 100),
        # A limit: reached, better at the open, not reached.
        ("limit", 98.0, 10, 98),
        ("limit", 103.0, 10, 100),
        ("limit", 94.0, 10, None),
        ("limit", 104.0, -10, 104),
        ("limit", 97.0, -10, 100),
        ("limit", 106.0, -10, None),
        # A stop: reached, gapped over at the open, not reached.
        ("stop", 104.0, 10, 104),
        ("stop", 99.0, 10, 100),
        ("stop", 106.0, 10, None),
        ("stop", 96.0, -10, 96),
        ("stop", 101.0, -10, 100),
        ("stop", 94.0, -10, None),
    ],
)
def test_the_next_bar_fills_at_prices_that_it_had(kind, price, quantity, filled):
    order = Order("o", "p", "A", quantity, kind=kind, price=price)
    book, fills, _ = after(order, bar(100, 105, 95, 101))
    assert [fill.price for fill in fills] == ([] if filled is None else [filled])
    assert len(book.orders) == (1 if filled is None else 0)


def test_slippage_is_against_the_trader_and_stays_inside_the_bar():
    rules = BrokerRules(fee_bps=0, slippage_bps=100)
    for quantity, low, high, expected in (
        (10, 95, 105, 101),
        (-10, 95, 105, 99),
        (10, 95, 100.5, 100.5),
        (-10, 99.5, 105, 99.5),
    ):
        _, fills, _ = after(replace(BUY, quantity=quantity), bar(100, high, low, 100), rules=rules)
        assert fills[0].price == pytest.approx(expected)
    _, fills, _ = after(replace(BUY, kind="limit", price=98.0), bar(100, 105, 95, 100), rules=rules)
    assert fills[0].price == 98


def test_a_round_trip_pays_fees_twice():
    rules = BrokerRules(fee_bps=100, slippage_bps=0)
    entry = replace(BUY, take_profit=110.0)
    book, fills, trades = after(entry, bar(100, 101, 99, 100), bar(105, 112, 104, 111), rules=rules)
    # 10 shares gain 10 each; 1 % of 1000 and of 1100 are paid.
    assert trades == [Trade("p", "A", 1, 2, pytest.approx(100 - 10 - 11), "take_profit")]
    assert book.cash == pytest.approx(1000 + 79)
    assert (book.positions, book.orders) == ({}, [])
    assert [fill.reason for fill in fills] == ["signal", "take_profit"]


def test_where_a_bar_reaches_stop_and_profit_the_stop_counts():
    entry = replace(BUY, stop_loss=95.0, take_profit=110.0)
    _, _, trades = after(entry, bar(100, 120, 90, 100), bar(100, 115, 90, 100))
    # Nothing leaves in the bar of the entry, however far it went.
    assert [(trade.exit_session, trade.exit_reason, trade.pnl) for trade in trades] == [(2, "stop_loss", -50)]


def test_a_gap_through_the_stop_loses_more():
    _, _, trades = after(replace(BUY, stop_loss=95.0), bar(100, 101, 99, 100), bar(80, 85, 78, 84))
    assert trades[0].pnl == -200


def test_a_short_gains_when_the_price_falls():
    short = replace(BUY, quantity=-10, stop_loss=105.0, take_profit=90.0)
    book, _, trades = after(short, bar(100, 101, 99, 100), bar(95, 96, 89, 91))
    assert trades[0].pnl == 100
    assert book.cash == 1100


def test_an_order_takes_its_part_of_the_volume_and_waits_with_the_rest():
    rules = BrokerRules(fee_bps=0, slippage_bps=0, participation=0.1)
    book, fills, _ = after(
        replace(BUY, stop_loss=90.0), bar(100, 101, 99, 100, 40), bar(110, 111, 109, 110, 40), rules=rules
    )
    assert [(fill.quantity, fill.price) for fill in fills] == [(4, 100), (4, 110)]
    assert [order.quantity for order in book.orders] == [2, -4, -4]
    assert book.positions["p"] == Position("p", "A", 8, 840, 0, 1)
    second = replace(BUY, order_id="o2", position_id="p2")
    _, fills, _ = trade_session(Book(1000.0, [BUY, second]), 1, {"A": bar(100, 101, 99, 100, 120)}, rules=rules)
    assert [(fill.position_id, fill.quantity) for fill in fills] == [("p", 10), ("p2", 2)]


def test_closing_a_position_cancels_what_its_entry_still_wanted():
    rules = BrokerRules(fee_bps=0, slippage_bps=0, participation=0.1)
    book, _, trades = after(
        replace(BUY, stop_loss=90.0), bar(100, 101, 99, 100, 40), bar(85, 86, 80, 81, 4000), rules=rules
    )
    assert trades[0].pnl == 4 * -15
    assert (book.orders, book.positions) == ([], {})


def test_an_order_ends_after_its_last_session_and_waits_without_a_bar():
    order = replace(BUY, kind="limit", price=90.0, good_till=2)
    book, fills, _ = after(order, bar(100, 105, 95, 101), bar(100, 105, 95, 101), bar(80, 85, 78, 84))
    assert (fills, book.orders) == ([], [])
    waiting, fills, _ = trade_session(Book(0.0, [BUY]), 1, {}, rules=FREE)
    assert (fills, waiting.orders) == ([], [BUY])


def test_an_exit_without_a_position_does_nothing():
    book, fills, _ = after(replace(BUY, quantity=-10, is_exit=True), bar(100, 105, 95, 101))
    assert (fills, book.orders, book.cash) == ([], [], 1000)


def test_equity_is_cash_and_what_is_held():
    book, _, _ = after(BUY, bar(100, 105, 95, 101))
    assert equity(book, {"A": 101.0}) == 1010


def test_sizes_lose_a_share_of_the_capital_at_the_stop():
    assert quantity_at_risk(capital=100_000, risk=0.01, entry=50, stop_loss=45) == 200
    assert quantity_at_risk(capital=100_000, risk=0.01, entry=50, stop_loss=55) == -200
    with pytest.raises(ValueError, match="the stop apart from the entry"):
        quantity_at_risk(capital=100_000, risk=0.01, entry=50, stop_loss=50)


@pytest.mark.parametrize(
    "wrong", [{"quantity": 0.0}, {"kind": "limit"}, {"price": 5.0}, {"kind": "iceberg", "price": 1.0}]
)
def test_orders_that_cannot_be_are_refused(wrong):
    with pytest.raises(ValueError, match="Order o: quantity must not be 0"):
        replace(BUY, **wrong)


def test_rules_that_cannot_be_are_refused():
    with pytest.raises(ValueError, match="participation above 0"):
        BrokerRules(participation=0)


# -- many orders


def random_sessions(seed: int, *, n: int = 40) -> tuple[list[dict[str, Bar]], list[list[Order]]]:
    """Bars of three instruments, some missing, and orders of all kinds."""
    rng = np.random.default_rng(seed)
    bars, orders = [], []
    close = dict.fromkeys("ABC", 100.0)
    for session in range(n):
        day = {}
        for name in close:
            open_ = close[name] * math.exp(rng.normal(0, 0.02))
            close[name] = open_ * math.exp(rng.normal(0, 0.02))
            high, low = max(open_, close[name]) * 1.01, min(open_, close[name]) * 0.99
            if rng.random() < 0.9:
                day[name] = Bar(open_, high, low, close[name], float(rng.integers(50, 500)))
        bars.append(day)
        kinds = rng.choice(["market", "limit", "stop"], 2)
        orders.append([random_order(rng, f"{session}-{n}", str(kind), close) for n, kind in enumerate(kinds)])
    return bars, orders


def random_order(rng: np.random.Generator, name: str, kind: str, close: dict[str, float]) -> Order:
    instrument = str(rng.choice(list(close)))
    side, now = int(rng.choice([-1, 1])), close[instrument]
    return Order(
        name, name, instrument, side * float(rng.integers(1, 60)), kind=kind,  # type: ignore[arg-type]
        price=None if kind == "market" else now * math.exp(rng.normal(0, 0.02)),
        stop_loss=now * (1 - 0.04 * side), take_profit=now * (1 + 0.05 * side),
        good_till=int(rng.integers(0, 40)),
    )  # fmt: skip


@given(seed=st.integers(0, 100_000))
@settings(max_examples=30, deadline=None)
def test_cash_positions_and_trades_are_what_the_fills_add_up_to(seed: int):
    bars, orders = random_sessions(seed)
    book, fills, trades = Book(10_000.0), [], []
    for session, (day, new) in enumerate(zip(bars, orders, strict=True)):
        book, filled, closed = trade_session(book, session, day)
        for name, one in day.items():
            of_name = [fill for fill in filled if fill.instrument_id == name]
            assert sum(abs(fill.quantity) for fill in of_name) <= 0.1 * one.volume + 1e-9
            assert all(one.low <= fill.price <= one.high for fill in of_name)
        fills, trades, book = [*fills, *filled], [*trades, *closed], placed(book, new)
    assert book.cash == pytest.approx(10_000 - sum(fill.quantity * fill.price + fill.fee for fill in fills))
    frame = pd.DataFrame(fills, columns=Fill._fields)
    held = frame.groupby("position_id")["quantity"].sum() if len(frame) else pd.Series(dtype=float)
    assert {name for name, left in held.items() if abs(left) > 1e-9} == set(book.positions)
    for trade in trades:
        own = frame[frame["position_id"] == trade.position_id]
        assert trade.pnl == pytest.approx(-(own["quantity"] * own["price"] + own["fee"]).sum())
        assert (trade.entry_session, trade.exit_session) == (own["session"].min(), own["session"].max())


@given(seed=st.integers(0, 100_000), cut=st.integers(1, 39))
@settings(max_examples=40, deadline=None)
def test_a_restart_in_the_middle_changes_nothing(seed: int, cut: int):
    """The book goes through JSON, as a table would keep it."""
    bars, orders = random_sessions(seed)

    def run(book: Book, sessions: range) -> tuple[Book, list[Fill], list[Trade]]:
        fills, trades = [], []
        for session in sessions:
            book, filled, closed = trade_session(book, session, bars[session])
            fills, trades, book = [*fills, *filled], [*trades, *closed], placed(book, orders[session])
        return book, fills, trades

    whole = run(Book(10_000.0), range(40))
    first = run(Book(10_000.0), range(cut))
    kept = json.loads(json.dumps(asdict(first[0])))
    positions = {name: Position(**position) for name, position in kept["positions"].items()}
    again = Book(kept["cash"], [Order(**order) for order in kept["orders"]], positions)
    second = run(again, range(cut, 40))
    assert (second[0], [*first[1], *second[1]], [*first[2], *second[2]]) == whole


# -- real prices


def test_trades_on_real_prices_are_those_of_an_independent_simulation(real_bars: pd.DataFrame):
    """Each entry is simulated by itself, by first hits in arrays: nothing of the broker's walk through sessions."""
    names = sorted(real_bars["source_symbol"].unique())[:30]
    rules = BrokerRules(fee_bps=10, slippage_bps=5, participation=1.0)
    bars = {name: one.reset_index(drop=True) for name, one in real_bars.groupby("source_symbol") if name in names}
    sessions = sorted(set(pd.concat([one["trade_date"] for one in bars.values()])))
    place = {day: session for session, day in enumerate(sessions)}
    by_session: list[dict[str, Bar]] = [{} for _ in sessions]
    for name, one in bars.items():
        for row in one.itertuples():
            if np.isfinite([row.open, row.high, row.low, row.close]).all() and row.volume > 0:
                by_session[place[row.trade_date]][name] = Bar(row.open, row.high, row.low, row.close, row.volume)
    entries = [entry for name, one in bars.items() for entry in crossings(name, one, place)]
    waiting: dict[int, list[Order]] = {}
    for entry in entries:
        waiting.setdefault(int(entry.order_id.split("@")[1]), []).append(entry)
    book, trades = Book(0.0), []
    for session, day in enumerate(by_session):
        book, _, closed = trade_session(book, session, day, rules=rules)
        trades += closed
        book = placed(book, waiting.get(session, []))
    found = {trade.position_id: trade for trade in trades}
    traded = {name: [(n, day[name]) for n, day in enumerate(by_session) if name in day] for name in names}
    expected = {
        entry.position_id: trade for entry in entries if (trade := simulated(entry, traded[entry.instrument_id], rules))
    }
    assert len(expected) > 200
    assert {trade.exit_reason for trade in expected.values()} == {"stop_loss", "take_profit"}
    assert set(found) == set(expected)
    for name, trade in expected.items():
        assert found[name][:4] == trade[:4], name
        assert found[name].exit_reason == trade.exit_reason, name
        assert found[name].pnl == pytest.approx(trade.pnl, abs=1e-9), name


def crossings(name: str, one: pd.DataFrame, place: dict[pd.Timestamp, int]) -> list[Order]:
    """Buy where the average of 10 days crosses above that of 50, with a stop and a target around the close."""
    close = one["close"]
    is_above = close.rolling(10).mean() > close.rolling(50).mean()
    rows = np.flatnonzero(is_above & ~is_above.shift(1, fill_value=True) & close.rolling(50).mean().shift(1).notna())
    return [
        Order(
            f"{name}@{place[one['trade_date'][row]]}", f"{name}@{row}", name, 100.0,
            stop_loss=0.95 * close[row], take_profit=1.08 * close[row],
        )
        for row in rows
    ]  # fmt: skip


def simulated(entry: Order, bars: list[tuple[int, Bar]], rules: BrokerRules) -> Trade | None:
    """One entry by itself."""
    begin = int(entry.order_id.split("@")[1]) + 1
    own = [(session, one) for session, one in bars if session >= begin]
    if not own:
        return None
    (entered, first), later = own[0], own[1:]
    slip, fee = rules.slippage_bps / 1e4, rules.fee_bps / 1e4
    paid = min(first.open * (1 + slip), first.high)
    is_stopped = np.array([one.low <= entry.stop_loss or one.open <= entry.stop_loss for _, one in later], dtype=bool)
    is_reached = np.array([one.high >= entry.take_profit for _, one in later], dtype=bool)
    hits = np.flatnonzero(is_stopped | is_reached)
    if len(hits) == 0:
        return None
    session, last = later[hits[0]]
    if is_stopped[hits[0]]:
        reference = min(last.open, entry.stop_loss)
        got, reason = max(reference * (1 - slip), min(last.low, reference)), "stop_loss"
    else:
        got, reason = max(last.open, entry.take_profit), "take_profit"
    pnl = 100 * (got - paid) - 100 * fee * (got + paid)
    return Trade(entry.position_id, entry.instrument_id, entered, session, pnl, reason)
