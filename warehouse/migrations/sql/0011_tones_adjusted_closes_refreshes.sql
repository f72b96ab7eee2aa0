-- Which text was judged, what vendors say that a close is worth today, and when a source was last asked.
alter table research.news_sentiment add column text_hash text;
comment on column research.news_sentiment.text_hash is 'Hash of the title and summary that were judged; another text is judged anew.';

alter table raw.daily_bars add column vendor_close_adj double precision;
comment on column raw.daily_bars.vendor_close_adj is 'Close that the source itself has adjusted for splits and dividends up to its answer, null where it gives none; compared with ours, never used. Unit currency per share.';
create index daily_bars_vendor_adjusted on raw.daily_bars (source, source_symbol, trade_date) where vendor_close_adj is not null;

create table app.refreshes (
    source text not null,
    entity text not null,
    asked_at timestamptz not null,
    primary key (source, entity)
);
comment on table app.refreshes is 'One row per source and entity: when it was last asked for, so that those who ask within its time to live share one answer.';
comment on column app.refreshes.source is 'Name of the source.';
comment on column app.refreshes.entity is 'Table of raw, without its schema.';
comment on column app.refreshes.asked_at is 'When the source was last asked, by the clock of the platform.';
