"""Running again writes nothing; day by day gives what all at once gives; cutting the future off changes no past row."""

import datetime as dt
from collections.abc import Callable
from typing import NamedTuple

import pytest

from orchestration.sources.simulated.options import SimulatedOptions
from orchestration.sources.simulated.source import SimulatedSource
from orchestration.sources.simulated.truth import read_defects
from tests.pipeline.conftest import LAST_DAY, SMALL_MARKET, Installation
from tests.pipeline.digests import BACKTESTS, different, digests, past_digests, trial_digests
from tests.skill.simulated_panel import CALENDAR

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("pipeline")]

# The last sessions one after the other, as a machine sees them that is off now and then: a week's end, a new quarter.
CUT = "2024-03-22"
LATER_DAYS = ("2024-03-25", "2024-04-01", "2024-04-02", LAST_DAY)


class Histories(NamedTuple):
    """One market built up to a day and then day by day, and what was there on that day."""

    by_day: Installation
    at_cut: dict[str, str]
    cut_home: Installation


@pytest.fixture(scope="module")
def histories(refreshed: Installation, new_installation: Callable[..., Installation]) -> Histories:
    by_day = new_installation("by_day")
    by_day.refresh(day=CUT)
    at_cut = past_digests(by_day, CUT)
    cut_home = new_installation("cut", copy_of=by_day, FACTORLOOM_NOW=f"{CUT}T23:30:00Z")
    for day in LATER_DAYS:
        by_day.refresh(day=day)
    return Histories(by_day, at_cut, cut_home)


def test_a_second_run_changes_no_row(refreshed):
    before, versions = digests(refreshed), row_versions(refreshed)
    refreshed.refresh("--full")
    assert different(digests(refreshed), before) == {}
    assert row_versions(refreshed) == versions


def test_day_by_day_equals_all_at_once(histories, refreshed):
    by_day, at_once = digests(histories.by_day), digests(refreshed)
    # Each day's backtest is a trial of its own, and remains; the newest trial is the same one. The log says what each
    # run has changed.
    of_each_run = {"app.dataset_versions", "app.events", *BACKTESTS}
    apart = different(by_day, at_once)
    assert {table: digest for table, digest in apart.items() if table not in of_each_run} == {}
    assert trial_digests(histories.by_day) == trial_digests(refreshed)


def test_cutting_the_future_off_changes_no_past_row(histories, refreshed):
    now = past_digests(refreshed, CUT)
    assert all(not digest.startswith("0 rows") for digest in now.values()), now
    assert different(histories.at_cut, now) == {}


def test_a_leak_put_in_on_purpose_is_caught(histories, refreshed, leaking_project, new_installation):
    """The last weeks of both are computed again by a project in which one factor looks at the next session's close."""
    ran_on = new_installation("leaking", copy_of=refreshed, project=leaking_project)
    stopped = new_installation(
        "leaking_cut", copy_of=histories.cut_home, project=leaking_project, **histories.cut_home.environment
    )
    for installation in (ran_on, stopped):
        installation.refresh("--first-date", "2024-03-18")
    apart = different(past_digests(stopped, CUT), past_digests(ran_on, CUT))
    assert {"factors.fct_momentum", "research.forecasts", "research.rankings"} <= set(apart)


def test_the_last_days_hold_what_makes_days_awkward():
    """Otherwise the tests above would say less than they seem to."""
    options = SimulatedOptions(
        n_instruments=int(SMALL_MARKET["FACTORLOOM_SIMULATED_INSTRUMENTS"]),
        first_session=dt.date.fromisoformat(SMALL_MARKET["FACTORLOOM_SIMULATED_FIRST_SESSION"]),
        seed=int(SMALL_MARKET["FACTORLOOM_SIMULATED_SEED"]),
        defect_rate=float(SMALL_MARKET["FACTORLOOM_SIMULATED_DEFECT_RATE"]),
    )
    first, last = dt.date.fromisoformat(CUT) + dt.timedelta(days=1), dt.date.fromisoformat(LAST_DAY)
    evening = dt.datetime.combine(last, dt.time(23, 30), dt.UTC)
    source = SimulatedSource(options, calendar=CALENDAR, now=lambda: evening)
    for name in ("splits", "dividends", "fundamentals"):
        assert sum(batch.rows.num_rows for batch in getattr(source, name)(first, last)) > 0, name
    delisted = [day for batch in source.instruments() for day in batch.rows.column("delisted_date").to_pylist() if day]
    assert any(first <= day <= last for day in delisted)
    kinds = {defect.kind for defect in read_defects(options, CALENDAR, last) if first <= defect.day <= last}
    assert {"missing_session", "repeated_from_later", "exact_duplicate", "negative_price"} <= kinds


def row_versions(installation: Installation) -> dict[str, int]:
    """Return the newest transaction that wrote a row of each table of ours: unchanged when none was written."""
    names = installation.read(
        "select schemaname || '.' || tablename from pg_tables where schemaname in ('raw', 'research', 'app') order by 1"
    )
    return {
        name: installation.read(f"select coalesce(max(xmin::text::bigint), 0) from {name}")[0][0] for (name,) in names
    }


def test_the_ui_shows_of_each_table_what_its_newest_run_said(refreshed: Installation):
    """Marks of thousands of sessions lie between; Dagster keeps one materialization of a table as its newest."""
    newest = (
        "select k.asset_key from asset_keys as k where (k.last_materialization::json ->> 'storage_id')::bigint <> ("
        " select max(e.id) from event_logs as e"
        " where e.asset_key = k.asset_key and e.dagster_event_type = 'ASSET_MATERIALIZATION')"
    )
    assert refreshed.read(newest, "dagster") == []
