"""What evaluation makes of the rules before it looks at anything: plans, conditions, and the pairs they are about."""

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

import psycopg

from warehouse.queries.alert_metrics import PLATFORM
from warehouse.records.alert_series import Criterion, criteria_of
from warehouse.records.alerts import (
    AnyRule,
    Instruments,
    Portfolio,
    Rule,
    Sector,
    Top,
    alternatives,
    decode_rule,
    modern,
)
from warehouse.records.errors import RuleRefused

# Rules that are new or changed, in the order of their ids.
UNREAD = """
select a.alert_id, a.rule_version, a.rule::text
from app.alerts as a
left join app.alert_plans as p on p.alert_id = a.alert_id and p.rule_version = a.rule_version
where a.is_active and p.alert_id is null
order by a.alert_id
"""

FORGET = """
with forgotten as (
    delete from app.alert_plans where alert_id = any(%(ids)s)
)

delete from app.alert_states as s
using app.alerts as a
where a.alert_id = s.alert_id and s.alert_id = any(%(ids)s) and s.rule_version <> a.rule_version
"""

COPY_PLANS = """
copy app.alert_plans
    (alert_id, rule_version, n_conditions, ways, for_bars, cooldown_hours, repeat_hours, expires_at, one_shot,
     scope_kind, scope_argument, scope_n)
from stdin
"""

COPY_CONDITIONS = """
copy app.alert_conditions (alert_id, place, series, operator, level, recover_level, level_series, level_times)
from stdin
"""

# The members of each kind of scope, of plans p and alerts a.
MEMBERS = {
    None: f"select '{PLATFORM}' as instrument_id",
    "instruments": """
        select named.instrument_id
        from jsonb_array_elements_text(coalesce(a.rule -> 'instruments', a.rule -> 'scope' -> 'instruments'))
            as named (instrument_id)
    """,
    "portfolio": """
        select h.instrument_id from app.holdings as h
        where h.portfolio_id = p.scope_argument::uuid and h.user_id = a.user_id
    """,
    "sector": """
        select i.instrument_id from marts.dim_instruments as i where i.sector = p.scope_argument and i.is_active
    """,
    "universe": """
        select u.instrument_id from factors.fct_universe_members as u
        where u.as_of_date = (select max(v.as_of_date) from factors.fct_universe_members as v)
    """,
    "top": """
        select r.instrument_id from research.rankings as r
        where
            r.profile = p.scope_argument and not r.is_intraday and r.rank <= p.scope_n
            and r.as_of_date = (
                select max(s.as_of_date) from research.rankings as s
                where s.profile = p.scope_argument and not s.is_intraday
            )
    """,
}
# These stay what they were when the rule was made.
FIXED = (None, "instruments")

KINDS = "select distinct scope_kind from app.alert_plans"

MAKE_MEMBERS = "create temporary table members (alert_id uuid, instrument_id text) on commit drop"

FILL_MEMBERS = """
insert into members
select distinct p.alert_id, m.instrument_id
from app.alert_plans as p
inner join app.alerts as a on a.alert_id = p.alert_id and a.rule_version = p.rule_version and a.is_active
cross join lateral ({members}) as m
where p.scope_kind {is_kind} and ({is_fixed}::boolean is false or p.alert_id = any(%(ids)s))
"""

ADD_PAIRS = """
insert into app.alert_states (alert_id, instrument_id, user_id, rule_version, state, episode)
select m.alert_id, m.instrument_id, a.user_id, a.rule_version, 'normal', 0
from members as m
inner join app.alerts as a on a.alert_id = m.alert_id
on conflict do nothing
"""

# A pair that left its scope is forgotten; one that fires is kept until it has been told as over.
DROP_PAIRS = """
delete from app.alert_states as s
using app.alert_plans as p
where
    p.alert_id = s.alert_id and p.scope_kind is not null and p.scope_kind <> 'instruments' and not s.is_open
    and s.state <> 'ended'
    and not exists (select from members as m where m.alert_id = s.alert_id and m.instrument_id = s.instrument_id)
"""


class Read(NamedTuple):
    """Rules that were read anew, and those that this code cannot read: others go on without them."""

    ids: list[UUID]
    unreadable: list[UUID]


def read_new_rules(connection: psycopg.Connection) -> Read:
    """Put the new and changed rules into columns; their pairs begin anew."""
    rows = connection.execute(UNREAD).fetchall()
    rules = {(alert_id, version): _decoded(text) for alert_id, version, text in rows}
    known = [(alert_id, version, modern(rule)) for (alert_id, version), rule in rules.items() if rule is not None]
    if known:
        _write_plans(connection, known)
    return Read([alert_id for alert_id, *_ in known], [key[0] for key, rule in rules.items() if rule is None])


def refresh_pairs(connection: psycopg.Connection, new_ids: Sequence[UUID]) -> None:
    """Let the pairs be those that the scopes name now, in the temporary table `members` for scopes that move."""
    connection.execute(MAKE_MEMBERS)
    for (kind,) in connection.execute(KINDS).fetchall():
        is_fixed = kind in FIXED
        if is_fixed and not new_ids:
            continue
        statement = FILL_MEMBERS.format(
            members=MEMBERS[kind],
            is_kind="is null" if kind is None else f"= '{kind}'",
            is_fixed="true" if is_fixed else "false",
        )
        connection.execute(statement, {"ids": list(new_ids)})
    connection.execute(ADD_PAIRS)
    connection.execute(DROP_PAIRS)


def _write_plans(connection: psycopg.Connection, rules: Sequence[tuple[UUID, int, Rule]]) -> None:
    connection.execute(FORGET, {"ids": [alert_id for alert_id, *_ in rules]})
    with connection.cursor() as cursor:
        with cursor.copy(COPY_PLANS) as copy:
            for alert_id, version, rule in rules:
                copy.write_row(_plan(alert_id, version, rule))
        with cursor.copy(COPY_CONDITIONS) as copy:
            for alert_id, _, rule in rules:
                for place, one in enumerate(criteria_of(rule)):
                    copy.write_row(_condition(alert_id, place, one))


def _plan(alert_id: UUID, version: int, rule: Rule) -> tuple[object, ...]:
    ways = [sum(1 << place for place in way) for way in alternatives(rule.when)]
    options = (rule.for_bars, rule.cooldown_hours, rule.repeat_hours, rule.expires_at, rule.one_shot)
    return (alert_id, version, len(criteria_of(rule)), ways, *options, *_scope(rule))


def _condition(alert_id: UUID, place: int, one: Criterion) -> tuple[object, ...]:
    moving = None if one.level_series is None else one.level_series.key
    return (
        alert_id, place, one.series.key, one.operator, one.level, one.recover_level, moving, one.level_times,
    )  # fmt: skip


def _scope(rule: Rule) -> tuple[str | None, str | None, int | None]:
    match rule.scope:
        case None:
            return None, None, None
        case Instruments():
            return "instruments", None, None
        case Portfolio(portfolio_id=portfolio_id):
            return "portfolio", str(portfolio_id), None
        case Sector(sector=sector):
            return "sector", sector, None
        case Top(n=n, profile=profile):
            return "top", profile, n
        case _:
            return "universe", None, None


def _decoded(text: str) -> AnyRule | None:
    try:
        return decode_rule(text)
    except RuleRefused:
        return None
