"""The query that leaves out pairs of rule and instrument, against the state machine."""

import datetime as dt
import random
from typing import Any

import psycopg

from orchestration.alert_passes import looks_of
from orchestration.alerting import _complete, _conditions, _looks, _options, _states
from tests.orchestration.alert_looks import (
    AT_100,
    CALENDAR,
    DAYS,
    NOW,
    ON_A,
    add,
    average,
    close,
    look,
)
from transforms.alert_rules import NOTHING, step
from warehouse.queries import alert_observations as queries
from warehouse.queries.alert_plans import read_new_rules, refresh_pairs


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
