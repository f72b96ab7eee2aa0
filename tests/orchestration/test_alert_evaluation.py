"""Rules of every kind, held against tables session by session."""

import datetime as dt
import random
from typing import Any
from uuid import UUID

import psycopg
import pytest

from orchestration.alert_passes import looks_of
from orchestration.alerting import Evaluated, _complete, _conditions, _looks, _options, _states, evaluate
from orchestration.calendars import HomeCalendar
from transforms.alert_rules import NOTHING, step
from warehouse.queries import alert_evaluation as queries
from warehouse.queries.alert_plans import read_new_rules, refresh_pairs
from warehouse.queries.alerts import create_alert
from warehouse.queries.channels import create_channel
from warehouse.queries.deliveries import claim
from warehouse.records.alerts import decode_rule
from warehouse.records.errors import RuleRefused
from warehouse.secrets import LOCAL_OWNER_ID, KeyRing

CALENDAR = HomeCalendar("XNYS")
NOW = dt.datetime(2024, 6, 28, 21, tzinfo=dt.UTC)
# Sessions, Thursday to Friday of the next week but one.
DAYS = CALENDAR.sessions(dt.date(2024, 6, 13), dt.date(2024, 6, 28))
AT_100: dict[str, Any] = {"operator": "at_or_above", "metric": "price", "level": 100}
ON_A = {"kind": "instruments", "instruments": ["a"]}


def add(
    market: Any, when: dict[str, Any], scope: dict[str, Any] | None = ON_A, name: str = "rule", **options: Any
) -> UUID:
    options = {"cooldown_hours": 0, **options}
    body = {"version": 2, "when": when, **({"scope": scope} if scope else {}), **options}
    return create_alert(market.connection, decode_rule(body), user_id=LOCAL_OWNER_ID, name=name, now=NOW)


def look(market: Any, day: int | dt.date, now: dt.datetime = NOW) -> Evaluated:
    last = DAYS[day] if isinstance(day, int) else day
    return evaluate(market.connection, now=now, calendar=CALENDAR, last_session=last)


def close(market: Any, day: int, price: float, instrument: str = "a", **rest: Any) -> None:
    market.close(instrument, DAYS[day].isoformat(), price, **rest)


def said(market: Any) -> list[str]:
    return [
        message
        for (message,) in market.connection.execute(
            "select message from app.alert_events order by observed_at, episode, type, message"
        )
    ]


def states(market: Any) -> list[Any]:
    return market.connection.execute("select instrument_id, state, episode from app.alert_states order by 1").fetchall()


def indicators(market: Any, day: int, rsi: float, instrument: str = "a") -> None:
    market.connection.execute(
        "insert into research.indicators (instrument_id, as_of_date, rsi_14d) values (%s, %s, %s)"
        " on conflict (instrument_id, as_of_date) do update set rsi_14d = excluded.rsi_14d",
        [instrument, DAYS[day], rsi],
    )


def average(market: Any, day: int, value: float, instrument: str = "a") -> None:
    """Write an average in the terms of the adjusted close, which is three times the price as traded."""
    market.connection.execute(
        "insert into research.indicators (instrument_id, as_of_date, sma_20d) values (%s, %s, %s)",
        [instrument, DAYS[day], 3 * value],
    )


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


def version(market: Any, dataset: str, name: str) -> None:
    market.connection.execute(
        "insert into app.dataset_versions (dataset, version) values (%s, %s)"
        " on conflict (dataset) do update set version = excluded.version",
        [dataset, name],
    )


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


def test_a_scope_follows_the_portfolio_and_what_left_it_has_recovered(market: Any) -> None:
    portfolio_id = "00000000-0000-7000-8000-00000000000a"
    market.connection.execute(
        "insert into app.portfolios (portfolio_id, user_id, name, currency_code) values (%s, %s, 'mine', 'USD')",
        [portfolio_id, LOCAL_OWNER_ID],
    )
    hold = "insert into app.holdings (portfolio_id, instrument_id, user_id, quantity_shares) values (%s, %s, %s, 10)"
    market.connection.execute(hold, [portfolio_id, "a", LOCAL_OWNER_ID])
    add(market, AT_100, {"kind": "portfolio", "portfolio_id": portfolio_id})
    worth = {
        "operator": "at_or_above",
        "metric": "portfolio_value",
        "of": {"portfolio_id": portfolio_id},
        "level": 2000,
    }
    add(market, worth, None, name="worth")
    close(market, 0, 101)
    close(market, 0, 102, "b")
    assert look(market, 0).n_triggered == 1
    market.connection.execute(hold, [portfolio_id, "b", LOCAL_OWNER_ID])
    # Ten shares of each: 1,010 + 1,020.
    assert look(market, 0).n_triggered == 2
    market.connection.execute("delete from app.holdings where instrument_id = 'a'")
    close(market, 1, 103, "b")
    assert look(market, 1).n_resolved == 2
    look(market, 1)
    assert states(market) == [("*", "normal", 1), ("b", "firing", 1)]
    assert f"portfolio_value 2030 in portfolio_id {portfolio_id} is at or above 2000." in said(market)


