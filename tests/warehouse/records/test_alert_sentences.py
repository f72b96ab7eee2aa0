"""Rules in words."""

from typing import Any

import pytest

from warehouse.records.alert_sentences import explain
from warehouse.records.alerts import decode_rule

PRICE: dict[str, Any] = {"operator": "at_or_above", "metric": "price", "level": 150}
RANK: dict[str, Any] = {
    "operator": "crosses_below",
    "metric": "rankings.rank",
    "of": {"profile": "balanced"},
    "level": 10,
}


def said(when: dict[str, Any], **rest: Any) -> str:
    return explain(decode_rule({"version": 2, "when": when, **rest}), tickers={"i_a": "AAA", "i_b": "BBB"})


@pytest.mark.parametrize(
    ("when", "sentence"),
    [
        (PRICE, "price is at or above 150"),
        ({**PRICE, "operator": "at_or_below"}, "price is at or below 150"),
        ({**PRICE, "operator": "crosses_above", "level": 0.5}, "price crosses above 0.5"),
        (RANK, "rankings.rank (profile balanced) crosses below 10"),
        ({**PRICE, "operator": "crosses_above", "level": {"metric": "sma_200d"}}, "price crosses above sma_200d"),
        (
            {**PRICE, "level": {"metric": "index_values.value", "of": {"index_id": "main"}, "times": 1.05}},
            "price is at or above 1.05 times index_values.value (index_id main)",
        ),
        (
            {"operator": "enters", "metric": "signal", "values": ["buy", "strong_buy"]},
            "signal enters buy or strong_buy",
        ),
        ({"operator": "leaves", "metric": "signal", "values": ["hold"]}, "signal leaves hold"),
        ({"operator": "changes_by", "metric": "price", "by": 0.05}, "price changes by 5 % or more over 1 session"),
        (
            {
                "operator": "changes_by",
                "metric": "rsi_14d",
                "by": 10,
                "bars": 5,
                "direction": "down",
                "is_relative": False,
            },
            "rsi_14d falls by 10 or more over 5 sessions",
        ),
        ({"operator": "new_high", "metric": "price", "bars": 252}, "price is at a new high of 252 sessions"),
        ({"operator": "new_low", "metric": "volume", "bars": 20}, "volume is at a new low of 20 sessions"),
        (
            {"operator": "or", "conditions": [RANK, {"operator": "and", "conditions": [PRICE, PRICE]}]},
            "rankings.rank (profile balanced) crosses below 10"
            " or (price is at or above 150 and price is at or above 150)",
        ),
    ],
)
def test_what_is_waited_for_is_said(when: dict[str, Any], sentence: str) -> None:
    assert said(when, cooldown_hours=0) == f"Fires when {sentence}."


@pytest.mark.parametrize(
    ("scope", "words"),
    [
        ({"kind": "instruments", "instruments": ["i_a"]}, "for AAA"),
        ({"kind": "instruments", "instruments": ["i_a", "i_b", "c"]}, "for each of AAA, BBB and c"),
        ({"kind": "instruments", "instruments": list("abcdef")}, "for each of 6 instruments"),
        (
            {"kind": "portfolio", "portfolio_id": "00000000-0000-7000-8000-000000000009"},
            "for each holding of portfolio 00000000-0000-7000-8000-000000000009",
        ),
        ({"kind": "sector", "sector": "Energy"}, "for each instrument of sector Energy"),
        ({"kind": "universe"}, "for each member of the universe"),
        ({"kind": "top", "n": 20, "profile": "balanced"}, "for each of the top 20 of profile balanced"),
    ],
)
def test_whom_it_is_about_is_said(scope: dict[str, Any], words: str) -> None:
    assert said(PRICE, scope=scope, cooldown_hours=0) == f"Fires when price is at or above 150, {words}."


def test_all_options_end_up_in_the_same_sentence() -> None:
    quiet = {"start": "22:00", "end": "07:00", "time_zone": "Europe/Stockholm"}
    options = {"for_bars": 3, "repeat_hours": 48, "one_shot": True, "expires_at": "2026-12-31T00:00:00+01:00"}
    assert said(PRICE, scope={"kind": "universe"}, quiet_hours=quiet, **options) == (
        "Fires when price is at or above 150, for each member of the universe;"
        " only once that holds at 3 closes in a row; not anew within 24 hours;"
        " told again every 48 hours while it lasts; once for each; until 2026-12-30 23:00 UTC;"
        " nothing is sent from 22:00 to 07:00 Europe/Stockholm."
    )


def test_a_rule_of_version_1_is_said_in_the_same_words() -> None:
    body = {
        "version": 1, "metric": "rank", "operator": "at_or_below", "level": 10, "instruments": ["i_a"],
        "profile": "balanced",
    }  # fmt: skip
    assert explain(decode_rule(body)) == "Fires when rankings.rank (profile balanced) is at or below 10, for i_a."
