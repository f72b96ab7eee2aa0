from datetime import date

import numpy as np
import pandas as pd
import pytest

from models.labels import LABEL_SESSIONS, forward_returns, label_panel
from models.panels import as_days, panel_index

# Six sessions; with a label of 3 sessions D = 0, 1, 2 have one: from the close of D+1 to that of D+3.
DAYS = np.array(["2024-01-02", "2024-01-03", "2024-01-04", "2024-01-05", "2024-01-08", "2024-01-09"], "datetime64[D]")


def bars(**closes):
    """One column of closes per instrument, None for no bar."""
    rows = [
        {"instrument_id": name, "trade_date": day, "close_adj": close, "is_suspect": False, "price_segment": 0}
        for name, column in closes.items()
        for day, close in zip(pd.to_datetime(DAYS), column, strict=True)
        if close is not None
    ]
    return pd.DataFrame(rows)


def returns(prices):
    return forward_returns(prices, DAYS, label_sessions=3)


def on(prices, session):
    return (prices["trade_date"] == pd.Timestamp(DAYS[session])).to_numpy()


def test_label_runs_from_the_next_close_to_the_last_one():
    label = returns(bars(a=[1.0, 10.0, 20.0, 25.0, 40.0, 30.0]))["a"]
    np.testing.assert_allclose(label, [25 / 10 - 1, 40 / 20 - 1, 30 / 25 - 1, np.nan, np.nan, np.nan], rtol=1e-15)


def test_the_last_22_sessions_have_no_label(noise_market, sessions):
    label = forward_returns(noise_market(60, 3, 1), sessions(60))
    known = label.notna().all(axis=1)
    assert LABEL_SESSIONS == 22
    assert known.tolist() == [True] * 38 + [False] * 22


def test_label_equals_a_plain_loop(noise_market, sessions):
    prices = noise_market(60, 3, 1)
    close = prices.pivot_table(index="trade_date", columns="instrument_id", values="close_adj")
    label = forward_returns(prices, sessions(60))
    for day in range(38):
        for name in close.columns:
            assert label[name].iloc[day] == close[name].iloc[day + 22] / close[name].iloc[day + 1] - 1.0


def test_sessions_are_the_markets_and_not_the_instruments():
    label = returns(bars(a=[1.0, 10.0, None, 25.0, 40.0, 30.0]))["a"]
    np.testing.assert_allclose(label[:3], [25 / 10 - 1, np.nan, 30 / 25 - 1], rtol=1e-15)


def test_the_last_price_is_the_exit_of_a_delisted_instrument():
    label = returns(bars(a=[1.0, 10.0, 12.0, None, None, None]))["a"]
    np.testing.assert_allclose(label, [12 / 10 - 1] + [np.nan] * 5, rtol=1e-12)


def test_a_suspect_bar_is_neither_entry_nor_exit():
    prices = bars(a=[1.0, 10.0, 20.0, 25.0, 40.0, 30.0])
    prices.loc[on(prices, 3), "is_suspect"] = True
    np.testing.assert_allclose(returns(prices)["a"][:3], [np.nan, 40 / 20 - 1, np.nan], rtol=1e-15)


def test_no_return_is_taken_across_two_price_segments():
    prices = bars(a=[1.0, 10.0, 20.0, 25.0, 40.0, 30.0])
    prices.loc[on(prices, 4) | on(prices, 5), "price_segment"] = 1
    np.testing.assert_allclose(returns(prices)["a"][:3], [25 / 10 - 1, np.nan, np.nan], rtol=1e-15)


def test_a_new_listing_has_no_label_before_it_trades():
    label = returns(bars(a=[None, None, 20.0, 25.0, 40.0, 30.0]))["a"]
    assert label.isna().tolist() == [True, False, False, True, True, True]


def test_cutting_the_future_off_changes_no_label_that_was_known():
    prices = bars(a=[1.0, 10.0, 12.0, None, None, 14.0], b=[2.0, 3.0, 4.0, 5.0, 6.0, 7.0])
    full = returns(prices)
    cut = forward_returns(prices[prices["trade_date"] <= pd.Timestamp(DAYS[3])], DAYS[:4], label_sessions=3)
    pd.testing.assert_frame_equal(cut.iloc[:1], full.iloc[:1])


def test_fewer_sessions_than_a_label_needs_give_none():
    assert forward_returns(bars(a=[1.0] * 6), DAYS).isna().all(axis=None)


def test_sessions_out_of_order_are_refused():
    with pytest.raises(ValueError, match="forward_returns: sessions must be ascending and unique; got 2024-01-02"):
        forward_returns(bars(a=[1.0] * 6), DAYS[[1, 0]])


def test_a_label_shorter_than_the_trade_is_refused():
    with pytest.raises(ValueError, match="label_sessions=1"):
        forward_returns(bars(a=[1.0] * 6), DAYS, label_sessions=1)


def test_labels_are_ranked_among_the_members_of_the_day():
    label = returns(
        bars(a=[1.0, 1, 1, 2, 1, 1], b=[1.0, 1, 1, 3, 1, 1], c=[1.0, 1, 1, 9, 1, 1], d=[1.0, 1, 1, 4, 1, 1])
    )
    index = panel_index(as_days([date(2024, 1, 2)] * 3), pd.Series(["a", "b", "d"]))
    ranked = label_panel(label, index)
    assert ranked["label_return"].tolist() == [1.0, 2.0, 3.0]
    assert ranked["label_rank"].tolist() == [-0.5, 0.0, 0.5]


def test_a_member_without_label_takes_no_place():
    label = returns(bars(a=[1.0, 1, 1, 2, 1, 1], b=[1.0, None, 1, 3, 1, 1], c=[1.0, 1, 1, 9, 1, 1]))
    index = panel_index(as_days([date(2024, 1, 2)] * 4), pd.Series(["a", "b", "c", "unknown"]))
    np.testing.assert_array_equal(label_panel(label, index)["label_rank"], [-0.5, np.nan, 0.5, np.nan])
