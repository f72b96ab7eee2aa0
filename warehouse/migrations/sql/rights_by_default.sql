-- Rights on tables that are yet to be made. Executed by the first revision, and again by each restore: a dump holds such rights
-- for the account that made it, which may not be the one that restores it.
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
