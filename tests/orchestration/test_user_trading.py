"""Orders of users on a small market: understood as traded, filled by later sessions, the same by day as at once."""

import datetime as dt
import uuid
from typing import Any

import psycopg
import pytest

from orchestration.calendars import HomeCalendar
from orchestration.installation import Installation
from orchestration.resources import Warehouse
from orchestration.sources.simulated.options import SimulatedOptions
from orchestration.sources.simulated.source import SimulatedSource
from orchestration.user_trading import STARTING_CASH, trade_for_users
from transforms.paper_broker import BrokerRules
from warehouse.queries.paper_accounts import DAYS, POSITIONS
from warehouse.settings import Settings

CALENDAR = HomeCalendar("XNYS")
LAST = dt.date(2024, 6, 28)
SESSIONS = CALENDAR.sessions(dt.date(2024, 5, 1), LAST)
FREE = BrokerRules(fee_bps=0, slippage_bps=0, participation=1.0)
USER = "00000000-0000-7000-8000-000000000001"
# Two for one on that day: as traded 50, adjusted 100 all the time.
SPLIT = dt.date(2024, 6, 10)
DDL = """
create table marts.dim_instruments (instrument_id text, delisted_date date);
create table marts.fct_daily_prices (
    instrument_id text, trade_date date, open_adj float8, high_adj float8, low_adj float8, close_adj float8,
    volume_adj float8, currency_code text, price_segment integer, is_suspect boolean, adjustment_factor float8
);
create table marts.fct_exchange_rates (currency_code text, as_of_date date, exchange_rate float8);
insert into marts.dim_instruments values ('i_a', null);
"""


class At(Warehouse):
    """The warehouse of a test."""

    address: str

    @property
    def url(self) -> str:
        return self.address


@pytest.fixture
def warehouse(database: Any) -> At:
    """One instrument: 100 until the split, then 50; it falls to 46 as traded on the 20th of June and comes back."""
    with psycopg.connect(database.url, autocommit=True) as connection:
        connection.execute(DDL)
        for day in SESSIONS:
            factor = 1.0 if day < SPLIT else 2.0
            low = 92.0 if day == dt.date(2024, 6, 20) else 99.0
            row = ["i_a", day, 100.0, 101.0, low, 100.0, 1e6, "USD", 0, False, factor]
            connection.execute(f"insert into marts.fct_daily_prices values ({', '.join(['%s'] * 11)})", row)
    return At(address=database.url)


def installation() -> Installation:
    now = dt.datetime(2024, 6, 28, 23, 30, tzinfo=dt.UTC)
    source = SimulatedSource(
        SimulatedOptions(n_instruments=5, first_session=SESSIONS[0], seed=1), calendar=CALENDAR, now=lambda: now
    )
    return Installation(Settings(now=now), lambda: now, CALENDAR, source)


def order(warehouse: At, placed_at: str, **more: Any) -> str:
    order_id = str(uuid.uuid4())
    row = {"side": "buy", "kind": "market", "quantity_shares": 10.0, **more}
    names = ", ".join(row)
    with warehouse.connection() as connection:
        connection.execute(
            f"insert into app.paper_orders (order_id, user_id, instrument_id, placed_at, {names})"
            f" values (%s, %s, 'i_a', %s, {', '.join(['%s'] * len(row))})",
            [order_id, USER, placed_at, *row.values()],
        )
    return order_id


def run(warehouse: At, first: dt.date = SESSIONS[0], last: dt.date = LAST) -> int:
    return trade_for_users(warehouse, installation(), FREE, (first, last)).updated


def state(warehouse: At, order_id: str) -> tuple[Any, ...]:
    columns = "state, filled_shares, average_price, closed_date, state_reason"
    sql = f"select {columns} from app.paper_orders where order_id = %s"
    with warehouse.connection() as connection:
        return connection.execute(sql, [order_id]).fetchone()


def accounts(warehouse: At) -> list[tuple[Any, ...]]:
    with warehouse.connection() as connection:
        return connection.execute(
            "select trade_date, equity, cash, account from app.paper_accounts order by 1"
        ).fetchall()


