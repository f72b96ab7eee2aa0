"""The lives of pairs of rule and instrument, as chance makes them: ticks, crashes, repetitions, restatements, mutes.

What stands around the state machine is a model of the tables: state and announcements are written together or not at
all, and an announcement whose key stands already is not written again.
"""

from typing import NamedTuple

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from transforms.alert_rules import (
    AT_OR_ABOVE,
    CORRECTED,
    CROSSES_ABOVE,
    ENDED,
    FIRING,
    INHIBITED,
    NO_DATA,
    NORMAL,
    PENDING,
    REPEATED,
    RESOLVED,
    TRIGGERED,
    Criteria,
    Looks,
    Options,
    Readings,
    States,
    judge,
    new_states,
    step,
)

CLOSE = np.datetime64("2024-01-02T21:00", "us")
DAY = np.timedelta64(1, "D")
GONE = float("nan")
VALUES = st.sampled_from([GONE, 90.0, 97.9, 98.0, 99.0, 100.0, 120.0])
LEGAL = {
    NORMAL: {PENDING, FIRING, NO_DATA, ENDED},
    PENDING: {NORMAL, FIRING, NO_DATA, ENDED},
    FIRING: {NORMAL, NO_DATA, ENDED},
    NO_DATA: {NORMAL, PENDING, FIRING, ENDED},
    ENDED: set(),
}


class Said(NamedTuple):
    """An announcement: its kind, its episode, what tells it from others, and whether nobody was to hear of it."""

    event: str
    episode: int
    occasion: str
    is_silent: bool


class Life(RuleBasedStateMachine):
    """One pair: its bars, its stored state, and what has been announced."""

    @initialize(
        operator=st.sampled_from([AT_OR_ABOVE, CROSSES_ABOVE]),
        for_bars=st.integers(1, 3),
        cooldown=st.integers(0, 3),
        repeat=st.sampled_from([None, 1, 2]),
        one_shot=st.booleans(),
        ends=st.sampled_from([None, 12]),
    )
    def begin(
        self, operator: str, for_bars: int, cooldown: int, repeat: int | None, one_shot: bool, ends: int | None
    ) -> None:
        never = np.datetime64("NaT", "us")
        self.criteria = Criteria(np.array([operator]), np.array([100.0]), np.array([98.0]))
        self.options = Options(
            np.array([for_bars]), np.array([cooldown * DAY]),
            np.array([np.timedelta64("NaT", "D") if repeat is None else repeat * DAY]),
            np.array([never if ends is None else CLOSE + ends * DAY]), np.array([one_shot]),
        )  # fmt: skip
        self.bars: list[float] = []
        self.inhibited: dict[int, str] = {}
        self.reached = -1
        self.is_muted = False
        self.states = new_states(1)
        self.said: dict[tuple[str, int, str], Said] = {}
        self.order: list[Said] = []

    def _look(self, states: States, day: int) -> tuple[States, Said | None]:
        before = next((value for value in self.bars[:day][::-1] if np.isfinite(value)), GONE)
        at = np.array([CLOSE + day * DAY])
        looks = Looks(
            at, at.astype("datetime64[D]"), np.array([self.inhibited.get(day, "")]), np.array([self.is_muted])
        )
        readings = Readings(np.array([self.bars[day]]), np.array([before]))
        after, event, is_silent = step(states, looks, judge(readings, self.criteria), self.options)
        name = str(event[0])
        occasion = str(day) if name in (REPEATED, INHIBITED) else ""
        return after, Said(name, int(after.episode[0]), occasion, bool(is_silent[0])) if name else None

    def _commit(self, states: States, said: Said | None) -> None:
        old, new = str(self.states.state[0]), str(states.state[0])
        assert old == new or new in LEGAL[old], (old, new)
        self.states = states
        if said is not None and (said.event, said.episode, said.occasion) not in self.said:
            self.said[said.event, said.episode, said.occasion] = said
            self.order.append(said)

    def _evaluate(self) -> None:
        """Look at the sessions that are new, oldest first, else at the newest again."""
        newest = len(self.bars) - 1
        if newest < 0:
            return
        for day in range(self.reached + 1, newest + 1) if self.reached < newest else [newest]:
            self._commit(*self._look(self.states, day))
        self.reached = newest

    @rule(value=VALUES, reason=st.sampled_from(["", "", "", "split"]))
    def a_session_closes(self, value: float, reason: str) -> None:
        self.bars.append(value)
        if reason and np.isfinite(value):
            self.inhibited[len(self.bars) - 1] = reason

    @rule()
    def evaluate(self) -> None:
        self._evaluate()

    @rule()
    def evaluate_twice(self) -> None:
        self._evaluate()
        stand, told = self.states, len(self.order)
        self._evaluate()
        assert _same(stand, self.states)
        assert len(self.order) == told

    @rule()
    def die_before_the_commit(self) -> None:
        if self.bars:
            self._look(self.states, len(self.bars) - 1)

    @rule(value=VALUES, back=st.integers(0, 3))
    def a_bar_is_restated(self, value: float, back: int) -> None:
        if back < len(self.bars):
            self.bars[len(self.bars) - 1 - back] = value

    @rule(back=st.integers(1, 4))
    def a_past_partition_is_evaluated_again(self, back: int) -> None:
        day = self.reached - back
        if day >= 0:
            after, said = self._look(self.states, day)
            assert said is None
            assert _same(after, self.states)

    @rule()
    def mute(self) -> None:
        self.is_muted = True

    @rule()
    def unmute(self) -> None:
        self.is_muted = False

    @rule()
    def replay(self) -> None:
        """Without restatements between, a life lived in one go is the life lived tick by tick."""
        if self.is_muted or not self.bars:
            return
        whole, at_once = new_states(1), new_states(1)
        for day in range(len(self.bars)):
            whole, _ = self._look(whole, day)
            whole, nothing = self._look(whole, day)
            assert nothing is None
            at_once, _ = self._look(at_once, day)
        assert _same(whole, at_once)

    @invariant()
    def each_episode_is_announced_once_and_none_is_lost(self) -> None:
        if not hasattr(self, "order"):
            return
        begun = [said.episode for said in self.order if said.event == TRIGGERED]
        assert begun == list(range(1, int(self.states.episode[0]) + 1))
        ended = [said.episode for said in self.order if said.event in (RESOLVED, CORRECTED)]
        assert ended == sorted(set(ended))
        is_over = str(self.states.state[0]) == ENDED
        open_ones = set(begun) - set(ended)
        assert open_ones <= {int(self.states.episode[0])}
        assert bool(self.states.is_open[0]) == bool(open_ones) or is_over

    @invariant()
    def who_hears_of_an_end_has_heard_of_the_beginning(self) -> None:
        heard: set[int] = set()
        for said in getattr(self, "order", []):
            if said.event in (TRIGGERED, REPEATED) and not said.is_silent:
                heard.add(said.episode)
            if said.event in (RESOLVED, CORRECTED) and not said.is_silent:
                assert said.episode in heard

    @invariant()
    def whatever_fires_is_open(self) -> None:
        if not hasattr(self, "order"):
            return
        state = str(self.states.state[0])
        assert bool(self.states.is_open[0]) or state != FIRING
        assert not bool(self.states.is_open[0]) or state in (FIRING, NO_DATA)
        assert (self.states.bars[0] > 0) == (state == PENDING)


def _same(one: States, other: States) -> bool:
    return [str(part[0]) for part in one] == [str(part[0]) for part in other]


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
