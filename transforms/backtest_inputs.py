"""What a backtest is given, checked and laid out on its grid."""

import numpy as np
import pandas as pd

from transforms.days import Days, as_days
from transforms.ledger import Array, Execution, Rows
from transforms.trading_costs import Liquidity


def checked_days(close_adj: pd.DataFrame) -> Days:
    """Return the days of a frame, ascending."""
    days = as_days(close_adj.index)
    if len(days) == 0 or not bool(np.all(days[1:] > days[:-1])):
        raise ValueError(
            f"backtest: trade_date must be ascending, without repeats and not empty; got {len(days)} days. "
            "Sort the prices by day."
        )
    return days


def checked_prices(frame: pd.DataFrame) -> Array:
    """Return prices of shape (n_dates, n_instruments), each above 0 or NaN."""
    prices = frame.to_numpy(dtype=np.float64)
    # Nearly always no price is missing, and then one look is enough.
    if prices.size and not prices.min() > 0 and not bool(np.all((prices > 0) | np.isnan(prices))):
        raise ValueError(
            f"backtest: prices must be above 0 or NaN; got {np.nanmin(prices)} as the lowest. "
            "Leave untrusted bars out as NaN."
        )
    return prices


def checked_opens(open_adj: "pd.DataFrame | None", close_adj: pd.DataFrame) -> Array:
    """Return opens on the grid of the closes."""
    if open_adj is None or not (open_adj.index.equals(close_adj.index) and open_adj.columns.equals(close_adj.columns)):
        raise ValueError(
            "backtest: orders at the open need opens on the days and columns of the closes; got "
            f"{None if open_adj is None else open_adj.shape} for {close_adj.shape}. Pass open_adj."
        )
    return checked_prices(open_adj)


def checked_liquidity(liquidity: Liquidity | None, closes: Array) -> Liquidity:
    """Return what is known of liquidity on the grid of the closes."""
    if liquidity is None or liquidity.dollar_volume.shape != closes.shape:
        raise ValueError(
            "backtest: costs by liquidity need dollar_volume and volatility on the grid of the prices; got "
            f"{None if liquidity is None else liquidity.dollar_volume.shape} for {closes.shape}. Pass liquidity."
        )
    return liquidity


def trade_orders(targets: pd.DataFrame, columns: pd.Index, days: Days, rules: Execution) -> tuple[Rows, Array]:
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


def columns_asked_for(weights: Array) -> Rows | slice:
    """Give the columns with weights in the order in which they first have one; a slice if these are all as they are."""
    if len(weights) == 0:
        return slice(0)
    is_asked = weights != 0
    ever = np.flatnonzero(is_asked.any(axis=0))
    order = ever[np.argsort(is_asked.argmax(axis=0)[ever], kind="stable")]
    return slice(None) if np.array_equal(order, np.arange(weights.shape[1])) else order


def _check_weights(weights: Array, rules: Execution) -> None:
    if not bool(np.isfinite(weights).all()):
        raise ValueError("backtest: weights must be finite; got NaN or infinity. Use 0 for no position.")
    if rules.long_only and weights.size and (weights.min() < 0 or weights.sum(axis=1).max() > 1 + 1e-9):
        raise ValueError(
            "backtest: long-only weights must be 0 or more and sum to 1 at most; got a lowest weight of "
            f"{weights.min()} and a largest sum of {weights.sum(axis=1).max()}. Set long_only=False to short."
        )


def rows_of_last_trade(last_trade_dates: "pd.Series | None", columns: pd.Index, days: Days) -> Rows:
    """Give the row of each column's last session, n_dates where it was not delisted in time."""
    gone_after = np.full(len(columns), len(days), dtype=np.intp)
    if last_trade_dates is not None:
        last = as_days(last_trade_dates)
        places = columns.get_indexer(last_trade_dates.index)
        is_gone = (places >= 0) & (last < days[-1])
        gone_after[places[is_gone]] = np.searchsorted(days, last[is_gone], side="right") - 1
    return gone_after
