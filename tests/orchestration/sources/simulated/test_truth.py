import datetime as dt

import numpy as np
import pytest

from orchestration.calendars import HomeCalendar
from orchestration.sources.protocols import capabilities
from orchestration.sources.simulated.options import SimulatedOptions
from orchestration.sources.simulated.source import SimulatedSource
from orchestration.sources.simulated.truth import Truth, read_truth

LAST = dt.date(2023, 12, 29)
SEEDS = (1, 2, 3)


def truth_of(seed: int, alpha: float) -> Truth:
    options = SimulatedOptions(n_instruments=150, first_session=dt.date(2019, 1, 2), seed=seed, planted_alpha=alpha)
    return read_truth(options, HomeCalendar("XNYS"), LAST)


def pooled(alpha: float) -> tuple[float, float]:
    """Mean daily rank IC over the seeds and its standard error; only every 22nd session counts as independent."""
    daily = [truth_of(seed, alpha).daily_rank_ic() for seed in SEEDS]
    values = np.concatenate([ic[~np.isnan(ic)] for ic in daily])
    return float(values.mean()), float(values.std() / np.sqrt(len(values) / 22))


def test_the_default_alpha_can_be_forecast_with_a_rank_ic_of_about_a_tenth():
    ic, error = pooled(1.0)
    print(f"default alpha: achievable rank IC {ic:.4f}, standard error {error:.4f}")
    assert 0.08 < ic < 0.16
    assert ic / error > 5


def test_without_alpha_the_same_characteristics_forecast_nothing():
    ic, error = pooled(0.0)
    print(f"no alpha: rank IC {ic:.4f}, standard error {error:.4f}")
    assert abs(ic) < 2 * error


def test_the_expected_return_is_alpha_times_the_score():
    truth = truth_of(1, 0.0)
    assert np.nanmax(np.abs(truth.expected)) == 0.0
    truth = truth_of(1, 1.0)
    assert 0.007 < np.nanstd(truth.expected[300:], axis=1).mean() < 0.014
    assert truth.achievable_ic() == pytest.approx(np.nanmean(truth.daily_rank_ic()))


def test_the_label_is_the_adjusted_return_from_the_next_close_on():
    """The adjusted path is rebuilt here from the feed: closes, splits, dividends."""
    options = SimulatedOptions(n_instruments=6, first_session=dt.date(2023, 1, 3), defect_rate=0.0)
    calendar = HomeCalendar("XNYS")
    source = SimulatedSource(options, calendar=calendar, now=lambda: dt.datetime(2023, 12, 29, 22, tzinfo=dt.UTC))
    truth = read_truth(options, calendar, LAST)
    first = dt.date(2023, 1, 3)
    (bars,) = (batch.rows.to_pandas() for batch in source.daily_bars(first, LAST))
    factor = {}
    closes = bars.set_index(["source_symbol", "trade_date"])["close"]
    for batch in source.dividends(first, LAST):
        for row in batch.rows.to_pylist():
            key = row["source_symbol"], row["ex_date"]
            before = closes[key[0], calendar.previous_session(key[1])]
            factor[key] = factor.get(key, 1.0) / (1 - row["amount"] / before)
    for batch in source.splits(first, LAST):
        for row in batch.rows.to_pylist():
            key = row["source_symbol"], row["ex_date"]
            factor[key] = factor.get(key, 1.0) * row["shares_new"] / row["shares_old"]
    symbol = truth.symbols[0]
    close = closes[symbol].to_numpy()
    days = closes[symbol].index
    adjusted = close * np.cumprod([factor.get((symbol, day), 1.0) for day in days])
    label = adjusted[22:] / adjusted[1:-21] - 1
    # Closes are rounded to cents; a price of 20 moves by 0.0003 for that.
    assert np.allclose(truth.label[:-22, 0], label, atol=2e-3)
    assert np.isnan(truth.label[-22:, 0]).all()


def test_a_source_hands_out_no_truth():
    public = {name for name in dir(SimulatedSource) if not name.startswith("_")}
    about_itself = {
        "name",
        "label",
        "first_session",
        "last_session",
        "benchmark_symbol",
        "is_simulated",
    }
    source = SimulatedSource(
        SimulatedOptions(),
        calendar=HomeCalendar("XNYS"),
        now=lambda: dt.datetime(2023, 12, 29, 22, tzinfo=dt.UTC),
    )
    assert public == about_itself | capabilities(source)
