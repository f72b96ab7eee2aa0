-- How far each symbol has come at a vendor that is asked for symbols one by one: a budget may not reach for all of them.
create table app.vendor_progress (
    source text not null,
    entity text not null,
    source_symbol text not null,
    reached_date date not null,
    asked_at timestamptz,
    primary key (source, entity, source_symbol)
);
comment on table app.vendor_progress is 'One row per source, entity and symbol that was asked for by itself: where the next run goes on.';
comment on column app.vendor_progress.source is 'Name of the source.';
comment on column app.vendor_progress.entity is 'Table of raw, without its schema.';
comment on column app.vendor_progress.source_symbol is 'Symbol as the source spells it; * is the whole market, where that comes in one answer.';
comment on column app.vendor_progress.reached_date is 'Last day that was had; the day before the first that is wanted, where none was had yet.';
comment on column app.vendor_progress.asked_at is 'When the symbol was asked for last, null if it never was: those that have waited longest come first.';
