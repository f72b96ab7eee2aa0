-- Jobs whose legal lives the database itself keeps, requests that can be sent twice, uploads, imports, and what
-- handlers have done with events.

-- Jobs. No code has written any before this revision.
delete from app.jobs;
alter table app.jobs
    drop column idempotency_key,
    add column cost_seconds double precision not null check (cost_seconds >= 0),
    add column correlation_id text,
    add column expires_at timestamptz not null,
    add column cancel_requested_at timestamptz,
    add check (progress between 0 and 1),
    add check (attempt >= 1),
    add check ((finished_at is not null) = (state in ('succeeded', 'failed', 'cancelled', 'expired'))),
    add check (result is null or state = 'succeeded'),
    add check (error is null or state in ('failed', 'expired')),
    add check (state <> 'running' or run_id is not null);
comment on table app.jobs is 'One row per requested piece of work; a sensor turns it into a run. Only legal changes of state are possible: trigger jobs_live_legally.';
comment on column app.jobs.attempt is 'Which try this is; a run that is lost is tried again. Unit count.';
comment on column app.jobs.cost_seconds is 'What it was estimated to take of one core when it was asked for. Unit seconds.';
comment on column app.jobs.correlation_id is 'Id of the request that asked for it; its run and its events carry the same.';
comment on column app.jobs.expires_at is 'If no run has taken it up by then, it expires.';
comment on column app.jobs.cancel_requested_at is 'When somebody asked to break it off, null if nobody did.';
create index jobs_unfinished on app.jobs (requested_at) where state in ('requested', 'queued', 'running');
create index jobs_of_user on app.jobs (user_id, requested_at desc, job_id desc);
create index jobs_by_run on app.jobs (run_id) where run_id is not null;

create function app.job_may_change() returns trigger language plpgsql as $$
declare
    legal constant jsonb := '{
        "requested": ["queued", "failed", "cancelled", "expired"],
        "queued": ["running", "requested", "failed", "cancelled"],
        "running": ["succeeded", "requested", "failed", "cancelled"]
    }';
begin
    if tg_op = 'INSERT' then
        if new.state <> 'requested' or new.attempt <> 1 or new.result is not null then
            raise exception 'a job begins as requested, at its first attempt and without a result; got %, %', new.state, new.attempt
                using errcode = 'check_violation';
        end if;
        return new;
    end if;
    if new is not distinct from old then
        return new;
    end if;
    if old.finished_at is not null then
        raise exception 'job % has ended as % and does not change any more', old.job_id, old.state
            using errcode = 'check_violation';
    end if;
    if (new.job_id, new.user_id, new.kind, new.parameters, new.parameters_hash, new.cost_seconds, new.requested_at)
        is distinct from
        (old.job_id, old.user_id, old.kind, old.parameters, old.parameters_hash, old.cost_seconds, old.requested_at)
    then
        raise exception 'what job % asks for does not change', old.job_id using errcode = 'check_violation';
    end if;
    if new.state <> old.state and not (legal -> old.state) ? new.state then
        raise exception 'job % must not go from % to %', old.job_id, old.state, new.state
            using errcode = 'check_violation';
    end if;
    -- Back to requested is a new attempt, and nothing else is.
    if new.attempt <> old.attempt + (new.state = 'requested' and old.state <> 'requested')::integer then
        raise exception 'job % must not go from attempt % as % to attempt % as %', old.job_id, old.attempt, old.state, new.attempt, new.state
            using errcode = 'check_violation';
    end if;
    return new;
end
$$;
comment on function app.job_may_change is 'Refuses changes of a job that are not legal.';
create trigger jobs_live_legally before insert or update on app.jobs for each row execute function app.job_may_change();

-- The API asks for jobs and for their end; what becomes of them is the pipelines' word.
revoke update, delete on app.jobs from factorloom_api;
grant update (state, finished_at, cancel_requested_at) on app.jobs to factorloom_api;
create policy only_cancels on app.jobs as restrictive for update to factorloom_api
    using (true) with check (state in ('requested', 'queued', 'running', 'cancelled'));

create table app.job_artifacts (
    job_id uuid not null references app.jobs on delete cascade,
    name text not null,
    user_id uuid not null references app.users,
    attempt integer not null,
    uri text not null,
    media_type text not null,
    created_at timestamptz not null,
    primary key (job_id, name)
);
comment on table app.job_artifacts is 'One row per job and thing that it has made: where it lies. Written once.';
comment on column app.job_artifacts.job_id is 'The job.';
comment on column app.job_artifacts.name is 'What it is, for example backtest/balanced.';
comment on column app.job_artifacts.user_id is 'Whose job it is.';
comment on column app.job_artifacts.attempt is 'Try that made it. Unit count.';
comment on column app.job_artifacts.uri is 'Where it lies: an address of this API, a table, or a place in the store of artifacts.';
comment on column app.job_artifacts.media_type is 'Media type of what lies there.';
comment on column app.job_artifacts.created_at is 'When it was written.';
grant select on app.job_artifacts to factorloom_api;

