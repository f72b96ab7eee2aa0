create table marts.dim_instruments (
    instrument_id text, ticker text, name text, exchange_code text, market text, currency_code text, country_code text,
    sector text, industry text, listed_date date, delisted_date date, member_from_date date, member_to_date date,
    is_active boolean, source text, first_trade_date date, last_trade_date date
);
insert into marts.dim_instruments
(instrument_id, ticker, name, market, currency_code, sector, is_active, delisted_date, source, first_trade_date, last_trade_date)
values
('i_acme', 'ACME', 'Acme Corporation', 'stocks', 'USD', 'Technology', true, null, 'simulated', '2024-06-20', '2024-06-26'),
('i_zeta', 'ZETA', 'Zeta & Sons', 'stocks', 'USD', 'Energy', true, null, 'files', '2024-06-25', '2024-06-26'),
('i_meta', 'META', 'Meta Works', 'stocks', 'USD', 'Technology', true, null, 'simulated', '2024-06-26', '2024-06-26'),
('i_gone', 'GONE', 'Gone Industries', 'stocks', 'USD', 'Energy', false, '2021-03-05', 'simulated', '2021-03-04', '2021-03-05'),
-- An earlier owner of ACME's ticker.
('i_old', 'ACME', 'Acme of Old', 'stocks', 'USD', 'Energy', false, '2015-01-02', 'simulated', '2014-01-02', '2015-01-02'),
('i_empty', 'NEW', 'Not Traded Yet', 'funds', 'USD', null, true, null, 'simulated', null, null);
insert into marts.dim_instruments (instrument_id, ticker, name, market, currency_code, sector, is_active, source)
select 'i_p' || lpad(n::text, 2, '0'), 'P' || lpad(n::text, 2, '0'), 'Plain ' || n, 'stocks', 'USD', 'Utilities', true, 'simulated'
from generate_series(0, 11) as n;

create table marts.dim_tickers (ticker text, valid_from_date date, valid_to_date date, instrument_id text);
insert into marts.dim_tickers values
('METB', '2024-01-02', '2024-05-31', 'i_meta'), ('META', '2024-06-01', null, 'i_meta');

create table marts.fct_daily_prices (
    instrument_id text, trade_date date, source text, currency_code text, adjustment text,
    open_raw double precision, high_raw double precision, low_raw double precision, close_raw double precision,
    volume_shares bigint, adjustment_factor double precision, split_factor double precision,
    open_adj double precision, high_adj double precision, low_adj double precision, close_adj double precision,
    volume_adj double precision, return_1d double precision, dollar_volume double precision, is_suspect boolean,
    price_segment integer, primary key (instrument_id, trade_date)
);
-- ACME splits two for one on Monday the 24th; the 25th is under suspicion.
insert into marts.fct_daily_prices
(instrument_id, trade_date, source, currency_code, adjustment, open_raw, high_raw, low_raw, close_raw, volume_shares,
 adjustment_factor, split_factor, open_adj, high_adj, low_adj, close_adj, volume_adj, return_1d, is_suspect)
select
    'i_acme', trade_date, 'simulated', 'USD', 'none', close_raw - 1, close_raw + 2, close_raw - 2, close_raw, volume,
    factor, factor, (close_raw - 1) * factor, (close_raw + 2) * factor, (close_raw - 2) * factor, close_raw * factor,
    volume / factor, return_1d, is_suspect
from (values
    (date '2024-06-20', 100.0, 1000, 1.0, null, false),
    (date '2024-06-21', 102.0, 1000, 1.0, 0.02, false),
    (date '2024-06-24', 52.0, 2000, 2.0, 52.0 / 51 - 1, false),
    (date '2024-06-25', 51.0, 2000, 2.0, null, true),
    (date '2024-06-26', 53.0, 2200, 2.0, 53.0 / 52 - 1, false)
) as day (trade_date, close_raw, volume, factor, return_1d, is_suspect);
-- ZETA comes adjusted from its source.
insert into marts.fct_daily_prices
(instrument_id, trade_date, source, currency_code, adjustment, volume_shares, adjustment_factor, split_factor,
 open_adj, high_adj, low_adj, close_adj, volume_adj, return_1d, is_suspect)
