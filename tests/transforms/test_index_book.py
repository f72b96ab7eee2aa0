"""The book of an index by hand, beside a plain loop over all that can happen, and going on from the middle."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms.index_book import Day, Event, Market, Standing, index_book, total_of

NAN = np.nan


def market(
    close_adj: list[list[float]], *, segments: "np.ndarray | None" = None, gone_after: "list[int] | None" = None
) -> Market:
    prices = np.array(close_adj)
    n = prices.shape[1]
    return Market(
        prices,
        np.zeros(prices.shape, dtype=np.int64) if segments is None else segments,
        np.array([999] * n if gone_after is None else gone_after),
    )


def always(*weights: float):
    return lambda row, held: (np.array(weights), ())


def first_row_of(n: int) -> np.ndarray:
    return np.arange(n) == 0


def test_an_index_begins_at_100_at_the_close_after_the_decision_and_then_drifts():
    days, events = index_book(
        market([[10, 20], [10, 20], [12, 20], [12, 30]]),
        always(0.5, 0.5),
        decides=first_row_of(4),
        standing=Standing.empty(2),
    )
    assert [day.value for day in days] == pytest.approx([100, 110, 135])
    assert [(event.row, event.reason) for event in events] == [(1, "base")]
    # 50 of currency buys 5 units at 10 and 2.5 at 20.
    assert events[0].after.units.tolist() == [5, 2.5]
    assert events[0].turnover == 1


def test_a_rebalance_moves_weights_and_not_the_value():
    decides = np.array([True, False, True, False, False])
    days, events = index_book(
        market([[10, 10], [10, 10], [20, 10], [20, 10], [20, 20]]),
        always(0.5, 0.5),
        decides=decides,
        standing=Standing.empty(2),
    )
    assert [day.value for day in days] == pytest.approx([100, 150, 150, 225])
    assert events[1].reason == "rebalance"
    assert events[1].weight_before.tolist() == pytest.approx([2 / 3, 1 / 3])
    assert events[1].after.weights.tolist() == pytest.approx([0.5, 0.5])
    assert events[1].turnover == pytest.approx(1 / 3)


def test_a_delisting_shrinks_the_divisor_and_its_worth_goes_to_the_others():
    days, events = index_book(
        market([[10, 10, 10], [10, 10, 10], [10, 10, 20], [10, 10, NAN], [20, 10, NAN]], gone_after=[9, 9, 2]),
        always(0.25, 0.25, 0.5), decides=first_row_of(5), standing=Standing.empty(3),
    )  # fmt: skip
    # The third doubles to 100 of 150, then it leaves at that price; what is left doubles by half.
    assert [day.value for day in days] == pytest.approx([100, 150, 150, 225])
    assert [day.divisor for day in days] == pytest.approx([1, 1, 1 / 3, 1 / 3])
    assert [day.n_constituents for day in days] == [3, 3, 2, 2]
    assert events[1].reason == "delisting"
    assert events[1].after.target.tolist() == pytest.approx([0.5, 0.5, 0])
    assert events[1].turnover == pytest.approx(4 / 3)


def test_a_new_price_segment_changes_units_and_no_worth():
    segments = np.array([[0], [0], [0], [1], [1]])
    days, events = index_book(
        market([[10], [10], [12], [3], [6]], segments=segments),
        always(1.0),
        decides=first_row_of(5),
        standing=Standing.empty(1),
    )
    assert [day.value for day in days] == pytest.approx([100, 120, 120, 240])
    assert [(event.reason, event.turnover) for event in events] == [("base", 1), ("price_break", 0)]
    assert events[1].after.units.tolist() == [40]


def test_a_missing_close_counts_as_the_last_one():
    days, _ = index_book(
        market([[10], [10], [NAN], [15]]), always(1.0), decides=first_row_of(4), standing=Standing.empty(1)
    )
    assert [day.value for day in days] == pytest.approx([100, 100, 150])


def test_drift_beyond_the_threshold_goes_back_to_the_targets_at_the_next_close():
    # Weights 0.5 and 0.5 become 0.6 and 0.4: a drift of 0.1.
    closes = market([[10, 10], [10, 10], [15, 10], [15, 10], [15, 10]])
    for threshold, reasons in ((0.0999, ["base", "drift"]), (0.1001, ["base"])):
        _, events = index_book(
            closes, always(0.5, 0.5), decides=first_row_of(5), standing=Standing.empty(2), drift_threshold=threshold
        )
        assert [event.reason for event in events] == reasons
    _, events = index_book(
        closes, always(0.5, 0.5), decides=first_row_of(5), standing=Standing.empty(2), drift_threshold=0.05
    )
    assert (events[1].row, events[1].after.weights.tolist()) == (3, pytest.approx([0.5, 0.5]))


def test_when_everything_is_gone_the_value_stands_still():
    days, events = index_book(
        market([[10], [10], [12], [NAN]], gone_after=[2]),
        always(1.0),
        decides=first_row_of(4),
        standing=Standing.empty(1),
    )
    assert [day.value for day in days] == pytest.approx([100, 120, 120])
    assert [event.reason for event in events] == ["base"]


def test_nothing_to_hold_is_no_index():
    days, events = index_book(market([[10], [10]]), always(0.0), decides=first_row_of(2), standing=Standing.empty(1))
    assert (days, events) == ([], [])


def test_what_is_gone_by_the_close_that_trades_is_not_bought():
    _, events = index_book(
        market([[10, 10], [10, NAN]], gone_after=[9, 0]),
        always(0.5, 0.5),
        decides=first_row_of(2),
        standing=Standing.empty(2),
    )
    assert events[0].after.weights.tolist() == [1, 0]


# -- everything at once


def eventful(seed: int, *, n_rows: int = 60, n: int = 8) -> tuple[Market, np.ndarray]:
    """A market with gaps, delistings, new listings and breaks, and the days that decide."""
    rng = np.random.default_rng(seed)
    prices = 50 * np.exp(np.cumsum(rng.normal(0, 0.03, (n_rows, n)), axis=0))
    segments = np.cumsum(rng.random((n_rows, n)) < 0.02, axis=0)
    prices = prices * 3.0**segments
    gone_after = np.where(rng.random(n) < 0.4, rng.integers(5, n_rows, n), n_rows)
    listed_from = np.where(rng.random(n) < 0.3, rng.integers(0, n_rows // 2, n), 0)
    rows = np.arange(n_rows)[:, None]
    is_missing = (rng.random((n_rows, n)) < 0.05) | (rows > gone_after) | (rows < listed_from)
    decides = rng.random(n_rows) < 0.1
    decides[0] = True
    return Market(np.where(is_missing, NAN, prices), segments, gone_after), decides


def choose_from(seen: Market, seed: int):
    """Random weights of what has a close on the day."""

    def choose(row: int, held: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
        weights = np.random.default_rng((seed, row)).dirichlet(np.ones(len(held)))
        weights = np.where(np.isnan(seen.close_adj[row]) | (row > seen.gone_after), 0, weights)
        return weights / max(weights.sum(), 1e-300), ()

    return choose


@given(seed=st.integers(0, 100_000))
@settings(max_examples=40, deadline=None)
def test_the_value_moves_by_weight_times_return_and_by_nothing_else(seed: int):
    """A plain loop over weights and returns, which knows neither units nor divisor."""
    seen, decides = eventful(seed)
    days, events = index_book(
        seen, choose_from(seen, seed), decides=decides, standing=Standing.empty(8), drift_threshold=0.1
    )
    at = {event.row: event for event in events}
    last = np.full(8, NAN)
    last_segment = np.zeros(8)
    weights = np.zeros(8)
    value = None
    for day in days_by_row(days, len(seen.close_adj)):
        row, shown = day
        returns = np.zeros(8)
        for i in range(8):
            close, segment = seen.close_adj[row, i], seen.price_segment[row, i]
            if not np.isnan(close):
                if segment == last_segment[i] and not np.isnan(last[i]):
                    returns[i] = close / last[i] - 1
                last[i], last_segment[i] = close, segment
        if shown is None:
            continue
        if value is not None:
            assert shown.value / value - 1 == pytest.approx(float(weights @ returns), abs=1e-9)
        value = shown.value
        weights = weights * (1 + returns) / (1 + weights @ returns)
        if row in at:
            assert weights == pytest.approx(at[row].weight_before, abs=1e-9)
            assert at[row].turnover == pytest.approx(np.abs(at[row].after.weights - weights).sum(), abs=1e-9)
            weights = at[row].after.weights
        assert weights.sum() == pytest.approx(1)
    assert days


def days_by_row(days: list[Day], n_rows: int) -> list[tuple[int, Day | None]]:
    by_row = {day.row: day for day in days}
    return [(row, by_row.get(row)) for row in range(n_rows)]


@given(seed=st.integers(0, 100_000))
@settings(max_examples=40, deadline=None)
def test_going_on_from_an_event_gives_the_same_bits(seed: int):
    seen, decides = eventful(seed)
    choose = choose_from(seen, seed)
    days, events = index_book(seen, choose, decides=decides, standing=Standing.empty(8), drift_threshold=0.1)
    middle = events[len(events) // 2]
    rest = Market(seen.close_adj[middle.row :], seen.price_segment[middle.row :], seen.gone_after - middle.row)
    later_days, later_events = index_book(
        rest,
        lambda row, held: choose(row + middle.row, held),
        decides=decides[middle.row :],
        standing=kept(middle),
        drift_threshold=0.1,
    )
    assert [(day.row + middle.row, *day[1:]) for day in later_days] == [
        tuple(day) for day in days if day.row > middle.row
    ]
    expected = [event for event in events if event.row > middle.row]
    assert [event.reason for event in later_events] == [event.reason for event in expected]
    for later, event in zip(later_events, expected, strict=True):
        assert later.after.units.tolist() == event.after.units.tolist()


def kept(event: Event) -> Standing:
    """What a table of positions remembers: of what is not held, nothing."""
    held, after = event.after.units > 0, event.after
    return after._replace(price=np.where(held, after.price, NAN), segment=np.where(held, after.segment, 0))


@given(seed=st.integers(0, 100_000))
@settings(max_examples=15, deadline=None)
def test_cutting_the_future_off_changes_no_past_row(seed: int):
    seen, decides = eventful(seed)
    days, _ = index_book(seen, choose_from(seen, seed), decides=decides, standing=Standing.empty(8))
    cut = Market(seen.close_adj[:30], seen.price_segment[:30], seen.gone_after)
    earlier, _ = index_book(cut, choose_from(cut, seed), decides=decides[:30], standing=Standing.empty(8))
    assert earlier == [day for day in days if day.row < 30]


def test_what_else_the_market_lists_does_not_move_the_last_bit_of_a_sum():
    random = np.random.default_rng(5)
    for _ in range(200):
        held = random.uniform(1, 100, 50)
        among = np.zeros(505)
        among[np.sort(random.choice(505, 50, replace=False))] = held
        assert total_of(among) == total_of(held)
