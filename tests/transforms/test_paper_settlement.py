"""An account through jumps in prices, delistings and partial fills, by hand; and the strategies on real prices."""

import datetime as dt
from typing import NamedTuple

import msgspec
import numpy as np
import pandas as pd
import pytest

from transforms.brokers import PaperBroker
from transforms.indicators import indicators
from transforms.paper_account import Account, Mark
from transforms.paper_broker import Bar, BrokerRules, Order
from transforms.paper_settlement import place, settle, withdraw
from transforms.strategies.macd_rsi import MacdRsi
from transforms.strategies.mean_reversion_bollinger import MeanReversionBollinger
from transforms.strategies.ranking_rotation import RankingRotation
from transforms.strategies.strategy import Board, Strategy
from transforms.strategies.walk import Version, Walked, walk
from transforms.tape import Tape

DAY = dt.date(2024, 1, 2)
FREE = BrokerRules(fee_bps=0, slippage_bps=0, participation=1.0)
BROKER = PaperBroker("test", FREE)


class Prices:
    """One session of one instrument, a."""

    def __init__(self, price: float | None, *, segment: int = 0, volume: float = 1000, gone: bool = False) -> None:
        self._price, self._segment, self._volume, self._gone = price, segment, volume, gone

    def bar(self, name: str) -> Bar | None:
        price = self._price
        return None if price is None else Bar(price, price, price, price, self._volume)

    def mark(self, name: str) -> Mark | None:
        return None if self._price is None else Mark(self._price, self._segment)

    def is_gone(self, name: str) -> bool:
        return self._gone


def order(name: str = "p-entry", quantity: float = 10.0, **more: object) -> Order:
    return Order(name, "p", "a", quantity, **more)  # type: ignore[arg-type]


def ordered(*orders: Order, account: Account | None = None) -> Account:
    return place(account or Account.opened(1000.0), orders, BROKER, day=DAY, marks={"a": Mark(10.0, 0)}, contexts={})


def held() -> Account:
    """Ten shares bought at 10, with a stop at 8 and a target of 15."""
    return settle(ordered(order(stop_loss=8.0, take_profit=15.0)), DAY, 1, Prices(10.0), BROKER).account


def test_an_entry_brings_its_exits_and_the_broker_names_each_order():
    account = held()
    assert account.equity == 1000
    assert {one.order.reason for one in account.tickets.values()} == {"stop_loss", "take_profit"}
    ids = {one.broker_order_id for one in account.tickets.values()}
    assert len(ids) == 2
    assert all(one.startswith("paper_") for one in ids)
    again, same = BROKER.submit(account.book, [one.order for one in account.tickets.values()])
    assert (again, set(same.values())) == (account.book, ids)


def test_an_unexplained_jump_leaves_the_worth_and_moves_shares_stops_and_targets():
    settled = settle(held(), DAY, 2, Prices(5.0, segment=1), BROKER)
    account = settled.account
    assert account.equity == pytest.approx(1000)
    assert account.book.positions["p"].quantity == pytest.approx(20)
    assert sorted(one.price or 0 for one in account.book.orders) == [4.0, 7.5]
    assert [one.type for one in settled.events] == ["price_break"]
    sold = settle(account, DAY, 3, Prices(4.0, segment=1), BROKER)
    assert sold.trips[0].pnl == pytest.approx(20 * (4 - 5))
    assert sold.account.equity == pytest.approx(980)


def test_a_jump_without_a_bar_is_seen_by_its_close():
    class CloseOnly(Prices):
        def bar(self, name: str) -> Bar | None:
            return None

    assert settle(held(), DAY, 2, CloseOnly(5.0, segment=1), BROKER).account.equity == pytest.approx(1000)


def test_a_delisting_closes_at_the_last_close_and_ends_the_orders():
    account = settle(held(), DAY, 2, Prices(9.0), BROKER).account
    settled = settle(account, DAY, 3, Prices(None, gone=True), BROKER)
    assert [(one.exit_reason, one.exit_price, one.pnl) for one in settled.trips] == [("delisting", 9.0, -10.0)]
    assert settled.account.book.orders == []
    assert (settled.account.book.cash, settled.account.equity) == (990, 990)
    assert {one.status for one in settled.closed} == {"cancelled", "filled"}
    assert {one.type for one in settled.events} == {"delisting", "position_closed"}


