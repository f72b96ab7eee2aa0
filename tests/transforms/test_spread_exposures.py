"""What the tenths of a forecast are made of, worked by hand."""

import numpy as np
import pandas as pd
import pytest

from transforms.spread_exposures import spread_exposures

NAMES = {"market": ("ratio", "beta")}


@pytest.fixture
def frames() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Two days of twenty instruments: forecast and beta rise with the number, the traded value falls."""
    keys = pd.MultiIndex.from_product([pd.to_datetime(["2024-01-02", "2024-02-01"]), range(20)])
    frame = keys.to_frame(index=False, name=["as_of_date", "instrument_id"])
    number = frame["instrument_id"].to_numpy(float)
    known = frame.assign(market=number / 10, dollar_volume=1e6 * (20 - number))
    return frame.assign(forecast=number), known


def test_the_spread_leans_on_what_its_tenths_have(frames):
    found = {metric.name: metric.value for metric in spread_exposures(*frames, NAMES)}
    # Numbers 18 and 19 less 0 and 1, in tenths.
    assert found["exposure_market"] == pytest.approx(1.85 - 0.05)
    # Positions of 1/2 each: a tenth of 20, 19, 2 and 1 millions, twice; the tenth quantile of these.
    sizes = np.array([20, 19, 2, 1] * 2) * 1e6 * 0.1 * 2
    assert found["capacity"] == pytest.approx(np.quantile(sizes, 0.1))


def test_what_is_not_known_is_left_out(frames):
    forecasts, known = frames
    found = {metric.name: metric.value for metric in spread_exposures(forecasts, known.assign(market=np.nan), NAMES)}
    assert np.isnan(found["exposure_market"])
    assert np.isnan({m.name: m.value for m in spread_exposures(forecasts, known.iloc[:0], NAMES)}["capacity"])


def test_of_nothing_nothing_is_known(frames):
    forecasts, known = frames
    found = spread_exposures(forecasts.iloc[:0], known.iloc[:0], NAMES)
    assert [metric.name for metric in found] == ["exposure_market", "capacity"]
    assert np.isnan([metric.value for metric in found]).all()
