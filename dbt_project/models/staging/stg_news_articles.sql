select
    -- ids
    source,
    source_article_id,
    source_symbols,
    -- texts
    title,
    url,
    publisher,
    author,
    summary,
    sentiment_by,
    -- numerics
    sentiment,
    -- dates and timestamps
    published_at,
    ingested_at
from {{ source('raw', 'news_articles') }}