values
('i_zeta', '2024-06-25', 'files', 'USD', 'splits_dividends', 500, 1, 1, 10, 11, 9, 10, 500, null, false),
('i_zeta', '2024-06-26', 'files', 'USD', 'splits_dividends', 600, 1, 1, 10, 12, 10, 11, 600, 0.1, false);
insert into marts.fct_daily_prices
(instrument_id, trade_date, source, currency_code, adjustment, open_raw, high_raw, low_raw, close_raw, volume_shares,
 adjustment_factor, split_factor, open_adj, high_adj, low_adj, close_adj, volume_adj, is_suspect)
values
('i_meta', '2024-06-26', 'simulated', 'USD', 'none', 20, 20, 20, 20, 100, 1, 1, 20, 20, 20, 20, 100, false),
('i_gone', '2021-03-05', 'simulated', 'USD', 'none', 1, 1, 1, 1, 100, 1, 1, 1, 1, 1, 1, 100, false);

create table marts.fct_fundamentals (
    instrument_id text, statement text, source text, currency_code text, period_end_date date, published_at timestamptz,
    published_at_basis text, known_from_date date, known_to_date date, fiscal_year integer,
    revenue double precision, cost_of_revenue double precision, gross_profit double precision,
    operating_income double precision, net_income double precision, eps double precision,
    shares_outstanding double precision, shares_outstanding_adj double precision, total_assets double precision,
    total_liabilities double precision, total_equity double precision, current_assets double precision,
    current_liabilities double precision, cash double precision, short_term_debt double precision,
    long_term_debt double precision, operating_cash_flow double precision, capex double precision,
    depreciation double precision, interest_expense double precision, revenue_1y_ago double precision,
    net_income_1y_ago double precision, total_assets_1y_ago double precision, revenue_5y_ago double precision
);
insert into marts.fct_fundamentals
(instrument_id, statement, source, currency_code, period_end_date, published_at, known_from_date, known_to_date, revenue)
values
('i_acme', 'annual', 'simulated', 'USD', '2022-12-31', '2023-02-10T21:30Z', '2023-02-13', '2024-02-14', 1000),
('i_acme', 'annual', 'simulated', 'USD', '2023-12-31', '2024-02-14T21:30Z', '2024-02-15', null, 1200);

-- METB was META's symbol before; a quote of it is nobody's now.
insert into raw.instrument_aliases (source, source_symbol, valid_from_date, valid_to_date, instrument_id, ticker) values
('simulated', 'ACME', '2020-01-02', null, 'i_acme', 'ACME'),
('simulated', 'METB', '2024-01-02', '2024-05-31', 'i_meta', 'METB'),
('simulated', 'META', '2024-06-01', null, 'i_meta', 'META');
insert into raw.quotes
(source, source_symbol, quoted_at, price, open, high, low, previous_close, volume, currency_code)
values
-- Older than META's bar of the 26th, and so superseded by it.
('simulated', 'META', '2024-06-26T15:00Z', 19, 19, 19, 19, 18, 10, 'USD'),
('simulated', 'METB', '2024-06-27T15:00Z', 7, 7, 7, 7, 7, 10, 'USD'),
('simulated', 'ACME', '2024-06-27T14:00Z', 54, 53.5, 54, 53, 53, 300, 'USD'),
('simulated', 'ACME', '2024-06-27T14:01Z', 55.12, 53.5, 55.5, 53, 53, 400, 'USD');

insert into research.rankings
(profile, as_of_date, instrument_id, rank, score, signal, breached_limit, contribution_forecast, contribution_momentum,
 contribution_value, contribution_quality, contribution_growth, contribution_low_risk, contribution_liquidity, computed_at)
select
    'balanced', as_of_date, instrument_id, rank, 50 + 10 - coalesce(rank, 12), 'hold', breached_limit,
    10 - coalesce(rank, 12), 0, 0, 0, 0, 0, 0, timestamptz '2024-06-26T22:00Z'
from (values (date '2024-06-24'), (date '2024-06-26')) as day (as_of_date)
cross join (
    select 'i_acme', 1, null union all select 'i_zeta', 2, null union all select 'i_meta', null, 'volatility'
    union all select 'i_p' || lpad(n::text, 2, '0'), 3 + n, null from generate_series(0, 11) as n
) as ranked (instrument_id, rank, breached_limit);
insert into research.rankings
(profile, as_of_date, is_intraday, instrument_id, rank, score, signal, contribution_forecast, contribution_momentum,
 contribution_value, contribution_quality, contribution_growth, contribution_low_risk, contribution_liquidity)
values ('balanced', '2024-06-27', true, 'i_zeta', 1, 50, 'hold', 0, 0, 0, 0, 0, 0, 0);

