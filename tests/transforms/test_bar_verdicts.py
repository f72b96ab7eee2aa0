"""Soft rules for daily bars.

The quiet instrument closes 1 % higher every day and opens 0.2 % above the close before; its volume grows by one share a
day and its high reaches a little further out, so that no two of its bars are equal or stand in one ratio. Bars ten days
apart lie 10 % apart, far more than it ever moves overnight.
"""

import numpy as np
import pandas as pd
import pytest

from transforms.bar_verdicts import WITHDRAWN, bar_verdicts, withdrawn

DAYS = pd.bdate_range("2024-01-01", periods=80, unit="s")
PRICES = ["open", "high", "low", "close"]
BAR = [*PRICES, "volume"]
NO_EVENTS = pd.DataFrame({"source_symbol": pd.Series(dtype="str"), "ex_date": pd.Series(dtype="datetime64[s]")})


def quiet(symbol: str = "A", n_days: int = 80, adjustment: str = "none") -> pd.DataFrame:
    close = 100 * 1.01 ** np.arange(n_days)
    opened = close / 1.01 * 1.002
    return pd.DataFrame(
        {
            "source": "one",
            "source_symbol": symbol,
            "trade_date": DAYS[:n_days],
            "open": opened,
            "high": close * (1.003 + 1e-5 * np.arange(n_days)),
            "low": opened * 0.997,
            "close": close,
            "volume": 10_000 + np.arange(n_days),
            "adjustment": adjustment,
        }
    )


def with_copy(bars: pd.DataFrame, *, source: int, target: int) -> pd.DataFrame:
    """The bar of one day handed out for another one as well."""
    bars.loc[target, BAR] = bars.loc[source, BAR].to_numpy()
    return bars


def from_day(bars: pd.DataFrame, day: int, *, price: float, volume: float = 1.0) -> pd.DataFrame:
    """Prices, and volume, times a factor from a day on."""
    bars.loc[day:, PRICES] *= price
    bars.loc[day:, "volume"] = (bars.loc[day:, "volume"] * volume).astype(np.int64)
    return bars


def event(symbol: str, day: pd.Timestamp, **columns: float) -> pd.DataFrame:
    return pd.DataFrame({"source_symbol": [symbol], "ex_date": [day], **columns})


def found(bars: pd.DataFrame, **options: object) -> list[tuple[int, str, str, int | None, int]]:
    """Verdicts as (day, rule, verdict, other day, known from day), days by number."""
    number = {day: n for n, day in enumerate(DAYS)}
    verdicts = bar_verdicts(bars, **({"splits": NO_EVENTS} | options))
    return [
        (number[row.trade_date], row.rule, row.verdict, number.get(row.other_trade_date), number[row.known_from_date])
        for row in verdicts.itertuples()
    ]


# Bars of a wrong day


def test_a_quiet_history_gives_no_verdicts_but_their_columns():
    verdicts = bar_verdicts(quiet(), splits=NO_EVENTS)
    assert verdicts.empty
    assert verdicts.dtypes.astype(str).to_dict() == {
        "source": "str",
        "source_symbol": "str",
        "trade_date": "datetime64[s]",
        "rule": "str",
        "verdict": "str",
        "other_trade_date": "datetime64[s]",
        "known_from_date": "datetime64[s]",
        "detail": "str",
    }


def test_no_bars_give_no_verdicts():
    verdicts = bar_verdicts(quiet().iloc[:0], splits=event("A", DAYS[3]))
    assert verdicts.empty
    assert verdicts["known_from_date"].dtype == "datetime64[s]"


def test_a_later_days_bar_is_suspect_where_it_stands_apart_and_cleared_where_it_belongs():
    assert found(with_copy(quiet(), source=50, target=40)) == [
        (40, "wrong_day", "suspect", 50, 51),
        (50, "wrong_day", "cleared", 40, 51),
    ]


def test_an_earlier_days_bar_is_suspect_where_it_stands_apart_and_cleared_where_it_belongs():
    assert found(with_copy(quiet(), source=40, target=50)) == [
        (40, "wrong_day", "cleared", 50, 51),
        (50, "wrong_day", "suspect", 40, 51),
    ]


