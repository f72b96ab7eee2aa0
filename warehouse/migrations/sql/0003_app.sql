-- app: what people and programs ask for, and what goes out. The only schema that the API writes.
create table app.users (
    user_id uuid primary key,
    email text unique,
    display_name text not null,
    role text not null check (role in ('user', 'admin')),
    password_hash text,
    is_active boolean not null default true,
    created_at timestamptz not null default now()
);
comment on table app.users is 'One row per person. A fresh installation has one: the local owner.';
comment on column app.users.user_id is 'Id of the user.';
comment on column app.users.email is 'Address, null for the local owner.';
comment on column app.users.display_name is 'Name to show.';
comment on column app.users.role is 'user or admin.';
comment on column app.users.password_hash is 'argon2id hash, null where another issuer vouches for the user.';
comment on column app.users.is_active is 'False once the account is closed.';
comment on column app.users.created_at is 'When the account was made.';

create table app.api_keys (
    api_key_id text primary key,
    user_id uuid not null references app.users,
    key_hash text not null,
    scopes text[] not null,
    label text not null,
    created_at timestamptz not null default now(),
    expires_at timestamptz,
    last_used_at timestamptz,
    revoked_at timestamptz
);
comment on table app.api_keys is 'One row per key for scripts; the secret itself is never stored.';
comment on column app.api_keys.api_key_id is 'Public part of the key.';
comment on column app.api_keys.user_id is 'Whose key it is.';
comment on column app.api_keys.key_hash is 'SHA-256 of the secret part, hexadecimal.';
comment on column app.api_keys.scopes is 'What the key may do.';
comment on column app.api_keys.label is 'What its owner calls it.';
comment on column app.api_keys.created_at is 'When it was made.';
comment on column app.api_keys.expires_at is 'When it ends, null = never.';
comment on column app.api_keys.last_used_at is 'When it was last used.';
comment on column app.api_keys.revoked_at is 'When it was revoked, null while it is good.';

create table app.jobs (
    job_id uuid primary key,
    user_id uuid not null references app.users,
    kind text not null,
    parameters jsonb not null,
    parameters_hash text not null,
    idempotency_key text,
    state text not null default 'requested'
        check (state in ('requested', 'queued', 'running', 'succeeded', 'failed', 'cancelled', 'expired')),
    attempt integer not null default 1,
    run_id text,
    progress double precision,
    result jsonb,
    error text,
    requested_at timestamptz not null default now(),
    started_at timestamptz,
    heartbeat_at timestamptz,
    finished_at timestamptz,
    unique (user_id, idempotency_key)
);
create index jobs_by_state on app.jobs (state, requested_at);
comment on table app.jobs is 'One row per requested piece of work; a sensor turns it into a run.';
comment on column app.jobs.job_id is 'Id of the job.';
comment on column app.jobs.user_id is 'Who asked.';
comment on column app.jobs.kind is 'Kind of work, for example backtest.';
comment on column app.jobs.parameters is 'Parameters, validated by the schema of the kind.';
comment on column app.jobs.parameters_hash is 'Content hash of the parameters.';
comment on column app.jobs.idempotency_key is 'Key that the client sent, null where it sent none.';
comment on column app.jobs.state is 'requested, queued, running, then succeeded, failed, cancelled or expired.';
comment on column app.jobs.attempt is 'Which try this is. Unit count.';
comment on column app.jobs.run_id is 'Run that does the work.';
comment on column app.jobs.progress is 'How far it is. Unit fraction.';
comment on column app.jobs.result is 'Small result, or the address of a large one.';
comment on column app.jobs.error is 'Why it failed, in a sentence.';
comment on column app.jobs.requested_at is 'When it was asked for.';
comment on column app.jobs.started_at is 'When the run began.';
comment on column app.jobs.heartbeat_at is 'When the run last said that it lives.';
comment on column app.jobs.finished_at is 'When it ended.';

