"""What is thrown away and what stays, on a real instance."""

import datetime as dt
import os
from pathlib import Path

import dagster as dg

from orchestration.retention import delete_compute_logs, delete_runs, runs_to_delete

DAYS = dg.StaticPartitionsDefinition(["monday", "tuesday"])
LATER = dt.datetime.now(dt.UTC) + dt.timedelta(days=1)


@dg.asset(partitions_def=DAYS)
def table() -> None: ...


@dg.op
def nothing() -> None: ...


@dg.job
def minute() -> None:
    nothing()


def test_the_newest_success_of_each_partition_stays_and_older_runs_go() -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        runs = [
            dg.materialize([table], instance=instance, partition_key=key).run_id
            for key in ("monday", "monday", "tuesday")
        ]
        old = runs_to_delete(instance, before=LATER)
        assert old == [runs[0]]
        delete_runs(instance, old)
        assert instance.get_materialized_partitions(table.key) == {"monday", "tuesday"}
        assert sorted(instance.get_run_ids()) == sorted(runs[1:])


def test_young_runs_and_those_of_other_jobs_stay() -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        run = minute.execute_in_process(instance=instance).run_id
        dg.materialize([table], instance=instance, partition_key="monday")
        assert runs_to_delete(instance, before=dt.datetime(2024, 1, 1, tzinfo=dt.UTC)) == []
        assert runs_to_delete(instance, before=LATER, job="minute") == [run]
        assert runs_to_delete(instance, before=LATER, job="another") == []


def test_a_run_at_work_stays() -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        instance.create_run_for_job(minute)
        assert runs_to_delete(instance, before=LATER) == []


def test_old_compute_logs_go_and_young_ones_stay(tmp_path: Path) -> None:
    old, young = tmp_path / "old", tmp_path / "young"
    for folder in (old, young):
        folder.mkdir()
        (folder / "step.out").write_text("said")
    os.utime(old, (0, 0))
    assert delete_compute_logs(tmp_path, before=dt.datetime(2020, 1, 1, tzinfo=dt.UTC)) == 1
    assert [folder.name for folder in tmp_path.iterdir()] == ["young"]
    assert delete_compute_logs(tmp_path / "absent", before=LATER) == 0
