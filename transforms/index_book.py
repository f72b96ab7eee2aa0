"""The book of an index by the divisor method: units held, what they are worth, and the events that change them."""

from collections.abc import Callable
from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Whole = npt.NDArray[np.int64]
# What an index aims at, given the row that decides and the weights held; all zero where nothing may be held. With it,
# the limits that had to be given up.
Choose = Callable[[int, Array], tuple[Array, tuple[str, ...]]]

BASE = 100.0


class Market(NamedTuple):
    """What the book is valued with.

    Attributes
    ----------
    close_adj : ndarray of shape (n_dates, n_instruments), currency per share
        Split- and dividend-adjusted closes; NaN where there is none that can be trusted.
    price_segment : ndarray of int64, same shape
        Prices of different segments cannot be compared. Read where there is a close.
    gone_after : ndarray of int64, shape (n_instruments,)
        Row of the last session of an instrument; n_dates or more where it still trades.
    """

    close_adj: Array
    price_segment: Whole
    gone_after: Whole


class Standing(NamedTuple):
    """Where a book stands at a close, after the events of that session; arrays of shape (n_instruments,).

    Attributes
    ----------
    units : ndarray, adjusted shares; 0 where nothing is held
    price : ndarray, currency per share; the last close that can be trusted, NaN before the first
    segment : ndarray of int64; that of the price
    target : ndarray, fraction; weights that the last rebalancing aimed at, without those that are gone
    divisor : float, currency per index point; 0 before the first rebalancing
    """

    units: Array
    price: Array
    segment: Whole
    target: Array
    divisor: float

    @classmethod
    def empty(cls, n_instruments: int) -> Self:
        """Return a book before its first rebalancing."""
        zeros = np.zeros(n_instruments)
        return cls(zeros, np.full(n_instruments, np.nan), np.zeros(n_instruments, dtype=np.int64), zeros, 0.0)

    @property
    def worth(self) -> Array:
        """What is held of each instrument, currency."""
        return np.where(self.units > 0, self.units * np.nan_to_num(self.price), 0.0)

    @property
    def weights(self) -> Array:
        """Weights at the close, fraction; zero where the book is empty."""
        worth = self.worth
        total = total_of(worth)
        return worth / total if total > 0 else worth


def total_of(values: Array) -> float:
    """Sum what is not zero: of whatever else the market lists, the last bit of the sum must not know."""
    return float(values[values != 0].sum())


class Event(NamedTuple):
    """What changed in a session, at its close; arrays of shape (n_instruments,).

    Attributes
    ----------
    row : int
    reason : str
        base, rebalance, drift, delisting or price_break; the first of these where several came together.
    weight_before : ndarray, fraction; at this close, before anything changed
    after : Standing
    is_gone, is_broken : ndarray of bool; delisted; in a new price segment
    turnover : float, fraction; bought plus sold
    dropped_limits : tuple of str
    """

    row: int
    reason: str
    weight_before: Array
    after: Standing
    is_gone: Flags
    is_broken: Flags
    turnover: float
    dropped_limits: tuple[str, ...]


class Day(NamedTuple):
    """An index at a close."""

    row: int
    value: float
    divisor: float
    n_constituents: int


class _Aim(NamedTuple):
    reason: str
    target: Array
    dropped_limits: tuple[str, ...] = ()


