-- Schemas and roles. staging, marts and factors are filled by dbt alone; the API sees no raw table.
do $$
declare
    wanted text;
begin
    foreach wanted in array array['factorloom_writer', 'factorloom_api'] loop
        begin
            -- Asked first: an account that may not create roles works with those that an administrator has made.
            if to_regrole(wanted) is null then
                execute format('create role %I nologin', wanted);
            end if;
        exception when duplicate_object or unique_violation then
            null; -- roles belong to the whole server: another database of ours has made it in the meantime
        end;
        if not pg_has_role(current_user, wanted, 'member') then
            execute format('grant %I to %I', wanted, current_user);
        end if;
    end loop;
    execute format('grant create, temporary on database %I to factorloom_writer', current_database());
end
$$;

create schema raw;
create schema staging authorization factorloom_writer;
create schema marts authorization factorloom_writer;
create schema factors authorization factorloom_writer;
create schema research;
create schema app;
comment on schema raw is 'What the sources said, and what was refused.';
comment on schema staging is 'dbt: raw renamed and cast.';
comment on schema marts is 'dbt: instruments, prices and fundamentals, point in time.';
comment on schema factors is 'dbt: one row per instrument and as_of_date.';
comment on schema research is 'Indicators, forecasts, rankings and backtests.';
comment on schema app is 'Everything that the API writes, and its outbox.';

grant usage on schema raw, research, app to factorloom_writer;
grant usage on schema marts, factors, research, app to factorloom_api;
alter default privileges in schema raw grant select, insert, update, delete on tables to factorloom_writer;
alter default privileges in schema research grant select, insert, update, delete on tables to factorloom_writer;
alter default privileges in schema research grant select on tables to factorloom_api;
alter default privileges in schema app grant select, insert, update, delete on tables to factorloom_writer;
do $$
begin
    -- A large write tells the planner at once. Before PostgreSQL 17 only the owner may, and autovacuum does it a minute later.
    if current_setting('server_version_num')::integer >= 170000 then
        execute 'alter default privileges in schema raw, research, app grant maintain on tables to factorloom_writer';
    end if;
end
$$;
-- dbt drops and makes its tables anew as factorloom_writer: the API's right to read must follow each new one.
alter default privileges for role factorloom_writer in schema marts grant select on tables to factorloom_api;
alter default privileges for role factorloom_writer in schema factors grant select on tables to factorloom_api;
