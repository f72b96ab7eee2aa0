with prices as (
    select
        instrument_id,
        trade_date as as_of_date
    from {{ ref('fct_daily_prices') }}
    where not is_suspect {% if is_windowed() %}and {{ within_window('trade_date') }}{% endif %}
),

ratios as (
    select
        instrument_id,
        known_from_date,
        known_to_date,
        case when revenue_1y_ago > 0 then revenue / revenue_1y_ago - 1 end as revenue_growth_1y,
        (net_income - net_income_1y_ago) / nullif(abs(net_income_1y_ago), 0) as earnings_growth_1y,
        case
            when revenue > 0 and revenue_5y_ago > 0
                then power(revenue / revenue_5y_ago, 1 / 5::double precision) - 1
        end as revenue_growth_5y
    from {{ ref('fct_fundamentals') }}
),

growth as (
    select
        prices.instrument_id,
        prices.as_of_date,
        ratios.revenue_growth_1y,
        ratios.earnings_growth_1y,
        ratios.revenue_growth_5y
    from prices
    left join ratios
        on
            prices.instrument_id = ratios.instrument_id
            and prices.as_of_date >= ratios.known_from_date
            and (ratios.known_to_date is null or prices.as_of_date <= ratios.known_to_date)
)

select * from growth
