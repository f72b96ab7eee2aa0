"""What the API reads of news: articles with the instruments they name and their tone."""

import datetime as dt
from typing import Annotated

import msgspec
from msgspec import Meta

from warehouse.queries import columns
from warehouse.queries.reader import Reader

# The source's own word goes before a model's.
NEWEST = """
with chosen as (
    select *
    from marts.fct_news_articles as a
    where
        (%(instrument_id)s::text is null or a.instrument_ids @> array[%(instrument_id)s::text])
        and (%(start)s::date is null or a.published_at >= %(start)s::date::timestamp at time zone 'UTC')
        and (%(end)s::date is null or a.published_at < (%(end)s::date + 1)::timestamp at time zone 'UTC')
        and (
            %(before_at)s::timestamptz is null
            or (a.published_at, a.article_id) < (%(before_at)s::timestamptz, %(before_id)s::text)
        )
    order by a.published_at desc, a.article_id desc
    limit %(limit)s
)

select
    c.article_id,
    c.published_at,
    array(
        select i.ticker
        from marts.dim_instruments as i
        where i.instrument_id = any(c.instrument_ids)
        order by i.ticker
    ),
    c.title,
    c.summary,
    c.url,
    c.publisher,
    s.sentiment,
    s.model_name,
    s.model_version,
    c.source
from chosen as c
left join lateral (
    select *
    from research.news_sentiment as judged
    where judged.article_id = c.article_id
    order by judged.model_version = 'as_given' desc, judged.model_name
    limit 1
) as s on true
order by c.published_at desc, c.article_id desc
"""


class Article(msgspec.Struct, frozen=True, gc=False):
    """One article."""

    article_id: Annotated[str, Meta(description="Our id of the article.")]
    published_at: Annotated[dt.datetime, Meta(description="When the world could first read it, UTC.")]
    tickers: Annotated[list[str], Meta(description="Instruments that it is about, by their tickers of today.")]
    title: Annotated[str, Meta(description="Headline.")]
    summary: Annotated[str | None, Meta(description="First sentences, or the source's summary.")]
    url: Annotated[str | None, Meta(description="Address of the article.")]
    publisher: Annotated[str | None, Meta(description="Who published it.")]
    sentiment: Annotated[float | None, Meta(description="Tone. Unit none, from -1 (bad) to 1 (good).")]
    sentiment_by: Annotated[str | None, Meta(description="Who judged it: the source itself, else a model of ours.")]
    sentiment_version: Annotated[str | None, Meta(description="Version of the model; `as_given` for the source.")]
    source: columns.Source


async def newest(
    reader: Reader,
    *,
    instrument_id: str | None = None,
    start: dt.date | None = None,
    end: dt.date | None = None,
    before: tuple[dt.datetime, str] | None = None,
    limit: int,
) -> list[Article]:
    """Return articles, newest first, of one instrument or of all; days by UTC, both included; those behind `before`."""
    before_at, before_id = before or (None, None)
    parameters = {
        "instrument_id": instrument_id, "start": start, "end": end, "before_at": before_at, "before_id": before_id,
        "limit": limit,
    }  # fmt: skip
    return await reader.rows(Article, NEWEST, parameters)
