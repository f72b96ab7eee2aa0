"""Carries changed older partitions downstream: automation looks at the newest session only."""

import datetime as dt
import json
from collections.abc import Sequence

import dagster as dg

from orchestration.catch_up import REASON_TAG, VERSIONS
from orchestration.defs.platform.jobs import carry_downstream
from orchestration.installation import Installation, current_installation
from orchestration.metadata import TRIGGER_TAG
from orchestration.partitions import run_tags

RAW = [
    dg.AssetKey(["raw", name])
    for name in ("daily_bars", "bar_verdicts", "dividends", "splits", "fundamentals", "benchmark_bars", "fx_rates")
]
WATCHED = [*RAW, VERSIONS]
BATCH = 500


@dg.sensor(
    job=carry_downstream, minimum_interval_seconds=30, default_status=dg.DefaultSensorStatus.RUNNING,
    description="When a run has changed raw rows of older sessions (restated, or caught up on), or trained a quarter "
    "that had begun before, everything computed from them is run again from there on, in one run. Waits while a run "
    "still changes them, and while one of their blocking checks fails.",
)  # fmt: skip
def restatements(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
    """Ask for the range from the oldest changed session to the newest; the cursor moves when nothing is left behind."""
    installation, instance = current_installation(), context.instance
    seen = _seen(instance, context.cursor)
    news = {key: _materializations_after(instance, key, seen[key.to_user_string()]) for key in WATCHED}
    records = [record for found in news.values() for record in found]
    reason = _reason_to_wait(instance, records, _blocking_checks(context))
    if reason is not None:
        return dg.SkipReason(reason)
    cursor = json.dumps(seen | {key.to_user_string(): found[-1].storage_id for key, found in news.items() if found})
    oldest = _oldest_change(instance, records, before=installation.last_session())
    if oldest is None:
        return dg.SensorResult(skip_reason="no row of an older session has changed", cursor=cursor)
    return dg.SensorResult(run_requests=[_request(installation, oldest, cursor)], cursor=cursor)


def _seen(instance: dg.DagsterInstance, cursor: str | None) -> dict[str, int]:
    """Return the newest materialization seen of each table; at the first tick all of them are behind us."""
    newest = 0 if cursor else instance.event_log_storage.get_maximum_record_id() or 0
    return {key.to_user_string(): newest for key in WATCHED} | (json.loads(cursor) if cursor else {})


def _request(installation: Installation, oldest: dt.date, cursor: str) -> dg.RunRequest:
    first = max(oldest, installation.first_session)
    tags = run_tags(first, installation.last_session()) | {REASON_TAG: f"rows of {first} have changed"}
    return dg.RunRequest(run_key=cursor, tags=tags)


def _materializations_after(instance: dg.DagsterInstance, key: dg.AssetKey, after: int) -> list[dg.EventLogRecord]:
    """Return the materializations of a table after a storage id, oldest first."""
    found: list[dg.EventLogRecord] = []
    while True:
        records_filter = dg.AssetRecordsFilter(asset_key=key, after_storage_id=after)
        page = instance.fetch_materializations(records_filter, limit=BATCH, ascending=True).records
        found += page
        if len(page) < BATCH:
            return found
        after = page[-1].storage_id


def _reason_to_wait(
    instance: dg.DagsterInstance, records: Sequence[dg.EventLogRecord], checks: Sequence[dg.AssetCheckKey]
) -> str | None:
    """Say why what has changed must not go downstream yet, None when it may."""
    if not records:
        return None
    runs = {run_id: instance.get_run_by_id(run_id) for run_id in sorted({record.run_id for record in records})}
    for run_id, run in runs.items():
        if run is not None and not run.is_finished:
            return f"waits for run {run_id[:8]} ({run.job_name}) to end"
    for key, record in instance.event_log_storage.get_latest_asset_check_execution_by_key(checks).items():
        if not _passed(record.evaluation):
            return f"waits for the check {key.name} of {key.asset_key.to_user_string()} to pass"
    return None


def _passed(evaluation: object) -> bool:
    """Whether a check lets its table go downstream; one that was planned, and never came to its turn, does not."""
    if not isinstance(evaluation, dg.AssetCheckEvaluation):
        return False
    return evaluation.passed or evaluation.severity != dg.AssetCheckSeverity.ERROR


def _blocking_checks(context: dg.SensorEvaluationContext) -> list[dg.AssetCheckKey]:
    if context.repository_def is None:
        return []
    graph = context.repository_def.asset_graph
    return [key for key in graph.asset_check_keys if key.asset_key in RAW and graph.get(key).blocking]


def _oldest_change(
    instance: dg.DagsterInstance, records: Sequence[dg.EventLogRecord], *, before: dt.date
) -> dt.date | None:
    """Return the oldest changed session before the newest one, None when there is none."""
    changed = [(record, day) for record in records if (day := _first_changed_date(record)) is not None and day < before]
    carried = {record.run_id for record, _ in changed if _carries_on_itself(instance, record)}
    return min((day for record, day in changed if record.run_id not in carried), default=None)


def _first_changed_date(record: dg.EventLogRecord) -> dt.date | None:
    materialization = record.asset_materialization
    if materialization is None:
        return None
    if materialization.asset_key == VERSIONS:
        return dt.date.fromisoformat(str(materialization.partition)) if materialization.partition else None
    value = materialization.metadata.get("first_changed_date")
    return dt.date.fromisoformat(str(value.value)) if value is not None else None


def _carries_on_itself(instance: dg.DagsterInstance, record: dg.EventLogRecord) -> bool:
    """Whether what changed the rows also runs everything downstream: `factorloom refresh` does."""
    run = instance.get_run_by_id(record.run_id)
    return run is not None and TRIGGER_TAG in run.tags
