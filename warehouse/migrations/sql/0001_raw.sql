-- raw: what the sources said, changed only in type. Written by the ingestion assets, never deleted by absence.
create table raw.instruments (
    source text not null,
    source_symbol text not null,
    instrument_id text not null,
    ticker text not null,
    name text,
    exchange_code text,
    market text,
    currency_code text,
    country_code text,
    sector text,
    industry text,
    listed_date date,
    delisted_date date,
    member_from_date date,
    member_to_date date,
    is_active boolean not null,
    metadata jsonb not null default '{}',
    ingested_at timestamptz not null default now(),
    primary key (source, source_symbol)
);
create index instruments_by_instrument on raw.instruments (instrument_id);
comment on table raw.instruments is 'One row per source and symbol: the instrument as the source describes it today.';
comment on column raw.instruments.source is 'Name of the source that said it, as in the source registry.';
comment on column raw.instruments.source_symbol is 'Symbol as the source spells it.';
comment on column raw.instruments.instrument_id is 'Our id: content hash of the source that first saw the instrument, its stable id or symbol, and its first date.';
comment on column raw.instruments.ticker is 'Canonical ticker, upper case, class shares with a dot.';
comment on column raw.instruments.name is 'Company and share class.';
comment on column raw.instruments.exchange_code is 'Exchange, ISO 10383 MIC.';
comment on column raw.instruments.market is 'Market segment in the source''s words, for example stocks.';
comment on column raw.instruments.currency_code is 'Trading currency, ISO 4217.';
comment on column raw.instruments.country_code is 'Country of the headquarters, ISO 3166-1 alpha-2 where the source gives it, else the source''s word.';
comment on column raw.instruments.sector is 'Sector in the source''s classification.';
comment on column raw.instruments.industry is 'Industry in the source''s classification.';
comment on column raw.instruments.listed_date is 'First trading day, null if unknown.';
comment on column raw.instruments.delisted_date is 'Last trading day, null while listed.';
comment on column raw.instruments.member_from_date is 'Day the instrument joined the universe that the source describes (an index), null if unknown.';
comment on column raw.instruments.member_to_date is 'Last day of that membership, null while it lasts.';
comment on column raw.instruments.is_active is 'True while the instrument trades.';
comment on column raw.instruments.metadata is 'Everything else the source said about it.';
comment on column raw.instruments.ingested_at is 'When we wrote or last changed the row.';

create table raw.instrument_aliases (
    source text not null,
    source_symbol text not null,
    valid_from_date date not null,
    valid_to_date date,
    instrument_id text not null,
    ticker text not null,
    ingested_at timestamptz not null default now(),
    primary key (source, source_symbol, valid_from_date)
);
create index instrument_aliases_by_instrument on raw.instrument_aliases (instrument_id);
comment on table raw.instrument_aliases is 'One row per source, symbol and period of validity: which instrument a symbol meant on a day.';
comment on column raw.instrument_aliases.source is 'Name of the source.';
comment on column raw.instrument_aliases.source_symbol is 'Symbol as the source spells it.';
comment on column raw.instrument_aliases.valid_from_date is 'First day on which the symbol meant this instrument.';
comment on column raw.instrument_aliases.valid_to_date is 'Last such day, null while it lasts.';
comment on column raw.instrument_aliases.instrument_id is 'The instrument meant.';
comment on column raw.instrument_aliases.ticker is 'Canonical ticker in that period.';
comment on column raw.instrument_aliases.ingested_at is 'When we wrote or last changed the row.';

