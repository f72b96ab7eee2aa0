"""The body of an alert rule."""

import datetime as dt
from typing import Any

import msgspec
import pytest

from warehouse.records.alert_rules_1 import LevelRule
from warehouse.records.alerts import (
    AtOrAbove,
    AtOrBelow,
    Instruments,
    QuietHours,
    Rule,
    alternatives,
    decode_rule,
    modern,
    rule_schema,
)
from warehouse.records.errors import RuleRefused

PRICE = {"version": 1, "metric": "price", "operator": "at_or_above", "level": 100, "instruments": ["a"]}
RANK = {
    "version": 1, "metric": "rank", "operator": "at_or_below", "level": 10, "instruments": ["a", "b"],
    "profile": "balanced",
}  # fmt: skip


@pytest.mark.parametrize("body", [PRICE, RANK, {**PRICE, "recover_level": 95.5}])
def test_a_rule_survives_the_way_to_json_and_back(body: dict[str, Any]) -> None:
    rule = decode_rule(body)
    text = msgspec.json.encode(rule)
    assert msgspec.json.decode(text) == body
    assert decode_rule(text) == rule


@pytest.mark.parametrize(
    ("change", "recovery"),
    [
        ({}, 99.0),  # 1 % inside
        ({"operator": "at_or_below"}, 101.0),
        ({"recover_level": 90}, 90.0),
        ({"recover_level": 100}, 100.0),
        ({"metric": "rank", "profile": "balanced"}, 100.0),
    ],
)
def test_the_recovery_level_is_given_or_just_inside(change: dict[str, Any], recovery: float) -> None:
    assert decode_rule({**PRICE, **change}).recovery == pytest.approx(recovery, abs=1e-12)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"version": 3}, r"3 - at `\$\.version`"),
        ({"metric": "volume"}, r"'volume' - at `\$\.metric`"),
        ({"operator": "crosses_above"}, r"'crosses_above' - at `\$\.operator`"),
        ({"level": 0}, r"> 0\.0 - at `\$\.level`"),
        ({"level": "100"}, r"at `\$\.level`"),
        ({"level": float("nan")}, r"at `\$\.level`"),
        ({"level": float("inf")}, "must be positive numbers; got inf and None"),
        ({"recover_level": -1}, "must be positive numbers; got 100.0 and -1.0"),
        ({"recover_level": 101}, "must not lie above the level of at_or_above; got 101.0 and 100.0"),
        ({"operator": "at_or_below", "recover_level": 99}, "must not lie below the level of at_or_below; got 99.0"),
        ({"instruments": []}, r"length >= 1 - at `\$\.instruments`"),
        ({"instruments": ["a", "a"]}, "each instrument once"),
        ({"instruments": ["a"] * 1001}, r"at `\$\.instruments`"),
        ({"instruments": ["a" * 65]}, "length <= 64"),
        ({"profile": "balanced"}, "only then; got self.metric='price', self.profile='balanced'"),
        ({"metric": "rank"}, "only then; got self.metric='rank', self.profile=None"),
        ({"metric": "rank", "profile": "balanced", "level": 1.5}, "whole places; got 1.5"),
        ({"cooldown": 5}, "unknown field `cooldown`"),
    ],
)
def test_a_body_that_does_not_hold_is_refused_with_the_field_and_the_value(
    change: dict[str, Any], problem: str
) -> None:
    with pytest.raises(RuleRefused, match=problem):
        decode_rule({**PRICE, **change})


@pytest.mark.parametrize("text", ["", "[", "nonsense", "[" * 100_000, b"\xff", "null", '"x"', '{"version":1}'])
def test_text_that_is_no_rule_is_refused(text: str | bytes) -> None:
    with pytest.raises(RuleRefused):
        decode_rule(text)


def test_the_schema_says_what_the_decoder_enforces() -> None:
    schema = rule_schema()["$defs"][LevelRule.__name__]
    assert schema["additionalProperties"] is False
    assert schema["required"] == ["version", "metric", "operator", "level", "instruments"]
    assert schema["properties"]["version"] == {"enum": [1]}
    assert all("description" in field for name, field in schema["properties"].items() if name != "version")


