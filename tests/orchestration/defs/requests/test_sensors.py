"""From a row to a run and back, on real ticks and real runs; whatever is repeated, lost, late or cancelled."""

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast
from uuid import UUID

import dagster as dg
import msgspec
import psycopg
import pytest

from orchestration.calendars import HomeCalendar
from orchestration.defs.backtests.assets import BacktestConfig, backtests
from orchestration.defs.backtests.sweeps import sweeps
from orchestration.defs.models.tuning import parameter_choices
from orchestration.defs.requests.sensors import job_reconciliation, job_requests
from orchestration.installation import Installation
from orchestration.job_kinds import KINDS
from orchestration.job_runs import ATTEMPT_TAG, CORRELATION_TAG, JOB_TAG, JobHandle, write_back
from orchestration.resources import Artifacts, MarketData, Warehouse
from orchestration.sources.protocols import Source
from warehouse.queries.jobs import INSERT_JOB, new_job_row, request_job
from warehouse.records import jobs as records
from warehouse.records.jobs import Artifact, decode_parameters
from warehouse.secrets import LOCAL_OWNER_ID
from warehouse.settings import Settings

# Dagster reads the fields of its resources in a way that pydantic has deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:The `__fields__` attribute is deprecated")

NOW = dt.datetime(2024, 6, 27, 23, 30, tzinfo=dt.UTC)


class WarehouseAt(Warehouse):
    """The warehouse of a test."""

    address: str

    @property
    def url(self) -> str:
        return self.address

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        """Do nothing: there is no run to leave a mark on."""


class InstallationAt(MarketData):
    """An installation of a test, so many hours from its beginning."""

    hours: float = 0.0

    @property
    def installation(self) -> Installation:
        moment = NOW + dt.timedelta(hours=self.hours)
        return Installation(Settings(home=Path("nowhere")), lambda: moment, HomeCalendar("XNYS"), cast("Source", None))


class Daemon:
    """Ticks sensors as Dagster's daemon does, and makes the runs that they ask for, once per run key."""

    def __init__(self, url: str) -> None:
        self.instance = dg.DagsterInstance.ephemeral()
        self.warehouse = WarehouseAt(address=url)
        self.keys: dict[str, str] = {}

    def tick(self, sensor: dg.SensorDefinition, *, hours: float = 0.0) -> dg.SensorResult | Any:
        with dg.build_sensor_context(
            instance=self.instance,
            resources={"warehouse": self.warehouse, "market_data": InstallationAt(hours=hours)},
        ) as context:
            return sensor.evaluate_tick(context)

    def asked(self, *, hours: float = 0.0) -> list[dg.RunRequest]:
        return list(self.tick(job_requests, hours=hours).run_requests or [])

    def launch(self, request: dg.RunRequest, ending: str) -> dg.DagsterRun:
        """Make the run of a request, on a job of one step that ends as told; the same key makes no second one."""
        assert request.run_key not in self.keys
        run = self.execute(dict(request.tags), ending)
        self.keys[str(request.run_key)] = run.run_id
        return run

    def execute(self, tags: dict[str, str], ending: str) -> dg.DagsterRun:
        @dg.op
        def step(context: dg.OpExecutionContext) -> None:
            if ending == "raises":
                raise ValueError("the profile must have rankings; it has none\nat line 7")
            context.log_event(dg.AssetMaterialization(["research", "backtests"], metadata={"inserted": 3}))

        @dg.job
        def work() -> None:
            step()

        result = work.execute_in_process(instance=self.instance, tags=tags, raise_on_error=False)
        run = self.instance.get_run_by_id(result.run_id)
        assert run is not None
        return run

    def waiting_run(self, request: dg.RunRequest, status: dg.DagsterRunStatus) -> dg.DagsterRun:
        """Make a run that has not ended."""

        @dg.op
        def step() -> None:
            """Do nothing."""

        @dg.job
        def work() -> None:
            step()

        return self.instance.create_run_for_job(work, tags=dict(request.tags), status=status)


@pytest.fixture
def daemon(database: Any) -> Iterator[Daemon]:
    daemon = Daemon(database.url)
    yield daemon
    daemon.instance.dispose()


