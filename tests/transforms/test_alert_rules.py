"""The state machine of alerts, along timelines written by hand."""

import subprocess
import sys
from typing import Any, NamedTuple

import numpy as np
import pytest

from transforms.alert_rules import (
    AT_OR_ABOVE,
    AT_OR_BELOW,
    CORRECTED,
    CROSSES_ABOVE,
    CROSSES_BELOW,
    ENDED,
    FIRING,
    INHIBITED,
    NEW_HIGH,
    NEW_LOW,
    NO_DATA,
    NORMAL,
    NOTHING,
    PENDING,
    REPEATED,
    RESOLVED,
    TRIGGERED,
    Conditions,
    Criteria,
    Looks,
    Options,
    Readings,
    States,
    Step,
    bar_before,
    change,
    extreme_before,
    judge,
    new_states,
    step,
    together,
)

CLOSE = np.datetime64("2024-01-02T21:00", "us")
DAY = np.timedelta64(1, "D")
HOUR = np.timedelta64(1, "h")
NEVER = np.timedelta64("NaT", "h")
GONE = float("nan")


class Bar(NamedTuple):
    """What a pair sees at one look; by default the close of the session after the last one."""

    value: float
    day: int | None = None
    hour: int = 0
    inhibition: str = ""
    is_muted: bool = False


def criteria(operator: str, level: float = 100.0, recover: float = 98.0) -> Criteria:
    return Criteria(np.array([operator]), np.array([level]), np.array([recover]))


def options(
    for_bars: int = 1, cooldown: int = 0, repeat: int | None = None, ends: int | None = None, one_shot: bool = False
) -> Options:
    """Options of one pair; spans in hours, `ends` in days after the first close."""
    return Options(
        for_bars=np.array([for_bars]),
        cooldown=np.array([cooldown * HOUR]),
        repeat=np.array([NEVER if repeat is None else repeat * HOUR]),
        expires_at=np.array([np.datetime64("NaT") if ends is None else CLOSE + ends * DAY], dtype="datetime64[us]"),
        one_shot=np.array([one_shot]),
    )


def look(states: States, bar: Bar, before: float, test: Criteria, rules: Options) -> Step:
    at = np.array([CLOSE + (bar.day or 0) * DAY + bar.hour * HOUR])
    looks = Looks(at, at.astype("datetime64[D]"), np.array([bar.inhibition]), np.array([bar.is_muted]))
    readings = Readings(np.array([bar.value]), np.array([before]))
    return step(states, looks, judge(readings, test), rules)


def timeline(*bars: float | Bar, test: Criteria | None = None, **given: Any) -> list[tuple[str, int, str]]:
    """State, episode and event after each bar; the baseline is the value of the bar before."""
    states, told, before, day = new_states(1), [], GONE, -1
    for bar in bars:
        bar = bar if isinstance(bar, Bar) else Bar(bar)
        day = day + 1 if bar.day is None else bar.day
        states, event, is_silent = look(
            states, bar._replace(day=day), before, test or criteria(AT_OR_ABOVE), options(**given)
        )
        hush = "silent " if event[0] and is_silent[0] else ""
        told.append((str(states.state[0]), int(states.episode[0]), hush + str(event[0])))
        before = bar.value if np.isfinite(bar.value) else before
    return told


def test_a_level_is_reached_fires_once_and_lets_go_past_its_recovery_level_and_not_before():
    assert timeline(99, 100, 105, 99, 98, 97.9, 99, 100) == [
        (NORMAL, 0, NOTHING), (FIRING, 1, TRIGGERED), (FIRING, 1, NOTHING), (FIRING, 1, NOTHING), (FIRING, 1, NOTHING),
        (NORMAL, 1, RESOLVED), (NORMAL, 1, NOTHING), (FIRING, 2, TRIGGERED),
    ]  # fmt: skip


def test_a_level_that_has_been_passed_already_fires_at_the_first_look():
    assert timeline(170) == [(FIRING, 1, TRIGGERED)]


def test_a_rank_fires_at_its_place_or_a_better_one_and_recovers_one_place_further():
    assert timeline(11, 10, 3, 10, 11, test=criteria(AT_OR_BELOW, 10, 10)) == [
        (NORMAL, 0, NOTHING), (FIRING, 1, TRIGGERED), (FIRING, 1, NOTHING), (FIRING, 1, NOTHING), (NORMAL, 1, RESOLVED),
    ]  # fmt: skip


def test_a_crossing_needs_the_bar_before_on_the_other_side():
    # Above at the first look: nobody saw it cross. It crosses at 101, and not again before it has come back past 98.
    assert timeline(120, 99, 101, 99, 101, 97, 100, test=criteria(CROSSES_ABOVE)) == [
        (NORMAL, 0, NOTHING), (NORMAL, 0, NOTHING), (FIRING, 1, TRIGGERED), (FIRING, 1, NOTHING), (FIRING, 1, NOTHING),
        (NORMAL, 1, RESOLVED), (FIRING, 2, TRIGGERED),
    ]  # fmt: skip


