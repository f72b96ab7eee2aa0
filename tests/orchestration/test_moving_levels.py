"""Rules whose level is another metric: price against its average, one ranking against another."""

from typing import Any

import pytest

from tests.orchestration.alert_looks import DAYS, ON_A, add, average, close, look, said, states
from warehouse.records.errors import RuleRefused

OVER_AVERAGE: dict[str, Any] = {"operator": "crosses_above", "metric": "price", "level": {"metric": "sma_20d"}}


def test_a_price_crosses_its_average_when_only_that_has_moved_and_lets_go_1_per_cent_inside(market: Any) -> None:
    add(market, OVER_AVERAGE)
    # Below; the average falls under a price that stands; inside of 1 % (97.03 of 98); past it.
    for day, (price, mean) in enumerate([(100, 102), (100, 99), (97.5, 98), (97, 98)]):
        close(market, day, price)
        average(market, day, mean)
        look(market, day)
    assert said(market) == [
        "AAA: price 100 crosses above indicators.sma_20d (99).",
        "AAA: price 97 is back below indicators.sma_20d (98).",
    ]
    [(payload,)] = market.connection.execute(
        "select payload -> 'readings' from app.events where type like '%triggered'"
    )
    assert payload == [{"metric": "price", "of": {}, "value": 100, "level": 99}]


def test_a_rule_of_two_tables_waits_until_both_have_the_session(market: Any) -> None:
    add(market, {**OVER_AVERAGE, "operator": "at_or_below", "level": {"metric": "sma_20d", "times": 0.8}})
    close(market, 0, 79)
    average(market, 0, 100)
    assert look(market, 0).n_triggered == 1
    assert said(market) == ["AAA: price 79 is at or below 0.8 times indicators.sma_20d (80)."]
    close(market, 1, 90)
    assert look(market, 1).n_pairs == 0
    average(market, 1, 100)
    assert look(market, 1).n_resolved == 1


def test_a_quote_is_held_against_the_average_of_the_last_close(market: Any) -> None:
    add(market, OVER_AVERAGE)
    close(market, 0, 95)
    average(market, 0, 90)  # above it already at the close: no quote crosses it
    look(market, 0)
    close(market, 1, 95)
    average(market, 1, 100)
    look(market, 1)
    market.quote("a", f"{DAYS[2]}T15:00:00Z", 101)
    assert look(market, 1).n_triggered == 1
    assert said(market) == ["AAA: price 101 crosses above indicators.sma_20d (100)."]


def test_an_average_may_cross_a_price_that_is_quoted(market: Any) -> None:
    add(market, {"operator": "crosses_above", "metric": "sma_20d", "level": {"metric": "price"}})
    close(market, 0, 105)
    average(market, 0, 100)
    look(market, 0)
    market.quote("a", f"{DAYS[1]}T15:00:00Z", 99)
    assert look(market, 0).n_triggered == 1


def test_an_average_that_is_not_there_is_no_data(market: Any) -> None:
    add(market, OVER_AVERAGE)
    close(market, 0, 100)
    average(market, 0, 90, "b")
    assert (look(market, 0).n_without_data, states(market)) == (1, [("a", "no_data", 0)])


def test_after_a_split_price_and_average_are_still_compared_in_the_same_shares(market: Any) -> None:
    add(market, OVER_AVERAGE)
    close(market, 0, 100)
    average(market, 0, 110)
    look(market, 0)
    close(market, 1, 52, split_factor=2)
    average(market, 1, 2 * 55)
    assert look(market, 1).n_inhibited == 1
    close(market, 2, 56, split_factor=2)
    average(market, 2, 2 * 55)
    assert look(market, 2).n_triggered == 1
    assert said(market)[-1] == "AAA: price 56 crosses above indicators.sma_20d (55)."


@pytest.mark.parametrize(
    ("level", "problem"),
    [
        ({"metric": "magic"}, "got 'magic'"),
        ({"metric": "volume"}, "of the unit of price, currency per share; got volume, shares"),
        ({"metric": "signal", "of": {"profile": "balanced"}}, "got rankings.signal, a word"),
        ({"metric": "rank"}, r"must give \['profile'\]"),
    ],
)
def test_a_level_of_another_kind_is_refused(market: Any, level: dict[str, Any], problem: str) -> None:
    with pytest.raises(RuleRefused, match=problem):
        add(market, {**OVER_AVERAGE, "level": level}, ON_A)
