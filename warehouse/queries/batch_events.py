"""Events of whole batches: one per version of a table, with counts, the newest day and the symbols that stand out.

A version that has its event is never told again, whoever looks how often; so a look may die anywhere.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import psycopg
from psycopg.rows import class_row

from warehouse.queries.events import write_event
from warehouse.records.events import TOP_SYMBOLS

VERSIONS = """
select v.dataset, v.version, v.as_of_date
from app.dataset_versions as v
where
    v.dataset = any(%(datasets)s) and v.as_of_date is not null
    and not exists (select from app.events as e where e.dedup_key = 'batch:' || v.dataset || ':' || v.version)
order by v.dataset
"""

_BARS = """
with bars as (
    select coalesce(a.ticker, b.source_symbol) as symbol, max(b.close * b.volume) as turnover
    from raw.daily_bars as b
    left join raw.instrument_aliases as a
        on a.source = b.source and a.source_symbol = b.source_symbol and a.valid_to_date is null
    where b.trade_date = %(as_of_date)s
    group by 1
)

select jsonb_build_object(
    'n_symbols', count(*),
    'top_symbols', coalesce(to_jsonb((array_agg(symbol order by turnover desc nulls last, symbol))[:%(top)s]), '[]')
) as payload
from bars
"""

_QUOTES = """
select jsonb_build_object(
    'n_symbols', count(*),
    'as_of_at', max(q.quoted_at),
    'top_symbols', coalesce(
        to_jsonb((array_agg(a.ticker order by abs(q.change) desc nulls last, a.ticker))[:%(top)s]), '[]'
    )
) as payload
from research.latest_quotes as q
left join lateral (
    select min(i.ticker) as ticker from raw.instrument_aliases as i
    where i.instrument_id = q.instrument_id and i.valid_to_date is null
) as a on true
where q.quoted_at >= %(as_of_date)s::date
"""

_SIGNALS = """
with newest as (
    select s.model_id, s.rank, min(i.ticker) as ticker
    from research.signals as s
    left join raw.instrument_aliases as i on i.instrument_id = s.instrument_id and i.valid_to_date is null
    where s.as_of_date = (select max(as_of_date) from research.signals)
    group by s.model_id, s.instrument_id, s.rank
),

chosen as (select model_id from newest order by model_id = 'ensemble' desc, model_id limit 1)

select jsonb_build_object(
    'n_signals', count(*),
    'models', coalesce(to_jsonb(array_agg(distinct n.model_id)), '[]'),
    'top_symbols', coalesce(
        to_jsonb((array_agg(n.ticker order by n.rank) filter (where n.model_id = c.model_id))[:%(top)s]), '[]'
    )
) as payload
from newest as n
left join chosen as c on true
"""

# The newest session with the one before it, by the ensemble where there is one.
_SIGNALS_CHANGED = """
with days as (select distinct as_of_date from research.signals order by as_of_date desc limit 2),

chosen as (
    select s.model_id from research.signals as s
    where s.as_of_date = (select max(as_of_date) from days)
    order by s.model_id = 'ensemble' desc, s.model_id
    limit 1
),

changes as (
    select now.instrument_id, before.signal as was, now.signal, now.rank
    from research.signals as now
    inner join research.signals as before
        on before.model_id = now.model_id and before.instrument_id = now.instrument_id
        and before.as_of_date = (select min(as_of_date) from days)
    where
        now.as_of_date = (select max(as_of_date) from days)
        and now.model_id = (select model_id from chosen) and now.signal <> before.signal
),

told as (
    select c.rank, jsonb_build_object('ticker', min(i.ticker), 'from', c.was, 'to', c.signal) as change
    from changes as c
    left join raw.instrument_aliases as i on i.instrument_id = c.instrument_id and i.valid_to_date is null
    group by c.instrument_id, c.rank, c.was, c.signal
    order by c.rank
    limit %(top)s
)

select jsonb_build_object(
    'n_changed', (select count(*) from changes),
    'model_id', (select model_id from chosen),
    'changes', (select jsonb_agg(change order by rank) from told)
) as payload
where exists (select from changes)
"""

_NEWS = """
with newest as (
    select n.source, n.source_symbols, n.published_at
    from raw.news_articles as n
    where n.published_at >= (select max(published_at) from raw.news_articles) - interval '1 day'
),

