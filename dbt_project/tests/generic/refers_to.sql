{# Every value of the column is a value of `field` in the table `to`. #}
{% test refers_to(model, column_name, to, field, window_column=none) %}
select tested.{{ column_name }}
from (select distinct {{ column_name }} from {{ tested_rows(model, window_column) }}) as tested
left join {{ to }} as referred on tested.{{ column_name }} = referred.{{ field }}
where tested.{{ column_name }} is not null and referred.{{ field }} is null
{% endtest %}
