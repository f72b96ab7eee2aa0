"""Holds alert rules against the newest data: reads, asks the state machine, writes, all in one transaction.

Callable from a sensor and from a worker of its own. A repetition on the same data writes nothing; two at
once take turns.
"""

import datetime as dt
import hashlib
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple
from uuid import UUID

import numpy as np
import numpy.typing as npt
import psycopg

from transforms.alert_rules import (
    FIRING,
    NO_DATA,
    NORMAL,
    NOTHING,
    RESOLVED,
    TRIGGERED,
    Levels,
    Observations,
    States,
    Step,
    level_conditions,
    new_states,
    step,
)
from warehouse.queries import alert_evaluation as queries
from warehouse.queries.alert_evaluation import AlertState, Announcement, Observation
from warehouse.records.alert_rules_1 import LevelRule

# Stands in app.alert_states for "never observed": a later observation, however old its instant, must still count.
NEVER = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


class Evaluated(NamedTuple):
    """What a look at all active rules came to; counts of pairs of rule and instrument, and of what was announced."""

    n_pairs: int
    n_without_data: int
    n_states_changed: int
    n_triggered: int
    n_resolved: int
    n_deliveries: int
    n_rules_unreadable: int

    def sentence(self) -> str:
        """Say it for a person."""
        unreadable = f"; {self.n_rules_unreadable} rules cannot be read" if self.n_rules_unreadable else ""
        return (
            f"looked at {self.n_pairs} pairs of rule and instrument: {self.n_triggered} fired, {self.n_resolved}"
            f" recovered, {self.n_without_data} have no data; {self.n_deliveries} deliveries made{unreadable}"
        )


def evaluate(
    connection: psycopg.Connection,
    *,
    now: dt.datetime,
    close_at: Callable[[dt.date], dt.datetime],
    zone: str,
    timeout_seconds: float = 30.0,
) -> Evaluated:
    """Move the states of all active rules on to the newest data, and announce what follows.

    Parameters
    ----------
    connection
        As the pipelines connect.
    now
        Instant that the announcements are written with.
    close_at
        Close of a session, UTC: the instant that a closing price and a ranking belong to.
    zone
        Time zone of the exchange.
    timeout_seconds
        For each statement.

    Returns
    -------
    Evaluated

    Raises
    ------
    psycopg.errors.QueryCanceled
        When a statement takes too long; nothing has been written then.
    """
    with connection.transaction():
        queries.lock_evaluation(connection, timeout_seconds=timeout_seconds)
        pairs, unreadable = queries.read_observations(connection, zone=zone)
        if not pairs:
            return Evaluated(0, 0, 0, 0, 0, 0, len(unreadable))
        observations = _observations_of(pairs, close_at)
        conditions = level_conditions(observations.value, levels=_levels_of(pairs))
        before = _states_of(connection, pairs)
        moved = step(before, observations, conditions=conditions)
        n_changed = queries.write_states(connection, _changed_rows(pairs, before, moved.states))
        announced = queries.announce(connection, _announcements_of(pairs, moved), now=now)
        n_without_data = int(np.count_nonzero(moved.states.state == NO_DATA))
        return Evaluated(len(pairs), n_without_data, n_changed, *announced, len(unreadable))


def dedup_key_of(alert_id: UUID, rule_version: int, instrument_id: str, episode: int, event: str) -> str:
    """Return the key under which an episode of a pair is announced once: a content hash, hexadecimal."""
    parts = (str(alert_id), str(rule_version), instrument_id, str(episode), event)
    return hashlib.blake2b("|".join(parts).encode(), digest_size=16).hexdigest()


def message_of(pair: Observation, event: str) -> str:
    """Say an announcement in a sentence: "ABC: price 101.5 is at or above 100."."""
    rule, value = pair.rule, _figure(pair.value)
    metric = f"rank {value} in profile {rule.profile}" if rule.metric == "rank" else f"price {value}"
    if event == RESOLVED:
        side = "below" if rule.is_upward else "above"
        return f"{pair.ticker}: {metric} is back {side} {_figure(rule.recovery)}."
    return f"{pair.ticker}: {metric} is {rule.operator.replace('_', ' ')} {_figure(rule.level)}."


def _observations_of(pairs: Sequence[Observation], close_at: Callable[[dt.date], dt.datetime]) -> Observations:
    days = {pair.observed_date for pair in pairs if pair.observed_date is not None}
    closes = {day: close_at(day) for day in days}
    instants = [
        pair.quoted_at or (None if pair.observed_date is None else closes[pair.observed_date]) for pair in pairs
    ]
    return Observations(_numbers(pair.value for pair in pairs), _instants(instants))


def _levels_of(pairs: Sequence[Observation]) -> Levels:
    return Levels(
        is_upward=np.array([pair.rule.is_upward for pair in pairs]),
        level=_numbers(pair.rule.level for pair in pairs),
        recover_level=_numbers(pair.rule.recovery for pair in pairs),
    )