create table raw.daily_bars (
    source text not null,
    source_symbol text not null,
    trade_date date not null,
    open double precision,
    high double precision,
    low double precision,
    close double precision not null,
    volume bigint not null,
    currency_code text not null,
    adjustment text not null check (adjustment in ('none', 'splits', 'splits_dividends')),
    ingested_at timestamptz not null default now(),
    primary key (source, source_symbol, trade_date)
);
create index daily_bars_by_date on raw.daily_bars (trade_date);
comment on table raw.daily_bars is 'One row per source, symbol and session: the bar as the source gave it.';
comment on column raw.daily_bars.source is 'Name of the source.';
comment on column raw.daily_bars.source_symbol is 'Symbol as the source spells it.';
comment on column raw.daily_bars.trade_date is 'Session, a day of the home calendar.';
comment on column raw.daily_bars.open is 'First price. Unit currency per share, adjusted as the column adjustment says.';
comment on column raw.daily_bars.high is 'Highest price. Unit currency per share, adjusted as the column adjustment says.';
comment on column raw.daily_bars.low is 'Lowest price. Unit currency per share, adjusted as the column adjustment says.';
comment on column raw.daily_bars.close is 'Last price. Unit currency per share, adjusted as the column adjustment says.';
comment on column raw.daily_bars.volume is 'Traded volume. Unit shares.';
comment on column raw.daily_bars.currency_code is 'Currency of the prices, ISO 4217.';
comment on column raw.daily_bars.adjustment is 'What the source had adjusted prices for: none, splits, splits_dividends.';
comment on column raw.daily_bars.ingested_at is 'When we wrote or last changed the row.';

create table raw.dividends (
    source text not null,
    source_symbol text not null,
    ex_date date not null,
    amount double precision not null,
    currency_code text not null,
    declared_date date,
    pay_date date,
    ingested_at timestamptz not null default now(),
    primary key (source, source_symbol, ex_date)
);
comment on table raw.dividends is 'One row per source, symbol and ex-date: cash dividends as declared.';
comment on column raw.dividends.source is 'Name of the source.';
comment on column raw.dividends.source_symbol is 'Symbol as the source spells it.';
comment on column raw.dividends.ex_date is 'First day on which the share trades without the dividend.';
comment on column raw.dividends.amount is 'Cash amount as declared, not adjusted for later splits. Unit currency per share.';
comment on column raw.dividends.currency_code is 'Currency of the amount, ISO 4217.';
comment on column raw.dividends.declared_date is 'Day of declaration, null if unknown.';
comment on column raw.dividends.pay_date is 'Day of payment, null if unknown.';
comment on column raw.dividends.ingested_at is 'When we wrote or last changed the row.';

create table raw.splits (
    source text not null,
    source_symbol text not null,
    ex_date date not null,
    shares_new double precision not null,
    shares_old double precision not null,
    ingested_at timestamptz not null default now(),
    primary key (source, source_symbol, ex_date)
);
comment on table raw.splits is 'One row per source, symbol and ex-date: share splits; a 4-for-1 split has shares_new 4 and shares_old 1.';
comment on column raw.splits.source is 'Name of the source.';
comment on column raw.splits.source_symbol is 'Symbol as the source spells it.';
comment on column raw.splits.ex_date is 'First day on which the share trades split.';
comment on column raw.splits.shares_new is 'Shares after the split for every shares_old before it. Unit shares.';
comment on column raw.splits.shares_old is 'Shares before the split. Unit shares.';
comment on column raw.splits.ingested_at is 'When we wrote or last changed the row.';

