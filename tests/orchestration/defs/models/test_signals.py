"""What of the past a signal may use, and how its reasons reach the table."""

import datetime as dt
import json
from pathlib import Path

import dagster as dg
import numpy as np
import pandas as pd
import psycopg
import pytest

from models.ensemble import ENSEMBLE, EnsembleSettings
from models.registry import ModelEntry, Registry
from orchestration.defs.models.signals import _as_arrow, _known, _signals_of, every_forecast_has_a_signal, signals
from orchestration.installation import current_installation
from orchestration.resources import Artifacts
from tests.orchestration.defs.conftest import WarehouseOfTest, market_data_with

SESSIONS = [day.date() for day in pd.bdate_range("2024-01-01", periods=120)]
REGISTRY = Registry(
    entries=(
        ModelEntry(id="x", type="linear", features="technical", weight=1.0),
        ModelEntry(id="baseline", type="momentum_12_1", features="technical", weight=0.0),
    ),
    ensemble=EnsembleSettings(),
)


@pytest.fixture
def track() -> pd.DataFrame:
    """Evaluated days of both forecasters; the tenths of each day earn what the day's number says."""
    days = pd.to_datetime(SESSIONS)
    parts = [
        pd.DataFrame(
            {
                "model_id": name, "as_of_date": days, "rank_ic": np.random.default_rng(1).normal(0.05, 0.1, 120),
                "n_instruments": 20,
                "decile_returns": [[float(number)] * 10 for number in range(120)],
                "decile_up_shares": [[0.5] * 10] * 120, "decile_turnovers": [[0.1] * 10] * 120,
                "rank_ic_by_horizon": [[]] * 120, "rank_ic_by_sector": json.dumps({}),
            }
        )
        for name in ("x", "baseline")
    ]  # fmt: skip
    return pd.concat(parts, ignore_index=True)


@pytest.fixture
def made() -> pd.DataFrame:
    """Forecasts of both for five instruments on the hundredth session."""
    names = [(model, instrument) for model in ("x", "baseline") for instrument in "abcde"]
    rows = pd.DataFrame(names, columns=["model_id", "instrument_id"])
    return rows.assign(
        as_of_date=pd.Timestamp(SESSIONS[99]), forecast_rank=[0, 0.25, 0.5, 0.75, 1] * 2, model_version_id="v"
    )


def test_only_days_whose_labels_were_known_at_the_close_are_looked_at(track):
    known = _known(track, SESSIONS, SESSIONS[99])
    # The label of session 77 ends 22 sessions later, at session 99's close.
    assert known["as_of_date"].max().date() == SESSIONS[77]
    assert _known(track, SESSIONS, SESSIONS[21]).empty
    assert _known(track, SESSIONS, dt.date(2024, 1, 1)).empty


def test_what_came_later_changes_no_signal(track, made):
    later = track["as_of_date"] > pd.Timestamp(SESSIONS[77])
    changed = track.assign(rank_ic=track["rank_ic"].mask(later, -1.0))
    before, after = (_signals_of(made, REGISTRY, _known(rows, SESSIONS, SESSIONS[99])) for rows in (track, changed))
    pd.testing.assert_frame_equal(before, after)
    # The mean of the days 0 to 77.
    assert before["expected_return_22d"].tolist() == pytest.approx([38.5] * 15)


def test_each_forecaster_and_the_ensemble_have_a_row_per_member(track, made):
    found = _signals_of(made, REGISTRY, _known(track, SESSIONS, SESSIONS[99]))
    assert found.groupby("model_id").size().to_dict() == {"baseline": 5, ENSEMBLE: 5, "x": 5}
    assert found[found["model_id"] == ENSEMBLE]["reasons"].iloc[0] == ["x: strong buy, place 1"]


def test_without_a_weight_there_is_no_ensemble(track, made):
    found = _signals_of(made[made["model_id"] == "baseline"], REGISTRY, track.iloc[:0])
    assert set(found["model_id"]) == {"baseline"}


def test_reasons_stand_beside_the_signals_they_belong_to(track, made):
    found = _signals_of(made, REGISTRY, _known(track, SESSIONS, SESSIONS[99]))
    explained = made[["model_id", "as_of_date", "instrument_id"]].iloc[[4]].reset_index(drop=True)
    lists = {"reason_features": [["f"]], "reason_sizes": [[0.5]], "reasons": [["f raises it"]]}
    rows = _as_arrow(found, explained.join(pd.DataFrame(lists, dtype=object))).to_pylist()
    by_key = {(row["model_id"], row["instrument_id"]): row for row in rows}
    assert by_key["x", "e"]["reasons"] == ["f raises it"]
    assert (by_key["x", "e"]["reason_features"], by_key["x", "e"]["reason_sizes"]) == (["f"], [0.5])
    assert by_key["x", "a"]["reasons"] == []
    assert by_key[ENSEMBLE, "e"]["reasons"] == ["x: strong buy, place 1"]
    assert by_key[ENSEMBLE, "e"]["model_version_id"] is None


REGISTRY_WITH_ONE_GIVEN_UP = """
models:
  - {id: x, type: momentum_12_1, features: technical}
  - {id: idle, type: linear, features: technical, enabled: false}
"""


def test_forecasters_that_are_off_or_gone_have_no_say(database, tmp_path: Path):
    models_file = tmp_path / "models.yaml"
    models_file.write_text(REGISTRY_WITH_ONE_GIVEN_UP)
    day = current_installation().sessions()[-1]
    with psycopg.connect(database.owner_url, autocommit=True) as connection:
        connection.execute(
            "create table marts.dim_instruments (instrument_id text, ticker text, name text, sector text)"
        )
        connection.execute("grant select on marts.dim_instruments to factorloom_writer")
        for model, ranks in {"x": (0.0, 0.5, 1.0), "idle": (1.0, 0.5, 0.0), "uninstalled": (1.0, 0.5, 0.0)}.items():
            for instrument, rank in zip("abc", ranks, strict=True):
                connection.execute(
                    "insert into research.forecasts (model_id, instrument_id, as_of_date, model_version_id, forecast,"
                    " forecast_rank) values (%s, %s, %s, 'v', 0, %s)",
                    [model, instrument, day, rank],
                )
        run = dg.materialize(
            [signals, every_forecast_has_a_signal], selection=[signals], partition_key=f"{day}",
            resources={
                "warehouse": WarehouseOfTest(address=database.url), "artifacts": Artifacts(),
                "market_data": market_data_with(models_file),
            },
        )  # fmt: skip
        found = connection.execute(
            "select model_id, instrument_id, rank from research.signals order by 1, 3"
        ).fetchall()
        best_to_worst = [("c", 1), ("b", 2), ("a", 3)]
        assert found == [(model, *place) for model in (ENSEMBLE, "x") for place in best_to_worst]
        assert [check.passed for check in run.get_asset_check_evaluations()] == [True]
