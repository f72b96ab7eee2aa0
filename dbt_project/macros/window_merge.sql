{#
Incremental strategy `window_merge`. The model's rows stand for all rows of the window (of the table, where no window is given):
what is new is inserted, what differs updated, what is no longer produced deleted, in the model's one transaction. A second run
on the same input writes nothing. `computed_at` alone does not make a row different.
#}
{% macro get_incremental_window_merge_sql(arguments) %}
    {%- set target = arguments['target_relation'] -%}
    {%- set produced = arguments['temp_relation'] -%}
    {%- set key = arguments['unique_key'] -%}
    {%- set column_names = arguments['dest_columns'] | map(attribute='quoted') | list -%}
    {%- set window_column = config.get('meta', {}).get('window_column') -%}
    {%- set same_key -%}
        {% for column in key %}{{ 'and ' if not loop.first }}produced.{{ column }} = standing.{{ column }} {% endfor %}
    {%- endset -%}
    {%- set in_window -%}
        {{ within_window('standing.' ~ window_column) if window_column and is_windowed() else 'true' }}
    {%- endset -%}
    {%- set compared = [] -%}
    {%- for column in arguments['dest_columns'] if column.name not in key and column.name != 'computed_at' -%}
        {%- do compared.append(column.quoted) -%}
    {%- endfor -%}

    analyze {{ produced }};

    delete from {{ target }} as standing
    where
        {{ in_window }}
        and not exists (select 1 from {{ produced }} as produced where {{ same_key }});

    {% if compared %}
    update {{ target }} as standing
    set {% for column in column_names if column | replace('"', '') not in key %}{{ column }} = produced.{{ column }}{{ ', ' if not loop.last }}{% endfor %}
    from {{ produced }} as produced
    where
        {{ same_key }}
        and {{ in_window }}
        and row({% for column in compared %}standing.{{ column }}{{ ', ' if not loop.last }}{% endfor %})
        is distinct from row({% for column in compared %}produced.{{ column }}{{ ', ' if not loop.last }}{% endfor %});
    {% endif %}

    insert into {{ target }} ({{ column_names | join(', ') }})
    select {% for column in column_names %}produced.{{ column }}{{ ', ' if not loop.last }}{% endfor %}
    from {{ produced }} as produced
    where not exists (select 1 from {{ target }} as standing where {{ same_key }} and {{ in_window }});
{% endmacro %}
