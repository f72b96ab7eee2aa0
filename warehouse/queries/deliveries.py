"""The outbox: endpoints, and deliveries claimed by lease, finished, retried and given up."""

import datetime as dt
import uuid
from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

import psycopg
from psycopg.rows import class_row

from warehouse.queries.events import write_event
from warehouse.records.webhook_endpoints import check_endpoint_url
from warehouse.secrets import KeyRing, Sealed, new_webhook_secret

INSERT_ENDPOINT = """
insert into app.webhook_endpoints (endpoint_id, user_id, url, secret_encrypted, secret_key_id, created_at)
values (%(endpoint_id)s, %(user_id)s, %(url)s, %(secret_encrypted)s, %(secret_key_id)s, %(now)s)
"""

CANCEL_FOR_CLOSED_ENDPOINTS = """
update app.deliveries as d
set state = 'cancelled', finished_at = %(now)s, lease_token = null, lease_until = null
from app.webhook_endpoints as e
where
    e.endpoint_id = d.endpoint_id and not e.is_active
    and (d.state = 'pending' or (d.state = 'leased' and d.lease_until <= %(now)s))
"""

# A lease that has run out is a worker that died: its delivery is due again, under the same id.
CLAIM = """
with due as (
    select d.delivery_id
    from app.deliveries as d
    inner join app.webhook_endpoints as e on e.endpoint_id = d.endpoint_id and e.is_active
    where
        (d.state = 'pending' and d.next_attempt_at <= %(now)s)
        or (d.state = 'leased' and d.lease_until <= %(now)s)
    order by d.next_attempt_at
    limit %(limit)s
    for update of d skip locked
)

update app.deliveries as d
set state = 'leased', lease_token = %(token)s, lease_until = %(lease_until)s, attempts = d.attempts + 1
from due, app.webhook_endpoints as e, app.alert_events as a
where d.delivery_id = due.delivery_id and e.endpoint_id = d.endpoint_id and a.alert_event_id = d.alert_event_id
returning
    d.delivery_id, d.endpoint_id, d.user_id, d.lease_token, d.attempts, e.url, e.secret_key_id, e.secret_encrypted,
    'alert.' || a.type as type, a.created_at,
    -- The log is kept 30 days only; without its entry the announcement speaks for itself.
    coalesce(
        (select v.payload from app.events as v where v.dedup_key = 'alert:' || a.dedup_key),
        jsonb_build_object('alert_event_id', a.alert_event_id, 'alert_id', a.alert_id, 'message', a.message)
    )::text as payload
"""

FINISH = """
update app.deliveries
set
    state = %(state)s, last_status = %(status)s, last_error = %(error)s, lease_token = null, lease_until = null,
    next_attempt_at = coalesce(%(next_attempt_at)s, next_attempt_at),
    finished_at = case when %(state)s = 'pending' then null else %(now)s::timestamptz end
where delivery_id = %(delivery_id)s and state = 'leased' and lease_token = %(lease_token)s
"""

POSTPONE = """
update app.deliveries
set next_attempt_at = greatest(next_attempt_at, %(until)s)
where endpoint_id = %(endpoint_id)s and state = 'pending'
"""

CLOSE_ENDPOINT = """
update app.webhook_endpoints
set is_active = false, disabled_reason = %(reason)s
where endpoint_id = %(endpoint_id)s and is_active
"""

# When something is due for the next time: a try, or the end of somebody's lease.
NEXT_DUE_AT = """
select min(case when d.state = 'pending' then d.next_attempt_at else d.lease_until end)
from app.deliveries as d
inner join app.webhook_endpoints as e on e.endpoint_id = d.endpoint_id and e.is_active
where d.state in ('pending', 'leased')
"""

OVERDUE = """
select
    d.delivery_id, d.state, d.attempts, coalesce(d.lease_until, d.next_attempt_at) as due_at, d.last_error
from app.deliveries as d
inner join app.webhook_endpoints as e on e.endpoint_id = d.endpoint_id and e.is_active
where
    (d.state = 'pending' and d.next_attempt_at <= %(before)s)
    or (d.state = 'leased' and d.lease_until <= %(before)s)
order by due_at
limit %(limit)s
"""

COUNTS = """
select
    count(*) filter (where state in ('pending', 'leased')) as n_waiting,
    count(*) filter (where state = 'done') as n_done,
    count(*) filter (where state = 'dead') as n_dead,
    count(*) filter (where state = 'cancelled') as n_cancelled
from app.deliveries
"""


class NewEndpoint(NamedTuple):
    """A new endpoint and its signing secret, which is shown this once."""

    endpoint_id: UUID
    secret: str


class Claimed(NamedTuple):
    """A delivery that the holder of `lease_token` may send until its lease ends; `payload` is JSON text."""

    delivery_id: UUID
    endpoint_id: UUID
    user_id: UUID
    lease_token: UUID
    attempts: int
    url: str
    secret_key_id: str
    secret_encrypted: bytes
    type: str
    created_at: dt.datetime
    payload: str

    @property
    def sealed_secret(self) -> Sealed:
        """The signing secret as it is stored."""
        return Sealed(self.secret_key_id, self.secret_encrypted)


