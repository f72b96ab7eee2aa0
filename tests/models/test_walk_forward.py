from datetime import date, timedelta
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.walk_forward import Fold, next_quarter_start, quarter_start, quarterly_folds, walk_forward_folds


@st.composite
def session_lists(draw):
    """Weekdays with holidays taken out at random."""
    n_days = draw(st.integers(300, 900))
    offset = draw(st.integers(0, 400))
    days = np.busday_offset(np.datetime64("2014-01-01"), offset + np.arange(n_days), roll="forward")
    kept = np.random.default_rng(draw(st.integers(0, 99))).random(n_days) > draw(st.sampled_from([0.0, 0.03, 0.2]))
    return days[kept]


options = st.fixed_dictionaries(
    {
        "min_train_sessions": st.integers(40, 200),
        "purge_sessions": st.integers(22, 40),
        "embargo_sessions": st.integers(0, 10),
        "warm_up_sessions": st.integers(0, 60),
        "window_sessions": st.sampled_from([None, 200, 250]),
        "step_sessions": st.integers(1, 7),
    }
)


@given(session_lists(), options)
@settings(max_examples=60, deadline=None)
def test_every_training_label_is_known_before_the_first_forecast(days, chosen):
    place = {day: number for number, day in enumerate(days.tolist())}
    for fold in quarterly_folds(days, **chosen):
        first_forecast = min(place[day] for day in place if day >= fold.valid_from_date)
        distance = chosen["purge_sessions"] + chosen["embargo_sessions"]
        assert place[fold.train_last_date] + distance < first_forecast
        assert days[place[fold.train_last_date] + 22] == np.datetime64(fold.last_label_date)
        assert place[fold.train_first_date] >= chosen["warm_up_sessions"]


@given(session_lists(), options, st.integers(50, 800))
@settings(max_examples=60, deadline=None)
def test_cutting_the_future_off_changes_no_earlier_fold(days, chosen, n_kept):
    cut = quarterly_folds(days[:n_kept], **chosen)
    assert quarterly_folds(days, **chosen)[: len(cut)] == cut


@given(session_lists(), st.integers(1, 7), st.integers(10, 100))
@settings(max_examples=60, deadline=None)
def test_cutting_history_off_moves_no_later_training_day(days, step, n_cut):
    chosen = {"min_train_sessions": 60, "step_sessions": step}
    full = {fold.valid_from_date: fold for fold in quarterly_folds(days, **chosen)}
    begin = days[n_cut].item() + timedelta(days=14)  # past the block in which the shorter history begins
    for fold in quarterly_folds(days[n_cut:], **chosen):
        later = [day for day in fold.train_dates if day > begin]
        assert later == [day for day in full[fold.valid_from_date].train_dates if day > begin]


@given(session_lists())
@settings(max_examples=20, deadline=None)
def test_quarters_follow_each_other_without_gap_or_overlap(days):
    folds = quarterly_folds(days, min_train_sessions=60)
    for before, after in pairwise(folds):
        assert before.valid_to_date + timedelta(days=1) == after.valid_from_date
        assert after.valid_from_date == quarter_start(after.valid_from_date)


def test_first_fold_waits_for_504_sessions_with_known_labels(sessions):
    days = sessions(600)
    folds = quarterly_folds(days)
    # 2015 and 2016 have 261 weekdays each: at the first session of 2017, number 522, 522 - 22 = 500 can be learnt from.
    assert [fold.valid_from_date for fold in folds] == [date(2017, 4, 1)]
    assert len(quarterly_folds(days, min_train_sessions=500)) == 2
    assert quarterly_folds(days, warm_up_sessions=63) == []


def test_training_days_are_the_first_of_each_week(sessions):
    fold = quarterly_folds(sessions(600))[0]
    assert {day.weekday() for day in fold.train_dates[1:]} == {0}
    assert fold.train_first_date == date(2015, 1, 1)  # a Thursday: the history begins in the middle of a week
    assert fold.train_last_date == date(2017, 2, 27)  # 22 sessions later is 2017-03-29
    assert fold.last_label_date == date(2017, 3, 29)
    assert fold.valid_to_date == date(2017, 6, 30)


def test_a_holiday_hands_the_week_to_its_next_session(sessions):
    days = sessions(600)
    without_monday = days[days != np.datetime64("2016-05-30")]
    assert date(2016, 5, 31) in quarterly_folds(without_monday)[0].train_dates


def test_a_rolling_window_forgets_the_oldest_days(sessions):
    days = sessions(900)
    fold = quarterly_folds(days, window_sessions=504)[-1]
    place = days.tolist().index
    assert 504 - 5 < place(fold.train_last_date) - place(fold.train_first_date) + 1 <= 504


def test_a_purge_shorter_than_the_label_is_refused(sessions):
    with pytest.raises(ValueError, match="purge_sessions=21, label_sessions=22"):
        quarterly_folds(sessions(600), purge_sessions=21)


def test_a_step_of_zero_is_refused(sessions):
    with pytest.raises(ValueError, match="step_sessions=0"):
        quarterly_folds(sessions(600), step_sessions=0)


def test_a_fold_whose_labels_reach_into_its_own_days_cannot_be_made():
    with pytest.raises(ValueError, match="labels up to 2024-04-02"):
        Fold(date(2024, 4, 1), date(2024, 6, 30), (date(2024, 3, 1),), date(2024, 4, 2))
    with pytest.raises(ValueError, match="0 training days"):
        Fold(date(2024, 4, 1), date(2024, 6, 30), (), date(2024, 3, 1))


def test_no_sessions_give_no_folds():
    assert quarterly_folds([]) == []
    assert walk_forward_folds([], [date(2024, 1, 1)]) == []


def test_starts_between_two_sessions_without_one_are_left_out(sessions):
    days = sessions(600)
    friday = days[596].item()
    assert friday.weekday() == 4
    folds = walk_forward_folds(days, [friday, friday + timedelta(days=1), friday + timedelta(days=2)])
    assert [fold.valid_from_date for fold in folds] == [friday, friday + timedelta(days=2)]


def test_quarters_are_those_of_the_calendar():
    assert quarter_start(date(2024, 12, 31)) == date(2024, 10, 1)
    assert next_quarter_start(date(2024, 12, 31)) == date(2025, 1, 1)
    assert next_quarter_start(date(2023, 1, 1)) == date(2023, 4, 1)


def test_a_window_too_short_to_hold_a_training_day_gives_no_fold(sessions):
    # The one session before the purge of a quarter is seldom a Monday.
    folds = quarterly_folds(sessions(600), min_train_sessions=1, window_sessions=1)
    assert {day.weekday() for fold in folds for day in fold.train_dates} <= {0}
    assert len(folds) < 8