def test_a_crossing_downwards_is_the_mirror_image():
    assert timeline(80, 101, 100, 101, 103, test=criteria(CROSSES_BELOW, 100, 102)) == [
        (NORMAL, 0, NOTHING), (NORMAL, 0, NOTHING), (FIRING, 1, TRIGGERED), (FIRING, 1, NOTHING), (NORMAL, 1, RESOLVED),
    ]  # fmt: skip


def test_a_level_that_moves_is_crossed_from_where_it_was_and_missing_where_it_is_unknown():
    # The level falls under a value that stands; it did so before; it was unknown before; it is unknown now.
    before = np.array([100.0, 100, 100, 100])
    level_before, level = np.array([102.0, 99, GONE, 102]), np.array([99.0, 99, 99, GONE])
    moving = Criteria(np.repeat(CROSSES_ABOVE, 4), level, 0.99 * level, level_before)
    found = judge(Readings(np.full(4, 100.0), before), moving)
    assert found.holds.tolist() == [True, False, False, False]
    assert found.stays.tolist() == [True, True, True, False]
    assert found.is_missing.tolist() == [False, False, False, True]


def test_to_enter_a_set_is_to_cross_from_0_to_1_and_to_leave_it_the_other_way():
    enters, leaves = criteria(CROSSES_ABOVE, 0.5, 0.5), criteria(CROSSES_BELOW, 0.5, 0.5)
    assert [event for *_, event in timeline(1, 0, 1, 1, 0, test=enters)] == ["", "", TRIGGERED, "", RESOLVED]
    assert [event for *_, event in timeline(0, 1, 0, 0, 1, test=leaves)] == ["", "", TRIGGERED, "", RESOLVED]


def test_a_new_high_lasts_as_long_as_each_bar_makes_one():
    told = []
    states = new_states(1)
    for day, (value, highest) in enumerate([(10, GONE), (11, 10), (12, 11), (12, 12), (13, 12)]):
        states, event, _ = look(states, Bar(value, day), highest, criteria(NEW_HIGH, GONE, GONE), options())
        told.append((str(states.state[0]), str(event[0])))
    assert told == [
        (NO_DATA, ""), (FIRING, TRIGGERED), (FIRING, ""), (NORMAL, RESOLVED), (FIRING, TRIGGERED),
    ]  # fmt: skip


def test_a_new_low_is_the_mirror_image():
    conditions = judge(
        Readings(np.array([9.0, 10, 11]), np.full(3, 10.0)), Criteria(*(np.repeat(a, 3) for a in criteria(NEW_LOW)[:3]))
    )
    assert conditions.holds.tolist() == [True, False, False]
    assert conditions.lets_go.tolist() == [False, True, True]


def test_for_three_bars_is_pending_until_the_third_in_a_row():
    assert timeline(100, 101, 99, 100, 100, 100, 100, for_bars=3) == [
        (PENDING, 0, NOTHING), (PENDING, 0, NOTHING), (NORMAL, 0, NOTHING), (PENDING, 0, NOTHING),
        (PENDING, 0, NOTHING), (FIRING, 1, TRIGGERED), (FIRING, 1, NOTHING),
    ]  # fmt: skip


def test_many_looks_at_one_bar_are_one_bar():
    assert timeline(Bar(100, 0), Bar(101, 0, 1), Bar(102, 0, 2), Bar(100, 1), for_bars=2)[-2:] == [
        (PENDING, 0, NOTHING), (FIRING, 1, TRIGGERED),
    ]  # fmt: skip


def test_a_crossing_that_has_to_last_stays_on_the_far_side():
    assert timeline(90, 101, 102, 103, test=criteria(CROSSES_ABOVE), for_bars=3)[1:] == [
        (PENDING, 0, NOTHING), (PENDING, 0, NOTHING), (FIRING, 1, TRIGGERED),
    ]  # fmt: skip


def test_within_the_cooldown_a_second_episode_waits_and_begins_if_it_still_holds():
    # Fired on day 0; three days must pass. Day 2 is too soon, on day 3 it still holds.
    assert timeline(100, 90, 100, 100, cooldown=72) == [
        (FIRING, 1, TRIGGERED), (NORMAL, 1, RESOLVED), (PENDING, 1, NOTHING), (FIRING, 2, TRIGGERED),
    ]  # fmt: skip
    assert timeline(100, 90, 100, 90, cooldown=72)[2:] == [(PENDING, 1, NOTHING), (NORMAL, 1, NOTHING)]


