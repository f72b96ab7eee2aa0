"""Rules held against real tables."""

import datetime as dt
import threading
import time
from typing import Any
from uuid import UUID

import psycopg
import pytest

from orchestration.alert_messages import dedup_key_of
from orchestration.alerting import Evaluated, evaluate
from orchestration.calendars import HomeCalendar
from warehouse.queries.alerts import create_alert
from warehouse.queries.channels import create_channel
from warehouse.records.alerts import decode_rule
from warehouse.secrets import LOCAL_OWNER_ID, KeyRing

CALENDAR = HomeCalendar("XNYS")
NOW = dt.datetime(2024, 6, 27, 21, tzinfo=dt.UTC)
ABOVE_100 = {"version": 1, "metric": "price", "operator": "at_or_above", "level": 100, "instruments": ["a"]}
TOP_10 = {
    "version": 1, "metric": "rank", "operator": "at_or_below", "level": 10, "instruments": ["a", "b"],
    "profile": "balanced",
}  # fmt: skip
NOTHING_CHANGED = {"n_states_changed": 0, "n_triggered": 0, "n_resolved": 0, "n_deliveries": 0}


def add(connection: psycopg.Connection, rule: dict[str, Any], name: str = "rule") -> UUID:
    return create_alert(connection, decode_rule(rule), user_id=LOCAL_OWNER_ID, name=name, now=NOW)


def look(connection: psycopg.Connection, now: dt.datetime = NOW, last_session: dt.date | None = None) -> Evaluated:
    """Look with no session missing; by default the last is the newest that any table has."""
    [(newest,)] = rows(
        connection,
        "select greatest((select max(trade_date) from marts.fct_daily_prices),"
        " (select max(as_of_date) from research.rankings where not is_intraday))",
    )
    last = last_session or newest or NOW.date()
    return evaluate(connection, now=now, calendar=CALENDAR, last_session=last)


def rows(connection: psycopg.Connection, sql: str) -> list[Any]:
    return connection.execute(sql).fetchall()


def states(connection: psycopg.Connection) -> list[Any]:
    return rows(
        connection,
        "select instrument_id, state, episode, observed_value, observed_at from app.alert_states order by 1",
    )


def said(connection: psycopg.Connection) -> list[Any]:
    return rows(connection, "select type, episode, message from app.alert_events order by observed_at, type")


def test_a_price_at_its_level_fires_once_and_recovers_past_its_recovery_level(market: Any) -> None:
    add(market.connection, ABOVE_100)
    # The rule recovers below 99: 99.5 is neither here nor there.
    for day, price in (("24", 99.0), ("25", 100.0), ("26", 99.5), ("27", 98.0)):
        market.close("a", f"2024-06-{day}", price)
        look(market.connection)
    assert said(market.connection) == [
        ("triggered", 1, "AAA: price 100 is at or above 100."),
        ("resolved", 1, "AAA: price 98 is back below 99."),
    ]
    close = dt.datetime(2024, 6, 27, 20, tzinfo=dt.UTC)  # 16:00 in New York
    assert states(market.connection) == [("a", "normal", 1, 98.0, close)]


def test_a_second_episode_is_announced_under_a_number_of_its_own(market: Any) -> None:
    alert_id = add(market.connection, ABOVE_100)
    for day, price in (("24", 101), ("25", 90), ("26", 102)):
        market.close("a", f"2024-06-{day}", price)
        look(market.connection)
    assert [(type_, episode) for type_, episode, _ in said(market.connection)] == [
        ("triggered", 1), ("resolved", 1), ("triggered", 2),
    ]  # fmt: skip
    keys = {key for (key,) in rows(market.connection, "select dedup_key from app.alert_events")}
    assert keys == {
        dedup_key_of(alert_id, 1, "a", n, e) for n, e in ((1, "triggered"), (1, "resolved"), (2, "triggered"))
    }


def test_a_repeated_look_changes_nothing(market: Any) -> None:
    add(market.connection, ABOVE_100)
    market.close("a", "2024-06-26", 101)
    create_channel(
        market.connection,
        "webhook",
        "https://example.com/",
        is_verified=True,
        user_id=LOCAL_OWNER_ID,
        keys=KeyRing({"k": bytes(32)}),
        now=NOW,
    )
    assert look(market.connection).n_deliveries == 1
    stand = "select xmin::text, ctid::text from app.{}"
    tables = ("alert_states", "alert_events", "events", "deliveries")
    before = [rows(market.connection, stand.format(table)) for table in tables]
    again = look(market.connection, NOW + dt.timedelta(hours=1))
    assert {**again._asdict(), **NOTHING_CHANGED} == again._asdict()
    assert [rows(market.connection, stand.format(table)) for table in tables] == before


