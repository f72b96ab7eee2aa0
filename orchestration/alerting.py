"""Holds alert rules against the newest data: reads, asks the state machine, writes, all in one transaction.

Callable from a sensor and from a worker of its own. A repetition on the same data writes nothing; two at once take
turns. Sessions that were missed are made up for, oldest first; a session that has been looked at alerts nobody again,
whoever computes it anew, but what fired and is taken back is announced as corrected.
"""

import datetime as dt
import gc
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from typing import NamedTuple
from uuid import UUID

import numpy as np
import psycopg

from orchestration.alert_messages import Happening, announcement_of
from orchestration.alert_passes import Look, Pass, corrections_of, looks_of
from orchestration.calendars import HomeCalendar
from transforms.alert_rules import (
    CORRECTED,
    INHIBITED,
    NO_DATA,
    NOTHING,
    REPEATED,
    RESOLVED,
    TRIGGERED,
    Conditions,
    Criteria,
    Looks,
    Options,
    Readings,
    States,
    judge,
    step,
    together,
)
from warehouse.queries import alert_announcements as announcements
from warehouse.queries import alert_evaluation as queries
from warehouse.queries import alert_observations as observations
from warehouse.queries.alert_announcements import Begun
from warehouse.queries.alert_observations import Observation, Reading
from warehouse.queries.alert_plans import read_new_rules, refresh_pairs
from warehouse.records.alerts import Rule, decode_rule, modern

# What fired so many sessions ago may still be taken back.
SESSIONS_CORRECTED = 22


class Evaluated(NamedTuple):
    """What a look at the active rules came to: sessions, counts of pairs of rule and instrument, and announcements."""

    n_sessions: int
    n_pairs: int
    n_without_data: int
    n_states_changed: int
    n_triggered: int
    n_repeated: int
    n_resolved: int
    n_corrected: int
    n_inhibited: int
    n_deliveries: int
    n_rules_unreadable: int

    @property
    def n_announced(self) -> int:
        """Announcements of any kind."""
        return self.n_triggered + self.n_repeated + self.n_resolved + self.n_corrected + self.n_inhibited

    def sentence(self) -> str:
        """Say it for a person."""
        counted = {
            "repeated": self.n_repeated,
            "corrected": self.n_corrected,
            "inhibited": self.n_inhibited,
            "rules cannot be read": self.n_rules_unreadable,
        }
        rest = "".join(f", {n} {what}" for what, n in counted.items() if n)
        return (
            f"looked at {self.n_pairs} pairs of rule and instrument that could move: {self.n_triggered} fired,"
            f" {self.n_resolved} recovered, {self.n_without_data} have no data{rest};"
            f" {self.n_deliveries} deliveries made"
        )


def evaluate(
    connection: psycopg.Connection,
    *,
    now: dt.datetime,
    calendar: HomeCalendar,
    last_session: dt.date,
    timeout_seconds: float = 30.0,
) -> Evaluated:
    """Move the states of all active rules on to the newest data, and announce what follows.

    Parameters
    ----------
    connection
        As the pipelines connect.
    now
        Instant that the announcements are written with.
    calendar
        Sessions, and when they close.
    last_session
        Newest session whose data should be there; a table that is far behind it is stale, which is no data.
    timeout_seconds
        For each statement.

    Raises
    ------
    psycopg.errors.QueryCanceled
        When a statement takes too long; nothing has been written then.
    """
    with connection.transaction(), _collector_paused():
        queries.lock_evaluation(connection, timeout_seconds=timeout_seconds)
        new_ids, unreadable = read_new_rules(connection)
        refresh_pairs(connection, new_ids)
        look = looks_of(connection, calendar, last_session)
        observations.make_tables(connection)
        happenings: list[Happening] = []
        n_pairs = n_changed = n_without_data = 0
        for one in look.passes:
            moved = _evaluate_pass(connection, one, now)
            happenings += moved.happenings
            n_pairs, n_changed = n_pairs + moved.n_pairs, n_changed + moved.n_changed
            n_without_data += moved.n_without_data
        happenings += _take_back(connection, look, calendar)
        announced, n_deliveries = _announce(connection, happenings, now=now)
        queries.write_progress(connection, look.progress)
        return Evaluated(
            n_sessions=len(look.passes),
            n_pairs=n_pairs,
            n_without_data=n_without_data,
            n_states_changed=n_changed,
            n_triggered=announced.get(TRIGGERED, 0),
            n_repeated=announced.get(REPEATED, 0),
            n_resolved=announced.get(RESOLVED, 0),
            n_corrected=announced.get(CORRECTED, 0),
            n_inhibited=announced.get(INHIBITED, 0),
            n_deliveries=n_deliveries,
            n_rules_unreadable=len(unreadable),
        )