insert into research.indicators (instrument_id, as_of_date, rsi_14d, sma_20d, obv_shares)
values
('i_acme', '2024-06-24', 40, 102, 1000), ('i_acme', '2024-06-25', 45, 103, 0), ('i_acme', '2024-06-26', 50, 104, 1100);

insert into research.backtests
(backtest_id, profile, configuration, data_digest, code_version, first_date, last_date, n_rebalances, n_trades, computed_at)
values
('b_one', 'balanced', '{"cost_bps": 5}', 'd', 'c', '2024-06-24', '2024-06-26', 1, 2, '2024-06-26T22:00Z'),
('b_two', 'aggressive', '{"cost_bps": 5}', 'd', 'c', '2024-06-24', '2024-06-26', 1, 2, '2024-06-26T22:00Z'),
('b_three', 'balanced', '{"cost_bps": 9}', 'd', 'c', '2024-06-24', '2024-06-26', 1, 2, '2024-06-25T22:00Z');
insert into research.backtest_metrics values ('b_one', 'sharpe', 1.5, 0.5, 'ratio', 'Mean over deviation.');
insert into research.backtest_equity values
('b_one', '2024-06-24', 1, 1, 0, 0, null, null, 0, 0, 0), ('b_one', '2024-06-25', 1.25, 0.25, 1, 1, 0.25, 0.1, 1, 0, 0);

insert into app.index_definitions (index_id, version, effective_date, rules) values
('main', 1, '1970-01-01', '{"weighting": {"equal": 1.0}}'), ('empty', 1, '1970-01-01', '{"weighting": {"equal": 1.0}}');
insert into research.index_values
(index_id, as_of_date, value, value_net, return_1d, benchmark_return_1d, divisor, n_constituents, definition_version)
values
('main', '2024-06-24', 100, 99, null, 0.01, 1.04, 1, 1), ('main', '2024-06-25', 100, 98, 0, 0.0, 1.04, 2, 1),
('main', '2024-06-26', 105, 103, 0.05, 0.02, 1.04, 2, 1);
-- ACME's bar of the 25th is suspect: that day the stored close counts. Adjusted, ACME stands at 104 and then at 106.
insert into research.index_allocations
(index_id, as_of_date, instrument_id, reason, weight_before, weight, target_weight, units, close_adj, price_segment)
values
('main', '2024-06-24', 'i_acme', 'base', 0, 1, 1, 1, 104, 0),
('main', '2024-06-25', 'i_acme', 'rebalance', 1, 0.5, 0.5, 0.5, 104, 0),
('main', '2024-06-25', 'i_zeta', 'rebalance', 0, 0.5, 0.5, 5.2, 10, 0),
('main', '2024-06-25', 'i_gone', 'rebalance', 0, 0, 0, 0, 1, 0);
insert into research.risk_metrics
(index_id, window_name, metric, as_of_date, value, net_value, benchmark_value, unit, definition, first_date, last_date)
values
('main', 'all', 'max_drawdown', '2024-06-26', 0, -0.01, -0.1, 'fraction', 'Lowest.', null, null),
('main', '1m', 'sharpe', '2024-06-26', 1.5, 1.4, 0.5, 'ratio', 'Mean over deviation.', '2024-06-24', '2024-06-26'),
('main', '1y', 'sharpe', '2024-06-26', 1.25, 1.0, 0.25, 'ratio', 'Mean over deviation.', '2024-06-24', '2024-06-26'),
('main', '1y', 'deflated_sharpe', '2024-06-26', 0.8, 0.7, null, 'fraction', 'Of all versions.', '2024-06-24', '2024-06-26'),
('main', '1y', 'overfitting_probability', '2024-06-26', 0.4, 0.3, null, 'fraction', 'CSCV.', '2024-06-24', '2024-06-26'),
('main', '1y', 'n_trials', '2024-06-26', 3, 3, null, 'count', 'Versions.', '2024-06-24', '2024-06-26'),
('main', '3y', 'n_days', '2024-06-26', 126, 126, 126, 'sessions', 'Number.', '2024-06-24', '2024-06-26'),
('main', '3y', 'sharpe', '2024-06-26', 1.25, 1.0, 0.25, 'ratio', 'Mean over deviation.', '2024-06-24', '2024-06-26'),
('main', '3y', 'cagr', '2024-06-26', 0.2, 0.15, 0.1, 'fraction', 'Growth.', '2024-06-24', '2024-06-26');
insert into research.index_turnover (index_id, as_of_date, reason, turnover, cost, n_added, n_removed) values
('main', '2024-06-23', 'base', 1, 0.01, 1, 0), ('main', '2024-06-25', 'rebalance', 1, 0.001, 1, 0),
('main', '2024-06-26', 'drift', 0.5, 0.0005, 0, 0);

