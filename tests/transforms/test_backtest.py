"""The portfolio engine against hand-worked books, a plain loop and properties."""

import math
from collections.abc import Callable
from functools import partial

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms.backtest import Books, backtest
from transforms.ledger import Execution
from transforms.target_weights import quantile_weights, rebalance_rows
from transforms.trading_costs import Liquidity

FREE = Execution(cost_bps=0, slippage_bps=0)
NAN = math.nan
# Below this share of the book a difference is rounding.
ROUNDING = 1e-12


def prices(**columns: list[float]) -> pd.DataFrame:
    n_days = len(next(iter(columns.values())))
    return pd.DataFrame(columns, index=pd.bdate_range("2024-01-01", periods=n_days, name="trade_date"))


def weights(close: pd.DataFrame, rows: dict[int, dict[str, float]]) -> pd.DataFrame:
    frame = pd.DataFrame(list(rows.values()), index=close.index[list(rows)])
    return frame.reindex(columns=close.columns).fillna(0.0)


def after_costs(
    wanted: dict[str, float],
    held: dict[str, float],
    tradable: set[str],
    before: float,
    charge: Callable[[str, float], float],
    rules: Execution,
) -> dict[str, float]:
    """Bisect for the equity after costs; give what to buy of each name."""
    blocked = sum(value for name, value in held.items() if name not in tradable)
    gross = sum(wanted[name] for name in tradable)
    low, high, orders = 0.0, before, {}
    for _ in range(200):
        middle = (low + high) / 2
        base = min(middle, (middle - blocked) / gross) if rules.long_only and gross > 0 else middle
        orders = {name: wanted[name] * base - held[name] for name in tradable}
        if middle + sum(charge(name, value) for name, value in orders.items()) < before:
            low = middle
        else:
            high = middle
    turnover = sum(abs(value) for value in orders.values()) / before
    if turnover > rules.max_turnover:
        orders = {name: value * rules.max_turnover / turnover for name, value in orders.items()}
    return orders


def charged(name: str, value: float, rules: Execution, volume: dict[str, float], moves: dict[str, float]) -> float:
    """What a trade of a value costs, in the words of the rules."""
    rate = (rules.cost_bps + rules.slippage_bps) / 1e4
    if rules.spread_by_liquidity:
        known = not math.isnan(volume[name])
        rate += min(max(0.0025 / math.sqrt(volume[name] / 1e6), 0.00005), 0.01) if known else 0.01
    move = 0.03 if math.isnan(moves[name]) else moves[name]
    participation = abs(value) * rules.capital / (rules.capital if math.isnan(volume[name]) else volume[name])
    return abs(value) * (rate + rules.impact_coefficient * move * math.sqrt(participation))


def plain_loop(
    close: pd.DataFrame,
    targets: pd.DataFrame,
    last_rows: dict[str, int],
    execution: Execution,
    opens: pd.DataFrame,
    liquidity: Liquidity,
) -> pd.DataFrame:
    """Walk through the days with dictionaries and bisection: slow, and nothing like the engine."""
    shares: dict[str, float] = {}
    cash, path = 1.0, []
    last_price: dict[str, float] = {}
    values = close.to_dict("records")
    fills = values if execution.fill == "close" else opens.to_dict("records")
    volumes = pd.DataFrame(liquidity.dollar_volume, columns=close.columns).to_dict("records")
    moves = pd.DataFrame(liquidity.volatility, columns=close.columns).to_dict("records")
    orders = {close.index.get_loc(day) + 1: row.to_dict() for day, row in targets.iterrows()}
    for row, quoted in enumerate(values):
        if row > 0:
            cash *= 1 + execution.cash_return_1d
        worth = {name: price for name, price in last_price.items()}
        for name, price in fills[row].items():
            if not math.isnan(price):
                worth[name] = price
        charge = partial(charged, rules=execution, volume=volumes[max(row - 1, 0)], moves=moves[max(row - 1, 0)])
        amounts, costs, n_unfilled, at_first = [], [], 0, cash
        gone = [name for name in shares if last_rows.get(name, 10**9) < row]
        for name in gone:
            proceeds = shares.pop(name) * last_price[name] * (1 + execution.delisting_return)
            at_first += proceeds
            cash += proceeds - charge(name, proceeds)
            amounts.append(abs(proceeds))
            costs.append(charge(name, proceeds))
        at_first += sum(n * worth[name] for name, n in shares.items())
        if row in orders:
            wanted = {name: weight for name, weight in orders[row].items() if weight or name in shares}
            tradable = {n for n in wanted if not math.isnan(fills[row][n]) and last_rows.get(n, 10**9) >= row}
            held = {name: shares.get(name, 0.0) * worth.get(name, 0.0) for name in wanted}
            before = cash + sum(held.values())
            missed = {n for n in wanted if abs(wanted[n] * before - held[n]) > ROUNDING * before}
            n_unfilled = len(missed - tradable - set(gone))
            orders_found = after_costs(wanted, held, tradable, before, charge, execution)
            for name, value in orders_found.items():
                shares[name] = (held[name] + value) / fills[row][name]
                cash -= value + charge(name, value)
                amounts.append(abs(value))
                costs.append(charge(name, value))
                if abs(held[name] + value) <= ROUNDING * before:
                    del shares[name]
        for name, price in quoted.items():
            if not math.isnan(price):
                last_price[name] = price
        equity = cash + sum(n * last_price[name] for name, n in shares.items())
        path.append((equity, cash, len(shares), n_unfilled, sum(amounts) / at_first, sum(costs)))
    return pd.DataFrame(path, columns=["equity", "cash", "n_positions", "n_unfilled", "turnover", "cost"])


