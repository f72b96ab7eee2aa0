"""Jobs that keep the installation small and honest: retention, and a full run of the dbt tests."""

import datetime as dt
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
from pydantic import Field

from orchestration.dbt_runner import Dbt, dbt_settings
from orchestration.defs.factors.assets import TRANSLATOR
from orchestration.defs.rankings.intraday import intraday
from orchestration.installation import current_installation
from orchestration.resources import MarketData, Warehouse
from orchestration.retention import delete_compute_logs, delete_runs, runs_to_delete
from warehouse.queries import idempotency, refreshes, uploads
from warehouse.queries import platform as queries

# Beyond it no vendor's answer counts as fresh: see FACTORLOOM_HISTORY_TTL_HOURS.
LONGEST_FRESH = dt.timedelta(hours=168)
ZONE = current_installation().calendar.timezone.key


class RetentionConfig(dg.Config):
    """What is kept, and for how long."""

    keep_runs_days: int = Field(
        default=60, ge=1, description="Runs and their events, except the newest success of each asset and partition."
    )
    keep_intraday_runs_days: int = Field(default=3, ge=1, description="Runs of the job intraday: one each minute.")
    keep_quotes_days: int = Field(default=30, ge=1, description="Intraday quotes and intraday rankings.")
    keep_events_days: int = Field(default=30, ge=1, description="Rows of app.events.")
    keep_answers_days: int = Field(default=7, ge=1, description="Answers kept for their Idempotency-Key.")
    keep_uploads_days: int = Field(default=7, ge=1, description="Files that were sent in for a job.")
    keep_logs_days: int = Field(default=14, ge=1, description="What steps have printed.")
    dry_run: bool = Field(default=False, description="Count what would go, delete nothing.")


@dg.op(description="Delete what is older than it should be.")
def delete_old(
    context: dg.OpExecutionContext, config: RetentionConfig, warehouse: Warehouse, market_data: MarketData
) -> None:
    """Delete old runs, logs, quotes and events, and say how much."""
    now = market_data.installation.clock()
    minutes = now - dt.timedelta(days=config.keep_intraday_runs_days)
    runs = {
        *runs_to_delete(context.instance, before=now - dt.timedelta(days=config.keep_runs_days)),
        *runs_to_delete(context.instance, before=minutes, job=intraday.name),
    }
    counts: dict[str, Any] = {"runs": len(runs)}
    if not config.dry_run:
        delete_runs(context.instance, sorted(runs))
        logs = Path(os.environ.get("FACTORLOOM_DAGSTER_COMPUTE_LOGS", ""))
        counts["logs"] = (
            delete_compute_logs(logs, before=now - dt.timedelta(days=config.keep_logs_days)) if logs.name else 0
        )
        with warehouse.connection() as connection:
            quotes_before = now - dt.timedelta(days=config.keep_quotes_days)
            counts["quotes"] = connection.execute(queries.DELETE_OLD_QUOTES, {"before": quotes_before}).rowcount
            counts["intraday_rankings"] = connection.execute(
                queries.DELETE_OLD_INTRADAY_RANKINGS, {"before": quotes_before.date()}
            ).rowcount
            connection.execute(refreshes.DELETE_OLD, {"before": now - LONGEST_FRESH})
            events_before = now - dt.timedelta(days=config.keep_events_days)
            counts["events"] = connection.execute(queries.DELETE_OLD_EVENTS, {"before": events_before}).rowcount
            answers_before = now - dt.timedelta(days=config.keep_answers_days)
            counts["answers"] = connection.execute(idempotency.DELETE_OLD, {"before": answers_before}).rowcount
            uploads_before = now - dt.timedelta(days=config.keep_uploads_days)
            counts["uploads"] = connection.execute(uploads.DELETE_OLD, {"before": uploads_before}).rowcount
    context.add_output_metadata(counts)


@dg.job(description="Delete old runs, logs, quotes and events.")
def retention() -> None:
    """Keep the installation small."""
    delete_old()


@dg.op(
    description="Run every dbt test on whole tables, not only on the window that a run has built.", pool="dbt",
    out=dg.Out(dg.Nothing),
)  # fmt: skip
def test_all_tables(dbt: Dbt, market_data: MarketData) -> Iterator[Any]:
    """Run all dbt tests on everything; each result is one of the check that the table has in the UI."""
    settings = {**dbt_settings(market_data.installation), "test_everything": "true"}
    # Yielded, not logged: what an op has logged is lost when it fails, and then most of all it is wanted.
    yield from dbt.test(settings, TRANSLATOR)
    yield dg.Output(None)


@dg.job(description="Run every dbt test on whole tables.")
def full_tests() -> None:
    """Test everything once a week."""
    test_all_tables()


daily_retention = dg.ScheduleDefinition(
    name="daily_retention", job=retention, cron_schedule="30 3 * * *", execution_timezone=ZONE,
    default_status=dg.DefaultScheduleStatus.RUNNING, description="Each night: delete what is older than it should be.",
)  # fmt: skip
weekly_full_tests = dg.ScheduleDefinition(
    name="weekly_full_tests", job=full_tests, cron_schedule="0 5 * * 6", execution_timezone=ZONE,
    default_status=dg.DefaultScheduleStatus.RUNNING, description="Each Saturday: all dbt tests on whole tables.",
)  # fmt: skip
