"""The outbox: deliveries claimed by lease, settled, tried again, given up, listed and replayed.

A trigger on app.events makes them, see `0020_channels.sql`: whoever writes an event need not know of channels.
"""

import datetime as dt
import uuid
from collections.abc import Sequence
from typing import Annotated, Literal, NamedTuple
from uuid import UUID

import msgspec
import psycopg
from msgspec import Meta
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from warehouse.queries.channels import BREAKER_FAILURES, CANCEL_OF_CLOSED
from warehouse.queries.reader import Reader
from warehouse.secrets import Sealed

State = Literal["pending", "leased", "done", "dead", "cancelled"]

# Each transaction that makes deliveries says so there, once; the table is the truth, this only wakes.
LISTEN = "listen outbox"
# Of one channel so many at most are under way at once, over all workers.
PER_CHANNEL = 16

# Due is what waits for its time, and what was claimed by a worker that has not come back: a lease that ran out. Users
# take turns, and so do the channels of a user; a receiver that keeps failing is asked by one delivery at a time.
CLAIM = """
with busy as (
    select channel_id, count(*) as n
    from app.deliveries
    where state = 'leased' and next_attempt_at > %(now)s
    group by channel_id
),

candidates as (
    select
        waiting.delivery_id, waiting.next_attempt_at,
        row_number() over (partition by c.user_id order by waiting.turn, waiting.next_attempt_at) as turn
    from app.channels as c
    left join busy on busy.channel_id = c.channel_id
    cross join lateral (
        select d.delivery_id, d.next_attempt_at, row_number() over (order by d.next_attempt_at) as turn
        from app.deliveries as d
        where
            d.channel_id = c.channel_id and d.state in ('pending', 'leased') and d.next_attempt_at <= %(now)s
            and (
                c.verified_at is not null
                or exists (
                    select from app.events as e where e.event_id = d.event_id and e.type = 'channel.verification'
                )
            )
        order by d.next_attempt_at
        limit %(per_channel)s
    ) as waiting
    where
        c.is_active and (c.paused_until is null or c.paused_until <= %(now)s)
        and waiting.turn + coalesce(busy.n, 0)
            <= case when c.n_failures >= %(breaker_failures)s then 1 else %(per_channel)s end
),

due as (
    -- One by one: joined, all that waits would be read for each of the few that are claimed.
    select mine.delivery_id
    from (select delivery_id from candidates order by turn, next_attempt_at) as candidate
    cross join lateral (
        select d.delivery_id
        from app.deliveries as d
        where
            d.delivery_id = candidate.delivery_id and d.state in ('pending', 'leased')
            and d.next_attempt_at <= %(now)s
        for update skip locked
    ) as mine
    limit %(limit)s
)

update app.deliveries as d
set state = 'leased', lease_token = %(token)s, next_attempt_at = %(lease_until)s, attempts = d.attempts + 1
from due, app.channels as c, app.events as e
where d.delivery_id = due.delivery_id and c.channel_id = d.channel_id and e.event_id = d.event_id
returning
    d.delivery_id, d.channel_id, d.user_id, d.lease_token, d.attempts, c.kind, c.address, c.secret_key_id,
    c.secret_encrypted,
    case when c.previous_secret_until > %(now)s then c.previous_secret_key_id end as previous_secret_key_id,
    case when c.previous_secret_until > %(now)s then c.previous_secret_encrypted end as previous_secret_encrypted,
    e.type, e.created_at, e.payload::text as payload
"""

SETTLE = """
with given as (
    select * from jsonb_to_recordset(%(rows)s) as r (
        delivery_id uuid, lease_token uuid, attempts integer, state text, status integer, error text,
        next_attempt_at timestamptz, tried_at timestamptz, duration_seconds float8
    )
),

settled as (
    update app.deliveries as d
    set
        state = given.state, last_status = given.status, last_error = given.error, lease_token = null,
        next_attempt_at = coalesce(given.next_attempt_at, d.next_attempt_at),
        finished_at = case when given.state = 'pending' then null else %(now)s::timestamptz end
    from given
    where d.delivery_id = given.delivery_id and d.state = 'leased' and d.lease_token = given.lease_token
    returning d.delivery_id, d.user_id, d.channel_id, d.state
),

-- Receivers that take messages: whatever had failed is forgotten.
recovered as (
    update app.channels as c
    set n_failures = 0, failing_since = null, paused_until = null
    where c.n_failures > 0 and c.channel_id in (select channel_id from settled where state = 'done')
),

noted as (
    insert into app.delivery_attempts (delivery_id, user_id, attempt, tried_at, duration_seconds, status, error)
    select
        settled.delivery_id, settled.user_id, given.attempts, given.tried_at, given.duration_seconds, given.status,
        given.error
    from settled
    inner join given on given.delivery_id = settled.delivery_id
)

select delivery_id from settled
"""

