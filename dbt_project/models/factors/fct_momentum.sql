with prices as (
    select
        instrument_id,
        price_segment,
        trade_date,
        close_adj
    from {{ prices_within_reach(ref('fct_daily_prices'), 252) }} as fct_daily_prices
),

lagged as (
    select
        instrument_id,
        trade_date as as_of_date,
        close_adj,
        lag(close_adj, 21) over by_bar as close_adj_21d_ago,
        lag(close_adj, 126) over by_bar as close_adj_126d_ago,
        lag(close_adj, 252) over by_bar as close_adj_252d_ago
    from prices
    window by_bar as (partition by instrument_id, price_segment order by trade_date)
),

momentum as (
    select
        instrument_id,
        as_of_date,
        close_adj_21d_ago / close_adj_252d_ago - 1 as momentum_252d_21d,
        close_adj_21d_ago / close_adj_126d_ago - 1 as momentum_126d_21d,
        1 - close_adj / close_adj_21d_ago as reversal_21d
    from lagged
    {% if is_windowed() %}where {{ within_window('as_of_date') }}{% endif %}
)

select * from momentum
