"""What announcements of alert rules say: a sentence for people, a payload for programs, and the key of each."""

import datetime as dt
import hashlib
from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from transforms.alert_rules import CORRECTED, INHIBITED, REPEATED, RESOLVED
from warehouse.queries.alert_announcements import Announcement
from warehouse.queries.alert_metrics import PLATFORM
from warehouse.records.alert_sentences import figure, level_of, phrase, predicate
from warehouse.records.alerts import (
    AtOrAbove,
    AtOrBelow,
    ChangesBy,
    CrossesAbove,
    CrossesBelow,
    Enters,
    Leaves,
    MovingLevel,
    Or,
    Rule,
    Test,
    tests_of,
)

REASONS = {
    "split": "its shares are split",
    "halt": "it does not trade",
    "delisting": "it is no longer listed",
    "suspect": "its bar is under suspicion",
}


class Happening(NamedTuple):
    """An event of a pair: what it is about, when, and what the conditions of the rule read then.

    `values` and `levels` are in the share terms that the rule was made in; divided by `scales` they are those of the
    day.
    """

    event: str
    alert_id: UUID
    user_id: UUID
    instrument_id: str
    rule_version: int
    episode: int
    observed_at: dt.datetime
    observed_date: dt.date
    values: Sequence[float | None]
    levels: Sequence[float | None]
    scales: Sequence[float]
    inhibition: str
    is_silent: bool


def dedup_key_of(
    alert_id: UUID, rule_version: int, instrument_id: str, episode: int, event: str, occasion: str = ""
) -> str:
    """Return the key under which an event of a pair is announced once: a content hash, hexadecimal.

    `occasion` tells events apart that an episode can have several of.
    """
    parts = (str(alert_id), str(rule_version), instrument_id, str(episode), event, *([occasion] if occasion else []))
    return hashlib.blake2b("|".join(parts).encode(), digest_size=16).hexdigest()


def announcement_of(happening: Happening, rule: Rule, *, name: str, ticker: str) -> Announcement:
    """Put what happened into words."""
    dedup_key = dedup_key_of(
        happening.alert_id,
        happening.rule_version,
        happening.instrument_id,
        happening.episode,
        happening.event,
        _occasion(happening),
    )
    message = message_of(happening, rule, ticker=ticker)
    tests = list(tests_of(rule.when))
    payload = {
        "alert_event_id": UUID(dedup_key),
        "alert_id": happening.alert_id,
        "alert_name": name,
        "instrument_id": None if happening.instrument_id == PLATFORM else happening.instrument_id,
        "ticker": None if happening.instrument_id == PLATFORM else ticker,
        "condition": phrase(rule.when),
        "readings": [
            {"metric": test.metric, "of": test.of, "value": value, **({"level": level} if _moves(test) else {})}
            for test, value, level in zip(tests, _shown(happening), _shown_levels(happening), strict=True)
        ],
        "episode": happening.episode,
        "observed_at": happening.observed_at,
        "observed_date": happening.observed_date,
        "message": message,
    }
    return Announcement(
        alert_event_id=UUID(dedup_key),
        alert_id=happening.alert_id,
        user_id=happening.user_id,
        instrument_id=happening.instrument_id,
        rule_version=happening.rule_version,
        type=happening.event,
        episode=happening.episode,
        dedup_key=dedup_key,
        observed_value=_shown(happening)[0],
        observed_at=happening.observed_at,
        observed_date=happening.observed_date,
        is_silent=happening.is_silent,
        message=message,
        payload=payload,
    )


