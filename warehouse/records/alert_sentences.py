"""Alert rules in words: each rule is one English sentence."""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from warehouse.records.alerts import (
    And,
    AnyRule,
    AtOrAbove,
    AtOrBelow,
    ChangesBy,
    Condition,
    CrossesAbove,
    CrossesBelow,
    Enters,
    Instruments,
    Leaves,
    MovingLevel,
    NewHigh,
    NewLow,
    Or,
    Portfolio,
    Rule,
    Scope,
    Sector,
    Test,
    Top,
    Universe,
    decode_rule,
    modern,
)
from warehouse.records.errors import RuleRefused

# More than these are counted, not named.
MOST_NAMED = 5
VERBS = {
    AtOrAbove: "is at or above",
    AtOrBelow: "is at or below",
    CrossesAbove: "crosses above",
    CrossesBelow: "crosses below",
    Enters: "enters",
    Leaves: "leaves",
    NewHigh: "is at a new high of",
    NewLow: "is at a new low of",
}
DIRECTIONS = {"up": "rises by", "down": "falls by", "either": "changes by"}


def explain(rule: AnyRule, *, tickers: Mapping[str, str] | None = None) -> str:
    """Return a rule as a sentence.

    Parameters
    ----------
    rule
        Of any version.
    tickers
        Ticker by id of the instruments that it names; ids without one are shown as they are.
    """
    said = modern(rule)
    parts = [f"Fires when {phrase(said.when)}{_scope(said.scope, tickers or {})}", *_options(said)]
    return "; ".join(parts) + "."


def sentence_of(stored: Mapping[str, Any], *, tickers: Mapping[str, str]) -> str:
    """Return a stored rule as a sentence; one that no version knows any more is said to be so."""
    try:
        return explain(decode_rule(msgspec.json.encode(stored)), tickers=tickers)
    except RuleRefused as refused:
        return str(refused)


def phrase(condition: Condition) -> str:
    """Return what a condition waits for: `price is at or above 150`."""
    if isinstance(condition, And | Or):
        word = " and " if isinstance(condition, And) else " or "
        return word.join(
            f"({phrase(part)})" if isinstance(part, And | Or) else phrase(part) for part in condition.conditions
        )
    return f"{metric_of(condition)} {predicate(condition)}"


def metric_of(test: Test | MovingLevel) -> str:
    """Return the metric with the series that is meant: `rankings.rank (profile balanced)`."""
    return test.metric + (f" ({', '.join(f'{name} {value}' for name, value in test.of.items())})" if test.of else "")


def predicate(test: Test, *, scale: float = 1.0) -> str:
    """Return what a condition says of its metric; `scale` turns its levels into the share terms of another day."""
    if isinstance(test, ChangesBy):
        amount = f"{100 * test.by:.10g} %" if test.is_relative else figure(test.by * scale)
        return f"{DIRECTIONS[test.direction]} {amount} or more over {_count(test.bars, 'session')}"
    if isinstance(test, Enters | Leaves):
        return f"{VERBS[type(test)]} {listed(test.values, 'or')}"
    if isinstance(test, NewHigh | NewLow):
        return f"{VERBS[type(test)]} {_count(test.bars, 'session')}"
    return f"{VERBS[type(test)]} {level_of(test, scale=scale)}"


def level_of(test: AtOrAbove | AtOrBelow | CrossesAbove | CrossesBelow, *, scale: float = 1.0) -> str:
    """Return the level of a condition: `150`, `indicators.sma_200d` or `0.95 times indicators.sma_200d`."""
    if isinstance(test.level, MovingLevel):
        return f"{'' if test.level.times == 1 else f'{figure(test.level.times)} times '}{metric_of(test.level)}"
    return figure(test.level * scale)


def figure(value: float | None) -> str:
    """Return a number as people write it; `unknown` for none."""
    return "unknown" if value is None else f"{value:.10g}"


def listed(names: Sequence[str], word: str) -> str:
    """Return names in a row: `a, b and c`."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} {word} {names[-1]}"


def _scope(scope: Scope | None, tickers: Mapping[str, str]) -> str:
    match scope:
        case None:
            return ""
        case Instruments(instruments=ids) if len(ids) > MOST_NAMED:
            return f", for each of {len(ids)} instruments"
        case Instruments(instruments=ids):
            each = "each of " if len(ids) > 1 else ""
            return f", for {each}{listed([tickers.get(name, name) for name in ids], 'and')}"
        case Portfolio(portfolio_id=portfolio_id):
            return f", for each holding of portfolio {portfolio_id}"
        case Sector(sector=sector):
            return f", for each instrument of sector {sector}"
        case Universe():
            return ", for each member of the universe"
        case Top(n=n, profile=profile):
            return f", for each of the top {n} of profile {profile}"


def _options(rule: Rule) -> list[str]:
    said = []
    if rule.for_bars > 1:
        said.append(f"only once that holds at {rule.for_bars} closes in a row")
    if rule.cooldown_hours:
        said.append(f"not anew within {_count(rule.cooldown_hours, 'hour')}")
    if rule.repeat_hours is not None:
        said.append(f"told again every {_count(rule.repeat_hours, 'hour')} while it lasts")
    if rule.one_shot:
        said.append("once for each" if rule.scope is not None else "once")
    if rule.expires_at is not None:
        said.append(f"until {rule.expires_at.astimezone(dt.UTC):%Y-%m-%d %H:%M} UTC")
    if rule.quiet_hours is not None:
        quiet = rule.quiet_hours
        said.append(f"nothing is sent from {quiet.start} to {quiet.end} {quiet.time_zone}")
    return said


def _count(number: float, noun: str) -> str:
    return f"{figure(number)} {noun}{'' if number == 1 else 's'}"
