"""A forecaster of another package: installed, named in a models.yaml, and no line of ours changed."""

from collections.abc import Callable
from pathlib import Path

import pytest
from dagster import EventLogEntry
from dagster._serdes import deserialize_value

from tests.pipeline.conftest import ROOT, Installation
from tests.third_party import install

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("pipeline")]

MODELS = """
ranking: contrarian
models:
  - {id: momentum_12_1, type: momentum_12_1, features: momentum_12_1, weight: 0.25}
  - {id: contrarian, type: contrarian, features: momentum_12_1}
"""
LINKED = """
select v.model_id, count(*)
from research.rankings as r inner join research.model_versions as v using (model_version_id)
group by v.model_id
"""
AGAINST = """
select corr(a.forecast_rank, b.forecast_rank)
from research.forecasts as a
inner join research.forecasts as b using (as_of_date, instrument_id)
where a.model_id = 'contrarian' and b.model_id = 'momentum_12_1'
"""

FIGURES = "select model_id, avg(value)"
# What the Dagster UI shows of the newest evaluation.
SHOWN = """
select event from event_logs
where asset_key = '["research", "evaluations"]' and dagster_event_type = 'ASSET_MATERIALIZATION'
order by id desc limit 1
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder with a package of another party, and a list of models that names it."""
    install(tmp_path, contrarian="Contrarian")
    (tmp_path / "models.yaml").write_text(MODELS)
    return tmp_path


def test_it_trains_forecasts_ranks_and_is_judged(site: Path, new_installation: Callable[..., Installation]) -> None:
    installation = new_installation(
        "third_party", FACTORLOOM_MODELS_FILE=str(site / "models.yaml"), PYTHONPATH=f"{site}:{ROOT}"
    )
    printed = installation.refresh()
    assert "contrarian" in printed
    [(model_id, n_ranked)] = installation.read(LINKED)
    assert model_id == "contrarian"
    assert n_ranked > 1000
    [(against,)] = installation.read(AGAINST)
    assert against == pytest.approx(-1, abs=0.01)
    judged = installation.read("select distinct model_id from research.evaluation_days order by 1")
    assert judged == [("contrarian",), ("ensemble",), ("momentum_12_1",)]
    # The ensemble follows the heavier of the two, which says the opposite of the other, but where places are level.
    for table in ("evaluations", "evaluations_by_retraining"):
        found = installation.read(f"{FIGURES} from research.{table} where metric = 'rank_ic_mean' group by model_id")
        skill = dict(found)
        assert skill["ensemble"] == pytest.approx(skill["contrarian"], abs=1e-3)
        assert skill["ensemble"] == pytest.approx(-skill["momentum_12_1"], abs=0.01)
    [(n_trials,)] = installation.read("select count(*) from research.trials where model_id = 'ensemble'")
    assert n_trials == 1
    [(event,)] = installation.read(SHOWN, "dagster")
    assert {"contrarian_against_the_baseline", "contrarian_rank_ic_mean", "deciles_of_contrarian"} <= shown_by(event)


def shown_by(event: str) -> set[str]:
    """Return the labels of the metadata of a materialization."""
    entries = deserialize_value(event, EventLogEntry).asset_materialization.metadata
    return set(entries)
