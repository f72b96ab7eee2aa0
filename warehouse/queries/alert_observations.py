"""What an evaluation of alert rules reads: what is known of a session, for each pair that could move."""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
import psycopg
from psycopg.types.json import Jsonb

from warehouse.queries.alert_metrics import Metric
from warehouse.queries.alert_series import observation_sql, parameters_of
from warehouse.records.alert_rules_1 import DEFAULT_ROOM
from warehouse.records.alert_series import Series

MAKE_TABLES = """
create temporary table observed (
    series text, instrument_id text, value float8, baseline float8, observed_at timestamptz, bar_date date
) on commit drop;
-- The series of a pass: whether its session is one that was not looked at before, and the newest there is.
create temporary table observed_series (
    series text primary key, is_new boolean, is_newest boolean, has_instrument boolean, is_price boolean,
    is_per_share boolean
) on commit drop;
create temporary table standing (instrument_id text primary key, split_factor float8, inhibition text) on commit drop;
"""

EMPTY_TABLES = "truncate observed, observed_series, standing"

WRITE_SERIES = """
insert into observed_series
select * from jsonb_to_recordset(%(rows)s) as r (
    series text, is_new boolean, is_newest boolean, has_instrument boolean, is_price boolean, is_per_share boolean
)
"""

# How each instrument stands on a session, or on the day of its quote where that is newer.
STANDING = """
insert into standing
select
    i.instrument_id, coalesce(bar.split_factor, before.split_factor),
    case
        when quote.quoted_at is not null then case when split.ex_date is not null then 'split' else '' end
        when bar.trade_date is null and before.trade_date is null then ''
        when bar.trade_date is null and not i.is_active then 'delisting'
        when bar.trade_date is null then 'halt'
        when bar.is_suspect then 'suspect'
        when bar.split_factor <> before.split_factor then 'split'
        else ''
    end
from marts.dim_instruments as i
left join marts.fct_daily_prices as bar on bar.instrument_id = i.instrument_id and bar.trade_date = %(day)s
left join lateral (
    select p.trade_date, p.split_factor
    from marts.fct_daily_prices as p
    where p.instrument_id = i.instrument_id and p.trade_date < %(day)s
    order by p.trade_date desc
    limit 1
) as before on true
left join (select * from research.latest_quotes where trade_date > %(day)s and %(is_newest)s) as quote
    on quote.instrument_id = i.instrument_id
left join lateral (
    select s.ex_date
    from raw.instrument_aliases as alias
    inner join raw.splits as s on s.source = alias.source and s.source_symbol = alias.source_symbol
    where alias.instrument_id = i.instrument_id and alias.valid_to_date is null and s.ex_date = quote.trade_date
    limit 1
) as split on quote.quoted_at is not null
"""

# Each condition of each pair with what was observed of it, and of its level where that moves. Of two that are compared,
# one may be quoted and the other of the close: then at the bar before the other was what it is.
PAIRS = f"""
    from app.alert_states as s
    inner join app.alerts as a on a.alert_id = s.alert_id and a.rule_version = s.rule_version and a.is_active
    inner join app.alert_plans as p on p.alert_id = s.alert_id and p.rule_version = s.rule_version
    inner join app.alert_conditions as c on c.alert_id = s.alert_id
    inner join observed_series as os on os.series = c.series
    inner join observed_series as ls on ls.series = coalesce(c.level_series, c.series)
    left join observed as o
        on o.series = c.series and o.instrument_id = case when os.has_instrument then s.instrument_id else '*' end
    left join observed as l
        on l.series = c.level_series and l.instrument_id = case when ls.has_instrument then s.instrument_id else '*' end
    left join standing as i on i.instrument_id = s.instrument_id
    cross join lateral (
        select case when os.is_per_share then coalesce(i.split_factor / s.split_factor, 1) else 1 end as by
    ) as scale
    cross join lateral (
        select
            o.value * scale.by as value,
            case when l.bar_date > o.bar_date then o.value else o.baseline end * scale.by as baseline,
            coalesce(c.level, l.value * c.level_times * scale.by) as level,
            coalesce(
                c.level,
                case when o.bar_date > l.bar_date then l.value else l.baseline end * c.level_times * scale.by
            ) as level_before,
            case when o.bar_date is not null then greatest(o.bar_date, l.bar_date) end as bar_date,
            case when o.observed_at is not null then greatest(o.observed_at, l.observed_at) end as observed_at
    ) as seen
    cross join lateral (
        select
            case
                when c.level_series is null then c.recover_level
                when c.operator in ('at_or_above', 'crosses_above') then seen.level - {DEFAULT_ROOM} * abs(seen.level)
                else seen.level + {DEFAULT_ROOM} * abs(seen.level)
            end as level
    ) as recover
"""

