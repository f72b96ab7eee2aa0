"""What a source says of the home exchange's holidays is compared with the calendar."""

from types import SimpleNamespace
from typing import Any

import psycopg
import pytest

from orchestration.defs.market_data.surroundings import (
    holidays_agree_with_the_calendar,
    the_market_is_open_as_the_calendar_says,
)
from orchestration.sources.errors import VendorUnavailable
from tests.orchestration.defs.conftest import WarehouseOfTest, market_data_of


@pytest.fixture
def check(database: Any):
    """Write holidays of New York and other exchanges; return how many are told otherwise, and the check's sample."""

    def run(*rows: str) -> tuple[int, str]:
        with psycopg.connect(database.url) as connection:
            connection.execute(
                "insert into raw.market_holidays (source, exchange_code, holiday_date, status, closes_at) values "
                + ", ".join(rows)
            )
        source = SimpleNamespace(name="test")
        result = holidays_agree_with_the_calendar(
            WarehouseOfTest(address=database.url), market_data_of(source, now="2024-06-26T21:30:00+00:00")
        )
        told = result.metadata["other_than_ours"].value
        assert result.passed == (told == 0)
        return told, result.metadata["sample"].md_str if told else ""

    return run


def test_the_calendars_own_holidays_agree(check):
    assert check(
        "('test', 'XNYS', '2024-07-04', 'closed', null)",
        "('test', 'XNAS', '2024-07-03', 'early_close', '2024-07-03 17:00Z')",
        "('test', 'XNYS', '2024-11-29', 'early_close', null)",
        "('test', 'XSTO', '2024-06-21', 'closed', null)",
    ) == (0, "")


def test_a_session_that_is_told_closed_or_closes_at_another_hour_is_shown(check):
    told, shown = check(
        "('test', 'XNYS', '2024-07-05', 'closed', null)",
        "('test', 'XNYS', '2024-07-03', 'early_close', '2024-07-03 18:00Z')",
        "('test', 'XNYS', '2024-07-04', 'early_close', null)",
    )
    assert told == 3
    assert "2024-07-05" in shown


@pytest.mark.parametrize(
    ("now", "told", "passed"),
    [
        ("2024-06-26T15:00:00+00:00", True, True),
        ("2024-06-26T15:00:00+00:00", False, False),
        ("2024-06-26T21:00:00+00:00", True, False),
        ("2024-07-03T18:00:00+00:00", False, True),  # an early close
        ("2024-06-26T20:05:00+00:00", True, True),  # within minutes of the bell nobody is asked
        ("2024-06-26T15:00:00+00:00", None, True),
    ],
)
def test_a_market_that_is_told_open_when_the_calendar_says_closed_is_a_warning(now, told, passed):
    source = SimpleNamespace(name="test", market_status=lambda: told)
    assert the_market_is_open_as_the_calendar_says(market_data_of(source, now=now)).passed is passed


def test_a_source_that_does_not_answer_says_nothing_of_the_market():
    def market_status() -> bool:
        raise VendorUnavailable("test", "the market's state", got="nothing", can_retry=True)

    source = SimpleNamespace(name="test", market_status=market_status)
    assert the_market_is_open_as_the_calendar_says(market_data_of(source, now="2024-06-26T15:00:00+00:00")).passed
