-- research: what our own code computes from marts and factors. Every table can be rebuilt.
create table research.rolling_measures (
    instrument_id text not null,
    as_of_date date not null,
    beta_252d double precision,
    idiosyncratic_volatility_252d double precision,
    n_observations integer not null,
    computed_at timestamptz not null default now(),
    primary key (instrument_id, as_of_date)
);
create index rolling_measures_by_date on research.rolling_measures (as_of_date);
comment on table research.rolling_measures is 'One row per instrument and as_of_date: rolling regressions on the benchmark. Uses returns up to and including as_of_date.';
comment on column research.rolling_measures.instrument_id is 'Our id of the instrument.';
comment on column research.rolling_measures.as_of_date is 'Last day whose information the values use.';
comment on column research.rolling_measures.beta_252d is 'Slope of daily returns on the benchmark''s over 252 sessions. Unit ratio.';
comment on column research.rolling_measures.idiosyncratic_volatility_252d is 'Standard deviation of the residual daily returns over 252 sessions, times sqrt(252). Unit fraction per year.';
comment on column research.rolling_measures.n_observations is 'Sessions with both returns in the window. Unit sessions.';
comment on column research.rolling_measures.computed_at is 'When we wrote or last changed the row.';

create table research.indicators (
    instrument_id text not null,
    as_of_date date not null,
    rsi_14d double precision,
    macd_12d_26d double precision,
    macd_signal_9d double precision,
    macd_histogram double precision,
    atr_14d double precision,
    bollinger_upper_20d double precision,
    bollinger_middle_20d double precision,
    bollinger_lower_20d double precision,
    sma_20d double precision,
    sma_50d double precision,
    sma_200d double precision,
    ema_12d double precision,
    ema_26d double precision,
    stochastic_k_14d double precision,
    stochastic_d_3d double precision,
    adx_14d double precision,
    obv_shares double precision,
    computed_at timestamptz not null default now(),
    primary key (instrument_id, as_of_date)
);
create index indicators_by_date on research.indicators (as_of_date);
comment on table research.indicators is 'One row per instrument and as_of_date: technical indicators on adjusted prices, defined as in TA-Lib. Uses bars up to and including as_of_date.';
comment on column research.indicators.instrument_id is 'Our id of the instrument.';
comment on column research.indicators.as_of_date is 'Last day whose information the values use.';
comment on column research.indicators.rsi_14d is 'Relative strength index over 14 sessions, Wilder smoothing. Unit points 0 to 100.';
comment on column research.indicators.macd_12d_26d is 'Exponential average over 12 less that over 26 sessions of close_adj. Unit currency per share.';
comment on column research.indicators.macd_signal_9d is 'Exponential average over 9 sessions of the MACD line. Unit currency per share.';
comment on column research.indicators.macd_histogram is 'MACD line less its signal. Unit currency per share.';
comment on column research.indicators.atr_14d is 'Average true range over 14 sessions, Wilder smoothing. Unit currency per share.';
comment on column research.indicators.bollinger_upper_20d is 'Mean over 20 sessions plus two population standard deviations. Unit currency per share.';
comment on column research.indicators.bollinger_middle_20d is 'Mean over 20 sessions. Unit currency per share.';
comment on column research.indicators.bollinger_lower_20d is 'Mean over 20 sessions less two population standard deviations. Unit currency per share.';
comment on column research.indicators.sma_20d is 'Simple average of close_adj over 20 sessions. Unit currency per share.';
comment on column research.indicators.sma_50d is 'Simple average of close_adj over 50 sessions. Unit currency per share.';
comment on column research.indicators.sma_200d is 'Simple average of close_adj over 200 sessions. Unit currency per share.';
comment on column research.indicators.ema_12d is 'Exponential average of close_adj over 12 sessions. Unit currency per share.';
comment on column research.indicators.ema_26d is 'Exponential average of close_adj over 26 sessions. Unit currency per share.';
comment on column research.indicators.stochastic_k_14d is 'Slow stochastic %K: place of the close in the range of 14 sessions, smoothed over 3. Unit points 0 to 100.';
comment on column research.indicators.stochastic_d_3d is 'Average of %K over 3 sessions. Unit points 0 to 100.';
comment on column research.indicators.adx_14d is 'Average directional index over 14 sessions. Unit points 0 to 100.';
comment on column research.indicators.obv_shares is 'On-balance volume since the first bar. Unit shares.';
comment on column research.indicators.computed_at is 'When we wrote or last changed the row.';

