import datetime as dt
import subprocess
import sys

import pytest

from orchestration.calendars import DayOutsideCalendar, HomeCalendar, NotASession, UnknownCalendar


def utc(*parts: int) -> dt.datetime:
    return dt.datetime(*parts, tzinfo=dt.UTC)


def test_new_york_is_closed_on_independence_day_and_at_weekends():
    sessions = HomeCalendar("XNYS").sessions(dt.date(2024, 7, 3), dt.date(2024, 7, 8))
    assert sessions == [dt.date(2024, 7, 3), dt.date(2024, 7, 5), dt.date(2024, 7, 8)]


def test_the_day_before_independence_day_closes_at_one_in_the_afternoon():
    # 13:00 in New York is 17:00 UTC in summer; a full day closes at 16:00, which is 20:00 UTC.
    assert HomeCalendar("XNYS").close_at(dt.date(2024, 7, 3)) == utc(2024, 7, 3, 17)
    assert HomeCalendar("XNYS").close_at(dt.date(2024, 7, 5)) == utc(2024, 7, 5, 20)
    assert HomeCalendar("XNYS").open_at(dt.date(2024, 7, 5)) == utc(2024, 7, 5, 13, 30)


def test_sydney_closes_at_four_local_time_on_the_utc_day_of_the_session():
    calendar = HomeCalendar("XASX")
    assert calendar.timezone.key == "Australia/Sydney"
    # 16:00 in Sydney in July is 06:00 UTC; Anzac day, 25 April, is a holiday.
    assert calendar.close_at(dt.date(2024, 7, 4)) == utc(2024, 7, 4, 6)
    assert not calendar.is_session(dt.date(2024, 4, 25))


def test_stockholm_is_closed_at_midsummer_and_closes_at_half_past_five():
    calendar = HomeCalendar("XSTO")
    assert calendar.timezone.key == "Europe/Stockholm"
    assert not calendar.is_session(dt.date(2024, 6, 21))
    assert calendar.close_at(dt.date(2024, 6, 20)) == utc(2024, 6, 20, 15, 30)


def test_a_session_counts_as_closed_from_its_close_on():
    calendar = HomeCalendar("XNYS")
    assert calendar.last_closed_session(utc(2024, 7, 5, 19, 59, 59)) == dt.date(2024, 7, 3)
    assert calendar.last_closed_session(utc(2024, 7, 5, 20)) == dt.date(2024, 7, 5)
    assert calendar.last_closed_session(utc(2024, 7, 7, 12)) == dt.date(2024, 7, 5)


def test_next_and_previous_session_step_over_holidays():
    calendar = HomeCalendar("XNYS")
    assert calendar.next_session(dt.date(2024, 7, 3)) == dt.date(2024, 7, 5)
    assert calendar.next_session(dt.date(2024, 7, 6)) == dt.date(2024, 7, 8)
    assert calendar.previous_session(dt.date(2024, 7, 5)) == dt.date(2024, 7, 3)


def test_the_close_of_a_holiday_is_refused_by_name():
    with pytest.raises(NotASession, match="2024-07-04"):
        HomeCalendar("XNYS").close_at(dt.date(2024, 7, 4))


def test_an_unknown_code_says_which_and_what_to_set():
    with pytest.raises(UnknownCalendar, match=r"'XFOO'.*FACTORLOOM_CALENDAR"):
        HomeCalendar("XFOO").is_session(dt.date(2024, 7, 4))


@pytest.mark.parametrize("day", [dt.date(1989, 12, 31), dt.date(2050, 1, 1)])
def test_days_beyond_the_calendar_are_refused_with_its_span(day: dt.date):
    with pytest.raises(DayOutsideCalendar, match=rf"1990-01-01 and 2049-12-31; got {day}"):
        HomeCalendar("XNYS").is_session(day)


def test_the_edges_of_the_calendar_have_no_neighbours():
    calendar = HomeCalendar("XNYS")
    with pytest.raises(DayOutsideCalendar):
        calendar.next_session(calendar.last_known_session)
    with pytest.raises(DayOutsideCalendar):
        calendar.previous_session(calendar.first_known_session)
    with pytest.raises(DayOutsideCalendar):
        calendar.last_closed_session(utc(1990, 1, 1, 12))


def test_the_calendar_library_is_imported_on_first_use_only():
    code = (
        "import sys; from orchestration.calendars import HomeCalendar; HomeCalendar('XNYS'); "
        "print('exchange_calendars' in sys.modules)"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "False"
