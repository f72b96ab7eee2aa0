-- Schemas and roles. staging, marts and factors are filled by dbt alone; the API sees no raw table.
do $$
declare
    wanted text;
    may_act constant text := case
        when current_setting('server_version_num')::integer < 160000 then 'member' else 'set'
    end;
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
        -- Since PostgreSQL 16 who has made a role is a member of it, but may not act as it before it is granted.
        if not pg_has_role(current_user, wanted, may_act) then
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