create table marts.fct_news_articles (
    article_id text primary key, source text, source_article_id text, instrument_ids text[], title text, summary text, url text,
    publisher text, author text, sentiment_by text, sentiment double precision, published_at timestamptz, known_from_date date
);
insert into marts.fct_news_articles (article_id, source, instrument_ids, title, published_at) values
('n1', 'simulated', '{i_acme}', 'Acme beats expectations', '2024-06-24T14:00Z'),
('n2', 'simulated', '{i_acme,i_meta}', 'Acme and Meta Works part', '2024-06-25T14:00Z'),
('n3', 'simulated', '{}', 'The weather', '2024-06-25T14:00Z'),
('n4', 'simulated', '{i_meta}', 'Meta Works plunges', '2024-06-26T23:59Z');
insert into research.news_sentiment (article_id, model_name, model_version, published_at, sentiment) values
('n1', 'vader_finance', '1', '2024-06-24T14:00Z', 0.5), ('n4', 'vader_finance', '1', '2024-06-26T23:59Z', -0.6),
('n4', 'wire', 'as_given', '2024-06-26T23:59Z', -0.9);

-- Factors of two days for ACME; every factor has its value, its distance and its rank.
do $$
declare
    factor text;
begin
    create table factors.fct_factor_exposures (
        instrument_id text, as_of_date date, primary key (instrument_id, as_of_date)
    );
    create table factors.fct_factor_values (
        instrument_id text, as_of_date date, sector text, primary key (instrument_id, as_of_date)
    );
    foreach factor in array array[
        'momentum_252d_21d', 'momentum_126d_21d', 'reversal_21d', 'distance_to_high_252d', 'volatility_21d',
        'volatility_63d', 'volatility_252d', 'beta_252d', 'idiosyncratic_volatility_252d', 'amihud_21d',
        'turnover_21d', 'dollar_volume_21d', 'log_market_cap', 'earnings_to_price', 'book_to_price',
        'sales_to_price', 'free_cash_flow_to_price', 'dividend_yield', 'return_on_equity', 'gross_profitability',
        'profit_margin', 'accruals', 'debt_to_equity', 'revenue_growth_1y', 'earnings_growth_1y', 'revenue_growth_5y'
    ] loop
        execute format('alter table factors.fct_factor_values add %I double precision', factor);
        execute format('alter table factors.fct_factor_exposures add %I real, add %I real', factor || '_z', factor || '_rank');
    end loop;
end
$$;
insert into factors.fct_factor_values (instrument_id, as_of_date, momentum_252d_21d, dollar_volume_21d) values
('i_acme', '2024-06-25', 0.25, 900), ('i_acme', '2024-06-26', 0.5, 1000), ('i_zeta', '2024-06-26', 0.125, 2000),
('i_gone', '2024-06-26', null, 9000);
insert into factors.fct_factor_exposures (instrument_id, as_of_date, momentum_252d_21d_z, momentum_252d_21d_rank) values
('i_acme', '2024-06-25', 0.5, 0.75), ('i_acme', '2024-06-26', 1.5, 1), ('i_zeta', '2024-06-26', -0.5, 0.5),
('i_gone', '2024-06-26', null, null);

insert into research.signals
(model_id, as_of_date, instrument_id, model_version_id, expected_return_22d, probability_up, confidence, rank, signal,
 reasons, reason_features, reason_sizes, computed_at)
values
('ensemble', '2024-06-25', 'i_acme', null, 0.01, 0.5, 0.25, 1, 'buy', '{technical says buy}', '{}', '{}', '2024-06-25T22:00Z'),
('ensemble', '2024-06-26', 'i_acme', null, 0.02, 0.5, 0.5, 1, 'strong_buy', '{technical says buy}', '{}', '{}', '2024-06-26T22:00Z'),
('ensemble', '2024-06-26', 'i_zeta', null, null, null, 0.75, 2, 'hold', '{}', '{}', '{}', '2024-06-26T22:00Z'),
('ensemble', '2024-06-26', 'i_meta', null, 0.03, 0.5, 0.125, 3, 'sell', '{}', '{}', '{}', '2024-06-26T22:00Z'),
('technical', '2024-06-26', 'i_acme', 'm_2', 0.02, 0.5, 0.5, 1, 'buy', '{high momentum}', '{momentum_252d_21d}', '{0.125}',
 '2024-06-26T22:00Z');

