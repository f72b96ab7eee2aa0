select
    -- ids
    source,
    source_symbol,
    -- numerics
    shares_new,
    shares_old,
    -- dates and timestamps
    ex_date,
    ingested_at
from {{ source('raw', 'splits') }}
