{# Local time of the close on a day: the calendar's usual one, but for the early closes that the run names. #}
{% macro session_close(day) -%}
    {%- set early = var('session_early_closes', {}) -%}
    {%- if early -%}
        case {{ day }} {% for date, close in early.items() %}when date '{{ date }}' then time '{{ close }}' {% endfor %}else time '{{ var("session_close_time", "16:00") }}' end
    {%- else -%}
        time '{{ var("session_close_time", "16:00") }}'
    {%- endif -%}
{%- endmacro %}
