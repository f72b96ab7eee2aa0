"""Sends what waits in the outbox: claims deliveries, sends them side by side, writes down what became of each.

The sensor does it for the length of a tick, `factorloom deliver` for as long as it runs; any number of both at once
never hold the same delivery. A process that dies between claim and settlement leaves a lease that runs out, and the
delivery goes out again under the same id: at least once.
"""

import datetime as dt
import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import NamedTuple, Self

import psycopg

from orchestration.delivery.errors import SecretMalformed
from orchestration.delivery.messages import Message, Outcome, Sender
from orchestration.delivery.retries import Verdict, judge
from warehouse.clock import Clock
from warehouse.owner_files import SecretError
from warehouse.queries import channels, deliveries
from warehouse.queries.deliveries import Claimed, Settlement
from warehouse.secrets import KeyRing

LOG = logging.getLogger(__name__)

# Longer than a look-up that hangs and an exchange that takes all of its time, one after the other.
LEASE_SECONDS = 60.0
# Under way at once. Several channels' worth of it: a receiver that hangs holds up no more than its own share.
AT_ONCE = 32

# A first message that is taken shows that messages are wanted; a mailbox says so by the link in its mail.
CONFIRMED_BY_TAKING = ("webhook", "slack")
VERIFICATION = "channel.verification"


class Delivered(NamedTuple):
    """What became of the deliveries that were tried; `n_lost` were settled by somebody else meanwhile."""

    n_done: int
    n_retried: int
    n_dead: int
    n_lost: int

    @property
    def n_tried(self) -> int:
        """Deliveries that were sent, one way or the other."""
        return sum(self)


class Tried(NamedTuple):
    """A delivery that has been sent, and how that went."""

    claimed: Claimed
    outcome: Outcome
    tried_at: dt.datetime
    duration_seconds: float


class Courier:
    """Keeps up to `AT_ONCE` deliveries under way; use it as a context manager, which waits for those that are.

    Parameters
    ----------
    connection
        As the pipelines connect, with no transaction open; none is open while something is being sent.
    senders
        Who sends, by kind of channel.
    keys
        Decrypt what is secret about channels.
    clock
        What is due, and when a try was made.
    lease_seconds
        How long a claim holds.

    Attributes
    ----------
    news : threading.Event
        Set when a delivery has come back; others may set it too, so that `step` is called at once.
    ends : Counter
        How deliveries have ended so far: done, pending, dead or lost.

    Raises
    ------
    ValueError
        If a transaction is open: claims would be inside it, and nobody else would see them.
    """

    def __init__(
        self,
        connection: psycopg.Connection,
        senders: Mapping[str, Sender],
        keys: KeyRing,
        *,
        clock: Clock,
        lease_seconds: float = LEASE_SECONDS,
    ) -> None:
        if connection.info.transaction_status != psycopg.pq.TransactionStatus.IDLE:
            raise ValueError(
                "outbox: no transaction must be open on the connection; "
                f"got {connection.info.transaction_status.name}. Commit before the call."
            )
        self.news = threading.Event()
        self.ends: Counter[str] = Counter()
        self._connection = connection
        self._senders = senders
        self._keys = keys
        self._clock = clock
        self._lease_seconds = lease_seconds
        self._pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="deliver")
        self._under_way: set[Future[Tried]] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(wait=True)
        if error is None and self._under_way:
            self.step(is_claiming=False)

    @property
    def n_under_way(self) -> int:
        """Deliveries that have not come back, or are not written down yet."""
        return len(self._under_way)

    def step(self, *, is_claiming: bool = True) -> int:
        """Write down what has come back, claim for the slots that are free, and send; returns how many were claimed.

        One transaction for both, so that a burst costs a commit for many deliveries.
        """
        self.news.clear()
        back = {future for future in self._under_way if future.done()}
        n_free = AT_ONCE - len(self._under_way) + len(back) if is_claiming else 0
        claimed: list[Claimed] = []
        with self._connection.transaction():
            ends = _settle(self._connection, [future.result() for future in back], now=self._clock())
            if n_free:
                claimed = deliveries.claim(
                    self._connection, now=self._clock(), lease_seconds=self._lease_seconds, limit=n_free
                )
        self._under_way -= back
        self.ends.update(ends)
        for one in claimed:
            future = self._pool.submit(self._send, one)
            self._under_way.add(future)
            future.add_done_callback(lambda _: self.news.set())
        return len(claimed)

    def _send(self, claimed: Claimed) -> Tried:
        tried_at, began = self._clock(), time.monotonic()
        outcome = self._outcome(claimed, tried_at)
        return Tried(claimed, outcome, tried_at, time.monotonic() - began)

    def _outcome(self, claimed: Claimed, sent_at: dt.datetime) -> Outcome:
        try:
            message = message_of(claimed, self._keys)
            return self._senders[claimed.kind].send(message, sent_at=sent_at)
        except (SecretError, SecretMalformed):
            # The key file is missing or was changed: tries go on, so that bringing it back is enough.
            return Outcome(None, "secret_unreadable")
        except Exception as error:  # whatever one message or its receiver brings about, the others go on
            LOG.error("delivery %s: its sender ended in %s", claimed.delivery_id, type(error).__name__)
            return Outcome(None, "sender_failed")


