"""Many backtests at once: the portfolio engine with one more axis, so that valuing is a product of matrices."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from transforms.backtest_inputs import checked_days, checked_opens, checked_prices, rows_of_last_trade, trade_orders
from transforms.ledger import Array, Execution, Rows, carried_forward
from transforms.performance import NO_VARIATION, SESSIONS_PER_YEAR

Flags = npt.NDArray[np.bool_]

# So many books at a time stay in the processor's cache.
CHUNK = 64
# Relative accuracy of the equity after costs, and the steps it may take.
ACCURACY, MAX_STEPS = 1e-15, 200


class Sweep(NamedTuple):
    """Paths of all books; arrays of shape (n_dates, n_books).

    Attributes
    ----------
    equity : multiples of the starting capital
        NaN from the day on that a book was worth nothing when it was to be rebalanced.
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
        All costs of a trade together.
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
        As `backtest`; also if the lengths differ. A ruined book is no error here.

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
    days = checked_days(close_adj)
    prices = checked_prices(close_adj)
    fills = prices if rules.fill == "close" else checked_opens(open_adj, close_adj)
    market = _Market(
        prices, fills, carried_forward(prices), rows_of_last_trade(last_trade_dates, close_adj.columns, days)
    )
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
        rates, only = np.array([cost_bps[b] for b in books]) / 1e4, np.array([bool(long_only[b]) for b in books])
        ledger = _Ledgers(market, rules, rates, only)
        ledger.run(rows, weights)
        equity[:, books], turnover[:, books] = ledger.equity, ledger.turnover
    return Sweep(equity, turnover)


def sweep_figures(found: Sweep) -> pd.DataFrame:
    """Condense each book.

    Returns
    -------
    DataFrame of shape (n_books, 5)
        sharpe, cagr, volatility, max_drawdown and turnover, defined as in `transforms.performance.DEFINITIONS`; NaN for
        a ruined book.
    """
    returns, n = found.returns, len(found.equity) - 1
    deviation = returns.std(axis=0, ddof=1)
    year = np.sqrt(SESSIONS_PER_YEAR)
    wealth = np.vstack([np.ones(returns.shape[1]), found.equity])
    with np.errstate(invalid="ignore", divide="ignore"):
        sharpe = np.where(deviation > NO_VARIATION, returns.mean(axis=0) / deviation * year, np.nan)
        cagr = np.maximum(found.equity[-1] / found.equity[0], 0.0) ** (SESSIONS_PER_YEAR / n) - 1.0
        fall = (wealth / np.maximum.accumulate(wealth, axis=0) - 1.0).min(axis=0)
    return pd.DataFrame(
        {
            "sharpe": sharpe, "cagr": cagr, "volatility": deviation * year, "max_drawdown": fall,
            "turnover": found.turnover.mean(axis=0) * SESSIONS_PER_YEAR,
        }
    )  # fmt: skip


def _chunks(rows: Sequence[Rows]) -> Iterator[list[int]]:
    """Group books that trade on the same rows, a few at a time."""
    by_rows: dict[bytes, list[int]] = {}
    for book, own in enumerate(rows):
        by_rows.setdefault(own.tobytes(), []).append(book)
    for books in by_rows.values():
        for first in range(0, len(books), CHUNK):
            yield books[first : first + CHUNK]


class _Market(NamedTuple):
    prices: Array
    fills: Array
    carried: Array
    gone_after: Rows