create table app.events (
    event_id bigint generated always as identity primary key,
    type text not null,
    user_id uuid references app.users,
    subject text,
    payload jsonb not null,
    dedup_key text unique,
    correlation_id text,
    created_at timestamptz not null default now()
);
create index events_by_time on app.events (created_at);
comment on table app.events is 'The one log of what happened; kept 30 days.';
comment on column app.events.event_id is 'Place in the log. Unit none.';
comment on column app.events.type is 'Type, for example alert.triggered.';
comment on column app.events.user_id is 'Whom it concerns, null = everybody.';
comment on column app.events.subject is 'What it is about.';
comment on column app.events.payload is 'The facts.';
comment on column app.events.dedup_key is 'An event with the same key is written once.';
comment on column app.events.correlation_id is 'Ties a request, its run and its events together.';
comment on column app.events.created_at is 'When it happened.';

create table app.portfolios (
    portfolio_id uuid primary key,
    user_id uuid not null references app.users,
    name text not null,
    currency_code text not null,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    unique (user_id, name)
);
comment on table app.portfolios is 'One row per portfolio of a user.';
comment on column app.portfolios.portfolio_id is 'Id of the portfolio.';
comment on column app.portfolios.user_id is 'Whose it is.';
comment on column app.portfolios.name is 'What its owner calls it.';
comment on column app.portfolios.currency_code is 'Currency of its totals, ISO 4217.';
comment on column app.portfolios.created_at is 'When it was made.';
comment on column app.portfolios.updated_at is 'When it last changed.';

create table app.holdings (
    portfolio_id uuid not null references app.portfolios on delete cascade,
    instrument_id text not null,
    user_id uuid not null references app.users,
    quantity_shares numeric not null,
    cost_price numeric,
    updated_at timestamptz not null default now(),
    primary key (portfolio_id, instrument_id)
);
comment on table app.holdings is 'One row per portfolio and instrument held.';
comment on column app.holdings.portfolio_id is 'The portfolio.';
comment on column app.holdings.instrument_id is 'Our id of the instrument.';
comment on column app.holdings.user_id is 'Whose it is.';
comment on column app.holdings.quantity_shares is 'Shares held, negative when short. Unit shares.';
comment on column app.holdings.cost_price is 'Average price paid, null if unknown. Unit currency per share.';
comment on column app.holdings.updated_at is 'When it last changed.';

create table app.webhook_endpoints (
    endpoint_id uuid primary key,
    user_id uuid not null references app.users,
    url text not null,
    secret_encrypted bytea not null,
    secret_key_id text not null,
    is_active boolean not null default true,
    disabled_reason text,
    created_at timestamptz not null default now()
);
comment on table app.webhook_endpoints is 'One row per address that signed messages go to.';
comment on column app.webhook_endpoints.endpoint_id is 'Id of the endpoint.';
comment on column app.webhook_endpoints.user_id is 'Whose it is.';
comment on column app.webhook_endpoints.url is 'Address.';
comment on column app.webhook_endpoints.secret_encrypted is 'Signing secret, encrypted by AES-GCM, nonce first.';
comment on column app.webhook_endpoints.secret_key_id is 'Which key encrypted it.';
comment on column app.webhook_endpoints.is_active is 'False once it is switched off.';
comment on column app.webhook_endpoints.disabled_reason is 'Why it was switched off.';
comment on column app.webhook_endpoints.created_at is 'When it was made.';

create table app.alerts (
    alert_id uuid primary key,
    user_id uuid not null references app.users,
    name text not null,
    rule jsonb not null,
    rule_version integer not null default 1,
    is_active boolean not null default true,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    unique (user_id, name)
);
comment on table app.alerts is 'One row per rule that somebody waits for.';
comment on column app.alerts.alert_id is 'Id of the rule.';
comment on column app.alerts.user_id is 'Whose it is.';
comment on column app.alerts.name is 'What its owner calls it.';
comment on column app.alerts.rule is 'The rule, by the schema in warehouse/records.';
comment on column app.alerts.rule_version is 'Grows with every change of the rule. Unit count.';
comment on column app.alerts.is_active is 'False while it is switched off.';
comment on column app.alerts.created_at is 'When it was made.';
comment on column app.alerts.updated_at is 'When it last changed.';