def test_scopes_of_a_sector_of_the_best_and_of_all_members_find_their_instruments(market: Any) -> None:
    market.connection.execute("update marts.dim_instruments set sector = 'Energy' where instrument_id in ('a', 'b')")
    market.connection.execute("create table factors.fct_universe_members (instrument_id text, as_of_date date)")
    market.connection.execute(
        "insert into factors.fct_universe_members values ('a', '2024-06-13'), ('c', '2024-06-13')"
    )
    for name, rank in (("a", 1), ("b", 2), ("c", 3)):
        close(market, 0, 101, name)
        market.rank(name, DAYS[0].isoformat(), rank)
    of_rule = {
        add(market, AT_100, {"kind": "sector", "sector": "Energy"}, name="sector"): {"a", "b"},
        add(market, AT_100, {"kind": "top", "n": 2, "profile": "balanced"}, name="top"): {"a", "b"},
        add(market, AT_100, {"kind": "universe"}, name="universe"): {"a", "c"},
    }
    assert look(market, 0).n_triggered == 6
    for alert_id, members in of_rule.items():
        found = market.connection.execute("select instrument_id from app.alert_states where alert_id = %s", [alert_id])
        assert {name for (name,) in found} == members


def test_freshness_and_skill_are_metrics_of_the_platform(market: Any) -> None:
    add(
        market,
        {"operator": "at_or_above", "metric": "data_age", "of": {"dataset": "research.rankings"}, "level": 2},
        None,
    )
    add(
        market,
        {"operator": "at_or_below", "metric": "rank_ic", "of": {"model_id": "ridge"}, "level": 0},
        None,
        name="skill",
    )
    market.connection.execute(
        "insert into app.dataset_versions (dataset, version, as_of_date) values ('research.rankings', 'v', %s)",
        [DAYS[0]],
    )
    market.connection.execute(
        "insert into research.evaluation_days (model_id, as_of_date, rank_ic, n_instruments, decile_returns)"
        " values ('ridge', %s, -0.02, 100, '{}')",
        [DAYS[0]],
    )
    assert look(market, 1).n_triggered == 1
    assert look(market, 2).n_triggered == 1
    assert said(market) == [
        "rank_ic -0.02 in model_id ridge is at or below 0.",
        "data_age 2 in dataset research.rankings is at or above 2.",
    ]


def test_an_expired_rule_ends_in_silence(market: Any) -> None:
    add(market, AT_100, expires_at=f"{DAYS[1]}T00:00:00Z")
    close(market, 0, 90)
    look(market, 0)
    close(market, 1, 150)
    look(market, 1)
    assert (states(market), said(market)) == ([("a", "ended", 0)], [])


@pytest.mark.parametrize(
    ("when", "scope", "problem"),
    [
        ({**AT_100, "metric": "rsi_15d"}, ON_A, r"GET /v1/alerts/metrics lists; got 'rsi_15d'"),
        ({**AT_100, "metric": "return_1d"}, ON_A, "which is one of"),
        ({**AT_100, "metric": "signal", "of": {"profile": "balanced"}}, ON_A, "must be enters or leaves"),
        ({"operator": "enters", "metric": "price", "values": ["buy"]}, ON_A, "must be a word; got price"),
        (
            {"operator": "enters", "metric": "signal", "of": {"profile": "balanced"}, "values": ["buy", "bananas"]},
            ON_A, r"`values` .* must be among \['strong_buy', 'buy', 'hold', .*\]; got \['bananas'\]",
        ),
        ({**AT_100, "metric": "rank"}, ON_A, r"must give \['profile'\]; got nothing"),
        ({**AT_100, "of": {"profile": "balanced"}}, ON_A, r"must give nothing; got \['profile'\]"),
        (AT_100, None, "`scope` must be given"),
        (
            {**AT_100, "metric": "data_age", "of": {"dataset": "raw.quotes"}}, ON_A,
            "`scope` must be left out: no metric has any",
        ),
        (AT_100, {"kind": "sector", "sector": "Magic"}, r"are in, \[\]; got \['Magic'\]"),
        (AT_100, {"kind": "portfolio", "portfolio_id": "00000000-0000-7000-8000-00000000000b"}, "of your portfolios"),
        (AT_100, {"kind": "instruments", "instruments": ["ZZZ"]}, r"got \['ZZZ'\]"),
    ],
)  # fmt: skip
def test_a_rule_about_what_is_not_there_is_refused(market: Any, when: Any, scope: Any, problem: str) -> None:
    with pytest.raises(RuleRefused, match=problem):
        add(market, when, scope)


