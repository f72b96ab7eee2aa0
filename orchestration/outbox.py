"""Sends what waits in the outbox: claims a few deliveries, sends them, writes down what became of each.

Callable from a sensor and from a worker of its own; two at once never hold the same delivery. A process that dies
between claim and finish leaves a lease that runs out, and the delivery goes out again under the same id: at least once.
"""

import datetime as dt
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from typing import NamedTuple

import msgspec
import psycopg

from orchestration.delivery.errors import SecretMalformed
from orchestration.delivery.retries import Verdict, judge
from orchestration.delivery.webhooks import Message, Outcome, WebhookSender
from warehouse.clock import Clock
from warehouse.owner_files import SecretError
from warehouse.queries import deliveries as queries
from warehouse.queries.deliveries import Claimed, Finish
from warehouse.secrets import KeyRing

# Longer than a look-up that hangs and an exchange that takes all of its time, one after the other.
LEASE_SECONDS = 60.0
# One dead receiver holds up at most this many deliveries for one timeout.
AT_ONCE = 8


class Delivered(NamedTuple):
    """What became of the deliveries that were tried; `n_lost` were finished by somebody else meanwhile."""

    n_done: int
    n_retried: int
    n_dead: int
    n_lost: int

    @property
    def n_tried(self) -> int:
        """Deliveries that were sent, one way or the other."""
        return sum(self)


def deliver_due(
    connection: psycopg.Connection,
    sender: WebhookSender,
    keys: KeyRing,
    *,
    clock: Clock,
    budget_seconds: float = 20.0,
    lease_seconds: float = LEASE_SECONDS,
    stopwatch: Callable[[], float] = time.monotonic,
) -> Delivered:
    """Send what is due until nothing is, or the budget is spent.

    Parameters
    ----------
    connection
        As the pipelines connect, with no transaction open; none is open while something is being sent.
    sender
        Does the sending.
    keys
        Decrypt the signing secrets.
    clock
        What is due, and when a try was made.
    budget_seconds
        No further deliveries are claimed after that; those under way are waited for, one timeout at most.
    lease_seconds
        How long a claim holds.
    stopwatch
        Monotonic seconds, for the budget.

    Raises
    ------
    ValueError
        If a transaction is open: claims would be inside it, and nobody else would see them.
    """
    if connection.info.transaction_status != psycopg.pq.TransactionStatus.IDLE:
        raise ValueError(
            "deliver_due: no transaction must be open on the connection; "
            f"got {connection.info.transaction_status.name}. Commit before the call."
        )
    start = stopwatch()
    ends: Counter[str] = Counter()
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="deliver") as pool:
        while stopwatch() - start < budget_seconds:
            with connection.transaction():
                claimed = queries.claim(connection, now=clock(), lease_seconds=lease_seconds, limit=AT_ONCE)
            if not claimed:
                break
            ends.update(_send_all(connection, sender, keys, claimed, pool, clock))
    return Delivered(ends["done"], ends["pending"], ends["dead"], ends["lost"])


def _send_all(
    connection: psycopg.Connection,
    sender: WebhookSender,
    keys: KeyRing,
    claimed: Sequence[Claimed],
    pool: ThreadPoolExecutor,
    clock: Clock,
) -> list[str]:
    tries: dict[Future[Outcome], Claimed] = {pool.submit(_send, sender, keys, one, clock): one for one in claimed}
    return [_finish(connection, tries[done], done.result(), now=clock()) for done in as_completed(tries)]


def _send(sender: WebhookSender, keys: KeyRing, claimed: Claimed, clock: Clock) -> Outcome:
    try:
        secret = keys.open(claimed.sealed_secret, bound_to=str(claimed.endpoint_id))
        message = Message(str(claimed.delivery_id), claimed.url, body_of(claimed), [secret])
        return sender.send(message, sent_at=clock())
    except (SecretError, SecretMalformed):
        # The key file is missing or was changed: tries go on, so that bringing it back is enough.
        return Outcome(None, "secret_unreadable")


def body_of(claimed: Claimed) -> bytes:
    """Return the body of a message, the same bytes at each try: `{type, timestamp, data}`."""
    body = {
        "type": claimed.type,
        "timestamp": claimed.created_at.astimezone(dt.UTC),
        "data": msgspec.Raw(claimed.payload.encode()),
    }
    return msgspec.json.encode(body)


def _finish(connection: psycopg.Connection, claimed: Claimed, outcome: Outcome, *, now: dt.datetime) -> str:
    verdict = judge(outcome, attempts=claimed.attempts, delivery_id=str(claimed.delivery_id))
    with connection.transaction():
        result = Finish(verdict.state, outcome.status, outcome.error, _after(now, verdict.wait_seconds))
        if not queries.finish(connection, claimed, result, now=now):
            return "lost"
        _look_after_endpoint(connection, claimed, verdict, now=now)
    return verdict.state


def _look_after_endpoint(
    connection: psycopg.Connection, claimed: Claimed, verdict: Verdict, *, now: dt.datetime
) -> None:
    if verdict.endpoint_is_gone:
        queries.close_endpoint(connection, claimed, reason="the receiver answered 410 Gone", now=now)
    until = _after(now, verdict.endpoint_wait_seconds)
    if until is not None:
        queries.postpone(connection, claimed.endpoint_id, until=until)


def _after(now: dt.datetime, seconds: float | None) -> dt.datetime | None:
    return None if seconds is None else now + dt.timedelta(seconds=seconds)
