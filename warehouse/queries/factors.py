"""What the rolling regressions and the check of statements read, and how large dbt's tables are.

$1 first day, $2 last day, both included, where nothing else is said.
"""

RETURNS_BEFORE = """
select instrument_id, trade_date, return_1d
from marts.fct_daily_prices
where trade_date between $1 and $2 and not is_suspect
"""

BENCHMARK_RETURNS_BEFORE = """
select trade_date, return_1d from marts.dim_benchmark_prices where trade_date between $1 and $2 order by trade_date
"""

# By the server's statistics, to about one per cent: counting would cost a new day what its history costs.
TABLE_ROWS = """
select
    relname as table_name,
    n_live_tup as n_rows
from pg_stat_user_tables
where schemaname in ('marts', 'factors')
"""

# Annual statements with the instrument that their symbol meant then. $1 names of sources parted by commas, the best
# first, $2 time zone of the exchange
STATEMENTS_OF_INSTRUMENTS = """
select
    aliases.instrument_id, statements.source, statements.source_symbol, statements.period_end_date,
    statements.published_at, statements.revenue, statements.net_income, statements.total_equity,
    coalesce(array_position(string_to_array($1, ','), statements.source), 32767) as source_rank
from raw.fundamentals as statements
inner join raw.instrument_aliases as aliases
    on
        statements.source = aliases.source
        and statements.source_symbol = aliases.source_symbol
        and (statements.published_at at time zone $2)::date
        between aliases.valid_from_date and coalesce(aliases.valid_to_date, 'infinity')
where statements.statement = 'annual'
"""

# $1 days parted by commas
FACTORS_OF_STATEMENTS_ON = """
select
    quality.as_of_date, quality.instrument_id, quality.return_on_equity, quality.profit_margin, growth.revenue_growth_1y
from factors.fct_quality as quality
left join factors.fct_growth as growth
    on
        quality.instrument_id = growth.instrument_id
        and quality.as_of_date = growth.as_of_date
        and growth.as_of_date = any (string_to_array($1, ',')::date [])
where quality.as_of_date = any (string_to_array($1, ',')::date [])
order by quality.as_of_date, quality.instrument_id
"""
