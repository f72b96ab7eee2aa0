"""What quant jobs read. $1 tickers parted by commas, $2 first day, $3 last day."""

RETURNS_OF = """
select i.ticker, p.trade_date, p.return_1d
from marts.fct_daily_prices as p
inner join marts.dim_instruments as i on p.instrument_id = i.instrument_id
where
    i.ticker = any (string_to_array($1, ',')) and i.is_active and p.trade_date between $2 and $3
    and p.return_1d is not null
"""

# $1 tickers parted by commas
SECTORS_OF = """
select ticker, coalesce(sector, 'unknown') as sector
from marts.dim_instruments
where ticker = any (string_to_array($1, ',')) and is_active
"""
