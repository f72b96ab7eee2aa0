"""What an evaluation of alert rules has to say, and what it said before: announcements, the log, what is held back."""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import NamedTuple
from uuid import UUID

import msgspec
import psycopg
from psycopg.types.json import Jsonb

# Episodes that began with a close of one of the last sessions, and have not been taken back.
BEGUN = """
select t.alert_id, t.instrument_id, t.user_id, t.rule_version, t.episode, t.observed_date, t.observed_at, t.is_silent
from app.alert_events as t
inner join app.alerts as a on a.alert_id = t.alert_id and a.rule_version = t.rule_version and a.is_active
where
    t.type = 'triggered' and t.observed_date between %(first)s and %(last)s
    and not exists (
        select from app.alert_events as c
        where
            c.alert_id = t.alert_id and c.instrument_id = t.instrument_id and c.episode = t.episode
            and c.rule_version = t.rule_version and c.type = 'corrected'
    )
order by t.observed_date, t.alert_id, t.instrument_id
"""

# Nobody changes or deletes them until the announcements are written.
ALERTS = """
select alert_id, rule_version, name, rule::text from app.alerts
where alert_id = any(%(ids)s) order by alert_id for share
"""

TICKERS = "select instrument_id, ticker from marts.dim_instruments where instrument_id = any(%(ids)s)"

# An announcement that stands already is neither logged nor sent again: the log follows what was inserted, and the
# database makes deliveries of the log.
ANNOUNCE = """
with given as (
    select * from jsonb_to_recordset(%(rows)s) as r (
        alert_event_id uuid, alert_id uuid, user_id uuid, instrument_id text, rule_version integer, type text,
        episode integer, dedup_key text, observed_value float8, observed_at timestamptz, observed_date date,
        is_silent boolean, message text, payload jsonb
    )
),

announced as (
    insert into app.alert_events
        (alert_event_id, alert_id, user_id, instrument_id, rule_version, type, episode, dedup_key, observed_value,
         observed_at, observed_date, is_silent, message, created_at)
    select
        alert_event_id, alert_id, user_id, instrument_id, rule_version, type, episode, dedup_key, observed_value,
        observed_at, observed_date, is_silent, message, %(now)s
    from given
    on conflict do nothing
    returning alert_event_id, type
),

logged as (
    insert into app.events (type, user_id, subject, payload, dedup_key, correlation_id, created_at)
    select
        'alert.' || given.type, given.user_id, given.instrument_id, given.payload, 'alert:' || given.dedup_key,
        given.alert_event_id::text, %(now)s
    from given
    inner join announced on announced.alert_event_id = given.alert_event_id
    where not given.is_silent
    on conflict (dedup_key) do nothing
)

select type, count(*) from announced group by type
"""

# Quiet hours hold back what is sent, not what is written.
HOLD_BACK = """
update app.deliveries as d
set next_attempt_at = greatest(d.next_attempt_at, given.until)
from unnest(%(keys)s::text[], %(ends)s::timestamptz[]) as given (dedup_key, until)
inner join app.events as e on e.dedup_key = given.dedup_key
where d.event_id = e.event_id and d.state = 'pending' and d.attempts = 0
"""

# A trigger on the log has made them.
DELIVERIES_OF = """
select count(*)
from app.deliveries as d
inner join app.events as e on e.event_id = d.event_id
where e.dedup_key = any(%(keys)s) and d.created_at = %(now)s
"""


class Begun(NamedTuple):
    """An episode that began with a session's close."""

    alert_id: UUID
    instrument_id: str
    user_id: UUID
    rule_version: int
    episode: int
    observed_date: dt.date
    observed_at: dt.datetime
    is_silent: bool


class Announcement(msgspec.Struct, frozen=True):
    """What a rule has to say, a row of app.alert_events; `payload` is what receivers get."""

    alert_event_id: UUID
    alert_id: UUID
    user_id: UUID
    instrument_id: str
    rule_version: int
    type: str
    episode: int
    dedup_key: str
    observed_value: float | None
    observed_at: dt.datetime
    observed_date: dt.date
    is_silent: bool
    message: str
    payload: dict[str, object]


def read_begun(connection: psycopg.Connection, *, first: dt.date, last: dt.date) -> list[Begun]:
    """Return the episodes that began between two sessions, both included, and have not been taken back."""
    rows = connection.execute(BEGUN, {"first": first, "last": last})
    return [Begun._make(row) for row in rows]


def read_alerts(connection: psycopg.Connection, ids: Sequence[UUID]) -> dict[tuple[UUID, int], tuple[str, str]]:
    """Return name and body, as JSON text, of rules by id and version; they stay so until the transaction ends."""
    rows = connection.execute(ALERTS, {"ids": list(ids)})
    return {(alert_id, version): (name, text) for alert_id, version, name, text in rows}


def read_tickers(connection: psycopg.Connection, ids: Sequence[str]) -> dict[str, str]:
    """Return the tickers of instruments."""
    return dict(connection.execute(TICKERS, {"ids": list(ids)}).fetchall())


def announce(
    connection: psycopg.Connection, announcements: Sequence[Announcement], *, now: dt.datetime
) -> dict[str, int]:
    """Write announcements and, of those that are not silent, the log; returns how many were new, by type."""
    if not announcements:
        return {}
    return dict(connection.execute(ANNOUNCE, {"rows": _jsonb(announcements), "now": now}).fetchall())


def hold_back(connection: psycopg.Connection, until: Mapping[str, dt.datetime]) -> None:
    """Let the deliveries of announcements, by their keys, wait for the end of quiet hours."""
    if until:
        keys = [f"alert:{key}" for key in until]
        connection.execute(HOLD_BACK, {"keys": keys, "ends": list(until.values())})


def count_deliveries(connection: psycopg.Connection, dedup_keys: Sequence[str], *, now: dt.datetime) -> int:
    """Return how many deliveries this evaluation has made for announcements."""
    keys = [f"alert:{key}" for key in dedup_keys]
    row = connection.execute(DELIVERIES_OF, {"keys": keys, "now": now}).fetchone()
    return int(row[0]) if row else 0


def _jsonb(value: object) -> Jsonb:
    return Jsonb(value, dumps=msgspec.json.encode)