-- Requests that may be sent twice.
create table app.idempotency_keys (
    user_id uuid not null references app.users,
    operation_id text not null,
    key text not null,
    request_hash text not null,
    status integer not null,
    location text,
    body text not null,
    created_at timestamptz not null,
    primary key (user_id, operation_id, key)
);
comment on table app.idempotency_keys is 'One row per request that came with an Idempotency-Key: what was answered; kept 7 days.';
comment on column app.idempotency_keys.user_id is 'Who asked.';
comment on column app.idempotency_keys.operation_id is 'What was asked for, as in OpenAPI.';
comment on column app.idempotency_keys.key is 'Key that the client chose.';
comment on column app.idempotency_keys.request_hash is 'Content hash of path, query and body.';
comment on column app.idempotency_keys.status is 'HTTP status of the answer. Unit none.';
comment on column app.idempotency_keys.location is 'Location header of the answer, null where it had none.';
comment on column app.idempotency_keys.body is 'Body of the answer.';
comment on column app.idempotency_keys.created_at is 'When it was answered.';
create index idempotency_keys_by_time on app.idempotency_keys (created_at);
grant select, insert on app.idempotency_keys to factorloom_api;

-- What people send in to be taken over by a job.
create table app.uploads (
    upload_id uuid primary key,
    user_id uuid not null references app.users,
    media_type text not null,
    content bytea not null,
    content_hash text not null,
    n_rows bigint not null,
    created_at timestamptz not null
);
comment on table app.uploads is 'One row per file that was sent in for a job; deleted when the job is a week old.';
comment on column app.uploads.upload_id is 'Id of the upload.';
comment on column app.uploads.user_id is 'Who sent it.';
comment on column app.uploads.media_type is 'Media type of the content.';
comment on column app.uploads.content is 'The file.';
comment on column app.uploads.content_hash is 'SHA-256 of the content, hexadecimal.';
comment on column app.uploads.n_rows is 'Rows in it. Unit rows.';
comment on column app.uploads.created_at is 'When it came.';
grant select, insert on app.uploads to factorloom_api;

create table app.portfolio_imports (
    portfolio_id uuid not null references app.portfolios on delete cascade,
    file_hash text not null,
    user_id uuid not null references app.users,
    n_holdings integer not null,
    imported_at timestamptz not null,
    primary key (portfolio_id, file_hash)
);
comment on table app.portfolio_imports is 'One row per portfolio and file that its holdings were taken from.';
comment on column app.portfolio_imports.portfolio_id is 'The portfolio.';
comment on column app.portfolio_imports.file_hash is 'SHA-256 of the file, hexadecimal.';
comment on column app.portfolio_imports.user_id is 'Whose it is.';
comment on column app.portfolio_imports.n_holdings is 'Holdings in the file. Unit count.';
comment on column app.portfolio_imports.imported_at is 'When it was last taken over.';
grant select, insert, update on app.portfolio_imports to factorloom_api;

create table app.holding_signals (
    portfolio_id uuid not null,
    instrument_id text not null,
    user_id uuid not null references app.users,
    model_id text not null,
    as_of_date date not null,
    signal text not null,
    rank integer not null,
    confidence double precision not null,
    expected_return_22d double precision,
    previous_signal text,
    refreshed_at timestamptz not null,
    primary key (portfolio_id, instrument_id),
    foreign key (portfolio_id, instrument_id) references app.holdings on delete cascade
);
comment on table app.holding_signals is 'One row per holding with a signal: the newest of the ensemble, as of the last event that refreshed it.';
comment on column app.holding_signals.portfolio_id is 'The portfolio.';
comment on column app.holding_signals.instrument_id is 'Our id of the instrument.';
comment on column app.holding_signals.user_id is 'Whose it is.';
comment on column app.holding_signals.model_id is 'Who says so: ensemble, or the ranking forecaster where there is no ensemble.';
comment on column app.holding_signals.as_of_date is 'Last day whose information the signal uses.';
comment on column app.holding_signals.signal is 'strong_buy, buy, hold, sell or strong_sell.';
comment on column app.holding_signals.rank is 'Place of the day, 1 best. Unit places.';
comment on column app.holding_signals.confidence is 'As in research.signals. Unit none, 0 to 1.';
comment on column app.holding_signals.expected_return_22d is 'As in research.signals. Unit fraction.';
comment on column app.holding_signals.previous_signal is 'What it said before its last change, null if it has not changed.';
comment on column app.holding_signals.refreshed_at is 'When it was last looked up.';
grant select on app.holding_signals to factorloom_api;

create table app.event_handlings (
    handler text not null,
    event_id bigint not null references app.events on delete cascade,
    outcome text not null,
    handled_at timestamptz not null,
    primary key (handler, event_id)
);
comment on table app.event_handlings is 'One row per handler and event that it has dealt with, written in the transaction of what it did.';
comment on column app.event_handlings.handler is 'Sensor that handles the event.';
comment on column app.event_handlings.event_id is 'The event.';
comment on column app.event_handlings.outcome is 'What came of it, in a sentence.';
comment on column app.event_handlings.handled_at is 'When.';
create index event_handlings_by_event on app.event_handlings (event_id);
create index events_by_type on app.events (type, event_id);

do $$
declare
    user_table text;
begin
    foreach user_table in array array[
        'job_artifacts', 'idempotency_keys', 'uploads', 'portfolio_imports', 'holding_signals'
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
end
$$;
