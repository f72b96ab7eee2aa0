select
    -- ids
    source,
    source_symbol,
    instrument_id,
    ticker,
    -- dates and timestamps
    valid_from_date,
    valid_to_date,
    ingested_at
from {{ source('raw', 'instrument_aliases') }}
