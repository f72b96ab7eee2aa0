"""Runs dbt inside our own process: importing it costs two CPU seconds, and a run calls it twice."""

import datetime as dt
import json
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import dagster as dg
import msgspec
from dagster._utils.interrupts import raise_interrupts_as
from dagster_dbt.asset_utils import get_updated_cli_invocation_params_for_context
from dagster_dbt.core.dbt_cli_event import DbtCoreCliEventMessage
from dagster_dbt.dagster_dbt_translator import DagsterDbtTranslator

from orchestration.dbt import invoke, parsed_manifest, parsed_project
from orchestration.errors import DbtFailed
from orchestration.installation import Installation

if TYPE_CHECKING:
    from dbt_common.events.base_types import EventMsg

RESULTS = frozenset({"LogModelResult", "LogTestResult"})


class DbtRun(msgspec.Struct, frozen=True):
    """One invocation: what dbt said of each table and test, the SQL that each table was built with, and what failed."""

    results: list[dict[str, Any]]
    compiled: dict[str, str]
    problems: list[str]

    def raise_on_problems(self) -> None:
        """Fail where a table could not be built or a test did not pass."""
        if self.problems:
            raise DbtFailed(self.problems)


class Dbt(dg.ConfigurableResource["Dbt"]):
    """dbt on the warehouse."""

    def build(
        self,
        context: dg.AssetExecutionContext,
        settings: Mapping[str, str],
        metadata_of: Callable[[DbtRun], Mapping[str, Mapping[str, Any]]],
    ) -> Iterator[Any]:
        """Build the tables that a run has selected, tests included, and yield what Dagster wants to know of each.

        Parameters
        ----------
        context
            Of the step; says which tables.
        settings
            What macros/setting.sql asks for.
        metadata_of
            Returns more metadata by unique_id, asked when all is built.
        """
        chosen = get_updated_cli_invocation_params_for_context(
            context=context, manifest={}, dagster_dbt_translator=DagsterDbtTranslator()
        )
        # Unit tests prove the SQL, not the data. A test that compares two tables runs when the later of them is built.
        arguments = ["build", "--exclude-resource-type", "unit_test", *chosen.selection_args]
        done = run_dbt([*arguments, "--indirect-selection", chosen.indirect_selection or "buildable"], settings)
        more = metadata_of(done)
        for result in done.results:
            message = DbtCoreCliEventMessage(raw_event=result, event_history_metadata={})
            own = more.get(result["data"]["node_info"]["unique_id"], {})
            for event in message.to_default_asset_events(
                chosen.manifest, chosen.dagster_dbt_translator, context, project=chosen.dbt_project
            ):
                yield event.with_metadata({**event.metadata, **own}) if isinstance(event, dg.Output) else event
        done.raise_on_problems()

    def test(self, settings: Mapping[str, str], translator: DagsterDbtTranslator) -> Iterator[Any]:
        """Run every test of the project, and yield what became of each check."""
        done = run_dbt(["test"], settings)
        for result in done.results:
            message = DbtCoreCliEventMessage(raw_event=result, event_history_metadata={})
            yield from message.to_default_asset_events(parsed_manifest(), translator)
        done.raise_on_problems()


def dbt_settings(installation: Installation, window: tuple[dt.date, dt.date] | None = None) -> dict[str, str]:
    """Return what macros/setting.sql asks for: the first source, the currency, the exchange's hours, the window."""
    calendar = installation.calendar
    closes = {
        session.isoformat(): f"{calendar.close_at(session).astimezone(calendar.timezone):%H:%M}"
        for session in installation.sessions()
    }
    usual = Counter(closes.values()).most_common(1)[0][0]
    settings = {
        "source_priority": ",".join(installation.source_priority),
        "reporting_currency": installation.reporting_currency,
        "session_timezone": calendar.timezone.key,
        "session_close_time": usual,
        "session_early_closes": json.dumps({day: close for day, close in closes.items() if close != usual}),
    }
    if window is not None:
        settings |= {"window_first_date": window[0].isoformat(), "window_last_date": window[1].isoformat()}
    return settings


def run_dbt(arguments: Sequence[str], settings: Mapping[str, str]) -> DbtRun:
    """Run a dbt command; `settings` are what macros/setting.sql asks for."""
    from dbt_common.events.functions import msg_to_dict

    said: list[dict[str, Any]] = []

    def keep(event: "EventMsg") -> None:
        if event.info.name in RESULTS:
            said.append(msg_to_dict(event))

    # A node keeps the SQL that it was compiled to, and would not be compiled again for another window.
    project = parsed_project().deepcopy()  # type: ignore[no-untyped-call]
    with _in_environment(settings), raise_interrupts_as(KeyboardInterrupt):
        done = invoke([*arguments, "--no-write-json"], manifest=project, callbacks=[keep])
    if isinstance(done.exception, KeyboardInterrupt):
        raise dg.DagsterExecutionInterruptedError
    results = list(getattr(done.result, "results", ()))
    problems = [f"{result.node.name}: {result.message}" for result in results if result.status in ("error", "fail")]
    if not done.success and not problems:
        problems = [str(done.exception or "dbt did not say why")]
    compiled = {result.node.unique_id: getattr(result.node, "compiled_code", None) or "" for result in results}
    return DbtRun(said, compiled, problems)


@contextmanager
def _in_environment(settings: Mapping[str, str]) -> Iterator[None]:
    """Set FACTORLOOM_DBT_<NAME> for the time of a dbt command."""
    variables = {f"FACTORLOOM_DBT_{name.upper()}": value for name, value in settings.items()}
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
