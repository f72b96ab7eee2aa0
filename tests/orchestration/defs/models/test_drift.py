"""What drift is found, whom it tells, and the version that it asks for."""

import datetime as dt
from types import SimpleNamespace

import dagster as dg
import pandas as pd
import pytest

from models.registry import ModelEntry, Registry
from orchestration.defs.models.assets import _with_retrainings
from orchestration.defs.models.drift import tell
from orchestration.defs.models.sensors import drift_retraining
from orchestration.drifting import Finding, findings, quarter_starts, spread_out
from orchestration.partitions import folds_of
from tests.orchestration.defs.conftest import WarehouseOfTest, market_data_of
from warehouse.queries import research as queries

NAN = float("nan")
QUARTER = dt.date(2024, 4, 1)
SOURCE = SimpleNamespace(name="fake", first_session=dt.date(2019, 1, 2), last_session=None)
FINDING = Finding("technical", "v1", QUARTER, dt.date(2024, 5, 17), ("the forecasts have an index of 0.30",))


def rows(n_drifted: int, *, forecast: float = 0.0, t: float = NAN) -> pd.DataFrame:
    """A window of 26 features, some of which have drifted."""
    listed = [("feature", f"f{n:02d}", 0.5 - n / 1000, n < n_drifted, NAN) for n in range(26)]
    listed += [("factor", "beta_252d", 9.0, True, NAN), ("forecast", "forecast", forecast, forecast >= 0.25, NAN)]
    listed += [("skill", "rank_ic", NAN, t <= -2, t)]
    frame = pd.DataFrame(listed, columns=["kind", "subject", "population_stability_index", "is_drifted", "t"])
    return frame.assign(
        model_id="technical", model_version_id="v1", valid_from_date=QUARTER, last_date=dt.date(2024, 5, 17),
        expected_value=0.04, live_value=-0.03,
    )  # fmt: skip


def test_a_factor_that_moves_with_the_market_is_no_drift_of_a_forecaster():
    assert findings(rows(2)) == []


def test_features_forecasts_and_skill_each_count_as_drift():
    (found,) = findings(rows(3, forecast=0.31, t=-2.5))
    assert [reason.split(",")[0] for reason in found.reasons] == [
        "3 of 26 features have an index of 0.25 or more",
        "the forecasts have an index of 0.31",
        "the rank IC is -0.030 where +0.040 was expected",
    ]
    assert (found.model_id, found.valid_from_date) == ("technical", QUARTER)


def test_quarters_are_counted_back_across_a_year():
    assert quarter_starts(dt.date(2024, 2, 9), 3) == [dt.date(2023, 7, 1), dt.date(2023, 10, 1), dt.date(2024, 1, 1)]


def test_days_are_spread_out_from_the_first_to_the_last():
    days = [dt.date(2024, 1, 1) + dt.timedelta(days=n) for n in range(10)]
    assert spread_out(days, 4) == [days[0], days[3], days[6], days[9]]
    assert spread_out(days[:2], 4) == days[:2]


@pytest.fixture
def warehouse(database) -> WarehouseOfTest:
    return WarehouseOfTest(address=database.url)


def asked(warehouse) -> list[tuple[str, dt.date]]:
    with warehouse.connection() as connection:
        return connection.execute("select model_id, valid_from_date from research.retraining_requests").fetchall()


def test_drift_is_told_once_and_asks_for_one_version_a_quarter(warehouse):
    installation = market_data_of(SOURCE, now="2024-05-17T23:30:00+00:00").installation
    later = FINDING._replace(last_date=dt.date(2024, 5, 20))
    for found in (FINDING, FINDING, later):
        tell(warehouse, installation, [found])
    with warehouse.connection() as connection:
        events = connection.execute("select type, subject, payload from app.events").fetchall()
    assert [(kind, subject) for kind, subject, _ in events] == [("model.drift_detected", "technical")]
    assert events[0][2]["reasons"] == list(FINDING.reasons)
    # Friday's drift makes a version that begins on Monday.
    assert asked(warehouse) == [("technical", dt.date(2024, 5, 20))]


