"""The engine's books against a plain loop on real prices, from the configuration, rankings and prices in the tables."""

import json
import math

import numpy as np
import pytest

pytestmark = [pytest.mark.slow, pytest.mark.unwatched, pytest.mark.xdist_group("real")]

PROFILES = ["aggressive", "balanced", "conservative"]


@pytest.fixture(scope="module")
def backtests(pipeline):
    rows = pipeline.frame(
        "select backtest_id, profile, configuration::text, first_date, last_date from research.backtests"
    )
    return rows.set_index("profile")


@pytest.fixture(scope="module")
def closes(pipeline, backtests):
    """Session -> instrument -> close; prices of a later segment go on where the one before it ended."""
    first = backtests["first_date"].min().date()
    prices = pipeline.frame(
        "select trade_date, instrument_id, close_adj, price_segment from marts.fct_daily_prices"
        f" where not is_suspect and trade_date >= '{first}' order by instrument_id, trade_date"
    )
    sessions: dict = {}
    last: dict = {}
    for row in prices.itertuples():
        before = last.get(row.instrument_id)
        factor = 1.0 if before is None else before[2]
        if before is not None and before[1] != row.price_segment:
            factor *= before[0] / row.close_adj
        last[row.instrument_id] = (row.close_adj, row.price_segment, factor)
        sessions.setdefault(row.trade_date, {})[row.instrument_id] = row.close_adj * factor
    return dict(sorted(sessions.items()))


def simulate(closes, ranks_by_day, options):
    """Equity and cash of each session: shares, cash and last prices in dictionaries, one order after the other."""
    cost_rate = (options["cost_bps"] + options["slippage_bps"]) / 10_000
    cash, shares, price, targets = 1.0, {}, {}, None
    path, month = [], None
    for day, close in closes.items():
        price |= close
        if targets is not None:
            value = {name: n * price[name] for name, n in shares.items()}
            cash, shares = rebalance(cash, value, targets, price, close, cost_rate)
        equity = cash + math.fsum(n * price[name] for name, n in shares.items())
        path.append((equity, cash))
        is_signal = (day.year, day.month) != month
        month = (day.year, day.month)
        targets = best_tenth(ranks_by_day[day], options["quantile"]) if is_signal and day in ranks_by_day else None
    return np.array(path)


def best_tenth(ranks, quantile):
    n_held = max(math.floor(len(ranks) * quantile + 1e-9), 1)
    return dict.fromkeys(sorted(ranks, key=ranks.get)[:n_held], 1 / n_held)


def rebalance(cash, value, targets, price, close, cost_rate):
    """Trade to the weights of what is left after the costs, which is found by halving an interval."""
    equity = cash + math.fsum(value.values())
    held = {name: amount for name, amount in value.items() if name not in close}
    names = [name for name in {*value, *targets} if name in close]
    weight = math.fsum(targets.get(name, 0.0) for name in names)

    def orders(left):
        invested = min(left, (left - math.fsum(held.values())) / weight)
        return {name: targets.get(name, 0.0) * invested - value.get(name, 0.0) for name in names}

    low, high = 0.0, equity
    for _ in range(200):
        middle = (low + high) / 2
        costs = cost_rate * math.fsum(abs(amount) for amount in orders(middle).values())
        low, high = (middle, high) if middle < equity - costs else (low, middle)
    traded = orders(low)
    after = held | {name: value.get(name, 0.0) + traded[name] for name in names}
    costs = cost_rate * math.fsum(abs(amount) for amount in traded.values())
    shares = {name: amount / price[name] for name, amount in after.items() if amount > 1e-12 * equity}
    return cash - math.fsum(traded.values()) - costs, shares


@pytest.mark.parametrize("profile", PROFILES)
def test_the_equity_is_that_of_a_plain_loop(pipeline, backtests, closes, profile):
    backtest = backtests.loc[profile]
    options = json.loads(backtest["configuration"])
    assert (options["rebalance"], options["long_only"]) == ("monthly", True)
    ranks = pipeline.frame(
        f"select as_of_date, instrument_id, rank from research.rankings where profile = '{profile}'"
        " and rank is not null and not is_intraday"
    )
    by_day = {
        day: dict(zip(own["instrument_id"], own["rank"], strict=True)) for day, own in ranks.groupby("as_of_date")
    }
    own_closes = {day: close for day, close in closes.items() if backtest["first_date"] <= day <= backtest["last_date"]}
    expected = simulate(own_closes, by_day, options)
    books = pipeline.frame(
        "select trade_date, equity, cash, positions_value from research.backtest_equity"
        f" where backtest_id = '{backtest['backtest_id']}' order by trade_date"
    )
    assert books["trade_date"].tolist() == list(own_closes)
    assert len(books) > 400
    assert abs(expected[-1, 0] - 1) > 0.01
    np.testing.assert_allclose(books["equity"], expected[:, 0], rtol=1e-9)
    np.testing.assert_allclose(books["cash"], expected[:, 1], rtol=1e-9, atol=1e-9)


def test_the_books_balance_every_day(pipeline):
    books = pipeline.frame("select equity, cash, positions_value from research.backtest_equity")
    assert len(books) > 1_000
    np.testing.assert_allclose(books["cash"] + books["positions_value"], books["equity"], rtol=0, atol=1e-9)
    assert (books["cash"] >= -1e-12).all()


def test_every_trade_is_made_at_a_close_of_its_day(pipeline, closes):
    trades = pipeline.frame(
        "select trade_date, instrument_id, price_adj, traded_value, cost from research.backtest_trades"
    )
    assert len(trades) > 1_000
    expected = [closes[row.trade_date][row.instrument_id] for row in trades.itertuples()]
    np.testing.assert_allclose(trades["price_adj"], expected, rtol=1e-12)
    np.testing.assert_allclose(trades["cost"], trades["traded_value"].abs() * 0.001, rtol=1e-9)
