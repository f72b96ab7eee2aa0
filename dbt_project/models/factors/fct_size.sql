with prices as (
    select
        instrument_id,
        trade_date,
        currency_code,
        close_raw,
        split_factor
    from {{ ref('fct_daily_prices') }}
    where not is_suspect {% if is_windowed() %}and {{ within_window('trade_date') }}{% endif %}
),

fundamentals as (
    select * from {{ ref('fct_fundamentals') }}
),

exchange_rates as (
    select * from {{ ref('fct_exchange_rates') }}
),

valued as (
    select
        prices.instrument_id,
        prices.trade_date as as_of_date,
        prices.currency_code,
        prices.close_raw,
        fundamentals.shares_outstanding_adj > 0 as has_shares,
        case
            when fundamentals.shares_outstanding_adj > 0
                then prices.close_raw * (fundamentals.shares_outstanding_adj * prices.split_factor)
        end as market_cap
    from prices
    left join fundamentals
        on
            prices.instrument_id = fundamentals.instrument_id
            and prices.trade_date >= fundamentals.known_from_date
            and (fundamentals.known_to_date is null or prices.trade_date <= fundamentals.known_to_date)
),

-- By the day's own rate: what a company was worth then does not move with the rates of today.
size as (
    select
        valued.instrument_id,
        valued.as_of_date,
        valued.currency_code,
        valued.market_cap,
        '{{ setting("reporting_currency", "USD") }}' as reporting_currency_code,
        valued.market_cap * exchange_rates.exchange_rate as market_cap_reporting,
        ln(valued.market_cap * exchange_rates.exchange_rate) as log_market_cap,
        case
            when valued.close_raw is null then 'no_as_traded_price'
            when valued.has_shares is not true then 'no_fundamentals'
            when exchange_rates.exchange_rate is null then 'no_exchange_rate'
        end as missing_reason
    from valued
    left join exchange_rates
        on valued.currency_code = exchange_rates.currency_code and valued.as_of_date = exchange_rates.as_of_date
)

select * from size
