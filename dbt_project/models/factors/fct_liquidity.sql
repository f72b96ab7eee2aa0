-- Sums are differences of exact sums so far, for the reason given in fct_volatility.
with prices as (
    select
        instrument_id,
        price_segment,
        trade_date,
        close_raw,
        dollar_volume::numeric as dollar_volume,
        volume_adj::numeric as volume_adj,
        (abs(return_1d) / nullif(dollar_volume, 0))::numeric as price_impact
    from {{ prices_within_reach(ref('fct_daily_prices'), 21) }} as fct_daily_prices
),

fundamentals as (
    select * from {{ ref('fct_fundamentals') }}
),

summed as (
    select
        instrument_id,
        price_segment,
        trade_date,
        close_raw,
        count(price_impact) over by_bar as n_impacts,
        sum(coalesce(price_impact, 0)) over by_bar as price_impact,
        sum(volume_adj) over by_bar as volume_adj,
        sum(dollar_volume) over by_bar as dollar_volume
    from prices
    window by_bar as (
        partition by instrument_id, price_segment order by trade_date rows between unbounded preceding and current row
    )
),

totals as (
    select
        instrument_id,
        trade_date as as_of_date,
        close_raw,
        row_number() over by_bar >= 21 as has_21d,
        n_impacts - lag(n_impacts, 21, 0::bigint) over by_bar as n_impacts_21d,
        price_impact - lag(price_impact, 21, 0::numeric) over by_bar as price_impact_21d,
        volume_adj - lag(volume_adj, 21, 0::numeric) over by_bar as volume_adj_21d,
        dollar_volume - lag(dollar_volume, 21, 0::numeric) over by_bar as dollar_volume_21d
    from summed
    window by_bar as (partition by instrument_id, price_segment order by trade_date)
),

liquidity as (
    select
        totals.instrument_id,
        totals.as_of_date,
        case when totals.n_impacts_21d = 21 then totals.price_impact_21d::double precision / 21 end as amihud_21d,
        case
            when totals.has_21d and totals.close_raw is not null and fundamentals.shares_outstanding_adj > 0
                then totals.volume_adj_21d::double precision / 21 / fundamentals.shares_outstanding_adj
        end as turnover_21d,
        case when totals.has_21d then totals.dollar_volume_21d::double precision / 21 end as dollar_volume_21d
    from totals
    left join fundamentals
        on
            totals.instrument_id = fundamentals.instrument_id
            and totals.as_of_date >= fundamentals.known_from_date
            and (fundamentals.known_to_date is null or totals.as_of_date <= fundamentals.known_to_date)
    {% if is_windowed() %}where {{ within_window('totals.as_of_date') }}{% endif %}
)

select * from liquidity
