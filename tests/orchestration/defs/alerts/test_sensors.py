"""The way of an alert to its end: rule, ranking and quote, tick, signed webhook."""

import datetime as dt
from pathlib import Path
from typing import Any, NamedTuple, cast

import dagster as dg
import pytest
from standardwebhooks import Webhook

from orchestration.calendars import HomeCalendar
from orchestration.defs.alerts.assets import ALERT_EVENTS, DELIVERIES, alert_events, deliveries
from orchestration.defs.alerts.checks import OVERDUE_CHECK, no_delivery_is_overdue
from orchestration.defs.alerts.sensors import alert_delivery, alert_evaluation
from orchestration.installation import Installation
from orchestration.resources import MarketData, Warehouse
from orchestration.sources.protocols import Source
from warehouse.queries.alerts import create_alert
from warehouse.queries.channels import create_channel
from warehouse.records.alerts import decode_rule
from warehouse.secrets import LOCAL_OWNER_ID, webhook_keys
from warehouse.settings import Settings

# Dagster reads the fields of its resources in a way that pydantic has deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:The `__fields__` attribute is deprecated")

ABOVE_100 = {"version": 1, "metric": "price", "operator": "at_or_above", "level": 100, "instruments": ["AAA"]}
TOP_10 = {
    "version": 1, "metric": "rank", "operator": "at_or_below", "level": 10, "instruments": ["BBB"],
    "profile": "balanced",
}  # fmt: skip


class WarehouseAt(Warehouse):
    """The warehouse of a test."""

    address: str

    @property
    def url(self) -> str:
        return self.address

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        """Do nothing: there is no run to leave a mark on."""


class Ended(NamedTuple):
    """What rules ask of a source: when it ends."""

    last_session: dt.date = dt.date(2024, 6, 27)


class InstallationAt(MarketData):
    """An installation of a test, so many seconds from now; receivers refuse signatures of another time."""

    home: str
    allow: list[str]
    seconds_from_now: float = 0.0

    @property
    def installation(self) -> Installation:
        settings = Settings(home=Path(self.home), webhook_allow=tuple(self.allow))
        moment = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=self.seconds_from_now)
        return Installation(settings, lambda: moment, HomeCalendar("XNYS"), cast("Source", Ended()))


class Daemon:
    """Ticks the sensors as Dagster's daemon does: keeps their cursors and reports their events."""

    def __init__(self, database: Any, receiver: Any, home: Path) -> None:
        self.instance = dg.DagsterInstance.ephemeral()
        self.warehouse = WarehouseAt(address=database.url)
        self.home, self.allow = str(home), [receiver.address]
        self.cursors: dict[str, str | None] = {}

    def market_data(self, seconds_from_now: float = 0.0) -> InstallationAt:
        return InstallationAt(home=self.home, allow=self.allow, seconds_from_now=seconds_from_now)

    def tick(self, sensor: dg.SensorDefinition, *, seconds_from_now: float = 0.0, keep_cursor: bool = True) -> str:
        with dg.build_sensor_context(
            instance=self.instance,
            cursor=self.cursors.get(sensor.name),
            resources={"warehouse": self.warehouse, "market_data": self.market_data(seconds_from_now)},
        ) as context:
            data = sensor.evaluate_tick(context)
        assert data.run_requests == []
        for event in data.asset_events:
            self.instance.report_runless_asset_event(event)
        if keep_cursor:
            self.cursors[sensor.name] = data.cursor
        return data.skip_message or ""

    def numbers_of(self, key: dg.AssetKey) -> dict[str, Any]:
        event = self.instance.get_latest_materialization_event(key)
        assert event is not None
        assert event.asset_materialization is not None
        return {name: value.value for name, value in event.asset_materialization.metadata.items()}


@pytest.fixture
def daemon(database: Any, receiver: Any, tmp_path: Path) -> Any:
    daemon = Daemon(database, receiver, tmp_path)
    yield daemon
    daemon.instance.dispose()


def add_rule(market: Any, rule: dict[str, Any], name: str) -> None:
    now = dt.datetime.now(dt.UTC)
    create_alert(market.connection, decode_rule(rule), user_id=LOCAL_OWNER_ID, name=name, now=now)


def add_endpoint(market: Any, daemon: Daemon, receiver: Any) -> str:
    keys = webhook_keys(daemon.market_data().installation.settings)
    now = dt.datetime.now(dt.UTC)
    allow = [receiver.address]
    made = create_channel(
        market.connection, "webhook", receiver.url, user_id=LOCAL_OWNER_ID, keys=keys, now=now, allow=allow,
        is_verified=True,
    )  # fmt: skip
    return made.secret


def test_rules_on_a_quote_and_a_ranking_end_as_signed_webhooks(market: Any, daemon: Daemon, receiver: Any) -> None:
    secret = add_endpoint(market, daemon, receiver)
    add_rule(market, ABOVE_100, "price")
    add_rule(market, TOP_10, "rank")
    market.close("a", "2024-06-26", 98)
    market.quote("a", "2024-06-27T14:00:00Z", 101)
    market.rank("b", "2024-06-26", 7)

    assert daemon.tick(alert_evaluation).startswith("looked at 2 pairs of rule and instrument that could move: 2 fired")
    assert daemon.tick(alert_delivery).startswith("tried 2: 2 received")

    bodies = [Webhook(secret).verify(request.body, request.headers) for request in receiver.received]
    assert sorted((body["type"], body["data"]["message"]) for body in bodies) == [
        ("alert.triggered", "AAA: price 101 is at or above 100."),
        ("alert.triggered", "BBB: rank 7 in profile balanced is at or below 10."),
    ]
    assert daemon.numbers_of(ALERT_EVENTS) == {
        "n_sessions": 1, "n_pairs": 2, "n_without_data": 0, "n_states_changed": 2, "n_triggered": 2, "n_repeated": 0,
        "n_resolved": 0, "n_corrected": 0, "n_inhibited": 0, "n_deliveries": 2, "n_rules_unreadable": 0,
        "n_rules": 2, "n_firing": 2, "n_announcements": 2, "dagster/row_count": 2,
        "dagster/table_name": "app.alert_events",
    }  # fmt: skip
    assert daemon.numbers_of(DELIVERIES) == {
        "n_done": 2, "n_retried": 0, "n_dead": 0, "n_lost": 0, "total_waiting": 0, "total_done": 2, "total_dead": 0,
        "total_cancelled": 0, "dagster/row_count": 2, "dagster/table_name": "app.deliveries",
    }  # fmt: skip


