"""The worker beside the sensor. That it survives everybody's death is shown in `test_delivery_faults.py`."""

import datetime as dt
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from orchestration.delivery.messages import Message, Outcome
from orchestration.outbox import deliver_due
from orchestration.worker import work
from tests.orchestration.outboxes import KEYS, Outbox
from warehouse.clock import machine_clock


@contextmanager
def working(database: Any, outbox: Outbox, said: list[str], **options: Any) -> Iterator[threading.Event]:
    """Run a worker while this is entered."""
    stop = threading.Event()
    senders = options.pop("senders", {"webhook": outbox.sender})
    worker = threading.Thread(
        target=work, args=(database.url, senders, KEYS),
        kwargs={"clock": machine_clock, "stop": stop, "say": said.append, **options},
    )  # fmt: skip
    worker.start()
    try:
        wait_for(lambda: "watching the outbox" in said)
        yield stop
    finally:
        stop.set()
        worker.join()


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)


def states(outbox: Outbox) -> set[str]:
    return {state for (state,) in outbox.rows("state")}


def test_what_is_written_while_a_worker_runs_is_sent_and_at_its_end_it_says_how_much(
    outbox: Outbox, database: Any
) -> None:
    said: list[str] = []
    with working(database, outbox, said):
        for _ in range(3):
            outbox.put()
            wait_for(lambda: states(outbox) == {"done"})
    assert len(outbox.receiver.received) == 3
    assert said == [
        "watching the outbox",
        "left the outbox: tried 3: 3 received, 0 to be tried again, 0 given up, 0 finished by somebody else",
    ]


def test_a_worker_and_a_sensor_at_once_send_each_delivery_once(outbox: Outbox, database: Any) -> None:
    with working(database, outbox, []):
        for _ in range(5):
            outbox.put(20)
            deliver_due(outbox.connection, {"webhook": outbox.sender}, KEYS, clock=machine_clock)
        wait_for(lambda: states(outbox) == {"done"})
    assert len(outbox.receiver.ids) == len(set(outbox.receiver.ids)) == 100


def test_a_worker_that_is_stopped_waits_for_what_is_under_way(outbox: Outbox, database: Any) -> None:
    outbox.receiver.delay_seconds = 1.0
    with working(database, outbox, []) as stop:
        outbox.put()
        wait_for(lambda: len(outbox.receiver.received) == 1)
        stop.set()
    assert outbox.row("state, attempts") == ("done", 1)


class Unwell:
    """A sender that has a defect."""

    def send(self, message: Message, *, sent_at: dt.datetime) -> Outcome:
        raise RuntimeError("a defect of a sender")


def test_a_sender_with_a_defect_has_failed_once_and_the_worker_goes_on(outbox: Outbox, database: Any) -> None:
    outbox.put()
    with working(database, outbox, [], senders={"webhook": Unwell()}):
        wait_for(lambda: outbox.row("state, last_error") == ("pending", "sender_failed"))
        outbox.put()
        wait_for(lambda: outbox.rows("attempts") == [(1,), (1,)])


def test_a_defect_of_its_own_ends_the_worker_in_the_open_and_loses_nothing(outbox: Outbox, database: Any) -> None:
    def clock() -> dt.datetime:
        if outbox.receiver.received:
            raise RuntimeError("a defect of ours")
        return machine_clock()

    outbox.put()
    with pytest.raises(RuntimeError, match="a defect of ours"):
        work(database.url, {"webhook": outbox.sender}, KEYS, clock=clock, stop=threading.Event(), say=[].append)
    assert outbox.row("state") == ("leased",)
    outbox.clock.now = machine_clock() + dt.timedelta(seconds=61)
    assert outbox.deliver().n_done == 1
    # Sent twice, under one id.
    assert len(outbox.receiver.ids) == 2
    assert len(set(outbox.receiver.ids)) == 1
