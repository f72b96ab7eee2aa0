{#
Values lie between [low, high], both included, either null for none; missing values pass, except in the columns of `not_null`.
One test reads the table once for all of its columns.
#}
{% test value_ranges(model, ranges={}, not_null=[], window_column=none, n_days=none) %}
select *
from {{ tested_rows(model, window_column, n_days) }}
where
    false
    {%- for column in not_null %}
    or {{ column }} is null
    {%- endfor %}
    {%- for column, bounds in ranges.items() %}
    {%- if bounds[0] is not none %}
    or {{ column }} < {{ bounds[0] }}
    {%- endif %}
    {%- if bounds[1] is not none %}
    or {{ column }} > {{ bounds[1] }}
    {%- endif %}
    {%- endfor %}
{% endtest %}
