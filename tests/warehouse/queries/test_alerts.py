"""Rules as they are stored, and who can see them."""

import datetime as dt
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest

from warehouse.queries.alert_evaluation import read_marks, tables_are_built
from warehouse.queries.alerts import create_alert, read_counts, resolve_rule
from warehouse.queries.channels import NewChannel, create_channel
from warehouse.queries.events import write_event
from warehouse.records.alert_rules_1 import LevelRule
from warehouse.records.errors import EndpointRefused, RuleRefused
from warehouse.secrets import LOCAL_OWNER_ID, KeyRing, Sealed

MARTS = Path(__file__).parents[2] / "marts.sql"
NOW = dt.datetime(2024, 6, 27, 21, tzinfo=dt.UTC)
OTHER_ID = "00000000-0000-7000-8000-000000000002"
RULE = LevelRule(metric="price", operator="at_or_above", level=100, instruments=("AAA",))
KEYS = KeyRing({"k1": bytes(32)})
TABLES_OF_USERS = (
    "alerts", "alert_states", "alert_events", "deliveries", "delivery_attempts", "channels", "webhook_endpoints",
    "events",
)  # fmt: skip


@pytest.fixture
def connection(database: Any) -> Iterator[psycopg.Connection]:
    """A warehouse with three instruments, two of which had the same ticker, and a second user."""
    with psycopg.connect(database.url, autocommit=True) as connection:
        connection.execute(MARTS.read_text())
        connection.execute(
            "insert into marts.dim_instruments (instrument_id, ticker, is_active, last_trade_date) values"
            " ('new', 'AAA', true, '2024-06-26'), ('old', 'AAA', false, '2024-06-27'), ('b', 'BBB', false, null)"
        )
        connection.execute(
            "insert into app.users (user_id, display_name, role) values (%s, 'Another', 'user')", [OTHER_ID]
        )
        yield connection


def add_webhook(
    connection: psycopg.Connection, url: str, *, user_id: str = LOCAL_OWNER_ID, allow: Sequence[str] = ()
) -> NewChannel:
    return create_channel(
        connection, "webhook", url, user_id=user_id, keys=KEYS, now=NOW, allow=allow, is_verified=True
    )


def as_api(database: Any, user_id: str | None) -> psycopg.Connection:
    connection = psycopg.connect(database.api_url)
    if user_id is not None:
        connection.execute("select set_config('app.user_id', %s, false)", [user_id])
    return connection


def ids_of(connection: psycopg.Connection, *names: str) -> tuple[str, ...]:
    stored = resolve_rule(connection, msgspec.structs.replace(RULE, instruments=names), user_id=LOCAL_OWNER_ID)
    assert isinstance(stored, LevelRule)
    return stored.instruments


def test_a_ticker_means_the_active_instrument_and_an_id_itself(connection: psycopg.Connection) -> None:
    assert ids_of(connection, "BBB", "AAA", "old") == ("b", "new", "old")


def test_instruments_that_nobody_knows_are_named(connection: psycopg.Connection) -> None:
    with pytest.raises(RuleRefused, match=r"known here; got \['ZZZ', 'aaa'\]"):
        ids_of(connection, "AAA", "ZZZ", "aaa")


def test_a_rule_is_stored_with_ids_each_once(connection: psycopg.Connection) -> None:
    rule = msgspec.structs.replace(RULE, instruments=("AAA", "new", "b"))
    create_alert(connection, rule, user_id=LOCAL_OWNER_ID, name="r", now=NOW)
    [(stored, version)] = connection.execute("select rule, rule_version from app.alerts").fetchall()
    assert stored == {
        "version": 1, "metric": "price", "operator": "at_or_above", "level": 100, "instruments": ["new", "b"],
    }  # fmt: skip
    assert version == 1


def test_a_second_rule_of_the_same_name_is_refused_and_the_transaction_goes_on(database: Any, connection: Any) -> None:
    with database.connect() as other:
        create_alert(other, RULE, user_id=LOCAL_OWNER_ID, name="r", now=NOW)
        with pytest.raises(RuleRefused, match="got 'r' again"):
            create_alert(other, RULE, user_id=LOCAL_OWNER_ID, name="r", now=NOW)
        create_alert(other, RULE, user_id=OTHER_ID, name="r", now=NOW)
    assert read_counts(connection).n_rules == 2