def test_two_bars_that_belong_nowhere_are_both_suspect():
    bars = quiet()
    bars.loc[40, PRICES] *= 1.3
    assert found(with_copy(bars, source=40, target=50)) == [
        (40, "wrong_day", "suspect", 50, 51),
        (50, "wrong_day", "suspect", 40, 51),
    ]


def test_of_two_consecutive_days_none_can_be_cleared():
    assert found(with_copy(quiet(), source=40, target=41)) == [
        (40, "wrong_day", "suspect", 41, 42),
        (41, "wrong_day", "suspect", 40, 42),
    ]


def test_of_three_equal_bars_the_only_one_in_place_is_cleared():
    bars = with_copy(with_copy(quiet(), source=40, target=30), source=40, target=55)
    assert found(bars) == [
        (30, "wrong_day", "suspect", 40, 56),
        (40, "wrong_day", "cleared", 30, 56),
        (55, "wrong_day", "suspect", 40, 56),
    ]


def test_of_three_equal_bars_two_in_place_leave_all_suspect():
    bars = with_copy(with_copy(quiet(), source=40, target=41), source=40, target=55)
    assert found(bars) == [
        (40, "wrong_day", "suspect", 41, 56),
        (41, "wrong_day", "suspect", 40, 56),
        (55, "wrong_day", "suspect", 41, 56),
    ]


def test_neighbours_in_question_are_stepped_over_and_their_twins_are_waited_for():
    # Day 40 is questioned only because of day 60, and without that it would be the neighbour of day 41.
    bars = with_copy(with_copy(quiet(), source=50, target=41), source=60, target=40)
    assert found(bars) == [
        (40, "wrong_day", "suspect", 60, 61),
        (41, "wrong_day", "suspect", 50, 60),
        (50, "wrong_day", "cleared", 41, 60),
        (60, "wrong_day", "cleared", 40, 61),
    ]


def test_without_a_later_neighbour_both_stay_suspect():
    assert found(with_copy(quiet(n_days=51), source=50, target=40)) == [
        (40, "wrong_day", "suspect", 50, 50),
        (50, "wrong_day", "suspect", 40, 50),
    ]


def test_what_is_usual_takes_a_month_to_learn():
    verdicts = bar_verdicts(with_copy(quiet(), source=15, target=5), splits=NO_EVENTS)
    assert verdicts["verdict"].tolist() == ["suspect", "suspect"]
    assert "unknown times" in verdicts["detail"][0]


def test_a_halted_stock_repeats_itself_without_suspicion():
    bars = quiet()
    bars.loc[40:45, PRICES] = bars.loc[39, "close"]
    bars.loc[40:45, "volume"] = 0
    assert found(bars) == []


def test_an_illiquid_stock_repeats_an_unchanged_price_without_suspicion():
    bars = quiet()
    bars.loc[[40, 42, 47], PRICES] = bars.loc[39, "close"]
    bars.loc[[40, 42, 47], "volume"] = 100
    assert found(bars) == []


def test_the_same_bar_of_two_instruments_is_no_repeat():
    assert found(pd.concat([quiet("A"), quiet("B")], ignore_index=True)) == []


def test_instruments_side_by_side_do_not_touch_each_other():
    # The last bar of A and the first of B are both in question; neither waits for the other's twin.
    first = with_copy(quiet("A"), source=79, target=50)
    second = with_copy(quiet("B"), source=0, target=30)
    both = found(pd.concat([first, second], ignore_index=True))
    known = [row[-1] for row in both if row[1] == "wrong_day"]
    assert known == [79, 79, 31, 31]


def test_a_corrected_volume_counts_as_equal_within_the_tolerance():
    bars = with_copy(quiet(), source=50, target=40)
    bars.loc[40, "volume"] += 50
    assert found(bars, volume_tolerance=0.0) == []
    assert found(bars, volume_tolerance=0.001) == []
    for options in ({"volume_tolerance": 0.01}, {}):
        assert [row[:3] for row in found(bars, **options)] == [
            (40, "wrong_day", "suspect"),
            (50, "wrong_day", "cleared"),
        ]


