"""Failed runs are written into the log."""

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from orchestration.defs.platform.sensors import run_failures, run_recoveries
from orchestration.installation import Installation
from orchestration.resources import MarketData, Warehouse
from warehouse.clock import clock_of
from warehouse.queries.incidents import open_incident, resolve_incidents
from warehouse.secrets import LOCAL_OWNER_ID
from warehouse.settings import Settings

# Dagster reads the fields of its resources in a way that pydantic has deprecated.
pytestmark = [
    pytest.mark.filterwarnings("ignore:The `__fields__` attribute is deprecated"),
    pytest.mark.filterwarnings("ignore:Parameter `repository_def` of function `build_run_status_sensor_context`"),
]


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


@contextmanager
def failure_context(
    instance: dg.DagsterInstance, run: dg.DagsterRun, event: dg.DagsterEvent, database: Any
) -> Iterator[Any]:
    context = dg.build_run_status_sensor_context(
        sensor_name="run_failures",
        dagster_instance=instance,
        dagster_run=run,
        dagster_event=event,
        resources={"warehouse": WarehouseAt(address=database.url), "market_data": InstallationAt()},
    )
    with context.for_run_failure() as failed:
        yield failed


def test_a_failed_run_is_written_once_with_its_job_and_the_first_line_of_the_error(database: Any) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        result = broken.execute_in_process(instance=instance, raise_on_error=False)
        with failure_context(instance, result.dagster_run, result.get_run_failure_event(), database) as context:
            run_failures(context)
            run_failures(context)
        with database.connect() as connection:
            rows = connection.execute(
                "select type, user_id::text, subject, payload, dedup_key, correlation_id from app.events"
                " where type = 'run.failed'"
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
        with failure_context(instance, run, event, database) as context:
            run_failures(context)
        with database.connect() as connection:
            [(error, steps)] = connection.execute(
                "select payload ->> 'error', payload -> 'failed_steps' from app.events where type = 'run.failed'"
            )
        assert (error, steps) == ("the process of the run died", [])


def test_the_sensor_runs_from_the_first_start() -> None:
    assert run_failures.default_status == dg.DefaultSensorStatus.RUNNING
    assert run_failures.description


@dg.asset(key=["research", "rankings"], owners=["team:quant"])
def rankings(context: dg.AssetExecutionContext) -> None:
    if context.run.tags.get("breaks") == "yes":
        raise ValueError("no forecast")


class Runs:
    """Runs a table's asset, and ticks the sensors on how that ended."""

    def __init__(self, instance: dg.DagsterInstance, database: Any) -> None:
        self.instance, self.database = instance, database
        self.definitions = dg.Definitions(assets=[rankings])

    def run(self, *, breaks: bool) -> str:
        job = self.definitions.resolve_implicit_global_asset_job_def()
        tags = {"breaks": "yes" if breaks else "no"}
        result = job.execute_in_process(instance=self.instance, raise_on_error=False, tags=tags)
        event = result.get_run_failure_event() if breaks else result.get_run_success_event()
        context = dg.build_run_status_sensor_context(
            sensor_name="any",
            dagster_instance=self.instance,
            dagster_run=result.dagster_run,
            dagster_event=event,
            resources={"warehouse": WarehouseAt(address=self.database.url), "market_data": InstallationAt()},
            repository_def=self.definitions.get_repository_def(),
        )
        if breaks:
            for _ in range(2):
                with context.for_run_failure() as failed:
                    run_failures(failed)
            return ""
        with context as recovered:
            skip = run_recoveries(recovered)
        assert isinstance(skip, dg.SkipReason)
        return skip.skip_message or ""

    def events(self) -> list[tuple[str, str, str]]:
        with self.database.connect() as connection:
            return connection.execute(
                "select type, user_id::text, payload ->> 'message' from app.events where type like 'incident.%'"
                " order by event_id"
            ).fetchall()


def test_operators_hear_once_that_a_table_fails_and_once_that_it_works_again(database: Any) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        runs = Runs(instance, database)
        assert runs.run(breaks=False) == "nothing is known to fail"
        runs.run(breaks=True)
        runs.run(breaks=True)
        message = "research.rankings fails: ValueError: no forecast"
        assert runs.events() == [("incident.opened", LOCAL_OWNER_ID, message)]
        assert runs.run(breaks=False) == "works again: research.rankings"
        assert runs.run(breaks=False) == "nothing is known to fail"
        _, resolved = runs.events()
        assert resolved[0] == "incident.resolved"
        assert resolved[2] == "research.rankings works again, after 1 min and 2 failed runs."
        runs.run(breaks=True)
        assert len(runs.events()) == 3


def test_an_incident_names_the_owners_of_its_table_and_goes_to_every_operator(database: Any) -> None:
    second = "00000000-0000-7000-8000-000000000002"
    with database.connect() as connection:
        connection.execute(
            "insert into app.users (user_id, display_name, role) values (%s, 'B', 'admin'),"
            " (gen_random_uuid(), 'C', 'user')",
            [second],
        )
    with dg.DagsterInstance.ephemeral() as instance:
        runs = Runs(instance, database)
        runs.run(breaks=True)
        assert [user_id for _, user_id, _ in runs.events()] == [LOCAL_OWNER_ID, second]
    with database.connect() as connection:
        found = connection.execute("select subject, owners, n_failures from app.incidents").fetchall()
    assert found == [("research.rankings", ["team:quant"], 1)]


def test_a_run_that_began_before_the_failure_does_not_close_it(database: Any) -> None:
    now = dt.datetime(2026, 11, 20, 12, tzinfo=dt.UTC)
    with database.connect() as connection:
        open_incident(connection, "t", owners=[], error="e", job="j", run_id="r1", now=now)
        earlier = now - dt.timedelta(seconds=1)
        assert resolve_incidents(connection, ["t"], run_id="r2", started_at=earlier, now=now) == []
        assert resolve_incidents(connection, ["t"], run_id="r3", started_at=now, now=now) == ["t"]