def test_the_secret_of_an_endpoint_is_stored_encrypted_for_its_row(connection: psycopg.Connection) -> None:
    made = add_webhook(connection, "https://example.com/")
    [(endpoint_id, key_id, content)] = connection.execute(
        "select endpoint_id, secret_key_id, secret_encrypted from app.webhook_endpoints"
    ).fetchall()
    assert endpoint_id == made.channel_id
    assert KEYS.open(Sealed(key_id, content), bound_to=str(endpoint_id)) == made.secret
    assert made.secret.encode() not in content


def test_an_endpoint_inside_is_refused_unless_it_is_listed(connection: psycopg.Connection) -> None:
    url = "http://127.0.0.1:9000/"
    with pytest.raises(EndpointRefused):
        add_webhook(connection, url)
    add_webhook(connection, url, allow=["127.0.0.1:9000"])


def test_a_user_makes_rules_and_endpoints_through_the_api_and_nobody_else_sees_them(
    database: Any, connection: psycopg.Connection
) -> None:
    with as_api(database, OTHER_ID) as api:
        alert_id = create_alert(api, RULE, user_id=OTHER_ID, name="r", now=NOW)
        add_webhook(api, "https://example.com/", user_id=OTHER_ID)
    event_id = uuid.uuid4()
    connection.execute(
        "insert into app.alert_events (alert_event_id, alert_id, user_id, instrument_id, type, episode, dedup_key,"
        " observed_at, message) values (%s, %s, %s, 'new', 'triggered', 1, 'd', now(), 'm')",
        [event_id, alert_id, OTHER_ID],
    )
    connection.execute(
        "insert into app.alert_states values (%s, 'new', %s, 1, 'firing', 1, 101, now())", [alert_id, OTHER_ID]
    )
    write_event(connection, "alert.triggered", {}, dedup_key="x", now=NOW, user_id=OTHER_ID)
    connection.execute(
        "insert into app.delivery_attempts (delivery_id, user_id, attempt, tried_at, duration_seconds)"
        " select delivery_id, user_id, 1, now(), 0.1 from app.deliveries",
    )
    for user_id, n_seen in ((OTHER_ID, 1), (LOCAL_OWNER_ID, 0), (None, 0)):
        with as_api(database, user_id) as api:
            for table in TABLES_OF_USERS:
                assert api.execute(f"select count(*) from app.{table}").fetchone() == (n_seen,), (table, user_id)


def test_nobody_makes_a_rule_in_the_name_of_another(database: Any, connection: psycopg.Connection) -> None:
    with as_api(database, OTHER_ID) as api, pytest.raises(psycopg.errors.InsufficientPrivilege):
        create_alert(api, RULE, user_id=LOCAL_OWNER_ID, name="r", now=NOW)


def test_the_marks_move_with_what_rules_look_at_and_with_nothing_else(connection: psycopg.Connection) -> None:
    marks = [read_marks(connection)]
    for statement in (
        "insert into app.alerts (alert_id, user_id, name, rule) values (gen_random_uuid(), '"
        + OTHER_ID
        + "', 'r', '{}')",
        "update app.alerts set updated_at = '2030-01-01'",
        "insert into app.dataset_versions (dataset, version) values ('raw.quotes', 'v1')",
        "update app.dataset_versions set version = 'v2'",
        "insert into marts.fct_daily_prices (instrument_id, trade_date, close_adj) values ('new', '2024-06-26', 1)",
    ):
        connection.execute(statement)
        marks.append(read_marks(connection))
    assert len(set(marks)) == 6
    connection.execute("insert into app.dataset_versions (dataset, version) values ('raw.dividends', 'v1')")
    assert read_marks(connection) == marks[-1]


def test_a_fresh_installation_is_told_from_one_with_tables(database: Any) -> None:
    with database.connect() as fresh:
        assert not tables_are_built(fresh)
        fresh.execute(MARTS.read_text())
        assert tables_are_built(fresh)


def test_an_event_is_written_once(connection: psycopg.Connection) -> None:
    assert write_event(connection, "run.failed", {"job": "j"}, dedup_key="k", now=NOW)
    assert not write_event(connection, "run.failed", {"job": "other"}, dedup_key="k", now=NOW)
    assert connection.execute("select type, payload, created_at from app.events").fetchall() == [
        ("run.failed", {"job": "j"}, NOW)
    ]
