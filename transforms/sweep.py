"""Many backtests at once: the portfolio engine with one more axis, so that valuing is a product of matrices."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from transforms.backtest_inputs import checked_days, checked_opens, checked_prices, rows_of_last_trade, trade_orders
from transforms.ledger import (
    MIN_TRADE,
    MOST_COST_BPS,
    Array,
    Execution,
    Flags,
    Market,
    Rows,
    Sessions,
    carried_forward,
)
from transforms.performance import NO_VARIATION, SESSIONS_PER_YEAR

# So many books at a time stay in the processor's cache.
CHUNK = 128
# Relative accuracy of the equity after costs, and the steps it may take; what stands for no order in a quotient.
ACCURACY, MAX_STEPS, TINY = 1e-15, 200, 1e-300


class Sweep(NamedTuple):
    """Paths of all books; arrays of shape (n_dates, n_books).

    Attributes
    ----------
    equity : multiples of the starting capital
        NaN from the day on that a book was worth nothing: a long-only one in any session with orders or delistings,
        any other when it was to be rebalanced.
    turnover : fraction
        Bought plus sold over equity before trading.
    """

    equity: Array
    turnover: Array

    @property
    def returns(self) -> Array:
        """Daily returns, shape (n_dates - 1, n_books), fraction."""
        return np.asarray(self.equity[1:] / self.equity[:-1] - 1.0)


def sweep(
    close_adj: pd.DataFrame,
    targets: Sequence[pd.DataFrame],
    *,
    cost_bps: Sequence[float],
    long_only: Sequence[bool],
    open_adj: "pd.DataFrame | None" = None,
    last_trade_dates: "pd.Series | None" = None,
    execution: Execution | None = None,
) -> Sweep:
    """Simulate many books that follow target weights.

    Parameters
    ----------
    close_adj, open_adj, last_trade_dates
        As for `transforms.backtest.backtest`.
    targets : sequence of n_books DataFrames of shape (n_rebalances, n_targeted), fraction
        Target weights of each book; books may share a frame, and rebalance on days of their own.
    cost_bps : sequence of n_books floats, basis points of the traded value
        All costs of a trade together, 0 to 1000.
    long_only : sequence of n_books bools
    execution : Execution, optional
        Rules that all books share: fill, delisting_return, cash_return_1d, max_turnover. Its costs do not count, and
        costs by liquidity are refused: they need the path of one book.

    Returns
    -------
    Sweep

    Raises
    ------
    ValueError
        As `backtest`; also if the lengths differ or costs are out of bounds. A ruined book is no error here.

    Notes
    -----
    Each book equals what `backtest` gives for it, to rounding.
    """
    rules = execution or Execution()
    if not len(targets) == len(cost_bps) == len(long_only) or rules.needs_liquidity:
        raise ValueError(
            f"sweep: each book needs targets, costs and long_only, and no costs by liquidity; got {len(targets)}, "
            f"{len(cost_bps)}, {len(long_only)}, {rules.needs_liquidity=}. Run `backtest` for costs by liquidity."
        )
    rates = _checked_rates(cost_bps)
    days = checked_days(close_adj)
    prices = checked_prices(close_adj)
    fills = prices if rules.fill == "close" else checked_opens(open_adj, close_adj)
    market = Market(fills, carried_forward(prices), rows_of_last_trade(last_trade_dates, close_adj.columns, days))
    # Books that differ in costs alone share their targets.
    distinct = {(id(frame), bool(only)): frame for frame, only in zip(targets, long_only, strict=True)}
    orders = {
        key: trade_orders(frame, close_adj.columns, days, Execution(long_only=key[1]))
        for key, frame in distinct.items()
    }
    of_books = [orders[id(frame), bool(only)] for frame, only in zip(targets, long_only, strict=True)]
    equity, turnover = (np.empty((len(days), len(targets))) for _ in range(2))
    for books in _chunks([rows for rows, _ in of_books]):
        rows, weights = of_books[books[0]][0], [of_books[book][1] for book in books]
        ledger = _Ledgers(market, rules, rates[books], np.array([bool(long_only[b]) for b in books]))
        ledger.run(rows, weights)
        equity[:, books], turnover[:, books] = ledger.equity, ledger.turnover
    return Sweep(equity, turnover)


def sweep_figures(found: Sweep) -> pd.DataFrame:
    """Condense each book.

    Returns
    -------
    DataFrame of shape (n_books, 5)
        sharpe, cagr, volatility, max_drawdown and turnover, defined as in `transforms.performance.DEFINITIONS`; NaN for
        a ruined book, and where there are too few days.
    """
    returns = found.returns
    n, n_books = returns.shape
    unknown = np.full(n_books, np.nan)
    mean, deviation = returns.mean(axis=0) if n > 0 else unknown, returns.std(axis=0, ddof=1) if n > 1 else unknown
    year = np.sqrt(SESSIONS_PER_YEAR)
    wealth = np.vstack([np.ones(n_books), found.equity])
    with np.errstate(invalid="ignore", divide="ignore"):
        sharpe = np.where(deviation > NO_VARIATION, mean / deviation * year, np.nan)
        grown = np.maximum(found.equity[-1] / found.equity[0], 0.0)
        cagr = grown ** (SESSIONS_PER_YEAR / n) - 1.0 if n > 0 else unknown
        fall = (wealth / np.maximum.accumulate(wealth, axis=0) - 1.0).min(axis=0) if n > 0 else unknown
    return pd.DataFrame(
        {
            "sharpe": sharpe, "cagr": cagr, "volatility": deviation * year, "max_drawdown": fall,
            "turnover": found.turnover.mean(axis=0) * SESSIONS_PER_YEAR,
        }
    )  # fmt: skip


def _checked_rates(cost_bps: Sequence[float]) -> Array:
    """Give costs as fractions of the traded value."""
    costs = np.asarray(cost_bps, dtype=np.float64)
    is_wrong = ~((costs >= 0) & (costs <= MOST_COST_BPS))
    if is_wrong.any():
        raise ValueError(
            f"sweep: cost_bps must be 0 to {MOST_COST_BPS}; got {costs[is_wrong][:3].tolist()}. "
            "One per cent is 100 basis points."
        )
    return costs / 1e4


def _chunks(rows: Sequence[Rows]) -> Iterator[list[int]]:
    """Group books that trade on the same rows, a few at a time."""
    by_rows: dict[bytes, list[int]] = {}
    for book, own in enumerate(rows):
        by_rows.setdefault(own.tobytes(), []).append(book)
    for books in by_rows.values():
        for first in range(0, len(books), CHUNK):
            yield books[first : first + CHUNK]


class _Ledgers:
    """`transforms.ledger.Ledger` for books that trade on the same rows; arrays of shape (n_books, n_instruments)."""

    def __init__(self, market: Market, rules: Execution, rates: Array, long_only: Flags) -> None:
        (n_dates, n_instruments), n_books = market.carried.shape, len(rates)
        self.market, self.rules, self.rates, self.long_only = market, rules, rates, long_only
        self.cash, self.shares = np.ones(n_books), np.zeros((n_books, n_instruments))
        self.growth = (1.0 + rules.cash_return_1d) ** np.arange(n_dates + 1)
        self.equity, self.turnover = np.empty((n_dates, n_books)), np.zeros((n_dates, n_books))

    def run(self, trade_rows: Rows, weights: Sequence[Array]) -> None:
        """Carry the books from session to session."""
        is_asked = np.any([own != 0 for own in weights], axis=0)
        sessions = Sessions.of(self.market, trade_rows, is_asked, self.rules, None)
        nothing, marked_until = np.zeros_like(self.shares), 0
        for number, row in enumerate(sessions.rows.tolist()):
            self._mark(marked_until, row)
            order = np.searchsorted(trade_rows, row)
            asked = np.stack([own[order] for own in weights]) if sessions.is_order[number] else nothing
            self._trade(sessions, number, asked)
            marked_until = row
        self._mark(marked_until, len(self.equity))

    def _mark(self, start: int, until: int) -> None:
        held = np.flatnonzero(self.shares.any(axis=0))
        window = np.take(self.market.carried[start:until], held, axis=1)
        self.equity[start:until] = window @ self.shares[:, held].T + self.growth[: until - start, None] * self.cash
        self.cash = self.cash * self.growth[until - start]

    def _trade(self, sessions: Sessions, number: int, asked: Array) -> None:
        price, can_trade, is_gone = sessions.price[number], sessions.can_trade[number], sessions.is_gone[number]
        equity = self.cash + self.shares @ price
        # A book that is worth nothing is followed no further.
        equity = np.where((equity > MIN_TRADE) | ~(self.long_only | sessions.is_order[number]), equity, np.nan)
        is_stuck = ~(can_trade | is_gone)
        stuck = self.shares * is_stuck if is_stuck.any() else 0.0
        freed, blocked = (self.shares - stuck) * price, self.shares @ (price * is_stuck)
        wanted = asked if can_trade.all() else asked * can_trade
        invested, amount = self._filled(wanted, freed, equity, blocked)
        after = wanted * np.divide(1.0, price, out=np.zeros_like(price), where=can_trade)
        after *= invested[:, None]
        after += stuck
        if self.rules.max_turnover < np.inf:
            of_gone = np.abs(freed * is_gone).sum(axis=1)
            orders = np.maximum(amount - of_gone, TINY)
            share = np.minimum(1.0, self.rules.max_turnover * (equity - self.rates * of_gone) / orders)
            after = np.where(is_gone, 0.0, self.shares + (after - self.shares) * share[:, None])
            amount = of_gone + orders * share
        self.cash = equity - self.rates * amount - after @ price
        self.turnover[sessions.rows[number]] = amount / equity
        self.shares = after

    def _filled(self, wanted: Array, freed: Array, equity: Array, blocked: Array) -> tuple[Array, Array]:
        """As `transforms.ledger.Ledger`: equity that the weights are of, and bought plus sold.

        What is missing to the equity after costs is nearly a straight line, so it is sought by secants.
        """
        gross = wanted.sum(axis=1)
        is_bound = self.long_only & (gross > 0)
        divisor = np.where(is_bound, gross, 1.0)
        size, after, slope = np.empty_like(freed), equity, np.full_like(equity, -1.0)
        before, step_before = np.full_like(equity, np.nan), np.zeros_like(equity)
        for _ in range(MAX_STEPS):
            invested = np.where(is_bound, np.minimum(after, (after - blocked) / divisor), after)
            np.multiply(wanted, invested[:, None], out=size)
            np.subtract(size, freed, out=size)
            amount = np.abs(size, out=size).sum(axis=1)
            step = equity - self.rates * amount - after
            if not bool(np.any(np.abs(step) > ACCURACY * np.abs(equity))):
                break
            np.divide(step - step_before, after - before, out=slope, where=np.abs(after - before) > 0)
            before, step_before = after, step
            after = after - step / np.clip(slope, -1.5, -0.5)
        return invested, amount
