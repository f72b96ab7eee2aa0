"""Hard rules for daily bars."""

import datetime as dt

import numpy as np
import pandas as pd
import pytest

from transforms.bar_rules import check_bars
from transforms.refusals import Checked

SESSIONS = np.array(["2024-01-02", "2024-01-03", "2024-01-04"], dtype="datetime64[D]")
GOOD = {
    "source_symbol": "A",
    "trade_date": dt.date(2024, 1, 2),
    "open": 10.0,
    "high": 11.0,
    "low": 9.0,
    "close": 10.5,
    "volume": 100,
    "currency_code": "USD",
    "adjustment": "none",
}


def bars(*changes: dict[str, object]) -> pd.DataFrame:
    return pd.DataFrame([GOOD | change for change in changes])


def check(frame: pd.DataFrame) -> Checked:
    return check_bars(frame, sessions=SESSIONS, currency_code="USD")


def test_a_good_bar_is_accepted_as_it_came():
    checked = check(bars({}))
    pd.testing.assert_frame_equal(checked.accepted, bars({}))
    assert checked.refused.empty


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"source_symbol": None}, "missing_key"),
        ({"source_symbol": ""}, "missing_key"),
        ({"trade_date": None}, "missing_key"),
        ({"trade_date": dt.date(2024, 1, 6)}, "not_a_session"),
        ({"close": None}, "missing_price"),
        ({"close": np.nan}, "missing_price"),
        ({"close": np.inf}, "missing_price"),
        ({"open": None}, "missing_price"),
        ({"high": None}, "missing_price"),
        ({"low": 0.0}, "non_positive_price"),
        ({"close": -10.5}, "non_positive_price"),
        ({"low": 10.2}, "price_order"),
        ({"high": 10.4}, "price_order"),
        ({"high": 8.0}, "price_order"),
        ({"volume": None}, "missing_volume"),
        ({"volume": -1}, "negative_volume"),
        ({"currency_code": None}, "missing_currency"),
        ({"currency_code": "EUR"}, "unexpected_currency"),
        ({"adjustment": "some"}, "unknown_adjustment"),
        ({"adjustment": None}, "unknown_adjustment"),
    ],
)
def test_a_broken_bar_is_refused_by_its_rule(change: dict[str, object], rule: str):
    checked = check(bars(change, {"trade_date": dt.date(2024, 1, 3)}))
    assert checked.refused["rule"].tolist() == [rule]
    assert len(checked.accepted) == 1


def test_the_detail_says_what_must_hold_and_what_came():
    detail = check(bars({"high": 8.0})).refused["detail"].item()
    assert detail == "low <= open, close <= high; got open 10.0, high 8.0, low 9.0, close 10.5."


def test_zero_volume_is_no_fault():
    assert len(check(bars({"volume": 0})).accepted) == 1


def test_the_last_binary_digit_is_no_contradiction():
    assert len(check(bars({"close": 0.3, "open": 0.3, "low": 0.2, "high": 0.1 + 0.2})).accepted) == 1


def test_exact_duplicates_are_counted_and_dropped_also_broken_ones():
    checked = check(bars({}, {}, {}, {"low": None, "volume": 7}, {"low": None, "volume": 7}))
    assert checked.n_exact_duplicates == 3


def test_all_of_several_different_bars_of_one_day_are_refused():
    checked = check(bars({}, {"close": 10.6}, {"close": 10.6}, {"trade_date": dt.date(2024, 1, 3)}))
    assert checked.refused["rule"].tolist() == ["conflicting_duplicate"] * 2
    assert checked.n_exact_duplicates == 1
    assert checked.accepted.index.tolist() == [3]


def test_a_bar_keeps_its_own_fault_beside_a_conflict():
    checked = check(bars({}, {"close": -1.0}))
    assert checked.refused["rule"].tolist() == ["conflicting_duplicate", "non_positive_price"]


def test_a_bar_in_another_currency_than_its_listing_is_refused_and_one_without_a_known_listing_passes():
    frame = bars({}, {"source_symbol": "B"}, {"source_symbol": "C"})
    checked = check_bars(frame, sessions=SESSIONS, currencies={"B": "EUR", "C": "USD"})
    assert checked.refused[["source_symbol", "rule"]].to_numpy().tolist() == [["B", "another_currency"]]


def test_any_currency_passes_where_none_is_expected():
    checked = check_bars(bars({"currency_code": "SEK"}), sessions=SESSIONS)
    assert len(checked.accepted) == 1


@pytest.mark.parametrize("dtype", ["datetime64[ns]", "datetime64[ms]", "date32[pyarrow]"])
def test_days_may_be_dates_timestamps_or_arrow(dtype: str):
    frame = bars({}, {"trade_date": dt.date(2024, 1, 6)}).astype({"trade_date": dtype})
    assert check(frame).refused["rule"].tolist() == ["not_a_session"]


def test_no_bars_give_no_bars():
    checked = check(bars({}).iloc[:0])
    assert (len(checked.accepted), len(checked.refused), checked.n_exact_duplicates) == (0, 0, 0)
    assert {"rule", "detail"} <= set(checked.refused.columns)


def test_every_received_bar_is_accounted_for_once():
    rng = np.random.default_rng(1)
    frame = bars(*({} for _ in range(300)))
    frame["source_symbol"] = rng.choice(["A", "B", None], size=300)
    frame["trade_date"] = rng.choice(np.append(SESSIONS, np.datetime64("2024-01-06")), size=300)
    frame["close"] = rng.choice([10.5, 10.4, np.nan, -1.0, 12.0], size=300)
    frame["volume"] = rng.choice([100, 0, -5], size=300)
    checked = check(frame)
    total = len(checked.accepted) + len(checked.refused) + checked.n_exact_duplicates
    assert total == 300
    assert not set(checked.accepted.index) & set(checked.refused.index)


def test_real_bars_are_all_accounted_for(real_bars: pd.DataFrame):
    sessions = np.unique(real_bars["trade_date"].to_numpy().astype("datetime64[D]"))
    checked = check_bars(real_bars, sessions=sessions, currency_code="USD")
    low, high = real_bars["low"], real_bars["high"]
    n_null = int(real_bars[["open", "high", "low", "close"]].isna().any(axis=1).sum())
    n_order = int(
        ((real_bars[["open", "close"]].min(axis=1) < low) | (real_bars[["open", "close"]].max(axis=1) > high)).sum()
    )
    assert checked.refused["rule"].value_counts().to_dict() == {
        "missing_price": n_null,
        "price_order": n_order,
    }
    assert len(checked.accepted) + len(checked.refused) == len(real_bars)
