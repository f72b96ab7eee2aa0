-- What the API may read of refreshes, where a published answer goes on, and a wake-up for those who wait for events.
grant select on app.refreshes to factorloom_api;

alter table app.published_documents add column next_cursor text;
comment on column app.published_documents.next_cursor is 'Cursor of the next page as the body has it, null on the last: it is sent as a header too.';
comment on column app.published_documents.key is 'Which answer: path and filters, for example /v1/rankings?profile=aggressive.';
comment on column app.published_documents.version is 'Content hash of the dataset versions that it was made from, the code that made it, and the key of its cursor.';
comment on column app.published_documents.etag is 'Content hash of the body.';

-- The log itself is the truth; this only says that there is something to read. One per statement, without a payload.
create function app.announce_events() returns trigger language plpgsql as $$
begin
    notify factorloom_events;
    return null;
end
$$;
comment on function app.announce_events() is 'Wakes those who follow app.events.';
create trigger announce_events after insert on app.events for each statement execute function app.announce_events();

comment on column app.event_handlings.event_id is 'The event: its place in the log. Unit none.';
