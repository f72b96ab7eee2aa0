"""What handlers do with events: each event once per handler, in the transaction of what is done."""

import datetime as dt
from collections.abc import Sequence
from typing import Any, NamedTuple
from uuid import UUID

import psycopg
from psycopg.rows import class_row

from warehouse.queries.events import write_event

UNHANDLED = """
select e.event_id, e.type, e.user_id, e.subject, e.payload, e.correlation_id
from app.events as e
where
    e.type = any(%(types)s)
    and not exists (select from app.event_handlings as h where h.handler = %(handler)s and h.event_id = e.event_id)
order by e.event_id
limit %(limit)s
"""

HANDLED = """
insert into app.event_handlings (handler, event_id, outcome, handled_at)
values (%(handler)s, %(event_id)s, %(outcome)s, %(now)s)
on conflict do nothing
"""

# The newest signal of each holding, by the ensemble where it says one; what has changed is returned.
REFRESH = """
with before as (select portfolio_id, instrument_id, signal from app.holding_signals),

newest as (
    select distinct on (s.instrument_id)
        s.instrument_id, s.model_id, s.as_of_date, s.signal, s.rank, s.confidence, s.expected_return_22d
    from research.signals as s
    where s.as_of_date = (select max(as_of_date) from research.signals)
    order by s.instrument_id, s.model_id = 'ensemble' desc, s.model_id
),

written as (
    insert into app.holding_signals as t (
        portfolio_id, instrument_id, user_id, model_id, as_of_date, signal, rank, confidence, expected_return_22d,
        refreshed_at
    )
    select
        h.portfolio_id, h.instrument_id, h.user_id, n.model_id, n.as_of_date, n.signal, n.rank, n.confidence,
        n.expected_return_22d, %(now)s
    from app.holdings as h
    inner join newest as n on n.instrument_id = h.instrument_id
    where %(portfolio_id)s::uuid is null or h.portfolio_id = %(portfolio_id)s::uuid
    on conflict (portfolio_id, instrument_id) do update set
        model_id = excluded.model_id, as_of_date = excluded.as_of_date, signal = excluded.signal,
        rank = excluded.rank, confidence = excluded.confidence,
        expected_return_22d = excluded.expected_return_22d, refreshed_at = excluded.refreshed_at,
        previous_signal = case when t.signal <> excluded.signal then t.signal else t.previous_signal end
    where
        (t.model_id, t.as_of_date, t.signal, t.rank, t.confidence, t.expected_return_22d)
        is distinct from (
            excluded.model_id, excluded.as_of_date, excluded.signal, excluded.rank, excluded.confidence,
            excluded.expected_return_22d
        )
    returning t.portfolio_id, t.instrument_id, t.user_id, t.signal
)

select
    w.portfolio_id, w.user_id, count(*) as n_refreshed,
    coalesce(
        jsonb_agg(jsonb_build_object(
            'instrument_id', w.instrument_id,
            'ticker', (
                select min(i.ticker) from raw.instrument_aliases as i
                where i.instrument_id = w.instrument_id and i.valid_to_date is null
            ),
            'from', b.signal, 'to', w.signal
        ) order by w.instrument_id) filter (where b.signal <> w.signal),
        '[]'
    ) as changes
from written as w
left join before as b on b.portfolio_id = w.portfolio_id and b.instrument_id = w.instrument_id
group by w.portfolio_id, w.user_id
"""


class Unhandled(NamedTuple):
    """An event that a handler has not dealt with."""

    event_id: int
    type: str
    user_id: UUID | None
    subject: str | None
    payload: dict[str, Any]
    correlation_id: str | None


class Refreshed(NamedTuple):
    """What a refresh of signals came to in a portfolio."""

    portfolio_id: UUID
    user_id: UUID
    n_refreshed: int
    changes: list[dict[str, Any]]


def unhandled(connection: psycopg.Connection, handler: str, types: Sequence[str], *, limit: int) -> list[Unhandled]:
    """Return events of these types that a handler has not dealt with, oldest first."""
    with connection.cursor(row_factory=class_row(Unhandled)) as cursor:
        return cursor.execute(UNHANDLED, {"handler": handler, "types": list(types), "limit": limit}).fetchall()


def mark_handled(
    connection: psycopg.Connection, handler: str, event: Unhandled, outcome: str, *, now: dt.datetime
) -> None:
    """Say what came of an event; it commits with that."""
    connection.execute(HANDLED, {"handler": handler, "event_id": event.event_id, "outcome": outcome, "now": now})


def refresh_holdings(
    connection: psycopg.Connection, event: Unhandled, *, portfolio_id: str | None, now: dt.datetime
) -> int:
    """Look up the newest signal of the holdings of one portfolio, or of all; each owner is told what has changed.

    Returns how many holdings have been refreshed; a repetition refreshes none.
    """
    with connection.cursor(row_factory=class_row(Refreshed)) as cursor:
        found = cursor.execute(REFRESH, {"portfolio_id": portfolio_id, "now": now}).fetchall()
    for one in found:
        if one.changes:
            write_event(
                connection,
                "signal.changed",
                {"portfolio_id": str(one.portfolio_id), "n_changed": len(one.changes), "changes": one.changes},
                dedup_key=f"signal.changed:{one.portfolio_id}:{event.event_id}",
                now=now,
                user_id=one.user_id,
                subject=str(one.portfolio_id),
                correlation_id=event.correlation_id,
            )
    return sum(one.n_refreshed for one in found)
