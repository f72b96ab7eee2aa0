"""The outbox emptied for as long as the process lives: woken by the database at each commit that fills it, and by time.

The sensor alert_delivery does the same every few seconds. This one is for those who cannot wait for that; both run side
by side.
"""

import datetime as dt
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress

import psycopg

from orchestration.delivery.messages import Sender
from orchestration.outbox import LEASE_SECONDS, Courier, delivered, sentence_of
from warehouse.clock import Clock
from warehouse.connect import connect
from warehouse.queries import deliveries
from warehouse.secrets import KeyRing

# A notification can be missed while the database restarts: the table is the truth, and looked at this often.
LONGEST_WAIT_SECONDS = 5.0
# Something is due, but its channel has all it may have under way: no reason to ask without a pause.
SHORTEST_WAIT_SECONDS = 0.2
# What comes back about the same time is written down together: a commit for several.
GATHER_SECONDS = 0.012
# How long a listener sits in one call, which is how late it can hear that it is to stop.
LISTEN_SECONDS = 0.5
RECONNECT_SECONDS = 1.0


def work(
    url: str,
    senders: Mapping[str, Sender],
    keys: KeyRing,
    *,
    clock: Clock,
    stop: threading.Event,
    say: Callable[[str], None] = print,
    lease_seconds: float = LEASE_SECONDS,
) -> None:
    """Send what falls due until `stop` is set; what is under way then is waited for.

    Parameters
    ----------
    url
        Address of the warehouse for pipelines. When it goes away, it is tried again each second.
    senders, keys, clock, lease_seconds
        As `Courier` wants them.
    stop
        Set by a signal.
    say
        Is told when the outbox is reached, left or out of reach.
    """
    while not stop.is_set():
        try:
            with connect(url, autocommit=True) as connection, connect(url, autocommit=True) as listening:
                listening.execute(deliveries.LISTEN)
                say("watching the outbox")
                with Courier(connection, senders, keys, clock=clock, lease_seconds=lease_seconds) as courier:
                    _keep_sending(connection, listening, courier, clock, stop)
                say(f"left the outbox: {sentence_of(delivered(courier.ends))}")
        except psycopg.OperationalError as error:
            say(f"the database is out of reach: {str(error).strip().partition(chr(10))[0]}")
            stop.wait(RECONNECT_SECONDS)


def _keep_sending(
    connection: psycopg.Connection,
    listening: psycopg.Connection,
    courier: Courier,
    clock: Clock,
    stop: threading.Event,
) -> None:
    is_over = threading.Event()
    ends = (stop, is_over)
    listener = threading.Thread(target=_pass_on, args=(listening, courier.news, ends), name="listen")
    listener.start()
    try:
        while listener.is_alive():
            if courier.step():
                continue
            # Each that comes back is news; what falls due meanwhile is looked for once a second.
            courier.news.wait(1.0 if courier.n_under_way else _seconds_to_wait(connection, clock()))
            if courier.n_under_way:
                stop.wait(GATHER_SECONDS)
    finally:
        is_over.set()
        listener.join()


def _pass_on(listening: psycopg.Connection, news: threading.Event, ends: tuple[threading.Event, ...]) -> None:
    """Pass on what the database says, until one of the ends is set or the connection breaks; then end, and be seen."""
    with suppress(psycopg.OperationalError):
        while not any(end.is_set() for end in ends):
            for _ in listening.notifies(timeout=LISTEN_SECONDS, stop_after=1):
                news.set()
    news.set()


def _seconds_to_wait(connection: psycopg.Connection, now: dt.datetime) -> float:
    """Return how long nothing can fall due; what is switched off meanwhile is dropped on the way."""
    deliveries.cancel_of_closed_channels(connection, now=now)
    due_at = deliveries.next_due_at(connection)
    if due_at is None:
        return LONGEST_WAIT_SECONDS
    return min(max((due_at - now).total_seconds(), SHORTEST_WAIT_SECONDS), LONGEST_WAIT_SECONDS)
