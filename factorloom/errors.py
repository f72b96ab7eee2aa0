"""Errors of this folder.

FrontError
├── AlreadyRunning       another `factorloom up` keeps this home
├── PortsInUse           something else listens where a service wants to
├── PreparationFailed    databases, Dagster's storage or the dbt manifest could not be brought up to date
├── RefreshFailed        a run of the pipeline failed
├── UnknownFakeVendor    no made-up vendor has this name
├── FakeVendorPortTaken  something else listens on the port of a made-up vendor
├── SinkRefused          nothing may be sent to the receiver on this machine
├── NothingNamed         a command was not told which of many it is about
├── RuleUnclear          the words that an alert rule was given in are not understood
└── InstallationError    a file that belongs to the installation is missing
"""

from collections.abc import Sequence
from pathlib import Path


class FrontError(Exception):
    """A command cannot do what it was asked for; the message says what to do."""


class AlreadyRunning(FrontError):
    """Another `factorloom up` keeps this home."""

    def __init__(self, home: Path, pid: int | None) -> None:
        who = f"process {pid}" if pid else "another process"
        super().__init__(
            f"home: no other `factorloom up` may run on {home}; {who} does. "
            "Use that one, stop it by Ctrl-C, or set FACTORLOOM_HOME to another folder."
        )
        self.pid = pid


class PortsInUse(FrontError):
    """Something else listens where a service wants to."""

    def __init__(self, uses: list[str]) -> None:
        listed = "\n".join(f"  - {use}" for use in uses)
        super().__init__(f"up: every port must be free before the start; {len(uses)} are not:\n{listed}")
        self.uses = uses


class PreparationFailed(FrontError):
    """Databases, Dagster's storage or the dbt manifest could not be brought up to date."""

    def __init__(self, log: Path, last_lines: str) -> None:
        super().__init__(
            f"up: the preparation must succeed; it did not. Its last lines:\n{last_lines}\n"
            f"All of it is in {log}. Run `factorloom doctor` for what to do."
        )


class RefreshFailed(FrontError):
    """A run of the pipeline failed."""

    def __init__(self, *, job: str, run_id: str, reason: str) -> None:
        super().__init__(
            f"refresh: every step of {job} must succeed; run {run_id} did not: {reason}. "
            "`factorloom up` shows the run in the Dagster UI; correct the cause, then run it again: "
            "what has been written stays."
        )


class UnknownFakeVendor(FrontError):
    """No made-up vendor has this name."""

    def __init__(self, name: str, known: list[str]) -> None:
        super().__init__(f"fake-vendor: the name must be one of {known}; got {name!r}. Choose one of them.")


class FakeVendorPortTaken(FrontError):
    """Something else listens on the port that a made-up vendor is to have."""

    def __init__(self, port: int) -> None:
        super().__init__(
            f"fake-vendor: --port must be free; something listens on 127.0.0.1:{port}. Choose another, or 0 for any."
        )


class SinkRefused(FrontError):
    """Nothing may be sent to the receiver on this machine."""

    def __init__(self, address: str, allowed: Sequence[str]) -> None:
        super().__init__(
            f"alerts sink: {address} must be listed in FACTORLOOM_WEBHOOK_ALLOW; it holds {list(allowed)}. "
            f"Write FACTORLOOM_WEBHOOK_ALLOW={address} into .env and start `factorloom up` again."
        )


class NothingNamed(FrontError):
    """A command was not told which of many it is about."""

    def __init__(self, where: str, *, must: str) -> None:
        super().__init__(f"{where}: {must}; got nothing. `factorloom {where} --help` shows how.")


class InstallationError(FrontError):
    """A file that belongs to the installation is missing."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"installation: {path} must exist; it does not. Run from a clone of the project, see `make help`."
        )


class RuleUnclear(FrontError):
    """The words that an alert rule was given in are not understood."""

    def __init__(self, given: str, *, must: str) -> None:
        super().__init__(f"alerts: {must}; got {given!r}. See docs/alerts.md for examples.")