LEVEL = {"operator": "at_or_above", "metric": "rsi_14d", "level": 70}
FIVE = {"operator": "or", "conditions": [LEVEL] * 5}
ENTERS = {"operator": "enters", "metric": "rankings.signal", "of": {"profile": "balanced"}, "values": ["buy"]}


def rule(when: dict[str, Any] | None = None, **options: Any) -> dict[str, Any]:
    return {"version": 2, "when": when or LEVEL, **options}


@pytest.mark.parametrize(
    "when",
    [
        LEVEL,
        {**LEVEL, "operator": "crosses_below", "recover_level": 71},
        {**LEVEL, "level": {"metric": "indicators.rsi_14d", "of": {"profile": "balanced"}, "times": 0.5}},
        ENTERS,
        {**ENTERS, "operator": "leaves"},
        {"operator": "changes_by", "metric": "price", "by": 0.05, "bars": 5, "direction": "down", "is_relative": False},
        {"operator": "new_high", "metric": "price", "bars": 252},
        {"operator": "and", "conditions": [LEVEL, {"operator": "or", "conditions": [ENTERS, LEVEL]}]},
    ],
)
def test_every_kind_of_condition_survives_the_way_to_json_and_back(when: dict[str, Any]) -> None:
    quiet = {"start": "22:00", "end": "07:00", "time_zone": "Europe/Stockholm"}
    body = rule(
        when, scope={"kind": "top", "n": 20, "profile": "balanced"}, for_bars=3, cooldown_hours=1.5, repeat_hours=48.0,
        expires_at="2027-01-01T00:00:00Z", one_shot=True, quiet_hours=quiet,
    )  # fmt: skip
    assert msgspec.json.decode(msgspec.json.encode(decode_rule(body))) == body


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (rule({**LEVEL, "metric": "RSI"}), r"`\$\.when\.metric`"),
        (rule({**LEVEL, "recover_level": 71}), "must not lie above `level`; got 71.0 and 70.0"),
        (rule({**LEVEL, "operator": "crosses_below", "recover_level": 69}), "must not lie below `level`; got 69.0 and"),
        (rule({**LEVEL, "level": float("inf")}), "must be finite numbers; got inf and None"),
        (rule({**LEVEL, "level": {"metric": "rsi_14d"}, "recover_level": 1}), "left out where `level` is a metric"),
        (rule({**LEVEL, "level": {"metric": "rsi_14d", "times": 0}}), r"> 0\.0 - at `\$\.when\.level\.times`"),
        (rule({**LEVEL, "level": {"metric": "rsi_14d", "plus": 1}}), "unknown field `plus`"),
        (rule({**LEVEL, "values": ["buy"]}), "unknown field `values`"),
        (rule({**ENTERS, "values": ["buy", "buy"]}), "must name each value once"),
        (rule({**ENTERS, "values": []}), "length >= 1"),
        (rule({"operator": "changes_by", "metric": "price", "by": 0}), "> 0"),
        (rule({"operator": "new_high", "metric": "price", "bars": 1}), ">= 2"),
        (rule({"operator": "and", "conditions": [LEVEL]}), "length >= 2"),
        (rule({"operator": "xor", "conditions": [LEVEL, LEVEL]}), "'xor'"),
        (rule({"operator": "or", "conditions": [FIVE, FIVE]}), "at most 8 conditions; got 10"),
        (rule(scope={"kind": "galaxy"}), "'galaxy'"),
        (rule(scope={"kind": "instruments", "instruments": ["a", "a"]}), "each once"),
        (rule(scope={"kind": "top", "n": 0, "profile": "balanced"}), ">= 1"),
        (rule(for_bars=0), ">= 1"),
        (rule(repeat_hours=0), "> 0"),
        (rule(expires_at="2027-01-01T00:00:00"), "timezone"),
        (rule(quiet_hours={"start": "22:00", "end": "22:00", "time_zone": "UTC"}), "another time"),
        (rule(quiet_hours={"start": "24:00", "end": "22:00", "time_zone": "UTC"}), "start"),
        (rule(quiet_hours={"start": "21:00", "end": "22:00", "time_zone": "Mars/X"}), "got 'Mars/X'"),
    ],
)  # fmt: skip
def test_a_body_of_version_2_that_does_not_hold_is_refused_with_the_reason(body: dict[str, Any], problem: str) -> None:
    with pytest.raises(RuleRefused, match=problem):
        decode_rule(body)


