"""Runs one service in this process: what `factorloom up` starts, and what each container runs."""

import os
import sys
from datetime import timedelta
from pathlib import Path

from factorloom.environment import PROJECT_FOLDER, apply_environment
from factorloom.services import DEFINITIONS, LOCAL, LOCATION, write_workspace
from warehouse.settings import Settings

SERVICES = ("code-server", "webserver", "daemon", "api")


def serve(
    settings: Settings, service: str, *, host: str | None, code_server_host: str, is_read_only: bool = False
) -> None:
    """Become the service; returns only when it ends.

    Parameters
    ----------
    settings
        Ports, addresses and home.
    service
        One of `SERVICES`.
    host
        Address to listen on; loopback by default.
    code_server_host
        Where webserver and daemon find the code server.
    is_read_only
        For the webserver: refuse every change, so that it can be shared.
    """
    if service == "api" and host:
        settings = settings.listening_on(host)
    apply_environment(settings)
    if service == "api":
        from api.server import run

        run(settings)
    elif service == "code-server":
        _serve_code(settings, host=host or LOCAL)
    elif service == "webserver":
        command = ["dagster-webserver", "-h", host or LOCAL, "-p", str(settings.ui_port)]
        options = ["--read-only"] if is_read_only else []
        _become([*command, *options, "-w", str(write_workspace(settings, host=code_server_host))])
    else:
        _become(["dagster-daemon", "run", "-w", str(write_workspace(settings, host=code_server_host))])


def _serve_code(settings: Settings, *, host: str) -> None:
    """Mark the runs that died with an earlier code server as failed, then load the definitions and serve them."""
    from dagster import DagsterInstance
    from dagster._cli import main  # what the console script `dagster` calls

    from orchestration.dead_runs import fail_dead_runs

    with DagsterInstance.get() as instance:
        for run, reason in fail_dead_runs(instance, grace=timedelta(minutes=1)):
            print(f"run {run.run_id} ({run.job_name}) marked as failed: {reason}", flush=True)
    # In this process, not by exec: importing Dagster a second time would cost two seconds.
    sys.argv = [
        "dagster", "api", "grpc", "-h", host, "-p", str(settings.code_server_port), "-m", DEFINITIONS,
        "-d", str(PROJECT_FOLDER), "--location-name", LOCATION,
    ]  # fmt: skip
    main()  # type: ignore[no-untyped-call]  # of a library


def _become(command: list[str]) -> None:
    """Replace this process by a program of our virtual environment."""
    program = Path(sys.executable).parent / command[0]
    os.execv(program, [str(program), *command[1:]])  # noqa: S606 - our own programs, fixed arguments
