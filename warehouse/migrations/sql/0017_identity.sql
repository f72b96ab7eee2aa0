-- Who may look: people's rows under row-level security, and an audit log whose rows are chained by hashes.
-- Before the API knows who asks, it looks for a person or a key with app.identity = 'on'; nothing else sets it.
alter table app.users enable row level security;
alter table app.users force row level security;
create policy owner_only on app.users for all to factorloom_api
    using (user_id = nullif(current_setting('app.user_id', true), '')::uuid)
    with check (user_id = nullif(current_setting('app.user_id', true), '')::uuid);
create policy pipelines on app.users for all to factorloom_writer using (true) with check (true);
create policy identity on app.users for all to factorloom_api
    using (current_setting('app.identity', true) = 'on')
    with check (current_setting('app.identity', true) = 'on');
create policy identity on app.api_keys for select to factorloom_api
    using (current_setting('app.identity', true) = 'on');
create index api_keys_by_user on app.api_keys (user_id);

alter table app.audit
    add column actor_kind text not null default 'process' check (actor_kind in ('user', 'api_key', 'anonymous', 'process')),
    add column client_address text,
    add column user_agent text,
    add column digest text not null default '';
comment on column app.audit.actor_kind is 'user, api_key, anonymous or process.';
comment on column app.audit.client_address is 'Address that the request came from, null for processes.';
comment on column app.audit.user_agent is 'What the client called itself, shortened.';
comment on column app.audit.digest is 'SHA-256 over the digest of the row before and this row, hexadecimal.';

revoke update, delete, truncate on app.audit from factorloom_writer, factorloom_api;

create function app.audit_digest(previous text, entry app.audit) returns text
language sql stable set search_path = pg_catalog
as $$
    select encode(sha256(convert_to(jsonb_build_array(
        previous, entry.audit_id, extract(epoch from entry.at), entry.actor, entry.actor_kind, entry.action, entry.target,
        entry.detail, entry.request_id, entry.client_address, entry.user_agent
    )::text, 'UTF8')), 'hex')
$$;
comment on function app.audit_digest is 'Digest of a row of the audit log behind the row with another digest.';

-- One writer at a time from here to its commit, so that the order of the ids is the order of the chain.
create function app.chain_audit() returns trigger
language plpgsql security definer set search_path = pg_catalog
as $$
begin
    perform pg_advisory_xact_lock(hashtext('app.audit'));
    new.audit_id := nextval(pg_get_serial_sequence('app.audit', 'audit_id'));
    new.digest := app.audit_digest(
        coalesce((select digest from app.audit order by audit_id desc limit 1), ''), new
    );
    return new;
end
$$;
comment on function app.chain_audit is 'Gives a new row of the audit log its place and its digest.';
create trigger chained before insert on app.audit for each row execute function app.chain_audit();

create function app.refuse_change() returns trigger
language plpgsql set search_path = pg_catalog
as $$
begin
    raise exception 'app.audit: rows must stay as they were written; got %. Write another row.', lower(tg_op);
end
$$;
comment on function app.refuse_change is 'Stands before a table that is append only, whoever asks.';
create trigger append_only before update or delete or truncate on app.audit
    for each statement execute function app.refuse_change();
