"""An index on the simulated market, where splits, dividends, delistings and new listings happen, by its raw prices.

The book under test sees adjusted closes. The one beside it is a loop over shares as traded: a split multiplies them, a
dividend buys more of its payer, who leaves is paid out to the others. It knows neither units nor divisor.
"""

import datetime as dt
from collections import Counter
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from orchestration.sources.simulated.options import SimulatedOptions
from orchestration.sources.simulated.source import SimulatedSource
from tests.skill.simulated_panel import CALENDAR, _grids, _rows
from transforms.days import as_days
from transforms.index_book import Day, Event, Market, Standing, index_book
from transforms.target_weights import rebalance_rows

FIRST, LAST = dt.date(2015, 1, 2), dt.date(2019, 12, 31)


@pytest.fixture(scope="module")
def source() -> SimulatedSource:
    options = SimulatedOptions(n_instruments=60, first_session=FIRST, seed=5, defect_rate=0.0)
    return SimulatedSource(options, calendar=CALENDAR, now=lambda: dt.datetime.combine(LAST, dt.time(23, 30), dt.UTC))


class Traded:
    """The market as it is traded: (n_sessions, n_companies)."""

    def __init__(self, source: SimulatedSource) -> None:
        grids = _grids(source, LAST)
        self.close = grids.bars["close"].to_numpy()
        self.close_adj = (grids.bars["close"] * grids.adjustment).to_numpy()
        self.days = as_days(grids.bars["close"].index)
        self.ratio = grids.splits.div(grids.splits.shift(1)).fillna(1.0).to_numpy()
        paid = _rows(source.dividends(FIRST, LAST)).pivot(index="ex_date", columns="source_symbol", values="amount")
        paid.index = pd.DatetimeIndex(paid.index)
        self.paid = (
            paid.reindex(index=pd.DatetimeIndex(self.days), columns=grids.bars["close"].columns).fillna(0.0).to_numpy()
        )
        has_bar = ~np.isnan(self.close)
        last_bar = len(self.days) - 1 - np.argmax(has_bar[::-1], axis=0)
        self.gone_after = np.where(last_bar < len(self.days) - 1, last_bar, len(self.days))
        self.listed_after = np.argmax(has_bar, axis=0)

    def choose(self, row: int, held: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
        """Hold a random half of what is traded."""
        rng = np.random.default_rng(row)
        weights = rng.dirichlet(np.ones(len(held))) * (rng.random(len(held)) < 0.5) * ~np.isnan(self.close[row])
        return weights / weights.sum(), ()


@pytest.fixture(scope="module")
def traded(source: SimulatedSource) -> Traded:
    return Traded(source)


@pytest.fixture(scope="module")
def book(traded: Traded) -> tuple[list[Day], list[Event]]:
    decides = np.isin(np.arange(len(traded.days)), rebalance_rows(traded.days))
    market = Market(traded.close_adj, np.zeros(traded.close.shape, dtype=np.int64), traded.gone_after)
    return index_book(
        market, traded.choose, decides=decides, standing=Standing.empty(traded.close.shape[1]), drift_threshold=0.04
    )


def looped(traded: Traded, decides: set[int], drift_threshold: float) -> tuple[dict[int, float], Counter[str]]:
    """Values by row, and what happened to what was held."""
    shares: dict[int, float] = {}
    target: dict[int, float] = {}
    pending: dict[int, float] | None = None
    values: dict[int, float] = {}
    last: dict[int, float] = {}
    seen: Counter[str] = Counter()
    for row in range(len(traded.days)):
        for i in shares:
            ratio, paid = traded.ratio[row, i], traded.paid[row, i]
            if ratio != 1:
                seen["split"] += 1
            if paid:
                seen["dividend"] += 1
            shares[i] *= ratio / (1 - paid * ratio / last[i])
        last |= {i: price for i, price in enumerate(traded.close[row]) if not np.isnan(price)}
        worth = sum(amount * last[i] for i, amount in shares.items())
        gone = [i for i in shares if row > traded.gone_after[i]]
        if gone:
            seen["delisting"] += len(gone)
            left = worth - sum(shares.pop(i) * last[i] for i in gone)
            shares = {i: amount * worth / left for i, amount in shares.items()}
            target = {i: weight for i, weight in target.items() if i in shares}
            target = {i: weight / sum(target.values()) for i, weight in target.items()}
        if pending is not None:
            worth = worth or 100.0
            there = {i: weight for i, weight in pending.items() if row <= traded.gone_after[i]}
            target = {i: weight / sum(there.values()) for i, weight in there.items()}
            seen["new_listing"] += sum(traded.listed_after[i] > 0 for i in target if i not in shares)
            shares = {i: weight * worth / last[i] for i, weight in target.items()}
            pending = None
        if shares:
            values[row] = sum(amount * last[i] for i, amount in shares.items())
            weights = {i: amount * last[i] / values[row] for i, amount in shares.items()}
            if row not in decides and 0.5 * sum(abs(weights[i] - target[i]) for i in weights) > drift_threshold:
                seen["drift"] += 1
                pending = dict(target)
        if row in decides:
            seen["rebalance"] += 1
            pending = {
                i: weight
                for i, weight in enumerate(traded.choose(row, np.zeros(traded.close.shape[1]))[0])
                if weight > 0
            }
    return values, seen


def test_the_books_balance_through_everything_that_happens(traded, book):
    days, events = book
    values, seen = looped(traded, set(rebalance_rows(traded.days).tolist()), 0.04)
    # Otherwise the test would say less than it seems to.
    for happened in ("split", "dividend", "delisting", "new_listing", "rebalance", "drift"):
        assert seen[happened] > 0, happened
    assert {"base", "rebalance", "drift", "delisting"} <= {event.reason for event in events}
    assert [day.row for day in days] == list(values)
    assert [day.value for day in days] == pytest.approx(list(values.values()), rel=1e-9)


def test_each_days_change_is_the_sum_of_weight_times_return(traded, book):
    days, events = book
    carried = pd.DataFrame(traded.close_adj).ffill().to_numpy()
    returns = np.nan_to_num(carried[1:] / carried[:-1] - 1)
    after = {event.row: event.after.weights for event in events}
    weights = after[days[0].row]
    for earlier, later in pairwise(days):
        moved = float(weights @ returns[later.row - 1])
        assert later.value / earlier.value - 1 == pytest.approx(moved, abs=1e-9)
        weights = after.get(later.row, weights * (1 + returns[later.row - 1]) / (1 + moved))
