"""Where two sources say different things of the same fact, and where a source's adjusted prices differ from ours.

Each answers with at most ten rows, the worst first, and n_apart, how many there are. Parameter $1: tolerance, fraction.
"""

# The same instrument in two sources that tell of the table at all, and from when to when.
_TWINS = """
with telling as materialized (
    select source
    from (select distinct source from raw.instrument_aliases) as known
    where exists (select from {table} as f where f.source = known.source)
),

twins as (
    select
        one.instrument_id,
        one.ticker,
        one.source as source,
        one.source_symbol as source_symbol,
        other.source as other_source,
        other.source_symbol as other_symbol,
        greatest(one.valid_from_date, other.valid_from_date) as from_date,
        least(one.valid_to_date, other.valid_to_date) as to_date
    from raw.instrument_aliases as one
    inner join raw.instrument_aliases as other on one.instrument_id = other.instrument_id and one.source < other.source
    where one.source in (select source from telling) and other.source in (select source from telling)
)
"""

CLOSES_APART = (
    _TWINS.format(table="raw.daily_bars")
    + """
select
    t.ticker, b.trade_date::text as trade_date, b.source, b.close, t.other_source, o.close as other_close,
    o.close / b.close - 1 as difference, count(*) over () as n_apart
from twins as t
inner join raw.daily_bars as b on b.source = t.source and b.source_symbol = t.source_symbol
inner join raw.daily_bars as o
    on o.source = t.other_source and o.source_symbol = t.other_symbol and o.trade_date = b.trade_date
where
    b.adjustment = o.adjustment and b.currency_code = o.currency_code
    and b.trade_date >= t.from_date and (t.to_date is null or b.trade_date <= t.to_date)
    and abs(o.close / b.close - 1) > $1
order by abs(o.close / b.close - 1) desc, t.ticker, b.trade_date
limit 10
"""
)

# Of several revisions the latest of each source.
STATEMENTS_APART = (
    _TWINS.format(table="raw.fundamentals")
    + """
, newest as (
    select distinct on (f.source, f.source_symbol, f.statement, f.period_end_date, figure.name)
        f.source, f.source_symbol, f.statement, f.period_end_date, f.currency_code, figure.name, figure.amount
    from raw.fundamentals as f
    cross join lateral (
        values ('revenue', f.revenue), ('net_income', f.net_income), ('total_assets', f.total_assets)
    ) as figure (name, amount)
    where (select count(*) from telling) > 1
    order by f.source, f.source_symbol, f.statement, f.period_end_date, figure.name, f.published_at desc
)

select
    t.ticker, n.statement, n.period_end_date::text as period_end_date, n.name as figure, n.source, n.amount,
    t.other_source, o.amount as other_amount, o.amount / n.amount - 1 as difference, count(*) over () as n_apart
from twins as t
inner join newest as n on n.source = t.source and n.source_symbol = t.source_symbol
inner join newest as o
    on o.source = t.other_source and o.source_symbol = t.other_symbol and o.statement = n.statement
    and o.period_end_date = n.period_end_date and o.name = n.name and o.currency_code = n.currency_code
where n.amount <> 0 and abs(o.amount / n.amount - 1) > $1
order by abs(o.amount / n.amount - 1) desc, t.ticker, n.period_end_date, n.name
limit 10
"""
)

# A pair may be quoted either way round.
RATES_APART = """
with pairs as (
    select source, base_currency_code as base, quote_currency_code as quote, rate_date, rate from raw.fx_rates
    union all
    select source, quote_currency_code, base_currency_code, rate_date, 1 / rate from raw.fx_rates
)

select
    one.base, one.quote, one.rate_date::text as rate_date, one.source, one.rate, other.source as other_source,
    other.rate as other_rate, other.rate / one.rate - 1 as difference, count(*) over () as n_apart
from pairs as one
inner join pairs as other
    on one.base = other.base and one.quote = other.quote and one.rate_date = other.rate_date
where one.source < other.source and one.base < one.quote and abs(other.rate / one.rate - 1) > $1
order by abs(other.rate / one.rate - 1) desc, one.base, one.quote, one.rate_date
limit 10
"""

# From bar to bar, since each adjusts to another day; and of one answer only, since the next one adjusts to a later day.
ADJUSTED_CLOSES_APART = """
with given as (
    select
        source, source_symbol, trade_date, vendor_close_adj, ingested_at,
        lag(vendor_close_adj) over by_symbol as vendor_close_before,
        lag(trade_date) over by_symbol as date_before,
        lag(ingested_at) over by_symbol as ingested_before
    from raw.daily_bars
    where vendor_close_adj > 0
    window by_symbol as (partition by source, source_symbol order by trade_date)
),

moved as (
    select
        a.ticker, g.trade_date, g.source, p.close_adj / b.close_adj - 1 as our_return,
        g.vendor_close_adj / g.vendor_close_before - 1 as their_return
    from given as g
    inner join raw.instrument_aliases as a
        on a.source = g.source and a.source_symbol = g.source_symbol and g.trade_date >= a.valid_from_date
        and (a.valid_to_date is null or g.trade_date <= a.valid_to_date)
    inner join marts.fct_daily_prices as p
        on p.instrument_id = a.instrument_id and p.trade_date = g.trade_date and p.source = g.source
    inner join marts.fct_daily_prices as b
        on b.instrument_id = a.instrument_id and b.trade_date = g.date_before and b.source = g.source
    where
        g.ingested_at = g.ingested_before and not p.is_suspect and not b.is_suspect
        and p.price_segment = b.price_segment
)

select
    ticker, trade_date::text as trade_date, source, our_return, their_return,
    (1 + our_return) / (1 + their_return) - 1 as difference, count(*) over () as n_apart
from moved
where abs((1 + our_return) / (1 + their_return) - 1) > $1
order by abs((1 + our_return) / (1 + their_return) - 1) desc, ticker, trade_date
limit 10
"""

DIVIDENDS_WITHOUT_RATE = """
select
    dividend.source,
    dividend.source_symbol,
    dividend.ex_date,
    dividend.amount,
    dividend.currency_code,
    instrument.currency_code as quoted_in
from raw.dividends as dividend
inner join raw.instruments as instrument using (source, source_symbol)
where
    dividend.currency_code <> instrument.currency_code
    and exists (
        select 1
        from unnest(array[dividend.currency_code, instrument.currency_code]) as needed (currency_code)
        where not exists (
            select 1
            from marts.fct_exchange_rates as rate
            where
                rate.currency_code = needed.currency_code
                and rate.as_of_date between dividend.ex_date - 7 and dividend.ex_date
        )
    )
order by dividend.ex_date desc, dividend.source_symbol
"""