def deliver_due(
    connection: psycopg.Connection,
    senders: Mapping[str, Sender],
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
    connection, senders, keys, clock, lease_seconds
        As `Courier` wants them.
    budget_seconds
        No further deliveries are claimed after that; those under way are waited for, one timeout at most.
    stopwatch
        Monotonic seconds, for the budget.
    """
    start = stopwatch()
    with Courier(connection, senders, keys, clock=clock, lease_seconds=lease_seconds) as courier:
        with connection.transaction():
            deliveries.cancel_of_closed_channels(connection, now=clock())
        while stopwatch() - start < budget_seconds:
            courier.step()
            if not courier.n_under_way:
                break
            courier.news.wait()
    return delivered(courier.ends)


def delivered(ends: Mapping[str, int]) -> Delivered:
    """Return counts of ends as they are reported."""
    return Delivered(*(ends.get(end, 0) for end in ("done", "pending", "dead", "lost")))


def sentence_of(delivered: Delivered) -> str:
    """Say what became of deliveries."""
    return (
        f"tried {delivered.n_tried}: {delivered.n_done} received, {delivered.n_retried} to be tried again,"
        f" {delivered.n_dead} given up, {delivered.n_lost} finished by somebody else"
    )


def message_of(claimed: Claimed, keys: KeyRing) -> Message:
    """Return what is to be sent, with its secrets decrypted.

    Raises
    ------
    SecretError
        If the key is not there, or something was not encrypted with it for this channel.
    """
    secrets = [keys.open(sealed, bound_to=str(claimed.channel_id)) for sealed in claimed.sealed_secrets]
    # The URL of a Slack channel is its secret; what stands in its row is for people to look at.
    address = secrets[0] if claimed.kind == "slack" else claimed.address
    return Message(
        message_id=str(claimed.delivery_id),
        channel_id=claimed.channel_id,
        user_id=claimed.user_id,
        address=address,
        type=claimed.type,
        created_at=claimed.created_at,
        payload=claimed.payload,
        secrets=secrets if claimed.kind == "webhook" else (),
    )


def _settle(connection: psycopg.Connection, tried: Sequence[Tried], *, now: dt.datetime) -> list[str]:
    """Write down what became of deliveries, and what follows for their channels; returns how each has ended."""
    if not tried:
        return []
    judged = [
        (one, judge(one.outcome, attempts=one.claimed.attempts, delivery_id=str(one.claimed.delivery_id)))
        for one in tried
    ]
    settled = deliveries.settle(connection, [_settlement(one, verdict, now) for one, verdict in judged], now=now)
    ours = [(one, verdict) for one, verdict in judged if one.claimed.delivery_id in settled]
    for one, verdict in ours:
        _look_after_channel(connection, one.claimed, one.outcome, verdict, now=now)
    ends = [verdict.state for _, verdict in ours]
    return [*ends, *["lost"] * (len(tried) - len(ours))]


def _settlement(tried: Tried, verdict: Verdict, now: dt.datetime) -> Settlement:
    return Settlement(
        delivery_id=tried.claimed.delivery_id,
        lease_token=tried.claimed.lease_token,
        attempts=tried.claimed.attempts,
        state=verdict.state,
        status=tried.outcome.status,
        error=tried.outcome.error,
        next_attempt_at=_after(now, verdict.wait_seconds),
        tried_at=tried.tried_at,
        duration_seconds=tried.duration_seconds,
    )


def _look_after_channel(
    connection: psycopg.Connection, claimed: Claimed, outcome: Outcome, verdict: Verdict, *, now: dt.datetime
) -> None:
    if verdict.state == "done" and claimed.type == VERIFICATION and claimed.kind in CONFIRMED_BY_TAKING:
        channels.confirm(connection, claimed.channel_id, now=now)
    if verdict.has_channel_failed:
        pause_until = _after(now, verdict.pause_seconds)
        channels.note_failed(connection, claimed.channel_id, pause_until=pause_until, now=now)
    if verdict.is_channel_gone and claimed.kind == "email":
        reason = f"the mail server refused the address for good ({outcome.status})"
        channels.suppress_mailbox(connection, claimed.address, reason=reason, now=now)
    elif verdict.is_channel_gone:
        channels.close_channel(
            connection, claimed.channel_id, reason=f"the receiver answered {outcome.status}", now=now
        )


def _after(now: dt.datetime, seconds: float | None) -> dt.datetime | None:
    return None if seconds is None else now + dt.timedelta(seconds=seconds)