create table app.alert_states (
    alert_id uuid not null references app.alerts on delete cascade,
    instrument_id text not null,
    user_id uuid not null references app.users,
    rule_version integer not null,
    state text not null check (state in ('normal', 'firing', 'no_data')),
    episode integer not null,
    observed_value double precision,
    observed_at timestamptz not null,
    primary key (alert_id, instrument_id)
);
comment on table app.alert_states is 'One row per rule and instrument: where its state machine stands.';
comment on column app.alert_states.alert_id is 'The rule.';
comment on column app.alert_states.instrument_id is 'Our id of the instrument.';
comment on column app.alert_states.user_id is 'Whose it is.';
comment on column app.alert_states.rule_version is 'Version of the rule that the state belongs to. Unit count.';
comment on column app.alert_states.state is 'normal, firing or no_data.';
comment on column app.alert_states.episode is 'How many times it has fired. Unit count.';
comment on column app.alert_states.observed_value is 'Value last looked at, null if missing. Unit as the metric.';
comment on column app.alert_states.observed_at is 'Instant that the value belongs to.';

create table app.alert_events (
    alert_event_id uuid primary key,
    alert_id uuid not null references app.alerts on delete cascade,
    user_id uuid not null references app.users,
    instrument_id text not null,
    type text not null check (type in ('triggered', 'resolved')),
    episode integer not null,
    dedup_key text not null unique,
    observed_value double precision,
    observed_at timestamptz not null,
    message text not null,
    created_at timestamptz not null default now()
);
comment on table app.alert_events is 'One row per announcement of a rule; the same episode is never announced twice.';
comment on column app.alert_events.alert_event_id is 'Id of the announcement.';
comment on column app.alert_events.alert_id is 'The rule.';
comment on column app.alert_events.user_id is 'Whose it is.';
comment on column app.alert_events.instrument_id is 'Our id of the instrument.';
comment on column app.alert_events.type is 'triggered or resolved.';
comment on column app.alert_events.episode is 'Which episode of the rule and instrument. Unit count.';
comment on column app.alert_events.dedup_key is 'Content hash of rule, version, instrument, episode and type.';
comment on column app.alert_events.observed_value is 'Value that did it. Unit as the metric.';
comment on column app.alert_events.observed_at is 'Instant that the value belongs to.';
comment on column app.alert_events.message is 'The announcement in a sentence.';
comment on column app.alert_events.created_at is 'When it was written.';

create table app.deliveries (
    delivery_id uuid primary key,
    alert_event_id uuid not null references app.alert_events on delete cascade,
    endpoint_id uuid not null references app.webhook_endpoints on delete cascade,
    user_id uuid not null references app.users,
    state text not null default 'pending' check (state in ('pending', 'leased', 'done', 'dead', 'cancelled')),
    attempts integer not null default 0,
    next_attempt_at timestamptz not null default now(),
    lease_token uuid,
    lease_until timestamptz,
    last_status integer,
    last_error text,
    created_at timestamptz not null default now(),
    finished_at timestamptz,
    unique (alert_event_id, endpoint_id)
);
create index deliveries_due on app.deliveries (next_attempt_at) where state in ('pending', 'leased');
comment on table app.deliveries is 'One row per announcement and endpoint: the outbox. At least once, always with the same id.';
comment on column app.deliveries.delivery_id is 'Id of the delivery, sent as webhook-id.';
comment on column app.deliveries.alert_event_id is 'What is announced.';
comment on column app.deliveries.endpoint_id is 'Where to.';
comment on column app.deliveries.user_id is 'Whose it is.';
comment on column app.deliveries.state is 'pending, leased, then done, dead or cancelled.';
comment on column app.deliveries.attempts is 'Tries so far. Unit count.';
comment on column app.deliveries.next_attempt_at is 'Not before this instant.';
comment on column app.deliveries.lease_token is 'Who has claimed it; a finish with another token does not count.';
comment on column app.deliveries.lease_until is 'When the claim ends by itself.';
comment on column app.deliveries.last_status is 'HTTP status of the last try, null where there was no answer. Unit none.';
comment on column app.deliveries.last_error is 'Class of the last failure.';
comment on column app.deliveries.created_at is 'When it was written.';
comment on column app.deliveries.finished_at is 'When it was done or given up.';

