{#
What a test reads: the window of the run, so that a test of a large table costs what a day costs; everything where no window is
given, where the variable test_everything is true, and where the table has no day. Of a view, which each reader makes anew, `n_days`
says how many of the window's last calendar days will do.
#}
{% macro tested_rows(model, window_column, n_days=none) -%}
    {%- if window_column and has_window() and not setting('test_everything') -%}
        (
            select * from {{ model }}
            where
                {{ within_window(window_column) }}
                {% if n_days %}and {{ window_column }} > {{ window_last() }} - {{ n_days }}{% endif %}
        ) as tested_rows
    {%- else -%}
        (select * from {{ model }}) as tested_rows
    {%- endif -%}
{%- endmacro %}

{# True where a unique index on exactly these columns keeps duplicates out: then there is nothing to count. #}
{% macro has_unique_index(model, columns) %}
    {% if not execute or model is string %}
        {{ return(false) }}
    {% endif %}
    {% set found = run_query(
        "select 1 from pg_index where indisunique and indisvalid and indrelid = to_regclass('" ~ model ~ "') and "
        ~ "(select array_agg(attname::text order by attname::text) from pg_attribute where attrelid = indrelid "
        ~ "and attnum = any(indkey::smallint[])) = array['" ~ (columns | sort | join("', '")) ~ "']"
    ) %}
    {{ return(found.rows | length > 0) }}
{% endmacro %}
