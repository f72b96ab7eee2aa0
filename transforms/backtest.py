"""Daily portfolio engine: target weights in, books and trades out."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from transforms.backtest_inputs import (
    checked_days,
    checked_liquidity,
    checked_opens,
    checked_prices,
    columns_asked_for,
    rows_of_last_trade,
    trade_orders,
)
from transforms.days import Days
from transforms.ledger import Execution, Ledger, Market, Rows, Sessions, carried_forward
from transforms.trading_costs import Liquidity


@dataclass(frozen=True)
class Books:
    """What a backtest leaves behind; money is in multiples of the starting capital.

    Its frames are made when they are first asked for.

    Attributes
    ----------
    daily : DataFrame of shape (n_dates, 9), index trade_date
        equity, cash, positions_value (longs less shorts), n_positions, return_1d (after costs, NaN on
        the first day), turnover (bought plus sold over equity before trading), cost, drawdown
        (fraction, 0 or less), n_unfilled (orders that found no price). At the close, after that
        close's trades.
    shares : DataFrame of shape (n_sessions, n_asked_for), index trade_date
        Held after each session with orders or delistings; negative where sold short.
    trades : DataFrame of shape (n_trades, 8)
        trade_date, instrument_id, weight_before, weight_after (fractions), traded_value (sold is
        negative), price_adj (currency per share), cost, reason (rebalance or delisting).
    """

    ledger: Ledger
    days: Days
    instruments: pd.Index
    columns: Rows

    @cached_property
    def daily(self) -> pd.DataFrame:
        """Paths; see above."""
        return self.ledger.daily(self.days)

    @cached_property
    def shares(self) -> pd.DataFrame:
        """Shares; see above."""
        return self.ledger.held(self.days, self.instruments.take(self.columns))

    @cached_property
    def trades(self) -> pd.DataFrame:
        """Trades, by day and column of the prices; see above."""
        return self.ledger.trades(self.days, self.instruments, self.columns)


def backtest(
    close_adj: pd.DataFrame,
    targets: pd.DataFrame,
    *,
    open_adj: "pd.DataFrame | None" = None,
    liquidity: Liquidity | None = None,
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
    open_adj : DataFrame of shape (n_dates, n_instruments), currency per share, optional
        Adjusted opens, on the same index and columns; needed where orders are filled at the open.
    liquidity : Liquidity, optional
        On the same grid; needed where costs depend on it.
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
        negative or above 1 in a long-only book, prices are not positive, what `execution` needs is
        missing, costs do not settle below the equity, or the book is worth nothing: a long-only one
        in any session, any other when it is to be rebalanced.

    Notes
    -----
    Trade: weights known at a session's close are traded at the next session's close, or at its open.
    They are weights of the equity that is left after the costs, so a fully invested book pays its costs
    without borrowing. Between rebalances the shares stay and the weights drift.

    Costs: fees, half a spread and impact, by what was known of liquidity at the signal's close.

    Missing price: a position is carried at its last price and can be neither bought nor sold; the
    order is dropped and counted in `n_unfilled`, the next rebalance tries again. So is an order at the
    open of what has never had a close. If what cannot be
    sold leaves too little cash in a long-only book, all purchases shrink in proportion.

    Delisting: in the session after its last one a position is sold at the last price up to then times
    ``1 + delisting_return``, whatever is quoted later; the proceeds stay in cash until the next rebalance.

    Shorts pay no borrowing fee; their proceeds are cash.

    Point in time: rows up to t depend on prices and targets up to t only, bit for bit.
    """
    days, columns, rules = checked_days(close_adj), close_adj.columns, execution or Execution()
    closes = checked_prices(close_adj)
    fills = closes if rules.fill == "close" else checked_opens(open_adj, close_adj)
    known = checked_liquidity(liquidity, closes) if rules.needs_liquidity else None
    trade_rows, weights = trade_orders(targets, columns, days, rules)
    asked = columns_asked_for(weights)
    gone_after = rows_of_last_trade(last_trade_dates, columns, days)
    market = Market(fills[:, asked], carried_forward(closes[:, asked]), gone_after[asked])
    sessions = Sessions.of(market, trade_rows, weights[:, asked], rules, known and known.of(asked))
    return Books(Ledger(market, sessions, rules), days, columns, np.arange(len(columns))[asked])
