{#
Winsorised z-score and rank of every factor among the rows of a group: the universe of a day, or a sector of it.

Sorting every factor's rows by day would sort the table once per factor. Here the values of a group become one sorted array per
factor; bounds, mean and deviation are read off it, and a rank is a search in it. Adding up in sorted order makes the mean the
same bit for bit in whatever order the rows were stored. The values are sorted with their sign turned: `width_bucket` counts the
entries that are not above a value, which then are the values not below it, and what is left are those below: SQL's percent_rank.
#}
{% macro exposures(factor_values, group_columns, infix) %}
-- `offset 0` keeps a subquery as it is: merged into the query around it, its arrays would be made again for every row.
with sorted as (
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

described as (
    select
        sorted.*,
        {%- for factor in factor_names() %}
        {{ clipped_moments(factor ~ '_values') }} as {{ factor }}_moments{{ ',' if not loop.last }}
        {%- endfor %}
    from sorted
    offset 0
),

unpacked as (
    select
        described.*,
        {%- for factor in factor_names() %}
        {{ factor }}_moments[1] as {{ factor }}_mean,
        {{ factor }}_moments[2] as {{ factor }}_deviation,
        {{ factor }}_moments[3] as {{ factor }}_low,
        {{ factor }}_moments[4] as {{ factor }}_high,
        cardinality({{ factor }}_values) as {{ factor }}_count{{ ',' if not loop.last }}
        {%- endfor %}
    from described
    offset 0
),

exposures as (
    select
        members.instrument_id,
        members.as_of_date,
        {%- for factor in factor_names() %}
        {#- greatest() passes over nulls: a missing value would be taken for the highest of all. #}
        case
            when members.{{ factor }} is not null
                then
                    (
                        ({{ factor }}_mean - least(greatest(-members.{{ factor }}, {{ factor }}_low), {{ factor }}_high))
                        / {{ factor }}_deviation
                    )::real
        end as {{ factor }}{{ infix }}_z,
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

{#
[mean, sample deviation, lower bound, upper bound] of a sorted array clipped at its 1 % and 99 % by rank; null for fewer than
five values or where all within the bounds are equal: such a group tells nobody apart.
#}
{% macro clipped_moments(sorted_values) -%}
    (
        select array[avg(clipped.clip), stddev_samp(clipped.clip), bounds.low, bounds.high]
        from (
            select
                {{ sorted_values }}[1 + (cardinality({{ sorted_values }}) - 1) / 100] as low,
                {{ sorted_values }}[cardinality({{ sorted_values }}) - (cardinality({{ sorted_values }}) - 1) / 100] as high
        ) as bounds
        cross join lateral (
            select least(greatest(entries.entry, bounds.low), bounds.high) as clip
            from unnest({{ sorted_values }}) as entries (entry)
        ) as clipped
        where bounds.low < bounds.high and cardinality({{ sorted_values }}) >= 5
        group by bounds.low, bounds.high
    )
{%- endmacro %}
