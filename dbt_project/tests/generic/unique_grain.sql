{# One row per value of `columns`, none of them null; failing rows are the keys that are not. #}
{% test unique_grain(model, columns, window_column=none, n_days=none) %}
{%- set is_incomplete -%}
    {% for column in columns %}{{ 'or ' if not loop.first }}{{ column }} is null{{ ' ' if not loop.last }}{% endfor %}
{%- endset -%}
{% if has_unique_index(model, columns) %}
select
    {{ columns | join(', ') }},
    1 as n_rows
from {{ tested_rows(model, window_column, n_days) }}
where {{ is_incomplete }}
{% else %}
select
    {{ columns | join(', ') }},
    count(*) as n_rows
from {{ tested_rows(model, window_column, n_days) }}
group by {{ columns | join(', ') }}
having count(*) > 1 or {{ is_incomplete }}
{% endif %}
{% endtest %}
