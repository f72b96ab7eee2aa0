select
    -- ids
    source,
    source_symbol,
    currency_code,
    adjustment,
    -- numerics
    open,
    high,
    low,
    close,
    volume as volume_shares,
    -- dates and timestamps
    trade_date,
    ingested_at
from {{ source('raw', 'daily_bars') }}
