"""Rules of every kind, held against tables session by session."""

import datetime as dt
from typing import Any

from tests.orchestration.alert_looks import (
    AT_100,
    DAYS,
    NOW,
    add,
    close,
    indicators,
    look,
    said,
    states,
    version,
)
from warehouse.queries.channels import create_channel
from warehouse.queries.deliveries import claim
from warehouse.secrets import LOCAL_OWNER_ID, KeyRing


def test_a_crossing_is_seen_from_one_session_to_the_next_and_over_a_gap(market: Any) -> None:
    add(market, {**AT_100, "operator": "crosses_above"})
    close(market, 0, 120)
    assert look(market, 0).n_triggered == 0
    close(market, 1, 95)
    close(market, 1, 50, "b")
    look(market, 1)
    close(market, 2, 50, "b")  # a does not trade
    look(market, 2)
    close(market, 3, 101)
    assert look(market, 3).n_triggered == 1
    assert said(market)[-1] == "AAA: price 101 crosses above 100."


def test_sessions_that_were_missed_are_made_up_for_in_their_order(market: Any) -> None:
    add(market, AT_100)
    for day, price in enumerate([90, 101, 90, 102, 103]):
        close(market, day, price)
        if day == 0:
            look(market, 0)
    assert look(market, 4)[:1] == (4,)
    assert said(market) == [
        "AAA: price 101 is at or above 100.", "AAA: price 90 is back below 99.", "AAA: price 102 is at or above 100.",
    ]  # fmt: skip


def test_a_past_session_that_is_computed_anew_alerts_nobody(market: Any) -> None:
    add(market, AT_100)
    for day, price in enumerate([90, 91, 92]):
        close(market, day, price)
        look(market, day)
    close(market, 1, 150)
    version(market, "marts.fct_daily_prices", "v2")
    assert look(market, 2).n_announced == 0
    assert look(market, 1).n_announced == 0
    assert said(market) == []


def test_what_fired_and_is_taken_back_is_announced_as_corrected_once(market: Any) -> None:
    add(market, AT_100)
    for day, price in enumerate([90, 101, 102]):
        close(market, day, price)
        version(market, "marts.fct_daily_prices", f"v{day}")
        look(market, day)
    close(market, 1, 97)
    version(market, "marts.fct_daily_prices", "restated")
    assert look(market, 2).n_corrected == 1
    version(market, "marts.fct_daily_prices", "once more")
    assert look(market, 2).n_announced == 0
    assert said(market)[0] == (
        "AAA: taken back: by its source's correction, price 97 on 2024-06-14, and the rule waits until"
        " price is at or above 100."
    )
    # It fires for what came later, and was announced: nothing to say about that.
    assert states(market) == [("a", "firing", 1)]


def test_the_newest_session_that_fired_may_come_corrected_too(market: Any) -> None:
    add(market, AT_100)
    close(market, 0, 101)
    look(market, 0)
    close(market, 0, 97)
    assert look(market, 0).n_corrected == 1
    assert states(market) == [("a", "normal", 1)]


def test_an_indicator_is_held_against_its_level_once_its_table_has_the_session(market: Any) -> None:
    add(market, {"operator": "at_or_below", "metric": "rsi_14d", "level": 30})
    indicators(market, 0, 45)
    look(market, 0)
    close(market, 1, 80)
    assert look(market, 1).n_triggered == 0
    indicators(market, 1, 28.5)
    assert look(market, 1).n_triggered == 1
    assert said(market) == ["AAA: rsi_14d 28.5 is at or below 30."]


