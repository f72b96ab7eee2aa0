{{ config(
    unique_key=['instrument_id'],
    indexes=[{'columns': ['instrument_id'], 'unique': true}, {'columns': ['ticker']}],
) }}

with instruments_of_sources as (
    select * from {{ ref('stg_instruments') }}
),

aliases as (
    select * from {{ ref('stg_instrument_aliases') }}
    where valid_to_date is null
),

-- A symbol that was given up, or given out again, no longer names the instrument that had it.
described as (
    select
        instruments_of_sources.*,
        aliases.instrument_id is not null as has_symbol_now
    from instruments_of_sources
    left join aliases
        on
            instruments_of_sources.source = aliases.source
            and instruments_of_sources.source_symbol = aliases.source_symbol
            and instruments_of_sources.instrument_id = aliases.instrument_id
),

chosen as (
    select distinct on (instrument_id) *
    from described
    order by
        instrument_id,
        has_symbol_now desc,
        {{ source_rank() }},
        is_active desc,
        source,
        source_symbol
),

-- Each end is one step into the index, which an import CTE, read twice and so kept, would hide.
spans as (
    select
        chosen.instrument_id,
        (
            select min(daily_prices.trade_date)
            from {{ ref('fct_daily_prices') }} as daily_prices
            where daily_prices.instrument_id = chosen.instrument_id
        ) as first_trade_date,
        (
            select max(daily_prices.trade_date)
            from {{ ref('fct_daily_prices') }} as daily_prices
            where daily_prices.instrument_id = chosen.instrument_id
        ) as last_trade_date
    from chosen
),

instruments as (
    select
        chosen.instrument_id,
        chosen.ticker,
        chosen.name,
        chosen.exchange_code,
        chosen.market,
        chosen.currency_code,
        chosen.country_code,
        chosen.sector,
        chosen.industry,
        chosen.listed_date,
        chosen.delisted_date,
        chosen.member_from_date,
        chosen.member_to_date,
        chosen.is_active and chosen.has_symbol_now as is_active,
        chosen.source,
        spans.first_trade_date,
        spans.last_trade_date
    from chosen
    inner join spans on chosen.instrument_id = spans.instrument_id
)

select * from instruments