@contextmanager
def _collector_paused() -> Iterator[None]:
    """Make tens of thousands of rows, none of them in a cycle, without looking for cycles among them: a fifth less."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


class _Moved(NamedTuple):
    n_pairs: int
    n_changed: int
    n_without_data: int
    happenings: list[Happening]


def _evaluate_pass(connection: psycopg.Connection, one: Pass, now: dt.datetime) -> _Moved:
    observations.observe(connection, one.day, one.series, is_newest=one.is_newest)
    pairs = _complete(observations.read_observations(connection, now=now))
    if not pairs:
        return _Moved(0, 0, 0, [])
    first = [rows[0] for rows in pairs]
    looks, before = _looks(pairs, one), _states(first)
    moved = step(before, looks, _conditions(pairs), _options(first))
    n_changed = queries.write_states(connection, _changed_rows(pairs, before, moved.states))
    places = np.flatnonzero(moved.event != NOTHING)
    columns = (moved.event, moved.states.episode, looks.bar_date, looks.inhibition, moved.is_silent)
    told = zip(
        (pairs[place] for place in places.tolist()), _datetimes(looks.observed_at[places]),
        *(column[places].tolist() for column in columns), strict=True,
    )  # fmt: skip
    happenings = [
        Happening(
            event=event,
            alert_id=rows[0].alert_id,
            user_id=rows[0].user_id,
            instrument_id=rows[0].instrument_id,
            rule_version=rows[0].rule_version,
            episode=episode,
            observed_at=observed_at or one.close_at,
            observed_date=bar_date or one.day,
            values=[row.value for row in rows],
            levels=[row.level for row in rows],
            scales=[row.scale for row in rows],
            inhibition=inhibition,
            is_silent=is_silent,
        )
        for rows, observed_at, event, episode, bar_date, inhibition, is_silent in told
    ]
    return _Moved(len(pairs), n_changed, int(np.count_nonzero(moved.states.state == NO_DATA)), happenings)


def _complete(rows: Iterable[Observation]) -> list[list[Observation]]:
    """Return the rows of each pair all of whose conditions are there, for a session that is new or the newest."""
    groups = [list(group) for _, group in groupby(rows, key=lambda row: (row.alert_id, row.instrument_id))]
    return [
        group
        for group in groups
        if len(group) == group[0].n_conditions
        and (any(row.is_new for row in group) or all(row.is_newest for row in group))
    ]


def _conditions(pairs: Sequence[Sequence[Observation | Reading]]) -> Conditions:
    rows = [row for group in pairs for row in group]
    parts = judge(
        Readings(_numbers(row.value for row in rows), _numbers(row.baseline for row in rows)),
        Criteria(
            np.array([row.operator for row in rows]),
            _numbers(row.level for row in rows),
            _numbers(row.recover_level for row in rows),
            _numbers(row.level_before for row in rows),
        ),
    )
    sizes = [len(group) for group in pairs]
    width = max(len(group[0].ways) for group in pairs)
    ways = np.array([group[0].ways + [0] * (width - len(group[0].ways)) for group in pairs], dtype=np.int64)
    pair = np.repeat(np.arange(len(pairs)), sizes)
    whole = together(parts, pair=pair, place=np.array([row.place for row in rows], dtype=np.int64), ways=ways)
    has_left = np.array([getattr(group[0], "has_left", False) for group in pairs])
    # Whatever is no longer in the rule's scope has recovered; no source has taken anything back.
    return Conditions(
        whole.holds & ~has_left, whole.stays | has_left, whole.lets_go | has_left, whole.is_missing & ~has_left
    )


def _looks(pairs: Sequence[Sequence[Observation]], one: Pass) -> Looks:
    """Give each pair the instant of its newest condition, and the reason if one of them is inhibited."""
    firsts = [group[0] for group in pairs]
    newest = [max((row.observed_at for row in group if row.observed_at), default=None) for group in pairs]
    days = [max((row.bar_date for row in group if row.bar_date), default=None) for group in pairs]
    is_kept = [row.has_left for row in firsts]
    reasons = [next((row.inhibition for row in group if row.inhibition), "") for group in pairs]
    return Looks(
        observed_at=_instants(
            one.close_at if kept and at is None else at for at, kept in zip(newest, is_kept, strict=True)
        ),
        bar_date=np.array([day or one.day for day in days], dtype="datetime64[D]"),
        inhibition=np.array(["" if kept else reason for reason, kept in zip(reasons, is_kept, strict=True)]),
        is_muted=np.array([row.is_muted for row in firsts]),
    )


def _options(firsts: Sequence[Observation]) -> Options:
    return Options(
        for_bars=np.array([row.for_bars for row in firsts], dtype=np.int64),
        cooldown=_hours(row.cooldown_hours for row in firsts),
        repeat=_hours(row.repeat_hours for row in firsts),
        expires_at=_instants(row.expires_at for row in firsts),
        one_shot=np.array([row.one_shot for row in firsts]),
    )


def _states(firsts: Sequence[Observation]) -> States:
    return States(
        state=np.array([row.state for row in firsts]),
        episode=np.array([row.episode for row in firsts], dtype=np.int64),
        is_open=np.array([row.is_open for row in firsts]),
        bars=np.array([row.bars for row in firsts], dtype=np.int64),
        bar_date=np.array([row.state_bar_date for row in firsts], dtype="datetime64[D]"),
        opened_at=_instants(row.opened_at for row in firsts),
        told_at=_instants(row.told_at for row in firsts),
        observed_at=_instants(row.state_observed_at for row in firsts),
        inhibition=np.array([row.state_inhibition for row in firsts]),
    )


def _changed_rows(pairs: Sequence[Sequence[Observation]], before: States, after: States) -> list[tuple[object, ...]]:
    """Return the rows of pairs that moved; an observation that moves nothing is not written down."""
    moved = np.zeros(len(pairs), dtype=bool)
    for name in ("state", "episode", "is_open", "bars", "bar_date", "opened_at", "told_at", "inhibition"):
        old, new = getattr(before, name), getattr(after, name)
        is_same = old == new
        if old.dtype.kind == "M":
            is_same |= np.isnat(old) & np.isnat(new)
        moved |= ~is_same
    moved |= np.isnat(before.observed_at) & ~np.isnat(after.observed_at)
    places = np.flatnonzero(moved)
    firsts = [pairs[place][0] for place in places.tolist()]
    plain = (after.state, after.episode, after.is_open, after.bars, after.bar_date, after.inhibition)
    instants = (after.observed_at, after.opened_at, after.told_at)
    columns = (
        *(column[places].tolist() for column in plain),
        *(_datetimes(column[places]) for column in instants),
    )
    return [
        (
            first.alert_id, first.instrument_id, first.user_id, first.rule_version, state, episode, first.value,
            observed_at, is_open, bars, bar_date, opened_at, told_at, inhibition,
            first.split_factor if first.state_split_factor is None else first.state_split_factor,
        )
        for first, state, episode, is_open, bars, bar_date, inhibition, observed_at, opened_at, told_at in zip(
            firsts, *columns, strict=True
        )
    ]  # fmt: skip


def _take_back(connection: psycopg.Connection, look: Look, calendar: HomeCalendar) -> list[Happening]:
    """Look again at what fired by the closes of the last sessions, where a table has changed since the last look."""
    if not look.may_be_corrected:
        return []
    newest = max(one.day for one in look.passes)
    begun = announcements.read_begun(connection, first=calendar.session_at(newest, -SESSIONS_CORRECTED), last=newest)
    taken_back: list[Happening] = []
    for day, of_day in groupby(begun, key=lambda one: one.observed_date):
        # What a quote said is not corrected by a close.
        episodes = {
            (one.alert_id, one.instrument_id): one for one in of_day if one.observed_at == calendar.close_at(day)
        }
        if episodes and day < newest:
            one = corrections_of(connection, look, calendar, day)
            observations.observe(connection, day, one.series, is_newest=False)
            taken_back += _taken_back(observations.read_readings(connection, list(episodes)), episodes)
    return taken_back


def _taken_back(rows: Iterable[Reading], episodes: dict[tuple[UUID, str], Begun]) -> list[Happening]:
    pairs = [list(group) for _, group in groupby(rows, key=lambda row: (row.alert_id, row.instrument_id))]
    pairs = [group for group in pairs if len(group) == len({row.place for row in group})]
    if not pairs:
        return []
    conditions = _conditions(pairs)
    is_wrong = ~conditions.stays & ~conditions.is_missing
    found = []
    for place in np.flatnonzero(is_wrong).tolist():
        group = pairs[place]
        one = episodes[group[0].alert_id, group[0].instrument_id]
        found.append(
            Happening(
                event=CORRECTED,
                alert_id=one.alert_id,
                user_id=one.user_id,
                instrument_id=one.instrument_id,
                rule_version=one.rule_version,
                episode=one.episode,
                observed_at=one.observed_at,
                observed_date=one.observed_date,
                values=[row.value for row in group],
                levels=[row.level for row in group],
                scales=[row.scale for row in group],
                inhibition="",
                is_silent=one.is_silent,
            )
        )
    return found


def _announce(
    connection: psycopg.Connection, happenings: Sequence[Happening], *, now: dt.datetime
) -> tuple[dict[str, int], int]:
    """Write what happened; returns how many announcements were new, by type, and how many deliveries they made."""
    if not happenings:
        return {}, 0
    alerts = announcements.read_alerts(connection, list({one.alert_id for one in happenings}))
    # Of a rule that was changed or deleted meanwhile there is nothing to say: it begins anew.
    happenings = [one for one in happenings if (one.alert_id, one.rule_version) in alerts]
    rules = {alert_id: modern(decode_rule(text)) for (alert_id, _), (_, text) in alerts.items()}
    tickers = announcements.read_tickers(connection, list({one.instrument_id for one in happenings}))
    said = [
        announcement_of(
            one,
            rules[one.alert_id],
            name=alerts[one.alert_id, one.rule_version][0],
            ticker=tickers.get(one.instrument_id, one.instrument_id),
        )
        for one in happenings
    ]
    announced = announcements.announce(connection, said, now=now)
    ends = {one.dedup_key: _quiet_until(rules[one.alert_id], now) for one in said}
    announcements.hold_back(connection, {key: end for key, end in ends.items() if end is not None})
    return announced, announcements.count_deliveries(connection, [one.dedup_key for one in said], now=now)


def _quiet_until(rule: Rule, now: dt.datetime) -> dt.datetime | None:
    return None if rule.quiet_hours is None else rule.quiet_hours.end_of(now)


def _numbers(values: Iterable[float | None]) -> np.ndarray:
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)


def _hours(values: Iterable[float | None]) -> np.ndarray:
    spans = [None if value is None else round(value * 3_600_000_000) for value in values]
    return np.array(spans, dtype="timedelta64[us]")


def _instants(moments: Iterable[dt.datetime | None]) -> np.ndarray:
    # numpy knows no time zones: UTC throughout, as the state machine has it.
    naive = [None if moment is None else moment.astimezone(dt.UTC).replace(tzinfo=None) for moment in moments]
    return np.array(naive, dtype="datetime64[us]")


def _datetimes(instants: np.ndarray) -> list[dt.datetime | None]:
    naive = instants.astype("datetime64[us]").tolist()
    return [None if moment is None else moment.replace(tzinfo=dt.UTC) for moment in naive]
