with rolling_measures as (
    select * from {{ ref('stg_rolling_measures') }}
    {% if is_windowed() %}where {{ within_window('as_of_date') }}{% endif %}
),

market_risk as (
    select
        instrument_id,
        as_of_date,
        beta_252d,
        idiosyncratic_volatility_252d
    from rolling_measures
)

select * from market_risk
