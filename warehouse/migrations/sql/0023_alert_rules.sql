-- Alert rules of version 2: what evaluation makes of them, and where the state machine of each pair stands.
alter table app.alerts add column muted_until timestamptz;
comment on column app.alerts.muted_until is 'Until when nothing of it is sent, null = it is not muted.';

-- What stands is rewritten below, whoever it belongs to.
alter table app.alert_states no force row level security;
alter table app.alert_events no force row level security;

alter table app.alert_states
    drop constraint alert_states_state_check,
    add constraint alert_states_state_check check (state in ('normal', 'pending', 'firing', 'no_data', 'ended')),
    alter column observed_at drop not null,
    add column is_open boolean not null default false,
    add column bars integer not null default 0,
    add column bar_date date,
    add column opened_at timestamptz,
    add column told_at timestamptz,
    add column inhibition text not null default '',
    add column split_factor double precision;
update app.alert_states set observed_at = null where observed_at = '1970-01-01T00:00Z';
update app.alert_states as s
set is_open = true, opened_at = coalesce(began.observed_at, s.observed_at), told_at = coalesce(began.created_at, s.observed_at)
from app.alert_states as t
left join app.alert_events as began
    on began.alert_id = t.alert_id and began.instrument_id = t.instrument_id and began.episode = t.episode
    and began.type = 'triggered'
where
    t.alert_id = s.alert_id and t.instrument_id = s.instrument_id
    and (
        t.state = 'firing'
        or (
            t.state = 'no_data' and began.alert_event_id is not null
            and not exists (
                select from app.alert_events as ended
                where
                    ended.alert_id = t.alert_id and ended.instrument_id = t.instrument_id and ended.episode = t.episode
                    and ended.type = 'resolved'
            )
        )
    );
comment on column app.alert_states.instrument_id is 'Our id of the instrument; * where the rule looks at none.';
comment on column app.alert_states.state is 'normal, pending (holds, but not for long enough or too soon), firing, no_data or ended.';
comment on column app.alert_states.observed_value is 'Value that last moved the pair, null if missing. Unit as the metric.';
comment on column app.alert_states.observed_at is 'Instant that the value belongs to; null before the first.';
comment on column app.alert_states.is_open is 'Whether its latest episode has begun and not ended.';
comment on column app.alert_states.bars is 'Sessions in a row for which the condition has held, while pending. Unit sessions.';
comment on column app.alert_states.bar_date is 'The last of them.';
comment on column app.alert_states.opened_at is 'When the latest episode began.';
comment on column app.alert_states.told_at is 'Up to which observation its owner has been told of that episode; null if never.';
comment on column app.alert_states.inhibition is 'Why the last observation does not count: split, halt, delisting or suspect; empty if it does.';
comment on column app.alert_states.split_factor is 'Split factor of the instrument at the first look: prices are held against the rule in the share terms of that day. Unit ratio.';

alter table app.alert_events
    drop constraint alert_events_type_check,
    add constraint alert_events_type_check
        check (type in ('triggered', 'repeated', 'resolved', 'corrected', 'inhibited')),
    add column observed_date date,
    add column rule_version integer,
    add column is_silent boolean not null default false;
update app.alert_events set observed_date = (observed_at at time zone 'UTC')::date;
create index alert_events_by_alert on app.alert_events (alert_id, instrument_id, episode);
create index alert_events_triggered on app.alert_events (observed_date) where type = 'triggered';
comment on column app.alert_events.type is 'triggered, repeated, resolved, corrected (what fired was a value that its source has taken back) or inhibited.';
comment on column app.alert_events.dedup_key is 'Content hash of rule, version, instrument, episode, type and, of what can happen several times in an episode, its instant.';
comment on column app.alert_events.observed_date is 'Session that the value belongs to.';
comment on column app.alert_events.rule_version is 'Version of the rule that said it, null on those from before there was this column. Unit count.';
comment on column app.alert_events.is_silent is 'True if nobody was to hear of it: the rule was muted.';

alter table app.alert_states force row level security;
alter table app.alert_events force row level security;

create table app.alert_plans (
    alert_id uuid primary key references app.alerts on delete cascade,
    rule_version integer not null,
    n_conditions smallint not null,
    ways integer[] not null,
    for_bars integer not null,
    cooldown_hours double precision not null,
    repeat_hours double precision,
    expires_at timestamptz,
    one_shot boolean not null,
    scope_kind text check (scope_kind in ('instruments', 'portfolio', 'sector', 'universe', 'top')),
    scope_argument text,
    scope_n integer
);
comment on table app.alert_plans is 'One row per rule that evaluation has read: its options and scope, in columns.';
comment on column app.alert_plans.alert_id is 'The rule.';
comment on column app.alert_plans.rule_version is 'Version that was read. Unit count.';
comment on column app.alert_plans.n_conditions is 'Conditions of the rule. Unit count.';
comment on column app.alert_plans.ways is 'In which ways it holds: numbers whose bits are the places of conditions that together are enough. Unit none.';
comment on column app.alert_plans.for_bars is 'Sessions in a row that it must hold. Unit sessions.';
comment on column app.alert_plans.cooldown_hours is 'How long after it has fired it does not fire anew. Unit hours.';
comment on column app.alert_plans.repeat_hours is 'After how long it is told again while it lasts, null = never. Unit hours.';
comment on column app.alert_plans.expires_at is 'What happens after it no longer counts; null = never.';
comment on column app.alert_plans.one_shot is 'Whether it ends for an instrument once it has fired and recovered.';
comment on column app.alert_plans.scope_kind is 'Which kind of scope; null where no instrument is looked at.';
comment on column app.alert_plans.scope_argument is 'Portfolio, sector or profile of the scope.';
comment on column app.alert_plans.scope_n is 'How many of the best. Unit instruments.';

create table app.alert_conditions (
    alert_id uuid not null references app.alert_plans on delete cascade,
    place smallint not null,
    series text not null,
    operator text not null,
    level double precision,
    recover_level double precision,
    primary key (alert_id, place)
);
comment on table app.alert_conditions is 'One row per condition of a rule that evaluation has read.';
comment on column app.alert_conditions.alert_id is 'The rule.';
comment on column app.alert_conditions.place is 'Which of its conditions, from 0. Unit none.';
comment on column app.alert_conditions.series is 'What it looks at, as warehouse/records/alert_series.py writes it.';
comment on column app.alert_conditions.operator is 'at_or_above, at_or_below, crosses_above, crosses_below, new_high or new_low.';
comment on column app.alert_conditions.level is 'Level, null for new highs and lows. Unit as the metric.';
comment on column app.alert_conditions.recover_level is 'Recovery level, null for new highs and lows. Unit as the metric.';

create table app.alert_progress (
    slice text primary key,
    reached_date date not null,
    version text
);
comment on table app.alert_progress is 'One row per table, and series of it, that rules look at: how far they have been held against it. An older session alerts nobody.';
comment on column app.alert_progress.slice is 'Metric without its column, as warehouse/records/alert_series.py writes it.';
comment on column app.alert_progress.reached_date is 'Newest session looked at.';
comment on column app.alert_progress.version is 'Version of the table then, null if unknown: another one may have corrected what fired.';

grant select, insert, update, delete on app.alert_plans, app.alert_conditions, app.alert_progress to factorloom_writer;
