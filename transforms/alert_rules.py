"""The state machine of alerts: when a rule fires, when it lets go, and what is announced.

An operator says only where its condition holds and where it lets go (`Conditions`); what follows from that is the same
for all of them (`step`). So a new operator is a new function beside `level_conditions`, and `step` stays as it is.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Texts = npt.NDArray[np.str_]
Counts = npt.NDArray[np.int64]
Instants = npt.NDArray[np.datetime64]

NORMAL, FIRING, NO_DATA = "normal", "firing", "no_data"
NOTHING, TRIGGERED, RESOLVED = "", "triggered", "resolved"


class States(NamedTuple):
    """Where the machines of n pairs of rule and instrument stand; arrays of shape (n,).

    Attributes
    ----------
    state : ndarray of str
        NORMAL, FIRING or NO_DATA.
    episode : ndarray of int64
        How many times the pair has fired.
    is_open : ndarray of bool
        Whether the latest episode is announced as triggered and not yet as resolved: true while firing, and without
        data if that began while it fired. So an interruption neither ends an episode nor announces it again.
    observed_value : ndarray of float, unit as the metric
        NaN where it was missing.
    observed_at : ndarray of datetime64[us], UTC
        NaT before the first observation.
    """

    state: Texts
    episode: Counts
    is_open: Flags
    observed_value: Numbers
    observed_at: Instants


class Observations(NamedTuple):
    """The newest word on n pairs; arrays of shape (n,).

    Attributes
    ----------
    value : ndarray of float, unit as the metric
        NaN where there is none.
    observed_at : ndarray of datetime64[us], UTC
        Instant that the value belongs to; NaT where there is none.
    """

    value: Numbers
    observed_at: Instants


class Levels(NamedTuple):
    """Level rules of n pairs; arrays of shape (n,).

    Attributes
    ----------
    is_upward : ndarray of bool
        True fires at or above the level, False at or below it.
    level : ndarray of float, unit as the metric
    recover_level : ndarray of float, unit as the metric
        The rule lets go once the value is past this on the way back: below it for an upward rule.
    """

    is_upward: Flags
    level: Numbers
    recover_level: Numbers


class Conditions(NamedTuple):
    """What an operator says of n observations; arrays of shape (n,).

    Attributes
    ----------
    holds : ndarray of bool
        The pair fires if it does not yet.
    lets_go : ndarray of bool
        The pair recovers if it fires. Between the two a pair stays what it is.
    """

    holds: Flags
    lets_go: Flags


class Step(NamedTuple):
    """What came of one look at n pairs.

    Attributes
    ----------
    states : States
    event : ndarray of str, shape (n,)
        TRIGGERED, RESOLVED or NOTHING; it belongs to the episode in `states`.
    """

    states: States
    event: Texts


def new_states(n: int) -> States:
    """Give the states of n pairs that nobody has looked at, or whose rule has changed."""
    return States(
        state=np.full(n, NORMAL),
        episode=np.zeros(n, dtype=np.int64),
        is_open=np.zeros(n, dtype=bool),
        observed_value=np.full(n, np.nan),
        observed_at=np.full(n, np.datetime64("NaT"), dtype="datetime64[us]"),
    )


def level_conditions(value: Numbers, *, levels: Levels) -> Conditions:
    """Hold values against levels.

    Parameters
    ----------
    value : ndarray of shape (n,), unit as the metric
        NaN where there is none: then nothing holds and nothing lets go.
    levels : Levels

    Returns
    -------
    Conditions

    Raises
    ------
    ValueError
        If a recovery level lies beyond its level, where a rule would fire and recover at once.

    Notes
    -----
    The room between level and recovery level is hysteresis: a price that hovers about its level is announced once.
    """
    is_upward, level, recover_level = levels
    beyond = np.flatnonzero(np.where(is_upward, recover_level > level, recover_level < level))
    if len(beyond) > 0:
        first = beyond[0]
        raise ValueError(
            "level_conditions: recover_level must not lie beyond the level; "
            f"got {recover_level[first]} for {level[first]} at place {first}."
        )
    return Conditions(
        holds=np.where(is_upward, value >= level, value <= level),
        lets_go=np.where(is_upward, value < recover_level, value > recover_level),
    )


def step(states: States, observations: Observations, *, conditions: Conditions) -> Step:
    """Move n pairs on by one observation each.

    Parameters
    ----------
    states : States
    observations : Observations
    conditions : Conditions
        Of the same observations.

    Returns
    -------
    Step

    Notes
    -----
    ========================  ====================  ==========================  ========================
    was                       condition holds       lets go                     in between
    ========================  ====================  ==========================  ========================
    normal                    firing, triggered     normal                      normal
    firing                    firing                normal, resolved            firing
    no_data, episode open     firing                normal, resolved            firing
    no_data, no episode open  firing, triggered     normal                      normal
    ========================  ====================  ==========================  ========================

    A missing observation makes no_data of any state, without an event. The first observation of a pair fires if the
    condition holds already: who sets a level that has been passed wants to know. Each triggered has an episode number
    of its own, one more than the last.

    An observation equal to the last one in value and instant, or older than it, changes nothing; so a look that is
    repeated does nothing. A corrected value of the same instant counts. Without an instant an observation counts, and
    the instant that stands is kept.
    """
    is_missing = ~np.isfinite(observations.value)
    counts = ~_is_known_already(states, observations)
    triggers = counts & ~is_missing & ~states.is_open & conditions.holds
    resolves = counts & ~is_missing & states.is_open & conditions.lets_go
    is_open = (states.is_open | triggers) & ~resolves
    state = np.where(is_missing, NO_DATA, np.where(is_open, FIRING, NORMAL))
    has_instant = counts & ~np.isnat(observations.observed_at)
    return Step(
        states=States(
            state=np.where(counts, state, states.state),
            episode=states.episode + triggers,
            is_open=is_open,
            observed_value=np.where(counts, np.where(is_missing, np.nan, observations.value), states.observed_value),
            observed_at=np.where(has_instant, observations.observed_at, states.observed_at),
        ),
        event=np.where(triggers, TRIGGERED, np.where(resolves, RESOLVED, NOTHING)),
    )


def _is_known_already(states: States, observations: Observations) -> Flags:
    """Whether an observation is the one that the state stands on, or an older one."""
    is_older = observations.observed_at < states.observed_at
    same_instant = observations.observed_at == states.observed_at
    both_missing = np.isnan(states.observed_value) & ~np.isfinite(observations.value)
    return np.asarray(is_older | (same_instant & (both_missing | (observations.value == states.observed_value))))
