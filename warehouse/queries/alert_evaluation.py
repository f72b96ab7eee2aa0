"""What an evaluation of alert rules reads, and what it writes: observations, states and announcements."""

import datetime as dt
from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

import msgspec
import psycopg
from psycopg.types.json import Jsonb

from warehouse.records.alert_rules_1 import LevelRule

# What an observation can depend on: a later look at the same marks finds the same observations. Not the time of day.
MARKS = """
select
    (select count(*) from app.alerts where is_active),
    (select max(updated_at) from app.alerts),
    (select string_agg(dataset || ' ' || version, ', ' order by dataset) from app.dataset_versions
     where dataset in ('raw.quotes', 'raw.daily_bars', 'research.rankings', 'marts.fct_daily_prices')),
    (select max(trade_date) from marts.fct_daily_prices)
"""

# Bodies are read once per rule: with each of its instruments they would cost more than all the rest.
RULES = "select alert_id, rule_version, rule from app.alerts where is_active"

# The newest price of an instrument is its newest quote, unless the bar of that quote's day or a later one has come in.
OBSERVATIONS = """
with rules as (
    select alert_id, user_id, name, rule, rule_version, rule ->> 'metric' as metric, rule ->> 'profile' as profile
    from app.alerts
    where is_active
),

pairs as (
    select rules.*, listed.instrument_id
    from rules
    cross join lateral jsonb_array_elements_text(rules.rule -> 'instruments') as listed (instrument_id)
),

prices as (
    select
        wanted.instrument_id, quote.quoted_at,
        case when quote.price is null then bar.trade_date end as trade_date,
        coalesce(quote.price, bar.close) as price
    from (select distinct instrument_id from pairs where metric = 'price') as wanted
    left join lateral (
        select p.trade_date, coalesce(p.close_raw, p.close_adj) as close
        from marts.fct_daily_prices as p
        where p.instrument_id = wanted.instrument_id and not p.is_suspect
        order by p.trade_date desc
        limit 1
    ) as bar on true
    left join lateral (
        select newest.quoted_at, newest.price
        from raw.instrument_aliases as alias
        cross join lateral (
            select q.quoted_at, q.price
            from raw.quotes as q
            where q.source = alias.source and q.source_symbol = alias.source_symbol
            order by q.quoted_at desc
            limit 1
        ) as newest
        where
            alias.instrument_id = wanted.instrument_id
            and (newest.quoted_at at time zone %(zone)s)::date
                between alias.valid_from_date and coalesce(alias.valid_to_date, 'infinity')
        order by newest.quoted_at desc
        limit 1
    ) as quote on bar.trade_date is null or (quote.quoted_at at time zone %(zone)s)::date > bar.trade_date
),

days as (
    select
        asked.profile,
        (
            select max(r.as_of_date) from research.rankings as r
            where r.profile = asked.profile and r.is_intraday = false
        ) as as_of_date
    from (select distinct profile from rules where metric = 'rank') as asked
)

select
    pairs.alert_id, pairs.user_id, pairs.name, pairs.rule_version, pairs.instrument_id,
    coalesce(instruments.ticker, pairs.instrument_id) as ticker,
    case when pairs.metric = 'price' then prices.price else rankings.rank end::float8 as value,
    prices.quoted_at,
    coalesce(prices.trade_date, days.as_of_date) as observed_date,
    states.rule_version as state_rule_version, states.state, states.episode,
    states.observed_value as state_observed_value, states.observed_at as state_observed_at
from pairs
left join prices on pairs.metric = 'price' and prices.instrument_id = pairs.instrument_id
left join days on pairs.metric = 'rank' and days.profile = pairs.profile
left join research.rankings as rankings
    on rankings.profile = days.profile and rankings.as_of_date = days.as_of_date
    and rankings.is_intraday = false and rankings.instrument_id = pairs.instrument_id
left join app.alert_states as states on states.alert_id = pairs.alert_id and states.instrument_id = pairs.instrument_id
left join marts.dim_instruments as instruments on instruments.instrument_id = pairs.instrument_id
order by pairs.alert_id, pairs.instrument_id
"""

