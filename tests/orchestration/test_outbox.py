"""The outbox emptied into a real receiver."""

import datetime as dt
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from standardwebhooks import Webhook

from orchestration.delivery.messages import Message, Outcome
from orchestration.delivery.posting import Poster
from orchestration.delivery.webhooks import WebhookSender
from orchestration.outbox import Delivered, deliver_due, message_of
from tests.orchestration.outboxes import KEYS, Outbox
from warehouse.queries.deliveries import PER_CHANNEL, claim
from warehouse.secrets import LOCAL_OWNER_ID, KeyRing

DONE = Delivered(1, 0, 0, 0)
RETRIED = Delivered(0, 1, 0, 0)
DEAD = Delivered(0, 0, 1, 0)


def test_a_delivery_arrives_signed_under_its_id_and_is_done(outbox: Outbox) -> None:
    outbox.put()
    assert outbox.deliver() == DONE
    [request] = outbox.receiver.received
    body = Webhook(outbox.secret).verify(request.body, request.headers)
    assert body == {
        "type": "alert.triggered",
        "timestamp": outbox.clock().isoformat().replace("+00:00", "Z"),
        "data": {"episode": 1, "level": 1},
    }
    assert outbox.row("delivery_id::text, state, attempts, last_status, last_error, lease_token, finished_at") == (
        request.headers["webhook-id"], "done", 1, 204, None, None, outbox.clock(),
    )  # fmt: skip
    assert outbox.deliver() == Delivered(0, 0, 0, 0)


def test_a_failure_is_tried_again_when_its_time_has_come_under_the_same_id_with_the_same_body(outbox: Outbox) -> None:
    outbox.put()
    outbox.receiver.answers = [(500, {})]
    assert outbox.deliver() == RETRIED
    state, status, error, next_attempt_at = outbox.row("state, last_status, last_error, next_attempt_at")
    assert (state, status, error) == ("pending", 500, "http_500")
    wait = (next_attempt_at - outbox.clock()).total_seconds()
    assert 4 <= wait <= 6
    assert outbox.deliver().n_tried == 0
    outbox.clock.pass_(seconds=wait)
    assert outbox.deliver() == DONE
    first, second = outbox.receiver.received
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert first.body == second.body
    assert int(second.headers["webhook-timestamp"]) - int(first.headers["webhook-timestamp"]) in (4, 5, 6)
    assert outbox.row("state, attempts, last_status, last_error") == ("done", 2, 204, None)


def test_ten_failures_within_three_days_are_the_end(outbox: Outbox) -> None:
    outbox.put()
    outbox.receiver.answers = [(500, {})] * 10
    begin = outbox.clock()
    for attempt in range(1, 10):
        assert outbox.deliver() == RETRIED, attempt
        outbox.clock.now = outbox.row("next_attempt_at")[0]
    assert outbox.deliver() == DEAD
    hours = (outbox.clock() - begin).total_seconds() / 3600
    assert 0.8 * 75.58 <= hours <= 1.2 * 75.58
    assert outbox.row("state, attempts, finished_at") == ("dead", 10, outbox.clock())
    assert set(outbox.receiver.ids) == {str(outbox.row("delivery_id")[0])}


def test_a_receiver_that_is_gone_is_switched_off_and_what_waits_for_it_dropped(outbox: Outbox) -> None:
    outbox.put(20)
    outbox.receiver.answers = [(410, {})] * 20
    delivered = outbox.deliver()
    # Those under way at once end the same way; the others are never sent.
    assert 1 <= delivered.n_dead == len(outbox.receiver.received) <= PER_CHANNEL
    ends = sorted(state for (state,) in outbox.rows("state"))
    assert ends == ["cancelled"] * (20 - delivered.n_dead) + ["dead"] * delivered.n_dead
    assert outbox.connection.execute("select is_active, disabled_reason from app.channels").fetchall() == [
        (False, "the receiver answered 410")
    ]
    told = outbox.connection.execute(
        "select user_id::text, count(*) from app.events where type = 'channel.disabled' group by 1"
    )
    assert told.fetchall() == [(LOCAL_OWNER_ID, 1)]


