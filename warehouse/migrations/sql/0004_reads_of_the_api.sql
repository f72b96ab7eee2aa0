-- What the API reads besides tables of dbt and research: the newest quote of each instrument, and the schema's revision.
-- A view reads as its owner does, so the API sees quotes without a right on raw.
create view research.latest_quotes as
select distinct on (a.instrument_id)
    a.instrument_id,
    q.quoted_at,
    q.price,
    q.open,
    q.high,
    q.low,
    q.previous_close,
    q.volume as volume_shares,
    q.currency_code,
    q.price / nullif(q.previous_close, 0) - 1 as change,
    q.source
from raw.instrument_aliases as a
-- One descent of the key per symbol, however many quotes are kept.
cross join lateral (
    select r.*
    from raw.quotes as r
    where r.source = a.source and r.source_symbol = a.source_symbol
    order by r.quoted_at desc
    limit 1
) as q
where a.valid_to_date is null
order by a.instrument_id, q.quoted_at desc, q.source;
comment on view research.latest_quotes is 'One row per instrument: its newest quote, whichever source said it.';
comment on column research.latest_quotes.instrument_id is 'Our id of the instrument.';
comment on column research.latest_quotes.quoted_at is 'Instant of the price.';
comment on column research.latest_quotes.price is 'Last traded price, as traded. Unit currency per share.';
comment on column research.latest_quotes.open is 'First price of the session so far. Unit currency per share.';
comment on column research.latest_quotes.high is 'Highest price of the session so far. Unit currency per share.';
comment on column research.latest_quotes.low is 'Lowest price of the session so far. Unit currency per share.';
comment on column research.latest_quotes.previous_close is 'Close of the session before, as traded. Unit currency per share.';
comment on column research.latest_quotes.volume_shares is 'Volume of the session so far. Unit shares.';
comment on column research.latest_quotes.currency_code is 'Currency of the prices, ISO 4217.';
comment on column research.latest_quotes.change is 'Price over previous_close - 1. Unit fraction.';
comment on column research.latest_quotes.source is 'Name of the source that gave the quote.';
grant select on research.latest_quotes to factorloom_api, factorloom_writer;

-- Whether the schema is the code's is part of being ready.
grant select on public.alembic_version to factorloom_api, factorloom_writer;
