"""Verdicts on jumps: a split that nobody has recorded, and what looks like one and is none."""

import numpy as np
import pandas as pd
import pytest

from tests.transforms.test_bar_verdicts import DAYS, NO_EVENTS, PRICES, event, found, from_day, quiet
from transforms.bar_verdicts import bar_verdicts


@pytest.mark.parametrize("ratio", [2, 3, 1.5, 10])
def test_a_split_without_a_record_is_suspect_once_the_next_bar_has_stayed(ratio):
    assert found(from_day(quiet(), 40, price=1 / ratio, volume=ratio)) == [
        (40, "unadjusted_split", "suspect", None, 41)
    ]


def test_a_reverse_split_without_a_record_is_suspect():
    assert found(from_day(quiet(), 40, price=10, volume=0.1)) == [(40, "unadjusted_split", "suspect", None, 41)]


def test_a_recorded_split_explains_the_jump_of_prices_as_traded():
    bars = from_day(quiet(), 40, price=0.5, volume=2)
    assert found(bars, splits=event("A", DAYS[40])) == []
    assert found(bars, splits=event("B", DAYS[40])) != []
    assert found(bars, splits=event("A", DAYS[39])) != []


def test_a_split_recorded_for_a_missing_session_explains_the_next_bar():
    bars = from_day(quiet(), 40, price=0.5, volume=2).drop(40).reset_index(drop=True)
    assert found(bars, splits=event("A", DAYS[40])) == []


def test_a_recorded_split_explains_nothing_in_prices_that_claim_to_be_adjusted():
    bars = from_day(quiet(adjustment="splits_dividends"), 40, price=0.5)
    assert found(bars, splits=event("A", DAYS[40])) == [(40, "unadjusted_split", "suspect", None, 41)]


def test_a_split_record_without_a_jump_is_no_concern_of_this_rule():
    assert found(quiet(), splits=event("A", DAYS[40])) == []


def test_a_crash_that_opens_at_one_half_is_told_by_volume_and_range():
    bars = from_day(quiet(), 40, price=0.5)
    bars.loc[40, "volume"] *= 15
    bars.loc[40, "low"] *= 0.94
    assert found(bars) == []


def test_a_crash_is_told_by_its_volume_alone():
    bars = from_day(quiet(), 40, price=0.5)
    bars.loc[40, "volume"] *= 40
    assert found(bars) == []


def test_a_distribution_in_kind_is_a_gap_down_on_a_calm_day():
    bars = from_day(quiet(), 40, price=0.77)
    assert found(bars) == [(40, "unadjusted_split", "suspect", None, 41)]
    assert "like a distribution" in bar_verdicts(bars, splits=NO_EVENTS)["detail"][0]
    bars.loc[40, "volume"] *= 15
    assert found(bars) == []


def test_a_gap_up_of_no_simple_ratio_is_a_take_over_bid():
    assert found(from_day(quiet(), 40, price=1.3)) == []


def test_a_recorded_dividend_explains_a_gap_of_its_size_where_prices_still_hold_it():
    dividends = event("A", DAYS[40], amount=quiet().loc[39, "close"] * 0.23)
    assert found(from_day(quiet(), 40, price=0.77), dividends=dividends) == []
    assert found(from_day(quiet(adjustment="splits"), 40, price=0.77), dividends=dividends) == []
    assert found(from_day(quiet(adjustment="splits_dividends"), 40, price=0.77), dividends=dividends) != []
    assert found(from_day(quiet(), 40, price=0.5, volume=2), dividends=dividends.assign(amount=0.5)) != []


def test_what_the_whole_market_does_is_no_split():
    crash = [from_day(quiet(symbol), 40, price=0.5) for symbol in "ABCDEFGHIJKL"]
    assert found(pd.concat(crash, ignore_index=True)) == []
    alone = [crash[0], *(quiet(symbol) for symbol in "BCDEFGHIJKL")]
    assert found(pd.concat(alone, ignore_index=True)) == [(40, "unadjusted_split", "suspect", None, 41)]


def test_an_instrument_that_often_moves_by_a_tenth_has_no_calm_jump_of_a_fifth():
    bars = quiet()
    swing = np.where(np.arange(80) % 2, 1.1, 1.0)
    bars[PRICES] = bars[PRICES].mul(swing, axis=0)
    bars["low"] /= 1.1
    bars["high"] *= 1.1
    assert found(from_day(bars, 40, price=0.6)) == []


def test_one_bad_bar_is_no_split():
    bars = quiet()
    bars.loc[40, PRICES] /= 2
    assert found(bars) == [(40, "unadjusted_split", "cleared", None, 41)]


def test_on_its_own_day_a_jump_is_suspect_before_the_next_bar_can_tell():
    bars = from_day(quiet(n_days=41), 40, price=0.5, volume=2)
    assert found(bars) == [(40, "unadjusted_split", "suspect", None, 40)]
    assert "no later bar yet" in bar_verdicts(bars, splits=NO_EVENTS)["detail"][0]


def test_a_stretch_of_unadjusted_days_is_marked_at_both_ends():
    bars = from_day(from_day(quiet(), 40, price=3), 43, price=1 / 3)
    assert [row[:3] for row in found(bars)] == [
        (40, "unadjusted_split", "suspect"),
        (43, "unadjusted_split", "suspect"),
    ]


def test_without_a_usual_volume_the_range_alone_decides():
    bars = from_day(quiet(), 40, price=0.5)
    bars.loc[:39, "volume"] = 0
    assert found(bars) == [(40, "unadjusted_split", "suspect", None, 41)]
    bars.loc[40, "low"] *= 0.5
    assert found(bars) == []
