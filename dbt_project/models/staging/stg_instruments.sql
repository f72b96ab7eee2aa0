select
    -- ids
    source,
    source_symbol,
    instrument_id,
    stable_id,
    ticker,
    name,
    exchange_code,
    market,
    currency_code,
    country_code,
    sector,
    industry,
    is_active,
    -- dates and timestamps
    listed_date,
    delisted_date,
    member_from_date,
    member_to_date,
    ingested_at
from {{ source('raw', 'instruments') }}
