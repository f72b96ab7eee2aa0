-- The tables of schema marts that alerts read, with the columns that dbt gives them.
create table marts.dim_instruments (
    instrument_id text primary key,
    ticker text not null,
    sector text,
    is_active boolean not null default true,
    last_trade_date date
);

create table marts.fct_daily_prices (
    instrument_id text not null,
    trade_date date not null,
    close_raw double precision,
    close_adj double precision not null,
    adjustment_factor double precision not null default 1,
    split_factor double precision not null default 1,
    return_1d double precision,
    volume_shares bigint,
    is_suspect boolean not null default false,
    primary key (instrument_id, trade_date)
);
create index on marts.fct_daily_prices (trade_date);
comment on column marts.fct_daily_prices.close_raw is 'Close as traded. Unit currency per share.';
comment on column marts.fct_daily_prices.close_adj is 'Adjusted close. Unit currency per share.';
comment on column marts.fct_daily_prices.return_1d is 'Return since the session before. Unit fraction.';
