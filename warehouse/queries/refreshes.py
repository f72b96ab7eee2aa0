"""When a source was last asked: those who ask for the same within its time to live share one answer."""

import datetime as dt

import psycopg

# One statement, so that of several processes at once one alone is told to ask.
CLAIM = """
insert into app.refreshes as r (source, entity, asked_at)
values (%(source)s, %(entity)s, %(now)s)
on conflict (source, entity) do update set asked_at = excluded.asked_at
where
    r.asked_at <= excluded.asked_at - make_interval(secs => %(seconds)s)
    or r.asked_at > excluded.asked_at
returning true
"""

IS_ANSWERED = """
select true
from app.refreshes
where
    source = %(source)s and entity = %(entity)s
    and asked_at > %(now)s - make_interval(secs => %(seconds)s) and asked_at <= %(now)s
"""

NOTE_ANSWER = """
insert into app.refreshes (source, entity, asked_at) values (%(source)s, %(entity)s, %(now)s)
on conflict (source, entity) do update set asked_at = excluded.asked_at
"""

DELETE_OLD = """
delete from app.refreshes where asked_at < %(before)s
"""

RELEASE = """
delete from app.refreshes where source = %(source)s and entity = %(entity)s and asked_at = %(now)s
"""


def claim(connection: psycopg.Connection, *, source: str, entity: str, now: dt.datetime, seconds: int) -> bool:
    """Tell whether the source is to be asked now: False where somebody has within so many seconds.

    A clock that was set back does not keep anybody from asking.
    """
    values = {"source": source, "entity": entity, "now": now, "seconds": seconds}
    return connection.execute(CLAIM, values).fetchone() is not None


def release(connection: psycopg.Connection, *, source: str, entity: str, now: dt.datetime) -> None:
    """Take a claim back: the source did not answer, and may be asked again at once."""
    connection.execute(RELEASE, {"source": source, "entity": entity, "now": now})


def is_answered(connection: psycopg.Connection, *, source: str, entity: str, now: dt.datetime, seconds: int) -> bool:
    """Tell whether the source has answered within so many seconds; unlike `claim`, this keeps nobody from asking."""
    values = {"source": source, "entity": entity, "now": now, "seconds": seconds}
    return connection.execute(IS_ANSWERED, values).fetchone() is not None


def note_answer(connection: psycopg.Connection, *, source: str, entity: str, now: dt.datetime) -> None:
    """Note that the source has answered the whole of a question: a run that dies before asks it again."""
    connection.execute(NOTE_ANSWER, {"source": source, "entity": entity, "now": now})