def test_part_of_an_order_waits_and_what_is_too_late_expires():
    account = ordered(order(good_till=2))
    first = settle(account, DAY, 1, Prices(10.0, volume=4), BROKER).account
    assert (first.tickets["p-entry"].status, first.tickets["p-entry"].filled) == ("partly_filled", 4)
    second = settle(first, DAY, 2, Prices(10.0, volume=4), BROKER).account
    third = settle(second, DAY, 3, Prices(10.0), BROKER)
    assert [(one.status, one.filled, one.closed_date) for one in third.closed] == [("expired", 8, DAY)]
    assert [one.type for one in third.events] == ["order_expired"]
    assert third.account.book.positions["p"].quantity == 8


def test_a_withdrawn_order_is_cancelled_and_never_filled():
    account, gone = withdraw(ordered(order()), ["p-entry"], BROKER, day=DAY)
    assert [(one.status, one.order.order_id) for one in gone] == [("cancelled", "p-entry")]
    assert settle(account, DAY, 1, Prices(10.0), BROKER).fills == []


def test_an_account_goes_through_json_without_loss():
    account = held()
    assert msgspec.json.decode(msgspec.json.encode(account), type=Account) == account


# -- real prices

N_NAMES, GOOD_TILL = 25, 2


class Plan(NamedTuple):
    """What a strategy says of one instrument, by session, written down anew."""

    buys: np.ndarray
    sells: np.ndarray
    stop_atr: float
    target: np.ndarray | None
    risk: float = 0.01
    weight: float = 0.1
    is_limit: bool = False


# The loop that it is compared with is slow enough as it is.
@pytest.mark.unwatched
def test_strategies_on_real_prices_trade_as_a_plain_loop_does(real_bars: pd.DataFrame):
    """One instrument at a time, everything in one place and nothing of the product's walk, books or broker.

    A walk that ends in the middle and goes on from its account, through JSON, comes to the same bits.
    """
    by_name = {name: whole_bars(real_bars, name) for name in sorted(real_bars["source_symbol"].unique())[:N_NAMES]}
    momentum = pd.DataFrame({name: bars.set_index("trade_date")["close"] for name, bars in by_name.items()})
    places = momentum.pct_change(126, fill_method=None).rank(axis=1, ascending=False)
    strategies = {
        "macd_rsi": MacdRsi(min_rsi=30, max_rsi=70, stop_loss_atr=1.5, take_profit_atr=3.0, max_positions=1),
        "mean_reversion_bollinger": MeanReversionBollinger(max_rsi=45, max_adx=60, max_positions=1),
        "ranking_rotation": RankingRotation(n_names=5, keep_places=10, max_positions=1),
    }
    plans = {"macd_rsi": by_macd, "mean_reversion_bollinger": by_bands, "ranking_rotation": by_place}
    totals = dict.fromkeys(strategies, 0)
    for name, bars in by_name.items():
        frame = bars.rename(
            columns={"high": "high_adj", "low": "low_adj", "close": "close_adj", "volume": "volume_adj"}
        )
        measured = indicators(frame.assign(instrument_id=name, price_segment=0))
        measured["rank_balanced"] = places[name].reindex(bars["trade_date"]).to_numpy()
        for kind, strategy in strategies.items():
            found = walked(name, bars, measured, strategy)
            expected = plain_loop(bars, measured["atr_14d"].to_numpy(), plans[kind](bars, measured))
            assert [one[:2] for one in found] == [one[:2] for one in expected], (name, kind)
            assert [one[3] for one in found] == [one[3] for one in expected], (name, kind)
            assert [one[2] for one in found] == pytest.approx([one[2] for one in expected], rel=1e-9), (name, kind)
            totals[kind] += len(found)
    assert totals["macd_rsi"] > 150
    assert totals["mean_reversion_bollinger"] > 50
    assert totals["ranking_rotation"] > 50


def whole_bars(real_bars: pd.DataFrame, name: str) -> pd.DataFrame:
    bars = real_bars[real_bars["source_symbol"] == name].reset_index(drop=True)
    is_whole = bars[["open", "high", "low", "close", "volume"]].gt(0).all(axis=1)
    return bars[is_whole].reset_index(drop=True)


