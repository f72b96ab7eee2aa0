"""Requests that meet in the database, held up there until both are where a test wants them."""

import time

import psycopg


def wait_for_waiting(owner: psycopg.Connection, n_waiting: int) -> None:
    """Wait until so many others wait for a lock; the owner of the database alone sees that."""
    asked = "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
    deadline = time.monotonic() + 10
    while owner.execute(asked).fetchone() != (n_waiting,):
        assert time.monotonic() < deadline, f"{n_waiting} requests must wait"
        # Inside a transaction the first answer would stand.
        owner.execute("select pg_stat_clear_snapshot()")
        time.sleep(0.02)
