"""What the rolling regressions read. Parameters: $1 first day, $2 last day, both included."""

RETURNS_BEFORE = """
select instrument_id, trade_date, return_1d
from marts.fct_daily_prices
where trade_date between $1 and $2 and not is_suspect
"""

BENCHMARK_RETURNS_BEFORE = """
select trade_date, return_1d from marts.dim_benchmark_prices where trade_date between $1 and $2 order by trade_date
"""
