with bars as (
    select * from {{ ref('stg_daily_bars') }}
),

aliases as (
    select * from {{ ref('stg_instrument_aliases') }}
),

verdicts as (
    select
        source,
        source_symbol,
        trade_date,
        bool_or(rule <> 'unadjusted_split') as is_suspect,
        bool_or(rule = 'unadjusted_split') as is_unadjusted_split
    from {{ ref('stg_bar_verdicts') }}
    where verdict = 'suspect'
    group by source, source_symbol, trade_date
),

chosen as (
    select distinct on (aliases.instrument_id, bars.trade_date)
        aliases.instrument_id,
        bars.trade_date,
        bars.source,
        bars.currency_code,
        bars.adjustment,
        bars.open,
        bars.high,
        bars.low,
        bars.close,
        bars.volume_shares,
        coalesce(verdicts.is_suspect, false) as is_suspect,
        coalesce(verdicts.is_unadjusted_split, false) as is_unadjusted_split
    from bars
    inner join aliases
        on
            bars.source = aliases.source
            and bars.source_symbol = aliases.source_symbol
            and bars.trade_date >= aliases.valid_from_date
            and (aliases.valid_to_date is null or bars.trade_date <= aliases.valid_to_date)
    left join verdicts
        on
            bars.source = verdicts.source
            and bars.source_symbol = verdicts.source_symbol
            and bars.trade_date = verdicts.trade_date
    order by
        aliases.instrument_id,
        bars.trade_date,
        {{ source_rank('bars.source') }},
        bars.source,
        bars.source_symbol
)

select * from chosen
