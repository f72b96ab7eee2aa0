-- News, exchange rates and holidays as the sources said them, and what news says in figures.
create table raw.news_articles (
    source text not null,
    source_article_id text not null,
    published_at timestamptz not null,
    title text not null,
    url text,
    publisher text,
    author text,
    summary text,
    source_symbols jsonb not null default '[]' check (jsonb_typeof(source_symbols) = 'array'),
    sentiment double precision,
    sentiment_by text,
    ingested_at timestamptz not null default now(),
    primary key (source, source_article_id)
);
comment on table raw.news_articles is 'One row per source and article: what was written about companies.';
comment on column raw.news_articles.source is 'Name of the source.';
comment on column raw.news_articles.source_article_id is 'Id of the article at the source; its address where the source has none.';
comment on column raw.news_articles.published_at is 'When the world could first read it.';
comment on column raw.news_articles.title is 'Headline.';
comment on column raw.news_articles.url is 'Address of the article, null if unknown.';
comment on column raw.news_articles.publisher is 'Who published it, null if unknown.';
comment on column raw.news_articles.author is 'Who wrote it, null if unknown.';
comment on column raw.news_articles.summary is 'First sentences or the source''s summary, null if unknown.';
comment on column raw.news_articles.source_symbols is 'Instruments that it is about, in the source''s symbols: a JSON list of texts.';
comment on column raw.news_articles.sentiment is 'The source''s own judgement of its tone, null where it has none. Unit none, from -1 (bad) to 1 (good).';
comment on column raw.news_articles.sentiment_by is 'Whose judgement that is.';
comment on column raw.news_articles.ingested_at is 'When we wrote or last changed the row.';

create table raw.fx_rates (
    source text not null,
    base_currency_code text not null,
    quote_currency_code text not null,
    rate_date date not null,
    rate double precision not null check (rate > 0),
    ingested_at timestamptz not null default now(),
    primary key (source, base_currency_code, quote_currency_code, rate_date)
);
comment on table raw.fx_rates is 'One row per source, pair of currencies and day: the day''s last exchange rate.';
comment on column raw.fx_rates.source is 'Name of the source.';
comment on column raw.fx_rates.base_currency_code is 'Currency that one unit of is priced, ISO 4217.';
comment on column raw.fx_rates.quote_currency_code is 'Currency that it is priced in, ISO 4217.';
comment on column raw.fx_rates.rate_date is 'Day of the rate.';
comment on column raw.fx_rates.rate is 'Price of one unit of the base currency. Unit quote currency per base currency.';
comment on column raw.fx_rates.ingested_at is 'When we wrote or last changed the row.';

create table raw.market_holidays (
    source text not null,
    exchange_code text not null,
    holiday_date date not null,
    name text,
    status text not null check (status in ('closed', 'early_close')),
    closes_at timestamptz,
    ingested_at timestamptz not null default now(),
    primary key (source, exchange_code, holiday_date)
);
comment on table raw.market_holidays is 'One row per source, exchange and day: when exchanges are closed, or close early.';
comment on column raw.market_holidays.source is 'Name of the source.';
comment on column raw.market_holidays.exchange_code is 'Exchange, ISO 10383 MIC.';
comment on column raw.market_holidays.holiday_date is 'The day.';
comment on column raw.market_holidays.name is 'What is celebrated, null if unknown.';
comment on column raw.market_holidays.status is 'closed: no session; early_close: a short one.';
comment on column raw.market_holidays.closes_at is 'Close of the short session, null if unknown or closed.';
comment on column raw.market_holidays.ingested_at is 'When we wrote or last changed the row.';

create table research.news_sentiment (
    article_id text not null,
    model_name text not null,
    model_version text not null,
    published_at timestamptz not null,
    sentiment double precision not null check (sentiment between -1 and 1),
    computed_at timestamptz not null default now(),
    primary key (article_id, model_name)
);
comment on table research.news_sentiment is 'One row per article and model: its tone. Known from published_at on.';
comment on column research.news_sentiment.article_id is 'Article, as in marts.fct_news_articles.';
comment on column research.news_sentiment.model_name is 'Who judged: a model of ours, or the source''s own word (sentiment_by).';
comment on column research.news_sentiment.model_version is 'Version of that model; as_given for the source''s own word.';
comment on column research.news_sentiment.published_at is 'When the article could first be read.';
comment on column research.news_sentiment.sentiment is 'Tone of the article. Unit none, from -1 (bad) to 1 (good).';
comment on column research.news_sentiment.computed_at is 'When we wrote or last changed the row.';

-- Tables of dbt that have got further columns; the next build makes them anew.
drop table if exists factors.fct_size, factors.fct_value;
