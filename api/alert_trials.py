"""Tries an alert rule on history: it would have fired so many times, then and there. Reads nothing, keeps nothing."""

import datetime as dt
from collections.abc import Sequence
from typing import Annotated, NamedTuple

import msgspec
import numpy as np
from msgspec import Meta

from transforms.alert_rules import (
    AT_OR_ABOVE,
    CORRECTED,
    CROSSES_ABOVE,
    NOTHING,
    RESOLVED,
    TRIGGERED,
    Conditions,
    Criteria,
    Looks,
    Numbers,
    Options,
    Readings,
    bar_before,
    change,
    extreme_before,
    judge,
    new_states,
    step,
    together,
)
from warehouse.queries.alert_history import History, SeriesHistory
from warehouse.queries.alert_metrics import PLATFORM
from warehouse.records.alert_rules_1 import DEFAULT_ROOM
from warehouse.records.alert_series import Criterion, criteria_of
from warehouse.records.alerts import Rule, alternatives

# More are counted, not listed.
MOST_LISTED = 100
# Where a platform's figure comes out now and then, its last one stands for so many sessions.
PLATFORM_REACH = 66
CLOSE = np.timedelta64(21, "h")


class Happened(msgspec.Struct, frozen=True):
    """Something that a rule would have said."""

    observed_date: Annotated[dt.date, Meta(description="Session at whose close it would have been.")]
    ticker: Annotated[str | None, Meta(description="Ticker today; null where the rule looks at no instrument.")]
    instrument_id: str | None
    event: Annotated[str, Meta(description="triggered, repeated, resolved or inhibited.")]
    episode: Annotated[int, Meta(description="Which episode of the instrument. Unit count.")]
    values: Annotated[
        list[float | None],
        Meta(description="What each of its conditions read, 1 and 0 for being in a set or not. Unit as the metric."),
    ]


class Trial(msgspec.Struct, frozen=True):
    """What a rule would have come to."""

    explanation: Annotated[str, Meta(description="The rule in a sentence.")]
    summary: Annotated[str, Meta(description="The trial in a sentence.")]
    first_date: Annotated[dt.date | None, Meta(description="First session of the trial.")]
    last_date: Annotated[dt.date | None, Meta(description="Last session of the trial.")]
    n_sessions: Annotated[int, Meta(description="Sessions. Unit sessions.")]
    n_instruments: Annotated[int, Meta(description="Instruments of the scope as it is today. Unit instruments.")]
    n_triggered: Annotated[int, Meta(description="How many times it would have fired. Unit count.")]
    n_resolved: Annotated[int, Meta(description="How many of those ended. Unit count.")]
    events: Annotated[list[Happened], Meta(description="What it would have said, newest first, at most 100.")]


class _Series(NamedTuple):
    """Values of a series and what they are held against, arrays of shape (n_sessions, n_instruments)."""

    value: Numbers
    baseline: Numbers


class _Condition(NamedTuple):
    """What a condition reads and its levels, arrays of shape (n_sessions, n_instruments)."""

    value: Numbers
    baseline: Numbers
    level: Numbers
    level_before: Numbers
    recover_level: Numbers


