-- Tickers change, and are given out again: a symbol may have had several owners, and events say what was called what.
create table raw.ticker_events (
    source text not null,
    source_symbol text not null,
    changed_date date not null,
    former_symbol text not null,
    ingested_at timestamptz not null default now(),
    primary key (source, source_symbol, changed_date)
);
comment on table raw.ticker_events is 'One row per source, symbol and day of change: what an instrument was called before.';
comment on column raw.ticker_events.source is 'Name of the source.';
comment on column raw.ticker_events.source_symbol is 'Symbol from the day of the change on, as the source spells it.';
comment on column raw.ticker_events.changed_date is 'First day of the new symbol.';
comment on column raw.ticker_events.former_symbol is 'Symbol until the day before, as the source spells it.';
comment on column raw.ticker_events.ingested_at is 'When we wrote or last changed the row.';

alter table raw.instruments add column stable_id text;
comment on column raw.instruments.stable_id is 'Id that outlives the symbol, in the source''s scheme, for example a FIGI; null if unknown.';
alter table raw.instruments drop constraint instruments_pkey;
alter table raw.instruments add primary key (source, source_symbol, instrument_id);
comment on table raw.instruments is 'One row per source, symbol and instrument that had it: the instrument as the source described it last.';
