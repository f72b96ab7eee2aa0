select
    -- ids
    source,
    source_symbol,
    statement,
    currency_code,
    published_at_basis,
    -- numerics
    fiscal_year,
    revenue,
    cost_of_revenue,
    gross_profit,
    operating_income,
    net_income,
    eps,
    shares_outstanding,
    total_assets,
    total_liabilities,
    total_equity,
    current_assets,
    current_liabilities,
    cash,
    short_term_debt,
    long_term_debt,
    operating_cash_flow,
    capex,
    depreciation,
    interest_expense,
    -- dates and timestamps
    period_end_date,
    published_at,
    ingested_at
from {{ source('raw', 'fundamentals') }}