def test_a_quarter_that_is_over_and_a_source_that_has_ended_ask_for_nothing(warehouse):
    now = "2024-07-15T23:30:00+00:00"
    tell(warehouse, market_data_of(SOURCE, now=now).installation, [FINDING])
    ended = SimpleNamespace(**{**vars(SOURCE), "last_session": dt.date(2024, 5, 17)})
    tell(warehouse, market_data_of(ended, now=now).installation, [FINDING])
    last_of_quarter = FINDING._replace(last_date=dt.date(2024, 6, 28))
    tell(warehouse, market_data_of(SOURCE, now="2024-06-28T23:30:00+00:00").installation, [last_of_quarter])
    assert asked(warehouse) == []


def test_the_version_asked_for_is_trained_beside_the_quarterly_one_and_takes_over(warehouse):
    market_data = market_data_of(SOURCE, now="2024-05-17T23:30:00+00:00")
    installation = market_data.installation
    tell(warehouse, installation, [FINDING])
    folds = [f for f in folds_of(installation.calendar.sessions(SOURCE.first_session, dt.date(2024, 4, 15)))][-1:]
    registry = Registry(
        entries=tuple(ModelEntry(id=name, type="linear", features="technical") for name in ("technical", "other"))
    )
    by_model = _with_retrainings(warehouse, installation, registry, folds)
    assert [fold.valid_from_date for fold in by_model["other"]] == [QUARTER]
    quarterly, asked_for = by_model["technical"]
    assert (quarterly.valid_from_date, asked_for.valid_from_date) == (QUARTER, dt.date(2024, 5, 20))
    assert asked_for.valid_to_date == quarterly.valid_to_date == dt.date(2024, 6, 30)
    assert quarterly.train_last_date < asked_for.train_last_date
    assert asked_for.last_label_date < asked_for.valid_from_date

    for fold in by_model["technical"]:
        write_version(warehouse, fold)
    spans = warehouse.read(queries.VERSIONS_BETWEEN, [QUARTER, dt.date(2024, 6, 28)]).to_pylist()
    assert [(row["valid_from_date"], row["valid_to_date"]) for row in spans] == [
        (QUARTER, dt.date(2024, 5, 19)),
        (dt.date(2024, 5, 20), dt.date(2024, 6, 30)),
    ]


def test_the_sensor_asks_for_a_run_until_the_version_is_there(warehouse):
    market_data = market_data_of(SOURCE, now="2024-05-17T23:30:00+00:00")

    def tick():
        with dg.build_sensor_context(resources={"warehouse": warehouse, "market_data": market_data}) as context:
            return drift_retraining(context)

    assert isinstance(tick(), dg.SkipReason)
    tell(warehouse, market_data.installation, [FINDING])
    (request,) = tick().run_requests
    assert (request.partition_key, request.run_key) == ("2024-04-01", "retraining:technical:2024-05-20")
    write_version(warehouse, SimpleNamespace(valid_from_date=dt.date(2024, 5, 20), valid_to_date=dt.date(2024, 6, 30)))
    assert isinstance(tick(), dg.SkipReason)


def write_version(warehouse, fold) -> None:
    row = {
        "model_version_id": str(fold.valid_from_date), "model_id": "technical", "train_first_date": dt.date(2020, 1, 2),
        "train_last_date": dt.date(2024, 1, 2), "valid_from_date": fold.valid_from_date,
        "valid_to_date": fold.valid_to_date, "n_rows": 1, "n_instruments": 1, "features": ["x"], "features_hash": "h",
        "data_digest": "d", "parameters": "{}", "seed": 0, "code_version": "c", "library_versions": "{}",
        "metrics": "{}", "artifact_uri": "a",
    }  # fmt: skip
    warehouse.merge("research.model_versions", pd.DataFrame([row]))
