"""What a backtest reads. Parameters are said beside each query; days are included at both ends."""

# $1 first day, $2 last day
CLOSES_BETWEEN = """
select instrument_id, trade_date, close_adj, is_suspect, price_segment
from marts.fct_daily_prices
where trade_date between $1 and $2
"""

# $1 profile, $2 days parted by commas
RANKS_ON = """
select as_of_date, instrument_id, rank::double precision as rank
from research.rankings
where profile = $1 and as_of_date = any (string_to_array($2, ',')::date []) and not is_intraday
"""

DELISTED = """
select instrument_id, delisted_date from marts.dim_instruments where delisted_date is not null
"""

# $1 first day, $2 last day
BENCHMARK_BETWEEN = """
select trade_date, return_1d from marts.dim_benchmark_prices where trade_date between $1 and $2 order by trade_date
"""

FIRST_SIGNAL_DATE = """
select coalesce(
    (select min(as_of_date) from research.forecasts), (select min(as_of_date) from research.rankings)
) as as_of_date
"""
