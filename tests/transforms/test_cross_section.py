import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm, rankdata
from statsmodels.api import OLS

from transforms.cross_section import neutral_scores, rank_gauss, residuals, robust_z, winsorised

NAN = np.nan


def test_outliers_are_pulled_in_to_the_quantiles_and_holes_count_nowhere():
    values = np.array([[0.0], [1.0], [2.0], [3.0], [100.0], [NAN]])
    # Of 0, 1, 2, 3, 100 the quantile 0.25 is 1 and the quantile 0.75 is 3.
    assert winsorised(values, tail=0.25)[:, 0].tolist()[:5] == [1.0, 1.0, 2.0, 3.0, 3.0]
    assert np.isnan(winsorised(values, tail=0.25)[5, 0])
    np.testing.assert_array_equal(winsorised(values, tail=0.0), values)
    assert values[4, 0] == 100.0


def test_a_tail_of_half_is_refused():
    with pytest.raises(ValueError, match=r"got tail=0\.5"):
        winsorised(np.zeros((2, 1)), tail=0.5)


def test_rank_gauss_gives_normal_quantiles_and_equal_values_the_same():
    column = np.array([5.0, 1.0, NAN, 5.0, 9.0])
    ranks = rankdata(column, nan_policy="omit")
    np.testing.assert_allclose(rank_gauss(column[:, None])[:, 0], norm.ppf((ranks - 0.5) / 4), equal_nan=True)


def test_robust_z_is_the_z_score_of_normal_values_whatever_the_outliers():
    column = norm.ppf((np.arange(1000) + 0.5) / 1000)
    np.testing.assert_allclose(robust_z(column[:, None])[:, 0], column, rtol=3e-3)
    spoilt = np.append(column, [1e9, -1e9])
    np.testing.assert_allclose(robust_z(spoilt[:, None])[:1000, 0], column, rtol=6e-3)
    assert np.isnan(robust_z(np.array([[1.0], [1.0], [1.0], [7.0]]))).all()


def test_residuals_are_those_of_ordinary_least_squares_over_the_rows_present():
    rng = np.random.default_rng(3)
    exposures = np.column_stack([np.ones(30), rng.normal(size=(30, 2))])
    values = rng.normal(size=(30, 3))
    values[:7, 1] = NAN
    found = residuals(values, exposures)
    for column in range(3):
        rows = np.isfinite(values[:, column])
        expected = OLS(values[rows, column], exposures[rows]).fit().resid
        np.testing.assert_allclose(found[rows, column], expected, atol=1e-12)
        assert np.isnan(found[~rows, column]).all()


def panel(seed: int, *, n_days: int = 3, n: int = 40):
    rng = np.random.default_rng(seed)
    rows = n_days * n
    sectors, controls = rng.integers(-1, 4, rows), rng.normal(size=(rows, 2))
    values = rng.normal(size=(rows, 4)) + sectors[:, None] + 2.0 * controls[:, :1]
    values[rng.random(values.shape) < 0.1] = NAN
    return values, np.arange(0, rows + 1, n), sectors, controls


def test_nothing_of_sector_size_and_beta_is_left():
    values, starts, sectors, controls = panel(1)
    complete = np.nan_to_num(values)
    scores = neutral_scores(complete, starts, sectors, controls).score[:40]
    known = rank_gauss(winsorised(controls[:40]))
    assert np.abs(known.T @ scores).max() < 1e-9
    for sector in np.unique(sectors[:40]):
        assert np.abs(scores[sectors[:40] == sector].sum(axis=0)).max() < 1e-9
    np.testing.assert_allclose(scores.std(axis=0, ddof=1), 1.0)


def test_missing_values_are_0_and_flagged():
    values, starts, sectors, controls = panel(2)
    scores = neutral_scores(values, starts, sectors, controls)
    np.testing.assert_array_equal(scores.is_missing, np.isnan(values))
    assert (scores.score[scores.is_missing] == 0.0).all()
    assert np.isfinite(scores.score).all()


def test_a_column_without_any_value_on_a_day_is_missing_there():
    values, starts, sectors, controls = panel(4)
    values[:40, 2] = NAN
    assert neutral_scores(values, starts, sectors, controls).is_missing[:40, 2].all()


@given(seed=st.integers(0, 1000), score=st.sampled_from([rank_gauss, robust_z]))
@settings(max_examples=15, deadline=None)
def test_other_days_change_nothing(seed, score):
    values, starts, sectors, controls = panel(seed)
    whole = neutral_scores(values, starts, sectors, controls, score=score).score[40:80]
    alone = neutral_scores(values[40:80], starts[:2], sectors[40:80], controls[40:80], score=score).score
    np.testing.assert_array_equal(alone, whole)


def test_rows_that_do_not_fit_together_are_refused():
    values, starts, sectors, controls = panel(5)
    with pytest.raises(ValueError, match="got 120, 119, 120 and 120"):
        neutral_scores(values, starts, sectors[1:], controls)
