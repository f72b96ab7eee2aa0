-- Suspect bars are read as well: the dividend of their day was paid all the same.
with prices as (
    select
        instrument_id,
        trade_date,
        close_raw,
        split_factor,
        dividend_amount,
        -- In shares of the first bar, so that amounts from before and after a split add up; exact, see fct_volatility.
        case when dividend_amount <> 0 then (dividend_amount * split_factor)::numeric else 0::numeric end
            as dividend_amount_adj
    from {{ prices_within_reach(ref('fct_daily_prices'), 252, with_suspects=true) }} as fct_daily_prices
),

summed as (
    select
        prices.*,
        sum(dividend_amount_adj) over by_bar as dividend_sum
    from prices
    window by_bar as (partition by instrument_id order by trade_date rows between unbounded preceding and current row)
),

size as (
    select * from {{ ref('fct_size') }}
    {% if is_windowed() %}where {{ within_window('as_of_date') }}{% endif %}
),

fundamentals as (
    select * from {{ ref('fct_fundamentals') }}
),

paid as (
    select
        instrument_id,
        trade_date as as_of_date,
        case
            when dividend_amount is not null
                then
                    (dividend_sum - lag(dividend_sum, 252, 0::numeric) over by_bar)::double precision
                    / split_factor
                    / close_raw
        end as dividend_yield
    from summed
    window by_bar as (partition by instrument_id order by trade_date)
),

exchange_rates as (
    select * from {{ ref('fct_exchange_rates') }}
),

-- A company may report in another currency than its shares trade in: its figures are measured by the day's rate.
stated as (
    select
        size.instrument_id,
        size.as_of_date,
        size.market_cap,
        size.missing_reason,
        fundamentals.net_income,
        fundamentals.total_equity,
        fundamentals.revenue,
        fundamentals.operating_cash_flow + fundamentals.capex as free_cash_flow,
        case
            when coalesce(fundamentals.currency_code = size.currency_code, true) or size.market_cap is null then 1
            else exchange_rates.exchange_rate / (size.market_cap_reporting / size.market_cap)
        end as price_currency_per_reported
    from size
    left join fundamentals
        on
            size.instrument_id = fundamentals.instrument_id
            and size.as_of_date >= fundamentals.known_from_date
            and (fundamentals.known_to_date is null or size.as_of_date <= fundamentals.known_to_date)
    left join exchange_rates
        on
            size.as_of_date = exchange_rates.as_of_date
            and fundamentals.currency_code = exchange_rates.currency_code
            and size.currency_code <> fundamentals.currency_code
),

value as (
    select
        stated.instrument_id,
        stated.as_of_date,
        stated.net_income * stated.price_currency_per_reported / stated.market_cap as earnings_to_price,
        case
            when stated.total_equity > 0
                then stated.total_equity * stated.price_currency_per_reported / stated.market_cap
        end as book_to_price,
        stated.revenue * stated.price_currency_per_reported / stated.market_cap as sales_to_price,
        stated.free_cash_flow * stated.price_currency_per_reported / stated.market_cap as free_cash_flow_to_price,
        paid.dividend_yield,
        case
            when stated.market_cap is null then stated.missing_reason
            when stated.price_currency_per_reported is null then 'no_exchange_rate'
        end as missing_reason
    from stated
    inner join paid using (instrument_id, as_of_date)
)

select * from value