create table research.model_versions (
    model_version_id text primary key,
    model_id text not null,
    train_first_date date not null,
    train_last_date date not null,
    valid_from_date date not null,
    valid_to_date date not null,
    n_rows bigint not null,
    n_instruments integer not null,
    features text[] not null,
    features_hash text not null,
    data_digest text not null,
    parameters jsonb not null,
    seed integer not null,
    code_version text not null,
    library_versions jsonb not null,
    metrics jsonb not null,
    artifact_uri text not null,
    computed_at timestamptz not null default now(),
    unique (model_id, valid_from_date)
);
comment on table research.model_versions is 'One row per forecaster and retraining date: what was learnt, from what, and where it lies.';
comment on column research.model_versions.model_version_id is 'Content hash of forecaster, training data, features, parameters, seed and code version.';
comment on column research.model_versions.model_id is 'Forecaster, as in models/models.yaml.';
comment on column research.model_versions.train_first_date is 'First as_of_date of the training rows.';
comment on column research.model_versions.train_last_date is 'Last as_of_date of the training rows; its label ends before valid_from_date (purge).';
comment on column research.model_versions.valid_from_date is 'First day that the version forecasts: the first day of a quarter.';
comment on column research.model_versions.valid_to_date is 'Last day that the version forecasts.';
comment on column research.model_versions.n_rows is 'Training rows. Unit rows.';
comment on column research.model_versions.n_instruments is 'Instruments among them. Unit instruments.';
comment on column research.model_versions.features is 'Names of the features, in order.';
comment on column research.model_versions.features_hash is 'Content hash of that list.';
comment on column research.model_versions.data_digest is 'Content hash of the training matrix and labels.';
comment on column research.model_versions.parameters is 'Parameters of the forecaster.';
comment on column research.model_versions.seed is 'Random seed. Unit none.';
comment on column research.model_versions.code_version is 'Content hash of the code that computes features, labels and the fit.';
comment on column research.model_versions.library_versions is 'Versions of the libraries that computed it.';
comment on column research.model_versions.metrics is 'In-sample figures of the fit, for diagnosis only; out-of-sample ones are in research.evaluations.';
comment on column research.model_versions.artifact_uri is 'Where the fitted model lies, within FACTORLOOM_ARTIFACTS.';
comment on column research.model_versions.computed_at is 'When we wrote or last changed the row.';

create table research.forecasts (
    model_id text not null,
    instrument_id text not null,
    as_of_date date not null,
    model_version_id text not null,
    forecast double precision not null,
    forecast_rank double precision not null,
    computed_at timestamptz not null default now(),
    primary key (model_id, as_of_date, instrument_id)
);
create index forecasts_by_instrument on research.forecasts (instrument_id, as_of_date);
comment on table research.forecasts is 'One row per forecaster, as_of_date and member of the universe. Out of sample: the version was trained on labels that ended before its quarter.';
comment on column research.forecasts.model_id is 'Forecaster, as in models/models.yaml.';
comment on column research.forecasts.instrument_id is 'Our id of the instrument.';
comment on column research.forecasts.as_of_date is 'Last day whose information the values use.';
comment on column research.forecasts.model_version_id is 'Version that forecast it.';
comment on column research.forecasts.forecast is 'The forecaster''s output: expected cross-sectional rank of the 22-session return, centred. Unit fraction, -0.5 to 0.5.';
comment on column research.forecasts.forecast_rank is 'Rank of the forecast among the day''s universe. Unit fraction, 0 worst to 1 best.';
comment on column research.forecasts.computed_at is 'When we wrote or last changed the row.';

create table research.evaluation_days (
    model_id text not null,
    as_of_date date not null,
    rank_ic double precision,
    n_instruments integer not null,
    top_decile_return double precision,
    bottom_decile_return double precision,
    top_decile_turnover double precision,
    decile_returns double precision[] not null,
    computed_at timestamptz not null default now(),
    primary key (model_id, as_of_date)
);
comment on table research.evaluation_days is 'One row per forecaster and as_of_date whose 22-session label is known: skill of the day, out of sample.';
comment on column research.evaluation_days.model_id is 'Forecaster, as in models/models.yaml.';
comment on column research.evaluation_days.as_of_date is 'Day of the forecast.';
comment on column research.evaluation_days.rank_ic is 'Spearman correlation of forecast and label across the universe. Unit ratio.';
comment on column research.evaluation_days.n_instruments is 'Instruments with forecast and label. Unit instruments.';
comment on column research.evaluation_days.top_decile_return is 'Mean label of the best tenth by forecast. Unit fraction per 22 sessions.';
comment on column research.evaluation_days.bottom_decile_return is 'Mean label of the worst tenth by forecast. Unit fraction per 22 sessions.';
comment on column research.evaluation_days.top_decile_turnover is 'Share of the top tenth that was not in it 22 sessions before. Unit fraction.';
comment on column research.evaluation_days.decile_returns is 'Mean label of each tenth by forecast, worst first. Unit fraction per 22 sessions.';
comment on column research.evaluation_days.computed_at is 'When we wrote or last changed the row.';