def test_a_signal_enters_a_set_and_leaves_it(market: Any) -> None:
    of = {"profile": "balanced"}
    add(market, {"operator": "enters", "metric": "signal", "of": of, "values": ["buy", "strong_buy"]}, name="in")
    add(market, {"operator": "leaves", "metric": "rankings.signal", "of": of, "values": ["hold"]}, name="out")
    for day, signal in enumerate(["hold", "buy", "strong_buy", "hold"]):
        market.rank("a", DAYS[day].isoformat(), 5)
        market.connection.execute("update research.rankings set signal = %s where as_of_date = %s", [signal, DAYS[day]])
        look(market, day)
    assert said(market) == [
        "AAA: signal in profile balanced enters buy or strong_buy.",
        "AAA: signal in profile balanced leaves hold.",
        "AAA: signal in profile balanced enters buy or strong_buy; over is that"
        " rankings.signal (profile balanced) enters buy or strong_buy.",
        "AAA: signal in profile balanced leaves hold; over is that rankings.signal (profile balanced) leaves hold.",
    ]


def test_a_change_counts_from_so_many_sessions_before(market: Any) -> None:
    fall = {"operator": "changes_by", "metric": "price", "by": 0.1, "bars": 2, "direction": "down"}
    add(market, fall)
    for day, price in enumerate([100, 99, 91, 89.1]):  # 9 % over two sessions, then 10 %
        close(market, day, price)
        look(market, day)
    assert said(market) == ["AAA: price has changed by -10 % over 2 sessions."]


def test_a_change_of_a_quote_counts_from_the_last_close(market: Any) -> None:
    add(market, {"operator": "changes_by", "metric": "price", "by": 0.05})
    close(market, 0, 100)
    close(market, 1, 100)
    market.quote("a", f"{DAYS[2]}T15:00:00Z", 105)
    assert look(market, 1).n_triggered == 1
    assert said(market) == ["AAA: price has changed by 5 % over 1 session."]


def test_a_new_high_is_above_all_of_the_sessions_before(market: Any) -> None:
    add(market, {"operator": "new_high", "metric": "price", "bars": 3})
    fired = []
    for day, price in enumerate([10, 12, 11, 12, 12.5, 12.4]):
        close(market, day, price)
        fired.append(look(market, day).n_triggered)
    # 12 beats 10 alone; 12 again is no new high; 12.5 beats 12, 11 and 12.
    assert fired == [0, 1, 0, 0, 1, 0]


def test_conditions_of_two_tables_wait_for_the_same_session(market: Any) -> None:
    rank = {"operator": "at_or_below", "metric": "rank", "of": {"profile": "balanced"}, "level": 10}
    add(market, {"operator": "and", "conditions": [AT_100, rank]})
    close(market, 0, 101)
    market.rank("a", DAYS[0].isoformat(), 30)
    look(market, 0)
    close(market, 1, 101)
    assert look(market, 1).n_pairs == 0
    market.rank("a", DAYS[1].isoformat(), 7)
    assert look(market, 1).n_triggered == 1
    assert said(market) == ["AAA: price 101 is at or above 100 and rank 7 in profile balanced is at or below 10."]


def test_a_rule_for_several_bars_counts_closes_and_no_quotes(market: Any) -> None:
    add(market, AT_100, for_bars=2)
    close(market, 0, 101)
    look(market, 0)
    market.quote("a", f"{DAYS[1]}T15:00:00Z", 105)
    assert look(market, 0).n_triggered == 0
    close(market, 1, 102)
    assert look(market, 1).n_triggered == 1


def test_a_split_inhibits_its_bar_and_the_level_goes_on_in_the_shares_of_the_rules_day(market: Any) -> None:
    add(market, {**AT_100, "operator": "at_or_below", "level": 60})
    close(market, 0, 100)
    look(market, 0)
    # Two for one: half the price is the same worth.
    close(market, 1, 50, split_factor=2)
    assert look(market, 1).n_inhibited == 1
    close(market, 2, 40, split_factor=2)
    assert look(market, 2).n_announced == 0
    close(market, 3, 29, split_factor=2)
    assert look(market, 3).n_triggered == 1
    assert said(market) == [
        "AAA: 2024-06-14 is not held against the rule, for its shares are split. In today's shares its level is 30.",
        "AAA: price 29 is at or below 30.",
    ]