def test_a_receiver_that_is_overloaded_is_left_alone_by_everything(outbox: Outbox) -> None:
    outbox.put(20)
    outbox.receiver.answers = [(429, {"retry-after": "120"})] * 20
    n_sent = outbox.deliver().n_retried
    assert 1 <= n_sent == len(outbox.receiver.received) <= PER_CHANNEL
    outbox.clock.pass_(seconds=119)
    assert outbox.deliver().n_tried == 0
    outbox.clock.pass_(seconds=1)
    outbox.receiver.answers = []
    assert outbox.deliver().n_done == 20


def test_a_claim_whose_process_died_runs_out_and_is_sent_again_under_the_same_id(outbox: Outbox, database: Any) -> None:
    outbox.put()
    with psycopg.connect(database.url) as other:
        [claimed] = claim(other, now=outbox.clock(), lease_seconds=60, limit=8)
    # It dies after sending, before it could say so.
    assert outbox.sender.send(message_of(claimed, KEYS), sent_at=outbox.clock()).is_received
    outbox.clock.pass_(seconds=59)
    assert outbox.deliver().n_tried == 0
    outbox.clock.pass_(seconds=1)
    assert outbox.deliver() == DONE
    assert outbox.receiver.ids == [str(claimed.delivery_id)] * 2
    assert outbox.receiver.received[0].body == outbox.receiver.received[1].body
    assert outbox.row("state, attempts") == ("done", 2)


WORKER = """
import datetime as dt, sys
import psycopg
from orchestration.delivery.posting import Poster
from orchestration.delivery.webhooks import WebhookSender
from orchestration.outbox import deliver_due
from warehouse.secrets import KeyRing
url, address = sys.argv[1:]
with psycopg.connect(url, autocommit=True) as connection:
    senders = {"webhook": WebhookSender(Poster(allow=[address]))}
    deliver_due(connection, senders, KeyRing({"k": bytes(range(32))}),
                clock=lambda: dt.datetime.now(dt.UTC), lease_seconds=60)
"""


def test_a_worker_killed_while_the_receiver_thinks_loses_nothing(outbox: Outbox, database: Any) -> None:
    outbox.put()
    outbox.receiver.delay_seconds = 3.0
    worker = subprocess.Popen([sys.executable, "-c", WORKER, database.url, outbox.receiver.address])
    wait_for(lambda: len(outbox.receiver.received) == 1)
    os.kill(worker.pid, signal.SIGKILL)
    worker.wait()
    outbox.receiver.delay_seconds = 0.0
    assert outbox.row("state, attempts") == ("leased", 1)
    outbox.clock.now = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=61)
    assert outbox.deliver() == DONE
    first, second = outbox.receiver.ids
    assert first == second


