-- A maximum over 252 bars is that over twelve neighbouring stretches of 21: each bar reads 21 + 12 values, not 252.
with prices as (
    select
        instrument_id,
        price_segment,
        trade_date,
        close_adj
    from {{ prices_within_reach(ref('fct_daily_prices'), 251) }} as fct_daily_prices
),

stretches as (
    select
        instrument_id,
        price_segment,
        trade_date,
        close_adj,
        max(close_adj) over last_21d as high_21d,
        row_number() over by_bar as bars_so_far
    from prices
    window
        by_bar as (partition by instrument_id, price_segment order by trade_date),
        last_21d as (by_bar rows between 20 preceding and current row)
),

highs as (
    select
        instrument_id,
        trade_date as as_of_date,
        close_adj,
        case
            when bars_so_far >= 252
                then greatest(
                    high_21d,
                    {% for steps in range(1, 12) %}
                        lag(high_21d, {{ 21 * steps }}) over by_bar{{ ',' if not loop.last }}
                    {% endfor %}
                )
        end as high_252d
    from stretches
    window by_bar as (partition by instrument_id, price_segment order by trade_date)
),

price_extremes as (
    select
        instrument_id,
        as_of_date,
        close_adj / high_252d - 1 as distance_to_high_252d
    from highs
    {% if is_windowed() %}where {{ within_window('as_of_date') }}{% endif %}
)

select * from price_extremes
