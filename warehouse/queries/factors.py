"""What the rolling regressions read ($1 first day, $2 last day, both included), and how large dbt's tables are."""

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
