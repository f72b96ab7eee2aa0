{{ config(
    unique_key=['article_id'],
    indexes=[
        {'columns': ['article_id'], 'unique': true},
        {'columns': ['published_at', 'article_id']},
        {'columns': ['instrument_ids'], 'type': 'gin'},
    ],
) }}

with articles as (
    select
        stg_news_articles.*,
        published_at at time zone '{{ setting("session_timezone", "America/New_York") }}' as published_local
    from {{ ref('stg_news_articles') }} as stg_news_articles
),

aliases as (
    select * from {{ ref('stg_instrument_aliases') }}
),

calendar_days as (
    select * from {{ ref('int_calendar_days_mapped') }}
),

-- A symbol means what it meant on the day of the article; one that means nothing to us names no instrument.
mentions as (
    select
        articles.source,
        articles.source_article_id,
        array_agg(distinct aliases.instrument_id order by aliases.instrument_id) as instrument_ids
    from articles
    cross join lateral jsonb_array_elements_text(articles.source_symbols) as named (source_symbol)
    inner join aliases
        on
            articles.source = aliases.source
            and named.source_symbol = aliases.source_symbol
            and articles.published_local::date >= aliases.valid_from_date
            and (aliases.valid_to_date is null or articles.published_local::date <= aliases.valid_to_date)
    group by articles.source, articles.source_article_id
),

-- What is published at or after the close counts from the next session.
dated as (
    select
        articles.*,
        (
            articles.published_local::date
            + (articles.published_local::time >= {{ session_close('articles.published_local::date') }})::integer
        ) as countable_date
    from articles
),

news_articles as (
    select
        -- ids
        'n' || left(md5(dated.source || '|' || dated.source_article_id), 16) as article_id,
        dated.source,
        dated.source_article_id,
        coalesce(mentions.instrument_ids, '{}') as instrument_ids,
        -- texts
        dated.title,
        dated.summary,
        dated.url,
        dated.publisher,
        dated.author,
        dated.sentiment_by,
        -- numerics
        dated.sentiment,
        -- dates and timestamps
        dated.published_at,
        calendar_days.session_date as known_from_date
    from dated
    left join mentions
        on dated.source = mentions.source and dated.source_article_id = mentions.source_article_id
    left join calendar_days
        on
            calendar_days.calendar_date
            = greatest(dated.countable_date, (select min(days.calendar_date) from calendar_days as days))
)

select * from news_articles
