-- Schemas and roles. staging, marts and factors are filled by dbt alone; the API sees no raw table.
do $$
declare
    wanted text;
begin
    foreach wanted in array array['factorloom_writer', 'factorloom_api'] loop
        begin
            execute format('create role %I nologin', wanted);
        exception when duplicate_object or unique_violation then
            null; -- roles belong to the whole server: another database of ours has made it
        end;
    end loop;
    execute format('grant factorloom_writer, factorloom_api to %I', current_user);
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
-- dbt drops and makes its tables anew as factorloom_writer: the API's right to read must follow each new one.
alter default privileges for role factorloom_writer in schema marts grant select on tables to factorloom_api;
alter default privileges for role factorloom_writer in schema factors grant select on tables to factorloom_api;
