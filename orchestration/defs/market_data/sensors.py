"""Carries changed older partitions downstream: automation looks at the newest session only."""

import datetime as dt
import json

import dagster as dg

from orchestration.defs.platform.jobs import carry_downstream
from orchestration.installation import current_installation
from orchestration.partitions import run_tags

WATCHED = [
    dg.AssetKey(["raw", name])
    for name in ("daily_bars", "bar_verdicts", "dividends", "splits", "fundamentals", "benchmark_bars")
]


@dg.sensor(
    job=carry_downstream, minimum_interval_seconds=30, default_status=dg.DefaultSensorStatus.RUNNING,
    description="When a run has changed raw rows of older sessions (restated, or caught up on), everything computed "
    "from them is run again for that range, in one run.",
)  # fmt: skip
def restatements(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
    """Ask for the range from the oldest changed session to the newest."""
    seen: dict[str, int] = json.loads(context.cursor) if context.cursor else {}
    newest = current_installation().last_session()
    oldest: dt.date | None = None
    for key in WATCHED:
        name = key.to_user_string()
        for record in _materializations_after(context.instance, key, seen.get(name)):
            seen[name] = max(seen.get(name, 0), record.storage_id)
            changed = _first_changed_date(record)
            if changed is not None and changed < newest and not _is_part_of_refresh(context.instance, record):
                oldest = changed if oldest is None else min(oldest, changed)
    cursor = json.dumps(seen, sort_keys=True)
    if oldest is None:
        return dg.SensorResult(skip_reason=dg.SkipReason("no row of an older session has changed"), cursor=cursor)
    begin = max(oldest, current_installation().first_session)
    request = dg.RunRequest(run_key=f"restated:{max(seen.values())}", tags=run_tags(begin, newest))
    return dg.SensorResult(run_requests=[request], cursor=cursor)


def _materializations_after(
    instance: dg.DagsterInstance, key: dg.AssetKey, after: int | None
) -> list[dg.EventLogRecord]:
    """Return the newest materialization of each run since the cursor; at the first tick nothing lies behind us."""
    if after is None:
        newest = instance.fetch_materializations(key, limit=1).records
        return list(newest)
    return list(
        instance.fetch_materializations(dg.AssetRecordsFilter(asset_key=key, after_storage_id=after), limit=500).records
    )


def _first_changed_date(record: dg.EventLogRecord) -> dt.date | None:
    materialization = record.asset_materialization
    value = materialization.metadata.get("first_changed_date") if materialization else None
    return dt.date.fromisoformat(str(value.value)) if value is not None else None


def _is_part_of_refresh(instance: dg.DagsterInstance, record: dg.EventLogRecord) -> bool:
    """Whether the run that changed the rows carries them downstream itself."""
    run = instance.get_run_by_id(record.run_id)
    return run is not None and run.job_name == "refresh_market_data_and_factors"
