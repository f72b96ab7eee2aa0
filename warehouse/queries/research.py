"""What pipelines read of prices, factors and research tables. Parameters: $1 first day, $2 last day, both included."""

from collections.abc import Sequence

CLOSES_BETWEEN = """
select instrument_id, trade_date, close_adj
from marts.fct_daily_prices
where trade_date between $1 and $2
"""

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

EVALUATION_DAYS = """
select model_id, as_of_date, rank_ic, top_decile_return, bottom_decile_return, top_decile_turnover, decile_returns
from research.evaluation_days
order by model_id, as_of_date
"""

VERSIONS_BETWEEN = """
select model_id, model_version_id, valid_from_date, valid_to_date, artifact_uri
from research.model_versions
where valid_to_date >= $1 and valid_from_date <= $2
order by model_id, valid_from_date
"""

FIRST_FORECAST_DATE = """
select min(as_of_date) as as_of_date from research.forecasts
"""

SECTORS = """
select instrument_id, ticker, name, sector from marts.dim_instruments
"""


def columns_between(table: str, columns: Sequence[str]) -> str:
    """Return the query of some columns of a table keyed by instrument_id and as_of_date; names are our own constants."""
    return f"select instrument_id, as_of_date, {', '.join(columns)} from {table} where as_of_date between $1 and $2"


ADJUSTED_BARS_UNTIL = """
select instrument_id, trade_date, open_adj, high_adj, low_adj, close_adj, volume_adj, price_segment
from marts.fct_daily_prices
where trade_date <= $1 and not is_suspect
order by instrument_id, trade_date
"""
