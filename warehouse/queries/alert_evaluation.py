"""How far an evaluation of alert rules has come: marks, series in use, progress, and where each pair stands."""

import datetime as dt
from collections.abc import Sequence
from typing import NamedTuple

import psycopg

from warehouse.queries.alert_metrics import Metric
from warehouse.queries.alert_series import newest_day_sql, parameters_of
from warehouse.records.alert_series import Series

# What an observation can depend on: a later look at the same marks finds the same observations. Not the time of day.
MARKS = """
select
    (select count(*) from app.alerts where is_active),
    (select max(updated_at) from app.alerts),
    (select string_agg(dataset || ' ' || version, ', ' order by dataset) from app.dataset_versions
     where dataset like any (array['raw.quotes', 'raw.daily_bars', 'marts.%', 'factors.%', 'research.%'])),
    (select max(trade_date) from marts.fct_daily_prices),
    (select max(updated_at) from app.holdings)
"""

SERIES_IN_USE = """
select distinct looked_at.series
from app.alert_conditions as c
inner join app.alert_plans as p on p.alert_id = c.alert_id
inner join app.alerts as a on a.alert_id = p.alert_id and a.rule_version = p.rule_version and a.is_active
cross join lateral (values (c.series), (c.level_series)) as looked_at (series)
where looked_at.series is not null
"""

PROGRESS = "select slice, reached_date, version from app.alert_progress"

WRITE_PROGRESS = """
insert into app.alert_progress as p (slice, reached_date, version)
select * from unnest(%(slices)s::text[], %(dates)s::date[], %(versions)s::text[])
on conflict (slice) do update
set reached_date = greatest(p.reached_date, excluded.reached_date), version = excluded.version
where (p.reached_date, p.version) is distinct from (greatest(p.reached_date, excluded.reached_date), excluded.version)
"""

VERSIONS = "select dataset, version from app.dataset_versions"

MAKE_STATES = """
create temporary table if not exists new_states (like app.alert_states) on commit drop
"""

STATE_COLUMNS = (
    "alert_id", "instrument_id", "user_id", "rule_version", "state", "episode", "observed_value", "observed_at",
    "is_open", "bars", "bar_date", "opened_at", "told_at", "inhibition", "split_factor",
)  # fmt: skip

WRITE_STATES = f"""
update app.alert_states as s
set {", ".join(f"{name} = n.{name}" for name in STATE_COLUMNS[4:])}
from new_states as n
where s.alert_id = n.alert_id and s.instrument_id = n.instrument_id
"""


class Progress(NamedTuple):
    """How far a slice has been looked at, and which version of its table it was."""

    slice: str
    reached_date: dt.date
    version: str | None


def tables_are_built(connection: psycopg.Connection) -> bool:
    """Whether the tables that rules look at have been made; a fresh installation has none before its first run."""
    row = connection.execute(
        "select to_regclass('marts.fct_daily_prices') is not null and to_regclass('marts.dim_instruments') is not null"
    ).fetchone()
    return row is not None and bool(row[0])


def read_marks(connection: psycopg.Connection) -> str:
    """Return a text that changes when an evaluation could find something new; costs a few index look-ups."""
    row = connection.execute(MARKS).fetchone() or ()
    return "|".join(map(str, row))


def lock_evaluation(connection: psycopg.Connection, *, timeout_seconds: float) -> None:
    """Wait until nobody else evaluates, and bound what each statement may take; both end with the transaction."""
    connection.execute("select set_config('statement_timeout', %s, true)", [f"{int(timeout_seconds * 1000)}ms"])
    connection.execute("select pg_advisory_xact_lock(hashtext('app.alert_states'))")


def read_series(connection: psycopg.Connection) -> list[str]:
    """Return the series that active rules look at."""
    return sorted(series for (series,) in connection.execute(SERIES_IN_USE))


def read_progress(connection: psycopg.Connection) -> dict[str, Progress]:
    """Return how far each slice has been looked at."""
    return {row[0]: Progress._make(row) for row in connection.execute(PROGRESS)}


def write_progress(connection: psycopg.Connection, reached: Sequence[Progress]) -> None:
    """Write how far slices have been looked at; none ever goes back."""
    slices, dates, versions = zip(*reached, strict=True) if reached else ((), (), ())
    connection.execute(WRITE_PROGRESS, {"slices": list(slices), "dates": list(dates), "versions": list(versions)})


def read_versions(connection: psycopg.Connection) -> dict[str, str]:
    """Return the version of each table."""
    return dict(connection.execute(VERSIONS).fetchall())


def read_newest_day(connection: psycopg.Connection, metric: Metric, series: Series, *, last: dt.date) -> dt.date | None:
    """Return the newest session up to `last` that a series has; None if it has none."""
    sql = newest_day_sql(metric)
    if sql is None:
        return last
    row = connection.execute(sql, {"last": last, **parameters_of(series, metric)}).fetchone()
    return row[0] if row else None


def write_states(connection: psycopg.Connection, rows: Sequence[tuple[object, ...]]) -> int:
    """Write where pairs stand, columns as in STATE_COLUMNS; returns how many there were."""
    if not rows:
        return 0
    connection.execute(MAKE_STATES)
    connection.execute("truncate new_states")
    with connection.cursor() as cursor, cursor.copy(f"copy new_states ({', '.join(STATE_COLUMNS)}) from stdin") as copy:
        for row in rows:
            copy.write_row(row)
    return connection.execute(WRITE_STATES).rowcount
