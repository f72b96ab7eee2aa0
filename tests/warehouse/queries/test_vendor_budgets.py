import datetime as dt
import subprocess
import sys
from typing import NamedTuple

import psycopg
import pytest

from warehouse.queries.vendor_budgets import VendorLedger

NOON = dt.datetime(2026, 3, 2, 12, 0, 10, tzinfo=dt.UTC)
SECOND = dt.timedelta(seconds=1)


class Plan(NamedTuple):
    per_minute: int | None = None
    per_day: int | None = None
    spacing_seconds: float = 0.0


class Account(NamedTuple):
    plan: Plan
    vendor: str = "someone"
    key_hash: str = "abc"


@pytest.fixture
def ledger(database):
    ledger = VendorLedger(lambda: database.url)
    yield ledger
    ledger.close()


def test_a_minute_gives_what_the_plan_has_and_the_next_minute_again(ledger):
    account = Account(Plan(per_minute=8))
    assert [ledger.take(account, 3, NOON) for _ in range(2)] == [None, None]
    next_minute = dt.datetime(2026, 3, 2, 12, 1, tzinfo=dt.UTC)
    assert ledger.take(account, 3, NOON) == next_minute
    assert ledger.take(account, 2, NOON) is None
    assert ledger.take(account, 8, next_minute) is None


def test_a_day_ends_at_midnight_of_utc(ledger):
    account = Account(Plan(per_minute=8, per_day=10))
    assert ledger.take(account, 8, NOON) is None
    midnight = dt.datetime(2026, 3, 3, tzinfo=dt.UTC)
    assert ledger.take(account, 3, NOON + dt.timedelta(minutes=2)) == midnight
    assert ledger.take(account, 3, midnight) is None


def test_a_refused_take_takes_nothing(ledger):
    account = Account(Plan(per_minute=8, per_day=10))
    ledger.take(account, 8, NOON)
    ledger.take(account, 3, NOON + dt.timedelta(minutes=2))
    assert ledger.standing(account, NOON + dt.timedelta(minutes=2)) == (8, 2, None)


def test_requests_keep_their_distance(ledger):
    account = Account(Plan(spacing_seconds=12))
    assert ledger.take(account, 1, NOON) is None
    assert ledger.take(account, 1, NOON + 11 * SECOND) == NOON + 12 * SECOND
    assert ledger.take(account, 1, NOON + 12 * SECOND) is None


def test_a_clock_that_is_behind_does_not_count_the_minute_anew(ledger):
    account = Account(Plan(per_minute=8))
    ledger.take(account, 8, NOON + dt.timedelta(minutes=1))
    assert ledger.take(account, 1, NOON) == dt.datetime(2026, 3, 2, 12, 2, tzinfo=dt.UTC)


def test_what_the_vendor_says_is_left_counts_when_it_is_less(ledger):
    account = Account(Plan(per_minute=8, per_day=800))
    ledger.take(account, 1, NOON)
    ledger.observe(account, NOON, left_this_minute=2, left_today=None)
    assert ledger.standing(account, NOON) == (2, 799, None)
    ledger.observe(account, NOON, left_this_minute=7, left_today=900)
    assert ledger.standing(account, NOON) == (2, 799, None)


def test_nothing_is_given_before_the_instant_that_the_vendor_said(ledger):
    account = Account(Plan(per_minute=8))
    until = NOON + dt.timedelta(minutes=5)
    ledger.block(account, until)
    ledger.block(account, NOON + SECOND)
    assert ledger.take(account, 1, NOON + 2 * SECOND) == until
    assert ledger.standing(account, NOON).blocked_until == until
    assert ledger.take(account, 1, until) is None


def test_two_keys_have_two_budgets(ledger):
    plan = Plan(per_minute=1)
    assert ledger.take(Account(plan), 1, NOON) is None
    assert ledger.take(Account(plan, key_hash="other"), 1, NOON) is None


def test_failures_in_a_row_open_the_breaker_and_a_single_try_closes_it(database):
    ledger = VendorLedger(lambda: database.url, failures_to_open=3, cooldown=60 * SECOND)
    other = VendorLedger(lambda: database.url, failures_to_open=3, cooldown=60 * SECOND)
    for status in ("500", "cut off"):
        ledger.record("h", NOON, status=status, is_failure=True)
    assert ledger.admit("h", NOON) is None
    other.record("h", NOON, status="500", is_failure=True)
    assert ledger.admit("h", NOON + SECOND) == NOON + 60 * SECOND
    later = NOON + 61 * SECOND
    assert ledger.admit("h", later) is None, "one may try"
    assert other.admit("h", later) == later + 60 * SECOND, "the others wait for it"
    ledger.record("h", later, status="200", is_failure=False)
    assert other.admit("h", later) is None
    assert other.host("h") == ("h", 0, None, later, "200")
    ledger.close()
    other.close()


def test_a_host_that_was_never_asked_is_not_known(ledger):
    assert ledger.host("h") is None
    assert ledger.admit("h", NOON) is None


def test_a_lost_connection_is_opened_again(ledger, database):
    account = Account(Plan(per_minute=8))
    ledger.take(account, 1, NOON)
    with psycopg.connect(database.owner_url, autocommit=True) as connection:
        connection.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid()"
            " and datname = current_database()"
        )
    assert ledger.take(account, 1, NOON) is None
    assert ledger.standing(account, NOON).left_this_minute == 6


TAKER = """
import datetime as dt, sys
from typing import NamedTuple
from warehouse.queries.vendor_budgets import VendorLedger

class Plan(NamedTuple):
    per_minute: int = 8
    per_day: int = 50
    spacing_seconds: float = 0.0

class Account(NamedTuple):
    plan: Plan = Plan()
    vendor: str = "someone"
    key_hash: str = "abc"

ledger = VendorLedger(lambda: sys.argv[1])
for line in sys.stdin:
    now = dt.datetime.fromisoformat(line.strip())
    costs = [1 + n % 2 for n in range(30)]
    print(sum(cost for cost in costs if ledger.take(Account(), cost, now) is None), flush=True)
"""


def test_four_processes_at_once_never_take_more_than_the_plan_has(database):
    takers = [
        subprocess.Popen(
            [sys.executable, "-c", TAKER, database.url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(4)
    ]

    def taken_at(now: dt.datetime) -> int:
        for taker in takers:
            print(now.isoformat(), file=taker.stdin, flush=True)
        return sum(int(taker.stdout.readline()) for taker in takers)

    assert [taken_at(NOON + dt.timedelta(minutes=n)) for n in range(8)] == [8, 8, 8, 8, 8, 8, 2, 0]
    for taker in takers:
        taker.communicate()
    assert [taker.returncode for taker in takers] == [0, 0, 0, 0]