def test_an_order_placed_after_the_open_waits_for_the_next_session(warehouse):
    before, after = order(warehouse, "2024-06-03T13:29Z"), order(warehouse, "2024-06-03T13:31Z")
    run(warehouse)
    assert state(warehouse, before)[:4] == ("filled", 10, 100, dt.date(2024, 6, 3))
    assert state(warehouse, after)[:4] == ("filled", 10, 100, dt.date(2024, 6, 4))
    assert accounts(warehouse)[-1][1] == pytest.approx(STARTING_CASH)


def test_shares_and_prices_are_those_of_the_day_on_which_they_are_placed(warehouse):
    """After the split a limit of 47 is 94 in adjusted terms, which the 20th reaches."""
    limit = order(warehouse, "2024-06-14T20:00Z", kind="limit", price=47.0)
    run(warehouse)
    assert state(warehouse, limit)[:4] == ("filled", 10, pytest.approx(47), dt.date(2024, 6, 20))
    assert accounts(warehouse)[-1][2] == pytest.approx(STARTING_CASH - 470)


def test_a_limit_from_before_a_split_means_the_same_afterwards(warehouse):
    limit = order(warehouse, "2024-06-05T20:00Z", kind="limit", price=94.0)
    run(warehouse)
    assert state(warehouse, limit)[:4] == ("filled", 10, pytest.approx(94), dt.date(2024, 6, 20))


def test_a_stop_loss_sells_and_a_sale_of_nothing_is_rejected(warehouse):
    bought = order(warehouse, "2024-06-14T20:00Z", stop_loss=48.0)
    sold = order(warehouse, "2024-06-24T20:00Z", side="sell")
    run(warehouse)
    assert state(warehouse, bought)[0] == "filled"
    assert (state(warehouse, sold)[0], state(warehouse, sold)[4]) == ("rejected", "nothing of it is held")
    # Bought at 50, stopped at 48.
    assert accounts(warehouse)[-1][1] == pytest.approx(STARTING_CASH - 20)


def test_a_sale_takes_no_more_than_is_held(warehouse):
    order(warehouse, "2024-06-14T20:00Z")
    sold = order(warehouse, "2024-06-17T20:00Z", side="sell", quantity_shares=4.0)
    rest = order(warehouse, "2024-06-18T20:00Z", side="sell", quantity_shares=100.0)
    run(warehouse)
    assert state(warehouse, sold)[:2] == ("filled", 4)
    assert state(warehouse, rest)[:2] == ("filled", pytest.approx(6))
    assert (state(warehouse, sold)[4], state(warehouse, rest)[4]) == (None, "no more was held")
    assert accounts(warehouse)[-1][2] == pytest.approx(STARTING_CASH)


def test_what_cannot_be_paid_for_and_what_is_too_late_are_rejected(warehouse):
    dear = order(warehouse, "2024-06-14T20:00Z", quantity_shares=2_001.0)
    late = order(warehouse, "2024-06-14T20:00Z", good_till_date=dt.date(2024, 6, 15))
    expired = order(warehouse, "2024-06-14T20:00Z", kind="limit", price=10.0, good_till_date=dt.date(2024, 6, 19))
    run(warehouse)
    assert state(warehouse, dear)[4] == "the cash does not suffice"
    assert state(warehouse, late)[0] == "rejected"
    # The 19th is a holiday: the 18th was the last session, and the 20th finds it over.
    assert state(warehouse, expired)[:4] == ("expired", 0, None, dt.date(2024, 6, 20))


def test_purchases_of_an_evening_are_one_position_that_one_sale_sells(warehouse):
    for quantity in (10.0, 15.0):
        order(warehouse, "2024-06-14T20:00Z", quantity_shares=quantity)
    sold = order(warehouse, "2024-06-18T20:00Z", side="sell", quantity_shares=25.0)
    run(warehouse)
    assert state(warehouse, sold)[:2] == ("filled", pytest.approx(25))
    assert accounts(warehouse)[-1][2] == pytest.approx(STARTING_CASH)


