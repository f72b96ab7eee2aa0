"""What pipelines read of schema raw. Parameters: $1 the source; where several may have answered, all with commas."""

# $1: names of the sources, the one that counts before the others first, parted by commas.
KNOWN_INSTRUMENTS = """
select distinct on (source_symbol, instrument_id)
    source_symbol, stable_id, instrument_id, ticker, listed_date, delisted_date
from raw.instruments
where source = any(string_to_array($1, ','))
order by source_symbol, instrument_id, array_position(string_to_array($1, ','), source)
"""

# A symbol that was listed in several currencies has none that is certain.
CURRENCIES = """
select source_symbol, min(currency_code) as currency_code
from raw.instruments
where source = any(string_to_array($1, ','))
group by source_symbol
having count(distinct currency_code) = 1
"""

TICKER_EVENTS = """
select distinct on (source_symbol, changed_date) source_symbol, former_symbol, changed_date
from raw.ticker_events
where source = any(string_to_array($1, ','))
order by source_symbol, changed_date, array_position(string_to_array($1, ','), source)
"""

BARS_OF_SOURCE = """
select source_symbol, trade_date, open, high, low, close, volume, adjustment
from raw.daily_bars
where source = $1
"""

SPLITS_OF_SOURCE = """
select source_symbol, ex_date, shares_new, shares_old from raw.splits where source = $1
"""

DIVIDENDS_OF_SOURCE = """
select source_symbol, ex_date, amount from raw.dividends where source = $1
"""

VERDICTS_OF_SOURCES = """
select source, source_symbol, trade_date, rule, known_from_date
from raw.bar_verdicts
where source = any(string_to_array($1, ','))
"""

NEWEST_BENCHMARK_BAR = """
select max(trade_date) as trade_date from raw.benchmark_bars where source = any(string_to_array($1, ','))
"""

# $2 and $3 begin and end of a run, as text, $4 its first session: it computed with what it judged itself from there on.
OLDEST_VERDICT_SINCE = """
select min(trade_date) as trade_date
from raw.bar_verdicts
where
    source = any(string_to_array($1, ','))
    and (decided_at > $3::text::timestamptz or (decided_at >= $2::text::timestamptz and trade_date < $4))
"""

BARS_WITHOUT_INSTRUMENT = """
with recursive symbols as (
    -- From one symbol to the next by the key of the table: there are millions of bars, and some hundreds of symbols.
    select
        n.source,
        (select min(b.source_symbol) from raw.daily_bars as b where b.source = n.source) as source_symbol
    from unnest(string_to_array($1, ',')) as n (source)
    union all
    select
        s.source,
        (
            select min(b.source_symbol)
            from raw.daily_bars as b
            where b.source = s.source and b.source_symbol > s.source_symbol
        )
    from symbols as s
    where s.source_symbol is not null
)

select s.source_symbol, sum(unknown.bars)::bigint as bars, min(unknown.first_date) as first_date
from symbols as s
left join lateral (
    select min(a.valid_from_date) as since
    from raw.instrument_aliases as a
    where a.source = s.source and a.source_symbol = s.source_symbol
) as known on true
cross join lateral (
    select count(*) as bars, min(b.trade_date) as first_date
    from raw.daily_bars as b
    where
        b.source = s.source and b.source_symbol = s.source_symbol
        and b.trade_date < coalesce(known.since, 'infinity'::date)
) as unknown
where unknown.bars > 0
group by s.source_symbol
order by s.source_symbol
"""

# $1 the source of the instruments, $2 all that bars may come from, $3 the day.
COVERAGE = """
with listed as (
    select count(*) as n_listed
    from raw.instruments
    where source = $1 and coalesce(listed_date, $3) <= $3 and coalesce(delisted_date, $3) >= $3
),

present as (
    select count(distinct source_symbol) as n_present
    from raw.daily_bars
    where source = any(string_to_array($2, ',')) and trade_date = $3
)

select n_listed, n_present from listed cross join present
"""

# $1 and $2 as above, $3 and $4 first and last day.
COVERAGE_BETWEEN = """
with present as (
    select trade_date, count(*) as n_bars
    from (
        select distinct trade_date, source_symbol
        from raw.daily_bars
        where source = any(string_to_array($2, ',')) and trade_date between $3 and $4
    ) as bars
    group by trade_date
),

listed as (
    select p.trade_date, count(*) as n_listed
    from present as p
    inner join raw.instruments as i
        on i.source = $1
        and coalesce(i.listed_date, p.trade_date) <= p.trade_date
        and coalesce(i.delisted_date, p.trade_date) >= p.trade_date
    group by p.trade_date
)

select p.trade_date, p.n_bars, coalesce(l.n_listed, 0) as n_listed
from present as p
left join listed as l on p.trade_date = l.trade_date
order by p.trade_date
"""

SUSPECT_SHARE = """
select
    (select count(*) from raw.daily_bars where source = any(string_to_array($1, ','))) as n_bars,
    (
        select count(*)
        from raw.bar_verdicts
        where source = any(string_to_array($1, ',')) and verdict = 'suspect'
    ) as n_suspect
"""

SUSPECT_SAMPLE = """
select v.source_symbol, v.trade_date::text as trade_date, v.rule, v.other_trade_date::text as other_trade_date, v.detail
from raw.bar_verdicts as v
where v.source = any(string_to_array($1, ',')) and v.verdict = 'suspect'
order by v.trade_date desc, v.source_symbol
limit 10
"""

# $1: exchanges, parted by commas.
HOLIDAYS_OF_EXCHANGES = """
select source, exchange_code, holiday_date, status, closes_at
from raw.market_holidays
where exchange_code = any(string_to_array($1, ','))
order by holiday_date, source, exchange_code
"""
