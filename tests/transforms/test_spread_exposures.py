"""What the tenths of a forecast are made of, worked by hand."""

import numpy as np
import pandas as pd
import pytest

from transforms.metrics import Metric
from transforms.spread_exposures import spread_days, spread_exposures

NAMES = {"market": ("ratio", "beta")}


def exposures(forecasts: pd.DataFrame, known: pd.DataFrame, days: pd.Series | None = None) -> list[Metric]:
    return spread_exposures(
        spread_days(forecasts, known, NAMES), forecasts["as_of_date"] if days is None else days, NAMES
    )


@pytest.fixture
def frames() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Two days of twenty instruments: forecast and beta rise with the number, the traded value falls."""
    keys = pd.MultiIndex.from_product([pd.to_datetime(["2024-01-02", "2024-02-01"]), range(20)])
    frame = keys.to_frame(index=False, name=["as_of_date", "instrument_id"])
    number = frame["instrument_id"].to_numpy(float)
    known = frame.assign(market=number / 10, dollar_volume=1e6 * (20 - number))
    return frame.assign(forecast=number), known


def test_the_spread_leans_on_what_its_tenths_have(frames):
    found = {metric.name: metric.value for metric in exposures(*frames)}
    # Numbers 18 and 19 less 0 and 1, in tenths.
    assert found["exposure_market"] == pytest.approx(1.85 - 0.05)
    # Positions of 1/2 each: a tenth of 20, 19, 2 and 1 millions, twice; the tenth quantile of these.
    sizes = np.array([20, 19, 2, 1] * 2) * 1e6 * 0.1 * 2
    assert found["capacity"] == pytest.approx(np.quantile(sizes, 0.1))


def test_what_is_not_known_is_left_out(frames):
    forecasts, known = frames
    found = {metric.name: metric.value for metric in exposures(forecasts, known.assign(market=np.nan))}
    assert np.isnan(found["exposure_market"])
    assert np.isnan({m.name: m.value for m in exposures(forecasts, known.iloc[:0])}["capacity"])


def test_of_nothing_nothing_is_known(frames):
    forecasts, known = frames
    found = exposures(forecasts.iloc[:0], known.iloc[:0])
    assert [metric.name for metric in found] == ["exposure_market", "capacity"]
    assert np.isnan([metric.value for metric in found]).all()


def test_of_some_days_it_says_what_these_alone_would(frames):
    forecasts, known = frames
    later = known["as_of_date"] == known["as_of_date"].max()
    known = known.assign(market=known["market"].where(~later, known["market"] * 3))
    one = exposures(forecasts, known, forecasts.loc[later, "as_of_date"])
    assert [m.value for m in one] == [m.value for m in exposures(forecasts[later], known[later])]
    assert one[0].value == pytest.approx(3 * 1.8)
