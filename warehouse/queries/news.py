"""What pipelines read of news: the articles to judge."""

# Parameters: $1 name and $2 version of the model. Texts come only where there is something to judge.
ARTICLES_TO_JUDGE = """
with articles as (
    select
        a.article_id,
        a.published_at,
        a.title,
        a.summary,
        a.sentiment,
        a.sentiment_by,
        md5(a.title || '|' || coalesce(a.summary, '')) as text_hash
    from marts.fct_news_articles as a
)

select
    a.article_id,
    a.published_at,
    a.sentiment as own_sentiment,
    a.sentiment_by,
    a.text_hash,
    s.sentiment as known_sentiment,
    case when s.sentiment is null then a.title end as title,
    case when s.sentiment is null then a.summary end as summary
from articles as a
left join research.news_sentiment as s
    on a.article_id = s.article_id and s.model_name = $1 and s.model_version = $2 and s.text_hash = a.text_hash
order by a.article_id
"""

# Parameters: $1 name of the model, $2 first and $3 last session at whose close an article was first known.
TONES_BETWEEN = """
select
    about.instrument_id,
    a.known_from_date,
    sum(s.sentiment) as tone_sum,
    count(*) as n_articles
from marts.fct_news_articles as a
inner join research.news_sentiment as s on a.article_id = s.article_id and s.model_name = $1
cross join lateral unnest(a.instrument_ids) as about (instrument_id)
where a.known_from_date between $2 and $3
group by about.instrument_id, a.known_from_date
order by about.instrument_id, a.known_from_date
"""

# Parameter: $1 name of the model.
ARTICLES_WITHOUT_TONE = """
select count(*) as n_articles
from marts.fct_news_articles as a
where not exists (select from research.news_sentiment as s where s.article_id = a.article_id and s.model_name = $1)
"""

# Parameter: $1 name of the model, $2 how far two judgements of an article may be apart.
TONES_OF_BOTH = """
select
    count(*) as n_articles,
    count(*) filter (where abs(ours.sentiment - own.sentiment) > $2) as n_opposite
from research.news_sentiment as ours
inner join research.news_sentiment as own on ours.article_id = own.article_id and own.model_name <> ours.model_name
where ours.model_name = $1
"""

# The same.
OPPOSITE_TONES = """
select ours.sentiment as ours, own.sentiment as own, own.model_name as own_by, a.title
from research.news_sentiment as ours
inner join research.news_sentiment as own on ours.article_id = own.article_id and own.model_name <> ours.model_name
inner join marts.fct_news_articles as a on ours.article_id = a.article_id
where ours.model_name = $1 and abs(ours.sentiment - own.sentiment) > $2
order by abs(ours.sentiment - own.sentiment) desc, a.article_id
limit 10
"""
