-- Channels of every kind where there were webhook endpoints alone; a delivery is the way of an event to a channel, and is
-- made by the database in the transaction that writes the event.

-- What stands is rewritten below, whoever it belongs to.
alter table app.webhook_endpoints no force row level security;
alter table app.deliveries no force row level security;
alter table app.alert_events no force row level security;
alter table app.events no force row level security;

alter table app.webhook_endpoints rename to channels;
alter table app.channels rename column endpoint_id to channel_id;
alter table app.channels rename column url to address;
alter table app.channels
    alter column secret_encrypted drop not null,
    alter column secret_key_id drop not null,
    add column kind text not null default 'webhook' check (kind in ('webhook', 'email', 'slack')),
    add column event_types text[] not null default '{alert.*,incident.*,channel.*}',
    add column owners text[] not null default '{}',
    -- Endpoints that stand have been in use: they count as confirmed.
    add column verified_at timestamptz default now(),
    add column previous_secret_encrypted bytea,
    add column previous_secret_key_id text,
    add column previous_secret_until timestamptz,
    add column n_failures integer not null default 0 check (n_failures >= 0),
    add column failing_since timestamptz,
    add column paused_until timestamptz,
    add check ((kind = 'email') = (secret_encrypted is null)),
    add check ((secret_encrypted is null) = (secret_key_id is null)),
    add check (num_nulls(previous_secret_encrypted, previous_secret_key_id, previous_secret_until) in (0, 3)),
    add check ((failing_since is null) = (n_failures = 0));
alter table app.channels alter column verified_at drop default;
create index channels_of_user on app.channels (user_id);
comment on table app.channels is 'One row per way to a person or program: a webhook endpoint, a mail address, a Slack channel.';
comment on column app.channels.channel_id is 'Id of the channel.';
comment on column app.channels.kind is 'webhook, email or slack.';
comment on column app.channels.address is 'URL or mail address; of a Slack channel what may be shown of its URL, which is a secret.';
comment on column app.channels.secret_encrypted is 'Signing secret of a webhook, URL of a Slack channel, encrypted by AES-GCM, nonce first; null for mail.';
comment on column app.channels.secret_key_id is 'Which key encrypted it.';
comment on column app.channels.event_types is 'Types of events that go there; a star stands for any ending.';
comment on column app.channels.owners is 'Owners of tables whose incidents go there; empty = all.';
comment on column app.channels.verified_at is 'When it was shown that somebody wants messages there, null before; nothing else is sent before.';
comment on column app.channels.previous_secret_encrypted is 'Signing secret before the last rotation, which is still signed with for a while.';
comment on column app.channels.previous_secret_key_id is 'Which key encrypted it.';
comment on column app.channels.previous_secret_until is 'Until when it is signed with.';
comment on column app.channels.n_failures is 'Tries that failed since the last one that succeeded. Unit count.';
comment on column app.channels.failing_since is 'Instant of the first of them, null while all is well.';
comment on column app.channels.paused_until is 'Nothing is tried before this instant; null = at once.';

create view app.webhook_endpoints with (security_invoker = true) as
select
    channel_id as endpoint_id, user_id, address as url, secret_encrypted, secret_key_id, is_active, disabled_reason,
    created_at, event_types, verified_at, failing_since, paused_until
from app.channels
where kind = 'webhook';
comment on view app.webhook_endpoints is 'The webhooks among the channels, under their own names.';
comment on column app.webhook_endpoints.endpoint_id is 'Id of the endpoint, which is that of its channel.';
comment on column app.webhook_endpoints.user_id is 'Whose it is.';
comment on column app.webhook_endpoints.url is 'Address.';
comment on column app.webhook_endpoints.secret_encrypted is 'Signing secret, encrypted by AES-GCM, nonce first.';
comment on column app.webhook_endpoints.secret_key_id is 'Which key encrypted it.';
comment on column app.webhook_endpoints.is_active is 'False once it is switched off.';
comment on column app.webhook_endpoints.disabled_reason is 'Why it was switched off.';
comment on column app.webhook_endpoints.created_at is 'When it was made.';
comment on column app.webhook_endpoints.event_types is 'Types of events that go there; a star stands for any ending.';
comment on column app.webhook_endpoints.verified_at is 'When it answered its first signed message, null before.';
comment on column app.webhook_endpoints.failing_since is 'Since when every try has failed, null while all is well.';
comment on column app.webhook_endpoints.paused_until is 'Nothing is tried before this instant.';
grant select, insert, update, delete on app.webhook_endpoints to factorloom_api;

-- Deliveries carry an event of the log, whatever its type.
alter table app.deliveries rename column endpoint_id to channel_id;
alter table app.deliveries add column event_id bigint references app.events on delete cascade;
update app.deliveries as d
set
    event_id = e.event_id,
    next_attempt_at = case when d.state = 'leased' then d.lease_until else d.next_attempt_at end
from app.alert_events as a
inner join app.events as e on e.dedup_key = 'alert:' || a.dedup_key
where a.alert_event_id = d.alert_event_id;
-- The log is kept 30 days: what is left has ended long ago.
delete from app.deliveries where event_id is null;
drop index app.deliveries_due;
alter table app.deliveries
    drop column alert_event_id,
    drop column lease_until,
    alter column event_id set not null,
    add unique (event_id, channel_id),
    add check ((state = 'leased') = (lease_token is not null)),
    add check ((finished_at is null) = (state in ('pending', 'leased')));