def _states_of(connection: psycopg.Connection, pairs: Sequence[Observation]) -> States:
    """Put the stored states together; a pair without one, or with one of an older version of its rule, begins anew."""
    stands = np.array([pair.state is not None and pair.state_rule_version == pair.rule_version for pair in pairs])
    interrupted = _interrupted(connection, pairs)
    is_open = [pair.state == FIRING or place in interrupted for place, pair in enumerate(pairs)]
    instants = [None if pair.state_observed_at == NEVER else pair.state_observed_at for pair in pairs]
    stored = States(
        state=np.array([pair.state or NORMAL for pair in pairs]),
        episode=np.array([pair.episode or 0 for pair in pairs], dtype=np.int64),
        is_open=np.array(is_open),
        observed_value=_numbers(pair.state_observed_value for pair in pairs),
        observed_at=_instants(instants),
    )
    fresh = new_states(len(pairs))
    return States(*(np.where(stands, old, new) for old, new in zip(stored, fresh, strict=True)))


def _interrupted(connection: psycopg.Connection, pairs: Sequence[Observation]) -> set[int]:
    """Return the places of pairs without data whose last episode was announced as fired, but not as recovered."""
    asked = {
        place: tuple(_key(pair, pair.episode, event) for event in (TRIGGERED, RESOLVED))
        for place, pair in enumerate(pairs)
        if pair.state == NO_DATA and pair.episode
    }
    found = queries.read_announced(connection, [key for keys in asked.values() for key in keys])
    return {place for place, (fired, recovered) in asked.items() if fired in found and recovered not in found}


def _changed_rows(pairs: Sequence[Observation], before: States, after: States) -> list[AlertState]:
    """Return the rows of pairs that moved, or that have no row of this version of their rule yet."""
    is_new = np.array([pair.state_rule_version != pair.rule_version for pair in pairs])
    same_value = (before.observed_value == after.observed_value) | (
        np.isnan(before.observed_value) & np.isnan(after.observed_value)
    )
    same_instant = (before.observed_at == after.observed_at) | (
        np.isnat(before.observed_at) & np.isnat(after.observed_at)
    )
    same = (before.state == after.state) & (before.episode == after.episode) & same_value & same_instant
    return [_row_of(pairs[place], after, place) for place in np.flatnonzero(is_new | ~same).tolist()]


def _row_of(pair: Observation, states: States, place: int) -> AlertState:
    return AlertState(
        alert_id=pair.alert_id,
        instrument_id=pair.instrument_id,
        user_id=pair.user_id,
        rule_version=pair.rule_version,
        state=str(states.state[place]),
        episode=int(states.episode[place]),
        observed_value=_value_or_none(float(states.observed_value[place])),
        observed_at=_datetime(states.observed_at[place]),
    )


def _announcements_of(pairs: Sequence[Observation], moved: Step) -> list[Announcement]:
    return [_announcement(pairs[place], moved, place) for place in np.flatnonzero(moved.event != NOTHING).tolist()]


def _announcement(pair: Observation, moved: Step, place: int) -> Announcement:
    event, episode = str(moved.event[place]), int(moved.states.episode[place])
    dedup_key = _key(pair, episode, event)
    alert_event_id = UUID(dedup_key)
    observed_at = _datetime(moved.states.observed_at[place])
    message = message_of(pair, event)
    return Announcement(
        alert_event_id=alert_event_id,
        alert_id=pair.alert_id,
        user_id=pair.user_id,
        instrument_id=pair.instrument_id,
        type=event,
        episode=episode,
        dedup_key=dedup_key,
        observed_value=pair.value,
        observed_at=observed_at,
        message=message,
        payload={
            "alert_event_id": alert_event_id,
            "alert_id": pair.alert_id,
            "alert_name": pair.name,
            "instrument_id": pair.instrument_id,
            "ticker": pair.ticker,
            **_condition(pair.rule),
            "episode": episode,
            "observed_value": pair.value,
            "observed_at": observed_at,
            "message": message,
        },
    )


def _condition(rule: LevelRule) -> dict[str, object]:
    condition: dict[str, object] = {"metric": rule.metric, "operator": rule.operator, "level": rule.level}
    return condition if rule.profile is None else {**condition, "profile": rule.profile}


def _key(pair: Observation, episode: int | None, event: str) -> str:
    return dedup_key_of(pair.alert_id, pair.rule_version, pair.instrument_id, episode or 0, event)


def _figure(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.10g}"


def _numbers(values: Iterable[float | None]) -> npt.NDArray[np.float64]:
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)


def _instant(moment: dt.datetime | None) -> np.datetime64:
    # numpy knows no time zones: UTC throughout, as the state machine has it.
    naive = None if moment is None else moment.astimezone(dt.UTC).replace(tzinfo=None)
    return np.datetime64(naive, "us")


def _instants(moments: Iterable[dt.datetime | None]) -> npt.NDArray[np.datetime64]:
    return np.array([_instant(moment) for moment in moments], dtype="datetime64[us]")


def _datetime(instant: np.datetime64) -> dt.datetime:
    return NEVER if np.isnat(instant) else instant.astype("datetime64[us]").item().replace(tzinfo=dt.UTC)


def _value_or_none(value: float) -> float | None:
    return None if np.isnan(value) else value
