"""Rank correlation, deciles, turnover and their summary against independent computations."""

import numpy as np
import pandas as pd
import pytest
import scipy.stats
import statsmodels.api as sm

from transforms.evaluation import evaluate, newey_west_t, summarise

NAN = np.nan


def value(metrics: list, name: str) -> float:
    return next(metric.value for metric in metrics if metric.name == name)


def random_case(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Forty days, 57 instruments, gaps on both sides and many ties in the forecast."""
    rng = np.random.default_rng(seed)
    forecast = rng.normal(size=(40, 57))
    label = 0.3 * forecast + rng.normal(size=forecast.shape)
    forecast = np.round(forecast, 1)
    forecast[rng.random(forecast.shape) < 0.1] = NAN
    label[rng.random(forecast.shape) < 0.1] = NAN
    return forecast, label


def test_rank_ic_by_hand():
    # Ranks 1 2 3 4 against 2 1 4 3: 1 - 6 * 4 / (4 * 15) = 0.6.
    found = evaluate(np.array([[1.0, 2.0, 3.0, 4.0]]), np.array([[0.2, 0.1, 0.4, 0.3]]))
    assert found.rank_ic[0] == pytest.approx(0.6, abs=1e-15)


def test_rank_ic_equals_scipys_spearman_with_ties_and_gaps():
    forecast, label = random_case()
    expected = []
    for f, y in zip(forecast, label, strict=True):
        both = ~np.isnan(f) & ~np.isnan(y)
        expected.append(scipy.stats.spearmanr(f[both], y[both]).statistic)
    np.testing.assert_allclose(evaluate(forecast, label).rank_ic, expected, atol=1e-12)


def test_a_missing_side_leaves_the_instrument_out():
    forecast = np.array([[1.0, 2.0, 3.0, NAN, 100.0]])
    label = np.array([[1.0, 2.0, 3.0, 4.0, NAN]])
    found = evaluate(forecast, label)
    assert (found.rank_ic[0], found.n_instruments[0]) == (pytest.approx(1.0), 3)


@pytest.mark.parametrize(
    ("forecast", "label"),
    [([1.0, NAN], [1.0, 2.0]), ([1.0, 1.0], [1.0, 2.0]), ([1.0, 2.0], [3.0, 3.0]), ([NAN, NAN], [NAN, NAN])],
)
def test_a_day_that_cannot_be_judged_is_nan(forecast: list[float], label: list[float]):
    assert np.isnan(evaluate(np.array([forecast]), np.array([label])).rank_ic[0])


def test_deciles_equal_a_grouping_by_pandas():
    forecast, label = random_case(1)
    found = evaluate(forecast, label).decile_returns
    for day in range(len(forecast)):
        pairs = pd.DataFrame({"f": forecast[day], "y": label[day]}).dropna()
        tenth = np.floor((pairs["f"].rank() - 0.5) * 10 / len(pairs))
        means = pairs["y"].groupby(tenth).mean().reindex(range(10))
        np.testing.assert_allclose(found[day], means, atol=1e-12)


def test_twenty_instruments_make_tenths_of_two_the_worst_first():
    numbers = np.arange(20.0)[None, :]
    assert evaluate(numbers, numbers).decile_returns[0].tolist() == [k * 2 + 0.5 for k in range(10)]


def test_each_tenth_has_its_share_of_labels_above_0():
    forecast, label = np.arange(20.0)[None, :], np.tile([-0.1, 0.1, 0.0, 0.2], 5)[None, :]
    assert evaluate(forecast, label).decile_up_shares[0].tolist() == [0.5] * 10


def test_the_worst_tenth_has_a_turnover_too():
    forecast = np.tile(np.arange(20.0), (3, 1))
    forecast[2, [0, 10]] = forecast[2, [10, 0]]
    found = evaluate(forecast, forecast, horizon_sessions=1)
    assert found.decile_turnovers[1:, 0].tolist() == [0.0, 0.5]


def test_nine_instruments_make_no_tenths():
    numbers = np.arange(9.0)[None, :]
    assert np.isnan(evaluate(numbers, numbers).decile_returns).all()


def test_turnover_is_the_share_that_was_not_there_a_horizon_before():
    forecast = np.tile(np.arange(20.0), (3, 1))
    forecast[1, :2] = [50, 51]
    forecast[2, 0] = 50
    found = evaluate(forecast, forecast, horizon_sessions=1).decile_turnovers[:, -1]
    # The best two are (18, 19), then (0, 1), then (19, 0).
    assert np.isnan(found[0])
    assert found[1:].tolist() == [1.0, 0.5]


def test_turnovers_of_all_tenths_are_those_of_sets():
    forecast, label = random_case(5)
    forecast[7, 5:] = NAN
    found = evaluate(forecast, label, horizon_sessions=3).decile_turnovers
    frame = pd.DataFrame(np.where(np.isfinite(label), forecast, NAN))
    tenths = np.floor((frame.rank(axis=1) - 0.5).mul(10).div(frame.count(axis=1), axis=0))
    tenths = tenths.where(frame.count(axis=1).ge(10), NAN, axis=0)
    for day in range(len(forecast)):
        for tenth in range(10):
            own, before = (set(np.flatnonzero(tenths.loc[at] == tenth)) if at >= 0 else set() for at in (day, day - 3))
            expected = len(own - before) / len(own) if own and before else NAN
            np.testing.assert_allclose(found[day, tenth], expected, atol=1e-15)
    assert np.isnan(found[7]).all()
    assert np.isnan(found[10]).all()


def test_a_lag_longer_than_the_history_has_no_turnover():
    forecast = np.tile(np.arange(20.0), (3, 1))
    assert np.isnan(evaluate(forecast, forecast).decile_turnovers).all()


@pytest.mark.parametrize("lag", [0, 4, 21])
def test_newey_west_t_equals_statsmodels(lag: int):
    rng = np.random.default_rng(2)
    series = np.convolve(rng.normal(0.1, 1.0, 320), np.ones(21) / 21, mode="valid")
    fit = sm.OLS(series, np.ones(len(series))).fit(cov_type="HAC", cov_kwds={"maxlags": lag, "use_correction": False})
    assert newey_west_t(series, lag=lag) == pytest.approx(float(fit.tvalues[0]), rel=1e-10)


@pytest.mark.parametrize("series", [[], [0.1], [0.1, 0.1, 0.1], [NAN, NAN]])
def test_newey_west_t_is_nan_without_variation(series: list[float]):
    assert np.isnan(newey_west_t(np.array(series), lag=2))


def test_the_summary_equals_its_definitions():
    forecast, label = random_case(3)
    found = evaluate(forecast, label, horizon_sessions=5)
    metrics = summarise(found, horizon_sessions=5)
    ic = pd.Series(found.rank_ic)
    assert value(metrics, "rank_ic_mean") == pytest.approx(ic.mean())
    assert value(metrics, "rank_ic_ir") == pytest.approx(ic.mean() / ic.std())
    assert value(metrics, "rank_ic_positive_share") == pytest.approx((ic > 0).mean())
    deciles = pd.DataFrame(found.decile_returns)
    assert value(metrics, "decile_spread_mean") == pytest.approx((deciles[9] - deciles[0]).mean())
    monotone = scipy.stats.spearmanr(range(10), deciles.mean()).statistic
    assert value(metrics, "decile_monotonicity") == pytest.approx(monotone)
    assert all(metric.definition.endswith(".") and metric.unit for metric in metrics)


def test_the_summary_of_no_days_is_nan():
    nothing = np.full((0, 5), NAN)
    metrics = summarise(evaluate(nothing, nothing))
    assert value(metrics, "n_days") == 0
    assert all(np.isnan(metric.value) for metric in metrics if metric.name != "n_days")


def test_cutting_the_future_off_changes_no_bit():
    forecast, label = random_case(4)
    whole, part = evaluate(forecast, label), evaluate(forecast[:25], label[:25])
    for all_days, some_days in zip(whole, part, strict=True):
        np.testing.assert_array_equal(all_days[:25], some_days)


def test_shapes_must_fit():
    with pytest.raises(ValueError, match=r"got \(2, 3\), \(3, 2\)"):
        evaluate(np.zeros((2, 3)), np.zeros((3, 2)))