create index deliveries_due on app.deliveries (channel_id, next_attempt_at) where state in ('pending', 'leased');
create index deliveries_of_channel on app.deliveries (channel_id, created_at desc, delivery_id);
comment on table app.deliveries is 'One row per event and channel: the outbox. At least once, always with the same id.';
comment on column app.deliveries.delivery_id is 'Id of the delivery, sent as webhook-id and in Message-ID.';
comment on column app.deliveries.event_id is 'What is announced. Unit none.';
comment on column app.deliveries.channel_id is 'Where to.';
comment on column app.deliveries.next_attempt_at is 'Not before this instant; while it is leased, the end of the lease.';
comment on column app.deliveries.last_status is 'Status of the last try, of HTTP or SMTP, null where there was no answer. Unit none.';

create table app.delivery_attempts (
    attempt_id bigint generated always as identity primary key,
    delivery_id uuid not null references app.deliveries on delete cascade,
    user_id uuid not null references app.users,
    attempt integer not null,
    tried_at timestamptz not null,
    duration_seconds double precision not null,
    status integer,
    error text
);
create index delivery_attempts_by_delivery on app.delivery_attempts (delivery_id, attempt_id);
comment on table app.delivery_attempts is 'One row per try of a delivery and how it ended; goes with its delivery.';
comment on column app.delivery_attempts.attempt_id is 'Place in the order of tries. Unit none.';
comment on column app.delivery_attempts.delivery_id is 'The delivery.';
comment on column app.delivery_attempts.user_id is 'Whose it is.';
comment on column app.delivery_attempts.attempt is 'Which try it was; a replay begins at 1 again. Unit count.';
comment on column app.delivery_attempts.tried_at is 'When it began.';
comment on column app.delivery_attempts.duration_seconds is 'How long it took. Unit seconds.';
comment on column app.delivery_attempts.status is 'Status that the receiver answered with, null where it did not. Unit none.';
comment on column app.delivery_attempts.error is 'Class of the failure, null where it was received.';
grant select on app.delivery_attempts to factorloom_api;
alter table app.delivery_attempts enable row level security;
alter table app.delivery_attempts force row level security;
create policy owner_only on app.delivery_attempts for all to factorloom_api
    using (user_id = nullif(current_setting('app.user_id', true), '')::uuid)
    with check (user_id = nullif(current_setting('app.user_id', true), '')::uuid);
create policy pipelines on app.delivery_attempts for all to factorloom_writer using (true) with check (true);

create table app.incidents (
    incident_id uuid primary key,
    subject text not null,
    owners text[] not null,
    error text not null,
    first_run_id text not null,
    last_run_id text not null,
    n_failures integer not null default 1,
    opened_at timestamptz not null,
    resolved_at timestamptz
);
create unique index incidents_open on app.incidents (subject) where resolved_at is null;
comment on table app.incidents is 'One row per spell in which a table or job fails: opened by the first failed run, closed by the next that succeeds.';
comment on column app.incidents.incident_id is 'Id of the incident.';
comment on column app.incidents.subject is 'Table or step that fails, else the job.';
comment on column app.incidents.owners is 'Owners of the table.';
comment on column app.incidents.error is 'First line of the first error.';
comment on column app.incidents.first_run_id is 'Run that opened it.';
comment on column app.incidents.last_run_id is 'Newest run that failed.';
comment on column app.incidents.n_failures is 'Runs that failed. Unit count.';
comment on column app.incidents.opened_at is 'When the first run failed.';
comment on column app.incidents.resolved_at is 'When a run succeeded again, null while it lasts.';

alter table app.channels force row level security;
alter table app.deliveries force row level security;
alter table app.alert_events force row level security;
alter table app.events force row level security;

-- Whoever writes an event of somebody's need not think of who is to hear of it.
create function app.queue_deliveries() returns trigger language plpgsql as $$
declare
    n_queued bigint;
begin
    insert into app.deliveries (delivery_id, event_id, channel_id, user_id, next_attempt_at, created_at)
    select gen_random_uuid(), e.event_id, c.channel_id, c.user_id, e.created_at, e.created_at
    from written as e
    inner join app.channels as c on c.user_id = e.user_id and c.is_active
    where
        case
            when e.type in ('channel.verification', 'channel.test') then c.channel_id::text = e.subject
            else
                c.verified_at is not null
                and exists (
                    select from unnest(c.event_types) as wanted (pattern)
                    where e.type like replace(wanted.pattern, '*', '%')
                )
                -- What is to be said of a channel goes by the others.
                and (e.type not like 'channel.%' or c.channel_id::text is distinct from e.subject)
                and (
                    e.type not like 'incident.%' or c.owners = '{}' or e.payload -> 'owners' ?| c.owners
                )
        end;
    get diagnostics n_queued = row_count;
    if n_queued > 0 then
        perform pg_notify('outbox', '');
    end if;
    return null;
end
$$;
comment on function app.queue_deliveries is 'Makes a delivery for each channel that wants the events just written, and wakes the worker.';
create trigger events_are_queued after insert on app.events referencing new table as written
    for each statement execute function app.queue_deliveries();
