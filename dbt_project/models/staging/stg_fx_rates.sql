select
    -- ids
    source,
    base_currency_code,
    quote_currency_code,
    -- numerics
    rate as exchange_rate,
    -- dates and timestamps
    rate_date,
    ingested_at
from {{ source('raw', 'fx_rates') }}