create table raw.fundamentals (
    source text not null,
    source_symbol text not null,
    statement text not null check (statement in ('annual', 'quarterly')),
    period_end_date date not null,
    published_at timestamptz not null,
    published_at_basis text not null check (published_at_basis in ('published', 'filed', 'assumed')),
    fiscal_year integer,
    currency_code text not null,
    revenue double precision,
    cost_of_revenue double precision,
    gross_profit double precision,
    operating_income double precision,
    net_income double precision,
    eps double precision,
    shares_outstanding double precision,
    total_assets double precision,
    total_liabilities double precision,
    total_equity double precision,
    current_assets double precision,
    current_liabilities double precision,
    cash double precision,
    short_term_debt double precision,
    long_term_debt double precision,
    operating_cash_flow double precision,
    capex double precision,
    depreciation double precision,
    interest_expense double precision,
    ingested_at timestamptz not null default now(),
    primary key (source, source_symbol, statement, period_end_date, published_at)
);
comment on table raw.fundamentals is 'One row per source, symbol, statement, period end and publication: a restated statement is a new row, never an update.';
comment on column raw.fundamentals.source is 'Name of the source.';
comment on column raw.fundamentals.source_symbol is 'Symbol as the source spells it.';
comment on column raw.fundamentals.statement is 'Which report: annual or quarterly.';
comment on column raw.fundamentals.period_end_date is 'Last day of the reported period.';
comment on column raw.fundamentals.published_at is 'When the world could first know it.';
comment on column raw.fundamentals.published_at_basis is 'published: an instant the source gave; filed: end of the filing day; assumed: period end and 90 days.';
comment on column raw.fundamentals.fiscal_year is 'Fiscal year in the company''s count. Unit years.';
comment on column raw.fundamentals.currency_code is 'Reporting currency, ISO 4217.';
comment on column raw.fundamentals.revenue is 'Total revenue of the period. Unit currency.';
comment on column raw.fundamentals.cost_of_revenue is 'Cost of revenue, positive. Unit currency.';
comment on column raw.fundamentals.gross_profit is 'Gross profit. Unit currency.';
comment on column raw.fundamentals.operating_income is 'Operating income. Unit currency.';
comment on column raw.fundamentals.net_income is 'Net income. Unit currency.';
comment on column raw.fundamentals.eps is 'Earnings per share as reported, not adjusted for later splits. Unit currency per share.';
comment on column raw.fundamentals.shares_outstanding is 'Shares outstanding at period end as reported. Unit shares.';
comment on column raw.fundamentals.total_assets is 'Total assets. Unit currency.';
comment on column raw.fundamentals.total_liabilities is 'Total liabilities. Unit currency.';
comment on column raw.fundamentals.total_equity is 'Total shareholders'' equity. Unit currency.';
comment on column raw.fundamentals.current_assets is 'Current assets. Unit currency.';
comment on column raw.fundamentals.current_liabilities is 'Current liabilities. Unit currency.';
comment on column raw.fundamentals.cash is 'Cash and equivalents. Unit currency.';
comment on column raw.fundamentals.short_term_debt is 'Debt due within a year. Unit currency.';
comment on column raw.fundamentals.long_term_debt is 'Debt due later. Unit currency.';
comment on column raw.fundamentals.operating_cash_flow is 'Cash flow from operations. Unit currency.';
comment on column raw.fundamentals.capex is 'Capital expenditure, negative when cash is spent. Unit currency.';
comment on column raw.fundamentals.depreciation is 'Depreciation and amortisation, positive. Unit currency.';
comment on column raw.fundamentals.interest_expense is 'Interest expense, positive. Unit currency.';
comment on column raw.fundamentals.ingested_at is 'When we wrote or last changed the row.';

create table raw.benchmark_bars (
    source text not null,
    source_symbol text not null,
    trade_date date not null,
    open double precision,
    high double precision,
    low double precision,
    close double precision not null,
    volume bigint,
    currency_code text not null,
    ingested_at timestamptz not null default now(),
    primary key (source, source_symbol, trade_date)
);
comment on table raw.benchmark_bars is 'One row per source, index symbol and session: the market index that returns are compared with.';
comment on column raw.benchmark_bars.source is 'Name of the source.';
comment on column raw.benchmark_bars.source_symbol is 'Index symbol as the source spells it.';
comment on column raw.benchmark_bars.trade_date is 'Session, a day of the home calendar.';
comment on column raw.benchmark_bars.open is 'First level. Unit index points.';
comment on column raw.benchmark_bars.high is 'Highest level. Unit index points.';
comment on column raw.benchmark_bars.low is 'Lowest level. Unit index points.';
comment on column raw.benchmark_bars.close is 'Last level. Unit index points.';
comment on column raw.benchmark_bars.volume is 'Traded volume of the members, null if unknown. Unit shares.';
comment on column raw.benchmark_bars.currency_code is 'Currency of the index, ISO 4217.';
comment on column raw.benchmark_bars.ingested_at is 'When we wrote or last changed the row.';