create table research.evaluations (
    model_id text not null,
    metric text not null,
    value double precision,
    unit text not null,
    definition text not null,
    computed_at timestamptz not null default now(),
    primary key (model_id, metric)
);
comment on table research.evaluations is 'One row per forecaster and figure over all out-of-sample days, with its definition.';
comment on column research.evaluations.model_id is 'Forecaster, as in models/models.yaml.';
comment on column research.evaluations.metric is 'Name of the figure, for example rank_ic_mean.';
comment on column research.evaluations.value is 'The figure. Unit as in the column unit.';
comment on column research.evaluations.unit is 'Unit of the figure.';
comment on column research.evaluations.definition is 'How the figure is computed.';
comment on column research.evaluations.computed_at is 'When we wrote or last changed the row.';

create table research.rankings (
    profile text not null check (profile in ('conservative', 'balanced', 'aggressive')),
    as_of_date date not null,
    is_intraday boolean not null default false,
    instrument_id text not null,
    rank integer,
    score double precision not null,
    signal text not null check (signal in ('strong_buy', 'buy', 'hold', 'sell', 'strong_sell', 'not_ranked')),
    breached_limit text,
    contribution_forecast double precision not null,
    contribution_momentum double precision not null,
    contribution_value double precision not null,
    contribution_quality double precision not null,
    contribution_growth double precision not null,
    contribution_low_risk double precision not null,
    contribution_liquidity double precision not null,
    missing_groups text[] not null default '{}',
    model_version_id text,
    computed_at timestamptz not null default now(),
    primary key (profile, as_of_date, is_intraday, instrument_id)
);
create index rankings_by_rank on research.rankings (profile, as_of_date, is_intraday, rank);
create index rankings_by_instrument on research.rankings (instrument_id, profile, as_of_date);
comment on table research.rankings is 'One row per risk profile, as_of_date and member of the universe: score 0 to 100, rank and signal, and what made them. Intraday rows use live prices on the model of the day before.';
comment on column research.rankings.profile is 'Risk profile: conservative, balanced, aggressive.';
comment on column research.rankings.as_of_date is 'Last day whose information the row uses.';
comment on column research.rankings.is_intraday is 'True for a ranking from live prices; never used in evaluation.';
comment on column research.rankings.instrument_id is 'Our id of the instrument.';
comment on column research.rankings.rank is 'Place in the profile''s order, 1 best; null where a risk limit was breached. Unit places.';
comment on column research.rankings.score is 'Score: 50 plus the sum of the contributions. Unit points 0 to 100.';
comment on column research.rankings.signal is 'strong_buy from the 90th percentile, buy from the 70th, sell below the 30th, strong_sell below the 10th, else hold; not_ranked where a limit was breached.';
comment on column research.rankings.breached_limit is 'Risk limit of the profile that keeps the instrument out, null where none does.';
comment on column research.rankings.contribution_forecast is 'What the forecast adds to the score. Unit points.';
comment on column research.rankings.contribution_momentum is 'What momentum adds to the score. Unit points.';
comment on column research.rankings.contribution_value is 'What value adds to the score. Unit points.';
comment on column research.rankings.contribution_quality is 'What quality adds to the score. Unit points.';
comment on column research.rankings.contribution_growth is 'What growth adds to the score. Unit points.';
comment on column research.rankings.contribution_low_risk is 'What low volatility and beta add to the score. Unit points.';
comment on column research.rankings.contribution_liquidity is 'What liquidity adds to the score. Unit points.';
comment on column research.rankings.missing_groups is 'Groups without a value, whose weight went to the others.';
comment on column research.rankings.model_version_id is 'Version whose forecast went in, null where there was none.';
comment on column research.rankings.computed_at is 'When we wrote or last changed the row.';