@dataclass
class _Ledgers:
    """`transforms.ledger.Ledger` for some books that trade on the same rows; arrays of shape (..., n_books)."""

    market: _Market
    rules: Execution
    rates: Array
    long_only: Flags
    marked_until: int = 0
    cash: Array = field(init=False)
    shares: Array = field(init=False)

    def __post_init__(self) -> None:
        (n_dates, n_instruments), n_books = self.market.prices.shape, len(self.rates)
        self.cash, self.shares = np.ones(n_books), np.zeros((n_instruments, n_books))
        self.equity, self.turnover = np.empty((n_dates, n_books)), np.zeros((n_dates, n_books))

    def run(self, trade_rows: Rows, weights: Sequence[Array]) -> None:
        """Carry the books from event to event."""
        n_dates = len(self.market.prices)
        wanted = np.any([np.any(own != 0, axis=0) for own in weights], axis=0)
        gone_after = self.market.gone_after
        ends = gone_after[wanted & (gone_after + 1 < n_dates)] + 1
        order_of = {int(row): position for position, row in enumerate(trade_rows)}
        for row in sorted({*order_of, *(int(end) for end in ends)}):
            self._mark(row)
            position = order_of.get(row)
            self._trade(row, None if position is None else np.stack([own[position] for own in weights], axis=1))
        self._mark(n_dates)

    def _mark(self, until: int) -> None:
        start, self.marked_until = self.marked_until, until
        held = np.flatnonzero(self.shares.any(axis=1))
        growth = (1.0 + self.rules.cash_return_1d) ** np.arange(until - start + 1)
        window = np.take(self.market.carried[start:until], held, axis=1)
        self.equity[start:until] = window @ self.shares[held] + growth[:-1, None] * self.cash
        self.cash = self.cash * growth[-1]

    def _trade(self, row: int, weights: "Array | None") -> None:
        active_any = (
            self.shares.any(axis=1) if weights is None else (self.shares != 0).any(axis=1) | weights.any(axis=1)
        )
        active = np.flatnonzero(active_any)
        is_delisted = row > self.market.gone_after[active]
        price = self._price(row, active) * np.where(is_delisted, 1 + self.rules.delisting_return, 1.0)
        value = self.shares[active] * price[:, None]
        equity = self.cash + value.sum(axis=0)
        traded = np.where(is_delisted[:, None], -value, 0.0)
        if weights is not None:
            left = equity - self.rates * np.abs(traded).sum(axis=0)
            # A book that is worth nothing is followed no further.
            left = np.where(left > 0, left, np.nan)
            can_trade = ~np.isnan(self.market.fills[row][active]) & ~is_delisted
            blocked = value[~can_trade & ~is_delisted].sum(axis=0)
            traded[can_trade] = self._filled(value[can_trade], weights[active[can_trade]], left, blocked)
        amount = np.abs(traded).sum(axis=0)
        self.cash = self.cash - traded.sum(axis=0) - self.rates * amount
        self.turnover[row] = amount / equity
        traded += value
        traded /= np.where(price > 0, price, 1.0)[:, None]
        traded[is_delisted] = 0.0
        self.shares[active] = traded

    def _price(self, row: int, active: Rows) -> Array:
        fill = self.market.fills[row][active]
        last_close = self.market.carried[row if self.rules.fill == "close" else max(row - 1, 0)][active]
        return np.asarray(np.where(np.isnan(fill), last_close, fill), dtype=np.float64)

    def _filled(self, value: Array, wanted: Array, equity: Array, blocked: Array) -> Array:
        """As `transforms.ledger._filled`, for what can be traded; shape (n_tradable, n_books).

        Between two steps the equity after costs is a straight line of itself nearly always, so the limit of the steps
        is guessed from their ratio.
        """
        gross = wanted.sum(axis=0)
        is_bound = self.long_only & (gross > 0)
        divisor = np.where(is_bound, gross, 1.0)
        after, traded, size = equity, np.empty_like(value), np.empty_like(value)
        before: Array | None = None
        for _ in range(MAX_STEPS):
            invested = np.where(is_bound, np.minimum(after, (after - blocked) / divisor), after)
            np.multiply(wanted, invested, out=traded)
            np.subtract(traded, value, out=traded)
            following = equity - self.rates * np.abs(traded, out=size).sum(axis=0)
            step = following - after
            if not bool(np.any(np.abs(step) > ACCURACY * np.abs(equity))):
                break
            if before is None:
                before, after = step, following
            else:
                ratio = np.divide(step, before, out=np.zeros_like(step), where=before != 0)
                ratio = np.clip(ratio, -0.5, 0.5)
                before, after = None, following + step * ratio / (1.0 - ratio)
        if np.isfinite(self.rules.max_turnover):
            turnover = size.sum(axis=0) / equity
            traded *= np.minimum(1.0, self.rules.max_turnover / np.maximum(turnover, 1e-300))
        return traded
