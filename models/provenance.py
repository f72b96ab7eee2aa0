"""What a version was made of: digests of data and code, and the versions of the libraries.

All digests are SHA-256, shortened to 16 hexadecimal digits where a person reads them.
"""

from __future__ import annotations

import hashlib
import inspect
import platform
from functools import cache
from importlib.metadata import version
from pathlib import Path

import msgspec
import numpy as np
import pandas as pd

from models.forecaster import Forecaster
from models.panels import as_days, day_codes_of

_HERE = Path(__file__).parent

# The files whose change may change a forecast. How features get their values in transforms and dbt
# shows in the data digest, so those files are left out: a new backtest must not retrain a model.
_CODE = (
    "daily_ranks.py",
    "features.py",
    "forecaster.py",
    "labels.py",
    "panels.py",
    "training.py",
    "walk_forward.py",
)


def content_id(value: object) -> str:
    """Hash a plain value (dicts in order of their keys): 32 hexadecimal digits."""
    return hashlib.sha256(msgspec.json.encode(value, order="deterministic")).hexdigest()[:32]


def code_version(forecaster_class: type[Forecaster] | None = None) -> str:
    """Hash the source of features, labels, splits and training, and of one forecaster.

    Parameters
    ----------
    forecaster_class : type or None
        The file that defines the class counts too, also where another package brought it, so a
        change of one forecaster makes new versions of that one only.

    Returns
    -------
    str, 16 hexadecimal digits
    """
    files = [_HERE / name for name in _CODE]
    if forecaster_class is not None:
        files.append(Path(inspect.getfile(forecaster_class)))
    return _source_hash(tuple(files))


def library_versions(libraries: tuple[str, ...] = ()) -> dict[str, str]:
    """Read the versions of Python, numpy, pandas and the libraries named, by name."""
    names = sorted({"numpy", "pandas", *libraries})
    return {"python": platform.python_version()} | {name: version(name) for name in names}


def data_digest(features: pd.DataFrame, target: pd.Series) -> str:
    """Hash the training rows: keys, names of the features, every value and every label.

    Parameters
    ----------
    features : DataFrame of shape (n_rows, n_features), float32
        Index (`as_of_date`, `instrument_id`).
    target : Series of shape (n_rows,), float

    Returns
    -------
    str, 32 hexadecimal digits
        The same for equal rows in equal order, whatever else the frames they were cut from held.
    """
    index = features.index
    if not isinstance(index, pd.MultiIndex):
        raise TypeError(
            f"data_digest: features must have the index (as_of_date, instrument_id); "
            f"got {type(index).__name__}. Build them with models.features."
        )
    digest = hashlib.sha256("\n".join(map(str, features.columns)).encode())
    # Codes depend on which other instruments the panel knows; renumbered among those present, not.
    present, instruments = np.unique(index.codes[1], return_inverse=True)
    digest.update("\n".join(map(str, index.levels[1][present])).encode())
    digest.update(instruments.astype(np.int32).tobytes())
    digest.update(as_days(index.levels[0])[day_codes_of(index)].astype(np.int64).tobytes())
    for values in (features.to_numpy(np.float32), target.to_numpy(np.float32)):
        # One bit pattern for every NaN, and for both zeros.
        plain = np.where(np.isnan(values), np.float32("nan"), values + np.float32(0.0))
        digest.update(np.ascontiguousarray(plain).tobytes())
    return digest.hexdigest()[:32]


@cache
def _source_hash(files: tuple[Path, ...]) -> str:
    digest = hashlib.sha256()
    for file in files:
        digest.update(f"{file.name}\n{file.read_text(encoding='utf-8')}\n".encode())
    return digest.hexdigest()[:16]
