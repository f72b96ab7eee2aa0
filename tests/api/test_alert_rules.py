"""What alert rules may say, and what one would have come to."""

from typing import Any

import msgspec

from tests.api.conftest import BOB
from warehouse.records.alerts import rule_schema

CROSSES: dict[str, Any] = {
    "version": 2,
    "when": {"operator": "crosses_above", "metric": "price", "level": 52.5},
    "scope": {"kind": "instruments", "instruments": ["ACME"]},
}


def tried(client: Any, rule: dict[str, Any], **rest: Any) -> Any:
    return client.post("/v1/alerts/try", headers=BOB.headers, json={"rule": rule, **rest})


def test_the_schema_of_rules_is_published_as_the_decoder_has_it(client: Any) -> None:
    assert client.get("/v1/alerts/schema", headers=BOB.headers).json()["data"] == msgspec.json.decode(
        msgspec.json.encode(rule_schema())
    )


def test_metrics_are_found_in_the_tables_with_unit_and_series(client: Any) -> None:
    found = {metric["name"]: metric for metric in client.get("/v1/alerts/metrics", headers=BOB.headers).json()["data"]}
    assert found["price"]["is_live"]
    assert found["indicators.rsi_14d"] == {
        "name": "indicators.rsi_14d",
        "description": "Relative strength index over 14 sessions, Wilder smoothing. Unit points 0 to 100.",
        "unit": "points 0 to 100", "kind": "number", "of": [], "has_instrument": True, "is_live": False, "words": [],
    }  # fmt: skip
    assert found["rankings.rank"]["of"] == ["profile"]
    assert found["rankings.signal"]["kind"] == "word"
    words = ["strong_buy", "buy", "hold", "sell", "strong_sell", "not_ranked"]
    assert found["rankings.signal"]["words"] == words
    assert (found["index_values.value"]["of"], found["index_values.value"]["has_instrument"]) == (["index_id"], False)
    assert not [name for name in found if name.endswith(("_id", "_at", "_code"))]


def test_a_rule_is_tried_on_the_closes_of_the_past(client: Any) -> None:
    # As traded ACME closes at 100, 102, then, after two for one, at 52 (inhibited), suspect, 53. In shares of the first
    # day that is 100, 102, -, -, 106.
    answer = tried(client, {**CROSSES, "when": {**CROSSES["when"], "level": 105}})
    assert answer.status_code == 200
    data = answer.json()["data"]
    assert data["explanation"] == "Fires when price crosses above 105, for ACME; not anew within 24 hours."
    assert data["summary"] == ("It would have fired once in 5 sessions from 2024-06-20 to 2024-06-26, on 1 instrument.")
    assert [(one["observed_date"], one["event"], one["ticker"]) for one in data["events"]] == [
        ("2024-06-26", "triggered", "ACME"), ("2024-06-25", "inhibited", "ACME"), ("2024-06-24", "inhibited", "ACME"),
    ]  # fmt: skip


def test_a_rule_with_a_level_that_moves_is_tried(client: Any) -> None:
    # In shares of the first day the closes are 100, 102, -, -, 106, and so the price is never above itself by half.
    same = {**CROSSES, "when": {"operator": "at_or_above", "metric": "price", "level": {"metric": "price"}}}
    assert tried(client, same).json()["data"]["events"][-1]["observed_date"] == "2024-06-20"
    half = {
        **CROSSES,
        "when": {"operator": "at_or_above", "metric": "price", "level": {"metric": "price", "times": 1.5}},
    }
    data = tried(client, half).json()["data"]
    assert data["explanation"] == "Fires when price is at or above 1.5 times price, for ACME; not anew within 24 hours."
    assert data["n_triggered"] == 0


def test_a_trial_may_be_of_an_indicator_an_index_and_a_signal(client: Any) -> None:
    rsi = {**CROSSES, "when": {"operator": "at_or_above", "metric": "rsi_14d", "level": 45}}
    assert tried(client, rsi).json()["data"]["events"][0]["values"] == [45]
    index = {"version": 2, "when": {
        "operator": "changes_by", "metric": "index_values.value", "of": {"index_id": "main"}, "by": 0.04,
    }}  # fmt: skip
    data = tried(client, index).json()["data"]
    assert [(one["observed_date"], one["ticker"], round(one["values"][0], 9)) for one in data["events"]] == [
        ("2024-06-26", None, 0.05)
    ]
    signal = {**CROSSES, "when": {
        "operator": "enters", "metric": "signal", "of": {"profile": "balanced"}, "values": ["buy"],
    }}  # fmt: skip
    assert tried(client, signal).json()["data"]["n_triggered"] == 0


def test_a_rule_that_does_not_hold_or_names_what_is_not_there_is_refused(client: Any) -> None:
    for rule, problem in (
        ({"version": 2}, "missing required field `when`"),
        ({**CROSSES, "when": {**CROSSES["when"], "metric": "magic"}}, "got 'magic'"),
        ({**CROSSES, "scope": {"kind": "instruments", "instruments": ["NOPE"]}}, "NOPE"),
        (
            {"version": 2, "when": {
                "operator": "at_or_above", "metric": "data_age", "of": {"dataset": "raw.quotes"}, "level": 2,
            }},
            "must have a history",
        ),
    ):  # fmt: skip
        answer = tried(client, rule)
        assert (answer.status_code, answer.json()["code"]) == (422, "rule-invalid")
        assert problem in answer.json()["detail"]
