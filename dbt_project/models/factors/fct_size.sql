with prices as (
    select
        instrument_id,
        trade_date,
        close_raw,
        split_factor
    from {{ ref('fct_daily_prices') }}
    where not is_suspect {% if is_windowed() %}and {{ within_window('trade_date') }}{% endif %}
),

fundamentals as (
    select * from {{ ref('fct_fundamentals') }}
),

valued as (
    select
        prices.instrument_id,
        prices.trade_date as as_of_date,
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

size as (
    select
        instrument_id,
        as_of_date,
        market_cap,
        ln(market_cap) as log_market_cap,
        case
            when close_raw is null then 'no_as_traded_price'
            when has_shares is not true then 'no_fundamentals'
        end as missing_reason
    from valued
)

select * from size