about as (
    select coalesce(a.ticker, s.symbol) as symbol, count(*) as n_articles
    from newest as n
    cross join lateral jsonb_array_elements_text(n.source_symbols) as s (symbol)
    left join raw.instrument_aliases as a
        on a.source = n.source and a.source_symbol = s.symbol and a.valid_to_date is null
    group by 1
)

select jsonb_build_object(
    'n_articles_of_last_day', (select count(*) from newest),
    'as_of_at', (select max(published_at) from newest),
    'top_symbols', coalesce(
        (select to_jsonb((array_agg(symbol order by n_articles desc, symbol))[:%(top)s]) from about), '[]'
    )
) as payload
"""

# The mean tone of a week with that of the week before, of instruments that have both.
_TONES_CHANGED = """
with newest as (select max(published_at) as at from research.news_sentiment),

weeks as (
    select
        u.instrument_id,
        avg(t.sentiment) filter (where t.published_at > w.at - interval '7 days') as tone,
        avg(t.sentiment) filter (where t.published_at <= w.at - interval '7 days') as was
    from newest as w
    inner join research.news_sentiment as t on t.published_at > w.at - interval '14 days'
    inner join marts.fct_news_articles as n on n.article_id = t.article_id
    cross join lateral unnest(n.instrument_ids) as u (instrument_id)
    group by u.instrument_id
),

changes as (
    select w.instrument_id, w.was, w.tone, abs(w.tone - w.was) as size
    from weeks as w
    where abs(w.tone - w.was) >= 0.3
),

told as (
    select c.size, jsonb_build_object(
        'ticker', min(i.ticker), 'from', round(c.was::numeric, 3), 'to', round(c.tone::numeric, 3)
    ) as change
    from changes as c
    left join raw.instrument_aliases as i on i.instrument_id = c.instrument_id and i.valid_to_date is null
    group by c.instrument_id, c.size, c.was, c.tone
    order by c.size desc, c.instrument_id
    limit %(top)s
)

select jsonb_build_object(
    'n_changed', (select count(*) from changes),
    'changes', (select jsonb_agg(change order by size desc) from told)
) as payload
where exists (select from changes)
"""

# What is told of a new version of each table, in this order. The first is always told; it marks the version as seen.
TOLD: Mapping[str, Sequence[tuple[str, str]]] = {
    "raw.daily_bars": [("price.updated", _BARS)],
    "raw.quotes": [("price.updated", _QUOTES)],
    "raw.news_articles": [("news.ingested", _NEWS)],
    "research.signals": [("signal.generated", _SIGNALS), ("signal.changed", _SIGNALS_CHANGED)],
    "research.news_sentiment": [("sentiment.changed", _TONES_CHANGED)],
}


class Version(NamedTuple):
    """A version of a table that nobody has been told of."""

    dataset: str
    version: str
    as_of_date: dt.date


def untold(connection: psycopg.Connection) -> list[Version]:
    """Return the versions that stand and have no event."""
    with connection.cursor(row_factory=class_row(Version)) as cursor:
        return cursor.execute(VERSIONS, {"datasets": list(TOLD)}).fetchall()


def tell(connection: psycopg.Connection, version: Version, *, now: dt.datetime, correlation_id: str | None) -> int:
    """Write the events of a version, in one transaction; returns how many are new. Without a change there is none."""
    n_written = 0
    with connection.transaction():
        for place, (type_, sql) in enumerate(TOLD[version.dataset]):
            asked: dict[str, Any] = {"as_of_date": version.as_of_date, "top": TOP_SYMBOLS}
            row = connection.execute(sql, asked).fetchone()
            if row is None:
                continue
            about = {"dataset": version.dataset, "as_of_date": version.as_of_date.isoformat()}
            mark = f"batch:{version.dataset}:{version.version}"
            n_written += write_event(
                connection, type_, {**about, **row[0]}, dedup_key=mark if place == 0 else f"{mark}:{type_}", now=now,
                subject=version.dataset, correlation_id=correlation_id,
            )  # fmt: skip
    return n_written
