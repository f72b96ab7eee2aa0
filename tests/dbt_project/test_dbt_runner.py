"""dbt in our own process, on a warehouse of its own."""

import datetime as dt
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from orchestration.calendars import HomeCalendar
from orchestration.dbt import parse_project, parsed_project
from orchestration.dbt_runner import dbt_settings, run_dbt
from orchestration.errors import DbtFailed
from tests.dbt_project.conftest import Store


class Place(NamedTuple):
    """What `dbt_settings` asks of an installation."""

    calendar: HomeCalendar
    reporting_currency: str = "USD"
    source_priority: tuple[str, ...] = ("made_up", "second")

    def sessions(self) -> list[dt.date]:
        return self.calendar.sessions(dt.date(2024, 11, 25), dt.date(2024, 12, 2))


@pytest.fixture(scope="module")
def store(new_store: Callable[[str], Store]) -> Store:
    return new_store("runner")


@pytest.fixture
def in_store(store: Store, monkeypatch: pytest.MonkeyPatch) -> Store:
    """Let dbt in this process work on the store."""
    for name, value in store.dbt._environment().items():
        monkeypatch.setenv(name, value)
    parsed_project.cache_clear()
    return store


def test_dbt_is_told_the_hours_of_the_exchange_and_its_early_closes():
    settings = dbt_settings(Place(HomeCalendar("XNYS")), (dt.date(2024, 12, 2), dt.date(2024, 12, 2)))
    assert json.loads(settings.pop("session_early_closes")) == {"2024-11-29": "13:00"}
    assert settings == {
        "source_priority": "made_up,second",
        "reporting_currency": "USD",
        "session_timezone": "America/New_York",
        "session_close_time": "16:00",
        "window_first_date": "2024-12-02",
        "window_last_date": "2024-12-02",
    }


def test_what_the_last_parse_left_is_taken_only_where_it_is_whole_and_of_the_same_database(
    in_store: Store, monkeypatch: pytest.MonkeyPatch
):
    parse_project()
    left = Path(os.environ["DBT_TARGET_PATH"]) / "partial_parse.msgpack"
    made_at = parsed_project().metadata.generated_at
    parsed_project.cache_clear()
    assert parsed_project().metadata.generated_at == made_at
    monkeypatch.setenv("FACTORLOOM_DBT_DATABASE", "another")
    parsed_project.cache_clear()
    assert {node.database for node in parsed_project().nodes.values()} == {"another"}
    left.write_bytes(left.read_bytes()[:1000])
    parsed_project.cache_clear()
    assert parsed_project().nodes


def test_a_build_tells_of_each_table_and_test_and_leaves_this_process_as_it_was(in_store: Store):
    before = Path.cwd()
    done = run_dbt(
        ["build", "--select", "stg_instruments", "--exclude-resource-type", "unit_test"], {"test_everything": "true"}
    )
    done.raise_on_problems()
    told = {result["data"]["node_info"]["node_name"] for result in done.results}
    assert told == {"stg_instruments", "stg_instruments_has_unique_grain"}
    assert '"raw"."instruments"' in done.compiled["model.factorloom.stg_instruments"]
    assert "FACTORLOOM_DBT_TEST_EVERYTHING" not in os.environ
    assert Path.cwd() == before


def test_what_cannot_be_built_is_named_with_the_reason(in_store: Store):
    run_dbt(["run", "--select", "staging"], {}).raise_on_problems()
    done = run_dbt(["run", "--select", "dim_benchmark_prices"], {"source_priority": "it's"})
    with pytest.raises(DbtFailed, match=r"(?s)got 1 that did not:\ndim_benchmark_prices: Database Error.*syntax error"):
        done.raise_on_problems()
