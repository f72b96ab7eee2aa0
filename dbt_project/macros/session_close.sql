{# Local time of the close on a day: the calendar's usual one, but for the early closes that the run names. #}
{% macro session_close(day) -%}
    coalesce(
        ('{{ setting("session_early_closes", "{}") }}'::jsonb ->> ({{ day }})::text)::time,
        time '{{ setting("session_close_time", "16:00") }}'
    )
{%- endmacro %}
