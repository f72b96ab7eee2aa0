"""The weekly tests of whole tables and the nightly retention, as real runs on a small warehouse."""

import datetime as dt
import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from tests.pipeline.conftest import Installation

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("pipeline")]

RUN = """
import json, sys
from factorloom.environment import apply_environment
from warehouse.settings import current_settings
apply_environment(current_settings())
import dagster as dg
from orchestration.definitions import build_defs
job, config = sys.argv[1], json.loads(sys.argv[2])
result = build_defs().resolve_job_def(job).execute_in_process(
    instance=dg.DagsterInstance.get(), run_config=config, raise_on_error=False
)
counts = [
    {name: entry.value for name, entry in event.step_output_data.metadata.items()}
    for event in result.all_events
    if event.is_successful_output
]
evaluated = [event for event in result.all_events if event.event_type_value == "ASSET_CHECK_EVALUATION"]
found = [event.asset_check_evaluation_data for event in evaluated]
checks = [[check.asset_key.to_user_string(), check.check_name, check.passed] for check in found]
print("JSON" + json.dumps({"run_id": result.run_id, "success": result.success, "counts": counts, "checks": checks}))
"""
# The instance stamps runs by the real clock.
IN_THREE_MONTHS = dt.datetime.now(dt.UTC).replace(microsecond=0) + dt.timedelta(days=90)


@pytest.fixture(scope="module")
def kept(refreshed: Installation, new_installation: Callable[..., Installation]) -> Installation:
    """An installation that is to be kept in order."""
    return new_installation("kept", copy_of=refreshed)


def run(installation: Installation, job: str, config: dict[str, Any] | None = None, **changes: str) -> dict[str, Any]:
    """Run a job in a process of its own, as the scheduler would; return what it says of itself."""
    installation.server.start()
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", RUN, job, json.dumps(config or {})], cwd=installation.project,
        env=installation.variables(**changes), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    said: dict[str, Any] = json.loads(done.stdout.rpartition("JSON")[2])
    return said


@pytest.fixture(scope="module")
def tested(kept: Installation) -> dict[str, Any]:
    """What the weekly run says of a sound warehouse; it makes no table."""
    return run(kept, "full_tests")


def write(installation: Installation, sql: str) -> int:
    with installation.connect() as connection:
        return connection.execute(sql).rowcount


def test_the_weekly_run_tests_every_table_and_finds_what_an_old_row_hides(kept: Installation, tested: dict[str, Any]):
    tables = {table for table, _, _ in tested["checks"]}
    assert tested["success"]
    assert len(tested["checks"]) > 40
    assert all(passed for _, _, passed in tested["checks"])
    assert {"marts/fct_daily_prices", "factors/fct_momentum", "staging/stg_daily_bars"} <= tables
    # Of the first day: no daily run looks there again.
    table = "marts.fct_daily_prices"
    first = f"(select trade_date, instrument_id from {table} order by 1, 2 limit 1)"
    assert write(kept, f"update {table} set close_adj = -close_adj where (trade_date, instrument_id) = {first}") == 1
    broken = run(kept, "full_tests")
    assert not broken["success"]
    assert {table for table, _, passed in broken["checks"] if not passed} == {"marts/fct_daily_prices"}
    assert len(broken["checks"]) == len(tested["checks"])


def test_retention_deletes_what_is_old_and_keeps_what_made_the_tables(
    kept: Installation, refreshed: Installation, tested: dict[str, Any]
):
    made = {row[0] for row in refreshed.read("select run_id from runs", "dagster")}
    idle = {tested["run_id"]}
    quote = (
        "insert into raw.quotes (source, source_symbol, quoted_at, price, currency_code)"
        " values ('simulated', '{}', timestamptz '{}', 1, 'USD')"
    )
    write(kept, quote.format("OLD", IN_THREE_MONTHS - dt.timedelta(days=31)))
    write(kept, quote.format("YOUNG", IN_THREE_MONTHS - dt.timedelta(days=29)))
    write(
        kept,
        "insert into research.rankings select (jsonb_populate_record(r, '{\"is_intraday\": true}')).*"
        " from research.rankings as r where as_of_date = '2024-04-05' and profile = 'balanced'",
    )
    write(kept, "insert into app.events (type, payload) values ('run.failed', '{}')")
    ((n_events,),) = kept.read("select count(*) from app.events")
    logs = kept.home / "dagster" / "compute_logs" / "of_long_ago"
    logs.mkdir(parents=True)
    later = {"FACTORLOOM_NOW": IN_THREE_MONTHS.isoformat()}
    looked = run(kept, "retention", {"ops": {"delete_old": {"config": {"dry_run": True}}}}, **later)
    assert looked["counts"][0]["runs"] >= len(idle)
    assert idle <= {row[0] for row in kept.read("select run_id from runs", "dagster")}
    assert logs.exists()

    deleted = run(kept, "retention", **later)
    counts = deleted["counts"][0]
    left = {row[0] for row in kept.read("select run_id from runs", "dagster")}
    assert not idle & left
    assert deleted["run_id"] in left
    assert counts["runs"] >= len(idle)
    assert (counts["quotes"], counts["events"]) == (1, n_events)
    assert kept.read("select count(*) from app.events") == [(0,)]
    assert counts["intraday_rankings"] > 30
    assert not logs.exists()
    assert kept.read("select source_symbol from raw.quotes") == [("YOUNG",)]
    assert kept.read("select count(*) from research.rankings where is_intraday") == [(0,)]
    assert kept.read("select count(*) > 1000 from research.rankings") == [(True,)]
    # Runs that made what stands are kept, however old they are.
    of_tables = "select distinct run_id from event_logs where dagster_event_type = 'ASSET_MATERIALIZATION'"
    standing = {row[0] for row in kept.read(of_tables, "dagster")}
    assert standing
    assert standing <= made & left