def try_on(rule: Rule, seen: History, *, explanation: str) -> Trial:
    """Hold a rule against the closes of the sessions since `seen.first`, one after the other."""
    sessions, instruments = seen.sessions, seen.instruments
    criteria, n = criteria_of(rule), len(seen.instruments)
    begin = next((place for place, day in enumerate(sessions) if day >= seen.first), len(sessions))
    splits = _matrix([row[:3] for row in seen.splits], sessions, instruments)
    read = [
        _condition(one, _readings(of, seen, splits, begin), level and _readings(level, seen, splits, begin))
        for one, of, level in zip(criteria, seen.series, seen.levels, strict=True)
    ]
    suspects = _matrix([(row[0], row[1], row[3]) for row in seen.splits], sessions, instruments)
    reasons = _inhibitions(splits, suspects)
    states, options, happened = new_states(n), _options(rule, n), []
    counts = {TRIGGERED: 0, RESOLVED: 0}
    for place in range(begin, len(sessions)):
        day = np.full(n, np.datetime64(sessions[place], "D"))
        close_at = np.full(n, np.datetime64(sessions[place], "us") + CLOSE)
        looks = Looks(close_at, day, reasons[place], np.zeros(n, dtype=bool))
        moved = step(states, looks, _conditions(rule, criteria, read, place), options)
        states = moved.states
        for who in np.flatnonzero(moved.event != NOTHING).tolist():
            event = str(moved.event[who])
            counts[event] = counts.get(event, 0) + 1
            values = [_value_or_none(one.value[place, who]) for one in read]
            happened.append(_happened(seen, sessions[place], instruments[who], event, int(states.episode[who]), values))
    n_tried = len(sessions) - begin
    return Trial(
        explanation=explanation,
        summary=_summary(counts[TRIGGERED], sessions[begin:], n if instruments != [PLATFORM] else 0),
        first_date=sessions[begin] if n_tried else None,
        last_date=sessions[-1] if n_tried else None,
        n_sessions=n_tried,
        n_instruments=0 if instruments == [PLATFORM] else n,
        n_triggered=counts[TRIGGERED],
        n_resolved=counts[RESOLVED] + counts.get(CORRECTED, 0),
        events=happened[::-1][:MOST_LISTED],
    )


def _summary(n_triggered: int, sessions: Sequence[dt.date], n_instruments: int) -> str:
    if not sessions:
        return "There is no session to try it on."
    times = "once" if n_triggered == 1 else f"{n_triggered} times"
    on = f", on {n_instruments} instrument{'' if n_instruments == 1 else 's'}" if n_instruments else ""
    return f"It would have fired {times} in {len(sessions)} sessions from {sessions[0]} to {sessions[-1]}{on}."


def _happened(
    seen: History, day: dt.date, instrument_id: str, event: str, episode: int, values: list[float | None]
) -> Happened:
    is_platform = instrument_id == PLATFORM
    ticker = None if is_platform else seen.tickers.get(instrument_id, instrument_id)
    return Happened(day, ticker, None if is_platform else instrument_id, event, episode, values)


def _condition(one: Criterion, of: _Series, level: _Series | None) -> _Condition:
    """Put readings and levels together; a level that moves lets go 1 % inside, as in `alert_observations`."""
    if level is None:
        at, recover = np.full_like(of.value, _or_nan(one.level)), np.full_like(of.value, _or_nan(one.recover_level))
        return _Condition(of.value, of.baseline, at, at, recover)
    times = one.level_times or 1.0
    at, before = level.value * times, level.baseline * times
    inside = -1.0 if one.operator in (AT_OR_ABOVE, CROSSES_ABOVE) else 1.0
    return _Condition(of.value, of.baseline, at, before, at + inside * DEFAULT_ROOM * np.abs(at))


def _readings(of: SeriesHistory, seen: History, splits: Numbers, begin: int) -> _Series:
    series, metric = of.series, of.metric
    has_instrument = metric.relation.has_instrument
    columns = seen.instruments if has_instrument else [PLATFORM]
    raw = _matrix([row[:3] for row in of.rows], seen.sessions, columns)
    factor = _matrix([(row[0], row[1], row[3]) for row in of.rows], seen.sessions, columns)
    if not has_instrument:
        raw = np.where(np.isnan(raw), bar_before(raw, reach=PLATFORM_REACH), raw)
        factor = np.ones_like(raw)
    value, baseline = raw, np.full_like(raw, np.nan)
    if series.derivation in ("value", "member"):
        baseline = bar_before(raw)
    elif series.derivation in ("high", "low"):
        baseline = extreme_before(raw, bars=series.bars, is_high=series.derivation == "high")
    else:
        value = change(raw, bars=series.bars, is_relative=series.is_relative)
        value = np.abs(value) if series.derivation == "change_size" else value
    is_pure = series.derivation == "member" or (series.derivation.startswith("change") and series.is_relative)
    scale = np.ones_like(raw) if is_pure else 1.0 / factor
    if metric.is_per_share and metric.is_price and not is_pure:
        scale = scale * splits / _at_begin(splits, begin)
    shape = (len(seen.sessions), len(seen.instruments))
    return _Series(np.broadcast_to(value * scale, shape), np.broadcast_to(baseline * scale, shape))