# When something can be tried for the next time: its own time, or the end of its channel's pause.
NEXT_DUE_AT = """
select min(greatest(d.next_attempt_at, c.paused_until))
from app.deliveries as d
inner join app.channels as c on c.channel_id = d.channel_id and c.is_active
inner join app.events as e on e.event_id = d.event_id
where d.state in ('pending', 'leased') and (c.verified_at is not null or e.type = 'channel.verification')
"""

# A receiver that keeps failing is asked by one delivery at a time: the others wait for it, and are not late.
OVERDUE = """
select
    d.delivery_id, d.state, d.attempts, greatest(d.next_attempt_at, c.paused_until) as due_at, d.last_error
from app.deliveries as d
inner join app.channels as c on c.channel_id = d.channel_id and c.is_active
inner join app.events as e on e.event_id = d.event_id
where
    d.state in ('pending', 'leased') and d.next_attempt_at <= %(before)s
    and (c.paused_until is null or c.paused_until <= %(before)s)
    and (c.verified_at is not null or e.type = 'channel.verification')
    and (
        c.n_failures < %(breaker_failures)s
        or d.delivery_id = (
            select first.delivery_id
            from app.deliveries as first
            where first.channel_id = d.channel_id and first.state in ('pending', 'leased')
            order by first.next_attempt_at
            limit 1
        )
    )
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

DELIVERIES = """
select
    d.delivery_id, d.channel_id, c.kind, c.address, e.type, coalesce(e.payload ->> 'message', e.type) as message,
    d.state, d.attempts, d.next_attempt_at, d.last_status, d.last_error, d.created_at, d.finished_at
from app.deliveries as d
inner join app.channels as c on c.channel_id = d.channel_id
inner join app.events as e on e.event_id = d.event_id
where
    (%(user_id)s::uuid is null or d.user_id = %(user_id)s)
    and (%(channel_id)s::uuid is null or d.channel_id = %(channel_id)s)
    and (%(state)s::text is null or d.state = %(state)s)
    and (%(before_at)s::timestamptz is null or (d.created_at, d.delivery_id) < (%(before_at)s, %(before_id)s::uuid))
order by d.created_at desc, d.delivery_id desc
limit %(limit)s
"""

# From the beginning: a replay has all of its tries, under the id that the receiver may know.
REPLAY = """
update app.deliveries as d
set state = 'pending', attempts = 0, next_attempt_at = %(now)s, finished_at = null
from app.channels as c
where
    c.channel_id = d.channel_id and c.is_active
    and (%(user_id)s::uuid is null or d.user_id = %(user_id)s)
    and (%(channel_id)s::uuid is null or d.channel_id = %(channel_id)s)
    and (%(delivery_id)s::uuid is null or d.delivery_id = %(delivery_id)s)
    and d.state = any(%(states)s)
    and d.created_at >= %(since)s and d.created_at <= %(until)s
