"""What the platform deletes when it has grown old (parameter: before), and what it says of its tables."""

DELETE_OLD_QUOTES = """
delete from raw.quotes where quoted_at < %(before)s
"""

DELETE_OLD_INTRADAY_RANKINGS = """
delete from research.rankings where is_intraday and as_of_date < %(before)s
"""

DELETE_OLD_EVENTS = """
delete from app.events where created_at < %(before)s
"""

# Parameter $1: schema and table.
COLUMNS_OF_TABLE = """
select
    a.attname as column_name,
    format_type(a.atttypid, a.atttypmod) as type_name,
    not a.attnotnull as is_nullable,
    coalesce(a.attnum = any(i.indkey), false) as is_key,
    coalesce(col_description(a.attrelid, a.attnum), '') as description
from pg_attribute as a
left join pg_index as i on i.indrelid = a.attrelid and i.indisprimary
where a.attrelid = to_regclass($1) and a.attnum > 0 and not a.attisdropped
order by a.attnum
"""

# Parameter $1: schema and table.
ROWS_OF_TABLE = """
select n_rows from app.dataset_versions where dataset = $1
"""
