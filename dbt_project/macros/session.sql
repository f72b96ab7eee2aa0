{# What a model's transaction needs of the server, whatever its settings are. #}
{% macro prepare_session() -%}
    {#- Compiling costs more than it saves at our sizes; sorts of a whole history stay in memory. -#}
    set local jit = off; set local work_mem = '128MB'; set local hash_mem_multiplier = 1
{%- endmacro %}

{# Ten tables in the order of their common key: merging them takes a third of the time of hashing, and a tenth of the memory. #}
{% macro prefer_merge_joins() -%}
    {%- if is_windowed() -%} select 1
    {%- else -%} set local enable_hashjoin = off; set local enable_nestloop = off
    {%- endif -%}
{%- endmacro %}

{# A table that has just been made has no statistics, and the next model's plan would be a guess. #}
{% macro analyze_new_table() -%}
    {%- if execute and not is_incremental() -%} analyze {{ this }} {%- else -%} select 1 {%- endif -%}
{%- endmacro %}

{#
Running product, which SQL lacks. Multiplying in the order of the window's rows makes the result the same bit for bit whether a
row is reached from the instrument's first bar or from the bar before; exp(sum(ln())) would not.
#}
{% macro create_product_aggregate() -%}
    do $$
    begin
        if to_regprocedure('marts.product(double precision)') is null then
            create aggregate marts.product(double precision) (
                sfunc = float8mul, stype = double precision, initcond = '1'
            );
        end if;
    end
    $$
{%- endmacro %}
