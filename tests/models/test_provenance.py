import numpy as np
import pandas as pd
import pytest

from models.gradient_boosting import GradientBoostingForecaster
from models.momentum import MomentumForecaster
from models.provenance import _CODE, _HERE, code_version, content_id, data_digest, library_versions


def test_ids_do_not_depend_on_the_order_of_keys():
    assert content_id({"a": 1, "b": [2.0, None]}) == content_id({"b": [2.0, None], "a": 1})
    assert content_id({"a": 1}) != content_id({"a": 2})


def test_one_forecasters_code_does_not_change_anothers_version():
    versions = {code_version(), code_version(MomentumForecaster), code_version(GradientBoostingForecaster)}
    assert len(versions) == 3


def test_every_file_that_code_version_reads_is_there():
    assert all((_HERE / name).is_file() for name in _CODE)


def test_the_digest_is_that_of_the_rows_and_not_of_the_panel_they_were_cut_from(panel):
    whole = panel(["a", "b"], n_days=5, n_instruments=6)
    part = whole[whole.index.get_level_values("instrument_id") > "i002"]
    rebuilt = part.copy()
    rebuilt.index = part.index.remove_unused_levels()
    target = pd.Series(0.1, index=part.index)
    assert data_digest(part, target) == data_digest(rebuilt, target.set_axis(rebuilt.index))
    assert data_digest(part, target) != data_digest(part * 2, target)


def test_the_bits_of_missing_and_of_zero_do_not_count(panel):
    frame = panel(["a"], n_days=1, n_instruments=2)
    target = pd.Series(0.1, index=frame.index)
    quiet, other = (np.array([bits], dtype=np.uint32).view(np.float32) for bits in (0x7FC00000, 0x7FC00001))
    left, right = frame.copy(), frame.copy()
    left["a"], right["a"] = np.append(quiet, np.float32(0.0)), np.append(other, np.float32(-0.0))
    assert data_digest(left, target) == data_digest(right, target)


def test_a_digest_wants_the_index_of_a_panel():
    with pytest.raises(TypeError, match="got RangeIndex"):
        data_digest(pd.DataFrame({"a": [1.0]}), pd.Series([1.0]))


def test_versions_of_the_libraries_are_those_installed():
    assert library_versions(("lightgbm",))["numpy"] == np.__version__
