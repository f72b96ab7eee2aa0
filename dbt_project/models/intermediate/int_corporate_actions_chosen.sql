with aliases as (
    select * from {{ ref('stg_instrument_aliases') }}
),

splits as (
    select distinct on (aliases.instrument_id, splits.ex_date)
        aliases.instrument_id,
        splits.ex_date,
        splits.shares_new / splits.shares_old as split_ratio
    from {{ ref('stg_splits') }} as splits
    inner join aliases
        on
            splits.source = aliases.source
            and splits.source_symbol = aliases.source_symbol
            and splits.ex_date >= aliases.valid_from_date
            and (aliases.valid_to_date is null or splits.ex_date <= aliases.valid_to_date)
    order by
        aliases.instrument_id,
        splits.ex_date,
        {{ source_rank('splits.source') }},
        splits.source,
        splits.source_symbol
),

dividends as (
    select distinct on (aliases.instrument_id, dividends.ex_date)
        aliases.instrument_id,
        dividends.ex_date,
        dividends.currency_code,
        dividends.dividend_amount
    from {{ ref('stg_dividends') }} as dividends
    inner join aliases
        on
            dividends.source = aliases.source
            and dividends.source_symbol = aliases.source_symbol
            and dividends.ex_date >= aliases.valid_from_date
            and (aliases.valid_to_date is null or dividends.ex_date <= aliases.valid_to_date)
    order by
        aliases.instrument_id,
        dividends.ex_date,
        {{ source_rank('dividends.source') }},
        dividends.source,
        dividends.source_symbol
),

chosen as (
    select
        instrument_id,
        ex_date,
        coalesce(splits.split_ratio, 1) as split_ratio,
        coalesce(dividends.dividend_amount, 0) as dividend_amount,
        dividends.currency_code as dividend_currency_code
    from splits
    full join dividends using (instrument_id, ex_date)
)

select * from chosen