insert into research.model_versions
(model_version_id, model_id, train_first_date, train_last_date, valid_from_date, valid_to_date, n_rows, n_instruments,
 features, features_hash, data_digest, parameters, seed, code_version, library_versions, metrics, artifact_uri, computed_at)
select
    'm_' || n, 'technical', '2020-12-01', '2024-02-28', date '2024-01-01' + (n - 1) * 91, date '2024-03-31' + (n - 1) * 91,
    100 * n, 10, '{momentum_252d_21d,beta_252d}', 'f', 'd', '{}', 1, 'c', '{}', '{}', 'models/m', '2024-04-01T22:00Z'
from generate_series(1, 2) as n;
insert into research.evaluations (model_id, metric, value, unit, definition, computed_at) values
('technical', 'rank_ic_mean', 0.03125, 'ratio', 'Mean.', '2024-06-26T22:00Z'),
('technical', 'rank_ic_t', 2.5, 'ratio', 'Mean over its error.', '2024-06-26T22:00Z'),
('momentum_rule', 'rank_ic_mean', 0.015625, 'ratio', 'Mean.', '2024-06-26T22:00Z');
insert into research.evaluations_by_retraining
(model_id, valid_from_date, metric, value, unit, definition, computed_at)
values
('technical', '2024-01-01', 'rank_ic_mean', 0.0625, 'ratio', 'Mean.', '2024-06-26T22:00Z'),
('technical', '2024-04-01', 'rank_ic_mean', 0, 'ratio', 'Mean.', '2024-06-26T22:00Z'),
('technical', '2024-04-01', 'rank_ic_t', null, 'ratio', 'Mean over its error.', '2024-06-26T22:00Z');

insert into research.backtest_trades
(backtest_id, trade_date, instrument_id, weight_before, weight_after, traded_value, price_adj, cost, reason)
values
('b_one', '2024-06-24', 'i_acme', 0, 0.5, 0.5, 104, 0.0005, 'rebalance'),
('b_one', '2024-06-24', 'i_zeta', 0, 0.5, 0.5, 10, 0.0005, 'rebalance'),
('b_one', '2024-06-26', 'i_acme', 0.5, 0, -0.5, 106, 0.0005, 'rebalance');

insert into research.model_drift
(model_id, valid_from_date, kind, subject, model_version_id, first_date, last_date, n_expected, n_live,
 population_stability_index, is_drifted, computed_at)
values
('technical', '2024-01-01', 'feature', 'beta_252d', 'm_1', '2024-01-02', '2024-03-28', 100, 10, 0.25, true, '2024-06-26T22:00Z'),
('technical', '2024-04-01', 'feature', 'beta_252d', 'm_2', '2024-04-01', '2024-06-26', 100, 10, 0.125, false, '2024-06-26T22:00Z'),
('technical', '2024-04-01', 'skill', 'technical', 'm_2', '2024-04-01', '2024-06-26', 100, 10, null, false, '2024-06-26T22:00Z');

insert into app.refreshes values ('simulated', 'quotes', '2024-06-27T14:01Z');
create table marts.fct_exchange_rates (
    currency_code text, as_of_date date, rate_date date, exchange_rate double precision, reporting_currency_code text
);
insert into marts.fct_exchange_rates values
('EUR', '2024-06-24', '2024-06-24', 1.1, 'USD'), ('EUR', '2024-06-25', '2024-06-25', 1.0, 'USD'),
('EUR', '2024-06-26', '2024-06-26', 1.2, 'USD'), ('USD', '2024-06-24', '2024-06-24', 1, 'USD'),
('USD', '2024-06-25', '2024-06-25', 1, 'USD'), ('USD', '2024-06-26', '2024-06-26', 1, 'USD');

insert into app.strategy_versions (strategy_id, version, effective_date, is_active, parameters, created_by) values
('macd_rsi', 1, '1970-01-01', true, '{"max_rsi": 60}', 'seed');
insert into research.strategies
(strategy_id, strategy_type, title, description, version, is_active, parameters, parameter_schema, capital, currency_code, last_trade_date)
values
('macd_rsi', 'macd_rsi', 'MACD', 'Crossings.', 1, true, '{"max_rsi": 60.0, "n": 5}',
 '{"max_rsi": {"type": "number", "minimum": 0, "maximum": 100}, "n": {"type": "integer", "exclusiveMinimum": 0},
   "stop": {"anyOf": [{"type": "number"}, {"type": "null"}]}}', 1000, 'USD', '2024-06-26');