def index_book(
    market: Market,
    choose: Choose,
    *,
    decides: Flags,
    standing: Standing,
    drift_threshold: float | Array = np.inf,
) -> tuple[list[Day], list[Event]]:
    """Walk through the sessions.

    Parameters
    ----------
    market : Market
    choose : callable
        Called for each deciding row; what it says is traded at the next row's close.
    decides : ndarray of bool, shape (n_dates,)
        Rows that the calendar makes decide.
    standing : Standing
        At row 0, after its events: a book that goes on, or an empty one.
    drift_threshold : float or ndarray of shape (n_dates,), fraction
        Half the sum of the distances from the targets beyond which the next close goes back to them.

    Returns
    -------
    list of Day, list of Event
        For rows 1 and later; days from the first rebalancing on.

    Notes
    -----
    Value: ``sum(units * price) / divisor``, 100 at the first rebalancing. Adjusted prices carry splits, and dividends
    as if each were put back into its own instrument at the last close before its ex-date less the dividend. Without a
    trusted close the last one counts.

    Events at a close, in this order. *Price break*: a new segment leaves the worth of a position as it was; its units
    change. *Delisting*: in the session after its last, a position is taken out at its last price and the divisor
    shrinks with the worth, so that the value stays and the others' weights grow in proportion; when everything is gone,
    nothing is taken out. *Rebalance*, or *drift*: units are set anew at this close's prices, the worth and the divisor
    stay. So from one close to the next the value moves by the sum of weight times return and by nothing else.

    Point in time: day and event t depend on rows up to t only, and going on from the standing after an event gives the
    same bits as walking from the beginning.
    """
    # A price that nobody has told is that of row 0.
    close, segment = market.close_adj[0], market.price_segment[0]
    is_new = np.isnan(standing.price)
    standing = standing._replace(
        price=np.where(is_new, close, standing.price), segment=np.where(is_new, segment, standing.segment)
    )
    n_rows = len(market.close_adj)
    thresholds = np.broadcast_to(drift_threshold, n_rows)
    days: list[Day] = []
    events: list[Event] = []
    aim = _aim(0, standing, choose, decides, thresholds)
    for row in range(1, n_rows):
        event = _step(row, standing, market, aim)
        standing = event.after
        if event.reason:
            events.append(event)
        if standing.divisor > 0:
            held = int((standing.units > 0).sum())
            days.append(Day(row, total_of(standing.worth) / standing.divisor, standing.divisor, held))
        aim = _aim(row, standing, choose, decides, thresholds)
    return days, events


def _aim(row: int, standing: Standing, choose: Choose, decides: Flags, thresholds: Array) -> _Aim | None:
    """Decide at a close what the next one trades."""
    if decides[row]:
        target, dropped = choose(row, standing.weights)
        return _Aim("rebalance" if standing.divisor > 0 else "base", target, dropped) if target.any() else None
    drift = 0.5 * total_of(np.abs(standing.weights - standing.target))
    return _Aim("drift", standing.target) if standing.divisor > 0 and drift > thresholds[row] else None


def _step(row: int, standing: Standing, market: Market, aim: _Aim | None) -> Event:
    """Carry a book to the next close, and do there what is to be done."""
    held = standing.units > 0
    is_known = ~np.isnan(market.close_adj[row])
    price = np.where(is_known, market.close_adj[row], standing.price)
    segment = np.where(is_known, market.price_segment[row], standing.segment)
    is_broken = held & (segment != standing.segment)
    units = np.where(is_broken, standing.units * standing.price / price, standing.units)
    before = standing._replace(units=units, price=price, segment=segment)
    is_gone = held & (row > market.gone_after)
    after = _without(before, is_gone)
    reasons = {"delisting": after is not before, "price_break": bool(is_broken.any())}
    dropped: tuple[str, ...] = ()
    if aim is not None and (invested := _invested(after, aim, row > market.gone_after)) is not None:
        after, dropped = invested, aim.dropped_limits
        reasons = {aim.reason: True} | reasons
    reason = next((name for name, happened in reasons.items() if happened), "")
    turnover = total_of(np.abs(after.weights - before.weights)) if reason else 0.0
    return Event(row, reason, before.weights, after, is_gone, is_broken, turnover, dropped)


def _without(standing: Standing, is_gone: Flags) -> Standing:
    """Take positions out at their last price; the divisor keeps the value."""
    worth = standing.worth
    left = total_of(worth[~is_gone])
    if not is_gone.any() or left <= 0:
        return standing
    target = np.where(is_gone, 0.0, standing.target)
    return standing._replace(
        units=np.where(is_gone, 0.0, standing.units),
        target=target / total_of(target) if target.any() else target,
        divisor=standing.divisor * (left / total_of(worth)),
    )


def _invested(standing: Standing, aim: _Aim, is_gone: Flags) -> Standing | None:
    """Set the units anew; None where nothing of what was aimed at can be had."""
    target = np.where(is_gone | np.isnan(standing.price), 0.0, aim.target)
    if not target.any():
        return None
    target = target / total_of(target)
    total = total_of(standing.worth) if standing.divisor > 0 else BASE
    units = np.where(target > 0, target * total / np.where(target > 0, standing.price, 1.0), 0.0)
    return standing._replace(units=units, target=target, divisor=standing.divisor if standing.divisor > 0 else 1.0)
