"""The body of an alert rule."""

from typing import Any

import msgspec
import pytest

from warehouse.records.alerts import LevelRule, decode_rule, rule_schema
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
        ({"version": 2}, r"2 - at `\$\.version`"),
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