def _at_begin(splits: Numbers, begin: int) -> Numbers:
    """Return each instrument's split factor at the first bar of the trial, in whose shares levels are understood."""
    if not len(splits):
        return np.ones(splits.shape[1])  # no session, so there is no level to be scaled either
    known = ~np.isnan(splits[begin:])
    first = begin + known.argmax(axis=0) if len(known) else np.zeros(splits.shape[1], dtype=np.int64)
    found: Numbers = splits[np.minimum(first, len(splits) - 1), np.arange(splits.shape[1])]
    return found


def _inhibitions(splits: Numbers, suspects: Numbers) -> np.ndarray:
    before = bar_before(splits, reach=len(splits))
    is_known_before = ~np.isnan(before)
    is_halt = np.isnan(splits) & is_known_before
    is_split = ~np.isnan(splits) & is_known_before & (splits != before)
    return np.select([is_halt, suspects == 1, is_split], ["halt", "suspect", "split"], default="")


def _conditions(rule: Rule, criteria: Sequence[Criterion], read: Sequence[_Condition], place: int) -> Conditions:
    n = read[0].value.shape[1]
    parts = judge(
        Readings(
            np.concatenate([one.value[place] for one in read]), np.concatenate([one.baseline[place] for one in read])
        ),
        Criteria(
            np.repeat(np.array([one.operator for one in criteria]), n),
            np.concatenate([one.level[place] for one in read]),
            np.concatenate([one.recover_level[place] for one in read]),
            np.concatenate([one.level_before[place] for one in read]),
        ),
    )
    ways = np.array([[sum(1 << place for place in way) for way in alternatives(rule.when)]] * n, dtype=np.int64)
    pair, places = np.tile(np.arange(n), len(criteria)), np.repeat(np.arange(len(criteria)), n)
    return together(parts, pair=pair, place=places, ways=ways.reshape(n, -1))


def _options(rule: Rule, n: int) -> Options:
    hour = np.timedelta64(3_600_000_000, "us")
    repeat = (
        np.timedelta64("NaT", "us")
        if rule.repeat_hours is None
        else np.timedelta64(round(rule.repeat_hours * 3.6e9), "us")
    )
    ends = None if rule.expires_at is None else rule.expires_at.astimezone(dt.UTC).replace(tzinfo=None)
    return Options(
        for_bars=np.full(n, rule.for_bars, dtype=np.int64),
        cooldown=np.full(n, rule.cooldown_hours * hour),
        repeat=np.full(n, repeat),
        expires_at=np.full(n, np.datetime64(ends, "us")),
        one_shot=np.full(n, rule.one_shot),
    )


def _matrix(rows: Sequence[tuple[object, ...]], sessions: Sequence[dt.date], columns: Sequence[str]) -> Numbers:
    """Put rows of column, session and number into an array of shape (n_sessions, n_columns); NaN for none."""
    found = np.full((len(sessions), len(columns)), np.nan)
    day_of = {day: place for place, day in enumerate(sessions)}
    column_of = {name: place for place, name in enumerate(columns)}
    kept = [(day_of[row[1]], column_of[row[0]], row[2]) for row in rows if row[1] in day_of and row[0] in column_of]  # type: ignore[index]  # rows come from a driver
    if kept:
        days, names, values = zip(*kept, strict=True)
        found[list(days), list(names)] = [np.nan if value is None else value for value in values]
    return found


def _or_nan(value: float | None) -> float:
    return np.nan if value is None else value


def _value_or_none(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
