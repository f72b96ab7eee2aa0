"""The books of a backtest: shares and cash, carried from trade to trade."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, NamedTuple, Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from transforms.days import Days
from transforms.trading_costs import Costs, Liquidity, half_spreads, impact_rates

Array = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Rows = npt.NDArray[np.intp]

# Below this share of the book a difference is rounding: neither an order nor a position.
MIN_TRADE = 1e-12
# A weight above it, of money that is above it, is no rounding.
SMALL = MIN_TRADE**0.5
# Steps to the equity after costs, and what may be missing to it then, as a share of the equity.
MAX_STEPS, UNSETTLED = 200, 1e-9
MOST_COST_BPS = 1000
REASONS = pd.Index(["rebalance", "delisting"])


@dataclass(frozen=True)
class Execution:
    """How orders are filled.

    Attributes
    ----------
    cost_bps, slippage_bps : float, basis points of the traded value
        Both are charged on every trade, the sale of a delisted position included.
    long_only : bool
        If true, weights are 0 or more and sum to 1 at most, and cash never falls below 0.
    delisting_return : float, fraction
        Return between the last price of a delisted instrument and what its owner gets.
    cash_return_1d : float, fraction per session
        Interest on cash, also paid on negative cash.
    fill : str
        Where in the session after the signal orders are filled: at its close or at its open.
    max_turnover : float, fraction
        Bought plus sold over equity that a rebalance may take; orders beyond shrink in proportion.
    spread_by_liquidity : bool
        If true, half a spread is charged besides: `transforms.trading_costs.half_spreads`.
    impact_coefficient : float
        Of the square-root impact, `transforms.trading_costs.impact_rates`; 0 for none.
    capital : float, currency
        Starting capital: impact depends on how much money is traded.
    """

    cost_bps: float = 5.0
    slippage_bps: float = 5.0
    long_only: bool = True
    delisting_return: float = 0.0
    cash_return_1d: float = 0.0
    fill: Literal["close", "open"] = "close"
    max_turnover: float = float("inf")
    spread_by_liquidity: bool = False
    impact_coefficient: float = 0.0
    capital: float = 1e6

    def __post_init__(self) -> None:
        if not 0 <= self.cost_bps + self.slippage_bps <= MOST_COST_BPS or min(self.cost_bps, self.slippage_bps) < 0:
            raise ValueError(
                "Execution: cost_bps and slippage_bps must be 0 or more and "
                f"{MOST_COST_BPS} together at most; "
                f"got {self.cost_bps=}, {self.slippage_bps=}. One per cent is 100 basis points."
            )
        if not -1 <= self.delisting_return < np.inf or not -1 < self.cash_return_1d < np.inf:
            raise ValueError(
                "Execution: delisting_return must be finite and -1 or more, cash_return_1d finite and above -1; got "
                f"{self.delisting_return=}, {self.cash_return_1d=}. Fractions are meant: -0.3 loses 30 %."
            )
        if self.fill not in ("close", "open") or not self.max_turnover > 0:
            raise ValueError(
                f"Execution: fill must be close or open and max_turnover above 0; got {self.fill=}, "
                f"{self.max_turnover=}. 2.0 lets the whole book be exchanged."
            )
        if not 0 <= self.impact_coefficient < np.inf or not 0 < self.capital < np.inf:
            raise ValueError(
                "Execution: impact_coefficient must be finite and 0 or more, capital finite and above 0; got "
                f"{self.impact_coefficient=}, {self.capital=}. About 1 is usual for the former."
            )

    @property
    def cost(self) -> float:
        """Costs as a fraction of the traded value, the same for all instruments."""
        return (self.cost_bps + self.slippage_bps) / 10_000

    @property
    def needs_liquidity(self) -> bool:
        """Whether costs depend on how easily an instrument trades."""
        return self.spread_by_liquidity or self.impact_coefficient > 0


def carried_forward(prices: Array) -> Array:
    """Fill gaps with the last price before them and 0 before the first; shape (n_dates, n_instruments)."""
    if prices.size == 0 or not np.isnan(prices.min()):
        return prices
    return pd.DataFrame(prices).ffill().fillna(0.0).to_numpy()


class Market(NamedTuple):
    """Prices; arrays of shape (n_dates, n_instruments).

    Attributes
    ----------
    fills : currency per share
        What orders are filled at, closes or opens; NaN where nothing trades.
    carried : currency per share
        Closes; where there is none the last one before, 0 before the first.
    gone_after : shape (n_instruments,)
        Row of the last session; n_dates where it was not delisted in time.
    """

    fills: Array
    carried: Array
    gone_after: Rows


class Sessions(NamedTuple):
    """The sessions with orders or delistings, as known before a book comes to them.

    Arrays of shape (n_sessions, n_instruments) but for the first two, of shape (n_sessions,). Instruments stand in the
    order in which they are first asked for.

    Attributes
    ----------
    rows : rows of the market
    is_order : whether weights are asked for
    asked : target weights, fraction
    price : what a position is worth when orders are filled, and what a delisted one is sold at, currency per share
        The latter from its last session, whatever is quoted after it.
    can_trade : whether an order is filled
    is_gone : whether the instrument was delisted before
    costs : of trades
    """

    rows: Rows
    is_order: Flags
    asked: Array
    price: Array
    can_trade: Flags
    is_gone: Flags
    costs: Costs

    @classmethod
    def of(
        cls, market: Market, trade_rows: Rows, weights: Array, rules: Execution, liquidity: Liquidity | None
    ) -> Self:
        """Lay out the sessions of orders on some rows."""
        can_end = np.any(weights != 0, axis=0) & (market.gone_after + 1 < len(market.carried))
        rows = np.union1d(trade_rows, market.gone_after[can_end] + 1)
        is_order = np.zeros(len(rows), dtype=np.bool_)
        is_order[np.searchsorted(rows, trade_rows)] = True
        asked = np.zeros((len(rows), weights.shape[1]))
        asked[is_order] = weights
        signal_rows = np.maximum(rows - 1, 0)
        price, is_gone = market.fills[rows], rows[:, None] > market.gone_after
        is_missing = np.isnan(price)
        if rules.fill == "open":
            # Before its first close a position would be carried at nothing.
            is_missing |= market.carried[signal_rows] == 0.0
        numbers, places = np.nonzero(is_missing)
        # What finds no price is worth its last close.
        price[is_missing] = market.carried[(rows if rules.fill == "close" else signal_rows)[numbers], places]
        last_rows = np.clip(market.gone_after, 0, len(market.carried) - 1)
        final = market.carried[last_rows, np.arange(len(last_rows))] * (1.0 + rules.delisting_return)
        np.copyto(price, final, where=is_gone)
        can_trade = ~(is_missing | is_gone) & is_order[:, None]
        return cls(rows, is_order, asked, price, can_trade, is_gone, _costs(signal_rows, rules, liquidity))


def _costs(signal_rows: Rows, rules: Execution, liquidity: Liquidity | None) -> Costs:
    """Give the rates of sessions by what was known of liquidity when the orders were given."""
    if liquidity is None:
        return Costs(rules.cost)
    volume, volatility = liquidity.dollar_volume[signal_rows], liquidity.volatility[signal_rows]
    rate = np.full(volume.shape, rules.cost)
    if rules.spread_by_liquidity:
        rate += half_spreads(volume)
    impact = impact_rates(volume, volatility, coefficient=rules.impact_coefficient, capital=rules.capital)
    return Costs(rate, impact)


class _Order(NamedTuple):
    """What a session is asked for; the arrays are of shape (n_asked_so_far,).

    Attributes
    ----------
    wanted : weights that can be had
    freed : value of what can be sold
    blocked : value of all that cannot
    costs : of trades
    """

    wanted: Array
    freed: Array
    blocked: float
    costs: Costs


class _Filled(NamedTuple):
    """Equity after costs that the weights are of, the costs, and bought plus sold."""

    invested: float
    cost: float
    amount: float


class Ledger:
    """A book carried through its sessions; money is in multiples of the starting capital.

    Attributes
    ----------
    shares : shape (n_sessions + 1, n_instruments)
        Before the first session and after each.
    cash : shape (n_sessions + 1,)
        Before the first session and after each, less the interest since the first day: only trades change it.
    equity : shape (n_sessions,)
        Before the session's trades.
    cost, amount : shape (n_sessions,)
        Costs of the session's trades; bought plus sold.
    """

    def __init__(self, market: Market, sessions: Sessions, rules: Execution) -> None:
        self._market, self._sessions, self._rules = market, sessions, rules
        n_sessions, n_instruments = sessions.asked.shape
        self.shares = np.zeros((n_sessions + 1, n_instruments))
        self.cash, self.equity = np.ones(n_sessions + 1), np.empty(n_sessions)
        self.cost, self.amount = np.empty(n_sessions), np.empty(n_sessions)
        self._growth = (1.0 + rules.cash_return_1d) ** np.arange(len(market.carried))
        if n_sessions > 0:
            self._run()

    # Costs that do not settle overflow before they are refused.
    @np.errstate(over="ignore", invalid="ignore")
    def _run(self) -> None:
        """Carry shares and cash from session to session; nothing but prices moves in between."""
        sessions, growth = self._sessions, self._growth[self._sessions.rows].tolist()
        wanted = sessions.asked * sessions.can_trade
        wanted_shares = np.divide(wanted, sessions.price, out=np.zeros_like(wanted), where=sessions.can_trade)
        has_small = ((wanted != 0) & (wanted <= SMALL) & (wanted >= -SMALL)).any(axis=1).tolist()
        is_stuck = ~(sessions.can_trade | sessions.is_gone)
        # What is asked for later stands behind: without it, sums are rounded alike whatever the future brings.
        n_asked = np.searchsorted((sessions.asked != 0).argmax(axis=0), np.arange(len(wanted)), side="right").tolist()
        cash = 1.0
        for number, n in enumerate(n_asked):
            before, after, price = self.shares[number, :n], self.shares[number + 1, :n], sessions.price[number, :n]
            equity = cash * growth[number] + float(before @ price)
            self._check_solvent(number, equity)
            stuck = before * is_stuck[number, :n]
            costs = sessions.costs.of_session(number, n)
            order = _Order(wanted[number, :n], (before - stuck) * price, float(stuck @ price), costs)
            filled = self._filled(number, order, equity)
            np.add(wanted_shares[number, :n] * filled.invested, stuck, out=after)
            if has_small[number] or abs(filled.invested) <= SMALL * equity:
                _drop_rounding(after, price, equity)
            if self._rules.max_turnover < np.inf:
                filled = self._limited(filled, before, after, price, sessions.is_gone[number, :n], costs, equity)
            if filled.amount > 0:
                cash = (equity - filled.cost - float(after @ price)) / growth[number]
            self.cash[number + 1], self.equity[number] = cash, equity
            self.cost[number], self.amount[number] = filled.cost, filled.amount

    def _check_solvent(self, number: int, equity: float) -> None:
        if equity > MIN_TRADE:
            return
        row = self._sessions.rows[number]
        if self._rules.long_only:
            raise ValueError(
                f"backtest: a long-only book must be worth something; got an equity of {equity} in row {row}, with "
                f"delisting_return={self._rules.delisting_return}. Hold cash or more instruments."
            )
        if self._sessions.is_order[number]:
            raise ValueError(
                f"backtest: equity must be above 0 to be rebalanced; got {equity} in row {row}. "
                "Lower the short weights."
            )

    def _filled(self, number: int, order: _Order, equity: float) -> _Filled:
        """Trade to the weights of the equity that is left after the costs.

        The costs depend on the trades and the trades on the equity after costs, so the fixed point is iterated; each
        step shrinks the error by the cost rate.
        """
        wanted, freed, blocked, costs = order
        gross, after = float(wanted.sum()), equity
        is_bound = self._rules.long_only and gross > 0
        for _ in range(MAX_STEPS):
            invested = min(after, (after - blocked) / gross) if is_bound else after
            amount, cost = costs.together(wanted * invested - freed)
            missing = abs(equity - cost - after)
            if missing <= 4e-16 * abs(equity):
                break
            after = equity - cost
        if not missing <= UNSETTLED * abs(equity) or 0 < equity <= cost:
            raise ValueError(
                f"backtest: costs must settle below the equity; got costs of {cost} for an equity of {equity} in row "
                f"{self._sessions.rows[number]}. Lower capital or impact_coefficient, or drop what hardly trades."
            )
        return _Filled(invested, cost, amount)

    def _limited(
        self, filled: _Filled, before: Array, after: Array, price: Array, is_gone: Flags, costs: Costs, equity: float
    ) -> _Filled:
        """Shrink the orders to the turnover limit, in proportion, what was delisted aside.

        Costs grow faster than trades, so what is left of a long-only order still has cash behind it.
        """
        traded = (after - before) * price
        of_gone, cost_of_gone = costs.together(traded * is_gone)
        turnover = (filled.amount - of_gone) / (equity - cost_of_gone)
        if turnover <= self._rules.max_turnover * (1.0 + MIN_TRADE):
            return filled
        share = np.where(is_gone, 1.0, self._rules.max_turnover / turnover)
        after[:] = np.where(is_gone, 0.0, before + (after - before) * share)
        _drop_rounding(after, price, equity)
        amount, cost = costs.together(traded * share)
        return _Filled(filled.invested, cost, amount)

    def daily(self, days: Days) -> pd.DataFrame:
        """Give the paths as a frame; see `Books`."""
        rows, n_dates = self._sessions.rows, len(days)
        n_sessions_until = np.searchsorted(rows, np.arange(n_dates), side="right")
        cash, positions = self.cash[n_sessions_until] * self._growth, self._positions_value()
        equity = cash + positions
        returns = np.full(n_dates, np.nan)
        returns[1:] = equity[1:] / equity[:-1] - 1
        turnover, cost, n_unfilled = np.zeros(n_dates), np.zeros(n_dates), np.zeros(n_dates, dtype=np.int64)
        has_traded = self.amount > MIN_TRADE * np.abs(self.equity)
        turnover[rows] = np.divide(self.amount, self.equity, out=np.zeros(len(rows)), where=has_traded)
        cost[rows], n_unfilled[rows] = self.cost * has_traded, self._n_unfilled()
        columns = {
            "equity": equity,
            "cash": cash,
            "positions_value": positions,
            "n_positions": np.count_nonzero(self.shares, axis=1)[n_sessions_until],
            "return_1d": returns,
            "turnover": turnover,
            "cost": cost,
            # The starting capital is the first maximum, so a loss on the first day counts.
            "drawdown": equity / np.maximum(np.maximum.accumulate(equity), 1.0) - 1,
            "n_unfilled": n_unfilled,
        }
        return pd.DataFrame(columns, index=pd.DatetimeIndex(days.astype("datetime64[s]"), name="trade_date"))

    def _positions_value(self) -> Array:
        """Value the positions at every close."""
        carried, found = self._market.carried, np.zeros(len(self._market.carried))
        edges = pairwise([*self._sessions.rows.tolist(), len(found)])
        is_held = self.shares[1:] != 0
        for (start, end), shares, held, is_full in zip(
            edges, self.shares[1:], is_held, is_held.all(axis=1).tolist(), strict=True
        ):
            window = carried[start:end]
            if not is_full:
                window, shares = window[:, held], shares[held]
            # One inner product per row: a matrix product would round by the number of rows in the window, so that
            # cutting the future off would change the last bit. So might rows that do not lie in one piece.
            found[start:end] = np.vecdot(np.ascontiguousarray(window), shares)
        return found

    def _n_unfilled(self) -> Rows:
        """Count the orders of each session that found no price."""
        sessions, equity = self._sessions, self.equity[:, None]
        missed = sessions.is_order[:, None] & ~sessions.can_trade & ~self._is_sold()
        if missed.any():
            value = self.shares[:-1] * sessions.price
            missed &= np.abs(sessions.asked * equity - value) > MIN_TRADE * equity
        return np.asarray(np.count_nonzero(missed, axis=1))

    def _is_sold(self) -> Flags:
        """Whether a delisted position was given up; shape (n_sessions, n_instruments)."""
        return np.asarray(self._sessions.is_gone & (self.shares[:-1] != 0))

    def held(self, days: Days, instruments: pd.Index) -> pd.DataFrame:
        """Give the shares after each session, see `Books`; `instruments` are the market's."""
        index = pd.DatetimeIndex(days[self._sessions.rows].astype("datetime64[s]"), name="trade_date")
        return pd.DataFrame(self.shares[1:], index=index, columns=instruments)

    def trades(self, days: Days, instruments: pd.Index, columns: Rows) -> pd.DataFrame:
        """Give the trades of all sessions as a frame, see `Books`; `columns` are the market's among the instruments."""
        sessions, is_sold = self._sessions, self._is_sold()
        value = self.shares[:-1] * sessions.price
        traded = self.shares[1:] * sessions.price - value
        is_done = is_sold | (np.abs(traded) > MIN_TRADE * np.abs(self.equity[:, None]))
        in_order = np.argsort(columns)
        numbers, places = np.nonzero(is_done[:, in_order])
        done = numbers * len(columns) + in_order[places]
        return pd.DataFrame(
            {
                "trade_date": days[sessions.rows].astype("datetime64[s]")[numbers],
                "instrument_id": instruments.take(columns[in_order[places]]),
                "weight_before": value.take(done) / self.equity[numbers],
                "weight_after": (value + traded).take(done) / (self.equity - self.cost)[numbers],
                "traded_value": traded.take(done),
                "price_adj": sessions.price.take(done),
                "cost": sessions.costs.of(traded).take(done),
                "reason": REASONS.take(is_sold.take(done).astype(np.intp)),
            }
        )


def _drop_rounding(shares: Array, price: Array, equity: float) -> None:
    """Set shares to 0 that are worth no more than a rounding error."""
    shares[np.abs(shares * price) <= MIN_TRADE * equity] = 0.0
