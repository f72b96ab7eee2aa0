{# Rank of a source by the variable source_priority, the best lowest; null, which sorts last, for one that is not listed. #}
{% macro source_rank(column='source') -%}
    array_position(array[{% for name in var('source_priority', []) %}'{{ name }}'{{ ', ' if not loop.last }}{% endfor %}]::text[], {{ column }})
{%- endmacro %}
