{# Rank of a source by the setting source_priority, the best lowest; null, which sorts last, for one that is not listed. #}
{% macro source_rank(column='source') -%}
    array_position(string_to_array('{{ setting("source_priority") }}', ','), {{ column }})
{%- endmacro %}
