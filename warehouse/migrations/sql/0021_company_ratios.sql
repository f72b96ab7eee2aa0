-- What sources reckon companies to be worth and to earn, by definitions of their own.
create table raw.company_ratios (
    source text not null,
    source_symbol text not null,
    as_of_date date not null,
    currency_code text,
    market_cap double precision,
    enterprise_value double precision,
    price_to_earnings double precision,
    price_to_book double precision,
    price_to_sales double precision,
    price_to_cash_flow double precision,
    price_to_free_cash_flow double precision,
    enterprise_value_to_sales double precision,
    enterprise_value_to_ebitda double precision,
    dividend_yield double precision,
    return_on_equity double precision,
    return_on_assets double precision,
    profit_margin double precision,
    debt_to_equity double precision,
    current_ratio double precision,
    ingested_at timestamptz not null default now(),
    primary key (source, source_symbol, as_of_date)
);
comment on table raw.company_ratios is 'One row per source, symbol and day: what the source reckons a company to be worth and to earn, over the last twelve months. No factor reads it.';
comment on column raw.company_ratios.source is 'Name of the source.';
comment on column raw.company_ratios.source_symbol is 'Symbol as the source spells it.';
comment on column raw.company_ratios.as_of_date is 'Day of the reckoning: the source''s own, or the last session when it was asked.';
comment on column raw.company_ratios.currency_code is 'Currency of market_cap and enterprise_value, ISO 4217; null if unknown.';
comment on column raw.company_ratios.market_cap is 'Value of all shares. Unit currency.';
comment on column raw.company_ratios.enterprise_value is 'Value of shares and net debt. Unit currency.';
comment on column raw.company_ratios.price_to_earnings is 'Price over earnings. Unit ratio.';
comment on column raw.company_ratios.price_to_book is 'Price over book value. Unit ratio.';
comment on column raw.company_ratios.price_to_sales is 'Price over sales. Unit ratio.';
comment on column raw.company_ratios.price_to_cash_flow is 'Price over operating cash flow. Unit ratio.';
comment on column raw.company_ratios.price_to_free_cash_flow is 'Price over free cash flow. Unit ratio.';
comment on column raw.company_ratios.enterprise_value_to_sales is 'Enterprise value over sales. Unit ratio.';
comment on column raw.company_ratios.enterprise_value_to_ebitda is 'Enterprise value over earnings before interest, taxes, depreciation and amortisation. Unit ratio.';
comment on column raw.company_ratios.dividend_yield is 'Dividends over price. Unit fraction.';
comment on column raw.company_ratios.return_on_equity is 'Earnings over equity. Unit fraction.';
comment on column raw.company_ratios.return_on_assets is 'Earnings over assets. Unit fraction.';
comment on column raw.company_ratios.profit_margin is 'Earnings over sales. Unit fraction.';
comment on column raw.company_ratios.debt_to_equity is 'Debt over equity. Unit ratio.';
comment on column raw.company_ratios.current_ratio is 'Current assets over current liabilities. Unit ratio.';
comment on column raw.company_ratios.ingested_at is 'When we wrote or last changed the row.';

comment on column app.refreshes.entity is 'Table of raw, without its schema; of the past with the days and a hash of the symbols that were asked for.';
