with prices as (
    select
        instrument_id,
        price_segment,
        trade_date,
        session_number,
        close_raw,
        dollar_volume
    from {{ prices_within_reach(ref('fct_daily_prices'), 20) }} as fct_daily_prices
),

instruments as (
    select * from {{ ref('dim_instruments') }}
),

gathered as (
    select
        instrument_id,
        trade_date,
        session_number,
        close_raw,
        array_agg(dollar_volume) over (
            partition by instrument_id, price_segment order by trade_date rows between 20 preceding and current row
        ) as dollar_volumes
    from prices
),

-- Merged into the query around it, the median would be taken twice for each row.
candidates as materialized (
    select
        gathered.instrument_id,
        gathered.trade_date as as_of_date,
        gathered.session_number as n_sessions,
        (
            -- The middle of 21 is the eleventh.
            select volumes.dollar_volume
            from unnest(gathered.dollar_volumes) as volumes (dollar_volume)
            order by volumes.dollar_volume
            limit 1 offset 10
        ) as median_dollar_volume_21d
    from gathered
    inner join instruments on gathered.instrument_id = instruments.instrument_id
    where
        cardinality(gathered.dollar_volumes) = 21
        and gathered.session_number >= 252
        and (gathered.close_raw is null or gathered.close_raw >= 1)
        and (instruments.member_from_date is null or gathered.trade_date >= instruments.member_from_date)
        and (instruments.member_to_date is null or gathered.trade_date <= instruments.member_to_date)
        {% if is_windowed() %}and {{ within_window('gathered.trade_date') }}{% endif %} -- noqa: LT02
),

universe_members as (
    select * from candidates
    where median_dollar_volume_21d >= 1000000
)

select * from universe_members