def test_what_goes_on_is_told_again_after_the_span_and_counts_from_there():
    assert [event for *_, event in timeline(100, 101, 102, 103, 104, repeat=48)] == [
        TRIGGERED, NOTHING, REPEATED, NOTHING, REPEATED,
    ]  # fmt: skip


def test_a_rule_ends_with_the_first_observation_after_its_last_instant_in_silence():
    assert timeline(99, 100, 100, 90, 100, ends=1) == [
        (NORMAL, 0, NOTHING), (FIRING, 1, TRIGGERED), (ENDED, 1, NOTHING), (ENDED, 1, NOTHING), (ENDED, 1, NOTHING),
    ]  # fmt: skip


def test_a_one_shot_ends_when_its_only_episode_does():
    assert timeline(100, 90, 100, one_shot=True) == [(FIRING, 1, TRIGGERED), (ENDED, 1, RESOLVED), (ENDED, 1, NOTHING)]


def test_missing_data_is_a_state_without_an_event():
    assert timeline(GONE, 90, GONE, float("inf"), 90) == [
        (NO_DATA, 0, NOTHING), (NORMAL, 0, NOTHING), (NO_DATA, 0, NOTHING), (NO_DATA, 0, NOTHING), (NORMAL, 0, NOTHING),
    ]  # fmt: skip


def test_an_interruption_neither_ends_an_episode_nor_announces_it_again():
    assert timeline(100, GONE, 99, GONE, 101, GONE, 90) == [
        (FIRING, 1, TRIGGERED), (NO_DATA, 1, NOTHING), (FIRING, 1, NOTHING), (NO_DATA, 1, NOTHING),
        (FIRING, 1, NOTHING), (NO_DATA, 1, NOTHING), (NORMAL, 1, RESOLVED),
    ]  # fmt: skip


def test_bars_in_a_row_begin_anew_after_an_interruption():
    assert [state for state, *_ in timeline(100, GONE, 100, 100, for_bars=2)] == [PENDING, NO_DATA, PENDING, FIRING]


def test_a_bar_that_is_inhibited_moves_nothing_and_is_announced_once():
    split = Bar(50, 1, 0, "split")
    assert timeline(99, split, split, 99, 100) == [
        (NORMAL, 0, NOTHING), (NORMAL, 0, INHIBITED), (NORMAL, 0, NOTHING), (NORMAL, 0, NOTHING),
        (FIRING, 1, TRIGGERED),
    ]  # fmt: skip
    assert timeline(100, Bar(50, 1, 0, "split"), 99)[1:] == [(FIRING, 1, INHIBITED), (FIRING, 1, NOTHING)]
    assert timeline(100, Bar(100, 1, 0, "split"), 100, for_bars=2) == [
        (PENDING, 0, NOTHING), (PENDING, 0, INHIBITED), (FIRING, 1, TRIGGERED),
    ]  # fmt: skip


def test_a_halt_is_no_data_and_says_so_once():
    halted = [Bar(GONE, day, 0, "halt") for day in (1, 2)]
    assert timeline(100, *halted, 100) == [
        (FIRING, 1, TRIGGERED), (NO_DATA, 1, INHIBITED), (NO_DATA, 1, NOTHING), (FIRING, 1, NOTHING),
    ]  # fmt: skip


def test_while_muted_everything_happens_in_silence():
    muted = [Bar(value, day, is_muted=True) for day, value in enumerate([100, 90])]
    assert timeline(*muted, 100) == [
        (FIRING, 1, "silent triggered"), (NORMAL, 1, "silent resolved"), (FIRING, 2, TRIGGERED),
    ]  # fmt: skip


def test_what_began_while_muted_is_told_when_it_no_longer_is():
    assert timeline(Bar(100, is_muted=True), 101, 102, 90) == [
        (FIRING, 1, "silent triggered"), (FIRING, 1, REPEATED), (FIRING, 1, NOTHING), (NORMAL, 1, RESOLVED),
    ]  # fmt: skip


def test_of_what_began_and_ended_unheard_nobody_hears():
    assert timeline(Bar(100, is_muted=True), 90) == [(FIRING, 1, "silent triggered"), (NORMAL, 1, "silent resolved")]


def test_the_observation_that_fired_may_come_corrected():
    assert timeline(100, Bar(97, 0), Bar(97, 0), 90) == [
        (FIRING, 1, TRIGGERED), (NORMAL, 1, CORRECTED), (NORMAL, 1, NOTHING), (NORMAL, 1, NOTHING),
    ]  # fmt: skip
    # Also into the room between level and recovery level; a value that still holds is no correction.
    assert timeline(100, Bar(99, 0))[1] == (NORMAL, 1, CORRECTED)
    assert timeline(100, Bar(101, 0))[1] == (FIRING, 1, NOTHING)


