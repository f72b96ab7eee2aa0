create or replace view research.latest_quotes as
select distinct on (i.instrument_id)
    i.instrument_id, q.quoted_at, q.price, q.open, q.high, q.low, q.previous_close, q.volume as volume_shares,
    q.currency_code, q.price / nullif(q.previous_close, 0) - 1 as change, q.source
from raw.instruments as i
cross join lateral (
    select * from raw.quotes as r
    where r.source = i.source and r.source_symbol = i.source_symbol
    order by r.quoted_at desc
    limit 1
) as q
order by i.instrument_id, q.quoted_at desc;
grant select on research.latest_quotes to factorloom_api;
grant select on public.alembic_version to factorloom_api;