def test_equal_prices_of_days_that_traded_twice_as_much_are_a_chance():
    bars = with_copy(quiet(), source=50, target=40)
    bars.loc[40, "volume"] *= 2
    assert found(bars) == []


def rescaled(*, factor: float, adjustment: str) -> pd.DataFrame:
    """Day 50 handed out for day 40 as well, and then adjusted for a dividend between them, to four decimals."""
    bars = with_copy(quiet(adjustment=adjustment), source=50, target=40)
    bars[PRICES] = bars[PRICES].round(4)
    bars.loc[40, PRICES] = (bars.loc[40, PRICES].astype(float) * factor).round(4)
    return bars


@pytest.mark.parametrize("factor", [0.9973, 0.99998])
def test_an_adjustment_between_the_days_leaves_a_repeat_in_one_ratio(factor):
    bars = rescaled(factor=factor, adjustment="splits_dividends")
    assert found(bars) == [(40, "wrong_day", "suspect", 50, 51), (50, "wrong_day", "cleared", 40, 51)]
    assert f"Prices over {factor}" in bar_verdicts(bars, splits=NO_EVENTS)["detail"][0]


def test_prices_as_traded_in_one_ratio_repeat_nothing():
    assert found(rescaled(factor=0.9973, adjustment="none")) == []


def test_bars_of_the_same_shape_with_other_volumes_or_one_other_price_repeat_nothing():
    bars = rescaled(factor=0.9973, adjustment="splits_dividends")
    bars.loc[40, "volume"] += 500
    assert found(bars) == []
    bars = rescaled(factor=0.9973, adjustment="splits_dividends")
    bars.loc[40, "low"] -= 0.001
    assert found(bars) == []


def test_days_long_ago_are_days_too():
    bars = with_copy(quiet(), source=50, target=40)
    bars["trade_date"] -= pd.Timedelta(days=365 * 80)
    verdicts = bar_verdicts(bars, splits=NO_EVENTS)
    assert verdicts["known_from_date"].tolist() == [bars["trade_date"][51]] * 2


# Both rules


def spoilt_market(seed: int) -> pd.DataFrame:
    """Four random walks of 80 days with a tenth of their bars from other days, and some splits."""
    draw = np.random.default_rng(seed)
    parts = []
    for symbol in "ABCD":
        bars = quiet(symbol)
        bars[PRICES] = bars[PRICES].mul(np.exp(np.cumsum(draw.normal(-0.01, 0.02, 80))), axis=0)
        for _ in range(2):
            from_day(bars, int(draw.integers(25, 79)), price=0.5, volume=2)
        for _ in range(8):
            target = int(draw.integers(25, 79))
            with_copy(bars, source=min(target + int(draw.integers(-9, 10)), 79), target=target)
        parts.append(bars)
    return pd.concat(parts, ignore_index=True)


@pytest.mark.parametrize("seed", range(3))
def test_cutting_the_future_off_changes_no_verdict_known_before(seed):
    bars = spoilt_market(seed)
    verdicts = bar_verdicts(bars, splits=NO_EVENTS, volume_tolerance=0.1)
    assert set(verdicts["rule"]) == {"wrong_day", "unadjusted_split"}
    for day in DAYS[25::2]:
        cut = bar_verdicts(bars[bars["trade_date"] <= day], splits=NO_EVENTS, volume_tolerance=0.1)
        assert (cut["known_from_date"] <= day).all()
        known = verdicts[verdicts["known_from_date"] <= day].reset_index(drop=True)
        key = ["source_symbol", "trade_date", "rule"]
        # What the cut knows beyond that is judged again later, and never forgotten.
        assert len(cut.merge(verdicts[key], on=key)) == len(cut)
        pd.testing.assert_frame_equal(cut.merge(known[key], on=key), known)


