import numpy as np
import pandas as pd
import pytest

from models.explanations import in_words, strongest_reasons
from models.gradient_boosting import GradientBoostingForecaster
from models.linear import LinearForecaster


class Silent:
    """A forecaster that cannot say why."""

    name = "silent"

    def fit(self, features, target):
        return self

    def predict(self, features):
        return features.iloc[:, 0]


@pytest.fixture
def fitted(panel):
    features = panel(["a", "b", "c", "d", "e", "f", "g"], n_days=30, n_instruments=30)
    target = (0.5 * features["a"] - 0.3 * features["b"]).astype(float)
    trees = GradientBoostingForecaster(n_trees=30, min_rows_in_leaf=20, l2_penalty=1.0).fit(features, target)
    return trees, features


def test_contributions_of_trees_add_up_to_the_forecast_but_for_a_constant(fitted):
    trees, features = fitted
    left = trees.predict(features) - trees.contributions(features).sum(axis=1)
    np.testing.assert_allclose(left, left.iloc[0], atol=1e-12)


def test_the_strongest_reasons_come_first_with_their_sign(fitted):
    trees, features = fitted
    found = strongest_reasons(trees, features)
    parts = trees.contributions(features)
    for row in (0, 17, 400):
        sizes = parts.iloc[row]
        expected = sizes.abs().sort_values(ascending=False, kind="stable").index[:5].tolist()
        assert found.features[row] == expected
        assert found.sizes[row] == sizes[expected].tolist()
        assert all(
            ("raises" in words) is (size > 0) for words, size in zip(found.words[row], found.sizes[row], strict=True)
        )


def test_weights_times_values_are_the_reasons_of_a_straight_line(panel):
    features = panel(["a", "b"], n_days=5)
    line = LinearForecaster(l2_penalty=0.0).fit(features, features["a"].astype(float))
    found = strongest_reasons(line, features.iloc[:3])
    assert found.sizes[0][0] == pytest.approx(features["a"].iloc[0], rel=1e-5)
    pd.testing.assert_series_equal(line.contributions(features).sum(axis=1), line.predict(features), check_names=False)


def test_who_cannot_say_why_gives_no_reasons(panel):
    found = strongest_reasons(Silent(), panel(["a"], n_days=2, n_instruments=2))
    assert found == ([[]] * 4, [[]] * 4, [[]] * 4)


@pytest.mark.parametrize(
    ("feature", "value", "size", "words"),
    [
        ("beta_252d_centred_rank", 0.4, -0.0123, "beta 252d above 90 % of the universe lowers the forecast by 0.0123"),
        ("accruals_neutral", -1.5, 0.002, "accruals neutral at -1.50 raises the forecast by 0.0020"),
        ("roc5_centred_rank", np.nan, 0.1, "roc5 is not known, which raises the forecast by 0.1000"),
    ],
)
def test_reasons_are_said_in_words(feature, value, size, words):
    assert in_words(feature, value, size) == words
