"""Alert rules as their owners make them, and how they stand."""

import datetime as dt
import uuid
from collections.abc import Sequence
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
import psycopg
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from warehouse.queries.alert_metrics import (
    COLUMNS,
    Catalogue,
    Metric,
    catalogue_of,
    check_same_unit,
    check_series,
    check_words,
)
from warehouse.queries.alert_series import existence_sql
from warehouse.queries.dialogue import Dialogue, hold
from warehouse.records.alert_rules_1 import LevelRule
from warehouse.records.alerts import (
    And,
    AnyRule,
    Condition,
    Enters,
    Instruments,
    Leaves,
    MovingLevel,
    Or,
    Portfolio,
    Scope,
    Sector,
    Test,
    sides_of,
    tests_of,
)
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

PORTFOLIO = """
select 1 from app.portfolios where portfolio_id::text = %(portfolio_id)s and user_id::text = %(user_id)s
"""

SECTORS = "select distinct sector from marts.dim_instruments where sector is not null order by sector"

# By id or by name, whichever was said; names are unique among a user's rules.
SWITCH = """
update app.alerts set is_active = %(is_active)s, updated_at = %(now)s
where user_id = %(user_id)s and (alert_id::text = %(which)s or name = %(which)s)
returning name
"""

MUTE = """
update app.alerts set muted_until = %(until)s, updated_at = %(now)s
where user_id = %(user_id)s and (alert_id::text = %(which)s or name = %(which)s)
returning name
"""

REMOVE = """
delete from app.alerts
where user_id = %(user_id)s and (alert_id::text = %(which)s or name = %(which)s)
returning name
"""

COUNTS = """
select
    (select count(*) from app.alerts where is_active) as n_rules,
    (select count(*) from app.alert_states where state = 'firing') as n_firing,
    (select count(*) from app.alert_states where state = 'no_data') as n_without_data,
    (select count(*) from app.alert_events) as n_announcements
"""


LIST = """
select
    a.alert_id, a.name, a.rule, a.is_active, a.muted_until,
    (select count(*) from app.alert_states as s where s.alert_id = a.alert_id and s.state = 'firing') as n_firing,
    (select count(*) from app.alert_states as s where s.alert_id = a.alert_id and s.state = 'no_data')
        as n_without_data,
    coalesce(
        (
            select jsonb_agg(array[i.instrument_id, i.ticker]) from marts.dim_instruments as i
            where coalesce(a.rule -> 'instruments', a.rule -> 'scope' -> 'instruments') ? i.instrument_id
        ),
        '[]'
    ) as tickers
from app.alerts as a
where a.user_id = %(user_id)s
order by a.name
"""


