"""`factorloom up` on a small market: the real daemon, code server and webserver, looked at as the browser does."""

import json
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.orchestration.conftest import Receiver, running_receiver
from tests.pipeline.conftest import ROOT, Installation

# The source of the refresh has defects that the same source, asked again, has corrected: a restatement. By then it is
# the middle of the session after the next, so there are quotes as well.
WITH_DEFECTS = {"FACTORLOOM_SIMULATED_DEFECT_RATE": "0.02", "FACTORLOOM_NOW": "2024-06-26T23:30:00Z"}
CORRECTED = {"FACTORLOOM_SIMULATED_DEFECT_RATE": "0", "FACTORLOOM_NOW": "2024-06-28T15:01:00Z"}
SMALL = {"FACTORLOOM_SIMULATED_INSTRUMENTS": "30"}
PATIENCE_SECONDS = 900

# A schedule that had been running when the machine was switched off a week ago: its missed ticks are made up for.
SWITCH_ON_A_WEEK_AGO = """
import time
from factorloom.environment import apply_environment
from warehouse.settings import read_settings

settings = read_settings()
apply_environment(settings)

from dagster import DagsterInstance
from dagster._core.remote_origin import (
    GrpcServerCodeLocationOrigin, RemoteInstigatorOrigin, RemoteRepositoryOrigin
)
from dagster._core.scheduler.instigation import (
    InstigatorState, InstigatorStatus, InstigatorType, ScheduleInstigatorData, SensorInstigatorData
)
from orchestration.defs.market_data.schedules import daily_fundamentals, end_of_day
from orchestration.defs.rankings.intraday import each_minute

location = GrpcServerCodeLocationOrigin("127.0.0.1", port=settings.code_server_port, location_name="factorloom")
repository = RemoteRepositoryOrigin(location, "__repository__")
with DagsterInstance.get() as instance:
    for schedule in (daily_fundamentals, end_of_day):
        data = ScheduleInstigatorData(schedule.cron_schedule, time.time() - 8 * 86_400)
        origin = RemoteInstigatorOrigin(repository, schedule.name)
        state = InstigatorState(origin, InstigatorType.SCHEDULE, InstigatorStatus.DECLARED_IN_CODE, data)
        instance.add_instigator_state(state)
    # It ticks on the weekdays of the machine: a test takes quotes when it wants them.
    origin = RemoteInstigatorOrigin(repository, each_minute.name)
    data = ScheduleInstigatorData(each_minute.cron_schedule)
    instance.add_instigator_state(InstigatorState(origin, InstigatorType.SCHEDULE, InstigatorStatus.STOPPED, data))
    # Of thirty companies every quarter looks unlike the last: versions that nobody here waits for would be trained.
    origin = RemoteInstigatorOrigin(repository, "drift_retraining")
    instance.add_instigator_state(
        InstigatorState(origin, InstigatorType.SENSOR, InstigatorStatus.STOPPED, SensorInstigatorData())
    )
"""


