"""Marks the partitions that a run with a long window has rebuilt besides its own."""

import datetime as dt
import time
from collections.abc import Sequence
from typing import cast

import dagster as dg
from dagster import AssetMaterialization, DagsterEvent, DagsterEventType, DagsterInstance, DagsterRun
from dagster._core.events import StepMaterializationData
from dagster._core.events.log import EventLogEntry
from dagster._core.storage.event_log.schema import SqlEventLogStorageTable
from dagster._core.storage.event_log.sql_event_log import SqlEventLogStorage

from orchestration.installation import current_installation
from orchestration.partitions import WINDOW_TAG

# How the partition stands in the text of an event.
PARTITION = '"partition": "%s"'
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
    own = _partitioned_tables_written(instance, run)
    window = {"window": f"{first} to {last}, one run"}
    days = [session.isoformat() for session in sessions[:-1]]
    for key in sorted(own) if days else ():
        first_of_table = _entry(run, AssetMaterialization(key, partition=days[0], metadata=window))
        _store_for_each(instance, first_of_table, days)
    # The run's own once more, since the UI shows what the newest of a table's materializations says, whatever its
    # partition. One by one: of a batch, Dagster takes the last alone for the newest of its table.
    for materialization in map(_again, own.values()):
        instance.event_log_storage.store_event_batch([_entry(run, materialization)])
    n_marked = len(own) * len(days)
    instance.add_run_tags(run.run_id, {COVERED_TAG: str(n_marked)})
    return n_marked


def _store_for_each(instance: DagsterInstance, entry: EventLogEntry, partitions: Sequence[str]) -> None:
    """Store a materialization once for each partition, as text made once: Dagster takes a millisecond each."""
    storage = cast(SqlEventLogStorage, instance.event_log_storage)
    row = storage._event_to_row(entry)
    head, tail = row["event"].split(PARTITION % row["partition"])
    rows = [{**row, "partition": day, "event": head + PARTITION % day + tail} for day in partitions]
    with storage.index_connection() as connection:
        connection.execute(SqlEventLogStorageTable.insert(), rows)


def _partitioned_tables_written(instance: DagsterInstance, run: DagsterRun) -> dict[dg.AssetKey, AssetMaterialization]:
    """Return what the run said of each table that has partitions."""
    records = instance.get_records_for_run(run.run_id, of_type=DagsterEventType.ASSET_MATERIALIZATION).records
    written = [record.asset_materialization for record in records]
    return {one.asset_key: one for one in written if one is not None and one.partition}


def _again(own: AssetMaterialization) -> AssetMaterialization:
    """Return what a run said of a table, but for the change that it has already announced."""
    metadata = {name: value for name, value in own.metadata.items() if name != "first_changed_date"}
    return AssetMaterialization(own.asset_key, partition=own.partition, metadata=metadata, tags=own.tags)


def _entry(run: DagsterRun, materialization: AssetMaterialization) -> EventLogEntry:
    event = DagsterEvent(
        event_type_value=DagsterEventType.ASSET_MATERIALIZATION.value,
        job_name=run.job_name,
        event_specific_data=StepMaterializationData(materialization, []),
    )
    return EventLogEntry(  # type: ignore[no-untyped-call] # Dagster left its constructor untyped
        error_info=None,
        level=10,
        user_message="",
        run_id=run.run_id,
        timestamp=time.time(),
        job_name=run.job_name,
        dagster_event=event,
    )
