"""Failed runs are written into the log."""

from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from orchestration.defs.platform.sensors import run_failures
from orchestration.installation import Installation
from orchestration.resources import MarketData, Warehouse
from warehouse.clock import clock_of
from warehouse.secrets import LOCAL_OWNER_ID
from warehouse.settings import Settings

# Dagster reads the fields of its resources in a way that pydantic has deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:The `__fields__` attribute is deprecated")


class WarehouseAt(Warehouse):
    """The warehouse of a test."""

    address: str

    @property
    def url(self) -> str:
        return self.address

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        """Do nothing: there is no run to leave a mark on."""


class InstallationAt(MarketData):
    """An installation that knows the time and nothing else."""

    @property
    def installation(self) -> Installation:
        settings = Settings(home=Path("nowhere"))
        return Installation(settings, clock_of(settings), None, None)  # type: ignore[arg-type]


@dg.op
def breaks() -> None:
    try:
        {}["key"]
    except KeyError as exc:
        raise ValueError("the third record has no price\nmore lines") from exc


@dg.job
def broken() -> None:
    breaks()


def failure_context(instance: dg.DagsterInstance, run: dg.DagsterRun, event: dg.DagsterEvent, database: Any) -> Any:
    return dg.build_run_status_sensor_context(
        sensor_name="run_failures",
        dagster_instance=instance,
        dagster_run=run,
        dagster_event=event,
        resources={"warehouse": WarehouseAt(address=database.url), "market_data": InstallationAt()},
    ).for_run_failure()


def test_a_failed_run_is_written_once_with_its_job_and_the_first_line_of_the_error(database: Any) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        result = broken.execute_in_process(instance=instance, raise_on_error=False)
        context = failure_context(instance, result.dagster_run, result.get_run_failure_event(), database)
        run_failures(context)
        run_failures(context)
        with database.connect() as connection:
            rows = connection.execute(
                "select type, user_id::text, subject, payload, dedup_key, correlation_id from app.events"
            ).fetchall()
        run_id = context.dagster_run.run_id
        payload = {
            "run_id": run_id,
            "job": "broken",
            "error": "ValueError: the third record has no price",
            "failed_steps": ["breaks"],
        }
        assert rows == [("run.failed", LOCAL_OWNER_ID, "broken", payload, f"run.failed:{run_id}", run_id)]


def test_a_run_whose_process_died_is_written_with_what_was_found_out(database: Any) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        run = instance.create_run_for_job(broken)
        event = instance.report_run_failed(run, "the process of the run died\nit was 4711")
        run_failures(failure_context(instance, run, event, database))
        with database.connect() as connection:
            [(error, steps)] = connection.execute(
                "select payload ->> 'error', payload -> 'failed_steps' from app.events"
            )
        assert (error, steps) == ("the process of the run died", [])


def test_the_sensor_runs_from_the_first_start() -> None:
    assert run_failures.default_status == dg.DefaultSensorStatus.RUNNING
    assert run_failures.description
