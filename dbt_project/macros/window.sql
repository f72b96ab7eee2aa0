{# The window of dates that a run rebuilds: the variables window_first_date and window_last_date, both ends included. #}

{% macro has_window() %}
    {{ return(setting('window_first_date') | length > 0 and setting('window_last_date') | length > 0) }}
{% endmacro %}

{#
True when the table stands and begins before the window. Otherwise everything is computed: one pass over the whole history is
cheaper than a window that covers it, and the merge writes only what differs.
#}
{% macro is_windowed() %}
    {% if not execute or not has_window() or not is_incremental() %}
        {{ return(false) }}
    {% endif %}
    {% set window_column = model.config.meta.window_column %}
    {% set earlier = run_query('select 1 from ' ~ this ~ ' where ' ~ window_column ~ ' < ' ~ window_first() ~ ' limit 1') %}
    {{ return(earlier.rows | length == 1) }}
{% endmacro %}

{% macro window_first() -%}
    date '{{ setting("window_first_date") }}'
{%- endmacro %}

{% macro window_last() -%}
    date '{{ setting("window_last_date") }}'
{%- endmacro %}

{% macro within_window(column) -%}
    {{ column }} between {{ window_first() }} and {{ window_last() }}
{%- endmacro %}

{#
The unflagged bars that a factor of the window may look at: the window's, and of each instrument the last `n_bars` before it.
Counting bars, not days, reaches as far back as an instrument with gaps needs, and reads no more than that of the others.
#}
{% macro prices_within_reach(prices, n_bars, with_suspects=false) -%}
    {%- set trusted = '' if with_suspects else 'and not is_suspect' -%}
    {%- if is_windowed() -%}
        (
            select reached.*
            from (select distinct instrument_id from {{ prices }} where {{ within_window('trade_date') }}) as traded
            cross join lateral (
                (
                    select *
                    from {{ prices }}
                    where
                        instrument_id = traded.instrument_id
                        and trade_date < {{ window_first() }}
                        {{ trusted }}
                    order by trade_date desc
                    limit {{ n_bars }}
                )
                union all
                select *
                from {{ prices }}
                where
                    instrument_id = traded.instrument_id
                    and {{ within_window('trade_date') }}
                    {{ trusted }}
            ) as reached
        )
    {%- else -%}
        (select * from {{ prices }} where true {{ trusted }})
    {%- endif -%}
{%- endmacro %}
