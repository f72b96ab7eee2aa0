"""One contract for every forecaster in the registry, ours and those of other packages."""

import numpy as np
import pandas as pd
import pytest

from models.artifacts import load, save
from models.errors import FeaturesMismatch, NotFitted
from models.explanations import Explained
from models.forecaster import Forecaster, learnt_values, metadata, parameters
from models.registry import load_registry
from models.training import forecast, train
from models.walk_forward import quarterly_folds

REGISTRY = load_registry()
pytestmark = pytest.mark.parametrize("model_id", [entry.id for entry in REGISTRY.entries])


@pytest.fixture
def features(panel, model_id) -> pd.DataFrame:
    """A panel of the forecaster's features, with holes, long enough for its smallest leaves."""
    values = panel(REGISTRY.feature_names(model_id), n_days=60, n_instruments=40)
    return values.mask(np.random.default_rng(2).random(values.shape) < 0.1)


@pytest.fixture
def target(features) -> pd.Series:
    """A label that the first feature partly tells."""
    noise = np.random.default_rng(3).normal(0.0, 0.2, len(features))
    return (features.iloc[:, 0].fillna(0.0) + noise).clip(-0.5, 0.5).astype(float).rename("label_rank")


def test_fit_returns_the_forecaster_itself(model_id, features, target):
    forecaster = REGISTRY.create(model_id)
    assert isinstance(forecaster, Forecaster)
    assert forecaster.fit(features, target) is forecaster


def test_forecast_is_on_the_index_of_the_features_and_never_missing(model_id, features, target):
    guesses = REGISTRY.create(model_id).fit(features, target).predict(features.iloc[100:300])
    pd.testing.assert_index_equal(guesses.index, features.index[100:300])
    assert guesses.dtype == np.float64
    assert np.isfinite(guesses).all()


def test_same_seed_gives_the_same_numbers(model_id, features, target):
    first, second = (REGISTRY.create(model_id).fit(features, target).predict(features) for _ in range(2))
    pd.testing.assert_series_equal(first, second, check_exact=True)


def test_fitting_again_forgets_what_was_learnt_before(model_id, features, target):
    forecaster = REGISTRY.create(model_id).fit(features, -target)
    forecaster.predict(features)
    again = forecaster.fit(features, target).predict(features)
    pd.testing.assert_series_equal(again, REGISTRY.create(model_id).fit(features, target).predict(features))


def test_a_row_is_forecast_the_same_alone_and_in_company(model_id, features, target):
    forecaster = REGISTRY.create(model_id).fit(features, target)
    alone, company = forecaster.predict(features.iloc[7:8]), forecaster.predict(features)
    assert alone.iloc[0] == company.iloc[7]


def test_later_days_change_no_forecast_of_an_earlier_one(model_id, features, target):
    forecaster = REGISTRY.create(model_id).fit(features, target)
    n_earlier = 40 * 30
    changed = features.copy()
    changed.iloc[n_earlier:] = 0.5
    before, after = (forecaster.predict(values).iloc[:n_earlier] for values in (features, changed))
    pd.testing.assert_series_equal(after, before, check_exact=True)


def test_forecasting_no_rows_gives_none(model_id, features, target):
    assert REGISTRY.create(model_id).fit(features, target).predict(features.iloc[:0]).empty


def test_predict_before_fit_says_so(model_id, features):
    with pytest.raises(NotFitted, match=r"predict: fit must come first; got an unfitted forecaster\. Call fit"):
        REGISTRY.create(model_id).predict(features)


def test_a_missing_feature_is_named(model_id, features, target):
    forecaster = REGISTRY.create(model_id).fit(features, target)
    name = metadata(forecaster).feature_names[0]
    with pytest.raises(FeaturesMismatch, match=name):
        forecaster.predict(features.drop(columns=name))


def test_columns_in_another_order_change_nothing(model_id, features, target):
    forecaster = REGISTRY.create(model_id).fit(features, target)
    pd.testing.assert_series_equal(forecaster.predict(features[features.columns[::-1]]), forecaster.predict(features))


def test_inputs_are_left_as_they_were(model_id, features, target):
    features_before, target_before = features.copy(), target.copy()
    REGISTRY.create(model_id).fit(features, target).predict(features)
    pd.testing.assert_frame_equal(features, features_before, check_exact=True)
    pd.testing.assert_series_equal(target, target_before, check_exact=True)


def test_the_constructor_only_stores_settings(model_id):
    forecaster = REGISTRY.create(model_id)
    assert learnt_values(forecaster) == {}
    assert parameters(forecaster).items() >= REGISTRY.entry(model_id).parameters.items()


def test_contributions_add_up_to_the_forecast_but_for_a_constant(model_id, features, target):
    forecaster = REGISTRY.create(model_id).fit(features, target)
    if not isinstance(forecaster, Explained):
        pytest.skip(f"{model_id} does not say what its features add")
    left = forecaster.predict(features) - forecaster.contributions(features).sum(axis=1)
    np.testing.assert_allclose(left, left.iloc[0], atol=1e-12)
    assert forecaster.contributions(features.iloc[:0]).empty


def test_metadata_says_what_was_learnt_from(model_id, features, target):
    forecaster = REGISTRY.create(model_id)
    assert metadata(forecaster).feature_names == []
    fitted = metadata(forecaster.fit(features, target))
    assert set(fitted.feature_names) <= set(features.columns)
    if fitted.feature_importances is not None:
        assert list(fitted.feature_importances) == fitted.feature_names
        assert sum(fitted.feature_importances.values()) == pytest.approx(1.0)


def test_saved_and_loaded_it_answers_with_the_same_bits(model_id, panel, sessions):
    features = panel(REGISTRY.feature_names(model_id), n_days=200, n_instruments=30)
    labels = features.iloc[:, 0].astype(float).rename("label_rank")
    fold = quarterly_folds(sessions(200), min_train_sessions=60)[-1]
    trained = train(fold, features, labels, REGISTRY.create(model_id), model_id=model_id)
    ahead = features.loc[pd.Timestamp(fold.valid_from_date) :]
    loaded = load(save(trained))
    assert loaded.version == trained.version
    assert save(loaded) == save(trained)
    pd.testing.assert_frame_equal(forecast(loaded, ahead), forecast(trained, ahead), check_exact=True)
