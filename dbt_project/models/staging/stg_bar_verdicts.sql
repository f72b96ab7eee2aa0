select
    -- ids
    source,
    source_symbol,
    rule,
    verdict,
    detail,
    -- dates and timestamps
    trade_date,
    other_trade_date,
    known_from_date,
    decided_at
from {{ source('raw', 'bar_verdicts') }}
