"""The state machine of alerts, along timelines written by hand."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

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

NOON = np.datetime64("2024-01-02T12:00", "us")
MINUTE = np.timedelta64(1, "m")
NEVER = np.datetime64("NaT", "us")
MISSING = float("nan")


def levels(n: int = 1, *, is_upward: bool = True, level: float = 150.0, recover_level: float = 148.0) -> Levels:
    return Levels(np.full(n, is_upward), np.full(n, level), np.full(n, recover_level))


def look(states: States, value: float | list[float], at: np.datetime64, rules: Levels | None = None) -> Step:
    values = np.atleast_1d(np.array(value, dtype=np.float64))
    rules = rules if rules is not None else levels(len(values))
    observations = Observations(values, np.full(len(values), at))
    return step(states, observations, conditions=level_conditions(values, levels=rules))


def timeline(*values: float, rules: Levels | None = None) -> list[tuple[str, int, str]]:
    """State, episode and event after each value, one a minute."""
    states, told = new_states(1), []
    for minute, value in enumerate(values):
        states, event = look(states, value, NOON + minute * MINUTE, rules)
        told.append((str(states.state[0]), int(states.episode[0]), str(event[0])))
    return told


def test_a_price_fires_at_its_level_and_is_announced_once():
    assert timeline(149, 150, 151, 155) == [
        (NORMAL, 0, NOTHING),
        (FIRING, 1, TRIGGERED),
        (FIRING, 1, NOTHING),
        (FIRING, 1, NOTHING),
    ]


def test_a_price_recovers_below_its_recovery_level_and_not_before():
    assert timeline(150, 149, 148, 147.99, 149) == [
        (FIRING, 1, TRIGGERED),
        (FIRING, 1, NOTHING),
        (FIRING, 1, NOTHING),
        (NORMAL, 1, RESOLVED),
        (NORMAL, 1, NOTHING),
    ]


def test_each_episode_has_a_number_of_its_own():
    assert timeline(150, 140, 150, 140, 150) == [
        (FIRING, 1, TRIGGERED),
        (NORMAL, 1, RESOLVED),
        (FIRING, 2, TRIGGERED),
        (NORMAL, 2, RESOLVED),
        (FIRING, 3, TRIGGERED),
    ]


def test_the_first_observation_fires_if_the_level_has_been_passed_already():
    assert timeline(170) == [(FIRING, 1, TRIGGERED)]


def test_a_rank_fires_at_its_place_or_a_better_one_and_recovers_one_place_further():
    rules = levels(is_upward=False, level=10, recover_level=10)
    assert timeline(11, 10, 3, 10, 11, rules=rules) == [
        (NORMAL, 0, NOTHING),
        (FIRING, 1, TRIGGERED),
        (FIRING, 1, NOTHING),
        (FIRING, 1, NOTHING),
        (NORMAL, 1, RESOLVED),
    ]


def test_missing_data_is_a_state_without_an_event():
    assert timeline(MISSING, 140, MISSING, MISSING, 140) == [
        (NO_DATA, 0, NOTHING),
        (NORMAL, 0, NOTHING),
        (NO_DATA, 0, NOTHING),
        (NO_DATA, 0, NOTHING),
        (NORMAL, 0, NOTHING),
    ]


def test_an_interruption_does_not_announce_an_episode_again():
    assert timeline(150, MISSING, 149, MISSING, 151) == [
        (FIRING, 1, TRIGGERED),
        (NO_DATA, 1, NOTHING),
        (FIRING, 1, NOTHING),
        (NO_DATA, 1, NOTHING),
        (FIRING, 1, NOTHING),
    ]


def test_an_episode_that_ended_during_an_interruption_is_resolved_after_it():
    assert timeline(150, MISSING, 140, MISSING, 150) == [
        (FIRING, 1, TRIGGERED),
        (NO_DATA, 1, NOTHING),
        (NORMAL, 1, RESOLVED),
        (NO_DATA, 1, NOTHING),
        (FIRING, 2, TRIGGERED),
    ]


def test_infinity_is_no_price():
    assert timeline(float("inf"), float("-inf")) == [(NO_DATA, 0, NOTHING), (NO_DATA, 0, NOTHING)]


def test_the_same_observation_again_does_nothing():
    for value in (150.0, 149.0, 140.0, MISSING):
        first = look(new_states(1), value, NOON)
        again = look(first.states, value, NOON)
        assert again.event[0] == NOTHING
        assert_equal(again.states, first.states)


def test_an_older_observation_does_nothing():
    states = look(new_states(1), 140, NOON).states
    late = look(states, 150, NOON - MINUTE)
    assert late.event[0] == NOTHING
    assert_equal(late.states, states)


def test_a_corrected_value_of_the_same_instant_counts():
    states = look(new_states(1), 150, NOON).states
    corrected = look(states, 147, NOON)
    assert (corrected.states.state[0], corrected.event[0]) == (NORMAL, RESOLVED)


def test_an_observation_without_an_instant_keeps_the_one_that_stands():
    states = look(new_states(1), 150, NOON).states
    states, event = look(states, MISSING, NEVER)
    assert (states.state[0], states.observed_at[0], event[0]) == (NO_DATA, NOON, NOTHING)
    assert np.isnan(states.observed_value[0])


def test_pairs_do_not_touch_each_other():
    rules = Levels(np.array([True, False, True]), np.array([150.0, 10, 150]), np.array([148.0, 12, 148]))
    states, event = look(new_states(3), [151, 11, MISSING], NOON, rules)
    assert states.state.tolist() == [FIRING, NORMAL, NO_DATA]
    assert event.tolist() == [TRIGGERED, NOTHING, NOTHING]
    states, event = look(states, [140, 10, 150], NOON + MINUTE, rules)
    assert states.state.tolist() == [NORMAL, FIRING, FIRING]
    assert event.tolist() == [RESOLVED, TRIGGERED, TRIGGERED]
    assert states.episode.tolist() == [1, 1, 1]


def test_no_pairs_make_no_events():
    states, event = look(new_states(0), [], NOON, levels(0))
    assert len(states.state) == len(event) == 0


@pytest.mark.parametrize(("is_upward", "recover_level"), [(True, 150.5), (False, 149.5)])
def test_a_recovery_level_beyond_the_level_is_an_error_that_names_both(is_upward, recover_level):
    with pytest.raises(ValueError, match=f"beyond the level; got {recover_level} for 150.0 at place 0"):
        level_conditions(np.array([150.0]), levels=levels(is_upward=is_upward, recover_level=recover_level))


def test_the_module_needs_no_pandas_so_that_the_api_may_use_it():
    code = "import sys, transforms.alert_rules; sys.exit('pandas' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def assert_equal(one: States, other: States) -> None:
    for left, right in zip(one, other, strict=True):
        np.testing.assert_array_equal(left, right)


VALUES = st.sampled_from([MISSING, 130.0, 147.9, 148.0, 149.0, 150.0, 160.0])
LOOKS = st.lists(st.tuples(st.lists(VALUES, min_size=3, max_size=3), st.integers(-1, 2)), max_size=40)
LEGAL = {(NORMAL, FIRING), (FIRING, NORMAL), (NO_DATA, NORMAL), (NO_DATA, FIRING), (NORMAL, NO_DATA), (FIRING, NO_DATA)}
MIXED = Levels(np.array([True, False, True]), np.full(3, 149.0), np.array([148.0, 149.5, 149.0]))


@given(LOOKS)
def test_whatever_comes_each_episode_is_triggered_once_and_resolved_at_most_once(looks):
    states, at = new_states(3), NOON
    told: list[list[tuple[str, int]]] = [[], [], []]
    for values, minutes in looks:
        at = at + minutes * MINUTE
        before = states
        states, event = look(before, values, at, MIXED)
        repeated = look(states, values, at, MIXED)
        assert (repeated.event == NOTHING).all()
        assert_equal(repeated.states, states)
        for i in range(3):
            moved = (str(before.state[i]), str(states.state[i]))
            assert moved[0] == moved[1] or moved in LEGAL
            if event[i] != NOTHING:
                assert np.isfinite(values[i])
                told[i].append((str(event[i]), int(states.episode[i])))
    for i in range(3):
        in_order = [(kind, n) for n in range(1, len(told[i]) + 1) for kind in (TRIGGERED, RESOLVED)]
        assert told[i] == in_order[: len(told[i])]
        assert states.is_open[i] == (len(told[i]) % 2 == 1)
        assert states.episode[i] == (len(told[i]) + 1) // 2


@given(LOOKS)
def test_whatever_comes_a_pair_alone_fares_as_it_does_among_others(looks):
    together, at = new_states(3), NOON
    alone = [new_states(1) for _ in range(3)]
    for values, minutes in looks:
        at = at + minutes * MINUTE
        together, event = look(together, values, at, MIXED)
        for i in range(3):
            rule = Levels(*(part[i : i + 1] for part in MIXED))
            alone[i], own_event = look(alone[i], values[i], at, rule)
            assert own_event[0] == event[i]
            assert_equal(alone[i], States(*(part[i : i + 1] for part in together)))