def test_looks_at_the_same_time_announce_once(market: Any, database: Any) -> None:
    add(market.connection, ABOVE_100)
    market.close("a", "2024-06-26", 101)
    results: list[Evaluated] = []

    def tick() -> None:
        with database.connect() as connection:
            results.append(look(connection))

    threads = [threading.Thread(target=tick) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(result.n_triggered for result in results) == [0, 0, 0, 1]
    assert len(said(market.connection)) == 1


def test_a_quote_counts_until_the_bar_of_its_day_is_there(market: Any) -> None:
    add(market.connection, ABOVE_100)
    market.close("a", "2024-06-26", 98)
    # 23:30 UTC on the 26th is the evening of that day in New York: its bar is the newer word.
    market.quote("a", "2024-06-26T23:30:00Z", 105)
    assert look(market.connection).n_triggered == 0
    market.quote("a", "2024-06-27T14:00:00Z", 100.5)
    assert look(market.connection).n_triggered == 1
    assert states(market.connection)[0][3:] == (100.5, dt.datetime(2024, 6, 27, 14, tzinfo=dt.UTC))
    market.close("a", "2024-06-27", 97)
    assert look(market.connection).n_resolved == 1
    assert said(market.connection)[-1][2] == "AAA: price 97 is back below 99."


def test_a_suspect_bar_is_no_word_and_says_so(market: Any) -> None:
    add(market.connection, ABOVE_100)
    market.close("a", "2024-06-25", 98)
    look(market.connection)
    market.close("a", "2024-06-26", 980, is_suspect=True)
    assert look(market.connection).n_inhibited == 1
    assert states(market.connection)[0][1:4] == ("no_data", 0, None)
    assert said(market.connection) == [
        ("inhibited", 0, "AAA: 2024-06-26 is not held against the rule, for its bar is under suspicion."),
    ]


def test_a_source_with_adjusted_prices_only_is_held_against_those(market: Any) -> None:
    add(market.connection, ABOVE_100)
    market.close("a", "2024-06-26", 40)  # adjusted: 120
    market.connection.execute("update marts.fct_daily_prices set close_raw = null, adjustment_factor = 1")
    assert look(market.connection).n_triggered == 1
    assert states(market.connection)[0][3] == 120.0


def test_a_rank_is_that_of_the_newest_day_and_not_the_one_during_the_day(market: Any) -> None:
    add(market.connection, TOP_10)
    market.rank("a", "2024-06-25", 3)
    market.rank("a", "2024-06-26", 11)
    market.rank("b", "2024-06-26", 10)
    market.rank("a", "2024-06-27", 1, is_intraday=True)
    result = look(market.connection)
    assert (result.n_pairs, result.n_without_data, result.n_states_changed, result.n_triggered) == (2, 0, 2, 1)
    assert said(market.connection) == [("triggered", 1, "BBB: rank 10 in profile balanced is at or below 10.")]
    close = dt.datetime(2024, 6, 26, 20, tzinfo=dt.UTC)
    assert states(market.connection) == [("a", "normal", 0, 11.0, close), ("b", "firing", 1, 10.0, close)]


def test_whoever_is_not_in_the_newest_ranking_has_no_data(market: Any) -> None:
    add(market.connection, TOP_10)
    market.rank("a", "2024-06-26", 3)
    market.rank("b", "2024-06-26", None)  # a risk limit keeps it out
    assert look(market.connection).n_without_data == 1
    market.rank("b", "2024-06-27", 4)
    look(market.connection)
    assert [state[:4] for state in states(market.connection)] == [("a", "no_data", 1, None), ("b", "firing", 1, 4.0)]
    # The episode of a goes on where it was: it is not announced a second time.
    market.rank("a", "2024-06-28", 5)
    market.rank("b", "2024-06-28", 5)
    result = look(market.connection)
    assert (result.n_states_changed, result.n_announced) == (1, 0)
    market.rank("b", "2024-07-01", 5)
    look(market.connection)
    market.rank("a", "2024-07-02", 30)
    market.rank("b", "2024-07-02", 5)
    assert look(market.connection).n_resolved == 1
    assert [(type_, episode) for type_, episode, message in said(market.connection) if message.startswith("AAA")] == [
        ("triggered", 1), ("resolved", 1),
    ]  # fmt: skip


def test_an_instrument_without_any_price_has_no_data_until_the_first_however_old(market: Any) -> None:
    add(market.connection, {**ABOVE_100, "instruments": ["AAA"]})
    assert look(market.connection).n_without_data == 1
    assert states(market.connection)[0][1:4] == ("no_data", 0, None)
    assert look(market.connection).n_states_changed == 0
    market.close("a", "2020-01-03", 150)
    assert look(market.connection).n_triggered == 1


def test_an_older_word_than_the_last_does_not_count(market: Any) -> None:
    add(market.connection, ABOVE_100)
    market.close("a", "2024-06-26", 90)
    look(market.connection)
    market.connection.execute("delete from marts.fct_daily_prices")
    market.close("a", "2024-06-25", 150)
    assert look(market.connection).n_states_changed == 0


def test_a_changed_rule_begins_anew(market: Any) -> None:
    alert_id = add(market.connection, ABOVE_100)
    market.close("a", "2024-06-26", 150)
    look(market.connection)
    market.connection.execute(
        "update app.alerts set rule = jsonb_set(rule, '{level}', '120'), rule_version = 2 where alert_id = %s",
        [alert_id],
    )
    assert look(market.connection).n_triggered == 1
    assert [message for _, _, message in said(market.connection)] == [
        "AAA: price 150 is at or above 100.", "AAA: price 150 is at or above 120.",
    ]  # fmt: skip


def test_a_rule_that_is_changed_while_it_is_looked_at_announces_nothing_of_what_it_was(
    market: Any, database: Any
) -> None:
    alert_id = add(market.connection, ABOVE_100)
    market.close("a", "2024-06-25", 90)
    look(market.connection)
    market.close("a", "2024-06-26", 150)
    results: list[Evaluated] = []
    looker = threading.Thread(target=lambda: results.append(look_elsewhere(database)))
    with database.connect() as blocker:
        # The look has seen that the rule fires, and waits for the row that says where it stands.
        blocker.execute("select from app.alert_states for update")
        looker.start()
        wait_until_one_waits(market.connection)
        market.connection.execute("update app.alerts set rule_version = 2 where alert_id = %s", [alert_id])
    looker.join()
    assert results[0].n_announced == 0
    assert said(market.connection) == []
    assert look(market.connection).n_triggered == 1


def look_elsewhere(database: Any) -> Evaluated:
    with database.connect() as connection:
        return look(connection)


def wait_until_one_waits(connection: psycopg.Connection) -> None:
    waiting = (
        "select count(*) from pg_locks inner join pg_stat_activity using (pid)"
        " where not granted and datname = current_database()"
    )
    for _ in range(2_000):
        if connection.execute(waiting).fetchone() != (0,):
            return
        time.sleep(0.01)
    pytest.fail("nobody ever waits")


def test_a_rule_that_is_switched_off_is_not_looked_at(market: Any) -> None:
    add(market.connection, ABOVE_100)
    market.close("a", "2024-06-26", 150)
    market.connection.execute("update app.alerts set is_active = false")
    assert look(market.connection) == Evaluated(1, *[0] * 10)


def test_a_rule_of_a_later_version_of_the_code_is_left_alone_and_counted(market: Any) -> None:
    add(market.connection, ABOVE_100)
    other = add(market.connection, ABOVE_100, name="from tomorrow")
    market.connection.execute("update app.alerts set rule = rule || '{\"version\": 3}' where alert_id = %s", [other])
    market.close("a", "2024-06-26", 150)
    result = look(market.connection)
    assert (result.n_pairs, result.n_triggered, result.n_rules_unreadable) == (1, 1, 1)
    assert result.sentence().endswith("have no data, 1 rules cannot be read; 0 deliveries made")


def test_an_announcement_its_event_and_its_deliveries_come_together(market: Any) -> None:
    alert_id = add(market.connection, ABOVE_100, name="a hundred")
    ring = KeyRing({"k": bytes(32)})
    for host in ("one.example", "two.example", "off.example"):
        create_channel(
            market.connection,
            "webhook",
            f"https://{host}/",
            user_id=LOCAL_OWNER_ID,
            keys=ring,
            now=NOW,
            is_verified=True,
        )
    market.connection.execute("update app.webhook_endpoints set is_active = false where url like '%off%'")
    market.close("a", "2024-06-26", 101.25)
    assert look(market.connection).n_deliveries == 2
    [(type_, user_id, subject, payload)] = rows(
        market.connection, "select type, user_id::text, subject, payload from app.events"
    )
    assert (type_, user_id, subject) == ("alert.triggered", LOCAL_OWNER_ID, "a")
    assert payload == {
        "alert_event_id": payload["alert_event_id"],
        "alert_id": str(alert_id),
        "alert_name": "a hundred",
        "instrument_id": "a",
        "ticker": "AAA",
        "condition": "price is at or above 100",
        "readings": [{"metric": "price", "of": {}, "value": 101.25}],
        "episode": 1,
        "observed_at": "2024-06-26T20:00:00Z",
        "observed_date": "2024-06-26",
        "message": "AAA: price 101.25 is at or above 100.",
    }
    assert (
        rows(market.connection, "select state, next_attempt_at, attempts from app.deliveries")
        == [("pending", NOW, 0)] * 2
    )


def test_nothing_of_a_look_stays_when_its_end_fails(market: Any) -> None:
    add(market.connection, ABOVE_100)
    market.close("a", "2024-06-26", 150)

    def fail_after_the_look() -> None:
        with market.connection.transaction():
            assert look(market.connection).n_triggered == 1
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_after_the_look()
    assert states(market.connection) == []
    assert said(market.connection) == []
    assert look(market.connection).n_triggered == 1


def test_a_look_that_takes_too_long_is_ended_and_writes_nothing(market: Any, database: Any) -> None:
    add(market.connection, ABOVE_100)
    market.close("a", "2024-06-26", 150)
    with database.connect() as blocker, database.connect() as other:
        blocker.execute("select pg_advisory_xact_lock(hashtext('app.alert_states'))")
        with pytest.raises(psycopg.errors.QueryCanceled):
            evaluate(other, now=NOW, calendar=CALENDAR, last_session=NOW.date(), timeout_seconds=0.1)
    assert said(market.connection) == []
