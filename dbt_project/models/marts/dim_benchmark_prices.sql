{{ config(
    unique_key=['source_symbol', 'trade_date'],
    indexes=[{'columns': ['source_symbol', 'trade_date'], 'unique': true}],
) }}

with benchmark_bars as (
    select * from {{ ref('stg_benchmark_bars') }}
),

chosen as (
    select distinct on (source_symbol, trade_date)
        trade_date,
        source_symbol,
        close,
        currency_code
    from benchmark_bars
    order by
        source_symbol,
        trade_date,
        {{ source_rank() }},
        source
),

benchmark_prices as (
    select
        trade_date,
        source_symbol,
        close,
        close / lag(close) over by_day - 1 as return_1d,
        currency_code
    from chosen
    window by_day as (partition by source_symbol order by trade_date)
)

select * from benchmark_prices