def wait_for(condition: Callable[[], bool], *, seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


def test_a_finish_after_the_lease_has_gone_to_another_does_not_count(outbox: Outbox, database: Any) -> None:
    outbox.put()
    outbox.receiver.answers = [(500, {})]

    class Slow:
        """Sends, and while it does somebody else takes the delivery over and finishes it."""

        def send(self, message: Any, *, sent_at: dt.datetime) -> Any:
            outcome = outbox.sender.send(message, sent_at=sent_at)
            outbox.clock.pass_(seconds=61)
            with psycopg.connect(database.url, autocommit=True) as other:
                assert deliver_due(other, {"webhook": outbox.sender}, KEYS, clock=outbox.clock) == DONE
            return outcome

    lost = deliver_due(outbox.connection, {"webhook": Slow()}, KEYS, clock=outbox.clock)
    assert lost == Delivered(0, 0, 0, 1)
    assert outbox.row("state, attempts, last_status") == ("done", 2, 204)


def test_two_workers_at_once_never_send_the_same_delivery(outbox: Outbox, database: Any) -> None:
    outbox.put(60)
    with psycopg.connect(database.url, autocommit=True) as other:
        results: list[Delivered] = []
        threads = [
            threading.Thread(
                target=lambda c=connection: results.append(
                    deliver_due(c, {"webhook": outbox.sender}, KEYS, clock=outbox.clock)
                )
            )
            for connection in (outbox.connection, other)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sum(result.n_done for result in results) == 60
    assert len(set(outbox.receiver.ids)) == len(outbox.receiver.ids) == 60


def test_no_transaction_is_open_while_a_message_is_on_its_way(outbox: Outbox, database: Any) -> None:
    outbox.put()
    seen: list[Any] = []

    class Looking:
        """Looks at the state of the worker's connection while it sends."""

        def send(self, message: Any, *, sent_at: dt.datetime) -> Any:
            with psycopg.connect(database.owner_url) as owner:
                activity = "select state, xact_start from pg_stat_activity where pid = %s"
                seen.append(owner.execute(activity, [worker.info.backend_pid]).fetchone())
            return outbox.sender.send(message, sent_at=sent_at)

    with database.connect() as worker:
        deliver_due(worker, {"webhook": Looking()}, KEYS, clock=outbox.clock)
    assert seen == [("idle", None)]


def test_a_connection_with_an_open_transaction_is_refused(outbox: Outbox, database: Any) -> None:
    with database.connect() as worker:
        worker.execute("select 1")
        with pytest.raises(ValueError, match="no transaction must be open"):
            deliver_due(worker, {"webhook": outbox.sender}, KEYS, clock=outbox.clock)


def test_no_more_is_claimed_once_the_budget_is_spent(outbox: Outbox) -> None:
    outbox.put(20)
    seconds = iter([0.0, 1.0, 21.0])
    delivered = outbox.deliver(budget_seconds=20, stopwatch=lambda: next(seconds))
    assert delivered.n_done == PER_CHANNEL


def test_one_dead_receiver_does_not_keep_the_others_waiting(outbox: Outbox) -> None:
    outbox.add_endpoint("https://192.0.2.1.example.invalid/")
    outbox.put(3)
    assert outbox.deliver() == Delivered(3, 3, 0, 0)
    errors = {error for (error,) in outbox.rows("last_error")}
    assert errors == {None, "connection_failed"}


def test_a_secret_whose_key_is_missing_is_said_and_tried_again(outbox: Outbox) -> None:
    outbox.put()
    other = KeyRing({"another": bytes(32)})
    assert deliver_due(outbox.connection, {"webhook": outbox.sender}, other, clock=outbox.clock) == RETRIED
    assert outbox.row("last_status, last_error") == (None, "secret_unreadable")
    assert outbox.receiver.received == []


class Failing:
    """Sends like another, but ends in an error at the first message."""

    def __init__(self, sender: WebhookSender) -> None:
        self.sender = sender
        self.has_failed = False

    def send(self, message: Message, *, sent_at: dt.datetime) -> Outcome:
        if not self.has_failed:
            self.has_failed = True
            raise OverflowError("Python int too large to convert to C long")
        return self.sender.send(message, sent_at=sent_at)


def test_a_sender_that_fails_in_itself_holds_up_nothing_else_and_is_no_mark_against_the_channel(outbox: Outbox) -> None:
    outbox.put(2)
    failing = Failing(outbox.sender)
    assert deliver_due(outbox.connection, {"webhook": failing}, KEYS, clock=outbox.clock) == Delivered(1, 1, 0, 0)
    assert sorted(outbox.rows("state, last_error"), key=str) == [("done", None), ("pending", "sender_failed")]
    assert outbox.connection.execute("select n_failures from app.channels").fetchone() == (0,)


def test_an_endpoint_switched_off_by_its_owner_gets_nothing_more(outbox: Outbox) -> None:
    outbox.put()
    outbox.connection.execute("update app.channels set is_active = false")
    assert outbox.deliver().n_tried == 0
    assert outbox.row("state, finished_at") == ("cancelled", outbox.clock())


def test_an_endpoint_that_points_inside_is_never_reached(outbox: Outbox, database: Any) -> None:
    outbox.put()
    guarded = WebhookSender(Poster())
    assert deliver_due(outbox.connection, {"webhook": guarded}, KEYS, clock=outbox.clock) == RETRIED
    assert outbox.row("last_error") == ("address_refused",)
    assert outbox.receiver.received == []