"""
WAKE = "select pg_notify('outbox', '')"
NO_CURSOR: dict[str, object] = {"before_at": None, "before_id": None}

ENDED = ("dead", "cancelled", "done")
BEGINNING, END = dt.datetime(1970, 1, 1, tzinfo=dt.UTC), dt.datetime(9999, 1, 1, tzinfo=dt.UTC)


class Claimed(NamedTuple):
    """A delivery that the holder of `lease_token` may send until its lease ends; `payload` is JSON text."""

    delivery_id: UUID
    channel_id: UUID
    user_id: UUID
    lease_token: UUID
    attempts: int
    kind: str
    address: str
    secret_key_id: str | None
    secret_encrypted: bytes | None
    previous_secret_key_id: str | None
    previous_secret_encrypted: bytes | None
    type: str
    created_at: dt.datetime
    payload: str

    @property
    def sealed_secrets(self) -> list[Sealed]:
        """The secrets of the channel as they are stored, the newest first; none for mail."""
        pairs = (
            (self.secret_key_id, self.secret_encrypted),
            (self.previous_secret_key_id, self.previous_secret_encrypted),
        )
        return [Sealed(key_id, content) for key_id, content in pairs if key_id is not None and content is not None]


class Settlement(msgspec.Struct, frozen=True):
    """What became of a try: the state to leave, what the receiver said, and when the next try is due (None = never)."""

    delivery_id: UUID
    lease_token: UUID
    attempts: int
    state: str
    status: int | None
    error: str | None
    next_attempt_at: dt.datetime | None
    tried_at: dt.datetime
    duration_seconds: float


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


class Delivery(msgspec.Struct, frozen=True):
    """A delivery as its owner sees it."""

    delivery_id: Annotated[UUID, Meta(description="Id, sent as webhook-id; the same at each try.")]
    channel_id: Annotated[UUID, Meta(description="Where to; of a webhook the id of its endpoint.")]
    kind: Annotated[str, Meta(description="Kind of channel: webhook, email or slack.")]
    address: Annotated[str, Meta(description="Address of the channel.")]
    type: Annotated[str, Meta(description="Type of the event, for example alert.triggered.")]
    message: Annotated[str, Meta(description="The event in a sentence.")]
    state: Annotated[State, Meta(description="pending, leased, then done, dead or cancelled.")]
    attempts: Annotated[int, Meta(description="Tries so far. Unit count.")]
    next_attempt_at: Annotated[dt.datetime, Meta(description="Not tried before this instant.")]
    last_status: Annotated[int | None, Meta(description="Status of the last answer, of HTTP or SMTP. Unit none.")]
    last_error: Annotated[str | None, Meta(description="Class of the last failure.")]
    created_at: Annotated[dt.datetime, Meta(description="When the event happened.")]
    finished_at: Annotated[dt.datetime | None, Meta(description="When it was done, given up or dropped.")]


def claim(
    connection: psycopg.Connection,
    *,
    now: dt.datetime,
    lease_seconds: float,
    limit: int,
    per_channel: int = PER_CHANNEL,
) -> list[Claimed]:
    """Take deliveries that are due; nobody else gets them until the lease ends. Commit before sending."""
    parameters = {
        "now": now,
        "limit": limit,
        "per_channel": per_channel,
        "breaker_failures": BREAKER_FAILURES,
        "token": uuid.uuid4(),
        "lease_until": now + dt.timedelta(seconds=lease_seconds),
    }
    with connection.cursor(row_factory=class_row(Claimed)) as cursor:
        return cursor.execute(CLAIM, parameters).fetchall()


def settle(connection: psycopg.Connection, settlements: Sequence[Settlement], *, now: dt.datetime) -> set[UUID]:
    """Write what became of tries; returns those whose lease had not gone to somebody else meanwhile."""
    rows = Jsonb(settlements, dumps=msgspec.json.encode)
    return {delivery_id for (delivery_id,) in connection.execute(SETTLE, {"rows": rows, "now": now})}


def cancel_of_closed_channels(connection: psycopg.Connection, *, now: dt.datetime) -> int:
    """Drop what waits for channels that are switched off; returns how many deliveries that were."""
    return connection.execute(CANCEL_OF_CLOSED, {"now": now}).rowcount


def next_due_at(connection: psycopg.Connection) -> dt.datetime | None:
    """Return the instant at which something is due for the next time; None if nothing waits."""
    row = connection.execute(NEXT_DUE_AT).fetchone()
    return row[0] if row else None


def read_overdue(connection: psycopg.Connection, *, before: dt.datetime, limit: int) -> list[Overdue]:
    """Return the deliveries that were due before an instant and have not been tried, oldest first."""
    parameters = {"before": before, "limit": limit, "breaker_failures": BREAKER_FAILURES}
    with connection.cursor(row_factory=class_row(Overdue)) as cursor:
        return cursor.execute(OVERDUE, parameters).fetchall()


def read_counts(connection: psycopg.Connection) -> Counts:
    """Return how many deliveries wait, are done, dead or cancelled."""
    with connection.cursor(row_factory=class_row(Counts)) as cursor:
        return cursor.execute(COUNTS).fetchone() or Counts(0, 0, 0, 0)


def read_deliveries(
    connection: psycopg.Connection,
    *,
    user_id: UUID | str | None = None,
    channel_id: UUID | str | None = None,
    state: str | None = None,
    limit: int = 100,
) -> list[Delivery]:
    """Return deliveries, the newest first; None leaves a condition out."""
    parameters = {"user_id": user_id, "channel_id": channel_id, "state": state, **NO_CURSOR, "limit": limit}
    with connection.cursor(row_factory=class_row(Delivery)) as cursor:
        return cursor.execute(DELIVERIES, parameters).fetchall()


async def newest(
    reader: Reader,
    user_id: UUID,
    channel_id: UUID,
    *,
    state: str | None,
    before: tuple[dt.datetime, UUID] | None,
    limit: int,
) -> list[Delivery]:
    """Return the deliveries of one channel of a user, the newest first, those before a place in that order."""
    parameters = {"user_id": user_id, "channel_id": channel_id, "state": state, **NO_CURSOR, "limit": limit}
    if before is not None:
        parameters |= {"before_at": before[0], "before_id": before[1]}
    return await reader.rows(Delivery, DELIVERIES, parameters)


def replay(
    connection: psycopg.Connection,
    *,
    now: dt.datetime,
    user_id: UUID | str | None = None,
    channel_id: UUID | str | None = None,
    delivery_id: UUID | str | None = None,
    since: dt.datetime = BEGINNING,
    until: dt.datetime = END,
    states: Sequence[str] = ("dead",),
) -> int:
    """Let deliveries that have ended begin anew, under their ids; returns how many.

    Parameters
    ----------
    connection
        As the pipelines or as the API connect.
    now
        When they are due.
    user_id, channel_id, delivery_id
        Only that user's, that channel's, or that one; None leaves the condition out.
    since, until
        Only those made between the two, both included.
    states
        Only those that have ended so: dead, cancelled or done.
    """
    parameters = {
        "now": now,
        "user_id": user_id,
        "channel_id": channel_id,
        "delivery_id": delivery_id,
        "since": since,
        "until": until,
        "states": [state for state in states if state in ENDED],
    }
    n_replayed = connection.execute(REPLAY, parameters).rowcount
    if n_replayed:
        connection.execute(WAKE)
    return n_replayed
