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
        case when total_equity > 0 then net_income / total_equity end as return_on_equity,
        case
            when total_assets > 0 then coalesce(gross_profit, revenue - cost_of_revenue) / total_assets
        end as gross_profitability,
        case when revenue > 0 then net_income / revenue end as profit_margin,
        case
            when total_assets > 0
                then
                    (net_income - operating_cash_flow)
                    / ((total_assets + coalesce(total_assets_1y_ago, total_assets)) / 2)
        end as accruals,
        case
            when total_equity > 0 and num_nonnulls(short_term_debt, long_term_debt) > 0
                then (coalesce(short_term_debt, 0) + coalesce(long_term_debt, 0)) / total_equity
        end as debt_to_equity
    from {{ ref('fct_fundamentals') }}
),

quality as (
    select
        prices.instrument_id,
        prices.as_of_date,
        ratios.return_on_equity,
        ratios.gross_profitability,
        ratios.profit_margin,
        ratios.accruals,
        ratios.debt_to_equity
    from prices
    left join ratios
        on
            prices.instrument_id = ratios.instrument_id
            and prices.as_of_date >= ratios.known_from_date
            and (ratios.known_to_date is null or prices.as_of_date <= ratios.known_to_date)
)

select * from quality
