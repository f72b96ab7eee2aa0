-- The session of a quote is a day of its market: in Sydney it begins on the evening before, by UTC.
alter table raw.quotes add column trade_date date;
comment on column raw.quotes.trade_date is 'Day of the price in the time zone of the home calendar; null on quotes from before there was this column.';

create or replace view research.latest_quotes as
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
    q.source,
    coalesce(q.trade_date, (q.quoted_at at time zone 'UTC')::date) as trade_date
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
comment on column research.latest_quotes.trade_date is 'Day of the price in the time zone of the home calendar.';