create table raw.quotes (
    source text not null,
    source_symbol text not null,
    quoted_at timestamptz not null,
    price double precision not null,
    open double precision,
    high double precision,
    low double precision,
    previous_close double precision,
    volume bigint,
    currency_code text not null,
    ingested_at timestamptz not null default now(),
    primary key (source, source_symbol, quoted_at)
);
create index quotes_by_time on raw.quotes (quoted_at);
comment on table raw.quotes is 'One row per source, symbol and instant: prices during the session; kept 30 days.';
comment on column raw.quotes.source is 'Name of the source.';
comment on column raw.quotes.source_symbol is 'Symbol as the source spells it.';
comment on column raw.quotes.quoted_at is 'Instant of the price.';
comment on column raw.quotes.price is 'Last traded price, as traded. Unit currency per share.';
comment on column raw.quotes.open is 'First price of the session so far. Unit currency per share.';
comment on column raw.quotes.high is 'Highest price of the session so far. Unit currency per share.';
comment on column raw.quotes.low is 'Lowest price of the session so far. Unit currency per share.';
comment on column raw.quotes.previous_close is 'Close of the session before, as traded. Unit currency per share.';
comment on column raw.quotes.volume is 'Volume of the session so far. Unit shares.';
comment on column raw.quotes.currency_code is 'Currency of the prices, ISO 4217.';
comment on column raw.quotes.ingested_at is 'When we wrote or last changed the row.';

create table raw.quarantine (
    source text not null,
    entity text not null,
    record_key text not null,
    rule text not null,
    payload_hash text not null,
    trade_date date,
    detail text not null,
    payload jsonb not null,
    first_seen_at timestamptz not null default now(),
    primary key (source, entity, record_key, rule, payload_hash)
);
create index quarantine_by_entity on raw.quarantine (entity, trade_date);
comment on table raw.quarantine is 'One row per refused record, rule and content: what failed at the door, and why. A re-run adds nothing.';
comment on column raw.quarantine.source is 'Name of the source.';
comment on column raw.quarantine.entity is 'Table that the record was meant for, without its schema.';
comment on column raw.quarantine.record_key is 'The record''s key, parts joined by a vertical bar.';
comment on column raw.quarantine.rule is 'Name of the rule that refused it.';
comment on column raw.quarantine.payload_hash is 'Content hash of the record.';
comment on column raw.quarantine.trade_date is 'Day that the record is about, null where it has none.';
comment on column raw.quarantine.detail is 'What must hold and what was given, in a sentence.';
comment on column raw.quarantine.payload is 'The record as received.';
comment on column raw.quarantine.first_seen_at is 'When the record was first refused.';

create table raw.bar_verdicts (
    source text not null,
    source_symbol text not null,
    trade_date date not null,
    rule text not null,
    verdict text not null check (verdict in ('suspect', 'cleared')),
    other_trade_date date,
    known_from_date date not null,
    detail text not null,
    decided_at timestamptz not null default now(),
    primary key (source, source_symbol, trade_date, rule)
);
comment on table raw.bar_verdicts is 'One row per bar and soft rule: bars that cannot be trusted (suspect), or were suspected and proved consistent (cleared).';
comment on column raw.bar_verdicts.source is 'Name of the source.';
comment on column raw.bar_verdicts.source_symbol is 'Symbol as the source spells it.';
comment on column raw.bar_verdicts.trade_date is 'Session of the bar.';
comment on column raw.bar_verdicts.rule is 'Name of the rule: wrong_day or unadjusted_split.';
comment on column raw.bar_verdicts.verdict is 'suspect: kept out of factors; cleared: one of a pair, consistent with its own neighbours.';
comment on column raw.bar_verdicts.other_trade_date is 'The other day of a pair, null where there is none.';
comment on column raw.bar_verdicts.known_from_date is 'First session after whose close the verdict could be known.';
comment on column raw.bar_verdicts.detail is 'What was seen, in a sentence.';
comment on column raw.bar_verdicts.decided_at is 'When we wrote or last changed the row.';
