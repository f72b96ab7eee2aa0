"""What pipelines and the API read of statements."""

# Two share classes of one company publish the same statement; the company is its register number, where there is one.
COMPANIES = """
select source_symbol, coalesce(metadata ->> 'cik', name, source_symbol) as company
from raw.instruments
where source = $1
"""

STATEMENTS_OF_SOURCES = """
select
    source_symbol, statement, period_end_date, published_at, published_at_basis, fiscal_year, currency_code, revenue,
    cost_of_revenue, gross_profit, operating_income, net_income, eps, shares_outstanding, total_assets,
    total_liabilities, total_equity, current_assets, current_liabilities, cash, short_term_debt, long_term_debt,
    operating_cash_flow, capex, depreciation, interest_expense
from raw.fundamentals
where source = any(string_to_array($1, ','))
order by source_symbol, statement, period_end_date, published_at
"""
