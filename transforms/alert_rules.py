"""The state machine of alerts: when a rule fires, when it lets go, and what is announced.

A condition says only where it holds and where it lets go (`judge`); the conditions of a rule are put together
(`together`); what follows from that is the same for all of them (`step`). Every function works on whole arrays, reads
no clock and keeps nothing.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Texts = npt.NDArray[np.str_]
Counts = npt.NDArray[np.int64]
Times = npt.NDArray[np.datetime64]
Spans = npt.NDArray[np.timedelta64]

NORMAL, PENDING, FIRING, NO_DATA, ENDED = "normal", "pending", "firing", "no_data", "ended"
NOTHING, TRIGGERED, RESOLVED = "", "triggered", "resolved"
REPEATED, CORRECTED, INHIBITED = "repeated", "corrected", "inhibited"

AT_OR_ABOVE, AT_OR_BELOW = "at_or_above", "at_or_below"
CROSSES_ABOVE, CROSSES_BELOW = "crosses_above", "crosses_below"
NEW_HIGH, NEW_LOW = "new_high", "new_low"
OPERATORS = (AT_OR_ABOVE, AT_OR_BELOW, CROSSES_ABOVE, CROSSES_BELOW, NEW_HIGH, NEW_LOW)


class Criteria(NamedTuple):
    """Conditions of m readings; arrays of shape (m,).

    Attributes
    ----------
    operator : ndarray of str
        One of OPERATORS. Entering a set is crossing 0.5 from below, for membership that is 1 or 0; changing by so much
        is being at or above it, for the change.
    level, recover_level : ndarray of float, unit as the metric
        NaN for NEW_HIGH and NEW_LOW, which know no level, and where a level that moves is unknown.
    level_before : ndarray of float or None, unit as the metric
        The level at the bar before; None where no level moves.
    """

    operator: Texts
    level: Numbers
    recover_level: Numbers
    level_before: Numbers | None = None


class Readings(NamedTuple):
    """What m conditions look at; arrays of shape (m,).

    Attributes
    ----------
    value : ndarray of float, unit as the metric
        NaN where there is none.
    baseline : ndarray of float, unit as the metric
        The value at the bar before for crossings, the extreme of the bars before for new highs and lows; NaN if it is
        unknown.
    """

    value: Numbers
    baseline: Numbers


class Conditions(NamedTuple):
    """What n conditions, or n rules, come to; arrays of shape (n,).

    Attributes
    ----------
    holds : ndarray of bool
        The rule fires if it does not yet.
    stays : ndarray of bool
        What once held goes on holding: after a crossing, the metric is still on the far side.
    lets_go : ndarray of bool
        The rule recovers if it fires. Between the two it stays what it is: that room is hysteresis.
    is_missing : ndarray of bool
        Nobody can say.
    """

    holds: Flags
    stays: Flags
    lets_go: Flags
    is_missing: Flags


class Looks(NamedTuple):
    """One look at n pairs of rule and instrument; arrays of shape (n,).

    Attributes
    ----------
    observed_at : ndarray of datetime64[us], UTC
        Instant that the readings belong to; NaT where there are none.
    bar_date : ndarray of datetime64[D]
        Session that they belong to.
    inhibition : ndarray of str
        Why this bar must not be held against the rule (a split, a halt, a delisting); empty where it may.
    is_muted : ndarray of bool
        Whether nobody wants to hear of it now.
    """

    observed_at: Times
    bar_date: Times
    inhibition: Texts
    is_muted: Flags


class Options(NamedTuple):
    """How the rules of n pairs fire and tell; arrays of shape (n,).

    Attributes
    ----------
    for_bars : ndarray of int64, sessions
        Bars in a row that the condition must hold.
    cooldown : ndarray of timedelta64
        How long after an episode's start no other may start.
    repeat : ndarray of timedelta64
        After how long an episode that goes on is told again; NaT = never.
    expires_at : ndarray of datetime64[us], UTC
        Observations after it end the rule; NaT = never.
    one_shot : ndarray of bool
        Whether the rule ends with its first episode.
    """

    for_bars: Counts
    cooldown: Spans
    repeat: Spans
    expires_at: Times
    one_shot: Flags


class States(NamedTuple):
    """Where the machines of n pairs stand; arrays of shape (n,).

    Attributes
    ----------
    state : ndarray of str
        NORMAL, PENDING (holds, but not for long enough or too soon), FIRING, NO_DATA or ENDED.
    episode : ndarray of int64
        How many times the pair has fired.
    is_open : ndarray of bool
        Whether the latest episode has begun and not ended: true while firing, and without data if that began while it
        fired. So an interruption neither ends an episode nor announces it again.
    bars : ndarray of int64, sessions
        For how many bars in a row the condition has held, while pending.
    bar_date : ndarray of datetime64[D]
        The last of them.
    opened_at, told_at : ndarray of datetime64[us], UTC
        When the latest episode began, and when its owner was last told of it; NaT for never.
    observed_at : ndarray of datetime64[us], UTC
        Instant of the last observation that counted; NaT before the first.
    inhibition : ndarray of str
        What kept the last observation from counting; empty if nothing did.
    """

    state: Texts
    episode: Counts
    is_open: Flags
    bars: Counts
    bar_date: Times
    opened_at: Times
    told_at: Times
    observed_at: Times
    inhibition: Texts


class Step(NamedTuple):
    """What came of one look at n pairs.

    Attributes
    ----------
    states : States
    event : ndarray of str, shape (n,)
        TRIGGERED, REPEATED, RESOLVED, CORRECTED, INHIBITED or NOTHING; of the episode in `states`.
    is_silent : ndarray of bool, shape (n,)
        The event is written down, and nobody is told: the rule is muted, or nobody was told of the episode's start.
    """

    states: States
    event: Texts
    is_silent: Flags


def new_states(n: int) -> States:
    """Give the states of n pairs that nobody has looked at, or whose rule has changed."""
    never = np.full(n, np.datetime64("NaT"), dtype="datetime64[us]")
    return States(
        state=np.full(n, NORMAL),
        episode=np.zeros(n, dtype=np.int64),
        is_open=np.zeros(n, dtype=bool),
        bars=np.zeros(n, dtype=np.int64),
        bar_date=never.astype("datetime64[D]"),
        opened_at=never,
        told_at=never,
        observed_at=never,
        inhibition=np.full(n, ""),
    )


def judge(readings: Readings, criteria: Criteria) -> Conditions:
    """Hold readings against conditions, each by itself.

    Notes
    -----
    ==============  ==============================  ======================  ====================
    operator        holds                           stays                   lets go
    ==============  ==============================  ======================  ====================
    at_or_above     value >= level                  value >= level          value < recover
    crosses_above   baseline < level before,        value >= level          value < recover
                    level <= value
    new_high        value > baseline                value > baseline        value <= baseline
    ==============  ==============================  ======================  ====================

    The others are their mirror images. Missing: a value or level that is not finite; for new highs and lows, a
    baseline. A crossing without a baseline, or without a level before, does not hold: nobody saw it.
    """
    value, baseline = readings
    operator = criteria.operator
    is_up = np.isin(operator, [AT_OR_ABOVE, CROSSES_ABOVE, NEW_HIGH])
    is_cross = np.isin(operator, [CROSSES_ABOVE, CROSSES_BELOW])
    is_extreme = np.isin(operator, [NEW_HIGH, NEW_LOW])
    is_missing = ~np.isfinite(value) | ~np.isfinite(np.where(is_extreme, baseline, criteria.level))
    # Mirrored, everything is a matter of being high enough.
    sign = np.where(is_up, 1.0, -1.0)
    height, before = sign * value, sign * baseline
    level, recover = sign * criteria.level, sign * criteria.recover_level
    level_before = level if criteria.level_before is None else sign * criteria.level_before
    is_beyond = np.where(is_extreme, height > before, height >= level)
    return Conditions(
        holds=~is_missing & is_beyond & (~is_cross | (before < level_before)),
        stays=~is_missing & is_beyond,
        lets_go=~is_missing & np.where(is_extreme, height <= before, height < recover),
        is_missing=is_missing,
    )


def together(parts: Conditions, *, pair: Counts, place: Counts, ways: Counts) -> Conditions:
    """Put the conditions of each rule together.

    Parameters
    ----------
    parts : Conditions of shape (m,)
        The conditions by themselves.
    pair, place : ndarray of int64, shape (m,)
        Which rule (0 to n - 1) a condition belongs to, and as which of its conditions.
    ways : ndarray of int64, shape (n, w)
        The ways in which each rule can hold: a number whose bits are the places of conditions that together are enough;
        0 fills up.

    Returns
    -------
    Conditions of shape (n,)
        A rule holds if it does in one way, and lets go if it does in all. It is missing if that depends on what is
        missing.
    """
    n = len(ways)

    def bits(flags: Flags) -> Counts:
        found = np.zeros(n, dtype=np.int64)
        np.bitwise_or.at(found, pair[flags], np.int64(1) << place[flags])
        return found[:, None]

    is_way = ways != 0
    missing, going = bits(parts.is_missing), bits(parts.lets_go)

    def in_one_way(flags: Flags) -> tuple[Flags, Flags]:
        met = bits(flags)
        is_met = is_way & ((met & ways) == ways)
        is_open = is_way & (((met | missing) & ways) == ways)
        return is_met.any(axis=1), is_open.any(axis=1)

    holds, may_hold = in_one_way(parts.holds)
    stays, may_stay = in_one_way(parts.stays)
    return Conditions(
        holds=holds,
        stays=stays,
        lets_go=((going & ways) != 0).all(axis=1, where=is_way),
        is_missing=~holds & ~stays & (may_hold | may_stay),
    )


def step(states: States, looks: Looks, conditions: Conditions, options: Options) -> Step:
    """Move n pairs on by one look each.

    Parameters
    ----------
    states : States
    looks : Looks
    conditions : Conditions
        Of the same looks, one for each pair.
    options : Options

    Notes
    -----
    ==================  ===========================  =====================  ====================
    was                 condition holds              lets go                in between
    ==================  ===========================  =====================  ====================
    normal              firing, triggered; pending   normal                 normal
                        if not yet for long enough
                        or too soon
    pending             the same, if it stays        normal                 normal
    firing              firing, or repeated          normal, resolved       firing
    no_data             as normal, or as firing if an episode is open
    ==================  ===========================  =====================  ====================

    Missing data make no_data of any state, without an event. A bar that is inhibited moves nothing, and is announced
    once. An observation older than the last one that counted changes nothing, and one that is repeated changes nothing
    either. If the very observation that began an episode comes corrected and no longer holds, the episode ends as
    corrected. After `expires_at`, or after the only episode of a one-shot rule, the pair has ended for good.

    An episode that began while the rule was muted is told as soon as it no longer is, as repeated; if it has ended by
    then, nobody hears of it. All spans are measured between observations, so that history replays as it happened.
    """
    was = states
    counts = (was.state != ENDED) & ~(looks.observed_at < was.observed_at)
    is_over = counts & (looks.observed_at > options.expires_at)
    is_new_inhibition = counts & ~is_over & (looks.inhibition != "") & (looks.inhibition != was.inhibition)
    is_missing = counts & ~is_over & conditions.is_missing
    looks_on = counts & ~is_over & ~is_missing & (looks.inhibition == "")

    bars = _bars(was, looks, conditions)
    is_cooling = looks.observed_at < was.opened_at + options.cooldown
    waits = looks_on & ~was.is_open & (bars > 0)
    triggers = waits & (bars >= options.for_bars) & ~is_cooling
    goes_on = looks_on & was.is_open
    corrects = goes_on & (looks.observed_at == was.opened_at) & ~conditions.stays
    resolves = goes_on & conditions.lets_go & ~corrects
    is_due = np.isnat(was.told_at) | (looks.observed_at - was.told_at >= options.repeat)
    repeats = goes_on & ~corrects & ~resolves & is_due & ~looks.is_muted

    ends = corrects | resolves
    is_open = (was.is_open | triggers) & ~ends & ~is_over
    state = np.select(
        [is_over | (resolves & options.one_shot), is_missing, looks_on & is_open, waits & ~triggers, looks_on],
        [ENDED, NO_DATA, FIRING, PENDING, NORMAL],
        default=was.state,
    )
    is_pending = state == PENDING
    never = np.datetime64("NaT", "us")
    told_at = np.where(triggers, np.where(looks.is_muted, never, looks.observed_at), was.told_at)
    has_instant = counts & ~np.isnat(looks.observed_at)
    return Step(
        states=States(
            state=state,
            episode=was.episode + triggers,
            is_open=is_open,
            bars=np.where(is_pending, np.where(looks_on, bars, was.bars), 0),
            bar_date=np.where(is_pending & ~looks_on, was.bar_date, np.where(is_pending, looks.bar_date, _NO_DAY)),
            opened_at=np.where(triggers, looks.observed_at, was.opened_at),
            told_at=np.where(repeats, looks.observed_at, told_at),
            observed_at=np.where(has_instant, looks.observed_at, was.observed_at),
            inhibition=np.where(counts, looks.inhibition, was.inhibition),
        ),
        event=np.select(
            [is_new_inhibition, triggers, corrects, resolves, repeats],
            [INHIBITED, TRIGGERED, CORRECTED, RESOLVED, REPEATED],
            default=NOTHING,
        ),
        is_silent=looks.is_muted | (ends & np.isnat(was.told_at)),
    )


_NO_DAY = np.datetime64("NaT", "D")


def _bars(was: States, looks: Looks, conditions: Conditions) -> Counts:
    """Count the bars in a row for which the condition has held, this one included; 0 where it does not hold."""
    is_later = looks.bar_date > was.bar_date
    goes_on = (was.state == PENDING) & conditions.stays
    return np.where(goes_on, was.bars + is_later, np.where(conditions.holds, 1, 0))


def bar_before(values: Numbers, *, reach: int = 10) -> Numbers:
    """Give the newest value of `reach` sessions before each row, for arrays of shape (n_sessions, n); NaN for none."""
    before = np.full_like(values, np.nan)
    for lag in range(1, min(reach, len(values) - 1) + 1):
        unknown = np.isnan(before[lag:])
        before[lag:][unknown] = values[:-lag][unknown]
    return before


def change(values: Numbers, *, bars: int, is_relative: bool) -> Numbers:
    """Give the change over so many sessions, for arrays of shape (n_sessions, n); NaN where an end is missing."""
    changed = np.full_like(values, np.nan)
    if bars < len(values):
        then, now = values[:-bars], values[bars:]
        with np.errstate(divide="ignore", invalid="ignore"):
            changed[bars:] = np.where(then != 0, now / then - 1, np.nan) if is_relative else now - then
    return changed


def extreme_before(values: Numbers, *, bars: int, is_high: bool) -> Numbers:
    """Give the extreme of so many sessions before each row, for arrays of shape (n_sessions, n); NaN where all miss."""
    pick = np.fmax if is_high else np.fmin
    found = np.full_like(values, np.nan)
    for lag in range(1, min(bars, len(values) - 1) + 1):
        found[lag:] = pick(found[lag:], values[:-lag])
    return found
