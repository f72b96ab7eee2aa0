"""What the sensor of restatements asks for, on a real instance."""

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import dagster as dg
import pytest

from orchestration import partitions
from orchestration.calendars import HomeCalendar
from orchestration.catch_up import VERSIONS
from orchestration.defs.market_data import sensors
from orchestration.defs.market_data.sensors import restatements
from orchestration.installation import Installation
from orchestration.metadata import TRIGGER_TAG
from warehouse.clock import clock_of
from warehouse.settings import Settings

BARS = dg.AssetKey(["raw", "daily_bars"])
RANGE = ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end")


class Ticking:
    """Ticks the sensor and keeps its cursor; tables are written by real runs."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self.instance = instance
        self.cursor: str | None = None
        self.passes = True

        @dg.asset(key=BARS, check_specs=[dg.AssetCheckSpec("sound", asset=BARS, blocking=True)])
        def bars(context: dg.AssetExecutionContext) -> dg.MaterializeResult:  # type: ignore[type-arg]
            return dg.MaterializeResult(
                metadata={"first_changed_date": context.run.tags["changed"]},
                check_results=[dg.AssetCheckResult(check_name="sound", passed=self.passes)],
            )

        self.bars = bars
        self.definitions = dg.Definitions(assets=[bars])

    def write(self, changed: str, *, passes: bool = True, **tags: str) -> None:
        """Run the table; rows from the day `changed` on are new."""
        self.passes = passes
        dg.materialize([self.bars], instance=self.instance, tags={"changed": changed, **tags}, raise_on_error=False)

    def tick(self) -> dg.RunRequest | str:
        """Return what is asked for, or why nothing is."""
        context = dg.build_sensor_context(
            instance=self.instance, cursor=self.cursor, repository_def=self.definitions.get_repository_def()
        )
        data = restatements.evaluate_tick(context)
        self.cursor = data.cursor
        return data.run_requests[0] if data.run_requests else str(data.skip_message)


@pytest.fixture
def ticking(monkeypatch: pytest.MonkeyPatch) -> Iterator[Ticking]:
    settings = Settings(home=Path("nowhere"), now=dt.datetime(2024, 6, 27, 23, 30, tzinfo=dt.UTC))
    source = SimpleNamespace(first_session=dt.date(2020, 12, 1), last_session=None)
    installation = Installation(settings, clock_of(settings), HomeCalendar("XNYS"), cast("Any", source))
    monkeypatch.setattr(sensors, "current_installation", lambda: installation)
    monkeypatch.setattr(partitions, "current_installation", lambda: installation)
    with dg.DagsterInstance.ephemeral() as instance:
        ticking = Ticking(instance)
        ticking.tick()
        yield ticking


def asked_range(request: Any) -> list[str]:
    return [request.tags[name] for name in RANGE]


def test_a_changed_older_session_is_carried_downstream_to_the_newest_once(ticking: Ticking) -> None:
    ticking.write("2024-06-25")
    assert asked_range(ticking.tick()) == ["2024-06-25", "2024-06-27"]
    assert ticking.tick() == "no row of an older session has changed"


def test_the_newest_session_is_left_to_automation(ticking: Ticking) -> None:
    ticking.write("2024-06-27")
    assert ticking.tick() == "no row of an older session has changed"


def test_several_changes_are_one_range_from_the_oldest(ticking: Ticking) -> None:
    for changed in ("2024-06-26", "2024-06-24", "2024-06-25"):
        ticking.write(changed)
    assert asked_range(ticking.tick()) == ["2024-06-24", "2024-06-27"]


def test_what_fails_its_blocking_check_waits_and_is_not_forgotten(ticking: Ticking) -> None:
    ticking.write("2024-06-21", passes=False)
    assert ticking.tick() == "waits for the check sound of raw/daily_bars to pass"
    ticking.write("2024-06-26")
    assert asked_range(ticking.tick()) == ["2024-06-21", "2024-06-27"]


def test_a_check_that_never_came_to_its_turn_has_not_passed(ticking: Ticking) -> None:
    @dg.asset(key=BARS, check_specs=[dg.AssetCheckSpec("sound", asset=BARS, blocking=True)])
    def dies() -> dg.MaterializeResult:  # type: ignore[type-arg]
        raise ValueError("the source did not answer")

    ticking.write("2024-06-25")
    dg.materialize([dies], instance=ticking.instance, raise_on_error=False)
    assert ticking.tick() == "waits for the check sound of raw/daily_bars to pass"


def test_what_refresh_has_changed_it_carries_on_itself(ticking: Ticking) -> None:
    ticking.write("2024-06-21", **{TRIGGER_TAG: "factorloom refresh"})
    assert ticking.tick() == "no row of an older session has changed"


def test_changes_before_the_first_tick_lie_behind(ticking: Ticking) -> None:
    ticking.write("2024-06-21")
    ticking.cursor = None
    assert ticking.tick() == "no row of an older session has changed"


def test_a_version_trained_after_its_quarter_had_begun_is_carried_downstream(ticking: Ticking) -> None:
    ticking.instance.report_runless_asset_event(dg.AssetMaterialization(VERSIONS, partition="2024-04-01"))
    request = ticking.tick()
    assert isinstance(request, dg.RunRequest)
    assert request.tags[partitions.WINDOW_TAG] == "2024-04-01"
    assert request.tags["dagster/partition"] == "2024-06-27"