def assert_same_as_loop(
    close: pd.DataFrame, targets: pd.DataFrame, last: "pd.Series | None", execution: Execution
) -> Books:
    opens, liquidity = random_opens(close), random_liquidity(close)
    books = backtest(close, targets, open_adj=opens, liquidity=liquidity, last_trade_dates=last, execution=execution)
    last_rows = {}
    if last is not None:
        last_rows = {name: int(close.index.searchsorted(day, side="right")) - 1 for name, day in last.items()}
    expected = plain_loop(close, targets, last_rows, execution, opens, liquidity)
    found = books.daily[list(expected)].reset_index(drop=True)
    pd.testing.assert_frame_equal(found, expected, check_dtype=False, rtol=1e-9, atol=1e-12)
    return books


def turnover_of_orders(books: Books) -> pd.Series:
    """Bought plus sold by orders alone, by day, over the equity that delistings leave."""
    trades = books.trades
    is_order = trades["reason"] == "rebalance"
    amount = trades["traded_value"].abs()
    by_day = amount.groupby(trades["trade_date"]).sum()
    equity = by_day / books.daily["turnover"].reindex(by_day.index)
    cost_of_gone = trades["cost"].mask(is_order, 0.0).groupby(trades["trade_date"]).sum()
    return amount.where(is_order, 0.0).groupby(trades["trade_date"]).sum() / (equity - cost_of_gone)


