"""What of a version's quarter is compared with its training window, and what a finding asks for."""

import datetime as dt
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from models.artifacts import load
from models.features import FUNDAMENTAL_FACTORS, PRICE_FACTORS
from models.labels import LABEL_SESSIONS
from models.registry import Registry
from models.training import TrainedVersion
from models.walk_forward import next_quarter_start
from orchestration.defs.models.panels import TECHNICAL, VALUES, read_features
from orchestration.installation import Installation
from orchestration.resources import Artifacts, Warehouse
from transforms.drift import DRIFTED_INDEX, Drift, SkillDrift, drift, skill_drift
from warehouse.queries import drift as queries
from warehouse.queries import research as research_queries

# So many sessions of the training window and of the quarter stand for all: neighbours are nearly equal.
TRAINING_SESSIONS, LIVE_SESSIONS = 60, 20
# A window of fewer sessions is not judged: a handful of days is no distribution.
LEAST_SESSIONS = 10
# Of the features as the forecaster sees them, so large a share must have drifted to ask for a retraining.
DRIFTED_SHARE = 0.1
FACTORS = (*PRICE_FACTORS, *FUNDAMENTAL_FACTORS)
SUFFIXES = ("_centred_rank", "_neutral")
KEY = ["as_of_date", "instrument_id"]

# From the name of a feature set and days to their panel.
ReadFeatures = Callable[[str, tuple[dt.date, ...]], pd.DataFrame]


class Quarter(NamedTuple):
    """A version and the days of its quarter so far."""

    version: dict[str, Any]
    training_days: list[dt.date]
    live_days: list[dt.date]


class Finding(NamedTuple):
    """A forecaster whose window has drifted."""

    model_id: str
    model_version_id: str
    valid_from_date: dt.date
    last_date: dt.date
    reasons: tuple[str, ...]

    @property
    def reason(self) -> str:
        """All of it in a sentence."""
        return "; ".join(self.reasons)


def quarters_to_measure(warehouse: Warehouse, installation: Installation, *, n_quarters: int) -> list[Quarter]:
    """Return the versions of the newest quarters, each with the sessions that stand for both sides."""
    last = installation.last_session()
    begins = quarter_starts(last, n_quarters)
    found = []
    for version in warehouse.read(queries.VERSIONS_OF_QUARTERS, [begins[0], begins[-1]]).to_pylist():
        start = version["valid_from_date"]
        live = installation.sessions(start, min(last, next_quarter_start(start) - dt.timedelta(days=1)))
        if len(live) >= LEAST_SESSIONS:
            learnt_from = installation.sessions(version["train_first_date"], version["train_last_date"])
            found.append(Quarter(version, spread_out(learnt_from, TRAINING_SESSIONS), live))
    return found


def features_once(warehouse: Warehouse) -> ReadFeatures:
    """Return a reader that keeps the newest panel: versions of one quarter look at the same days."""

    @lru_cache(maxsize=1)
    def read(panel: str, days: tuple[dt.date, ...]) -> pd.DataFrame:
        return read_features(warehouse, [panel], days)

    return lambda name, days: read("technical" if name in TECHNICAL else name, days)