def test_verdicts_are_one_per_bar_and_rule_in_order():
    verdicts = bar_verdicts(spoilt_market(9), splits=NO_EVENTS)
    key = ["source_symbol", "trade_date", "rule"]
    assert not verdicts.duplicated(key).any()
    pd.testing.assert_frame_equal(verdicts, verdicts.sort_values(key, ignore_index=True))


def test_strings_and_dates_of_arrow_are_taken_as_they_come():
    bars = spoilt_market(9)
    arrow = bars.assign(
        source_symbol=bars["source_symbol"].astype("string[pyarrow]"),
        adjustment=bars["adjustment"].astype("string[pyarrow]"),
        trade_date=bars["trade_date"].astype("date32[pyarrow]"),
        volume=bars["volume"].astype("int64[pyarrow]"),
    )
    splits = event("A", DAYS[30]).astype({"source_symbol": "string[pyarrow]", "ex_date": "date32[pyarrow]"})
    plain = bar_verdicts(bars, splits=event("A", DAYS[30]))
    pd.testing.assert_frame_equal(bar_verdicts(arrow, splits=splits).astype({"source_symbol": "str"}), plain)


@pytest.mark.parametrize(
    "bars",
    [
        quiet().iloc[::-1],
        pd.concat([quiet("B"), quiet("A"), quiet("B")]),
        pd.concat([quiet(), quiet().iloc[-1:]]),
    ],
)
def test_bars_out_of_order_are_an_error_that_names_the_day(bars):
    with pytest.raises(ValueError, match=r"sorted by source_symbol and trade_date, each key once; got row \d+ of 2024"):
        bar_verdicts(bars, splits=NO_EVENTS)


# Several sources


def after_a_change_of_scale(adjustment: str) -> pd.DataFrame:
    """From day 40 on another source answers, whose prices are half of the first one's."""
    bars = from_day(quiet(adjustment=adjustment), 40, price=0.5, volume=2)
    bars.loc[40:, "source"] = "two"
    return bars


def test_prices_as_traded_compare_whoever_said_them():
    verdicts = bar_verdicts(after_a_change_of_scale("none"), splits=NO_EVENTS)
    assert verdicts[["source", "trade_date", "rule", "verdict"]].values.tolist() == [
        ["two", DAYS[40], "unadjusted_split", "suspect"]
    ]


@pytest.mark.parametrize("adjustment", ["splits", "splits_dividends"])
def test_adjusted_prices_of_two_sources_do_not_compare(adjustment):
    assert found(after_a_change_of_scale(adjustment)) == []


def test_a_bar_that_another_source_repeats_of_another_day_is_suspect():
    bars = with_copy(quiet(), source=40, target=50)
    bars.loc[50, "source"] = "two"
    verdicts = bar_verdicts(bars, splits=NO_EVENTS)
    assert verdicts[["source", "trade_date", "verdict"]].values.tolist() == [
        ["one", DAYS[40], "cleared"],
        ["two", DAYS[50], "suspect"],
    ]


# Verdicts that no rule finds any more


def stored(bars: pd.DataFrame, **changes: str) -> pd.DataFrame:
    """What `raw.bar_verdicts` holds after these bars were judged."""
    kept = ["source", "source_symbol", "trade_date", "rule", "known_from_date"]
    return bar_verdicts(bars, splits=NO_EVENTS)[kept].assign(**changes)


def test_what_a_correction_leaves_without_reason_is_cleared_and_stays_so():
    before = stored(with_copy(quiet(), source=50, target=40))
    nothing = bar_verdicts(quiet(), splits=NO_EVENTS)
    gone = withdrawn(before, found=nothing, bars=quiet())
    assert gone[["trade_date", "verdict", "detail"]].values.tolist() == [
        [DAYS[40], "cleared", WITHDRAWN],
        [DAYS[50], "cleared", WITHDRAWN],
    ]
    assert gone["other_trade_date"].isna().all()
    assert list(gone.columns) == list(nothing.columns)
    pd.testing.assert_frame_equal(withdrawn(gone, found=nothing, bars=quiet()), gone)