class Listed(NamedTuple):
    """A rule of somebody's and how it stands; `tickers` are pairs of id and ticker of the instruments it names."""

    alert_id: UUID
    name: str
    rule: dict[str, Any]
    is_active: bool
    muted_until: dt.datetime | None
    n_firing: int
    n_without_data: int
    tickers: list[tuple[str, str]]


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
        If the rule names what nobody knows, or the user has a rule of the same name.
    """
    stored = resolve_rule(connection, rule, user_id=user_id)
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


def resolve_rule(connection: psycopg.Connection, rule: AnyRule, *, user_id: UUID | str) -> AnyRule:
    """Return a rule as it is stored; see `resolution`."""
    return hold(connection, resolution(rule, user_id=user_id))


def resolution(rule: AnyRule, *, user_id: UUID | str) -> Dialogue[AnyRule]:
    """Return a rule as it is stored: with ids for its instruments and full names for its metrics, as of today.

    Raises
    ------
    RuleRefused
        If the rule names instruments, metrics, series of a metric, or a scope that nobody knows.
    """
    if isinstance(rule, LevelRule):
        return msgspec.structs.replace(rule, instruments=(yield from _ids(rule.instruments)))
    catalogue = catalogue_of((yield COLUMNS, {}))
    when = _named(rule.when, catalogue)
    for test in tests_of(when):
        metric, *levels = [catalogue.named(side.metric) for side in sides_of(test)]
        for side in sides_of(test):
            check_series(catalogue.named(side.metric), side.of)
            yield from _check_has_rows(catalogue.named(side.metric), side, user_id)
        for level in levels:
            check_same_unit(metric, level)
        check_words(metric, test.values if isinstance(test, Enters | Leaves) else None)
        if metric.column == "sector" and isinstance(test, Enters | Leaves):
            yield from _check_sectors("values", test.values)
    has_instrument = any(
        catalogue.named(side.metric).relation.has_instrument for test in tests_of(when) for side in sides_of(test)
    )
    if has_instrument != (rule.scope is not None):
        must = "be given, since a metric is one of instruments" if has_instrument else "be left out: no metric has any"
        raise RuleRefused(f"`scope` must {must}; got {'none' if rule.scope is None else 'one'}")
    return msgspec.structs.replace(rule, when=when, scope=(yield from _scope(rule.scope, user_id)))


def _named(condition: Condition, catalogue: Catalogue) -> Condition:
    if isinstance(condition, And | Or):
        parts = tuple(_named(part, catalogue) for part in condition.conditions)
        return msgspec.structs.replace(condition, conditions=parts)
    named = msgspec.structs.replace(condition, metric=catalogue.named(condition.metric).name)
    level = getattr(named, "level", None)
    if not isinstance(level, MovingLevel):
        return named
    return msgspec.structs.replace(
        named, level=msgspec.structs.replace(level, metric=catalogue.named(level.metric).name)
    )


def _check_has_rows(metric: Metric, test: Test | MovingLevel, user_id: UUID | str) -> Dialogue[None]:
    """Refuse a series that its table has no row of, once the table has any."""
    if "portfolio_id" in metric.relation.of:
        yield from _check_portfolio(test.of["portfolio_id"], user_id)
    sql = existence_sql(metric)
    if sql is None:
        return
    [(has_any, has_some)] = yield sql, {f"of_{name}": value for name, value in test.of.items()}
    if has_any and not has_some:
        raise RuleRefused(f"`of` must name a series of metric {metric.name} that there is; got {test.of}")


def _check_portfolio(portfolio_id: UUID | str, user_id: UUID | str) -> Dialogue[None]:
    if not (yield PORTFOLIO, {"portfolio_id": str(portfolio_id), "user_id": str(user_id)}):
        raise RuleRefused(f"`portfolio_id` must be one of your portfolios; got {portfolio_id}")


def _check_sectors(field: str, sectors: Sequence[str]) -> Dialogue[None]:
    known = [sector for (sector,) in (yield SECTORS, {})]
    strange = [sector for sector in sectors if sector not in known]
    if strange:
        raise RuleRefused(f"`{field}` must be sectors that instruments here are in, {known}; got {strange}")


def _scope(scope: Scope | None, user_id: UUID | str) -> Dialogue[Scope | None]:
    match scope:
        case Instruments(instruments=names):
            return msgspec.structs.replace(scope, instruments=(yield from _ids(names)))
        case Portfolio(portfolio_id=portfolio_id):
            yield from _check_portfolio(portfolio_id, user_id)
        case Sector(sector=sector):
            yield from _check_sectors("sector", [sector])
    return scope


def _ids(names: Sequence[str]) -> Dialogue[tuple[str, ...]]:
    found: dict[str, str] = dict((yield INSTRUMENTS_NAMED, {"names": list(names)}))
    unknown = [name for name in names if name not in found]
    if unknown:
        raise RuleRefused(f"`instruments` must be ids or tickers that are known here; got {unknown}")
    return tuple(dict.fromkeys(found[name] for name in names))


def read_alerts(connection: psycopg.Connection, *, user_id: UUID | str) -> list[Listed]:
    """Return the rules of a user, by name."""
    return [Listed._make(row) for row in connection.execute(LIST, {"user_id": user_id})]


def switch_alert(
    connection: psycopg.Connection, which: str, *, user_id: UUID | str, is_active: bool, now: dt.datetime
) -> str:
    """Switch a rule on or off, by its id or name, and return its name; where it stood is kept.

    Raises
    ------
    RuleRefused
        If the user has none of the id or name.
    """
    asked = {"which": which, "user_id": user_id, "is_active": is_active, "now": now}
    return _the_one(connection.execute(SWITCH, asked).fetchall(), which)


def mute_alert(
    connection: psycopg.Connection, which: str, *, user_id: UUID | str, until: dt.datetime | None, now: dt.datetime
) -> str:
    """Announce nothing of a rule, by its id or name, until an instant (None lifts that), and return its name.

    Raises
    ------
    RuleRefused
        If the user has none of the id or name.
    """
    asked = {"which": which, "user_id": user_id, "until": until, "now": now}
    return _the_one(connection.execute(MUTE, asked).fetchall(), which)


def remove_alert(connection: psycopg.Connection, which: str, *, user_id: UUID | str) -> str:
    """Delete a rule, by its id or name, with what it has announced, and return its name; what is on its way goes on.

    Raises
    ------
    RuleRefused
        If the user has none of the id or name.
    """
    return _the_one(connection.execute(REMOVE, {"which": which, "user_id": user_id}).fetchall(), which)


def _the_one(found: Sequence[tuple[str]], which: str) -> str:
    if not found:
        raise RuleRefused(f"the id or name must be one that `factorloom alerts list` shows; got {which!r}")
    return found[0][0]


def has_active_rules(connection: psycopg.Connection) -> bool:
    """Whether anybody waits for anything."""
    row = connection.execute("select exists (select from app.alerts where is_active)").fetchone()
    return row is not None and bool(row[0])


def read_counts(connection: psycopg.Connection) -> Counts:
    """Return how things stand."""
    with connection.cursor(row_factory=class_row(Counts)) as cursor:
        return cursor.execute(COUNTS).fetchone() or Counts(0, 0, 0, 0)