def quarter_starts(last: dt.date, n_quarters: int) -> list[dt.date]:
    """First days of the newest quarters, that of `last` the last of them."""
    number = last.year * 4 + (last.month - 1) // 3
    return [dt.date(n // 4, n % 4 * 3 + 1, 1) for n in range(number - n_quarters + 1, number + 1)]


def spread_out(days: Sequence[dt.date], n: int) -> list[dt.date]:
    """Take at most `n` days, evenly, the first and the last among them."""
    places = np.unique(np.linspace(0, len(days) - 1, min(n, len(days))).round().astype(int))
    return [days[place] for place in places]


def measure(
    warehouse: Warehouse, artifacts: Artifacts, registry: Registry, quarter: Quarter, *, read: ReadFeatures
) -> pd.DataFrame:
    """Return the rows of research.model_drift of one version's quarter; `read` as `features_once` gives it."""
    version, live = quarter.version, quarter.live_days
    sampled = spread_out(live, LIVE_SESSIONS)
    features = read(registry.entry(version["model_id"]).features, tuple(quarter.training_days + sampled))[
        list(version["features"])
    ]
    factors = _factors(warehouse, version["features"], quarter.training_days + sampled)
    trained = load(artifacts.read(version["artifact_uri"]))
    rows = [
        *_compared("feature", features, live[0]),
        *_compared("factor", factors, live[0]),
        _forecasts(warehouse, trained, features, live),
        _skill(warehouse, version["model_id"], live),
    ]
    return pd.DataFrame(rows).assign(
        model_id=version["model_id"], model_version_id=version["model_version_id"],
        valid_from_date=version["valid_from_date"], first_date=live[0], last_date=live[-1],
    )  # fmt: skip


def findings(rows: pd.DataFrame) -> list[Finding]:
    """Tell which windows have drifted: the forecasts, a tenth of the features, or the skill."""
    found = []
    for _, own in rows.groupby(["model_id", "valid_from_date"], sort=True):
        reasons = _reasons(own)
        if reasons:
            head = own.iloc[0]
            found.append(
                Finding(
                    str(head["model_id"]), str(head["model_version_id"]), _day(head["valid_from_date"]),
                    _day(head["last_date"]), tuple(reasons),
                )
            )  # fmt: skip
    return found


def _reasons(own: pd.DataFrame) -> list[str]:
    reasons = []
    features = own[own["kind"] == "feature"]
    n_drifted = int(features["is_drifted"].sum())
    if n_drifted and n_drifted >= DRIFTED_SHARE * len(features):
        strongest = features.sort_values("population_stability_index", ascending=False).iloc[0]
        reasons.append(
            f"{n_drifted} of {len(features)} features have an index of {DRIFTED_INDEX:g} or more, first "
            f"{strongest['subject']} with {strongest['population_stability_index']:.2f}"
        )
    for row in own[(own["kind"] == "forecast") & own["is_drifted"]].itertuples():
        reasons.append(f"the forecasts have an index of {row.population_stability_index:.2f}")
    for row in own[(own["kind"] == "skill") & own["is_drifted"]].itertuples():
        reasons.append(
            f"the rank IC is {row.live_value:+.3f} where {row.expected_value:+.3f} was expected, t {row.t:+.1f}"
        )
    return reasons


def _compared(kind: str, values: pd.DataFrame, begin: dt.date) -> list[dict[str, Any]]:
    """Compare each column of a panel before a day with the same from the day on."""
    is_live = _is_live(values, begin)
    columns = values.to_numpy(np.float64, na_value=np.nan).T
    return [
        _row(kind, str(name), drift(column[~is_live], column[is_live]))
        for name, column in zip(values.columns, columns, strict=True)
    ]


def _is_live(panel: pd.DataFrame, begin: dt.date) -> np.ndarray:
    return np.asarray(panel.index.get_level_values("as_of_date") >= pd.Timestamp(begin))


def _factors(warehouse: Warehouse, features: Sequence[str], days: Sequence[dt.date]) -> pd.DataFrame:
    """Read the raw values behind the features that are ranks or residuals of factors."""
    names = {feature.removesuffix(suffix) for feature in features for suffix in SUFFIXES}
    factors = [factor for factor in FACTORS if factor in names]
    if not factors:
        return pd.DataFrame(index=pd.MultiIndex.from_arrays([pd.to_datetime([]), []], names=KEY))
    # In one order, since a sum of doubles depends on it to the last bit.
    return warehouse.read_frame(research_queries.columns_on(VALUES, factors, days)).set_index(KEY).sort_index()


def _forecasts(
    warehouse: Warehouse, trained: TrainedVersion, features: pd.DataFrame, live: Sequence[dt.date]
) -> dict[str, Any]:
    """Compare what the version answers on its training days with what was forecast in the window."""
    expected = trained.forecaster.predict(features[~_is_live(features, live[0])]).to_numpy(np.float64)
    made = warehouse.read_frame(queries.FORECASTS_OF_WINDOW, [live[0], live[-1]])
    own = made.loc[made["model_id"] == trained.version.model_id, "forecast"].to_numpy(np.float64)
    return _row("forecast", "forecast", drift(expected, own))


def _skill(warehouse: Warehouse, model_id: str, live: Sequence[dt.date]) -> dict[str, Any]:
    days = warehouse.read_frame(queries.RANK_ICS_UNTIL, [live[-1]])
    own = days[days["model_id"] == model_id]
    ic, is_live = own["rank_ic"].to_numpy(np.float64), (own["as_of_date"] >= pd.Timestamp(live[0])).to_numpy()
    return _row("skill", "rank_ic", skill_drift(ic[~is_live], ic[is_live], lag=LABEL_SESSIONS - 1))


def _row(kind: str, subject: str, found: Drift | SkillDrift) -> dict[str, Any]:
    row: dict[str, Any] = {
        "kind": kind, "subject": subject, "is_drifted": bool(found.is_drifted),
        "n_expected": found.n_expected, "n_live": found.n_live,
    }  # fmt: skip
    if isinstance(found, SkillDrift):
        nothing = {"population_stability_index": np.nan, "ks_statistic": np.nan}
        return row | nothing | {"expected_value": found.expected, "live_value": found.live, "t": found.t}
    return row | {
        "population_stability_index": found.population_stability_index, "ks_statistic": found.ks_statistic,
        "expected_value": found.expected_mean, "live_value": found.live_mean, "t": np.nan,
    }  # fmt: skip


def _day(value: Any) -> dt.date:
    return pd.Timestamp(value).date()
