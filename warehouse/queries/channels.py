"""Channels: made, confirmed, rotated, switched off, and how well their receivers do."""

import datetime as dt
import uuid
from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

import psycopg
from psycopg.rows import class_row

from warehouse.queries.events import write_event
from warehouse.records.channels import DEFAULT_EVENT_TYPES, check_channel, shown_address
from warehouse.secrets import KeyRing, Sealed, new_webhook_secret

# Type and message of what is sent to one channel alone.
QUESTION = ("channel.verification", "Factorloom asks whether messages are wanted here.")
TEST = ("channel.test", "This is a test: messages arrive here.")
# After a rotation both secrets sign, so that receivers can be changed over at leisure.
ROTATION_HOURS = 24
# An owner hears of a receiver that has been failing for so long, and of its end.
FAILING_HOURS = 24
CLOSE_AFTER_DAYS = 5
# From this failure in a row on the receiver is left alone for a while, then asked by one delivery at a time.
BREAKER_FAILURES = 5
BREAKER_FIRST_SECONDS = 60.0
BREAKER_LONGEST_SECONDS = 3600.0

INSERT_CHANNEL = """
insert into app.channels
    (channel_id, user_id, kind, address, secret_encrypted, secret_key_id, event_types, owners, verified_at, created_at)
values
    (%(channel_id)s, %(user_id)s, %(kind)s, %(address)s, %(secret_encrypted)s, %(secret_key_id)s, %(event_types)s,
     %(owners)s, %(verified_at)s, %(now)s)
"""

CHANNELS_OF = """
select
    channel_id, user_id, kind, address, event_types, owners, is_active, disabled_reason, verified_at, n_failures,
    failing_since, paused_until, created_at
from app.channels
where user_id = %(user_id)s
order by created_at, channel_id
"""

STANDING = """
select verified_at is not null as is_verified
from app.channels
where channel_id = %(channel_id)s and user_id = %(user_id)s and kind = 'webhook'
"""

SECRETS_OF = """
select secret_key_id, secret_encrypted, previous_secret_key_id, previous_secret_encrypted
from app.channels
where channel_id = %(channel_id)s
"""

# The former secret moves over and goes on signing; one that was still signing from an earlier rotation ends here.
ROTATE = """
update app.channels
set
    previous_secret_encrypted = secret_encrypted, previous_secret_key_id = secret_key_id,
    previous_secret_until = %(until)s, secret_encrypted = %(secret_encrypted)s, secret_key_id = %(secret_key_id)s
where channel_id = %(channel_id)s and user_id = %(user_id)s and kind = 'webhook'
"""

CONFIRM = """
update app.channels
set verified_at = %(now)s
where channel_id = %(channel_id)s and is_active and verified_at is null
"""

CLOSE = """
update app.channels
set is_active = false, disabled_reason = %(reason)s
where channel_id = %(channel_id)s and is_active
returning user_id, kind, address
"""

# One mailbox may be the channel of several people: a server that refuses it refuses it for all of them.
CHANNELS_OF_MAILBOX = """
select channel_id
from app.channels
where kind = 'email' and is_active and lower(address) = lower(%(address)s)
"""

CANCEL_OF_CLOSED = """
update app.deliveries as d
set state = 'cancelled', finished_at = %(now)s, lease_token = null
from app.channels as c
where
    c.channel_id = d.channel_id and not c.is_active
    and (d.state = 'pending' or (d.state = 'leased' and d.next_attempt_at <= %(now)s))
"""

# What was under way when a pause began fails like an echo, and counts no more.
NOTE_FAILED = """
update app.channels
set
    n_failures = n_failures + case when paused_until > %(now)s then 0 else 1 end,
    failing_since = coalesce(failing_since, %(now)s)
where channel_id = %(channel_id)s and is_active
returning user_id, kind, address, n_failures, failing_since
"""

PAUSE = """
update app.channels
set paused_until = greatest(paused_until, %(until)s)
where channel_id = %(channel_id)s
"""


class NewChannel(NamedTuple):
    """A new channel and the signing secret of its webhook, which is shown this once; other kinds have none."""

    channel_id: UUID
    secret: str | None


class Channel(NamedTuple):
    """A channel as its owner sees it."""

    channel_id: UUID
    user_id: UUID
    kind: str
    address: str
    event_types: list[str]
    owners: list[str]
    is_active: bool
    disabled_reason: str | None
    verified_at: dt.datetime | None
    n_failures: int
    failing_since: dt.datetime | None
    paused_until: dt.datetime | None
    created_at: dt.datetime


