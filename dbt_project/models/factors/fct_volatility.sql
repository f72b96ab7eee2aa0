-- The linter sees loops with other indents than they have.
-- noqa: disable=LT02
-- A sum over the last bars is the sum so far less the sum so far at the bar before them. Over numeric both are exact,
-- so that the result does not depend on the bar that the sums began with; with doubles it would.
{% set windows = [21, 63, 252] %}

with prices as (
    select
        instrument_id,
        price_segment,
        trade_date,
        -- Only a segment's first bar has no return; sums that begin with it are not used.
        coalesce(return_1d::numeric, 0) as return_1d
    from {{ prices_within_reach(ref('fct_daily_prices'), 252) }} as fct_daily_prices
),

summed as (
    select
        instrument_id,
        price_segment,
        trade_date,
        sum(return_1d) over by_bar as return_sum,
        sum(return_1d * return_1d) over by_bar as square_sum
    from prices
    window by_bar as (
        partition by instrument_id, price_segment order by trade_date rows between unbounded preceding and current row
    )
),

differences as (
    select
        instrument_id,
        trade_date as as_of_date,
        {% for n_days in windows %}
            return_sum - lag(return_sum, {{ n_days }}) over by_bar as return_sum_{{ n_days }}d,
            square_sum - lag(square_sum, {{ n_days }}) over by_bar as square_sum_{{ n_days }}d{{ ',' if not loop.last }}
        {% endfor %}
    from summed
    window by_bar as (partition by instrument_id, price_segment order by trade_date)
),

volatility as (
    select
        instrument_id,
        as_of_date,
        {% for n_days in windows %}
            -- greatest() passes over nulls: before the window is full there would be a volatility of 0.
            case
                when return_sum_{{ n_days }}d is not null
                    then sqrt(
                        greatest(
                            {{ n_days }} * square_sum_{{ n_days }}d
                            - return_sum_{{ n_days }}d * return_sum_{{ n_days }}d,
                            0
                        )::double precision
                        / {{ n_days * (n_days - 1) }} * 252
                    )
            end as volatility_{{ n_days }}d{{ ',' if not loop.last }}
        {% endfor %}
    from differences
    {% if is_windowed() %}where {{ within_window('as_of_date') }}{% endif %}
)

select * from volatility