@pytest.fixture
def connection(database: Any) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database.url, autocommit=True) as connection:
        yield connection


def ask(connection: psycopg.Connection, kind: str = "backtest", body: bytes = b"{}") -> UUID:
    asked = decode_parameters(kind, body)
    return request_job(connection, kind, asked, user_id=LOCAL_OWNER_ID, now=NOW, correlation_id="request-7")


def row(connection: psycopg.Connection, job_id: UUID, columns: str) -> Any:
    found = connection.execute(f"select {columns} from app.jobs where job_id = %s", [job_id]).fetchone()
    assert found is not None
    return found if len(found) > 1 else found[0]


def n_ends(connection: psycopg.Connection) -> int:
    return connection.execute("select count(*) from app.events where type = 'job.completed'").fetchone()[0]  # type: ignore[index]


def test_every_kind_that_can_be_asked_for_can_be_run():
    assert set(KINDS) == set(records.KINDS)


def test_without_jobs_a_tick_does_nothing(daemon: Daemon):
    assert daemon.tick(job_requests).skip_message == "no job waits"
    assert daemon.tick(job_reconciliation).skip_message == "no job is under way"


def test_a_job_becomes_one_run_whose_result_is_written_back_once(daemon: Daemon, connection: psycopg.Connection):
    job_id = ask(connection, body=b'{"quantile": 0.2, "start": "2024-01-02", "profiles": ["aggressive"]}')
    [request] = daemon.asked()
    assert request.run_key == f"{job_id}:1"
    assert request.job_name == "default_backtests"
    config = request.run_config["ops"]["backtests"]["config"]
    assert (config["quantile"], config["first_date"], config["profiles"]) == (0.2, "2024-01-02", ["aggressive"])
    assert "last_date" not in config
    assert request.tags[CORRELATION_TAG] == "request-7"
    assert row(connection, job_id, "state") == "requested"
    # A tick that died before anything was kept is repeated, and asks for the same run.
    assert [again.run_key for again in daemon.asked()] == [request.run_key]

    run = daemon.launch(request, "succeeds")
    assert daemon.asked() == []
    assert row(connection, job_id, "state, run_id") == ("queued", run.run_id)
    for _ in range(3):
        daemon.tick(job_reconciliation)
        write_back(connection, daemon.instance, run, now=NOW)
    assert row(connection, job_id, "state, result") == (
        "succeeded",
        {"tables": {"research.backtests": {"inserted": 3}}},
    )
    assert n_ends(connection) == 1
    kept = connection.execute("select name, uri from app.job_artifacts").fetchall()
    assert kept == [("research.backtests", "table:research.backtests")]


def test_every_option_of_a_backtest_reaches_its_configuration(daemon: Daemon, connection: psycopg.Connection):
    options = {
        "fill": "open", "sector_neutral": True, "max_weight": 0.05, "target_volatility": 0.1, "max_turnover": 0.5,
        "spread_by_liquidity": True, "impact_coefficient": 1.0, "capital": 5e6, "cash_rate": 0.02,
        "delisting_return": -0.3,
    }  # fmt: skip
    ask(connection, body=msgspec.json.encode(options))
    [request] = daemon.asked()
    config = request.run_config["ops"][backtests.op.name]["config"]
    assert options.items() <= config.items()
    assert set(config) <= set(BacktestConfig.model_fields)
    dg.validate_run_config(job_of(backtests), run_config=request.run_config)


def test_a_sweep_runs_on_the_partition_of_its_profile(daemon: Daemon, connection: psycopg.Connection):
    ask(connection, "sweep", b'{"profile": "aggressive", "costs_bps": [0, 7.5], "end": "2024-06-28"}')
    [request] = daemon.asked()
    assert (request.job_name, request.tags["dagster/partition"]) == ("sweep", "aggressive")
    config = request.run_config["ops"][sweeps.op.name]["config"]
    assert (config["costs_bps"], config["last_date"], len(config["quantiles"])) == ([0, 7.5], "2024-06-28", 6)
    dg.validate_run_config(job_of(sweeps), run_config=request.run_config)


