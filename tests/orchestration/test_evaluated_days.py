"""The ensemble as one more forecaster: who has a say on which day."""

import numpy as np
import pandas as pd
import pytest

from models.ensemble import EnsembleSettings
from models.registry import ModelEntry, Registry
from orchestration.evaluated_days import configuration_of, ensemble_forecasts, last_known_day, voters

SESSIONS = [day.date() for day in pd.bdate_range("2024-01-01", periods=200)]
NAMES = list("abcdefghij")


def entry(name: str, weight: float, *, enabled: bool = True) -> ModelEntry:
    return ModelEntry(id=name, type="t", features="f", weight=weight, enabled=enabled)


REGISTRY = Registry(
    (entry("good", 1.0), entry("bad", 3.0), entry("baseline", 0.0), entry("off", 1.0, enabled=False)),
    EnsembleSettings(weights="trailing_ic"),
)


def made_on(days: list) -> pd.DataFrame:
    """Forecasts of `good`, which likes a best, and of the others, which like j best."""
    rising = np.arange(10) / 9
    parts = [
        pd.DataFrame(
            {"as_of_date": pd.Timestamp(day), "instrument_id": NAMES, "model_id": name, "forecast_rank": ranks}
        )
        for day in days
        for name, ranks in (("good", 1 - rising), ("bad", rising), ("baseline", rising), ("off", rising))
    ]
    return pd.concat(parts, ignore_index=True)


def track() -> pd.DataFrame:
    """150 evaluated days: from the 100th on `bad` is good and `good` is bad."""
    parts = []
    for name, sign in (("bad", -1.0), ("good", 1.0)):
        ic = np.where(np.arange(150) < 100, 0.1 * sign, -0.5 * sign)
        parts.append(
            pd.DataFrame(
                {
                    "model_id": name, "as_of_date": pd.to_datetime(SESSIONS[:150]), "rank_ic": ic, "n_instruments": 10,
                    "decile_returns": [np.zeros(10)] * 150, "decile_up_shares": [np.full(10, 0.5)] * 150,
                    "decile_turnovers": [np.full(10, 0.1)] * 150,
                }
            )
        )  # fmt: skip
    return pd.concat(parts, ignore_index=True)


def best_on(found: pd.DataFrame, day) -> str:
    own = found[found["as_of_date"] == pd.Timestamp(day)]
    return str(own.loc[own["forecast"].idxmax(), "instrument_id"])


def test_only_enabled_forecasters_with_a_weight_have_a_say():
    assert voters(REGISTRY, made_on(SESSIONS[:1])) == {"good": 1.0, "bad": 3.0}
    assert voters(REGISTRY, made_on(SESSIONS[:1]).query("model_id == 'good'")) == {"good": 1.0}


def test_each_day_is_weighted_by_the_skill_known_at_its_close():
    days = [SESSIONS[n] for n in (40, 100, 121, 199)]
    found = ensemble_forecasts(REGISTRY, made_on(days), track(), SESSIONS)
    # Too few days are known on the first: the weights of the registry count. `good` is bad from day 100 on, which
    # nobody knows before day 122.
    assert [best_on(found, day) for day in days] == ["j", "a", "a", "j"]


def test_a_day_on_which_one_alone_has_forecast_is_left_out_whatever_the_window_is():
    both, alone = SESSIONS[150], SESSIONS[149]
    made = made_on([both, alone])
    made = made[(made["as_of_date"] == pd.Timestamp(both)) | (made["model_id"] != "good")]
    found = ensemble_forecasts(REGISTRY, made, track(), SESSIONS)
    assert found["as_of_date"].unique().tolist() == [pd.Timestamp(both)]
    early = ensemble_forecasts(REGISTRY, made[made["as_of_date"] == pd.Timestamp(alone)], track(), SESSIONS)
    assert early.empty


def test_the_configuration_is_what_orders_the_forecasts():
    assert configuration_of(REGISTRY) == {"weights": "trailing_ic", "weight_of": {"good": 1.0, "bad": 3.0}}
    assert configuration_of(Registry((entry("good", 1.0), entry("baseline", 0.0)))) is None


def test_what_becomes_known_later_changes_no_day():
    days = [SESSIONS[100], SESSIONS[130]]
    known = track()
    cut = known[known["as_of_date"] <= pd.Timestamp(SESSIONS[130 - 22])]
    whole = ensemble_forecasts(REGISTRY, made_on(days), known, SESSIONS)
    pd.testing.assert_frame_equal(whole, ensemble_forecasts(REGISTRY, made_on(days), cut, SESSIONS))
    assert not whole.equals(ensemble_forecasts(REGISTRY, made_on(days), known.iloc[:0], SESSIONS))


@pytest.mark.parametrize(("row", "expected"), [(21, None), (22, 0), (100, 78)])
def test_a_label_is_known_22_sessions_later(row, expected):
    assert last_known_day(SESSIONS, SESSIONS[row]) == (None if expected is None else SESSIONS[expected])
