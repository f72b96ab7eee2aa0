-- The tables of schema marts that alerts read, with the columns that dbt gives them.
create table marts.dim_instruments (
    instrument_id text primary key,
    ticker text not null,
    is_active boolean not null default true,
    last_trade_date date
);

create table marts.fct_daily_prices (
    instrument_id text not null,
    trade_date date not null,
    close_raw double precision,
    close_adj double precision not null,
    is_suspect boolean not null default false,
    primary key (instrument_id, trade_date)
);
create index on marts.fct_daily_prices (trade_date);