class Up(NamedTuple):
    """A running installation."""

    installation: Installation
    ui_port: int
    receiver: Receiver
    other_receiver: Receiver

    def ask(self, query: str, **variables: object) -> dict[str, Any]:
        """Return the answer of the webserver's GraphQL."""
        body = json.dumps({"query": query, "variables": variables}).encode()
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(f"http://127.0.0.1:{self.ui_port}/graphql", data=body, headers=headers)
        with urllib.request.urlopen(request, timeout=120) as response:
            answer = json.load(response)
        assert "errors" not in answer, answer["errors"]
        return answer["data"]

    def wait_for(self, what: str, look: Callable[[], Any]) -> Any:
        """Look until there is something to see; the test fails with what the daemon said when there never is."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            if found := look():
                return found
            time.sleep(1)
        pytest.fail(f"never saw {what}\n{self.log_of('daemon')}")

    def log_of(self, service: str) -> str:
        """Return the end of what a service has printed."""
        return (self.installation.home / "logs" / f"{service}.log").read_text()[-6000:]

    def runs_of(self, job: str) -> list[dict[str, Any]]:
        """Return id, status, tags and tables of the runs of a job, oldest first."""
        query = """query($filter: RunsFilter!) { runsOrError(filter: $filter) { ... on Runs { results {
            runId status tags { key value } assetSelection { path } } } } }"""
        found = self.ask(query, filter={"pipelineName": job})["runsOrError"]["results"]
        for run in found:
            run["tags"] = {tag["key"]: tag["value"] for tag in run["tags"]}
        return found[::-1]

    def ended_run_of(self, job: str, number: int, status: str = "SUCCESS") -> dict[str, Any]:
        """Wait for the end of a job's run with this number, 0 the first, and return it."""

        def look() -> dict[str, Any] | None:
            runs = self.runs_of(job)
            ended = len(runs) > number and runs[number]["status"] in ("SUCCESS", "FAILURE", "CANCELED")
            return runs[number] if ended else None

        run = self.wait_for(f"the end of run {number} of {job}", look)
        assert run["status"] == status, f"{run}\n{self.log_of('code-server')}"
        return run

    def newest(self, *path: str) -> tuple[float, str]:
        """Return when a table was last materialized (milliseconds since 1970), and by which run."""
        query = """query($key: AssetKeyInput!) { assetNodeOrError(assetKey: $key) { ... on AssetNode {
            assetMaterializations(limit: 1) { timestamp runId } } } }"""
        nodes = self.ask(query, key={"path": list(path)})["assetNodeOrError"]["assetMaterializations"]
        return (float(nodes[0]["timestamp"]), nodes[0]["runId"]) if nodes else (0.0, "")

    def tags_of_run(self, run_id: str) -> dict[str, str]:
        """Return the tags of a run."""
        query = "query($id: ID!) { runOrError(runId: $id) { ... on Run { tags { key value } } } }"
        return {tag["key"]: tag["value"] for tag in self.ask(query, id=run_id)["runOrError"]["tags"]}

    def launch(self, job: str, partition: str | None = None, config: dict[str, Any] | None = None) -> None:
        """Launch a job, for one session if it has any, as the launchpad does."""
        mutation = """mutation($run: ExecutionParams!) { launchRun(executionParams: $run) { __typename
            ... on PythonError { message } ... on RunConfigValidationInvalid { errors { message } } } }"""
        selector = {
            "jobName": job, "repositoryName": "__repository__", "repositoryLocationName": "factorloom",
        }  # fmt: skip
        tags = [{"key": "dagster/partition", "value": partition}] if partition else []
        run = {"selector": selector, "runConfigData": config or {}, "executionMetadata": {"tags": tags}}
        answer = self.ask(mutation, run=run)
        assert answer["launchRun"]["__typename"] == "LaunchRunSuccess", answer

    def ticks_of(self, sensor: str) -> list[dict[str, Any]]:
        """Return the newest ticks of a sensor, newest first."""
        query = """query($selector: SensorSelector!) { sensorOrError(sensorSelector: $selector) { ... on Sensor {
            sensorState { ticks(limit: 20) { timestamp status skipReason runIds } } } } }"""
        selector = {
            "sensorName": sensor, "repositoryName": "__repository__", "repositoryLocationName": "factorloom",
        }  # fmt: skip
        return self.ask(query, selector=selector)["sensorOrError"]["sensorState"]["ticks"]

    def wait_for_ticks(self, sensor: str, *, number: int) -> None:
        """Wait until a sensor has ticked so often from now on."""
        begin = time.time()
        look = lambda: len([tick for tick in self.ticks_of(sensor) if tick["timestamp"] > begin]) >= number  # noqa: E731
        self.wait_for(f"{number} ticks of {sensor}", look)


@pytest.fixture(scope="module")
def up() -> Iterator[Up]:
    """A market that was refreshed a session ago, corrected by its source since, and started now."""
    home = Path(tempfile.mkdtemp(prefix="fl-"))
    ui, api, code = free_ports(3)
    with running_receiver() as receiver, running_receiver() as other:
        ports = {
            "FACTORLOOM_UI_PORT": str(ui), "FACTORLOOM_API_PORT": str(api), "FACTORLOOM_CODE_SERVER_PORT": str(code),
            "FACTORLOOM_WEBHOOK_ALLOW": f"{receiver.address},{other.address}",
        }  # fmt: skip
        installation = Installation(home, {**SMALL, **WITH_DEFECTS, **ports})
        installation.refresh()
        preset = [installation.command()[0], "-c", SWITCH_ON_A_WEEK_AGO]
        subprocess.run(preset, cwd=ROOT, env=installation.variables(), check=True, timeout=300)
        process = subprocess.Popen(
            installation.command("up"), cwd=ROOT, env=installation.variables(**CORRECTED), stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        try:
            wait_until_ready(process)
            yield Up(installation, ui, receiver, other)
        finally:
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=120)
    installation.server.stop()
    shutil.rmtree(home, ignore_errors=True)


def wait_until_ready(process: "subprocess.Popen[str]") -> None:
    """Read what `factorloom up` prints until it says that all services answer."""
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if line.startswith("Ready."):
            return
    pytest.fail("factorloom up ended:\n" + "".join(lines))


def free_ports(number: int) -> list[int]:
    """Return ports that nobody listens on."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(number)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports
