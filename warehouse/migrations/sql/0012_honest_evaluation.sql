-- What the evaluation tells beside the rank IC of all days, and every configuration that was ever evaluated.
alter table research.evaluation_days
    add column bottom_decile_turnover double precision,
    add column decile_up_shares double precision[] not null default '{}',
    add column rank_ic_by_horizon double precision[] not null default '{}',
    add column rank_ic_by_sector jsonb not null default '{}' check (jsonb_typeof(rank_ic_by_sector) = 'object');
comment on column research.evaluation_days.bottom_decile_turnover is 'Share of the worst tenth that was not in it 22 sessions before. Unit fraction.';
comment on column research.evaluation_days.decile_up_shares is 'Share of each tenth by forecast whose label is above 0, worst tenth first. Unit fraction.';
comment on column research.evaluation_days.rank_ic_by_horizon is 'Spearman correlation of the forecast and the return of the 1, 5, 10, 21, 42 and 63 sessions after the trade; null where that is not known yet. Unit ratio.';
comment on column research.evaluation_days.rank_ic_by_sector is 'Spearman correlation of forecast and label within each sector, by the sector''s name. Unit ratio.';

create table research.trials (
    trial_id text primary key,
    model_id text not null,
    parameters jsonb not null,
    features_hash text not null,
    first_date date not null,
    last_date date not null,
    n_periods integer not null,
    sharpe_net double precision,
    computed_at timestamptz not null default now()
);
comment on table research.trials is 'One row per configuration of a forecaster that was ever evaluated; none is ever deleted, for the best of many means little.';
comment on column research.trials.trial_id is 'Content hash of forecaster, parameters and features.';
comment on column research.trials.model_id is 'Forecaster, as in models/models.yaml.';
comment on column research.trials.parameters is 'Parameters of the forecaster.';
comment on column research.trials.features_hash is 'Content hash of the list of its features.';
comment on column research.trials.first_date is 'First day of its evaluation.';
comment on column research.trials.last_date is 'Last day of its evaluation.';
comment on column research.trials.n_periods is 'Periods without overlap that the Sharpe ratio is of. Unit count.';
comment on column research.trials.sharpe_net is 'Sharpe ratio of best less worst tenth after costs, per period of 21 sessions, not annualised. Unit ratio.';
comment on column research.trials.computed_at is 'When we wrote or last changed the row.';