# Values are in the share terms of the pair's first look.
READINGS = f"""
    select
        s.alert_id, s.instrument_id, c.place,
        seen.value, seen.baseline, seen.observed_at, seen.bar_date,
        c.operator, seen.level, seen.level_before, recover.level as recover_level,
        case when os.is_price or ls.is_price then coalesce(i.inhibition, '') else '' end as inhibition,
        i.split_factor, scale.by as scale, os.is_new or ls.is_new as is_new, os.is_newest and ls.is_newest as is_newest
    {PAIRS}
"""

# Pairs that cannot move are left out: normal ones none of whose conditions holds, firing ones none of which lets go,
# and those without data that still have none. A test holds this against the state machine itself.
COULD_MOVE = """
    s.state <> 'ended'
    and (
        s.observed_at is null and s.state <> 'no_data'
        or s.state = 'pending'
        or (
            seen.value is null
            or case when c.operator in ('new_high', 'new_low') then seen.baseline else seen.level end is null
        ) <> (s.state = 'no_data')
        or (os.is_price or ls.is_price) and coalesce(i.inhibition, '') <> s.inhibition
        or p.expires_at < seen.observed_at
        or s.is_open and (
            p.repeat_hours is not null and seen.observed_at >= s.told_at + make_interval(secs => p.repeat_hours * 3600)
            or s.told_at is null and coalesce(a.muted_until <= %(now)s, true)
            or s.opened_at = seen.observed_at
            or case
                when c.operator in ('at_or_above', 'crosses_above') then seen.value < recover.level
                when c.operator in ('at_or_below', 'crosses_below') then seen.value > recover.level
                when c.operator = 'new_high' then seen.value <= seen.baseline
                else seen.value >= seen.baseline
            end
            or has_left.it
        )
        or not s.is_open and case
            when c.operator in ('at_or_above', 'crosses_above') then seen.value >= seen.level
            when c.operator in ('at_or_below', 'crosses_below') then seen.value <= seen.level
            when c.operator = 'new_high' then seen.value > seen.baseline
            else seen.value < seen.baseline
        end
    )
"""

HAS_LEFT = """
    left join members as m on m.alert_id = s.alert_id and m.instrument_id = s.instrument_id
    cross join lateral (
        select p.scope_kind in ('portfolio', 'sector', 'universe', 'top') and m.alert_id is null as it
    ) as has_left
"""

OBSERVATIONS = f"""
with moving as (
    select distinct s.alert_id, s.instrument_id
    {READINGS[READINGS.index("from app.alert_states") :]}
    {HAS_LEFT}
    where {{could_move}}
)

select
    r.alert_id, r.instrument_id, r.place, r.value, r.baseline, r.observed_at, r.bar_date, r.operator, r.level,
    r.level_before, r.recover_level, r.inhibition, r.split_factor, r.scale, r.is_new, r.is_newest,
    p.n_conditions, p.ways, p.for_bars, p.cooldown_hours, p.repeat_hours, p.expires_at, p.one_shot,
    coalesce(a.muted_until > %(now)s, false) as is_muted, coalesce(has_left.it, false) as has_left,
    s.user_id, s.rule_version, s.state, s.episode, s.is_open, s.bars, s.bar_date as state_bar_date, s.opened_at,
    s.told_at, s.observed_value as state_observed_value, s.observed_at as state_observed_at,
    s.inhibition as state_inhibition, s.split_factor as state_split_factor
from moving
inner join app.alert_states as s on s.alert_id = moving.alert_id and s.instrument_id = moving.instrument_id
inner join app.alerts as a on a.alert_id = s.alert_id
inner join app.alert_plans as p on p.alert_id = s.alert_id
inner join ({READINGS}) as r on r.alert_id = s.alert_id and r.instrument_id = s.instrument_id
{HAS_LEFT}
order by r.alert_id, r.instrument_id, r.place
"""

# New rules and fresh temporary tables have no statistics: a join of so many rows would go through them one by one.
PLAIN_PLANS = """
select
    set_config('enable_nestloop', 'off', true), set_config('jit', 'off', true), set_config('work_mem', '64MB', true)
"""

USUAL_PLANS = "select set_config('enable_nestloop', 'on', true)"

