"""What a backtest reads. Parameters are said beside each query; days are included at both ends."""

import datetime as dt
from collections.abc import Iterable

# $1 first day, $2 last day
PRICES_BETWEEN = """
select instrument_id, trade_date, close_adj, open_adj, dollar_volume, is_suspect, price_segment
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

# By the keys of the tables, forecaster by forecaster: the smallest of all days would read every row.
FIRST_SIGNAL_DATE = """
select coalesce(
    (
        select min(own.as_of_date)
        from (select distinct model_id from research.model_versions) as m
        cross join lateral (
            select f.as_of_date from research.forecasts as f where f.model_id = m.model_id order by f.as_of_date limit 1
        ) as own
    ),
    (
        select min(own.as_of_date)
        from unnest(array['conservative', 'balanced', 'aggressive']) as p (profile)
        cross join lateral (
            select r.as_of_date from research.rankings as r where r.profile = p.profile order by r.as_of_date limit 1
        ) as own
    )
) as as_of_date
"""

_CHARACTERISTICS = """
select
    v.as_of_date, v.instrument_id, v.beta_252d as market, e.log_market_cap_z as size, e.book_to_price_z as value,
    e.momentum_252d_21d_z as momentum, v.dollar_volume_21d as dollar_volume
from factors.fct_factor_values as v
inner join factors.fct_factor_exposures as e using (as_of_date, instrument_id)
where v.as_of_date = any (array[{days}]::date []) and e.as_of_date = any (array[{days}]::date [])
"""


def characteristics_on(days: Iterable[dt.date]) -> str:
    """Return the query of what a book may lean on: beta, size, value and momentum of the universe on some days.

    The days stand in the query, for both tables: a parameter would hide from the server how many there are, and it
    would look every row up by itself.
    """
    return _CHARACTERISTICS.format(days=", ".join(f"'{day:%Y-%m-%d}'" for day in days))


# Every row of a trial, oldest first: backtests, and each configuration of a sweep as the backtest that it is. Sharpe
# ratios per year.
TRIALS = """
select b.configuration::text as configuration, m.value as sharpe, b.computed_at
from research.backtests as b
inner join research.backtest_metrics as m using (backtest_id)
where m.metric = 'sharpe'
union all
select ((s.configuration -> 'base') || r.parameters)::text, r.sharpe, s.computed_at
from research.sweep_results as r
inner join research.sweeps as s using (sweep_id)
order by computed_at
"""

# $1 first day, $2 last day: the backtests of exactly this period, oldest first
BACKTESTS_OF_PERIOD = """
select backtest_id, configuration::text as configuration
from research.backtests
where first_date = $1 and last_date = $2
order by computed_at
"""

# $1 ids parted by commas
RETURNS_OF = """
select backtest_id, trade_date, return_1d
from research.backtest_equity
where backtest_id = any (string_to_array($1, ',')) and return_1d is not null
"""

NAMES = """
select instrument_id, ticker, name, sector from marts.dim_instruments
"""
