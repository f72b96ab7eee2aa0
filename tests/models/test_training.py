from datetime import date

import numpy as np
import pandas as pd
import pytest

from models.forecaster import parameters
from models.gradient_boosting import GradientBoostingForecaster
from models.momentum import MOMENTUM_FEATURE, MomentumForecaster
from models.training import forecast, train
from models.walk_forward import quarterly_folds

COLUMNS = (MOMENTUM_FEATURE, "other")


@pytest.fixture
def features(panel):
    return panel(COLUMNS, n_days=200, n_instruments=30)


@pytest.fixture
def labels(features):
    """The label is momentum itself, known for all but the last 22 days."""
    known = features.index.get_level_values("as_of_date") < features.index.levels[0][-22]
    return features[MOMENTUM_FEATURE].astype(float).where(known).rename("label_rank")


@pytest.fixture
def fold(sessions):
    return quarterly_folds(sessions(200), min_train_sessions=60)[-1]


def trees(**settings):
    return GradientBoostingForecaster(**({"n_trees": 20, "min_rows_in_leaf": 20, "learning_rate": 0.2} | settings))


def test_a_version_says_what_it_was_made_from(fold, features, labels):
    version = train(fold, features, labels, trees(), model_id="technical").version
    assert version.model_id == "technical"
    assert (version.train_first_date, version.train_last_date) == (fold.train_first_date, fold.train_last_date)
    assert (version.valid_from_date, version.valid_to_date) == (date(2015, 10, 1), date(2015, 12, 31))
    assert version.n_instruments == 30
    assert version.n_rows == 30 * len(fold.train_dates)
    assert version.features == COLUMNS
    assert version.seed == 7
    assert version.parameters["n_trees"] == 20
    assert set(version.library_versions) == {"python", "numpy", "pandas", "lightgbm"}
    assert len(version.model_version_id) == 32


def test_trees_learn_a_label_that_a_feature_tells(fold, features, labels):
    trained = train(fold, features, labels, trees())
    guesses = forecast(trained, features.loc[pd.Timestamp(fold.valid_from_date) :])["forecast"]
    assert guesses.corr(features.loc[guesses.index, MOMENTUM_FEATURE]) > 0.9
    assert trained.version.metrics["rank_ic_in_sample"] > 0.9
    assert trained.version.metrics["feature_importances"][MOMENTUM_FEATURE] > 0.9


def test_momentum_is_its_own_forecast_and_missing_is_the_middle(fold, features, labels):
    features.iloc[-1, 0] = np.nan
    trained = train(fold, features, labels, MomentumForecaster())
    guesses = forecast(trained, features.iloc[-30:])["forecast"]
    np.testing.assert_array_equal(guesses, [*features.iloc[-30:-1, 0].astype(float), 0.0])
    assert trained.version.seed == 0
    assert trained.version.metrics["rank_ic_in_sample"] == pytest.approx(1.0)


def test_forecast_rank_is_zero_for_the_worst_and_one_for_the_best_of_a_day(fold, features, labels):
    made = forecast(train(fold, features, labels, MomentumForecaster()), features.iloc[-60:])
    for _, day in made.groupby(level="as_of_date"):
        assert day["forecast_rank"].min() == 0.0
        assert day["forecast_rank"].max() == 1.0
        assert day["forecast_rank"].idxmax() == day["forecast"].idxmax()


def test_the_same_inputs_make_the_same_version(fold, features, labels):
    first, second = (train(fold, features, labels, trees()).version for _ in range(2))
    assert first == second


def test_rows_that_are_not_learnt_from_do_not_change_the_version(fold, features, labels):
    known_then = features.index.get_level_values("as_of_date") <= pd.Timestamp(fold.last_label_date)
    early = train(fold, features[known_then], labels[known_then], trees()).version
    assert early == train(fold, features, labels, trees()).version


@pytest.mark.parametrize("what", ["label", "feature", "instrument", "setting", "model", "code"])
def test_whatever_goes_in_changes_the_version(fold, features, labels, what):
    before = train(fold, features, labels, trees(), model_id="technical").version
    row = features.index.get_indexer_for([(pd.Timestamp(fold.train_last_date), "i003")])[0]
    forecaster, model_id = trees(), "technical"
    if what == "label":
        labels.iloc[row] += 0.01
    elif what == "feature":
        features.iloc[row, 1] = np.nan
    elif what == "instrument":
        features.index = labels.index = features.index.set_levels(
            features.index.levels[1].str.replace("i003", "i003b"), level="instrument_id"
        )
    elif what == "setting":
        forecaster = trees(seed=8)
    elif what == "model":
        model_id = "another"
    else:
        forecaster = _Subclass(**parameters(forecaster))  # the same trees, from another file
    after = train(fold, features, labels, forecaster, model_id=model_id).version
    assert after.model_version_id != before.model_version_id


class _Subclass(GradientBoostingForecaster):
    """Defined in this file, so its code is not that of the trees."""


def test_days_before_the_version_are_refused_since_it_has_learnt_from_them(fold, features, labels):
    trained = train(fold, features, labels, trees())
    with pytest.raises(ValueError, match=r"from 2015-10-01 on.*got 2015-01-01"):
        forecast(trained, features)


def test_days_after_the_quarter_are_answered_by_the_older_version(sessions, fold, features, labels):
    earlier = quarterly_folds(sessions(200), min_train_sessions=20)[0]
    assert earlier.valid_to_date < fold.valid_from_date
    trained = train(earlier, features, labels, trees())
    assert len(forecast(trained, features.iloc[-30:])) == 30


def test_forecasting_an_empty_panel_gives_no_rows(fold, features, labels):
    trained = train(fold, features, labels, MomentumForecaster())
    assert forecast(trained, features.iloc[:0]).shape == (0, 2)


def test_labels_of_other_rows_are_refused(fold, features, labels):
    with pytest.raises(ValueError, match="5999 labels and 6000 rows"):
        train(fold, features, labels.iloc[:-1], trees())
    with pytest.raises(ValueError, match="index of the features"):
        train(fold, features, labels.iloc[::-1], trees())


def test_a_fold_without_labels_is_refused(fold, features, labels):
    with pytest.raises(ValueError, match="got none from 2015-01-01 to 2015-08-31"):
        train(fold, features, labels * np.nan, trees())


def test_a_frame_without_the_index_of_a_panel_is_refused(fold, features, labels):
    with pytest.raises(TypeError, match="got RangeIndex"):
        train(fold, features.reset_index(drop=True), labels.reset_index(drop=True), trees())


class _Silent(MomentumForecaster):
    """Answers with nothing where it knows nothing, which the protocol forbids."""

    def predict(self, features):
        return features[MOMENTUM_FEATURE].astype(float)


def test_a_forecast_that_is_no_number_is_refused(fold, features, labels):
    trained = train(fold, features, labels, _Silent())
    features.iloc[-3:, 0] = np.nan
    with pytest.raises(ValueError, match="got 3 others from momentum_12_1"):
        forecast(trained, features.iloc[-30:])