def test_a_correction_does_not_use_up_a_one_shot():
    assert timeline(100, Bar(97, 0), 100, one_shot=True)[1:] == [(NORMAL, 1, CORRECTED), (FIRING, 2, TRIGGERED)]


def test_an_older_observation_does_nothing():
    assert timeline(90, Bar(100, 5), Bar(90, 4), Bar(90, 5, -1))[2:] == [(FIRING, 1, NOTHING)] * 2


def test_rules_are_put_together_by_their_ways():
    # Three conditions each; the first rule wants 0 and (1 or 2), the second 0 or 1, the third all of them.
    ways = np.array([[0b011, 0b101], [0b001, 0b010], [0b111, 0]])

    def come_to(words: str) -> list[str]:
        """Each condition: y holds, n lets go, r is in the room between, m is missing."""
        letters = np.array(list(words))
        holds = letters == "y"
        parts = Conditions(holds, holds, letters == "n", letters == "m")
        pair, place = np.repeat([0, 1, 2], 3), np.tile([0, 1, 2], 3)
        found = together(Conditions(*(np.tile(part, 3) for part in parts)), pair=pair, place=place, ways=ways)
        assert found.stays.tolist() == found.holds.tolist()
        return [
            "y" if h else "m" if m else "n" if g else "r"
            for h, g, m in zip(found.holds, found.lets_go, found.is_missing, strict=True)
        ]

    assert come_to("yyy") == ["y", "y", "y"]
    assert come_to("yny") == ["y", "y", "n"]
    assert come_to("ynn") == ["n", "y", "n"]
    assert come_to("nyy") == ["n", "y", "n"]
    assert come_to("nny") == ["n", "n", "n"]
    assert come_to("yrr") == ["r", "y", "r"]
    assert come_to("rnn") == ["n", "r", "n"]
    assert come_to("ymn") == ["m", "y", "n"]
    assert come_to("ymy") == ["y", "y", "m"]
    assert come_to("nmm") == ["n", "m", "n"]
    assert come_to("mmm") == ["m", "m", "m"]


def test_pairs_do_not_touch_each_other():
    test = Criteria(
        np.array([AT_OR_ABOVE, AT_OR_BELOW, AT_OR_ABOVE]), np.array([150.0, 10, 150]), np.array([148.0, 12, 148])
    )
    three = Options(*(np.repeat(part, 3) for part in options()))
    at = np.full(3, CLOSE)
    looks = Looks(at, at.astype("datetime64[D]"), np.full(3, ""), np.zeros(3, dtype=bool))
    states, event, _ = step(
        new_states(3), looks, judge(Readings(np.array([151, 11, GONE]), np.full(3, GONE)), test), three
    )
    assert states.state.tolist() == [FIRING, NORMAL, NO_DATA]
    assert event.tolist() == [TRIGGERED, NOTHING, NOTHING]


def test_no_pairs_make_no_events():
    none = [part[:0] for part in options()]
    at = np.array([], dtype="datetime64[us]")
    looks = Looks(at, at.astype("datetime64[D]"), np.array([], dtype=str), np.array([], dtype=bool))
    conditions = judge(
        Readings(np.array([]), np.array([])), Criteria(*(part[:0] for part in criteria(AT_OR_ABOVE)[:3]))
    )
    states, event, _ = step(new_states(0), looks, conditions, Options(*none))
    assert len(states.state) == len(event) == 0


def test_derived_values_look_back_and_never_ahead():
    values = np.array([[10.0], [12], [GONE], [9], [18]])
    assert bar_before(values)[:, 0].tolist()[1:] == [10, 12, 12, 9]
    assert np.isnan(bar_before(values)[0, 0])
    np.testing.assert_allclose(change(values, bars=1, is_relative=True)[:, 0], [GONE, 0.2, GONE, GONE, 1.0])
    np.testing.assert_allclose(change(values, bars=3, is_relative=False)[:, 0], [GONE, GONE, GONE, -1, 6])
    np.testing.assert_allclose(extreme_before(values, bars=2, is_high=True)[:, 0], [GONE, 10, 12, 12, 9])
    np.testing.assert_allclose(extreme_before(values, bars=3, is_high=False)[:, 0], [GONE, 10, 10, 10, 9])
    assert np.isnan(change(values, bars=9, is_relative=True)).all()


def test_a_change_from_zero_has_no_size():
    assert np.isnan(change(np.array([[0.0], [5]]), bars=1, is_relative=True)).all()


@pytest.mark.parametrize("module", ["pandas", "scipy"])
def test_the_module_needs_little_so_that_the_api_may_use_it(module):
    code = f"import sys, transforms.alert_rules; sys.exit({module!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