def test_a_quote_of_a_day_on_which_shares_are_split_is_not_held_against_the_rule(market: Any) -> None:
    add(market, {**AT_100, "operator": "at_or_below", "level": 60})
    close(market, 0, 100)
    market.connection.execute(
        "insert into raw.splits (source, source_symbol, ex_date, shares_new, shares_old)"
        " values ('test', 'a.X', %s, 2, 1)",
        [DAYS[1]],
    )
    market.quote("a", f"{DAYS[1]}T15:00:00Z", 50)
    assert (look(market, 0).n_inhibited, states(market)) == (1, [("a", "normal", 0)])


def test_a_halt_and_a_delisting_say_so_once(market: Any) -> None:
    add(market, AT_100)
    add(market, AT_100, {"kind": "instruments", "instruments": ["b"]}, name="b")
    for name in ("a", "b", "c"):
        close(market, 0, 90, name)
    look(market, 0)
    market.connection.execute("update marts.dim_instruments set is_active = false where instrument_id = 'b'")
    for day in (1, 2):
        close(market, day, 90, "c")
        look(market, day)
    assert sorted(said(market)) == [
        "AAA: 2024-06-14 is not held against the rule, for it does not trade.",
        "BBB: 2024-06-14 is not held against the rule, for it is no longer listed.",
    ]
    assert states(market) == [("a", "no_data", 0), ("b", "no_data", 0)]


def test_a_table_that_is_far_behind_is_no_data_and_alerts_nobody(market: Any) -> None:
    add(market, AT_100)
    close(market, 0, 101)
    look(market, 0)
    result = look(market, 4)
    assert (result.n_without_data, result.n_announced, states(market)) == (1, 0, [("a", "no_data", 1)])
    for day in range(1, 5):
        close(market, day, 101)
    result = look(market, 4)
    assert (result.n_announced, states(market)) == (0, [("a", "firing", 1)])


def test_a_mute_hides_what_happens_and_its_end_tells_what_goes_on(market: Any) -> None:
    alert_id = add(market, AT_100)
    market.connection.execute("update app.alerts set muted_until = %s", [NOW])
    close(market, 0, 101)
    look(market, 0, NOW - dt.timedelta(hours=1))
    assert market.connection.execute("select count(*) from app.events").fetchone() == (0,)
    assert look(market, 0).n_repeated == 1
    assert market.connection.execute("select type, subject from app.events").fetchall() == [("alert.repeated", "a")]
    told = market.connection.execute("select type, is_silent from app.alert_events where alert_id = %s", [alert_id])
    assert told.fetchall() == [("triggered", True), ("repeated", False)]


def test_quiet_hours_hold_back_what_is_sent_until_they_end(market: Any) -> None:
    create_channel(
        market.connection, "webhook", "https://example.com/", user_id=LOCAL_OWNER_ID, keys=KeyRing({"k": bytes(32)}),
        now=NOW, is_verified=True,
    )  # fmt: skip
    # 21:00 UTC is 23:00 in Stockholm.
    add(market, AT_100, quiet_hours={"start": "22:00", "end": "07:00", "time_zone": "Europe/Stockholm"})
    close(market, 0, 101)
    assert look(market, 0).n_deliveries == 1
    assert market.connection.execute("select next_attempt_at from app.deliveries").fetchone() == (
        dt.datetime(2024, 6, 29, 5, tzinfo=dt.UTC),
    )
    # Within them even what ends waits, and nothing of it is lost.
    close(market, 1, 90)
    assert look(market, 1).n_deliveries == 1
    sent: list[str] = []
    for hour, minute in ((4, 59), (5, 0)):
        at = dt.datetime(2024, 6, 29, hour, minute, tzinfo=dt.UTC)
        claimed = claim(market.connection, now=at, lease_seconds=1, limit=10)
        sent.append(" ".join(sorted(one.type for one in claimed)))
    assert sent == ["", "alert.resolved alert.triggered"]


def test_an_expired_rule_ends_in_silence(market: Any) -> None:
    add(market, AT_100, expires_at=f"{DAYS[1]}T00:00:00Z")
    close(market, 0, 90)
    look(market, 0)
    close(market, 1, 150)
    look(market, 1)
    assert (states(market), said(market)) == ([("a", "ended", 0)], [])
