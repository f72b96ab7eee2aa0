"""Alert rules as their owners make them, and how they stand."""

import datetime as dt
import uuid
from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

import msgspec
import psycopg
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from warehouse.records.alert_rules_1 import LevelRule
from warehouse.records.alerts import AnyRule, Instruments
from warehouse.records.errors import RuleRefused

INSTRUMENTS_NAMED = """
select distinct on (given.name) given.name, known.instrument_id
from unnest(%(names)s::text[]) as given (name)
inner join marts.dim_instruments as known on given.name in (known.instrument_id, known.ticker)
order by given.name, known.instrument_id = given.name desc, known.is_active desc, known.last_trade_date desc nulls last
"""

INSERT_ALERT = """
insert into app.alerts (alert_id, user_id, name, rule, created_at, updated_at)
values (%(alert_id)s, %(user_id)s, %(name)s, %(rule)s, %(now)s, %(now)s)
"""

COUNTS = """
select
    (select count(*) from app.alerts where is_active) as n_rules,
    (select count(*) from app.alert_states where state = 'firing') as n_firing,
    (select count(*) from app.alert_states where state = 'no_data') as n_without_data,
    (select count(*) from app.alert_events) as n_announcements
"""


class Counts(NamedTuple):
    """How many rules are active, how many pairs fire or lack data, and how many announcements there were."""

    n_rules: int
    n_firing: int
    n_without_data: int
    n_announcements: int


def create_alert(
    connection: psycopg.Connection, rule: AnyRule, *, user_id: UUID | str, name: str, now: dt.datetime
) -> UUID:
    """Store a rule and return its id; its instruments may be given as tickers, which are resolved as of today.

    Raises
    ------
    RuleRefused
        If the rule names instruments that nobody knows, or the user has a rule of the same name.
    """
    stored = resolve_rule(connection, rule)
    alert_id = uuid.uuid4()
    row = {
        "alert_id": alert_id,
        "user_id": user_id,
        "name": name,
        "rule": Jsonb(stored, dumps=msgspec.json.encode),
        "now": now,
    }
    try:
        with connection.transaction():
            connection.execute(INSERT_ALERT, row)
    except psycopg.errors.UniqueViolation as exc:
        raise RuleRefused(f"the name must be the only one of its kind among your rules; got {name!r} again") from exc
    return alert_id


def resolve_rule(connection: psycopg.Connection, rule: AnyRule) -> AnyRule:
    """Return a rule as it is stored: with ids for its instruments, as of today.

    Raises
    ------
    RuleRefused
        If the rule names instruments that nobody knows.
    """
    if isinstance(rule, LevelRule):
        return msgspec.structs.replace(rule, instruments=_ids_of(connection, rule.instruments))
    if isinstance(rule.scope, Instruments):
        scope = msgspec.structs.replace(rule.scope, instruments=_ids_of(connection, rule.scope.instruments))
        return msgspec.structs.replace(rule, scope=scope)
    return rule


def _ids_of(connection: psycopg.Connection, names: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(resolve_instruments(connection, names)))


def resolve_instruments(connection: psycopg.Connection, names: Sequence[str]) -> list[str]:
    """Return the id of each instrument, given by id or ticker; of several with a ticker the active, else the latest.

    Raises
    ------
    RuleRefused
        Naming those that nobody knows.
    """
    found: dict[str, str] = dict(connection.execute(INSTRUMENTS_NAMED, {"names": list(names)}).fetchall())
    unknown = [name for name in names if name not in found]
    if unknown:
        raise RuleRefused(f"`instruments` must be ids or tickers that are known here; got {unknown}")
    return [found[name] for name in names]


def has_active_rules(connection: psycopg.Connection) -> bool:
    """Whether anybody waits for anything."""
    row = connection.execute("select exists (select from app.alerts where is_active)").fetchone()
    return row is not None and bool(row[0])


def read_counts(connection: psycopg.Connection) -> Counts:
    """Return how things stand."""
    with connection.cursor(row_factory=class_row(Counts)) as cursor:
        return cursor.execute(COUNTS).fetchone() or Counts(0, 0, 0, 0)
