"""The partitions of tables by session, against the calendars of exchanges."""

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from zoneinfo import ZoneInfo

import dagster as dg
import pytest

from orchestration import partitions
from orchestration.calendars import HomeCalendar
from orchestration.installation import Installation
from warehouse.settings import Settings

TODAY = dt.datetime(2026, 11, 27, 2, 30, tzinfo=dt.UTC)


@pytest.fixture
def partitions_at(monkeypatch: pytest.MonkeyPatch) -> Callable[..., dg.DailyPartitionsDefinition]:
    """Return the partitions of an installation that is put together at some instant, of a live source."""

    def made(code: str, first: dt.date, now: dt.datetime = TODAY) -> dg.DailyPartitionsDefinition:
        source = SimpleNamespace(first_session=first, last_session=None)
        installation = Installation(
            Settings(home=Path("nowhere")), lambda: now, HomeCalendar(code), cast("Any", source)
        )
        monkeypatch.setattr(partitions, "current_installation", lambda: installation)
        return partitions.sessions_partitions.__wrapped__()

    return made


@pytest.mark.parametrize("first", [dt.date(2014, 12, 1), dt.date(2020, 12, 1), dt.date(2025, 1, 2)])
@pytest.mark.parametrize("code", ["XNYS", "XSTO", "XLON", "XHKG", "XASX"])
def test_the_partitions_are_the_sessions_also_two_years_after_the_start(partitions_at, code: str, first: dt.date):
    days = partitions_at(code, first)
    for last in (TODAY, TODAY.replace(year=2028, month=12, day=31)):
        # The day itself is open only once it is over in the zone of the partitions.
        today = last.astimezone(ZoneInfo(days.timezone)).date()
        sessions = HomeCalendar(code).sessions(first, today - dt.timedelta(days=1))
        assert days.get_partition_keys(current_time=last) == [f"{session:%Y-%m-%d}" for session in sessions]


def test_the_list_of_holidays_is_short_and_the_same_for_five_years(partitions_at):
    first = dt.date(2020, 12, 1)
    lists = {year: partitions_at("XNYS", first, TODAY.replace(year=year)).exclusions for year in range(2023, 2031)}
    assert len(lists[2026]) < 110
    assert [year for year in range(2024, 2031) if lists[year] != lists[year - 1]] == [2024, 2029]
