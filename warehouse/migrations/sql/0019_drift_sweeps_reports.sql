-- Drift of the forecasters, retraining that it asks for, parameters chosen by `tune`, sweeps, reports, and reasons.
create table research.model_drift (
    model_id text not null,
    valid_from_date date not null,
    kind text not null check (kind in ('feature', 'factor', 'forecast', 'skill')),
    subject text not null,
    model_version_id text not null,
    first_date date not null,
    last_date date not null,
    n_expected bigint not null,
    n_live bigint not null,
    population_stability_index double precision,
    ks_statistic double precision,
    expected_value double precision,
    live_value double precision,
    t double precision,
    is_drifted boolean not null,
    computed_at timestamptz not null default now(),
    primary key (model_id, valid_from_date, kind, subject)
);
comment on table research.model_drift is 'One row per forecaster, quarter that a version forecasts, and thing compared: the quarter''s days so far beside the training window of the version.';
comment on column research.model_drift.model_id is 'Forecaster, as in models/models.yaml.';
comment on column research.model_drift.valid_from_date is 'First day of the window: the first day that the version forecasts.';
comment on column research.model_drift.kind is 'feature: as the forecaster sees it; factor: the raw value behind a feature; forecast: what the version answers; skill: the rank IC.';
comment on column research.model_drift.subject is 'Name of the feature or factor; forecast; or rank_ic.';
comment on column research.model_drift.model_version_id is 'Version that forecasts the window.';
comment on column research.model_drift.first_date is 'First session of the window that was compared.';
comment on column research.model_drift.last_date is 'Last session of the window that was compared.';
comment on column research.model_drift.n_expected is 'Values of the training window; of the skill, days evaluated before the window. Unit count.';
comment on column research.model_drift.n_live is 'Values of the window; of the skill, days of it whose labels are known. Unit count.';
comment on column research.model_drift.population_stability_index is 'Population stability index over tenths of the training window and one bin of missing values; null for the skill. Unit none.';
comment on column research.model_drift.ks_statistic is 'Largest distance of the two distribution functions of the values present (Kolmogorov-Smirnov, two samples); without a probability, for rows of one day are not independent. Null for the skill. Unit fraction.';
comment on column research.model_drift.expected_value is 'Mean of the values present in the training window; of the skill, mean rank IC before the window. Unit of the subject.';
comment on column research.model_drift.live_value is 'The same of the window. Unit of the subject.';
comment on column research.model_drift.t is 'Live less expected rank IC over its standard error, whose variance is Newey-West''s of the days before (21 lags); null but for the skill. Unit ratio.';
comment on column research.model_drift.is_drifted is 'Index of 0.25 or more; of the skill, t of -2 or less.';
comment on column research.model_drift.computed_at is 'When we wrote or last changed the row.';

create table research.retraining_requests (
    model_id text not null,
    valid_from_date date not null,
    window_from_date date not null,
    reason text not null,
    computed_at timestamptz not null default now(),
    primary key (model_id, valid_from_date),
    unique (model_id, window_from_date)
);
comment on table research.retraining_requests is 'One row per retraining beside the quarterly ones: at most one per forecaster and quarter. A request stands for ever, so that training a quarter again makes the same versions.';
comment on column research.retraining_requests.model_id is 'Forecaster, as in models/models.yaml.';
comment on column research.retraining_requests.valid_from_date is 'First day that the new version is to forecast: the session after the one that showed the drift.';
comment on column research.retraining_requests.window_from_date is 'First day of the quarter.';
comment on column research.retraining_requests.reason is 'What has drifted, in words.';
comment on column research.retraining_requests.computed_at is 'When we wrote or last changed the row.';

create table research.parameter_choices (
    choice_id text primary key,
    model_id text not null,
    valid_from_date date not null,
    parameters jsonb not null,
    candidates jsonb not null check (jsonb_typeof(candidates) = 'array'),
    first_date date not null,
    last_date date not null,
    n_folds integer not null,
    features_hash text not null,
    code_version text not null,
    computed_at timestamptz not null default now(),
    unique (model_id, valid_from_date)
);
comment on table research.parameter_choices is 'One row per forecaster and quarter from which on chosen parameters count: nested walk-forward, every label of which was known before that quarter.';
comment on column research.parameter_choices.choice_id is 'Content hash of forecaster, quarter, candidates, days and code version.';
comment on column research.parameter_choices.model_id is 'Forecaster, as in models/models.yaml.';
comment on column research.parameter_choices.valid_from_date is 'First day of the first quarter that may be trained with the choice.';
comment on column research.parameter_choices.parameters is 'Parameters chosen; they stand before those of models/models.yaml.';
comment on column research.parameter_choices.candidates is 'Every candidate: its parameters, its mean rank IC on the inner test days, and its standard error.';
comment on column research.parameter_choices.first_date is 'First inner test day.';
comment on column research.parameter_choices.last_date is 'Last inner test day; its label was known before valid_from_date.';
comment on column research.parameter_choices.n_folds is 'Inner folds. Unit count.';
comment on column research.parameter_choices.features_hash is 'Content hash of the list of features.';
comment on column research.parameter_choices.code_version is 'Content hash of the code that computes features, labels and the fit.';
comment on column research.parameter_choices.computed_at is 'When we wrote or last changed the row.';

