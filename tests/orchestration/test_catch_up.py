"""What is asked for when sessions are missing, on a real instance and the real calendar."""

import datetime as dt
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import dagster as dg
import pytest

from orchestration import partitions
from orchestration.calendars import HomeCalendar
from orchestration.catch_up import REASON_TAG, is_at_work, request_sessions
from orchestration.freshness import freshness_policies, longest_gap, rhythm_of
from orchestration.installation import Installation
from warehouse.clock import clock_of
from warehouse.settings import Settings

DAILY = ("daily_bars", "benchmark_bars", "dividends", "splits", "bar_verdicts", "fx_rates", "news_articles")
# Monday to Friday, and the Monday after; Wednesday the 19th is a holiday.
WEEK = ["2024-06-17", "2024-06-18", "2024-06-20", "2024-06-21", "2024-06-24"]


def installation_at(now: str, *, last_session: dt.date | None = None) -> Installation:
    """An installation whose source begins on 2024-06-17."""
    settings = Settings(home=Path("nowhere"), now=dt.datetime.fromisoformat(now))
    source = SimpleNamespace(first_session=dt.date(2024, 6, 17), last_session=last_session)
    return Installation(settings, clock_of(settings), HomeCalendar("XNYS"), cast("Any", source))


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


def ask(instance: dg.DagsterInstance, installation: Installation, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(partitions, "current_installation", lambda: installation)
    return request_sessions(instance, installation, part="bars", job="work")


def done(instance: dg.DagsterInstance, *sessions: str, tables: Sequence[str] = DAILY) -> None:
    for session in sessions:
        for name in tables:
            instance.report_runless_asset_event(dg.AssetMaterialization(["raw", name], partition=session))


def test_a_week_off_is_caught_up_with_in_one_range(instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch):
    done(instance, WEEK[0])
    request = ask(instance, installation_at("2024-06-24T23:30:00+00:00"), monkeypatch)
    assert request.tags == {
        "dagster/asset_partition_range_start": "2024-06-18",
        "dagster/asset_partition_range_end": "2024-06-24",
        REASON_TAG: "missing since 2024-06-18",
    }


def test_one_missing_session_is_one_partition(instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch):
    done(instance, *WEEK[:-1])
    request = ask(instance, installation_at("2024-06-24T23:30:00+00:00"), monkeypatch)
    assert request.tags == {"dagster/partition": "2024-06-24", REASON_TAG: "missing since 2024-06-24"}


@pytest.mark.parametrize("failed", DAILY)
def test_a_session_of_which_one_table_failed_is_asked_for_again(
    failed: str, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
):
    done(instance, *WEEK[:-1])
    done(instance, WEEK[-1], tables=[name for name in DAILY if name != failed])
    request = ask(instance, installation_at("2024-06-24T23:30:00+00:00"), monkeypatch)
    assert request.tags[REASON_TAG] == "missing since 2024-06-24"


def test_months_off_run_as_the_last_session_with_a_long_window(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
):
    request = ask(instance, installation_at("2024-09-03T23:30:00+00:00"), monkeypatch)
    assert request.tags["dagster/partition"] == "2024-09-03"
    assert request.tags[partitions.WINDOW_TAG] == "2024-06-17"


def test_nothing_is_asked_for_while_an_earlier_run_is_at_work(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
):
    @dg.job
    def work() -> None: ...

    run = instance.create_run_for_job(work)
    installation = installation_at("2024-06-24T23:30:00+00:00")
    assert "still at work" in ask(instance, installation, monkeypatch).skip_message
    instance.report_run_failed(run, "the source did not answer")
    assert not is_at_work(instance, "work")
    assert ask(instance, installation, monkeypatch).tags[REASON_TAG] == "missing since 2024-06-17"


def test_a_source_that_has_ended_says_so(instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch):
    done(instance, *WEEK[:3])
    ended = installation_at("2024-06-24T23:30:00+00:00", last_session=dt.date(2024, 6, 20))
    assert ask(instance, ended, monkeypatch).skip_message == "source ends 2024-06-20"


def test_a_session_is_asked_for_in_its_evening_only(instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch):
    done(instance, *WEEK[:-1])
    noon = ask(instance, installation_at("2024-06-24T16:00:00+00:00"), monkeypatch)
    assert noon.skip_message == "every session up to 2024-06-21 is there"


def test_freshness_outlasts_the_longest_weekend_of_the_home_exchange():
    live = installation_at("2024-06-24T23:30:00+00:00")
    live = live._replace(settings=Settings(home=Path("nowhere")))
    # Thursday before Good Friday to Easter Monday, or Friday to Tuesday.
    assert longest_gap(live) == dt.timedelta(days=4)
    assert sorted(freshness_policies(live)) == ["quarter", "session", "week"]
    # Stockholm was closed from Christmas Eve, a Monday, to Boxing Day: 2018-12-21 to 2018-12-27.
    assert longest_gap(live._replace(calendar=HomeCalendar("XSTO"))) == dt.timedelta(days=6)


def test_what_has_ended_is_never_late():
    assert freshness_policies(installation_at("2024-06-24T23:30:00+00:00")) == {}


def test_tables_have_the_rhythm_of_what_makes_them():
    def rhythm(group: str, name: str) -> str | None:
        return rhythm_of(dg.AssetSpec(["research", name], group_name=group))

    assert rhythm("rankings", "rankings") == "session"
    assert rhythm("models", "model_versions") == "quarter"
    assert rhythm("backtests", "backtests") == "week"
    assert rhythm("alerts", "alert_events") is None