class Failing(NamedTuple):
    """A channel whose last try has failed."""

    user_id: UUID
    kind: str
    address: str
    n_failures: int
    failing_since: dt.datetime


def create_channel(
    connection: psycopg.Connection,
    kind: str,
    address: str,
    *,
    user_id: UUID | str,
    keys: KeyRing,
    now: dt.datetime,
    allow: Sequence[str] = (),
    event_types: Sequence[str] = DEFAULT_EVENT_TYPES,
    owners: Sequence[str] = (),
    is_verified: bool = False,
) -> NewChannel:
    """Store a channel, and ask its receiver whether it wants messages.

    Parameters
    ----------
    connection
        As the pipelines or as the API connect.
    kind, address, event_types, allow
        As `check_channel` wants them.
    user_id, now
        Whose it is, and when it was made.
    keys
        Encrypt what is secret.
    owners
        Owners of tables whose incidents go there; none means all.
    is_verified
        True where whoever calls answers for the receiver: then it is not asked.

    Raises
    ------
    ChannelRefused, EndpointRefused
        If nothing would ever be sent to the address.
    """
    check_channel(kind, address, event_types=event_types, allow=allow)
    channel_id = uuid.uuid4()
    secret = new_webhook_secret() if kind == "webhook" else None
    hidden = address if kind == "slack" else secret
    sealed = keys.seal(hidden, bound_to=str(channel_id)) if hidden else None
    row = {
        "channel_id": channel_id,
        "user_id": user_id,
        "kind": kind,
        "address": shown_address(kind, address),
        "secret_encrypted": sealed.content if sealed else None,
        "secret_key_id": sealed.key_id if sealed else None,
        "event_types": list(event_types),
        "owners": list(owners),
        "verified_at": now if is_verified else None,
        "now": now,
    }
    connection.execute(INSERT_CHANNEL, row)
    if not is_verified:
        ask_receiver(connection, channel_id, user_id=user_id, now=now)
    return NewChannel(channel_id, secret)


def read_channels(connection: psycopg.Connection, *, user_id: UUID | str) -> list[Channel]:
    """Return the channels of a user, oldest first."""
    with connection.cursor(row_factory=class_row(Channel)) as cursor:
        return cursor.execute(CHANNELS_OF, {"user_id": user_id}).fetchall()


def read_secrets(connection: psycopg.Connection, channel_id: UUID, *, keys: KeyRing) -> list[str]:
    """Return the secrets of a channel, decrypted, the newest first; for a receiver of our own.

    Raises
    ------
    SecretError
        If a key is not there, or something was not encrypted with it for this channel.
    """
    row = connection.execute(SECRETS_OF, {"channel_id": channel_id}).fetchone() or (None,) * 4
    pairs = ((row[0], row[1]), (row[2], row[3]))
    return [keys.open(Sealed(*pair), bound_to=str(channel_id)) for pair in pairs if pair[0] is not None]


def ask_receiver(connection: psycopg.Connection, channel_id: UUID, *, user_id: UUID | str, now: dt.datetime) -> None:
    """Send a first message: a webhook or Slack channel that takes it is confirmed, a mail holds a link for that."""
    _write_own_event(connection, *QUESTION, channel_id, user_id=user_id, now=now)


def send_test(connection: psycopg.Connection, channel_id: UUID, *, user_id: UUID | str, now: dt.datetime) -> None:
    """Send a message that says nothing, so that its owner sees that it arrives."""
    _write_own_event(connection, *TEST, channel_id, user_id=user_id, now=now)


def rotate_secret(
    connection: psycopg.Connection, channel_id: UUID, *, user_id: UUID | str, keys: KeyRing, now: dt.datetime
) -> str | None:
    """Give a webhook a new signing secret and return it, shown this once; the former one goes on signing for a day.

    Returns None where the user has no such webhook.
    """
    secret = new_webhook_secret()
    sealed = keys.seal(secret, bound_to=str(channel_id))
    row = {
        "channel_id": channel_id,
        "user_id": user_id,
        "secret_encrypted": sealed.content,
        "secret_key_id": sealed.key_id,
        "until": now + dt.timedelta(hours=ROTATION_HOURS),
    }
    return secret if connection.execute(ROTATE, row).rowcount else None


def confirm(connection: psycopg.Connection, channel_id: UUID, *, now: dt.datetime) -> bool:
    """Note that messages are wanted; returns whether that was news."""
    return connection.execute(CONFIRM, {"channel_id": channel_id, "now": now}).rowcount == 1


