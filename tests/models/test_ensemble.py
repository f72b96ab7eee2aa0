import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import t as student

from models.ensemble import (
    SIGNALS,
    UNKNOWN,
    Calibration,
    EnsembleSettings,
    calibrate,
    combine,
    combined_forecasts,
    model_signals,
    model_weights,
    trailing_rank_ics,
)
from models.errors import RegistryError
from models.registry import load_registry
from transforms.evaluation import Evaluation, newey_west_t

SURE = Calibration(0.01, 0.04, 0.5, 0.2, 0.8, 0.05, 500)


def track(n_days: int, seed: int = 1, *, rank_ic: float = 0.05) -> Evaluation:
    """Days on which the tenths earn -0.7 % to 1.1 % and rise in 41 % to 59 % of cases; only the rank IC is noisy."""
    places = (np.arange(10) + 0.5) / 10 - 0.5
    ic = np.random.default_rng(seed).normal(rank_ic, 0.1, n_days)
    returns, ups = (np.tile(line, (n_days, 1)) for line in (0.002 + 0.02 * places, 0.5 + 0.2 * places))
    return Evaluation(ic, np.full(n_days, 50), returns, ups, np.full((n_days, 10), 0.3))


def forecasts(ranks: dict[str, float]) -> pd.DataFrame:
    return pd.DataFrame({"instrument_id": list(ranks), "forecast_rank": list(ranks.values())})


def ladder(order: str) -> pd.DataFrame:
    """Signals of a model that puts ten instruments in this order, the best first."""
    return model_signals(forecasts({name: 1 - place / 9 for place, name in enumerate(order)}), SURE)


def signal_of(frame: pd.DataFrame, instrument: str) -> str:
    return frame.set_index("instrument_id")["signal"][instrument]


def test_calibration_finds_the_lines_and_how_sure_the_skill_is():
    known = track(200)
    found = calibrate(known)
    assert (found.return_in_middle, found.return_slope) == (pytest.approx(0.002), pytest.approx(0.02))
    assert (found.up_in_middle, found.up_slope) == (pytest.approx(0.5), pytest.approx(0.2))
    t = newey_west_t(known.rank_ic, lag=21)
    sure = student(df=200 / 22 - 1)
    assert found.reliability == pytest.approx(sure.cdf(t) - sure.cdf(-t))
    assert (found.mean_rank_ic, found.n_days) == (pytest.approx(known.rank_ic.mean()), 200)


def test_a_model_that_has_been_wrong_is_not_relied_on():
    assert calibrate(track(200, rank_ic=-0.05)).reliability == 0.0


def test_too_few_known_days_say_nothing():
    assert calibrate(track(62)) == UNKNOWN
    unknown = model_signals(forecasts({"a": 1.0, "b": 0.0}), UNKNOWN)
    assert unknown["expected_return_22d"].isna().all()
    assert unknown["confidence"].tolist() == [0.0, 0.0]


def test_signals_of_a_model_by_hand():
    found = model_signals(forecasts({"b": 0.5, "a": 0.5, "c": 1.0, "d": 0.0}), SURE)
    assert found["instrument_id"].tolist() == ["c", "a", "b", "d"]
    assert found["rank"].tolist() == [1, 2, 3, 4]
    # Percentiles of four places: 0.875, 0.625, 0.375, 0.125.
    assert found["signal"].tolist() == ["buy", "hold", "hold", "sell"]
    assert found["expected_return_22d"].tolist() == pytest.approx([0.03, 0.01, 0.01, -0.01])
    assert found["probability_up"].tolist() == pytest.approx([0.6, 0.5, 0.5, 0.4])
    assert found["confidence"].tolist() == pytest.approx([0.8, 0.0, 0.0, 0.8])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=60), st.floats(-5, 5))
@settings(max_examples=40, deadline=None)
def test_probabilities_and_confidences_stay_within_their_bounds(ranks, slope):
    given_ranks = forecasts({f"i{number}": rank for number, rank in enumerate(ranks)})
    found = model_signals(given_ranks, SURE._replace(up_slope=slope))
    assert found["probability_up"].between(0, 1).all()
    assert found["confidence"].between(0, 1).all()
    assert sorted(found["rank"]) == list(range(1, len(ranks) + 1))
    assert set(found["signal"]) <= set(SIGNALS)


def test_one_model_alone_is_the_ensemble():
    alone = combine({"x": ladder("abcdefghij")}, {"x": 0.3}, EnsembleSettings())
    for column in ("rank", "signal", "expected_return_22d", "confidence"):
        assert alone[column].tolist() == ladder("abcdefghij")[column].tolist()
    assert alone["reasons"][0] == ["x: strong buy, place 1"]


def test_the_weighted_mean_goes_by_weights():
    given_signals = {"x": ladder("abcdefghij"), "y": ladder("jihgfedcba"), "silent": ladder("jihgfedcba")}
    found = combine(given_signals, {"x": 3.0, "y": 1.0, "silent": 0.0}, EnsembleSettings())
    assert found["instrument_id"].tolist() == list("abcdefghij")
    best = found.iloc[0]
    # Three quarters say 0.03 and one says -0.01; three quarters agree.
    assert best["expected_return_22d"] == pytest.approx(0.02)
    assert best["confidence"] == pytest.approx(0.8 * 0.75)
    assert len(best["reasons"]) == 2