create table research.sweeps (
    sweep_id text primary key,
    profile text not null,
    configuration jsonb not null,
    data_digest text not null,
    code_version text not null,
    first_date date not null,
    last_date date not null,
    n_configurations integer not null,
    best_number integer not null,
    deflated_sharpe double precision,
    overfitting_probability double precision,
    computed_at timestamptz not null default now()
);
comment on table research.sweeps is 'One row per sweep: many configurations of a backtest at once, each of which is a trial.';
comment on column research.sweeps.sweep_id is 'Content hash of configuration, data and code version.';
comment on column research.sweeps.profile is 'Risk profile whose rankings were traded.';
comment on column research.sweeps.configuration is 'The grid.';
comment on column research.sweeps.data_digest is 'Content hash of the prices and rankings that went in.';
comment on column research.sweeps.code_version is 'Content hash of the engine''s code.';
comment on column research.sweeps.first_date is 'First session of the books.';
comment on column research.sweeps.last_date is 'Last session of the books.';
comment on column research.sweeps.n_configurations is 'Configurations. Unit count.';
comment on column research.sweeps.best_number is 'Number of the configuration with the highest Sharpe ratio. Unit none.';
comment on column research.sweeps.deflated_sharpe is 'Probability that the true Sharpe ratio of the best is above what the best of as many without skill would show. Unit fraction.';
comment on column research.sweeps.overfitting_probability is 'Probability of backtest overfitting (CSCV, 16 blocks of daily returns). Unit fraction.';
comment on column research.sweeps.computed_at is 'When we wrote or last changed the row.';

create table research.sweep_results (
    sweep_id text not null references research.sweeps on delete cascade,
    number integer not null,
    parameters jsonb not null,
    sharpe double precision,
    cagr double precision,
    volatility double precision,
    max_drawdown double precision,
    turnover double precision,
    primary key (sweep_id, number)
);
comment on table research.sweep_results is 'One row per sweep and configuration; figures are defined as in research.backtest_metrics.';
comment on column research.sweep_results.sweep_id is 'The sweep.';
comment on column research.sweep_results.number is 'Number of the configuration within the sweep, from 0. Unit none.';
comment on column research.sweep_results.parameters is 'The configuration.';
comment on column research.sweep_results.sharpe is 'Sharpe ratio of daily returns after costs, annualised. Unit ratio.';
comment on column research.sweep_results.cagr is 'Compound return after costs. Unit fraction per year.';
comment on column research.sweep_results.volatility is 'Standard deviation of daily returns, annualised. Unit fraction per year.';
comment on column research.sweep_results.max_drawdown is 'Deepest fall from the highest level. Unit fraction, 0 or less.';
comment on column research.sweep_results.turnover is 'Bought plus sold over equity. Unit fraction per year.';

alter table research.backtests add column report_uri text;
comment on column research.backtests.report_uri is 'Where its report lies within FACTORLOOM_ARTIFACTS: one HTML page that needs no network; null for a backtest of before there were reports.';
comment on column research.backtest_trades.trade_date is 'Session in which the trade was made: at its close, or at its open where the configuration says so.';
comment on column research.backtest_trades.cost is 'Costs of the trade: fees, half spread and impact. Unit multiple of the starting capital.';

alter table research.rankings
    add column reasons text[] not null default '{}',
    add column reason_features text[] not null default '{}',
    add column reason_sizes double precision[] not null default '{}';
comment on column research.rankings.reasons is 'In words: the five features that move the forecast most, strongest first. For the newest 22 sessions, as in research.signals.';
comment on column research.rankings.reason_features is 'Those features.';
comment on column research.rankings.reason_sizes is 'What each adds to the forecast, negative where it lowers it (SHAP values). Unit fraction, as the forecast.';