def test_a_split_that_comes_in_later_clears_its_day():
    bars = from_day(quiet(), 40, price=0.5, volume=2)
    found_now = bar_verdicts(bars, splits=event("A", DAYS[40]))
    gone = withdrawn(stored(bars), found=found_now, bars=bars)
    assert gone[["trade_date", "rule", "verdict"]].values.tolist() == [[DAYS[40], "unadjusted_split", "cleared"]]


def test_what_is_still_found_is_not_withdrawn():
    bars = with_copy(quiet(), source=50, target=40)
    assert withdrawn(stored(bars), found=bar_verdicts(bars, splits=NO_EVENTS), bars=bars).empty


def test_verdicts_by_hand_and_on_bars_that_do_not_count_now_stand():
    before = stored(with_copy(quiet(), source=50, target=40))
    nothing = bar_verdicts(quiet(), splits=NO_EVENTS)
    assert withdrawn(before.assign(rule="by_hand"), found=nothing, bars=quiet()).empty
    assert withdrawn(before.assign(source="two"), found=nothing, bars=quiet()).empty


# Real prices


@pytest.fixture(scope="module")
def accepted(real_bars: pd.DataFrame) -> pd.DataFrame:
    prices = real_bars[PRICES]
    whole = (
        prices.notna().all(axis=1)
        & (prices.max(axis=1) <= real_bars["high"])
        & (prices.min(axis=1) >= real_bars["low"])
    )
    return real_bars[whole].reset_index(drop=True)


@pytest.fixture(scope="module")
def real_verdicts(accepted: pd.DataFrame) -> pd.DataFrame:
    return bar_verdicts(accepted, splits=NO_EVENTS)


def test_every_real_wrong_day_has_a_twin_in_one_ratio_on_the_other_day(accepted, real_verdicts):
    wrong = real_verdicts[real_verdicts["rule"] == "wrong_day"]
    key = ["source_symbol", "trade_date"]
    bar = wrong[key].merge(accepted, on=key)
    twin = wrong.assign(trade_date=wrong["other_trade_date"])[key].merge(accepted, on=key)
    assert len(wrong) == len(bar) == len(twin) > 0
    ratio = bar[PRICES].to_numpy() / twin[PRICES].to_numpy()
    # Each price is rounded to four decimals, on both days.
    step = 1e-4 / np.minimum(bar["low"], twin["low"]).to_numpy()
    assert (ratio.max(axis=1) - ratio.min(axis=1) <= 2 * step * ratio.max(axis=1)).all()
    assert np.abs(np.log(bar["volume"].to_numpy() / twin["volume"].to_numpy())).max() <= np.log(1.4)


def test_no_real_repeated_bar_goes_unnoticed(accepted, real_verdicts):
    moving = accepted[(accepted["volume"] > 0) & (accepted["high"] > accepted["low"])]
    repeated = moving[moving.duplicated(["source_symbol", *BAR], keep=False)]
    wrong = real_verdicts[real_verdicts["rule"] == "wrong_day"]
    key = ["source_symbol", "trade_date"]
    assert len(repeated) > 0
    assert len(repeated.merge(wrong[key], on=key)) == len(repeated)


def test_real_verdicts_clear_few_and_find_few_splits(real_verdicts):
    counts = real_verdicts.groupby(["rule", "verdict"]).size()
    assert 0 < counts["wrong_day", "cleared"] < counts["wrong_day", "suspect"]
    assert 0 < counts["unadjusted_split", "suspect"] < 100


def test_cutting_real_history_changes_no_verdict_known_before(accepted, real_verdicts):
    day = accepted["trade_date"].unique()[len(accepted["trade_date"].unique()) // 2]
    cut = bar_verdicts(accepted[accepted["trade_date"] <= day], splits=NO_EVENTS)
    known = real_verdicts[real_verdicts["known_from_date"] <= day].reset_index(drop=True)
    key = ["source_symbol", "trade_date", "rule"]
    assert len(known) > 0
    pd.testing.assert_frame_equal(cut.merge(known[key], on=key), known)