@pytest.mark.parametrize(
    ("strategy", "weights", "expected"),
    [
        ("weighted_majority", (2.0, 1.0), "buy"),
        ("weighted_majority", (1.0, 1.0), "hold"),
        ("unanimous", (9.0, 1.0), "hold"),
    ],
)
def test_conflicts_are_settled_by_the_strategy(strategy, weights, expected):
    given_signals = {"x": ladder("abcdefghij"), "y": ladder("jihgfedcba")}
    found = combine(given_signals, dict(zip("xy", weights, strict=True)), EnsembleSettings(strategy=strategy))
    assert signal_of(found, "a").removeprefix("strong_") == expected


def test_unanimous_models_are_followed():
    found = combine(
        {"x": ladder("abcdefghij"), "y": ladder("bacdefghij")}, {"x": 1, "y": 1}, EnsembleSettings(strategy="unanimous")
    )
    assert signal_of(found, "a") == "strong_buy"
    assert signal_of(found, "j") == "strong_sell"


def test_weak_signals_are_held_back_and_say_why():
    given_signals = {"x": ladder("abcdefghij"), "y": ladder("jihgfedcba")}
    held = combine(given_signals, {"x": 3, "y": 1}, EnsembleSettings(min_agreement=0.8, min_confidence=0.7))
    assert signal_of(held, "a") == "hold"
    assert held["reasons"][0][-1] == "held back: agreement 0.75 is below 0.8 and confidence 0.60 is below 0.7"


def test_a_model_without_the_instrument_has_no_say():
    given_signals = {"x": ladder("abcdefghij"), "y": model_signals(forecasts({"a": 0.0, "b": 1.0}), SURE)}
    found = combine(given_signals, {"x": 1, "y": 1}, EnsembleSettings()).set_index("instrument_id")
    assert found["expected_return_22d"]["j"] == pytest.approx(-0.01)
    assert found["reasons"]["j"] == ["x: strong sell, place 10", "y: nothing"]


def test_weights_follow_known_skill_where_that_is_asked_for():
    rank_ics = {"x": 0.05, "y": -0.01, "z": UNKNOWN.mean_rank_ic, "baseline": 0.1}
    configured = {"x": 2.0, "y": 1.0, "z": 1.0, "baseline": 0.0}
    trailing = EnsembleSettings(weights="trailing_ic")
    assert model_weights(configured, rank_ics, EnsembleSettings()) == {"x": 2.0, "y": 1.0, "z": 1.0}
    assert model_weights(configured, rank_ics, trailing) == {"x": pytest.approx(0.1)}
    assert model_weights({"y": 1.0}, rank_ics, trailing) == {"y": 1.0}


def test_the_skill_of_many_looks_is_that_of_each_calibration():
    known = track(200)
    known.rank_ic[[3, 70]] = np.nan
    known.decile_returns[10, 2] = np.nan
    looks = np.array([0, 10, 63, 66, 67, 120, 200])
    expected = [calibrate(Evaluation(*(part[:n] for part in known))).mean_rank_ic for n in looks]
    assert np.isnan(expected).tolist() == [True, True, True, False, False, False, False]
    np.testing.assert_allclose(trailing_rank_ics(known, looks), expected, rtol=1e-12)


def test_forecasts_of_many_days_are_in_the_order_of_each_days_signals():
    rng = np.random.default_rng(3)
    days = pd.date_range("2024-01-01", periods=5)
    rows = pd.MultiIndex.from_product([["x", "y", "z"], days, list("abcdefgh")])
    made = pd.DataFrame({"forecast_rank": rng.integers(0, 6, len(rows)) / 5}, index=rows).reset_index()
    made.columns = pd.Index(["model_id", "as_of_date", "instrument_id", "forecast_rank"])
    made = made[rng.random(len(made)) < 0.9]
    weights = pd.DataFrame(rng.random((5, 3)), index=days, columns=["x", "y", "z"])
    weights.iloc[2, 1] = 0.0
    found = combined_forecasts(made.sample(frac=1.0, random_state=4), weights)
    for day, own in found.groupby("as_of_date"):
        of_day = {name: rows for name, rows in made[made["as_of_date"] == day].groupby("model_id")}
        signals = {name: model_signals(rows.drop(columns="model_id"), SURE) for name, rows in of_day.items()}
        together = combine(signals, weights.loc[day].to_dict(), EnsembleSettings())
        ordered = own.sort_values(["forecast", "instrument_id"], ascending=[False, True])
        assert ordered["instrument_id"].tolist() == together["instrument_id"].tolist()


@pytest.mark.parametrize(
    "lines", ["{strategy: loudest}", "{min_agreement: 1.5}", "{min_confidence: -0.1}", "{colour: red}"]
)
def test_settings_that_do_not_hold_are_refused(tmp_path, lines):
    path = tmp_path / "models.yaml"
    path.write_text(f"ensemble: {lines}\nmodels: []\n")
    with pytest.raises(RegistryError, match="must be a list of models"):
        load_registry(path)


def test_the_name_of_the_ensemble_is_taken(tmp_path):
    path = tmp_path / "models.yaml"
    path.write_text("models: [{id: ensemble, type: momentum_12_1, features: technical}]\n")
    with pytest.raises(RegistryError, match="'ensemble' is the name of all models together"):
        load_registry(path)
