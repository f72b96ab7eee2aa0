"""The ensemble among the judged: from forecasts in the tables to its figures, and what a change of weights does."""

import dagster as dg
import numpy as np
import pandas as pd
import psycopg
import pytest

from models.ensemble import ENSEMBLE
from orchestration.defs.models.evaluation import evaluation_days
from orchestration.defs.models.skill import evaluations, trials
from orchestration.installation import current_installation
from orchestration.resources import as_arrow
from tests.orchestration.defs.conftest import WarehouseOfTest, market_data_with
from warehouse.merge import merge

N_SESSIONS, LABEL = 150, 22
NAMES = [f"i{number:02d}" for number in range(20)]
TABLES = """
create table marts.fct_daily_prices (
    instrument_id text, trade_date date, close_adj double precision, is_suspect boolean, price_segment integer
);
create table marts.dim_instruments (instrument_id text, ticker text, name text, sector text);
insert into marts.dim_instruments select 'i' || lpad(n::text, 2, '0'), 't', 'n', 's' from generate_series(0, 19) as n;
create table factors.fct_factor_values (
    instrument_id text, as_of_date date, beta_252d double precision, dollar_volume_21d double precision
);
create table factors.fct_factor_exposures (
    instrument_id text, as_of_date date, log_market_cap_z double precision, book_to_price_z double precision,
    momentum_252d_21d_z double precision
);
grant select on all tables in schema marts, factors to factorloom_writer
"""
MODELS = """
models:
  - {{id: x, type: linear, features: technical, weight: 2.0}}
  - {{id: y, type: linear, features: technical, weight: {weight}}}
"""


@pytest.fixture
def sessions() -> list:
    return current_installation().sessions()[:N_SESSIONS]


@pytest.fixture
def warehouse(database, sessions) -> WarehouseOfTest:
    """Twenty random walks, and forecasts of them by x, by y, which says something else, and by the baseline."""
    rng = np.random.default_rng(4)
    with psycopg.connect(database.owner_url) as connection:
        connection.execute(TABLES)
        with connection.cursor().copy("copy marts.fct_daily_prices from stdin") as copy:
            for name, walk in zip(NAMES, np.exp(np.cumsum(rng.normal(0, 0.02, (20, N_SESSIONS)), axis=1)), strict=True):
                for day, close in zip(sessions, walk, strict=True):
                    copy.write_row((name, day, float(close), False, 0))
    warehouse = WarehouseOfTest(address=database.url)
    keys = pd.MultiIndex.from_product(
        [["momentum_12_1", "x", "y"], pd.to_datetime(sessions), NAMES],
        names=["model_id", "as_of_date", "instrument_id"],
    )
    made = keys.to_frame(index=False).assign(model_version_id="v", forecast=rng.normal(size=len(keys)))
    made["forecast_rank"] = made.groupby(["model_id", "as_of_date"])["forecast"].rank(pct=True)
    with warehouse.transaction() as connection:
        merge(connection, "research.forecasts", as_arrow(made))
    return warehouse


def run(warehouse: WarehouseOfTest, tmp_path, weight: float, day) -> None:
    models_file = tmp_path / "models.yaml"
    models_file.write_text(MODELS.format(weight=weight))
    assets = [evaluation_days, trials, evaluations]
    resources = {"warehouse": warehouse, "market_data": market_data_with(models_file)}
    assert dg.materialize(assets, partition_key=f"{day}", resources=resources).success


def rows_of(warehouse: WarehouseOfTest, columns: str, table: str) -> list[dict]:
    where = f"where model_id = '{ENSEMBLE}'"
    return warehouse.read(f"select {columns} from research.{table} {where} order by 1").to_pylist()


def test_the_ensemble_is_judged_by_its_own_weights_on_all_days(warehouse, sessions, tmp_path):
    # All days at once, as none has been judged by these weights, and day by day after that.
    run(warehouse, tmp_path, 1.0, sessions[-2])
    first = rows_of(warehouse, "as_of_date, rank_ic, configuration", "evaluation_days")
    run(warehouse, tmp_path, 1.0, sessions[-1])
    found = rows_of(warehouse, "as_of_date, rank_ic, configuration", "evaluation_days")
    assert found[:-1] == first
    assert len({row["configuration"] for row in found}) == 1
    assert len(found) == N_SESSIONS - LABEL
    run(warehouse, tmp_path, 4.0, sessions[-1])
    changed = rows_of(warehouse, "as_of_date, rank_ic, configuration", "evaluation_days")
    assert len(changed) == N_SESSIONS - LABEL
    by_day = {row["as_of_date"]: row["rank_ic"] for row in changed}
    assert all(by_day[row["as_of_date"]] != row["rank_ic"] for row in found)
    assert {row["configuration"] for row in changed}.isdisjoint({row["configuration"] for row in found})
    assert len(rows_of(warehouse, "parameters", "trials")) == 2


def test_days_that_were_judged_before_tenths_had_a_turnover_are_judged_again(warehouse, sessions, database, tmp_path):
    run(warehouse, tmp_path, 1.0, sessions[-2])
    first = rows_of(warehouse, "as_of_date, decile_turnovers", "evaluation_days")
    assert {len(row["decile_turnovers"]) for row in first} == {10}
    assert first[LABEL - 1]["decile_turnovers"] == [None] * 10
    assert None not in first[LABEL]["decile_turnovers"]
    with psycopg.connect(database.owner_url) as connection:
        connection.execute("update research.evaluation_days set decile_turnovers = '{}'")
    run(warehouse, tmp_path, 1.0, sessions[-1])
    found = rows_of(warehouse, "as_of_date, decile_turnovers", "evaluation_days")
    assert found[:-1] == first
    net = rows_of(warehouse, "metric, value", "evaluations")
    assert sum(row["metric"].endswith("_return_net_mean") and row["metric"].startswith("decile") for row in net) == 10


def test_an_ensemble_that_is_given_up_leaves_no_day_and_no_figure(warehouse, sessions, tmp_path):
    run(warehouse, tmp_path, 1.0, sessions[-1])
    for table in ("evaluations", "evaluations_by_retraining"):
        assert len(rows_of(warehouse, "metric", table)) > 30
    run(warehouse, tmp_path, 0.0, sessions[-1])
    for table in ("evaluation_days", "evaluations", "evaluations_by_retraining"):
        assert rows_of(warehouse, "model_id", table) == []
    others = warehouse.read("select distinct model_id from research.evaluations order by 1").to_pylist()
    assert [row["model_id"] for row in others] == ["momentum_12_1", "x", "y"]
