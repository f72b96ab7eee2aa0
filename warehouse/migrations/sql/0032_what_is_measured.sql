-- A book is measured by what is weighted as it is; the market's index stands beside it. Figures of a forecaster also per
-- retraining date.
alter table research.backtest_equity add column index_return_1d double precision;
-- What is there was measured by the index.
update research.backtest_equity set index_return_1d = benchmark_return_1d, benchmark_return_1d = null;
update research.backtest_metrics set benchmark_value = null where benchmark_value is not null;
delete from research.backtest_metrics
where metric in ('beta', 'alpha', 'tracking_error', 'information_ratio', 'active_hit_rate', 'break_even_cost_bps');
-- A weight that is changed changes what the ensemble would have said on every day.
alter table research.evaluation_days add column configuration text;
comment on column research.evaluation_days.configuration is 'Hash of the weights by which the ensemble was judged, null for forecasters.';
comment on column research.backtest_equity.benchmark_return_1d is 'Return since the session before of what the book is measured by: all ranked instruments in equal weights, as much of it invested as the book is to be, rebalanced with it, before costs; interest on cash for a long-short book. Unit fraction.';
comment on column research.backtest_equity.index_return_1d is 'Return of the market''s index since the session before. Unit fraction.';

create table research.evaluations_by_retraining (
    model_id text not null,
    valid_from_date date not null,
    metric text not null,
    value double precision,
    unit text not null,
    definition text not null,
    computed_at timestamptz not null default now(),
    primary key (model_id, valid_from_date, metric)
);
comment on table research.evaluations_by_retraining is 'One row per forecaster, retraining date and figure over the out-of-sample days that this version forecast, with its definition.';
comment on column research.evaluations_by_retraining.model_id is 'Forecaster, as in models/models.yaml, or ensemble.';
comment on column research.evaluations_by_retraining.valid_from_date is 'Retraining date: first day that the version forecast. Of the ensemble, which is not trained, the first day of the quarter.';
comment on column research.evaluations_by_retraining.metric is 'Name of the figure, for example rank_ic_mean.';
comment on column research.evaluations_by_retraining.value is 'The figure. Unit as in the column unit.';
comment on column research.evaluations_by_retraining.unit is 'Unit of the figure.';
comment on column research.evaluations_by_retraining.definition is 'How the figure is computed.';
comment on column research.evaluations_by_retraining.computed_at is 'When we wrote or last changed the row.';
