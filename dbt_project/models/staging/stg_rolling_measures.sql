{# Not a view: the regressions are computed between marts and factors, and a view would tie both dbt runs to them. #}
{{ config(materialized='ephemeral') }}

select
    -- ids
    instrument_id,
    -- numerics
    beta_252d,
    idiosyncratic_volatility_252d,
    n_observations,
    -- dates and timestamps
    as_of_date,
    computed_at
from {{ source('research', 'rolling_measures') }}
