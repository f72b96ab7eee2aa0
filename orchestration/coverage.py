"""Marks the partitions that a run with a long window has rebuilt besides its own."""

import datetime as dt
import time

import dagster as dg
from dagster import AssetMaterialization, DagsterEvent, DagsterEventType, DagsterInstance, DagsterRun
from dagster._core.events import StepMaterializationData
from dagster._core.events.log import EventLogEntry

from orchestration.installation import current_installation
from orchestration.partitions import WINDOW_TAG

BATCH = 2000
COVERED_TAG = "factorloom/covered"


def mark_covered_partitions(instance: DagsterInstance, run: DagsterRun) -> int:
    """Write a materialization for each session of the run's window and each partitioned table that it has written.

    Returns
    -------
    int
        Materializations written; none for a run without a long window, or one that was marked before.
    """
    first, last = run.tags.get(WINDOW_TAG), run.tags.get("dagster/partition")
    if first is None or last is None or COVERED_TAG in run.tags:
        return 0
    sessions = current_installation().sessions(dt.date.fromisoformat(first), dt.date.fromisoformat(last))
    earlier = [session.isoformat() for session in sessions[:-1]]
    keys = _partitioned_assets_written(instance, run)
    entries = [_entry(run, key, partition) for key in keys for partition in earlier]
    for start in range(0, len(entries), BATCH):
        instance.event_log_storage.store_event_batch(entries[start : start + BATCH])
    instance.add_run_tags(run.run_id, {COVERED_TAG: str(len(entries))})
    return len(entries)


def _partitioned_assets_written(instance: DagsterInstance, run: DagsterRun) -> list[dg.AssetKey]:
    records = instance.get_records_for_run(run.run_id, of_type=DagsterEventType.ASSET_MATERIALIZATION).records
    written = [record.event_log_entry.dagster_event for record in records]
    return sorted({event.asset_key for event in written if event and event.asset_key and event.partition})


def _entry(run: DagsterRun, key: dg.AssetKey, partition: str) -> EventLogEntry:
    metadata = {"window": f"{run.tags[WINDOW_TAG]} to {run.tags['dagster/partition']}, one run"}
    event = DagsterEvent(
        event_type_value=DagsterEventType.ASSET_MATERIALIZATION.value,
        job_name=run.job_name,
        event_specific_data=StepMaterializationData(
            AssetMaterialization(asset_key=key, partition=partition, metadata=metadata), []
        ),
    )
    return EventLogEntry(  # type: ignore[no-untyped-call] # Dagster left its constructor untyped
        error_info=None,
        level=10,
        user_message="",
        run_id=run.run_id,
        # Before the run's own materialization of the newest session, which stays the newest.
        timestamp=time.time(),
        job_name=run.job_name,
        dagster_event=event,
    )
