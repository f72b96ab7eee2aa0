"""A run with a long window marks the sessions that it has rebuilt, on a real instance."""

import datetime as dt
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import dagster as dg
import pytest

from orchestration import coverage
from orchestration.calendars import HomeCalendar
from orchestration.coverage import COVERED_TAG, mark_covered_partitions
from orchestration.installation import Installation
from orchestration.partitions import WINDOW_TAG
from warehouse.clock import clock_of
from warehouse.settings import Settings

# Monday to Friday; Wednesday the 19th is a holiday.
WEEK = {"2024-06-17", "2024-06-18", "2024-06-20", "2024-06-21"}
LONG = {WINDOW_TAG: "2024-06-17"}


@dg.asset(partitions_def=dg.DailyPartitionsDefinition("2024-06-17"))
def bars() -> dg.MaterializeResult[None]:
    return dg.MaterializeResult(metadata={"inserted": 7, "first_changed_date": "2024-06-17"})


@dg.asset
def view() -> None: ...


@pytest.fixture(autouse=True)
def installation(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(home=Path("nowhere"), now=dt.datetime(2024, 6, 21, 23, 30, tzinfo=dt.UTC))
    source = SimpleNamespace(first_session=dt.date(2020, 12, 1), last_session=None)
    installation = Installation(settings, clock_of(settings), HomeCalendar("XNYS"), cast("Any", source))
    monkeypatch.setattr(coverage, "current_installation", lambda: installation)


def run_of(instance: dg.DagsterInstance, **tags: str) -> dg.DagsterRun:
    return dg.materialize([bars, view], instance=instance, partition_key="2024-06-21", tags=tags).dagster_run


def test_the_sessions_of_the_window_are_marked_once() -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        run = run_of(instance, **LONG)
        assert mark_covered_partitions(instance, run) == 3
        assert instance.get_materialized_partitions(bars.key) == WEEK
        marked = instance.get_run_by_id(run.run_id)
        assert marked is not None
        assert marked.tags[COVERED_TAG] == "3"
        assert mark_covered_partitions(instance, marked) == 0


def test_what_the_run_said_of_its_table_stays_what_the_ui_shows() -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        mark_covered_partitions(instance, run_of(instance, **LONG))
        newest = instance.get_latest_materialization_event(bars.key)
        assert newest is not None
        assert newest.asset_materialization is not None
        assert newest.asset_materialization.partition == "2024-06-21"
        assert {name: value.value for name, value in newest.asset_materialization.metadata.items()} == {"inserted": 7}


def test_a_run_of_one_session_has_nothing_to_mark() -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        assert mark_covered_partitions(instance, run_of(instance)) == 0
        assert instance.get_materialized_partitions(bars.key) == {"2024-06-21"}
