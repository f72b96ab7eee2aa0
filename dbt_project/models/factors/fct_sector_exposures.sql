{{ config(materialized='view', indexes=[], post_hook=[]) }}
-- The linter sees loops and a query within a query with other indents than they have.
-- noqa: disable=LT02,ST05
{% set members_of_day -%}
    members_of_day as (
    select * from {{ ref('fct_factor_values') }}
    where as_of_date = days.as_of_date
),

{% endset -%}

-- No step of the pipeline reads a history of these: a view makes those of the days that are asked for, each by itself.
with days as (
    select distinct as_of_date
    from {{ ref('fct_factor_values') }}
),

sector_exposures as (
    select
        exposures.instrument_id,
        -- Of `days`, so that what a reader asks of the date chooses them.
        days.as_of_date,
        {%- for factor in factor_names() %}
        exposures.{{ factor }}_sector_z,
        exposures.{{ factor }}_sector_rank{{ ',' if not loop.last }}
        {%- endfor %}
    from days
    cross join lateral (
        {{ exposures('members_of_day', ['as_of_date', 'sector'], '_sector', members_of_day) }}
    ) as exposures
)

select * from sector_exposures
