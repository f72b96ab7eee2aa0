import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import Ridge

from models.linear import LinearForecaster


def test_weights_are_those_of_ridge_regression_without_intercept(panel):
    features = panel(["a", "b", "c"], n_days=20, n_instruments=15)
    target = (0.3 * features["a"] - 0.1 * features["b"]).astype(float)
    # Ridge adds its alpha to sums of squares, we add the penalty to means.
    other = Ridge(alpha=0.02 * len(features), fit_intercept=False).fit(features.astype(float), target)
    fitted = LinearForecaster(l2_penalty=0.02).fit(features, target)
    np.testing.assert_allclose(fitted.weights_, other.coef_, rtol=1e-9)
    np.testing.assert_allclose(fitted.predict(features), other.predict(features.astype(float)), rtol=1e-6, atol=1e-12)


def test_a_missing_feature_counts_as_the_middle():
    index = pd.MultiIndex.from_product([pd.to_datetime(["2024-01-02"]), list("abc")], names=["as_of_date", "i"])
    features = pd.DataFrame({"x": [-0.5, 0.0, 0.5]}, index=index, dtype=np.float32)
    fitted = LinearForecaster(l2_penalty=0.0).fit(features, features["x"])
    assert fitted.predict(features.assign(x=np.nan)).tolist() == [0.0, 0.0, 0.0]
    assert fitted.predict(features).tolist() == pytest.approx([-0.5, 0.0, 0.5])


def test_a_larger_penalty_makes_smaller_weights(panel):
    features = panel(["a", "b"], n_days=10)
    small, large = (LinearForecaster(l2_penalty=p).fit(features, features["a"]).weights_[0] for p in (0.01, 1.0))
    assert 0 < large < small < 1
