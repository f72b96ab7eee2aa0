{#
Winsorised z-score and rank of every factor among the rows of a group: the universe of a day, or a sector of it.

Sorting every factor's rows by day would sort the table once per factor. Here the values of a group become one sorted array per
factor; the bounds are read off it, its 1 % and 99 % by rank, and a rank is a search in it. The values are sorted with their sign
turned: `width_bucket` counts the entries that are not above a value, which then are the values not below it, and what is left are
those below: SQL's percent_rank. There is no z with fewer than five values, nor where all within the bounds are equal: such a group
tells nobody apart. `factor_values` is a table, or a subquery that `beginning`, the begin of a `with`, names.
#}
{% macro exposures(factor_values, group_columns, infix, beginning='') %}
-- `offset 0` keeps a subquery as it is: merged into the query around it, its arrays would be made again for every row.
with {{ beginning }}sorted as (
    select
        {{ group_columns | join(', ') }},
        {%- for factor in factor_names() %}
        array_agg(-{{ factor }} order by -{{ factor }}) filter (where {{ factor }} is not null) as {{ factor }}_values
        {{- ',' if not loop.last }}
        {%- endfor %}
    from {{ factor_values }}
    {% if is_windowed() %}where {{ within_window('as_of_date') }}{% endif %}
    group by {{ group_columns | join(', ') }}
    offset 0
),

bounded as (
    select
        sorted.*,
        {%- for factor in factor_names() %}
        cardinality({{ factor }}_values) as {{ factor }}_count,
        {{ factor }}_values[1 + (cardinality({{ factor }}_values) - 1) / 100] as {{ factor }}_low,
        {{ factor }}_values[cardinality({{ factor }}_values) - (cardinality({{ factor }}_values) - 1) / 100]
            as {{ factor }}_high{{ ',' if not loop.last }}
        {%- endfor %}
    from sorted
    offset 0
),

-- In the order of the instruments: the same bit for bit in whatever order the rows were stored.
moments as (
    select
        {%- for column in group_columns %}
        members.{{ column }},
        {%- endfor %}
        {%- for factor in factor_names() %}
        avg({{ clipped(factor) }}) as {{ factor }}_mean,
        stddev_samp({{ clipped(factor) }}) as {{ factor }}_deviation{{ ',' if not loop.last }}
        {%- endfor %}
    from (
        select *
        from {{ factor_values }}
        {% if is_windowed() %}where {{ within_window('as_of_date') }}{% endif %}
        order by {{ group_columns | join(', ') }}, instrument_id
        offset 0
    ) as members
    inner join bounded
        on
            {%- for column in group_columns %}
            {{ 'and ' if not loop.first }}members.{{ column }} = bounded.{{ column }}
            {%- endfor %}
    group by {% for column in group_columns %}members.{{ column }}{{ ', ' if not loop.last }}{% endfor %}
    offset 0
),

unpacked as (
    select
        bounded.*,
        {%- for factor in factor_names() %}
        moments.{{ factor }}_mean,
        case
            when {{ factor }}_low < {{ factor }}_high and {{ factor }}_count >= 5 then moments.{{ factor }}_deviation
        end as {{ factor }}_deviation{{ ',' if not loop.last }}
        {%- endfor %}
    from bounded
    inner join moments using ({{ group_columns | join(', ') }})
    offset 0
),

exposures as (
    select
        members.instrument_id,
        members.as_of_date,
        {%- for factor in factor_names() %}
        (({{ factor }}_mean - {{ clipped(factor) }}) / {{ factor }}_deviation)::real as {{ factor }}{{ infix }}_z,
        (
            ({{ factor }}_count - width_bucket(-members.{{ factor }}, {{ factor }}_values))::double precision
            / nullif({{ factor }}_count - 1, 0)
        )::real as {{ factor }}{{ infix }}_rank{{ ',' if not loop.last }}
        {%- endfor %}
    from unpacked
    cross join lateral (
        select *
        from {{ factor_values }} as factor_values
        where
            {%- for column in group_columns %}
            {{ 'and ' if not loop.first }}factor_values.{{ column }} = unpacked.{{ column }}
            {%- endfor %}
        offset 0
    ) as members
)

select * from exposures
{%- if 'sector' in group_columns %}
union all
-- Nobody to compare with.
select
    instrument_id,
    as_of_date,
    {%- for factor in factor_names() %}
    null as {{ factor }}{{ infix }}_z,
    null as {{ factor }}{{ infix }}_rank{{ ',' if not loop.last }}
    {%- endfor %}
from {{ factor_values }}
where sector is null {% if is_windowed() %}and {{ within_window('as_of_date') }}{% endif %}
{%- endif %}
{% endmacro %}

{# A factor's value with its sign turned, clipped at the bounds of its group. #}
{% macro clipped(factor) -%}
    {#- greatest() passes over nulls: a missing value would be taken for the highest of all. -#}
    case
        when members.{{ factor }} is not null
            then least(greatest(-members.{{ factor }}, {{ factor }}_low), {{ factor }}_high)
    end
{%- endmacro %}
