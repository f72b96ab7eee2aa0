import numpy as np
import pandas as pd
import pytest

from transforms.chained_prices import chained_closes
from transforms.grids import on_grid


def bars(closes: list[float], *, segments: list[int], suspects: list[bool]) -> pd.DataFrame:
    days = pd.bdate_range("2024-01-01", periods=len(closes))
    return pd.DataFrame(
        {
            "instrument_id": "A",
            "trade_date": days,
            "close_adj": closes,
            "price_segment": segments,
            "is_suspect": suspects,
        }
    )


def test_a_segment_goes_on_where_the_one_before_it_ended():
    prices = bars([10, 20, 5, 6], segments=[0, 0, 1, 1], suspects=[False] * 4)
    assert chained_closes(prices)["A"].tolist() == [10, 20, 20, 24]


def test_suspect_bars_have_no_price():
    prices = bars([10, 99, 11], segments=[0, 0, 0], suspects=[False, True, False])
    other = bars([1, 2, 3], segments=[0, 0, 0], suspects=[False] * 3).assign(instrument_id="B")
    grid = chained_closes(pd.concat([prices, other]))
    assert np.isnan(grid["A"].iloc[1])
    assert grid["A"].dropna().tolist() == [10, 11]
    assert grid["B"].tolist() == [1, 2, 3]


def test_two_rows_of_one_session_are_refused():
    prices = bars([10, 11], segments=[0, 0], suspects=[False, False])
    with pytest.raises(ValueError, match="one row per session; got 1 with more"):
        chained_closes(pd.concat([prices, prices.tail(1)]))


def test_a_grid_has_a_place_for_every_instrument_and_session():
    prices = pd.concat(
        [
            bars([10, 11], segments=[0, 0], suspects=[False, False]).assign(instrument_id="B"),
            bars([1, 2, 3], segments=[0, 0, 0], suspects=[False] * 3).assign(instrument_id="A"),
        ]
    )
    closes = on_grid(prices, ("close_adj",))["close_adj"]
    pd.testing.assert_frame_equal(
        closes, prices.pivot(index="trade_date", columns="instrument_id", values="close_adj"), check_freq=False
    )