def test_nesting_ends_somewhere() -> None:
    when: dict[str, Any] = LEVEL
    for _ in range(4):
        when = {"operator": "or", "conditions": [LEVEL, when]}
    with pytest.raises(RuleRefused, match="at most 3 deep; got 4"):
        decode_rule(rule(when))


def test_and_and_or_come_to_alternatives_of_places() -> None:
    # 0 and (1 or 2) and (3 or 4)
    either = {"operator": "or", "conditions": [LEVEL, LEVEL]}
    decoded = decode_rule(rule({"operator": "and", "conditions": [LEVEL, either, either]}))
    assert isinstance(decoded, Rule)
    assert sorted(map(sorted, alternatives(decoded.when))) == [[0, 1, 3], [0, 1, 4], [0, 2, 3], [0, 2, 4]]


def test_version_1_is_version_2_in_other_words() -> None:
    assert modern(decode_rule(PRICE)) == Rule(
        when=AtOrAbove(metric="price", level=100, recover_level=99),
        scope=Instruments(instruments=("a",)), cooldown_hours=0,
    )  # fmt: skip
    assert modern(decode_rule(RANK)).when == AtOrBelow(
        metric="rankings.rank", of={"profile": "balanced"}, level=10, recover_level=10
    )


@pytest.mark.parametrize(
    ("now", "end"),
    [
        ("2024-06-27T19:59:00Z", None),  # 21:59 in Stockholm
        ("2024-06-27T20:00:00Z", "2024-06-28T05:00:00Z"),
        ("2024-06-28T04:59:59Z", "2024-06-28T05:00:00Z"),
        ("2024-06-28T05:00:00Z", None),
        # The night in which clocks go back has an hour more.
        ("2024-10-26T20:00:00Z", "2024-10-27T06:00:00Z"),
    ],
)
def test_quiet_hours_end_in_the_morning_of_their_time_zone(now: str, end: str | None) -> None:
    quiet = QuietHours(start="22:00", end="07:00", time_zone="Europe/Stockholm")
    found = quiet.end_of(dt.datetime.fromisoformat(now))
    assert found == (None if end is None else dt.datetime.fromisoformat(end))


@pytest.mark.parametrize(
    ("now", "end"),
    [
        # 31 March leaves 02:30 out, for the clock jumps from 02:00 to 03:00: 03:30 is meant, the same time after 22:00.
        ("2024-03-31T00:59:00Z", "2024-03-31T01:30:00Z"),
        # 27 October has it twice, at 00:30 and 01:30 UTC. The half hour from 02:00 that comes again is not quiet.
        ("2024-10-27T00:29:00Z", "2024-10-27T00:30:00Z"),
        ("2024-10-27T01:10:00Z", None),
    ],
)
def test_quiet_hours_that_end_while_the_clock_is_put_forward_or_back_end_once(now: str, end: str | None) -> None:
    quiet = QuietHours(start="22:00", end="02:30", time_zone="Europe/Stockholm")
    found = quiet.end_of(dt.datetime.fromisoformat(now))
    assert found == (None if end is None else dt.datetime.fromisoformat(end))


def test_quiet_hours_within_a_day_end_on_it() -> None:
    quiet = QuietHours(start="12:00", end="13:30", time_zone="UTC")
    assert quiet.end_of(dt.datetime(2024, 6, 27, 12, tzinfo=dt.UTC)) == dt.datetime(2024, 6, 27, 13, 30, tzinfo=dt.UTC)
    assert quiet.end_of(dt.datetime(2024, 6, 27, 11, 59, tzinfo=dt.UTC)) is None