create table research.backtests (
    backtest_id text primary key,
    profile text not null,
    configuration jsonb not null,
    data_digest text not null,
    code_version text not null,
    first_date date not null,
    last_date date not null,
    n_rebalances integer not null,
    n_trades integer not null,
    computed_at timestamptz not null default now()
);
comment on table research.backtests is 'One row per backtest, which is one trial: the id is a hash of configuration and data, so a re-run is the same row.';
comment on column research.backtests.backtest_id is 'Content hash of configuration, data and code version.';
comment on column research.backtests.profile is 'Risk profile whose rankings were traded.';
comment on column research.backtests.configuration is 'Every option of the backtest.';
comment on column research.backtests.data_digest is 'Content hash of the prices, rankings and benchmark that went in.';
comment on column research.backtests.code_version is 'Content hash of the engine''s code.';
comment on column research.backtests.first_date is 'First session of the equity curve.';
comment on column research.backtests.last_date is 'Last session of the equity curve.';
comment on column research.backtests.n_rebalances is 'Rebalancings. Unit count.';
comment on column research.backtests.n_trades is 'Trades. Unit count.';
comment on column research.backtests.computed_at is 'When we wrote or last changed the row.';

create table research.backtest_equity (
    backtest_id text not null references research.backtests on delete cascade,
    trade_date date not null,
    equity double precision not null,
    cash double precision not null,
    positions_value double precision not null,
    n_positions integer not null,
    return_1d double precision,
    benchmark_return_1d double precision,
    turnover double precision not null,
    cost double precision not null,
    drawdown double precision not null,
    primary key (backtest_id, trade_date)
);
comment on table research.backtest_equity is 'One row per backtest and session: the books at the close, after that close''s trades. cash + positions_value = equity.';
comment on column research.backtest_equity.backtest_id is 'The backtest.';
comment on column research.backtest_equity.trade_date is 'Session.';
comment on column research.backtest_equity.equity is 'Value of the book, 1.0 at the start. Unit multiple of the starting capital.';
comment on column research.backtest_equity.cash is 'Cash. Unit multiple of the starting capital.';
comment on column research.backtest_equity.positions_value is 'Value of the positions, longs less shorts. Unit multiple of the starting capital.';
comment on column research.backtest_equity.n_positions is 'Positions held. Unit count.';
comment on column research.backtest_equity.return_1d is 'Return of the book since the session before, after costs. Unit fraction.';
comment on column research.backtest_equity.benchmark_return_1d is 'Return of the benchmark since the session before. Unit fraction.';
comment on column research.backtest_equity.turnover is 'Traded value over equity before trading, buys plus sells. Unit fraction.';
comment on column research.backtest_equity.cost is 'Costs paid in the session. Unit multiple of the starting capital.';
comment on column research.backtest_equity.drawdown is 'Equity over its running maximum less 1. Unit fraction.';

create table research.backtest_trades (
    backtest_id text not null references research.backtests on delete cascade,
    trade_date date not null,
    instrument_id text not null,
    weight_before double precision not null,
    weight_after double precision not null,
    traded_value double precision not null,
    price_adj double precision not null,
    cost double precision not null,
    reason text not null,
    primary key (backtest_id, trade_date, instrument_id)
);
comment on table research.backtest_trades is 'One row per backtest, session and instrument traded.';
comment on column research.backtest_trades.backtest_id is 'The backtest.';
comment on column research.backtest_trades.trade_date is 'Session at whose close the trade was made.';
comment on column research.backtest_trades.instrument_id is 'Our id of the instrument.';
comment on column research.backtest_trades.weight_before is 'Weight in the book before the trade, after drift. Unit fraction.';
comment on column research.backtest_trades.weight_after is 'Weight after the trade. Unit fraction.';
comment on column research.backtest_trades.traded_value is 'Value bought, negative when sold. Unit multiple of the starting capital.';
comment on column research.backtest_trades.price_adj is 'Adjusted price of the trade. Unit currency per share.';
comment on column research.backtest_trades.cost is 'Costs of the trade. Unit multiple of the starting capital.';
comment on column research.backtest_trades.reason is 'Why: rebalance or delisting.';

create table research.backtest_metrics (
    backtest_id text not null references research.backtests on delete cascade,
    metric text not null,
    value double precision,
    benchmark_value double precision,
    unit text not null,
    definition text not null,
    primary key (backtest_id, metric)
);
comment on table research.backtest_metrics is 'One row per backtest and figure, with the benchmark''s beside it and the definition.';
comment on column research.backtest_metrics.backtest_id is 'The backtest.';
comment on column research.backtest_metrics.metric is 'Name of the figure, for example sharpe.';
comment on column research.backtest_metrics.value is 'The figure for the book, after costs. Unit as in the column unit.';
comment on column research.backtest_metrics.benchmark_value is 'The same figure for the benchmark, null where it has none. Unit as in the column unit.';
comment on column research.backtest_metrics.unit is 'Unit of the figure.';
comment on column research.backtest_metrics.definition is 'How the figure is computed.';