def close_channel(connection: psycopg.Connection, channel_id: UUID, *, reason: str, now: dt.datetime) -> bool:
    """Switch a channel off, drop what waits for it, and tell its owner; returns whether it was on.

    The owner's other channels carry the news, and it stands in the log.
    """
    closed = connection.execute(CLOSE, {"channel_id": channel_id, "reason": reason}).fetchone()
    if closed is None:
        return False
    user_id, kind, address = closed
    connection.execute(CANCEL_OF_CLOSED, {"now": now})
    write_event(
        connection,
        "channel.disabled",
        disabled(channel_id, kind, address, reason=reason),
        dedup_key=f"channel.disabled:{channel_id}:{now.isoformat()}",
        now=now,
        user_id=user_id,
        subject=str(channel_id),
    )
    return True


def disabled(channel_id: UUID, kind: str, address: str, *, reason: str) -> dict[str, str]:
    """Return what is told of a channel that was switched off."""
    return {
        "channel_id": str(channel_id),
        "kind": kind,
        "address": address,
        "reason": reason,
        "message": f"Nothing is sent to {address} any more: {reason}.",
    }


def suppress_mailbox(connection: psycopg.Connection, address: str, *, reason: str, now: dt.datetime) -> None:
    """Switch off every channel that leads to a mailbox."""
    for (channel_id,) in connection.execute(CHANNELS_OF_MAILBOX, {"address": address}).fetchall():
        close_channel(connection, channel_id, reason=reason, now=now)


def note_failed(
    connection: psycopg.Connection, channel_id: UUID, *, pause_until: dt.datetime | None, now: dt.datetime
) -> None:
    """Note that a receiver failed once more, and draw the consequences.

    Parameters
    ----------
    connection
        In the transaction that writes what became of the delivery.
    channel_id
        Whose receiver it is.
    pause_until
        When the receiver asked to be left alone, until when.
    now
        Of the failure.
    """
    with connection.cursor(row_factory=class_row(Failing)) as cursor:
        failing = cursor.execute(NOTE_FAILED, {"channel_id": channel_id, "now": now}).fetchone()
    if failing is None:
        return
    until = max(filter(None, (pause_until, _breaker_until(failing.n_failures, now))), default=None)
    if until is not None:
        connection.execute(PAUSE, {"channel_id": channel_id, "until": until})
    if now - failing.failing_since >= dt.timedelta(days=CLOSE_AFTER_DAYS):
        close_channel(connection, channel_id, reason=f"every try has failed for {CLOSE_AFTER_DAYS} days", now=now)
    elif now - failing.failing_since >= dt.timedelta(hours=FAILING_HOURS):
        _tell_of_failing(connection, channel_id, failing, now)


def _breaker_until(n_failures: int, now: dt.datetime) -> dt.datetime | None:
    if n_failures < BREAKER_FAILURES:
        return None
    # Bounded before it is raised: a receiver may be down for weeks.
    doubled = BREAKER_FIRST_SECONDS * 2.0 ** min(n_failures - BREAKER_FAILURES, 10)
    return now + dt.timedelta(seconds=min(doubled, BREAKER_LONGEST_SECONDS))


def _tell_of_failing(connection: psycopg.Connection, channel_id: UUID, failing: Failing, now: dt.datetime) -> None:
    since = failing.failing_since.astimezone(dt.UTC)
    payload = {
        "channel_id": str(channel_id),
        "kind": failing.kind,
        "address": failing.address,
        "failing_since": since.isoformat(),
        "message": f"{failing.address} has taken no message since {since:%Y-%m-%d %H:%M} UTC; "
        f"after {CLOSE_AFTER_DAYS} days it is switched off.",
    }
    write_event(
        connection,
        "channel.failing",
        payload,
        dedup_key=f"channel.failing:{channel_id}:{since.isoformat()}",
        now=now,
        user_id=failing.user_id,
        subject=str(channel_id),
    )


def _write_own_event(
    connection: psycopg.Connection,
    type: str,
    message: str,
    channel_id: UUID,
    *,
    user_id: UUID | str,
    now: dt.datetime,
) -> None:
    write_event(
        connection,
        type,
        {"channel_id": str(channel_id), "message": message},
        dedup_key=f"{type}:{channel_id}:{uuid.uuid4()}",
        now=now,
        user_id=user_id,
        subject=str(channel_id),
    )