READINGS_OF = f"""
with r as (
    {READINGS}
)

select
    r.alert_id, r.instrument_id, r.place, r.value, r.baseline, r.operator, r.level, r.level_before, r.recover_level,
    r.scale, p.ways
from unnest(%(alert_ids)s::uuid[], %(instrument_ids)s::text[]) as asked (alert_id, instrument_id)
inner join r on r.alert_id = asked.alert_id and r.instrument_id = asked.instrument_id
inner join app.alert_plans as p on p.alert_id = asked.alert_id
order by r.alert_id, r.instrument_id, r.place
"""


class Observation(NamedTuple):
    """A condition of a pair that could move, what it reads, and where the pair's state machine stands."""

    alert_id: UUID
    instrument_id: str
    place: int
    value: float | None
    baseline: float | None
    observed_at: dt.datetime | None
    bar_date: dt.date | None
    operator: str
    level: float | None
    level_before: float | None
    recover_level: float | None
    inhibition: str
    split_factor: float | None
    scale: float
    is_new: bool
    is_newest: bool
    n_conditions: int
    ways: list[int]
    for_bars: int
    cooldown_hours: float
    repeat_hours: float | None
    expires_at: dt.datetime | None
    one_shot: bool
    is_muted: bool
    has_left: bool
    user_id: UUID
    rule_version: int
    state: str
    episode: int
    is_open: bool
    bars: int
    state_bar_date: dt.date | None
    opened_at: dt.datetime | None
    told_at: dt.datetime | None
    state_observed_value: float | None
    state_observed_at: dt.datetime | None
    state_inhibition: str
    state_split_factor: float | None


class Reading(NamedTuple):
    """A condition of a pair and what it reads on a session."""

    alert_id: UUID
    instrument_id: str
    place: int
    value: float | None
    baseline: float | None
    operator: str
    level: float | None
    level_before: float | None
    recover_level: float | None
    scale: float
    ways: list[int]


class SeriesOfPass(msgspec.Struct, frozen=True):
    """A series that a pass looks at, a row of the table observed_series."""

    series: str
    is_new: bool
    is_newest: bool
    has_instrument: bool
    is_price: bool
    is_per_share: bool


def make_tables(connection: psycopg.Connection) -> None:
    """Make the temporary tables that `observe` fills; they go with the transaction."""
    for statement in MAKE_TABLES.split(";\n"):
        connection.execute(statement)


def observe(
    connection: psycopg.Connection,
    day: dt.date,
    series: Iterable[tuple[SeriesOfPass, Series, Metric | None, Mapping[str, Any]]],
    *,
    is_newest: bool,
) -> None:
    """Fill the temporary tables with what is known of a session.

    Parameters
    ----------
    connection
        As the pipelines connect: splits and quotes are in schema raw.
    day
        The session.
    series
        What to look at, each with its metric (None: there is nothing to see) and the days that its query takes.
    is_newest
        Whether quotes that are newer than the session count.
    """
    connection.execute(EMPTY_TABLES)
    rows = list(series)
    connection.execute(WRITE_SERIES, {"rows": _jsonb([row for row, *_ in rows])})
    for _, one, metric, days in rows:
        if metric is not None:
            sql = f"insert into observed {observation_sql(metric, one)}"
            connection.execute(sql, {**parameters_of(one, metric), **days, "is_newest": is_newest})
    if any(row.is_price for row, *_ in rows):
        connection.execute(STANDING, {"day": day, "is_newest": is_newest})
    connection.execute("analyze observed")


def read_observations(
    connection: psycopg.Connection, *, now: dt.datetime, with_unmoved: bool = False
) -> list[Observation]:
    """Return the conditions of pairs that could move (or of all of them), by rule, instrument and place."""
    sql = OBSERVATIONS.format(could_move="true" if with_unmoved else COULD_MOVE)
    connection.execute(PLAIN_PLANS)
    rows = connection.execute(sql, {"now": now}).fetchall()
    connection.execute(USUAL_PLANS)
    return [Observation._make(row) for row in rows]


def read_readings(connection: psycopg.Connection, pairs: Sequence[tuple[UUID, str]]) -> list[Reading]:
    """Return what the conditions of pairs read on the session that was observed, by rule, instrument and place."""
    alert_ids, instrument_ids = zip(*pairs, strict=True)
    parameters = {"alert_ids": list(alert_ids), "instrument_ids": list(instrument_ids)}
    return [Reading._make(row) for row in connection.execute(READINGS_OF, parameters)]


def _jsonb(value: object) -> Jsonb:
    return Jsonb(value, dumps=msgspec.json.encode)
