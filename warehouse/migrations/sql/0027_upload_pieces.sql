-- Uploads lie in pieces, so that nobody who writes or reads one holds the whole of it in memory.

-- No code has written any before this revision.
delete from app.uploads;
alter table app.uploads
    drop column content,
    add column n_bytes bigint not null check (n_bytes > 0),
    add check (n_rows > 0);
comment on table app.uploads is 'One row per file that was sent in for a job; deleted when it is a week old.';
comment on column app.uploads.n_bytes is 'Size of the content. Unit bytes.';

create table app.upload_pieces (
    upload_id uuid not null references app.uploads on delete cascade,
    piece integer not null check (piece >= 0),
    user_id uuid not null references app.users,
    content bytea not null,
    primary key (upload_id, piece)
);
comment on table app.upload_pieces is 'One row per upload and piece of its content.';
comment on column app.upload_pieces.upload_id is 'The upload.';
comment on column app.upload_pieces.piece is 'Place among the pieces, 0 first. Unit count.';
comment on column app.upload_pieces.user_id is 'Who sent it.';
comment on column app.upload_pieces.content is 'Bytes of the content.';
grant select, insert on app.upload_pieces to factorloom_api;

alter table app.upload_pieces enable row level security;
alter table app.upload_pieces force row level security;
create policy owner_only on app.upload_pieces for all to factorloom_api
    using (user_id = nullif(current_setting('app.user_id', true), '')::uuid)
    with check (user_id = nullif(current_setting('app.user_id', true), '')::uuid);
create policy pipelines on app.upload_pieces for all to factorloom_writer using (true) with check (true);
