"""Daily portfolio engine: target weights in, books and trades out."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from transforms.days import Days, as_days
from transforms.ledger import Array, Execution, Ledger, Rows


@dataclass(frozen=True)
class Books:
    """What a backtest leaves behind; money is in multiples of the starting capital.

    Attributes
    ----------
    daily : DataFrame of shape (n_dates, 9), index trade_date
        equity, cash, positions_value (longs less shorts), n_positions, return_1d (after costs, NaN on
        the first day), turnover (bought plus sold over equity before trading), cost, drawdown
        (fraction, 0 or less), n_unfilled (orders that found no price). At the close, after that
        close's trades.
    trades : DataFrame of shape (n_trades, 8)
        trade_date, instrument_id, weight_before, weight_after (fractions), traded_value (sold is
        negative), price_adj (currency per share), cost, reason (rebalance or delisting).
    """

    daily: pd.DataFrame
    trades: pd.DataFrame


def backtest(
    close_adj: pd.DataFrame,
    targets: pd.DataFrame,
    *,
    last_trade_dates: "pd.Series | None" = None,
    execution: Execution | None = None,
) -> Books:
    """Simulate a book that follows target weights.

    Parameters
    ----------
    close_adj : DataFrame of shape (n_dates, n_instruments), currency per share
        Split- and dividend-adjusted closes; index trade_date ascending, columns instrument_id. NaN
        where there is no price that one could have traded at.
    targets : DataFrame of shape (n_rebalances, n_targeted), fraction
        Target weights; index the session at whose close they were known. The rest is cash.
    last_trade_dates : Series of shape (n_delisted,), index instrument_id, optional
        Last session of the instruments that were delisted; null or absent where it still trades.
    execution : Execution, optional
        Costs and rules of filling.

    Returns
    -------
    Books

    Raises
    ------
    ValueError
        If days are not ascending, a target day is no row of `close_adj`, weights are missing,
        negative or above 1 in a long-only book, prices are not positive, or the book is worth
        nothing.

    Notes
    -----
    Trade: weights known at a session's close are traded at the next session's close. They are
    weights of the equity that is left after the costs, so a fully invested book pays its costs
    without borrowing. Between rebalances the shares stay and the weights drift.

    Missing price: a position is carried at its last price and can be neither bought nor sold; the
    order is dropped and counted in `n_unfilled`, the next rebalance tries again. If what cannot be
    sold leaves too little cash in a long-only book, all purchases shrink in proportion.

    Delisting: in the session after its last one a position is sold at the last price times
    ``1 + delisting_return``; the proceeds stay in cash until the next rebalance.

    Shorts pay no borrowing fee; their proceeds are cash.

    Point in time: rows up to t depend on prices and targets up to t only, bit for bit.
    """
    days = _checked_days(close_adj)
    rules = execution or Execution()
    columns = close_adj.columns
    prices = np.ascontiguousarray(close_adj.to_numpy(dtype=np.float64))
    if not bool(np.all((prices > 0) | np.isnan(prices))):
        raise ValueError(
            f"backtest: prices must be above 0 or NaN; got {np.nanmin(prices)} as the lowest. "
            "Leave untrusted bars out as NaN."
        )
    trade_rows, weights = _orders(targets, columns, days, rules)
    gone_after = _rows_of_last_trade(last_trade_dates, columns, days)
    ledger = Ledger(prices, gone_after, rules)
    ledger.run(trade_rows, weights)
    return Books(daily=ledger.daily(days), trades=ledger.trades(days, columns))


def _checked_days(close_adj: pd.DataFrame) -> Days:
    days = as_days(close_adj.index)
    if len(days) == 0 or not bool(np.all(days[1:] > days[:-1])):
        raise ValueError(
            f"backtest: trade_date must be ascending, without repeats and not empty; got {len(days)} days. "
            "Sort the prices by day."
        )
    return days


def _orders(targets: pd.DataFrame, columns: pd.Index, days: Days, rules: Execution) -> tuple[Rows, Array]:
    """Give the row of each trade, one after its signal, and the target weights of all columns."""
    signal_days = as_days(targets.index)
    rows = np.searchsorted(days, signal_days)
    found = (rows < len(days)) & (days[np.minimum(rows, len(days) - 1)] == signal_days)
    if not found.all() or not bool(np.all(rows[1:] > rows[:-1])):
        raise ValueError(
            "backtest: target days must be ascending days of close_adj; got "
            f"{[str(day) for day in signal_days[~found][:3]]} unknown. Align them to the sessions."
        )
    places = columns.get_indexer(targets.columns)
    if (places < 0).any():
        raise ValueError(
            "backtest: every targeted instrument needs a price column; got none for "
            f"{list(targets.columns[places < 0][:3])}. Add its prices."
        )
    weights = np.zeros((len(targets), len(columns)))
    weights[:, places] = targets.to_numpy(dtype=np.float64)
    _check_weights(weights, rules)
    is_traded = rows + 1 < len(days)
    return rows[is_traded] + 1, weights[is_traded]


def _check_weights(weights: Array, rules: Execution) -> None:
    if not bool(np.isfinite(weights).all()):
        raise ValueError("backtest: weights must be finite; got NaN or infinity. Use 0 for no position.")
    if rules.long_only and weights.size and (weights.min() < 0 or weights.sum(axis=1).max() > 1 + 1e-9):
        raise ValueError(
            "backtest: long-only weights must be 0 or more and sum to 1 at most; got a lowest weight of "
            f"{weights.min()} and a largest sum of {weights.sum(axis=1).max()}. Set long_only=False to short."
        )


def _rows_of_last_trade(last_trade_dates: "pd.Series | None", columns: pd.Index, days: Days) -> Rows:
    """Give the row of each column's last session, n_dates where it was not delisted in time."""
    gone_after = np.full(len(columns), len(days), dtype=np.intp)
    if last_trade_dates is not None:
        last = as_days(last_trade_dates)
        places = columns.get_indexer(last_trade_dates.index)
        is_gone = (places >= 0) & (last < days[-1])
        gone_after[places[is_gone]] = np.searchsorted(days, last[is_gone], side="right") - 1
    return gone_after