def test_a_choice_of_parameters_is_run_by_what_chooses_them(daemon: Daemon, connection: psycopg.Connection):
    ask(connection, "tune", b'{"model_id": "linear", "quarter": "2024-07-01", "grid": {"l2_penalty": [0.1, 1]}}')
    [request] = daemon.asked()
    assert request.job_name == "tune"
    config = request.run_config["ops"][parameter_choices.op.name]["config"]
    assert config == {
        "model_id": "linear", "quarter": "2024-07-01", "n_folds": 4, "grid": {"l2_penalty": [0.1, 1]},
    }  # fmt: skip
    dg.validate_run_config(job_of(parameter_choices), run_config=request.run_config)


def job_of(asset: dg.AssetsDefinition) -> dg.JobDefinition:
    """Return a job of one asset, against whose configuration a request can be held."""
    resources = {"warehouse": WarehouseAt(address="nowhere"), "market_data": InstallationAt(), "artifacts": Artifacts()}
    job = dg.define_asset_job("checked", selection=[asset])
    return dg.Definitions(assets=[asset], jobs=[job], resources=resources).resolve_job_def("checked")


def test_a_run_that_ends_before_the_row_knows_of_it_is_written_back_all_the_same(
    daemon: Daemon, connection: psycopg.Connection
):
    job_id = ask(connection)
    [request] = daemon.asked()
    run = daemon.launch(request, "succeeds")
    assert write_back(connection, daemon.instance, run, now=NOW) == 1
    assert row(connection, job_id, "state, run_id") == ("succeeded", run.run_id)


def test_a_step_that_fails_ends_the_job_with_its_first_line(daemon: Daemon, connection: psycopg.Connection):
    job_id = ask(connection)
    [request] = daemon.asked()
    daemon.launch(request, "raises")
    daemon.asked()
    daemon.tick(job_reconciliation)
    assert row(connection, job_id, "state, attempt, error") == (
        "failed", 1, "ValueError: the profile must have rankings; it has none",
    )  # fmt: skip
    assert daemon.asked() == []


def test_a_lost_run_is_asked_for_again_under_another_key_and_counts_once(
    daemon: Daemon, connection: psycopg.Connection
):
    job_id = ask(connection)
    [request] = daemon.asked()
    lost = daemon.waiting_run(request, dg.DagsterRunStatus.STARTED)
    daemon.asked()
    daemon.tick(job_reconciliation)
    assert row(connection, job_id, "state, attempt") == ("running", 1)
    daemon.instance.report_run_failed(lost, "its process has ended")
    daemon.tick(job_reconciliation)
    assert row(connection, job_id, "state, attempt, run_id") == ("requested", 2, None)

    [again] = daemon.asked()
    assert (again.run_key, again.tags[ATTEMPT_TAG]) == (f"{job_id}:2", "2")
    daemon.launch(again, "succeeds")
    daemon.asked()
    # The first run's end comes late, and again.
    write_back(connection, daemon.instance, lost, now=NOW)
    daemon.tick(job_reconciliation)
    assert row(connection, job_id, "state, attempt") == ("succeeded", 2)
    assert n_ends(connection) == 1


def test_a_run_that_dagster_has_forgotten_is_asked_for_again(daemon: Daemon, connection: psycopg.Connection):
    job_id = ask(connection)
    [request] = daemon.asked()
    run = daemon.waiting_run(request, dg.DagsterRunStatus.STARTING)
    daemon.asked()
    daemon.instance.delete_run(run.run_id)
    daemon.tick(job_reconciliation)
    assert row(connection, job_id, "state, attempt") == ("requested", 2)


def test_a_run_that_was_made_but_never_sent_off_is_still_asked_for(daemon: Daemon, connection: psycopg.Connection):
    job_id = ask(connection)
    [request] = daemon.asked()
    daemon.waiting_run(request, dg.DagsterRunStatus.NOT_STARTED)
    assert [again.run_key for again in daemon.asked()] == [f"{job_id}:1"]


