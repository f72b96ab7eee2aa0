"""How a series of a metric is read: for a session, with what it is held against, and for a span of history."""

from typing import Any

from warehouse.queries.alert_metrics import PLATFORM, Metric, Relation, quoted
from warehouse.records.alert_series import Series

# A crossing is seen over a gap of so many sessions.
REACH_SESSIONS = 10


def newest_day_sql(metric: Metric) -> str | None:
    """Return the query for the newest day of a metric's series up to %(last)s; None if it has one for any day."""
    relation = metric.relation
    if relation.newest is None:
        return None
    chosen = relation.newest == relation.sql
    conditions = [f"t.{relation.day} <= %(last)s"]
    if chosen:
        conditions += [_chosen(relation), *(["not t.is_intraday"] if "is_intraday" in relation.where else [])]
    return f"select max(t.{relation.day}) from {relation.newest} as t where {' and '.join(conditions)}"


def existence_sql(metric: Metric) -> str | None:
    """Return the query for whether the metric's table has any row, and one of the series; None for what is no table."""
    relation = metric.relation
    if relation.newest != relation.sql or not relation.of:
        return None
    rows = f"select from {relation.sql} as t"
    return f"select exists ({rows}), exists ({rows} where {_chosen(relation)})"


def parameters_of(series: Series, metric: Metric) -> dict[str, Any]:
    """Return what the queries of a series take, besides days."""
    return {"key": series.key, "words": list(series.values), **{f"of_{name}": value for name, value in series.of}}


def observation_sql(metric: Metric, series: Series) -> str:
    """Return the query for the observations of a series on a session.

    Its parameters are those of `parameters_of`, and day (the session), first and last (what it looks back on),
    first_live (the same of a quote, whose session comes after the day), close_at, sessions, is_newest; its columns
    those of the temporary table `observed` in alert_observations.py.
    """
    is_live = metric.quote is not None and not series.is_daily
    baseline = "case when now.quoted_at is null then before.v else live.v end / now.factor"
    value = "coalesce(now.quoted, now.v / now.factor)"
    if series.derivation in ("change", "change_size"):
        value = f"{value} / nullif({baseline}, 0) - 1" if series.is_relative else f"{value} - {baseline}"
        value, baseline = (f"abs({value})" if series.derivation == "change_size" else value), "null::float8"
    return f"""
with known as (
    {_values(metric, series, "t.{day} = %(day)s")}
),

earlier as (
    {_values(metric, series, "t.{day} between %(first)s and %(day)s")}
),

before as (
    {_before(series, "%(first)s", "%(last)s")}
),

live as (
    {_before(series, "%(first_live)s", "%(day)s") if is_live else "select instrument_id, v from earlier where false"}
),

now as (
    {_now(metric, is_live=is_live)}
)

select
    %(key)s, now.instrument_id, {value}, {baseline},
    coalesce(now.quoted_at, %(close_at)s), coalesce(now.quoted_date, %(day)s)
from now
left join before on before.instrument_id = now.instrument_id
left join live on live.instrument_id = now.instrument_id
"""


def _before(series: Series, first: str, last: str) -> str:
    """Return the query for what a series is held against, of the sessions between two."""
    within = f"from earlier where day between {first} and {last}"
    if series.derivation in ("value", "member"):
        return f"select distinct on (instrument_id) instrument_id, v {within} order by instrument_id, day desc"
    if series.derivation in ("high", "low"):
        pick = "max" if series.derivation == "high" else "min"
        return f"select instrument_id, {pick}(v) as v {within} group by instrument_id"
    return f"select instrument_id, v from earlier where day = {first}"


def history_sql(metric: Metric, series: Series) -> str:
    """Return the query for all values of a series between %(first)s and %(last)s, of %(instruments)s if it has any."""
    wanted = "and t.instrument_id = any(%(instruments)s)" if metric.relation.has_instrument else ""
    factor = "1.0::float8"
    prices = ""
    if metric.is_adjusted:
        factor = "p.adjustment_factor"
        prices = """left join marts.fct_daily_prices as p
    on p.instrument_id = earlier.instrument_id and p.trade_date = earlier.day"""
    return f"""
with earlier as (
    {_values(metric, series, "t.{day} between %(first)s and %(last)s " + wanted)}
)

select earlier.instrument_id, earlier.day, earlier.v, {factor}
from earlier
{prices}
"""


def _values(metric: Metric, series: Series, days: str) -> str:
    relation = metric.relation
    instrument = "t.instrument_id" if relation.has_instrument else f"'{PLATFORM}'"
    value = f"t.{quoted(metric.column)}"
    value = (
        f"coalesce({value} = any(%(words)s), false)::int::float8"
        if series.derivation == "member"
        else f"{value}::float8"
    )
    known = "true" if metric.is_word else f"t.{quoted(metric.column)} is not null"
    return f"""select {instrument} as instrument_id, t.{relation.day} as day, {value} as v
    from {relation.sql} as t
    where {days.format(day=relation.day)} and {_chosen(relation)} and {relation.where} and {known}"""


def _now(metric: Metric, *, is_live: bool) -> str:
    """Return the query for what is known of the session: its value, or the quote that is newer."""
    factor, prices = "1.0::float8", ""
    name = "coalesce(known.instrument_id, quote.instrument_id)" if is_live else "known.instrument_id"
    if metric.is_adjusted:
        factor = "p.adjustment_factor"
        prices = f"""left join lateral (
        select p.adjustment_factor from marts.fct_daily_prices as p
        where p.instrument_id = {name} and p.trade_date <= %(day)s order by p.trade_date desc limit 1
    ) as p on true"""
    if not is_live:
        return f"""select
        {name} as instrument_id, known.v, {factor} as factor, null::float8 as quoted, null::timestamptz as quoted_at,
        null::date as quoted_date
    from known
    {prices}"""
    return f"""select
        {name} as instrument_id, known.v, {factor} as factor, quote.{metric.quote}::float8 as quoted, quote.quoted_at,
        quote.trade_date as quoted_date
    from known
    full join (select * from research.latest_quotes where trade_date > %(day)s and %(is_newest)s) as quote
        on quote.instrument_id = known.instrument_id
    {prices}"""


def _chosen(relation: Relation) -> str:
    return " and ".join(f"t.{quoted(name)} = %(of_{name})s" for name in relation.of) or "true"


def sessions_back(series: Series) -> int:
    """Return how many sessions before its day a series looks at."""
    return REACH_SESSIONS if series.derivation in ("value", "member") else series.bars