def test_odd_orders_of_one_hinder_no_other(warehouse):
    """Further than any calendar knows; less than the broker counts; a limit that no price has."""
    far = order(warehouse, "2024-06-14T20:00Z", kind="limit", price=10.0, good_till_date=dt.date.max)
    small = [order(warehouse, "2024-06-14T20:00Z", quantity_shares=one) for one in (5e-324, 1e-12)]
    tiny = order(warehouse, "2024-06-14T20:00Z", kind="limit", price=5e-324)
    vast = order(warehouse, "2024-06-14T20:00Z", kind="stop", quantity_shares=1e9, price=1e9)
    other = order(warehouse, "2024-06-14T20:00Z")
    run(warehouse)
    assert (state(warehouse, far)[0], state(warehouse, tiny)[0]) == ("waiting", "waiting")
    assert {state(warehouse, one)[4] for one in small} == {"it is too small to be traded"}
    assert state(warehouse, vast)[4] == "the cash does not suffice"
    assert state(warehouse, other)[:2] == ("filled", 10)


def test_an_order_is_taken_back_before_a_session_opens_and_not_after(warehouse):
    early = order(warehouse, "2024-06-13T20:00Z", kind="limit", price=47.0)
    never = order(warehouse, "2024-06-13T20:00Z")
    late = order(warehouse, "2024-06-13T20:00Z")
    with warehouse.connection() as connection:
        for name, at in ((early, "2024-06-19T12:00Z"), (never, "2024-06-13T21:00Z"), (late, "2024-06-14T13:31Z")):
            connection.execute("update app.paper_orders set cancel_requested_at = %s where order_id = %s", [at, name])
    run(warehouse)
    assert state(warehouse, early)[:2] == ("cancelled", 0)
    assert state(warehouse, never)[:2] == ("cancelled", 0)
    assert state(warehouse, late)[:2] == ("filled", 10)


def test_what_the_api_shows_of_an_account_is_what_the_broker_has_made_of_it(warehouse):
    """After the split ten shares of 50 are five adjusted ones of 100."""
    order(warehouse, "2024-06-14T20:00Z")
    run(warehouse)
    with warehouse.connection() as connection:
        connection.execute("alter table marts.dim_instruments add column ticker text default 'A'")
        who = {"user_id": USER, "as_of_date": LAST}
        [held] = connection.execute(POSITIONS, who).fetchall()
        day = connection.execute(DAYS, {"user_id": USER, "before": dt.date.max, "limit": 1}).fetchone()
    assert held == ("A", "i_a", 10, 50, 500, 500, 0, "USD", LAST)
    assert day == (LAST, STARTING_CASH, STARTING_CASH - 500, 500, "USD")


def test_day_by_day_is_the_same_as_at_once_and_a_second_run_changes_nothing(warehouse):
    made = [
        order(warehouse, "2024-05-20T20:00Z", stop_loss=95.0),
        order(warehouse, "2024-06-14T20:00Z", kind="limit", price=47.0),
        order(warehouse, "2024-06-21T20:00Z", side="sell", quantity_shares=3.0),
    ]
    assert run(warehouse) == 3
    at_once = (accounts(warehouse), [state(warehouse, one) for one in made])
    assert run(warehouse) == 0
    assert run(warehouse, dt.date(2024, 6, 12), dt.date(2024, 6, 12)) == 0
    assert accounts(warehouse) == at_once[0]
    with warehouse.connection() as connection:
        connection.execute("delete from app.paper_accounts")
        connection.execute(
            "update app.paper_orders set state = 'requested', filled_shares = 0, average_price = null,"
            " closed_date = null, broker_order_id = null"
        )
    for day in [session for session in SESSIONS if session >= dt.date(2024, 5, 20)]:
        run(warehouse, day, day)
    assert (accounts(warehouse), [state(warehouse, one) for one in made]) == at_once
