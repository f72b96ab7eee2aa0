{{ config(
    unique_key=['ticker', 'valid_from_date', 'instrument_id'],
    indexes=[{'columns': ['ticker', 'valid_from_date', 'instrument_id'], 'unique': true}],
) }}

with aliases as (
    select * from {{ ref('stg_instrument_aliases') }}
),

chosen as (
    select distinct on (ticker, valid_from_date, instrument_id)
        ticker,
        valid_from_date,
        valid_to_date,
        instrument_id
    from aliases
    order by
        ticker,
        valid_from_date,
        instrument_id,
        {{ source_rank() }},
        source,
        source_symbol
)

select * from chosen