def random_market(seed: int, n_days: int = 90, n_names: int = 12) -> tuple[pd.DataFrame, pd.Series]:
    """Prices with gaps, a late listing and three delistings."""
    rng = np.random.default_rng(seed)
    paths = 50 * np.exp(np.cumsum(rng.normal(0, 0.03, (n_days, n_names)), axis=0))
    close = prices(**{f"n{name:02d}": paths[:, name].tolist() for name in range(n_names)})
    close = close.mask(rng.random(close.shape) < 0.05)
    close.iloc[:20, 0] = NAN
    last_rows = rng.integers(n_days // 3, n_days - 10, size=3)
    for name, row in enumerate(last_rows, start=1):
        close.iloc[row + 1 :, name] = NAN
    return close, pd.Series(close.index[last_rows], index=close.columns[1:4])


def random_opens(close: pd.DataFrame) -> pd.DataFrame:
    """Opens near the closes; some are missing where there is a close, and there are none where there is no close."""
    rng = np.random.default_rng(31)
    return (close * np.exp(rng.normal(0, 0.01, close.shape))).mask(rng.random(close.shape) < 0.05)


def random_liquidity(close: pd.DataFrame) -> Liquidity:
    """From thin to deep, some of it unknown; the capital of `Execution` is a part of it that tells."""
    rng = np.random.default_rng(32)
    volume = np.exp(rng.uniform(np.log(1e4), np.log(1e10), close.shape))
    volume[rng.random(close.shape) < 0.1] = NAN
    volatility = np.where(rng.random(close.shape) < 0.1, NAN, rng.uniform(0.005, 0.04, close.shape))
    return Liquidity(volume, volatility)


def random_targets(close: pd.DataFrame, seed: int, *, long_only: bool) -> pd.DataFrame:
    rng = np.random.default_rng(seed + 100)
    rows = np.arange(3, len(close), 9)
    raw = rng.random((len(rows), close.shape[1])) * (rng.random((len(rows), close.shape[1])) < 0.6)
    raw = raw / np.maximum(raw.sum(axis=1, keepdims=True), 1e-9) * rng.uniform(0.8, 1.0, (len(rows), 1))
    if not long_only:
        raw = raw * rng.choice([-1, 1], raw.shape)
    return pd.DataFrame(raw, index=close.index[rows], columns=close.columns)


def test_a_signal_is_traded_at_the_next_close():
    close = prices(A=[10.0, 20.0, 40.0])
    books = backtest(close, weights(close, {0: {"A": 1.0}}), execution=FREE)
    assert books.daily["equity"].tolist() == [1.0, 1.0, 2.0]
    assert books.trades["trade_date"].tolist() == [close.index[1]]
    assert books.trades["price_adj"].tolist() == [20.0]


def test_a_signal_on_the_last_day_is_not_traded():
    close = prices(A=[10.0, 20.0])
    assert backtest(close, weights(close, {1: {"A": 1.0}})).trades.empty


def test_weights_drift_until_the_next_rebalance():
    close = prices(A=[1.0, 1.0, 3.0, 3.0], B=[1.0, 1.0, 1.0, 1.0])
    half = {"A": 0.5, "B": 0.5}
    trades = backtest(close, weights(close, {0: half, 2: half}), execution=FREE).trades
    second = trades[trades["trade_date"] == close.index[3]].set_index("instrument_id")
    # A tripled: 1.5 of 2.0. Half a unit goes from A to B.
    assert second["weight_before"].to_dict() == {"A": 0.75, "B": 0.25}
    assert second["traded_value"].to_dict() == {"A": -0.5, "B": 0.5}
    assert second["weight_after"].to_dict() == {"A": 0.5, "B": 0.5}


def test_a_full_investment_pays_its_costs_out_of_the_position():
    close = prices(A=[10.0, 10.0])
    execution = Execution(cost_bps=60, slippage_bps=40)
    day = backtest(close, weights(close, {0: {"A": 1.0}}), execution=execution).daily.iloc[-1]
    # x buys x of shares and 0.01 x of costs: x = 1 / 1.01.
    assert day["equity"] == pytest.approx(1 / 1.01, abs=1e-15)
    assert day["cost"] == pytest.approx(0.01 / 1.01, abs=1e-15)
    assert day["turnover"] == pytest.approx(1 / 1.01, abs=1e-15)
    assert day["cash"] == pytest.approx(0.0, abs=1e-15)


def test_a_missing_price_carries_the_position_and_blocks_the_trade():
    close = prices(A=[10.0, 10.0, NAN, 20.0, 20.0], B=[5.0] * 5)
    targets = weights(close, {0: {"A": 0.5}, 1: {"B": 1.0}, 3: {"B": 1.0}})
    books = backtest(close, targets, execution=FREE)
    third = books.daily.iloc[2]
    assert (third["equity"], third["n_positions"], third["n_unfilled"]) == (1.0, 2, 1)
    # A could not be sold, so only half of the order for B had cash behind it.
    assert third["cash"] == 0.0
    assert books.daily["equity"].tolist() == [1.0, 1.0, 1.0, 1.5, 1.5]
    assert books.daily["n_positions"].tolist()[-1] == 1


def test_what_has_no_price_yet_is_not_bought():
    close = prices(A=[NAN, NAN, 10.0])
    books = backtest(close, weights(close, {0: {"A": 1.0}}), execution=FREE)
    assert books.trades.empty
    assert books.daily["n_unfilled"].tolist() == [0, 1, 0]


def test_a_delisted_position_is_sold_the_session_after_its_last():
    close = prices(A=[10.0, 10.0, 12.0, NAN, NAN])
    last = pd.Series([close.index[2]], index=["A"])
    execution = Execution(cost_bps=0, slippage_bps=0, delisting_return=-0.5)
    books = backtest(close, weights(close, {0: {"A": 1.0}}), last_trade_dates=last, execution=execution)
    np.testing.assert_allclose(books.daily["equity"], [1.0, 1.0, 1.2, 0.6, 0.6], rtol=1e-15)
    np.testing.assert_allclose(books.daily["cash"], [1.0, 0.0, 0.0, 0.6, 0.6], rtol=1e-15)
    sale = books.trades.iloc[-1]
    assert (sale["trade_date"], sale["reason"], sale["price_adj"]) == (close.index[3], "delisting", 6.0)


def test_a_delisting_that_leaves_nothing_is_still_a_trade():
    close = prices(A=[10.0, 10.0, NAN])
    last = pd.Series([close.index[1]], index=["A"])
    books = backtest(
        close,
        weights(close, {0: {"A": 0.5}}),
        last_trade_dates=last,
        execution=Execution(delisting_return=-1.0),
    )
    assert books.trades["reason"].tolist() == ["rebalance", "delisting"]
    assert books.daily["n_positions"].tolist() == [0, 1, 0]


def test_nothing_is_bought_after_its_delisting():
    close = prices(A=[10.0, 10.0, 10.0], B=[1.0, 1.0, 1.0])
    last = pd.Series([close.index[0], pd.NaT], index=["A", "B"])
    books = backtest(close, weights(close, {0: {"A": 1.0}}), last_trade_dates=last)
    assert books.trades.empty


@pytest.mark.parametrize("fill", ["close", "open"])
def test_what_is_quoted_after_a_delisting_is_no_price(fill: str):
    close = prices(A=[10.0, 10.0, 10.0, 1000.0, 2000.0])
    last = pd.Series([close.index[2]], index=["A"])
    execution = Execution(cost_bps=0, slippage_bps=0, fill=fill, delisting_return=-0.2)
    books = backtest(close, weights(close, {0: {"A": 1.0}}), open_adj=close, last_trade_dates=last, execution=execution)
    np.testing.assert_allclose(books.daily["equity"], [1.0, 1.0, 1.0, 0.8, 0.8], rtol=1e-15)
    assert books.trades["price_adj"].tolist() == [10.0, 8.0]


def test_a_long_only_book_that_is_worth_nothing_says_so():
    close = prices(A=[10.0, 10.0, NAN, NAN])
    last = pd.Series([close.index[1]], index=["A"])
    with pytest.raises(ValueError, match=r"long-only book must be worth something; got .* in row 2, with .*=-1.0"):
        backtest(
            close,
            weights(close, {0: {"A": 1.0}}),
            last_trade_dates=last,
            execution=Execution(delisting_return=-1.0),
        )


def test_a_ruined_book_sells_no_more_than_it_has():
    close = prices(A=[1.0, 1.0, 5.0, 5.0], B=[1.0, 1.0, 1.0, NAN], C=[1.0] * 4)
    last = pd.Series([close.index[2]], index=["B"])
    targets = weights(close, {0: {"A": -1.0, "B": 0.5, "C": 0.5}})
    books = backtest(close, targets, last_trade_dates=last, execution=Execution(long_only=False))
    assert books.daily["equity"].iloc[-1] < 0
    assert books.trades["instrument_id"].tolist() == ["A", "B", "C", "B"]


def test_cash_earns_its_interest():
    close = prices(A=[10.0] * 4)
    execution = Execution(cost_bps=0, slippage_bps=0, cash_return_1d=0.01)
    books = backtest(close, weights(close, {1: {"A": 0.5}}), execution=execution)
    before_trade = 1.01**2
    expected = [1.0, 1.01, before_trade, before_trade / 2 * 1.01 + before_trade / 2]
    np.testing.assert_allclose(books.daily["equity"], expected, rtol=1e-15)


def test_a_long_short_book_gains_when_its_short_falls():
    close = prices(A=[10.0, 10.0, 11.0], B=[10.0, 10.0, 9.0])
    execution = Execution(cost_bps=0, slippage_bps=0, long_only=False)
    books = backtest(close, weights(close, {0: {"A": 0.5, "B": -0.5}}), execution=execution)
    assert books.daily["equity"].iloc[-1] == pytest.approx(1.1, abs=1e-15)
    assert books.daily["cash"].iloc[-1] == 1.0


def test_drawdown_counts_a_loss_from_the_starting_capital():
    close = prices(A=[10.0, 10.0, 8.0, 12.0])
    books = backtest(close, weights(close, {0: {"A": 1.0}}), execution=FREE)
    np.testing.assert_allclose(books.daily["drawdown"], [0.0, 0.0, -0.2, 0.0], atol=1e-15)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("long_only", [True, False])
def test_books_equal_those_of_a_plain_loop(seed: int, long_only: bool):
    close, last = random_market(seed)
    targets = random_targets(close, seed, long_only=long_only)
    execution = Execution(
        cost_bps=12, slippage_bps=8, long_only=long_only, delisting_return=-0.3, cash_return_1d=0.0001
    )
    books = assert_same_as_loop(close, targets, last, execution)
    assert (books.trades["reason"] == "delisting").any()
    rng = np.random.default_rng(seed)
    quoted_later = close.fillna({name: 1000 * rng.random() for name in last.index})
    assert_same_as_loop(quoted_later, targets, last, execution)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("long_only", [True, False])
@pytest.mark.parametrize(
    "rules",
    [
        {"fill": "open"},
        {"max_turnover": 0.4},
        {"spread_by_liquidity": True},
        {"impact_coefficient": 1.0, "capital": 5e6},
        {"fill": "open", "max_turnover": 0.6, "spread_by_liquidity": True, "impact_coefficient": 0.8, "capital": 2e6},
    ],
    ids=["open", "turnover", "spread", "impact", "all"],
)
def test_books_under_every_rule_equal_those_of_a_plain_loop(seed: int, long_only: bool, rules: dict):
    close, last = random_market(seed)
    targets = random_targets(close, seed, long_only=long_only)
    plain = {"cost_bps": 3, "slippage_bps": 2, "delisting_return": -0.3, "cash_return_1d": 0.0001}
    books = assert_same_as_loop(close, targets, last, Execution(**plain, long_only=long_only, **rules))
    if "max_turnover" in rules:
        assert turnover_of_orders(books).max() == pytest.approx(rules["max_turnover"], rel=1e-9)
    if long_only:
        assert books.daily["cash"].min() >= -1e-9


def test_an_order_at_the_open_has_the_return_of_its_day():
    close, opens = prices(A=[10.0, 12.0, 12.0]), prices(A=[10.0, 8.0, 12.0])
    at_open = Execution(cost_bps=0, slippage_bps=0, fill="open")
    books = backtest(close, weights(close, {0: {"A": 1.0}}), open_adj=opens, execution=at_open)
    assert books.daily["equity"].tolist() == [1.0, 1.5, 1.5]
    assert books.trades["price_adj"].tolist() == [8.0]


def test_nothing_is_bought_at_an_open_before_its_first_close():
    close, opens = prices(A=[NAN, NAN, 10.0, 20.0, 20.0]), prices(A=[NAN, 5.0, 8.0, 10.0, 20.0])
    at_open = Execution(cost_bps=0, slippage_bps=0, fill="open")
    targets = weights(close, {row: {"A": 1.0} for row in range(3)})
    books = backtest(close, targets, open_adj=opens, execution=at_open)
    assert books.daily["equity"].tolist() == [1.0, 1.0, 1.0, 2.0, 2.0]
    assert books.daily["n_unfilled"].tolist() == [0, 1, 1, 0, 0]


def test_a_turnover_limit_takes_several_rebalances_to_get_there():
    close = prices(A=[10.0] * 5)
    limited = Execution(cost_bps=0, slippage_bps=0, max_turnover=0.4)
    books = backtest(close, weights(close, {row: {"A": 1.0} for row in range(4)}), execution=limited)
    np.testing.assert_allclose(books.daily["cash"], [1.0, 0.6, 0.2, 0.0, 0.0], atol=1e-12)


@pytest.mark.parametrize("limit", [1.0, 1.0 - 1e-15])
def test_an_order_as_large_as_the_turnover_limit_leaves_nothing_behind(limit: float):
    rng = np.random.default_rng(0)
    close = prices(**{name: np.exp(np.cumsum(rng.normal(0, 0.02, 40))).tolist() for name in "ABCDEFG"})
    targets = weights(close, {0: dict.fromkeys("ABCDEFG", 1 / 7), 20: {}})
    books = backtest(close, targets, execution=Execution(max_turnover=limit))
    assert books.daily["n_positions"].iloc[[5, 30]].tolist() == [7, 0]
    assert books.shares.iloc[-1].eq(0.0).all()
    assert len(books.trades) == 14


@pytest.mark.parametrize("long_only", [True, False])
def test_a_weight_that_is_rounding_is_no_position(long_only: bool):
    close = prices(A=[10.0, 10.0, 20.0], B=[10.0, 10.0, 20.0], C=[10.0, 10.0, 20.0])
    targets = weights(close, {0: {"A": 1e-15, "B": 0.5, "C": 1e-9}})
    books = backtest(close, targets, execution=Execution(long_only=long_only))
    assert books.daily["n_positions"].tolist() == [0, 2, 2]
    assert books.trades["instrument_id"].tolist() == ["B", "C"]


def test_money_that_is_rounding_buys_no_position():
    thirds = dict.fromkeys("ABC", 1 / 3)
    close = prices(**{name: [3.1, 3.3, NAN, 3.7] for name in "ABC"}, D=[7.0] * 4, E=[9.0] * 4)
    books = backtest(close, weights(close, {0: thirds, 1: {"D": 0.3, "E": 0.7}}), execution=Execution(cost_bps=7))
    assert books.daily["n_positions"].tolist() == [0, 3, 3, 3]
    assert books.trades["instrument_id"].tolist() == ["A", "B", "C"]


@pytest.mark.parametrize(("held", "then"), [({"A": 1.0}, {"A": 1.0}), ({"B": 1.0}, {"A": 1.0})])
def test_costs_that_leave_nothing_say_so(held: dict[str, float], then: dict[str, float]):
    close = prices(A=[10.0] * 3, B=[10.0] * 3)
    liquidity = Liquidity(np.tile([1e6, 1e15], (3, 1)), np.full((3, 2), 0.02))
    rules = Execution(impact_coefficient=1.0, capital=1e10)
    with pytest.raises(ValueError, match=r"costs must settle below the equity; got costs of .* Lower capital"):
        backtest(close, weights(close, {0: held, 1: then}), liquidity=liquidity, execution=rules)


def test_a_delisting_that_costs_more_than_the_book_says_so():
    close, last = prices(A=[10.0, 10.0, NAN]), pd.Series(pd.to_datetime(["2024-01-02"]), index=["A"])
    liquidity = Liquidity(np.array([[1e15], [1e5], [1e5]]), np.full((3, 1), 0.02))
    rules = Execution(impact_coefficient=1.0, capital=1e10)
    with pytest.raises(ValueError, match=r"costs must settle below the equity; .* in row 2"):
        backtest(close, weights(close, {0: {"A": 1.0}}), liquidity=liquidity, last_trade_dates=last, execution=rules)


def test_impact_is_the_root_of_the_share_of_the_volume():
    close = prices(A=[10.0, 10.0])
    liquidity = Liquidity(np.full((2, 1), 4e6), np.full((2, 1), 0.02))
    rules = Execution(cost_bps=0, slippage_bps=0, impact_coefficient=0.5, capital=1e6)
    cost = (
        backtest(close, weights(close, {0: {"A": 0.25}}), liquidity=liquidity, execution=rules).trades["cost"].iloc[0]
    )
    # A quarter of a million of four million: 0.5 x 2 % x root of 1/16 of it; a hair less, for the costs come off first.
    assert cost == pytest.approx(0.25 * 0.5 * 0.02 * math.sqrt(1 / 16), rel=2e-3)


def test_books_on_real_prices_equal_those_of_a_plain_loop(real_bars: pd.DataFrame):
    close = real_bars.pivot_table(index="trade_date", columns="source_symbol", values="close")
    close = close.iloc[:, ::8].iloc[-600:]
    last_rows = {name: close[name].last_valid_index() for name in close if close[name].isna().iloc[-1]}
    last = pd.Series(last_rows, dtype="datetime64[us]")
    rows = rebalance_rows(close.index.to_numpy().astype("datetime64[D]"))
    momentum = close.ffill().pct_change(60, fill_method=None)
    targets = quantile_weights(momentum.iloc[rows].rank(axis=1, ascending=False), quantile=0.2)
    assert_same_as_loop(close, targets, last, Execution(cost_bps=5, slippage_bps=5))


@given(seed=st.integers(0, 10_000), long_only=st.booleans(), cost_bps=st.floats(0, 100))
@settings(max_examples=25, deadline=None)
def test_the_books_balance(seed: int, long_only: bool, cost_bps: float):
    close, last = random_market(seed, n_days=60, n_names=6)
    targets = random_targets(close, seed, long_only=long_only)
    execution = Execution(cost_bps=cost_bps, slippage_bps=0, long_only=long_only)
    books = backtest(close, targets, last_trade_dates=last, execution=execution)
    daily, trades = books.daily, books.trades
    assert (daily["cash"] + daily["positions_value"] - daily["equity"]).abs().max() <= 1e-9
    if long_only:
        assert daily["cash"].min() >= -1e-9
    spent = (trades["traded_value"] + trades["cost"]).groupby(trades["trade_date"]).sum()
    flows = -daily["cash"].diff().fillna(0.0)
    np.testing.assert_allclose(flows, spent.reindex(daily.index).fillna(0.0), atol=1e-12)
    assert not trades.duplicated(["trade_date", "instrument_id"]).any()


@given(seed=st.integers(0, 10_000))
@settings(max_examples=15, deadline=None)
def test_costs_reduce_equity(seed: int):
    close, _ = random_market(seed, n_days=40, n_names=6)
    targets = random_targets(close, seed, long_only=True)
    free = backtest(close, targets, execution=FREE).daily["equity"]
    dear = backtest(close, targets, execution=Execution(cost_bps=50)).daily["equity"]
    assert (dear <= free + 1e-12).all()


@given(seed=st.integers(0, 10_000))
@settings(max_examples=15, deadline=None)
def test_asking_for_the_weights_already_held_trades_nothing(seed: int):
    rng = np.random.default_rng(seed)
    close = prices(**{name: rng.uniform(5, 50, 6).tolist() for name in "ABC"})
    shares = rng.random(3)
    bought = shares * close.iloc[1].to_numpy()
    drifted = shares * close.iloc[4].to_numpy()
    cash = 0.2
    total = bought.sum() + cash
    targets = pd.DataFrame(
        [bought / total, drifted / (drifted.sum() + cash)], index=close.index[[0, 3]], columns=close.columns
    )
    books = backtest(close, targets, execution=FREE)
    assert set(books.trades["trade_date"]) == {close.index[1]}


@pytest.mark.parametrize("n_rows", [30, 31, 47, 89])
@pytest.mark.parametrize("has_gaps", [True, False])
def test_cutting_the_future_off_changes_no_bit(n_rows: int, has_gaps: bool):
    # So many names that sums are taken in blocks, and interest, so that cash moves between trades.
    close, last = random_market(3, n_names=150)
    targets = random_targets(close, 3, long_only=True)
    if not has_gaps:
        close, last, targets = close.ffill().bfill(), None, targets.mask(targets == 0, 1e-6)
    simulated = partial(backtest, last_trade_dates=last, execution=Execution(cash_return_1d=0.0001))
    whole = simulated(close, targets)
    cut = close.iloc[:n_rows]
    part = simulated(cut, targets[targets.index <= cut.index[-1]])
    pd.testing.assert_frame_equal(part.daily, whole.daily.iloc[:n_rows], check_exact=True, check_freq=False)
    seen = whole.trades[whole.trades["trade_date"] <= cut.index[-1]]
    pd.testing.assert_frame_equal(part.trades, seen, check_exact=True)


def test_an_instrument_that_is_listed_later_changes_no_bit():
    close, last = random_market(3, n_names=150)
    targets = random_targets(close, 3, long_only=True)
    listed_at, n_late = 60, 9
    close.iloc[:listed_at, ::17] = NAN
    is_before = targets.index < close.index[listed_at]
    targets.iloc[is_before, ::17] = 0.0
    known = [name for name in close if not close[name].iloc[:listed_at].isna().all()]
    assert len(known) == close.shape[1] - n_late
    whole = backtest(close, targets, last_trade_dates=last)
    part = backtest(close.iloc[:listed_at][known], targets.loc[is_before, known], last_trade_dates=last)
    pd.testing.assert_frame_equal(part.daily, whole.daily.iloc[:listed_at], check_exact=True, check_freq=False)


def test_asking_for_what_is_long_delisted_changes_no_bit_before():
    close, last = random_market(6, n_names=150)
    targets = random_targets(close, 6, long_only=True)
    asked_at = 80
    for name, day in last.items():
        assert day < close.index[asked_at]
        targets.loc[targets.index < close.index[asked_at], name] = 0.0
    whole = backtest(close, targets, last_trade_dates=last)
    part = backtest(close, targets[targets.index < close.index[asked_at]], last_trade_dates=last)
    rows = slice(None, asked_at + 1)
    pd.testing.assert_frame_equal(part.daily.iloc[rows], whole.daily.iloc[rows], check_exact=True)


def test_how_prices_lie_in_memory_changes_no_bit():
    close, _ = random_market(4, n_names=150)
    close, targets = close.ffill().bfill(), random_targets(close, 4, long_only=False)
    by_day, by_name = (
        pd.DataFrame(np.array(close, order=order), close.index, close.columns, copy=False) for order in ("C", "F")
    )
    assert by_day.to_numpy().flags.c_contiguous
    assert by_name.to_numpy().flags.f_contiguous
    one, other = (backtest(frame, targets, execution=Execution(long_only=False)) for frame in (by_day, by_name))
    pd.testing.assert_frame_equal(one.daily, other.daily, check_exact=True)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"close": prices(A=[1.0, -1.0])}, "above 0 or NaN; got -1.0"),
        ({"close": prices(A=[1.0, 1.0]).iloc[::-1]}, "trade_date must be ascending"),
        ({"day": "2030-01-01"}, "2030-01-01"),
        ({"weight": NAN}, "weights must be finite"),
        ({"weight": 1.1}, "1.1"),
        ({"weight": -0.1}, "-0.1"),
        ({"name": "B"}, "B"),
        ({"execution": Execution(fill="open")}, "opens on the days and columns"),
        ({"execution": Execution(spread_by_liquidity=True)}, "Pass liquidity"),
    ],
)
def test_what_cannot_be_simulated_says_why(change: dict[str, object], text: str):
    close = change.get("close", prices(A=[1.0, 1.0]))
    day = pd.Timestamp(str(change.get("day", "2024-01-01")))
    targets = pd.DataFrame({change.get("name", "A"): [change.get("weight", 1.0)]}, index=[day])
    with pytest.raises(ValueError, match=text):
        backtest(close, targets, execution=change.get("execution"))


def test_a_ruined_book_cannot_be_rebalanced():
    close = prices(A=[1.0, 1.0, 5.0, 5.0])
    targets = weights(close, {0: {"A": -1.0}, 2: {"A": -1.0}})
    with pytest.raises(ValueError, match="equity must be above 0"):
        backtest(close, targets, execution=Execution(long_only=False))


@pytest.mark.parametrize(
    "wrong",
    [
        {"cost_bps": -1.0},
        {"cost_bps": 2000.0},
        {"cost_bps": NAN},
        {"delisting_return": -1.5},
        {"delisting_return": NAN},
        {"delisting_return": math.inf},
        {"cash_return_1d": -2.0},
        {"cash_return_1d": NAN},
        {"max_turnover": -0.5},
        {"max_turnover": NAN},
        {"impact_coefficient": -2.5},
        {"impact_coefficient": NAN},
        {"impact_coefficient": math.inf},
        {"capital": -3.5},
        {"capital": math.inf},
    ],
)
def test_execution_states_its_limits(wrong: dict[str, float]):
    with pytest.raises(ValueError, match=str(next(iter(wrong.values())))):
        Execution(**wrong)