def message_of(happening: Happening, rule: Rule, *, ticker: str) -> str:
    """Say an event in a sentence, such as `ABC: price 101.5 is at or above 100.`."""
    who = "" if happening.instrument_id == PLATFORM else f"{ticker}: "
    tests = list(tests_of(rule.when))
    values = _shown(happening)
    if happening.event == INHIBITED:
        why = REASONS.get(happening.inhibition, happening.inhibition)
        again = _in_todays_shares(tests, happening) if happening.inhibition == "split" else ""
        return f"{who}{happening.observed_date} is not held against the rule, for {why}.{again}"
    if happening.event == RESOLVED:
        return f"{who}{_over(rule, tests, values, happening)}."
    if happening.event == CORRECTED:
        readings = " and ".join(map(_reading, tests, values))
        return (
            f"{who}taken back: by its source's correction, {readings} on {happening.observed_date},"
            f" and the rule waits until {phrase(rule.when)}."
        )
    held = [
        f"{_reading(test, value)}{'' if _says_all(test) else ' ' + predicate(test, scale=1 / scale)}"
        f"{f' ({_short(level)})' if _moves(test) else ''}"
        for test, value, scale, level in zip(tests, values, happening.scales, _shown_levels(happening), strict=True)
    ]
    still = "still " if happening.event == REPEATED else ""
    return f"{who}{still}{(' or ' if isinstance(rule.when, Or) else ' and ').join(held)}."


def _over(rule: Rule, tests: Sequence[Test], values: Sequence[float | None], happening: Happening) -> str:
    [first, *others] = tests
    if not others and isinstance(first, AtOrAbove | AtOrBelow | CrossesAbove | CrossesBelow):
        side = "below" if first.is_upward else "above"
        if first.recovery is None:
            level = f"{level_of(first)} ({_short(_shown_levels(happening)[0])})"
            return f"{_reading(first, values[0])} is back {side} {level}"
        return f"{_reading(first, values[0])} is back {side} {figure(first.recovery / happening.scales[0])}"
    return f"{' and '.join(map(_reading, tests, values))}; over is that {phrase(rule.when)}"


def _reading(test: Test, value: float | None) -> str:
    """Say what a condition reads: `rank 7 in profile balanced`."""
    name = test.metric.rpartition(".")[2]
    where = "".join(f" in {key} {word}" for key, word in test.of.items())
    if isinstance(test, Enters | Leaves):
        return f"{name}{where} {predicate(test)}"
    if isinstance(test, ChangesBy):
        size = "unknown" if value is None else f"{100 * value:.4g} %" if test.is_relative else figure(value)
        return f"{name}{where} has changed by {size} over {test.bars} session{'' if test.bars == 1 else 's'}"
    return f"{name} {figure(value)}{where}"


def _says_all(test: Test) -> bool:
    return isinstance(test, Enters | Leaves | ChangesBy)


def _moves(test: Test) -> bool:
    return isinstance(getattr(test, "level", None), MovingLevel)


def _short(level: float | None) -> str:
    """Say a level that is computed: six digits are enough for people, programs have it whole."""
    return "unknown" if level is None else f"{level:.6g}"


def _shown(happening: Happening) -> list[float | None]:
    """Return the values in the share terms of the day, as people see them elsewhere."""
    return _of_the_day(happening.values, happening.scales)


def _shown_levels(happening: Happening) -> list[float | None]:
    return _of_the_day(happening.levels, happening.scales)


def _of_the_day(figures: Sequence[float | None], scales: Sequence[float]) -> list[float | None]:
    return [None if one is None else one / scale for one, scale in zip(figures, scales, strict=True)]


def _in_todays_shares(tests: Sequence[Test], happening: Happening) -> str:
    levels = [
        figure(test.level / scale)
        for test, scale in zip(tests, happening.scales, strict=True)
        if isinstance(test, AtOrAbove | AtOrBelow | CrossesAbove | CrossesBelow)
        and not isinstance(test.level, MovingLevel)
        and scale != 1
    ]
    return f" In today's shares its level is {levels[0]}." if len(levels) == 1 else ""


def _occasion(happening: Happening) -> str:
    if happening.event == REPEATED:
        return happening.observed_at.astimezone(dt.UTC).isoformat()
    if happening.event == INHIBITED:
        return f"{happening.inhibition} {happening.observed_date}"
    return ""
