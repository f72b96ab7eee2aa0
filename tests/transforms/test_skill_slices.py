import numpy as np
import pytest

from transforms.evaluation import evaluate, newey_west_t
from transforms.skill_slices import (
    beats_baseline,
    by_horizon,
    by_sector,
    by_year,
    over_baseline,
    sector_correlations,
    verdict,
)

NAN = np.nan


def values(metrics) -> dict[str, float]:
    return {metric.name: metric.value for metric in metrics}


def test_a_sectors_skill_is_that_of_its_instruments_alone():
    rng = np.random.default_rng(1)
    forecast, label = rng.normal(size=(2, 5, 30))
    sectors = [["Energy", "Real Estate", None][number % 3] for number in range(30)]
    found = sector_correlations(forecast, label, sectors)
    assert list(found) == ["Energy", "Real Estate"]
    np.testing.assert_array_equal(found["Energy"], evaluate(forecast[:, ::3], label[:, ::3]).rank_ic)
    assert values(by_sector(found))["rank_ic_sector_real_estate"] == pytest.approx(found["Real Estate"].mean())


def test_each_horizon_and_each_year_has_its_mean_of_known_days():
    rank_ic = np.array([[0.1, NAN], [0.3, 0.2]])
    assert values(by_horizon(rank_ic, (1, 63))) == {
        "rank_ic_1_sessions": pytest.approx(0.2),
        "rank_ic_63_sessions": pytest.approx(0.2),
    }
    days = np.array(["2023-12-29", "2024-01-02", "2024-01-03"], dtype="datetime64[D]")
    assert values(by_year(days, np.array([0.5, 0.1, 0.3]))) == {
        "rank_ic_2023": pytest.approx(0.5),
        "rank_ic_2024": pytest.approx(0.2),
    }


def test_the_baseline_is_compared_day_by_day():
    rng = np.random.default_rng(2)
    own, other = rng.normal(0.02, 0.1, (2, 300))
    other[4] = NAN
    found = values(over_baseline(own, other, baseline="naive", lag=21))
    difference = np.delete(own - other, 4)
    assert found["rank_ic_over_baseline"] == pytest.approx(difference.mean())
    assert found["rank_ic_over_baseline_t"] == newey_west_t(difference, lag=21)


@pytest.mark.parametrize(
    ("difference", "t", "expected"),
    [
        (0.02, 2.5, "a beats b: rank IC +0.0200 over it, t +2.50."),
        (0.02, 1.9, "a does not beat b: rank IC +0.0200 over it, t +1.90, below 2."),
        (-0.01, -3.0, "a does not beat b: rank IC -0.0100 over it, t -3.00, below 2."),
        (NAN, NAN, "a cannot be compared with b yet."),
        (None, None, "a cannot be compared with b yet."),
    ],
)
def test_the_verdict_is_said_in_a_sentence(difference, t, expected):
    assert verdict("a", "b", difference=difference, t=t) == expected
    assert beats_baseline(t) is expected.startswith("a beats")