class Finish(NamedTuple):
    """What became of a try: the state to leave, what the receiver said, and when the next try is due (None = never)."""

    state: str
    status: int | None
    error: str | None
    next_attempt_at: dt.datetime | None


class Overdue(NamedTuple):
    """A delivery that should have been tried by `due_at`."""

    delivery_id: UUID
    state: str
    attempts: int
    due_at: dt.datetime
    last_error: str | None


class Counts(NamedTuple):
    """Deliveries by what became of them."""

    n_waiting: int
    n_done: int
    n_dead: int
    n_cancelled: int


def create_endpoint(
    connection: psycopg.Connection,
    url: str,
    *,
    user_id: UUID | str,
    keys: KeyRing,
    now: dt.datetime,
    allow: Sequence[str] = (),
) -> NewEndpoint:
    """Store an endpoint with a fresh signing secret.

    Parameters
    ----------
    connection
        As the pipelines or as the API connect.
    url
        Where messages go.
    user_id, now
        Whose it is, and when it was made.
    keys
        Encrypt the secret.
    allow
        `host:port` entries of FACTORLOOM_WEBHOOK_ALLOW.

    Raises
    ------
    EndpointRefused
        If nothing would ever be sent to the address.
    """
    check_endpoint_url(url, allow=allow)
    endpoint_id, secret = uuid.uuid4(), new_webhook_secret()
    sealed = keys.seal(secret, bound_to=str(endpoint_id))
    row = {
        "endpoint_id": endpoint_id,
        "user_id": user_id,
        "url": url,
        "secret_encrypted": sealed.content,
        "secret_key_id": sealed.key_id,
        "now": now,
    }
    connection.execute(INSERT_ENDPOINT, row)
    return NewEndpoint(endpoint_id, secret)


def claim(connection: psycopg.Connection, *, now: dt.datetime, lease_seconds: float, limit: int) -> list[Claimed]:
    """Take deliveries that are due; nobody else gets them until the lease ends. Commit before sending."""
    connection.execute(CANCEL_FOR_CLOSED_ENDPOINTS, {"now": now})
    parameters = {
        "now": now,
        "limit": limit,
        "token": uuid.uuid4(),
        "lease_until": now + dt.timedelta(seconds=lease_seconds),
    }
    with connection.cursor(row_factory=class_row(Claimed)) as cursor:
        return cursor.execute(CLAIM, parameters).fetchall()


def finish(connection: psycopg.Connection, claimed: Claimed, result: Finish, *, now: dt.datetime) -> bool:
    """Write what became of a try, unless the lease has gone to somebody else; returns whether it was written."""
    row = {
        **result._asdict(),
        "delivery_id": claimed.delivery_id,
        "lease_token": claimed.lease_token,
        "now": now,
    }
    return connection.execute(FINISH, row).rowcount == 1


def postpone(connection: psycopg.Connection, endpoint_id: UUID, *, until: dt.datetime) -> None:
    """Let everything that waits for an endpoint wait at least until then."""
    connection.execute(POSTPONE, {"endpoint_id": endpoint_id, "until": until})


def close_endpoint(connection: psycopg.Connection, claimed: Claimed, *, reason: str, now: dt.datetime) -> None:
    """Switch an endpoint off, drop what waits for it, and tell its owner in the log."""
    parameters = {"endpoint_id": claimed.endpoint_id, "reason": reason}
    if connection.execute(CLOSE_ENDPOINT, parameters).rowcount == 0:
        return
    connection.execute(CANCEL_FOR_CLOSED_ENDPOINTS, {"now": now})
    write_event(
        connection,
        "webhook.disabled",
        {"endpoint_id": str(claimed.endpoint_id), "reason": reason},
        dedup_key=f"webhook.disabled:{claimed.endpoint_id}:{claimed.delivery_id}",
        now=now,
        user_id=claimed.user_id,
        subject=str(claimed.endpoint_id),
    )


def next_due_at(connection: psycopg.Connection) -> dt.datetime | None:
    """Return the instant at which something is due for the next time; None if nothing waits."""
    row = connection.execute(NEXT_DUE_AT).fetchone()
    return row[0] if row else None


def read_overdue(connection: psycopg.Connection, *, before: dt.datetime, limit: int) -> list[Overdue]:
    """Return the deliveries that were due before an instant and have not been tried, oldest first."""
    with connection.cursor(row_factory=class_row(Overdue)) as cursor:
        return cursor.execute(OVERDUE, {"before": before, "limit": limit}).fetchall()


def read_counts(connection: psycopg.Connection) -> Counts:
    """Return how many deliveries wait, are done, dead or cancelled."""
    with connection.cursor(row_factory=class_row(Counts)) as cursor:
        return cursor.execute(COUNTS).fetchone() or Counts(0, 0, 0, 0)
