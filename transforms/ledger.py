"""The books of a backtest: shares and cash, carried from trade to trade."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from transforms.days import Days
from transforms.trading_costs import Costs, Liquidity, half_spreads, impact_rates

Array = npt.NDArray[np.float64]
Rows = npt.NDArray[np.intp]

# Below this share of the book a difference is rounding, not an order.
MIN_TRADE = 1e-12
MAX_STEPS = 200


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
        if not 0 <= self.cost_bps + self.slippage_bps <= 1000 or min(self.cost_bps, self.slippage_bps) < 0:
            raise ValueError(
                "Execution: cost_bps and slippage_bps must be 0 or more and 1000 together at most; "
                f"got {self.cost_bps=}, {self.slippage_bps=}. One per cent is 100 basis points."
            )
        if self.delisting_return < -1:
            raise ValueError(
                f"Execution: delisting_return must be -1 or more; got {self.delisting_return=}. "
                "A fraction is meant: -0.3 loses 30 %."
            )
        if self.fill not in ("close", "open") or not self.max_turnover > 0:
            raise ValueError(
                f"Execution: fill must be close or open and max_turnover above 0; got {self.fill=}, "
                f"{self.max_turnover=}. 2.0 lets the whole book be exchanged."
            )
        if self.impact_coefficient < 0 or not self.capital > 0:
            raise ValueError(
                f"Execution: impact_coefficient must be 0 or more and capital above 0; got {self.impact_coefficient=}, "
                f"{self.capital=}. About 1 is usual for the former."
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
    has_gap = np.flatnonzero(np.isnan(prices).any(axis=0))
    if len(has_gap) == 0:
        return prices
    carried = prices.copy()
    gappy = prices[:, has_gap]
    is_known = ~np.isnan(gappy)
    row_of_last = np.maximum.accumulate(np.where(is_known, np.arange(len(prices))[:, None], 0), axis=0)
    filled = np.take_along_axis(gappy, row_of_last, axis=0)
    carried[:, has_gap] = np.where(np.isnan(filled), 0.0, filled)
    return carried


@dataclass
class _Session:
    """The trades of one session, all arrays of shape (n_traded,)."""

    row: int
    columns: Rows
    weight_before: Array
    weight_after: Array
    traded_value: Array
    price: Array
    cost: Array
    is_delisting: npt.NDArray[np.bool_]


@dataclass
class Ledger:
    """The state of the book while it is carried through time.

    `prices` are closes; `fills` are what orders are filled at, closes or opens; NaN where nothing trades.
    """

    prices: Array
    fills: Array
    gone_after: Rows
    rules: Execution
    liquidity: Liquidity | None = None
    shares: Array = field(init=False)
    cash: float = 1.0
    marked_until: int = 0
    sessions: list[_Session] = field(default_factory=list)

    def __post_init__(self) -> None:
        n_dates, n_instruments = self.prices.shape
        self.carried = carried_forward(self.prices)
        self.shares = np.zeros(n_instruments)
        self.positions_path = np.zeros(n_dates)
        self.cash_path = np.ones(n_dates)
        self.n_positions_path = np.zeros(n_dates, dtype=np.int64)
        self.turnover_path = np.zeros(n_dates)
        self.cost_path = np.zeros(n_dates)
        self.n_unfilled_path = np.zeros(n_dates, dtype=np.int64)

    def run(self, trade_rows: Rows, weights: Array) -> None:
        """Carry the book from event to event; nothing but prices moves in between."""
        n_dates = len(self.prices)
        wanted = np.any(weights != 0, axis=0)
        ends = self.gone_after[wanted & (self.gone_after + 1 < n_dates)] + 1
        order_of = {int(row): position for position, row in enumerate(trade_rows)}
        for row in sorted({*order_of, *(int(end) for end in ends)}):
            self._mark(row)
            position = order_of.get(row)
            self._trade(row, None if position is None else weights[position])
        self._mark(n_dates)

    def _mark(self, until: int) -> None:
        """Value the rows up to but not including `until`, and pay interest on the way there."""
        start, self.marked_until = self.marked_until, until
        held = np.flatnonzero(self.shares)
        # One inner product per row: a matrix product would round by the number of rows in the block,
        # so that cutting the future off would change the last bit.
        window = np.take(self.carried[start:until], held, axis=1)
        self.positions_path[start:until] = np.einsum("ij,j->i", window, self.shares[held])
        growth = 1.0 + self.rules.cash_return_1d
        self.cash_path[start:until] = self.cash * growth ** np.arange(until - start)
        self.n_positions_path[start:until] = len(held)
        self.cash *= growth ** (until - start)

    def _trade(self, row: int, weights: Array | None) -> None:
        """Sell what was delisted, then trade towards the weights, if there are any."""
        held = self.shares != 0
        active = np.flatnonzero(held if weights is None else held | (weights != 0))
        is_delisted = row > self.gone_after[active]
        price = self._price(row, active) * np.where(is_delisted, 1 + self.rules.delisting_return, 1.0)
        costs = self._costs(row, active)
        value = self.shares[active] * price
        equity = self.cash + float(value.sum())
        traded = np.where(is_delisted, -value, 0.0)
        cost = costs.of(traded)
        sold = is_delisted & held[active]
        if weights is not None:
            self._check_solvent(row, equity)
            can_trade = ~np.isnan(self.fills[row][active]) & ~is_delisted
            left = equity - float(cost.sum())
            orders = _filled(value, weights[active], can_trade, left, is_delisted, self.rules, costs)
            traded = traded + orders
            cost = costs.of(traded)
            missed = ~can_trade & ~sold & (np.abs(weights[active] * left - value) > MIN_TRADE * left)
            self.n_unfilled_path[row] = int(missed.sum())
        self._book(row, active, price, value, traded, cost, sold, equity)

    def _price(self, row: int, active: Rows) -> Array:
        """What a position is worth when orders are filled: the fill, or the last close where there is none."""
        fill = self.fills[row][active]
        last_close = self.carried[row if self.rules.fill == "close" else max(row - 1, 0)][active]
        return np.asarray(np.where(np.isnan(fill), last_close, fill), dtype=np.float64)

    def _costs(self, row: int, active: Rows) -> Costs:
        """Rates of a session, from what was known of liquidity when the orders were given."""
        rate = np.full(len(active), self.rules.cost)
        if self.liquidity is None:
            return Costs(rate, np.zeros(len(active)))
        volume = self.liquidity.dollar_volume[max(row - 1, 0)][active]
        volatility = self.liquidity.volatility[max(row - 1, 0)][active]
        if self.rules.spread_by_liquidity:
            rate = rate + half_spreads(volume)
        rules = self.rules
        return Costs(
            rate, impact_rates(volume, volatility, coefficient=rules.impact_coefficient, capital=rules.capital)
        )

    def _book(
        self,
        row: int,
        active: Rows,
        price: Array,
        value: Array,
        traded: Array,
        cost: Array,
        sold: npt.NDArray[np.bool_],
        equity: float,
    ) -> None:
        """Write the trades of a session into shares, cash and paths."""
        done = np.flatnonzero((traded != 0) | sold)
        if len(done) == 0:
            return
        after = value[done] + traded[done]
        divisor = np.where(after == 0, 1.0, price[done])
        self.shares[active[done]] = after / divisor
        self.cash -= float(traded[done].sum()) + float(cost[done].sum())
        self.cost_path[row] = cost[done].sum()
        self.turnover_path[row] = np.abs(traded[done]).sum() / equity
        self.sessions.append(
            _Session(
                row=row,
                columns=active[done],
                weight_before=value[done] / equity,
                weight_after=after / (equity - self.cost_path[row]),
                traded_value=traded[done],
                price=price[done],
                cost=cost[done],
                is_delisting=sold[done],
            )
        )

    def _check_solvent(self, row: int, equity: float) -> None:
        if not equity > 0:
            raise ValueError(
                f"backtest: equity must be above 0 to be rebalanced; got {equity} in row {row}. "
                "Lower the short weights."
            )

    def daily(self, days: Days) -> pd.DataFrame:
        """Give the paths as a frame; see `Books`."""
        equity = self.cash_path + self.positions_path
        returns = np.full(len(equity), np.nan)
        returns[1:] = equity[1:] / equity[:-1] - 1
        columns = {
            "equity": equity,
            "cash": self.cash_path,
            "positions_value": self.positions_path,
            "n_positions": self.n_positions_path,
            "return_1d": returns,
            "turnover": self.turnover_path,
            "cost": self.cost_path,
            # The starting capital is the first maximum, so a loss on the first day counts.
            "drawdown": equity / np.maximum(np.maximum.accumulate(equity), 1.0) - 1,
            "n_unfilled": self.n_unfilled_path,
        }
        return pd.DataFrame(columns, index=pd.DatetimeIndex(days.astype("datetime64[s]"), name="trade_date"))

    def trades(self, days: Days, instruments: pd.Index) -> pd.DataFrame:
        """Give the trades of all sessions as a frame; see `Books`."""
        sessions = self.sessions
        rows = np.repeat([session.row for session in sessions], [len(session.columns) for session in sessions])
        places = _joined((session.columns for session in sessions), np.intp)
        is_delisting = _joined((session.is_delisting for session in sessions), np.bool_)
        return pd.DataFrame(
            {
                "trade_date": days[rows.astype(np.intp)].astype("datetime64[s]"),
                "instrument_id": instruments.take(places),
                "weight_before": _joined((session.weight_before for session in sessions), np.float64),
                "weight_after": _joined((session.weight_after for session in sessions), np.float64),
                "traded_value": _joined((session.traded_value for session in sessions), np.float64),
                "price_adj": _joined((session.price for session in sessions), np.float64),
                "cost": _joined((session.cost for session in sessions), np.float64),
                "reason": np.where(is_delisting, "delisting", "rebalance"),
            }
        )


def _joined(parts: Iterable[npt.NDArray[Any]], dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """Concatenate arrays, also none."""
    return np.concatenate([np.empty(0, dtype=dtype), *parts]).astype(dtype)


def _filled(
    value: Array,
    weights: Array,
    can_trade: npt.NDArray[np.bool_],
    equity: float,
    is_delisted: npt.NDArray[np.bool_],
    rules: Execution,
    costs: Costs,
) -> Array:
    """Find the traded values that end in the target weights of the equity after costs.

    The costs depend on the trades and the trades on the equity after costs, so the fixed point is
    iterated; each step shrinks the error by the cost rate. Orders beyond the turnover limit then shrink in proportion:
    costs grow faster than trades, so what is left of a long-only order still has cash behind it.
    """
    blocked = float(value[~can_trade & ~is_delisted].sum())
    wanted = np.where(can_trade, weights, 0.0)
    tradable = np.where(can_trade, value, 0.0)
    gross = float(wanted.sum())
    after = equity
    for _ in range(MAX_STEPS):
        invested = min(after, (after - blocked) / gross) if rules.long_only and gross > 0 else after
        traded = wanted * invested - tradable
        following = equity - float(costs.of(traded).sum())
        if abs(following - after) <= 4e-16 * equity:
            break
        after = following
    turnover = float(np.abs(traded).sum()) / equity
    if turnover > rules.max_turnover:
        traded = traded * (rules.max_turnover / turnover)
    return np.where(np.abs(traded) <= MIN_TRADE * equity, 0.0, traded)
