{{ config(
    indexes=[
        {'columns': ['instrument_id', 'as_of_date'], 'unique': true},
        {'columns': ['as_of_date', 'sector']},
    ],
    pre_hook="{{ prefer_merge_joins() }}",
) }}
-- The linter sees loops with other indents than they have.
-- noqa: disable=LT02

with universe_members as (
    select * from {{ ref('fct_universe_members') }}
    {% if is_windowed() %}where {{ within_window('as_of_date') }}{% endif %}
),

instruments as (
    select * from {{ ref('dim_instruments') }}
),

factor_values as (
    select
        universe_members.instrument_id,
        universe_members.as_of_date,
        instruments.sector,
        {% for table, factors in factors_by_table().items() %}
            {% set last_table = loop.last %}
            {% for factor in factors %}
                {{ table }}.{{ factor }}{{ ',' if not (last_table and loop.last) }}
            {% endfor %}
        {% endfor %}
    from universe_members
    inner join instruments on universe_members.instrument_id = instruments.instrument_id
    {% for table in factors_by_table() %}
        left join {{ ref(table) }} as {{ table }}
            on
                universe_members.instrument_id = {{ table }}.instrument_id
                and universe_members.as_of_date = {{ table }}.as_of_date
                {% if is_windowed() %}
                    and {{ within_window(table ~ '.as_of_date') }}
                {% endif %}
    {% endfor %}
)

select * from factor_values
-- A day's rows side by side: the exposures read the table day by day.
order by as_of_date
