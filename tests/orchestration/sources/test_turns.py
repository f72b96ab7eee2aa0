import datetime as dt

from orchestration.sources.records import Turn
from orchestration.sources.turns import NoProgress, turns_of

BEGINNING = dt.date(2024, 1, 2)
MONDAY, THURSDAY, FRIDAY = dt.date(2024, 6, 3), dt.date(2024, 6, 6), dt.date(2024, 6, 7)


def test_a_symbol_that_stopped_before_the_window_is_asked_for_the_days_between_as_well():
    (turn,) = turns_of([("A", MONDAY)], FRIDAY, FRIDAY, beginning=BEGINNING)
    assert turn == Turn("A", dt.date(2024, 6, 4), FRIDAY)


def test_a_symbol_that_is_ahead_of_the_window_or_was_never_asked_for_is_asked_for_the_window():
    standing = [("A", FRIDAY), ("B", None)]
    assert turns_of(standing, MONDAY, THURSDAY, beginning=BEGINNING) == [
        Turn("A", MONDAY, THURSDAY), Turn("B", MONDAY, THURSDAY),
    ]  # fmt: skip


def test_nothing_is_asked_for_before_the_beginning():
    (turn,) = turns_of([("A", dt.date(2020, 1, 2))], FRIDAY, FRIDAY, beginning=BEGINNING)
    assert turn.first_date == BEGINNING


def test_without_progress_the_order_is_the_given_one():
    assert NoProgress().standing("x", "daily_bars", ["B", "A"]) == [("B", None), ("A", None)]
