"""`factorloom refresh`: bring every table up to the last session, as real Dagster runs that the UI shows too."""

import datetime as dt
import time
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

from rich.console import Console

from factorloom.environment import apply_environment
from factorloom.errors import RefreshFailed
from factorloom.interrupts import ended_by_interrupt
from factorloom.progress import RunProgress
from factorloom.stages import Stage, StageResult
from factorloom.summary import print_summary
from orchestration.dead_runs import fail_dead_runs
from warehouse.migrate import prepare
from warehouse.settings import Settings

if TYPE_CHECKING:
    import dagster as dg

    from orchestration.installation import Installation

# A second of imports that later stages need, done while the first one waits for PostgreSQL.
NEEDED_LATER = ("lightgbm", "matplotlib.figure", "sklearn.covariance")
# Dagster prints a line per event unless it is told not to; the UI has them all the same.
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


def refresh(
    settings: Settings, *, console: Console | None = None, full: bool = False, first_date: dt.date | None = None
) -> list[StageResult]:
    """Run the whole pipeline up to the last session that has closed.

    Parameters
    ----------
    settings
        Of this installation.
    console
        Where to show progress.
    full
        Run every partition again, not only the missing ones.
    first_date
        Run the partitions from this day on again.

    Raises
    ------
    RefreshFailed
        When a run fails; names the run and its first error.
    """
    from dagster._core.utils import make_new_run_id

    from orchestration.coverage import mark_covered_partitions

    console = console or Console()
    apply_environment(settings)
    work = _Work()
    with ended_by_interrupt(lambda: _say_goodbye(work, console)):
        with console.status("Starting PostgreSQL and preparing the tables"):
            prepare(settings)
            instance, definitions, installation = _load()
            work.instance = instance
            fail_dead_runs(instance, clock=installation.clock)
        results = []
        # Marks are read by the next start alone: PostgreSQL writes them beside the next stage's work.
        with ThreadPoolExecutor(max_workers=1) as beside:
            beside.submit(_import_ahead)
            marks = []
            for stage in stages(instance, installation, full=full, first_date=first_date):
                work.run_id = make_new_run_id()
                result, run = _run(instance, work.run_id, definitions, stage, console)
                results.append(result)
                marks.append(beside.submit(mark_covered_partitions, instance, run))
            for mark in marks:
                mark.result()
        label = installation.source.label
        print_summary(settings, results, console, label=label, sources=installation.source_names)
    return results


def stages(
    instance: "dg.DagsterInstance", installation: "Installation", *, full: bool, first_date: dt.date | None
) -> Iterator[Stage]:
    """Say which runs are needed, in order. Later ones are worked out when the earlier ones are done."""
    from orchestration.catch_up import missing_quarters, missing_sessions
    from orchestration.restatements import restated_since_last

    def restated(job: str) -> dt.date | None:
        return restated_since_last(instance, installation, job)

    last = installation.last_session()
    first = installation.first_session if full else first_date
    begin = _earliest(first, missing_sessions(instance, installation, "market_data")) or last
    yield Stage("ingest", "market data", begin, last)
    # A new session's bars may show an older bar to be of the wrong day: known only now.
    begin = _earliest(begin, restated("build_factors")) or last
    yield Stage("build_factors", "factors, indicators", begin, last)
    quarters = missing_quarters(instance, installation, again_from=_earliest(first, restated("train")))
    if quarters is not None:
        yield Stage("train", "walk-forward training", *quarters)
    begin = _earliest(first, missing_sessions(instance, installation, "rankings"), restated("rank")) or last
    yield Stage("rank", "forecasts, evaluation, rankings", begin, last)
    yield Stage("default_backtests", "backtests")


def _earliest(*days: dt.date | None) -> dt.date | None:
    return min((day for day in days if day is not None), default=None)


def _load() -> "tuple[dg.DagsterInstance, dg.Definitions, Installation]":
    import dagster as dg

    from orchestration.dbt import prepare_manifest
    from orchestration.installation import current_installation

    prepare_manifest()
    # Dagster copies our sensors by a parameter that it says may change.
    warnings.filterwarnings("ignore", category=dg.BetaWarning)
    from orchestration.definitions import build_defs

    instance = dg.DagsterInstance.get()
    # Dagster's storage opens a connection per statement unless it is told to keep them: a thousand of them in a run.
    instance.optimize_for_webserver(statement_timeout=0, pool_recycle=-1, max_overflow=10)
    return instance, build_defs(), current_installation()


def _import_ahead() -> None:
    for name in NEEDED_LATER:
        import_module(name)


@dataclass
class _Work:
    """What is being done, for whoever has to break it off."""

    instance: "dg.DagsterInstance | None" = None
    run_id: str | None = None


def _say_goodbye(work: _Work, console: Console) -> None:
    """Mark the run that is broken off as cancelled, and say how to go on."""
    console.show_cursor()
    farewell = "\nrefresh: stopped. What was finished stays; `factorloom refresh` goes on from there."
    console.print(farewell, soft_wrap=True)
    run = work.instance.get_run_by_id(work.run_id) if work.instance and work.run_id else None
    if work.instance and run and not run.is_success:
        work.instance.report_run_canceled(run, "`factorloom refresh` was stopped by Ctrl-C.")


def _run(
    instance: "dg.DagsterInstance", run_id: str, definitions: "dg.Definitions", stage: Stage, console: Console
) -> "tuple[StageResult, dg.DagsterRun]":
    from orchestration.partitions import range_tags, run_tags
    from orchestration.resources import process_tags

    job = definitions.resolve_job_def(stage.job)
    tags = {"factorloom/trigger": "factorloom refresh", **process_tags()}
    if stage.first and stage.last:
        tags |= run_tags(stage.first, stage.last) if stage.job != "train" else range_tags(stage.first, stage.last)
    started = time.monotonic()
    with RunProgress(console, instance, run_id, stage.label, steps=len(job.nodes)) as progress:
        result = job.execute_in_process(
            instance=instance, run_id=run_id, tags=tags, run_config=QUIET, raise_on_error=False
        )
    if not result.success:
        raise RefreshFailed(job=stage.job, run_id=run_id, reason=progress.first_failure or "no step said why")
    seconds = time.monotonic() - started
    return StageResult(stage, run_id, seconds, progress.seconds_by_step, progress.intake), result.dagster_run