WRITE_STATES = """
insert into app.alert_states as s
    (alert_id, instrument_id, user_id, rule_version, state, episode, observed_value, observed_at)
select alert_id, instrument_id, user_id, rule_version, state, episode, observed_value, observed_at
from jsonb_to_recordset(%(rows)s) as given (
    alert_id uuid, instrument_id text, user_id uuid, rule_version integer, state text, episode integer,
    observed_value float8, observed_at timestamptz
)
on conflict (alert_id, instrument_id) do update set
    rule_version = excluded.rule_version, state = excluded.state, episode = excluded.episode,
    observed_value = excluded.observed_value, observed_at = excluded.observed_at
where
    (s.rule_version, s.state, s.episode, s.observed_value, s.observed_at)
    is distinct from
    (excluded.rule_version, excluded.state, excluded.episode, excluded.observed_value, excluded.observed_at)
"""

# An announcement that stands already is neither logged nor sent again: the log follows what was inserted.
ANNOUNCE = """
with given as (
    select * from jsonb_to_recordset(%(rows)s) as r (
        alert_event_id uuid, alert_id uuid, user_id uuid, instrument_id text, type text, episode integer,
        dedup_key text, observed_value float8, observed_at timestamptz, message text, payload jsonb
    )
),

announced as (
    insert into app.alert_events
        (alert_event_id, alert_id, user_id, instrument_id, type, episode, dedup_key, observed_value, observed_at,
         message, created_at)
    select
        alert_event_id, alert_id, user_id, instrument_id, type, episode, dedup_key, observed_value, observed_at,
        message, %(now)s
    from given
    on conflict do nothing
    returning alert_event_id, user_id, type
),

logged as (
    insert into app.events (type, user_id, subject, payload, dedup_key, correlation_id, created_at)
    select
        'alert.' || given.type, given.user_id, given.instrument_id, given.payload, 'alert:' || given.dedup_key,
        given.alert_event_id::text, %(now)s
    from given
    inner join announced on announced.alert_event_id = given.alert_event_id
    on conflict (dedup_key) do nothing
)

select
    (select count(*) from announced where type = 'triggered') as n_triggered,
    (select count(*) from announced where type = 'resolved') as n_resolved
"""

# A trigger on the log has made them.
DELIVERIES_OF = """
select count(*)
from app.deliveries as d
inner join app.events as e on e.event_id = d.event_id
where e.dedup_key = any(%(keys)s) and d.created_at = %(now)s
"""

ANNOUNCED_OF = "select dedup_key from app.alert_events where dedup_key = any(%(keys)s)"


class Observation(NamedTuple):
    """The newest word on one rule and instrument, and where its state machine stands (None before the first look).

    `value` is None where there is no data; `quoted_at` is set for a quote, `observed_date` for a session's close.
    """

    alert_id: UUID
    user_id: UUID
    name: str
    rule_version: int
    instrument_id: str
    ticker: str
    value: float | None
    quoted_at: dt.datetime | None
    observed_date: dt.date | None
    state_rule_version: int | None
    state: str | None
    episode: int | None
    state_observed_value: float | None
    state_observed_at: dt.datetime | None
    rule: LevelRule


class Observed(NamedTuple):
    """Observations, and the ids of active rules whose body this code cannot read: other rules go on without them."""

    pairs: list[Observation]
    unreadable: list[UUID]


class AlertState(msgspec.Struct, frozen=True):
    """Where the state machine of one rule and instrument stands, a row of app.alert_states."""

    alert_id: UUID
    instrument_id: str
    user_id: UUID
    rule_version: int
    state: str
    episode: int
    observed_value: float | None
    observed_at: dt.datetime


