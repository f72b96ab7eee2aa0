"""What pipelines read of prices, factors and research tables. Parameters: $1 first day, $2 last day, both included."""

import datetime as dt
from collections.abc import Sequence

PRICES_FOR_LABELS = """
select instrument_id, trade_date, close_adj, is_suspect, price_segment
from marts.fct_daily_prices
where trade_date between $1 and $2
"""

FORECASTS_BETWEEN = """
select model_id, instrument_id, as_of_date, model_version_id, forecast, forecast_rank
from research.forecasts
where as_of_date between $1 and $2
"""

FORECASTS_OF_MODEL_BETWEEN = """
select instrument_id, as_of_date, model_version_id, forecast_rank
from research.forecasts
where as_of_date between $1 and $2 and model_id = $3
"""

# $3 forecaster
REASONS_OF_SIGNALS = """
select instrument_id, as_of_date, reasons, reason_features, reason_sizes
from research.signals
where as_of_date between $1 and $2 and model_id = $3
"""

# $1 days parted by commas
FORECASTS_ON = """
select model_id, as_of_date, instrument_id, forecast, forecast_rank
from research.forecasts
where as_of_date = any (string_to_array($1, ',')::date [])
"""

EVALUATION_DAYS = """
select
    model_id, as_of_date, rank_ic, n_instruments, top_decile_return, bottom_decile_return, decile_returns,
    decile_up_shares, decile_turnovers, rank_ic_by_horizon, rank_ic_by_sector::text
from research.evaluation_days
order by model_id, as_of_date
"""

# $1 id of the ensemble
CONFIGURATIONS_OF = """
select distinct configuration from research.evaluation_days where model_id = $1
"""

# Days that were judged before each tenth had a turnover.
# $1 first session: what lies before it is not judged again
DAYS_WITHOUT_TURNOVERS = """
select count(*) as n_days from research.evaluation_days where cardinality(decile_turnovers) = 0 and as_of_date >= $1
"""

NEWEST_CONFIGURATIONS = """
select distinct on (model_id) model_id, parameters::text, features_hash
from research.model_versions
order by model_id, valid_from_date desc
"""

RETRAININGS = """
select model_id, valid_from_date from research.model_versions
"""

TRIALS = """
select trial_id, model_id, sharpe_net from research.trials
"""

# $1 id of the baseline
OVER_BASELINE = """
select model_id, value as t
from research.evaluations
where metric = 'rank_ic_over_baseline_t' and model_id <> $1
order by model_id
"""

# $1 id of the ensemble, $2 ids of the enabled forecasters parted by commas
SIGNALS_OF_NEWEST_SESSION = """
with newest as (select max(as_of_date) as as_of_date from research.signals),
made as (
    select f.instrument_id
    from research.forecasts as f inner join newest using (as_of_date)
    where f.model_id = any (string_to_array($2, ','))
),
given as (select s.model_id from research.signals as s inner join newest using (as_of_date))
select
    (select count(*) from made) as n_forecasts,
    (select count(distinct instrument_id) from made) as n_members,
    (select count(*) from given where model_id <> $1) as n_own,
    (select count(*) from given where model_id = $1) as n_combined
"""

# A version that drift asked for takes over from its quarter's on the day that it begins.
VERSIONS_BETWEEN = """
with versions as (
    select
        model_id, model_version_id, valid_from_date, artifact_uri,
        least(valid_to_date, lead(valid_from_date) over (partition by model_id order by valid_from_date) - 1)
            as valid_to_date
    from research.model_versions
)

select model_id, model_version_id, valid_from_date, valid_to_date, artifact_uri
from versions
where valid_to_date >= $1 and valid_from_date <= $2
order by model_id, valid_from_date
"""

PARAMETER_CHOICES = """
select model_id, valid_from_date, parameters::text from research.parameter_choices order by model_id, valid_from_date
"""

FIRST_FORECAST_DATE = """
select min(as_of_date) as as_of_date from research.forecasts
"""

SECTORS = """
select instrument_id, ticker, name, sector from marts.dim_instruments
"""


# The day from which on rankings keep their reasons.
FORGET_REASONS_BEFORE = """
update research.rankings
set reasons = '{}', reason_features = '{}', reason_sizes = '{}'
where as_of_date < %s and reasons <> '{}'
"""


def columns_between(table: str, columns: Sequence[str]) -> str:
    """Return the query of columns of a table keyed by instrument_id and as_of_date; names are our own constants."""
    return f"select instrument_id, as_of_date, {', '.join(columns)} from {table} where as_of_date between $1 and $2"


def columns_on(table: str, columns: Sequence[str], days: Sequence[dt.date]) -> str:
    """Return the same query for some days, which need not be neighbours."""
    return f"select instrument_id, as_of_date, {', '.join(columns)} from {table} where {_among('as_of_date', days)}"


def closes_on(days: Sequence[dt.date]) -> str:
    """Return the query of the adjusted closes of some days."""
    return f"select instrument_id, trade_date, close_adj from marts.fct_daily_prices where {_among('trade_date', days)}"


def _among(column: str, days: Sequence[dt.date]) -> str:
    """Return a condition on a day; the span beside the list lets the server find the part of the table by its index."""
    listed = ", ".join(f"'{day}'" for day in days)
    return f"{column} between '{days[0]}' and '{days[-1]}' and {column} = any(array[{listed}]::date[])"


ADJUSTED_BARS_UNTIL = """
select instrument_id, trade_date, open_adj, high_adj, low_adj, close_adj, volume_adj, price_segment
from marts.fct_daily_prices
where trade_date <= $1 and not is_suspect
"""

ADJUSTED_BARS_BETWEEN = """
select instrument_id, trade_date, open_adj, high_adj, low_adj, close_adj, volume_adj, price_segment
from marts.fct_daily_prices
where trade_date between $1 and $2 and not is_suspect
order by instrument_id, trade_date
"""

# $1 today. The newest quote of each instrument as today's bar, scaled by the adjustment of its newest close.
LIVE_BARS = """
with newest as (
    select distinct on (a.instrument_id)
        a.instrument_id, q.price, q.open, q.high, q.low, q.volume
    from raw.quotes as q
    inner join raw.instrument_aliases as a
        on q.source = a.source and q.source_symbol = a.source_symbol and a.valid_to_date is null
    -- A day of the market may begin on the day before, by UTC; the index is that of the instants.
    where q.quoted_at >= $1::date - 1 and q.trade_date = $1::date
    order by a.instrument_id, q.quoted_at desc
)

select
    newest.instrument_id,
    $1::date as trade_date,
    newest.open * last_bar.adjustment_factor as open_adj,
    newest.high * last_bar.adjustment_factor as high_adj,
    newest.low * last_bar.adjustment_factor as low_adj,
    newest.price * last_bar.adjustment_factor as close_adj,
    newest.volume * last_bar.volume_adj / nullif(last_bar.volume_shares, 0) as volume_adj,
    last_bar.price_segment
from newest
cross join lateral (
    select p.adjustment_factor, p.volume_adj, p.volume_shares, p.price_segment
    from marts.fct_daily_prices as p
    where p.instrument_id = newest.instrument_id and p.trade_date < $1::date and not p.is_suspect
    order by p.trade_date desc
    limit 1
) as last_bar
"""