def test_the_same_work_can_be_asked_for_by_hand(market: Any, daemon: Daemon, receiver: Any) -> None:
    add_endpoint(market, daemon, receiver)
    add_rule(market, ABOVE_100, "price")
    market.close("a", "2024-06-27", 101)
    resources = {"warehouse": daemon.warehouse, "market_data": daemon.market_data()}
    assert dg.materialize([alert_events, deliveries], instance=daemon.instance, resources=resources).success
    assert len(receiver.received) == 1
    assert daemon.numbers_of(DELIVERIES)["n_done"] == 1
    assert daemon.tick(alert_delivery) == "nothing is due"


def test_a_receiver_that_was_down_gets_its_message_once_it_is_back(market: Any, daemon: Daemon, receiver: Any) -> None:
    add_endpoint(market, daemon, receiver)
    add_rule(market, ABOVE_100, "price")
    market.close("a", "2024-06-27", 101)
    daemon.tick(alert_evaluation)
    receiver.answers = [(503, {})]
    assert "1 to be tried again" in daemon.tick(alert_delivery)
    assert daemon.tick(alert_delivery).startswith("nothing is due before 20")
    assert daemon.tick(alert_delivery, seconds_from_now=7).startswith("tried 1: 1 received")
    assert len(set(receiver.ids)) == 1


def test_ticks_that_are_repeated_announce_and_send_nothing_twice(market: Any, daemon: Daemon, receiver: Any) -> None:
    add_endpoint(market, daemon, receiver)
    add_rule(market, ABOVE_100, "price")
    market.close("a", "2024-06-27", 101)
    # The daemon died before it could keep the cursor.
    daemon.tick(alert_evaluation, keep_cursor=False)
    assert "0 fired" in daemon.tick(alert_evaluation, keep_cursor=False)
    daemon.tick(alert_delivery, keep_cursor=False)
    assert daemon.tick(alert_delivery, keep_cursor=False) == "nothing is due"
    assert len(receiver.received) == 1


def test_a_tick_without_news_does_no_work_and_looks_again_after_a_while(market: Any, daemon: Daemon) -> None:
    add_rule(market, ABOVE_100, "price")
    market.close("a", "2024-06-26", 98)
    assert daemon.tick(alert_evaluation).startswith("looked at 1 pairs")
    unchanged = "no quote, close, ranking or rule has changed since the last look"
    assert daemon.tick(alert_evaluation, seconds_from_now=60, keep_cursor=False) == unchanged
    assert daemon.tick(alert_evaluation, seconds_from_now=901, keep_cursor=False).startswith("looked at 0 pairs")
    market.close("a", "2024-06-27", 98)
    assert daemon.tick(alert_evaluation, seconds_from_now=60).startswith("looked at 0 pairs")


def test_ticks_say_why_they_do_nothing(database: Any, daemon: Daemon, request: pytest.FixtureRequest) -> None:
    assert daemon.tick(alert_evaluation).startswith("the tables of prices are not built yet")
    assert daemon.tick(alert_delivery) == "nothing is due"
    request.getfixturevalue("market")
    assert daemon.tick(alert_evaluation) == "no alert rule is active"


def test_a_delivery_that_nobody_sends_fails_the_check_until_it_is_sent(
    market: Any, daemon: Daemon, receiver: Any
) -> None:
    add_endpoint(market, daemon, receiver)
    add_rule(market, ABOVE_100, "price")
    market.close("a", "2024-06-27", 101)
    daemon.tick(alert_evaluation)
    late = no_delivery_is_overdue(daemon.warehouse, daemon.market_data(901))
    assert isinstance(late, dg.AssetCheckResult)
    assert not late.passed
    assert late.metadata["overdue"].value == 1
    assert "pending" in str(late.metadata["samples"].value)
    assert no_delivery_is_overdue(daemon.warehouse, daemon.market_data()).passed  # type: ignore[union-attr]


def test_the_verdict_of_the_check_is_reported_when_it_changes(daemon: Daemon) -> None:
    key = dg.AssetCheckKey(DELIVERIES, OVERDUE_CHECK)
    for _ in range(3):
        daemon.tick(alert_delivery)
    records = daemon.instance.event_log_storage.get_asset_check_execution_history(key, limit=10)
    assert [record.status.value for record in records] == ["SUCCEEDED"]


def test_the_sensors_run_from_the_first_start_and_their_tables_are_described() -> None:
    for sensor in (alert_evaluation, alert_delivery):
        assert sensor.default_status == dg.DefaultSensorStatus.RUNNING
        assert sensor.description
    assert alert_delivery.minimum_interval_seconds == 5
    definitions = dg.Definitions(
        assets=[alert_events, deliveries],
        asset_checks=[no_delivery_is_overdue],
        sensors=[alert_evaluation, alert_delivery],
        resources={"warehouse": Warehouse(), "market_data": MarketData()},
    )
    dg.Definitions.validate_loadable(definitions)
