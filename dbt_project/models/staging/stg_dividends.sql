select
    -- ids
    source,
    source_symbol,
    currency_code,
    -- numerics
    amount as dividend_amount,
    -- dates and timestamps
    ex_date,
    declared_date,
    pay_date,
    ingested_at
from {{ source('raw', 'dividends') }}