class Announcement(msgspec.Struct, frozen=True):
    """What a rule has to say, a row of app.alert_events; `payload` is what receivers get."""

    alert_event_id: UUID
    alert_id: UUID
    user_id: UUID
    instrument_id: str
    type: str
    episode: int
    dedup_key: str
    observed_value: float | None
    observed_at: dt.datetime
    message: str
    payload: dict[str, object]


class Announced(NamedTuple):
    """How many announcements were new, by type, and how many deliveries they made."""

    n_triggered: int
    n_resolved: int
    n_deliveries: int


def tables_are_built(connection: psycopg.Connection) -> bool:
    """Whether the tables that rules look at have been made; a fresh installation has none before its first run."""
    row = connection.execute(
        "select to_regclass('marts.fct_daily_prices') is not null and to_regclass('marts.dim_instruments') is not null"
    ).fetchone()
    return row is not None and bool(row[0])


def read_marks(connection: psycopg.Connection) -> str:
    """Return a text that changes when an evaluation could find something new; costs a few index look-ups."""
    row = connection.execute(MARKS).fetchone() or ()
    return "|".join(map(str, row))


def lock_evaluation(connection: psycopg.Connection, *, timeout_seconds: float) -> None:
    """Wait until nobody else evaluates, and bound what this transaction may take; both end with the transaction."""
    connection.execute("select set_config('statement_timeout', %s, true)", [f"{int(timeout_seconds * 1000)}ms"])
    connection.execute("select pg_advisory_xact_lock(hashtext('app.alert_states'))")


def read_observations(connection: psycopg.Connection, *, zone: str) -> Observed:
    """Return the newest word on each pair of an active rule and an instrument, by rule and instrument.

    Parameters
    ----------
    connection
        As the pipelines connect: quotes are in schema raw.
    zone
        Time zone of the exchange, in which the day of a quote is told.
    """
    rules = {(alert_id, version): _decoded(body) for alert_id, version, body in connection.execute(RULES)}
    rows = connection.execute(OBSERVATIONS, {"zone": zone}).fetchall()
    # A rule that was changed between the two statements has no body of its new version here: the next look takes it.
    pairs = [Observation._make((*row, rule)) for row in rows if (rule := rules.get((row[0], row[3]))) is not None]
    return Observed(pairs, [alert_id for (alert_id, _), rule in rules.items() if rule is None])


def read_announced(connection: psycopg.Connection, dedup_keys: Sequence[str]) -> set[str]:
    """Return those of the keys under which something has been announced."""
    if not dedup_keys:
        return set()
    return {key for (key,) in connection.execute(ANNOUNCED_OF, {"keys": list(dedup_keys)})}


def write_states(connection: psycopg.Connection, states: Sequence[AlertState]) -> int:
    """Write the states that differ from those that stand; returns how many did."""
    return connection.execute(WRITE_STATES, {"rows": _jsonb(states)}).rowcount


def announce(connection: psycopg.Connection, announcements: Sequence[Announcement], *, now: dt.datetime) -> Announced:
    """Write announcements and their events, which makes deliveries to channels; what stands is left alone."""
    if not announcements:
        return Announced(0, 0, 0)
    n_triggered, n_resolved = connection.execute(ANNOUNCE, {"rows": _jsonb(announcements), "now": now}).fetchone() or (
        0,
        0,
    )
    keys = [f"alert:{announcement.dedup_key}" for announcement in announcements]
    [n_deliveries] = connection.execute(DELIVERIES_OF, {"keys": keys, "now": now}).fetchone() or (0,)
    return Announced(n_triggered, n_resolved, n_deliveries)


def _decoded(body: object) -> LevelRule | None:
    try:
        return msgspec.convert(body, LevelRule)
    except msgspec.ValidationError:
        return None


def _jsonb(value: object) -> Jsonb:
    return Jsonb(value, dumps=msgspec.json.encode)
