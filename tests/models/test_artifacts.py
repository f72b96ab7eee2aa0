import msgspec
import pytest

from models.artifacts import load, save
from models.errors import UnknownForecasterType, UnreadableArtifact
from models.momentum import MOMENTUM_FEATURE, MomentumForecaster
from models.training import train
from models.walk_forward import quarterly_folds


@pytest.fixture
def saved(panel, sessions):
    features = panel([MOMENTUM_FEATURE], n_days=200, n_instruments=5)
    fold = quarterly_folds(sessions(200), min_train_sessions=60)[-1]
    return save(train(fold, features, features[MOMENTUM_FEATURE].astype(float), MomentumForecaster()))


def altered(saved, **changes):
    return msgspec.msgpack.encode(msgspec.msgpack.decode(saved) | changes)


def test_bytes_that_are_no_artifact_are_refused():
    with pytest.raises(UnreadableArtifact, match="got 7 bytes"):
        load(b"rubbish")


def test_a_shortened_artifact_is_refused(saved):
    with pytest.raises(UnreadableArtifact, match="Train it again"):
        load(saved[:-5])


def test_an_artifact_of_another_format_is_refused(saved):
    with pytest.raises(UnreadableArtifact, match="format 2, this release reads 1"):
        load(altered(saved, format=2))


def test_an_artifact_of_a_type_that_is_not_installed_says_which(saved):
    with pytest.raises(UnknownForecasterType, match="got 'sold_separately'"):
        load(altered(saved, type="sold_separately"))