create table app.audit (
    audit_id bigint generated always as identity primary key,
    at timestamptz not null default now(),
    actor text not null,
    action text not null,
    target text not null,
    detail jsonb not null default '{}',
    request_id text
);
comment on table app.audit is 'One row per write that somebody asked for; append only.';
comment on column app.audit.audit_id is 'Place in the log. Unit none.';
comment on column app.audit.at is 'When.';
comment on column app.audit.actor is 'Who: id of the user, or the name of a process.';
comment on column app.audit.action is 'What was done.';
comment on column app.audit.target is 'To what.';
comment on column app.audit.detail is 'Facts, never secrets.';
comment on column app.audit.request_id is 'Request that asked for it.';

create table app.dataset_versions (
    dataset text primary key,
    version text not null,
    content_digest numeric,
    as_of_date date,
    n_rows bigint,
    changed_at timestamptz not null default now()
);
comment on table app.dataset_versions is 'One row per table that is served or computed from: which version of its content stands. A write that changes nothing leaves it alone.';
comment on column app.dataset_versions.dataset is 'Table, schema and name.';
comment on column app.dataset_versions.version is 'Content hash: of the rows for raw tables, of the inputs'' versions and the code for derived ones.';
comment on column app.dataset_versions.content_digest is 'Sum of the row hashes, kept up to date with each write; null for derived tables. Unit none.';
comment on column app.dataset_versions.as_of_date is 'Newest day that the table knows.';
comment on column app.dataset_versions.n_rows is 'Rows, null where nobody counted. Unit rows.';
comment on column app.dataset_versions.changed_at is 'When the content last changed.';

create table app.published_documents (
    key text not null,
    version text not null,
    etag text not null,
    media_type text not null,
    body bytea not null,
    body_brotli bytea,
    published_at timestamptz not null default now(),
    primary key (key, version)
);
comment on table app.published_documents is 'One row per hot answer and version: a body ready to be sent.';
comment on column app.published_documents.key is 'Which answer, for example rankings/balanced.';
comment on column app.published_documents.version is 'Dataset version that it was made from.';
comment on column app.published_documents.etag is 'Entity tag to send with it.';
comment on column app.published_documents.media_type is 'Media type of the body.';
comment on column app.published_documents.body is 'The body.';
comment on column app.published_documents.body_brotli is 'The same body compressed by brotli.';
comment on column app.published_documents.published_at is 'When it was written.';

insert into app.users (user_id, display_name, role)
values ('00000000-0000-7000-8000-000000000001', 'Local owner', 'admin');

-- The API may append to the audit log and read its own events, nothing more.
grant select, insert, update, delete on
    app.users, app.api_keys, app.jobs, app.portfolios, app.holdings, app.webhook_endpoints, app.alerts,
    app.alert_states, app.alert_events, app.deliveries
to factorloom_api;
grant select, insert on app.events to factorloom_api;
grant insert on app.audit to factorloom_api;
grant select on app.dataset_versions, app.published_documents to factorloom_api;

do $$
declare
    user_table text;
begin
    foreach user_table in array array[
        'api_keys', 'jobs', 'portfolios', 'holdings', 'webhook_endpoints', 'alerts', 'alert_states', 'alert_events',
        'deliveries'
    ] loop
        execute format('alter table app.%I enable row level security', user_table);
        execute format('alter table app.%I force row level security', user_table);
        execute format(
            'create policy owner_only on app.%I for all to factorloom_api'
            ' using (user_id = nullif(current_setting(''app.user_id'', true), '''')::uuid)'
            ' with check (user_id = nullif(current_setting(''app.user_id'', true), '''')::uuid)', user_table);
        execute format(
            'create policy pipelines on app.%I for all to factorloom_writer using (true) with check (true)',
            user_table);
    end loop;
    alter table app.events enable row level security;
    alter table app.events force row level security;
    create policy owner_or_everybody on app.events for all to factorloom_api
        using (user_id is null or user_id = nullif(current_setting('app.user_id', true), '')::uuid)
        with check (user_id = nullif(current_setting('app.user_id', true), '')::uuid);
    create policy pipelines on app.events for all to factorloom_writer using (true) with check (true);
end
$$;
