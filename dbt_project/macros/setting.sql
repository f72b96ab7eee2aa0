{#
A value that the run gave: the variable, else the environment variable FACTORLOOM_DBT_<NAME>, else the default. The environment is
asked when a statement is built, not when the project is parsed, so that dbt need not parse again when it changes.
#}
{% macro setting(name, default='') %}
    {%- set given = var(name, '') -%}
    {%- if given is mapping -%}
        {{ return(tojson(given)) }}
    {%- elif given is sequence and given is not string -%}
        {{ return(given | join(',')) }}
    {%- elif given -%}
        {{ return(given | string) }}
    {%- elif not execute -%}
        {{ return(default) }}
    {%- endif -%}
    {{ return(env_var('FACTORLOOM_DBT_' ~ name | upper, '') or default) }}
{% endmacro %}