-- Adjusted by ACME's factor of 2: ten adjusted shares at 104 are twenty of today's at 52.
insert into research.strategy_signals
(strategy_id, as_of_date, instrument_id, signal, reason, indicators, price_adj, version, order_id, execution_status, execution_note)
values
('macd_rsi', '2024-06-24', 'i_acme', 'buy', 'It crossed.', '{"rsi_14d": 50, "close_adj": 104}', 104, 1, 'e1', 'filled', null),
('macd_rsi', '2024-06-25', 'i_acme', 'hold', 'It has not crossed back.', '{"rsi_14d": null}', 104, 1, null, 'none', null),
('macd_rsi', '2024-06-25', 'i_zeta', 'buy', 'It crossed.', '{}', 10, 1, null, 'skipped', 'no place is free');
insert into research.paper_orders
(strategy_id, order_id, broker_order_id, position_id, instrument_id, placed_date, side, kind, reason, is_exit, quantity, price,
 stop_loss, take_profit, good_till_date, status, filled_quantity, average_price, fee, closed_date)
values
('macd_rsi', 'e1', 'paper_1', 'p1', 'i_acme', '2024-06-24', 'buy', 'limit', 'signal', false, 10, 104, 90, null, null, 'filled', 10, 102, 1, '2024-06-25'),
('macd_rsi', 'e1:stop_loss:7', 'paper_2', 'p1', 'i_acme', '2024-06-25', 'sell', 'stop', 'stop_loss', true, 10, 90, null, null, null, 'waiting', 0, null, 0, null);
insert into research.paper_trades
(strategy_id, trade_id, instrument_id, side, entry_date, exit_date, quantity, entry_price, exit_price, fee, pnl, return, exit_reason, context)
values
('macd_rsi', 'p0', 'i_acme', 'long', '2024-06-20', '2024-06-24', 1, 100, 104, 1, 3, 0.03, 'signal', '{"entry": {"reason": "It crossed."}}'),
('macd_rsi', 'pz', 'i_zeta', 'long', '2024-06-25', '2024-06-26', 1, 10, 9, 0, -1, -0.1, 'stop_loss', '{}');
insert into research.strategy_events (strategy_id, event_date, event_number, type, severity, message, instrument_id, metadata) values
('macd_rsi', '2024-06-25', 1, 'position_opened', 'info', 'A position was opened.', 'i_acme', '{}'),
('macd_rsi', '2024-06-26', 1, 'position_closed', 'warning', 'A position was closed by stop loss.', 'i_zeta', '{"pnl": -1}'),
('macd_rsi', '2024-06-26', 2, 'drawdown', 'warning', 'The equity lies below.', null, '{}');
insert into research.strategy_equity
(strategy_id, trade_date, equity, cash, positions_value, n_positions, n_orders, return_1d, benchmark_return_1d, drawdown, traded_value, fee, version, is_active, account)
values
('macd_rsi', '2024-06-24', 1000, 1000, 0, 0, 1, 0, 0.01, 0, 0, 0, 1, true, '{}'),
('macd_rsi', '2024-06-25', 1010, 0, 1010, 1, 1, 0.01, 0, 0, 1000, 1, 1, true, '{}'),
('macd_rsi', '2024-06-26', 909, 0, 909, 1, 1, -0.1, 0.02, -0.1, 0, 0, 1, true, '{}');

insert into app.dataset_versions (dataset, version, as_of_date, n_rows, changed_at)
select dataset, md5(dataset), date '2024-06-26', 10, timestamptz '2024-06-26T22:00Z'
from unnest(array[
    'raw.quotes', 'marts.dim_instruments', 'marts.fct_daily_prices', 'marts.fct_fundamentals', 'research.rankings',
    'research.indicators', 'research.backtests', 'research.backtest_metrics', 'research.backtest_equity',
    'research.index_values', 'research.index_allocations', 'research.risk_metrics', 'marts.fct_news_articles',
    'research.news_sentiment', 'research.signals', 'research.model_versions', 'research.evaluations',
    'research.evaluations_by_retraining',
    'research.backtest_trades', 'research.model_drift', 'factors.fct_factor_exposures',
    'research.strategies', 'research.strategy_equity', 'research.strategy_signals',
    'research.paper_orders', 'research.paper_trades', 'research.strategy_events', 'marts.fct_exchange_rates'
]) as dataset;