def test_a_series_that_a_filled_table_does_not_have_is_refused(market: Any) -> None:
    market.rank("a", DAYS[0].isoformat(), 1)
    with pytest.raises(RuleRefused, match="must name a series of metric rankings"):
        add(market, {**AT_100, "metric": "rank", "of": {"profile": "reckless"}})


def test_pairs_that_are_skipped_would_not_have_moved(market: Any) -> None:
    """On random markets and rules, the state machine moves no pair that the query has left out."""
    dice = random.Random(7)
    of = {"profile": "balanced"}
    tests = [
        {**AT_100, "operator": operator, "level": level}
        for operator in ("at_or_above", "at_or_below", "crosses_above", "crosses_below")
        for level in (98, 100, 102)
    ] + [
        {"operator": "new_high", "metric": "price", "bars": 3}, {"operator": "new_low", "metric": "price", "bars": 2},
        {"operator": "crosses_above", "metric": "price", "level": {"metric": "sma_20d"}},
        {"operator": "at_or_below", "metric": "sma_20d", "level": {"metric": "price", "times": 0.99}},
        {"operator": "changes_by", "metric": "price", "by": 0.03},
        {"operator": "enters", "metric": "signal", "of": of, "values": ["buy"]},
        {"operator": "at_or_below", "metric": "rank", "of": of, "level": 2},
    ]  # fmt: skip
    scopes = [ON_A, {"kind": "instruments", "instruments": ["b", "c"]}, {"kind": "top", "n": 2, "profile": "balanced"}]
    for number in range(60):
        when = dice.choice(tests)
        if dice.random() < 0.4:
            parts = [when, dice.choice(tests)]
            when = {"operator": dice.choice(["and", "or"]), "conditions": parts}
        add(
            market, when, dice.choice(scopes), name=str(number), for_bars=dice.choice([1, 1, 2]),
            cooldown_hours=dice.choice([0, 48]), one_shot=dice.random() < 0.2,
            **dice.choice([{}, {"repeat_hours": 30}]),
        )  # fmt: skip
    n_skipped = n_seen = 0
    for day in range(len(DAYS) - 2):
        for name in "abc":
            if dice.random() < 0.9:
                close(market, day, round(dice.gauss(100, 2), 1), name, is_suspect=dice.random() < 0.05)
            if dice.random() < 0.9:
                average(market, day, round(dice.gauss(100, 1), 1), name)
            if dice.random() < 0.9:
                market.rank(name, DAYS[day].isoformat(), dice.choice([1, 2, 3]))
                market.connection.execute(
                    "update research.rankings set signal = %s where as_of_date = %s and instrument_id = %s",
                    [dice.choice(["buy", "hold"]), DAYS[day], name],
                )
        skipped, seen = moved_though_skipped(market.connection, DAYS[day])
        n_skipped, n_seen = n_skipped + skipped, n_seen + seen
        look(market, day)
    assert n_skipped > n_seen / 4 > 0


def moved_though_skipped(connection: psycopg.Connection, last: dt.date) -> tuple[int, int]:
    """Look without writing anything: no pair that is left out may move. Returns how many were left out, and not."""
    with connection.transaction(force_rollback=True):
        refresh_pairs(connection, read_new_rules(connection).ids)
        queries.make_tables(connection)
        counts = [0, 0]
        for one in looks_of(connection, CALENDAR, last).passes:
            queries.observe(connection, one.day, one.series, is_newest=one.is_newest)
            seen = {(row.alert_id, row.instrument_id) for row in queries.read_observations(connection, now=NOW)}
            everything = _complete(queries.read_observations(connection, now=NOW, with_unmoved=True))
            skipped = [rows for rows in everything if (rows[0].alert_id, rows[0].instrument_id) not in seen]
            counts = [counts[0] + len(skipped), counts[1] + len(seen)]
            if not skipped:
                continue
            first = [rows[0] for rows in skipped]
            before = _states(first)
            after, event, _ = step(before, _looks(skipped, one), _conditions(skipped), _options(first))
            assert (event == NOTHING).all()
            for name in ("state", "episode", "is_open", "bars", "inhibition"):
                assert getattr(before, name).tolist() == getattr(after, name).tolist(), name
        return counts[0], counts[1]
