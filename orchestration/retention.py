"""What is thrown away, and when: old runs with their events, compute logs, quotes and events."""

import datetime as dt
import shutil
from pathlib import Path

import dagster as dg
from dagster import DagsterInstance, DagsterRunStatus, RunsFilter

FINISHED = [DagsterRunStatus.SUCCESS, DagsterRunStatus.FAILURE, DagsterRunStatus.CANCELED]
BATCH = 500


def runs_to_delete(instance: DagsterInstance, *, before: dt.datetime, job: str | None = None) -> list[str]:
    """Return the ids of finished runs older than `before` that hold the newest success of no asset and partition.

    Deleting a run deletes its materializations: a partition that only such a run has made would turn missing.

    Parameters
    ----------
    instance
        Where the runs are.
    before
        Instant; runs created earlier are old.
    job
        Only runs of this job; of all jobs by default.
    """
    old = instance.get_run_records(RunsFilter(statuses=FINISHED, created_before=before, job_name=job))
    kept = _runs_that_made_what_stands(instance)
    return [record.dagster_run.run_id for record in old if record.dagster_run.run_id not in kept]


def delete_runs(instance: DagsterInstance, run_ids: list[str]) -> None:
    """Delete runs with all their events."""
    for run_id in run_ids:
        instance.delete_run(run_id)


def delete_compute_logs(folder: Path, *, before: dt.datetime) -> int:
    """Delete the logs of steps older than `before`; return how many runs' logs went."""
    old = [
        child for child in folder.iterdir() if child.is_dir() and child.stat().st_mtime < before.timestamp()
    ] if folder.is_dir() else []  # fmt: skip
    for child in old:
        shutil.rmtree(child)
    return len(old)


def _runs_that_made_what_stands(instance: DagsterInstance) -> set[str]:
    kept: set[str] = set()
    for key in instance.all_asset_keys():
        partitions = instance.event_log_storage.get_latest_storage_id_by_partition(
            key, dg.DagsterEventType.ASSET_MATERIALIZATION
        )
        ids = list(partitions.values())
        for start in range(0, len(ids), BATCH):
            records = dg.AssetRecordsFilter(asset_key=key, storage_ids=ids[start : start + BATCH])
            fetched = instance.fetch_materializations(records, limit=BATCH).records
            kept.update(record.run_id for record in fetched)
        newest = instance.get_latest_materialization_event(key)
        if newest is not None:
            kept.add(newest.run_id)
    return kept