def test_two_of_one_user_run_at_once_and_the_third_waits(daemon: Daemon, connection: psycopg.Connection):
    jobs = {str(ask(connection, body=b'{"quantile": 0.%d}' % n)) for n in (1, 2, 3)}
    requests = daemon.asked()
    first = {request.tags[JOB_TAG] for request in requests}
    assert len(first) == 2
    assert first < jobs
    for request in requests:
        daemon.launch(request, "succeeds")
    daemon.asked()
    daemon.tick(job_reconciliation)
    assert {request.tags[JOB_TAG] for request in daemon.asked()} == jobs - first


def test_those_who_ask_for_the_same_refresh_share_one_run(daemon: Daemon, connection: psycopg.Connection):
    mine, theirs = (ask(connection, "refresh", b'{"part": "quotes"}') for _ in range(2))
    [request] = daemon.asked()
    assert request.job_name == "intraday"
    run = daemon.waiting_run(request, dg.DagsterRunStatus.STARTING)
    daemon.asked()
    assert daemon.asked() == []
    assert {row(connection, job_id, "run_id") for job_id in (mine, theirs)} == {run.run_id}
    # One of them does not want it any more; the run goes on for the other.
    connection.execute("update app.jobs set cancel_requested_at = now() where job_id = %s", [mine])
    daemon.tick(job_reconciliation)
    assert [row(connection, job_id, "state") for job_id in (mine, theirs)] == ["cancelled", "queued"]


def test_a_cancelled_run_ends_the_job_as_cancelled(daemon: Daemon, connection: psycopg.Connection):
    job_id = ask(connection)
    [request] = daemon.asked()
    run = daemon.waiting_run(request, dg.DagsterRunStatus.STARTING)
    daemon.asked()
    daemon.instance.report_run_canceled(run)
    daemon.tick(job_reconciliation)
    assert row(connection, job_id, "state") == "cancelled"
    assert daemon.asked() == []


def test_a_job_that_cannot_be_run_fails_with_the_reason(daemon: Daemon, connection: psycopg.Connection):
    asked = decode_parameters("backtest", b"{}")
    known = new_job_row("backtest", asked, user_id=LOCAL_OWNER_ID, now=NOW, correlation_id=None)
    connection.execute(INSERT_JOB, {**known, "kind": "forgotten"})
    assert daemon.asked() == []
    assert row(connection, known["job_id"], "state, error") == (
        "failed", "forgotten: nobody here knows how to run this kind. Ask for something else.",
    )  # fmt: skip


def test_a_day_later_what_nobody_took_up_has_expired(daemon: Daemon, connection: psycopg.Connection):
    job_id = ask(connection)
    assert daemon.asked(hours=25) == []
    assert row(connection, job_id, "state") == "expired"


def test_a_step_may_say_itself_what_came_of_the_job(daemon: Daemon, connection: psycopg.Connection):
    job_id = ask(connection)
    [request] = daemon.asked()
    run = daemon.waiting_run(request, dg.DagsterRunStatus.STARTED)
    handle = JobHandle(daemon.warehouse, InstallationAt().installation, run)
    assert handle.begin()
    handle.show_life(0.5)
    assert row(connection, job_id, "state, progress") == ("running", 0.5)
    assert handle.succeed({"sharpe": 1.25}, [Artifact("backtest/balanced", "/v1/backtests/b1")])
    assert not handle.succeed({"sharpe": 9.0})
    daemon.instance.report_run_failed(run, "its process has ended after the result was written")
    daemon.tick(job_reconciliation)
    assert row(connection, job_id, "state, result") == ("succeeded", {"sharpe": 1.25})


def test_a_step_whose_job_was_cancelled_has_nothing_to_do(daemon: Daemon, connection: psycopg.Connection):
    job_id = ask(connection)
    [request] = daemon.asked()
    run = daemon.waiting_run(request, dg.DagsterRunStatus.STARTED)
    connection.execute("update app.jobs set state = 'cancelled', finished_at = now() where job_id = %s", [job_id])
    assert not JobHandle(daemon.warehouse, InstallationAt().installation, run).begin()
    assert row(connection, job_id, "state") == "cancelled"