def walked(name: str, bars: pd.DataFrame, measured: pd.DataFrame, strategy: Strategy) -> list[tuple]:
    def column(values: pd.Series) -> np.ndarray:
        return values.to_numpy(dtype=float)[:, None]

    measures = {one: column(measured[one]) for one in strategy.inputs if one != "close_adj"}
    measures["close_adj"] = column(bars["close"])
    names = np.array([name], dtype=object)
    prices = {one: column(bars[one]) for one in ("open", "high", "low", "close", "volume")}
    shape = (len(bars), 1)
    tape = Tape(names, prices, np.zeros(shape, dtype=np.int64), np.array([len(bars)]))
    days = bars["trade_date"].to_numpy().astype("datetime64[D]")
    broker = PaperBroker("test", BrokerRules(fee_bps=10, slippage_bps=5, participation=1.0))
    version = Version(1, dt.date(1970, 1, 1), True, strategy)

    def walk_on(account: Account, first: int, end: int) -> Walked:
        board = Board(days[:end], names, {one: values[:end] for one, values in measures.items()})
        return walk(account, board, tape, [version], broker, account_id="test", first_row=first, first_number=first)

    done = walk_on(Account.opened(100_000), 1, len(bars))
    before = walk_on(Account.opened(100_000), 1, len(bars) // 2)
    kept = msgspec.json.decode(msgspec.json.encode(before.account), type=Account)
    after = walk_on(kept, len(bars) // 2, len(bars))
    assert ([*before.trips, *after.trips], after.account) == (done.trips, done.account), (name, strategy.name)
    return [(one.entry_date, one.exit_date, one.pnl, one.exit_reason) for one in done.trips]


def by_macd(bars: pd.DataFrame, measured: pd.DataFrame) -> Plan:
    hist, rsi, atr, sma = (measured[name].to_numpy() for name in ("macd_histogram", "rsi_14d", "atr_14d", "sma_200d"))
    close, before = bars["close"].to_numpy(), np.r_[np.nan, hist[:-1]]
    sells = (rsi > 80) | ((hist < 0) & (before >= 0))
    buys = (hist > 0) & (before <= 0) & (rsi >= 30) & (rsi <= 70) & (close > sma) & ~sells
    return Plan(buys, sells, 1.5, close + 3.0 * atr)


def by_bands(bars: pd.DataFrame, measured: pd.DataFrame) -> Plan:
    """A limit at the close below the lower band, for two sessions; the middle of that day is the target."""
    lower, middle = measured["bollinger_lower_20d"].to_numpy(), measured["bollinger_middle_20d"].to_numpy()
    close = bars["close"].to_numpy()
    is_low = (measured["rsi_14d"].to_numpy() <= 45) & (measured["adx_14d"].to_numpy() <= 60)
    return Plan((close < lower) & is_low, close >= middle, 2.5, middle, is_limit=True)


def by_place(bars: pd.DataFrame, measured: pd.DataFrame) -> Plan:
    """In the first session of each month; without a place it is sold."""
    place, days = measured["rank_balanced"].to_numpy(), bars["trade_date"]
    decides = np.array([False] + [now.month != then.month for now, then in zip(days[1:], days[:-1], strict=True)])
    return Plan(decides & (place <= 5), decides & ~(place <= 10), 6.0, None, risk=0.02, weight=0.05)


def plain_loop(bars: pd.DataFrame, atr: np.ndarray, plan: Plan) -> list[tuple]:
    """Buy and sell one instrument, one position at a time."""
    slip, fee = 5e-4, 1e-3
    opened, high, low, close = (bars[name].to_numpy() for name in ("open", "high", "low", "close"))
    days = [day.date() for day in bars["trade_date"]]
    cash, shares, wants, leaves = 100_000.0, 0.0, None, False
    paid = stop = target = asked = 0.0
    entered, placed_at, trades = None, 0, []
    for t in range(1, len(close)):
        price = reason = None
        if shares:
            # A stop counts before anything else, then the target, which waits longer than the exit by a signal.
            if opened[t] <= stop or low[t] <= stop:
                reference = min(opened[t], stop)
                price, reason = max(reference * (1 - slip), min(low[t], reference)), "stop_loss"
            elif opened[t] >= target or high[t] >= target:
                price, reason = max(opened[t], target), "take_profit"
            elif leaves:
                price, reason = max(opened[t] * (1 - slip), low[t]), "signal"
        if wants is not None and t > placed_at + GOOD_TILL:
            wants = None
        if price is not None:
            gained = shares * (price - paid) - fee * shares * (price + paid)
            trades.append((entered, days[t], gained, reason))
            cash += shares * price * (1 - fee)
            shares, leaves = 0.0, False
        elif wants is not None and (not plan.is_limit or low[t] <= asked):
            shares, stop, target = wants
            paid = min(opened[t], asked) if plan.is_limit else min(opened[t] * (1 + slip), high[t])
            cash -= shares * paid * (1 + fee)
            entered, wants = days[t], None
        if plan.sells[t]:
            wants, leaves = None, shares > 0
        elif plan.buys[t] and not shares and wants is None and atr[t] > 0:
            equity, distance = cash, plan.stop_atr * atr[t]
            size = min(equity * plan.risk / distance, plan.weight * equity / close[t], 0.99 * equity / close[t])
            wants = (size, close[t] - distance, np.inf if plan.target is None else plan.target[t])
            asked, placed_at = close[t], t
    return trades
