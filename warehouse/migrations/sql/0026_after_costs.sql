-- Indices after costs, rebalancings on request, and several versions of settings on one day: the newest of them counts.
alter table app.strategy_versions drop constraint strategy_versions_strategy_id_effective_date_key;
alter table app.index_definitions drop constraint index_definitions_index_id_effective_date_key;
comment on column app.strategy_versions.effective_date is 'First session that the version decides; of several versions the newest counts.';
comment on column app.index_definitions.effective_date is 'First day that the version decides; of several versions the newest counts.';

create table app.index_rebalances (
    index_id text not null,
    decided_date date not null,
    requested_by text not null,
    requested_at timestamptz not null default now(),
    primary key (index_id, decided_date)
);
grant select, insert on app.index_rebalances to factorloom_api;
comment on table app.index_rebalances is 'One row per index and session at whose close it decides anew because somebody asked for it, beside those of its calendar.';
comment on column app.index_rebalances.index_id is 'The index.';
comment on column app.index_rebalances.decided_date is 'Session; the next one''s close trades.';
comment on column app.index_rebalances.requested_by is 'Id of the user who asked.';
comment on column app.index_rebalances.requested_at is 'When it was asked for.';

alter table research.index_values
    add column value_net double precision,
    add column return_net_1d double precision;
comment on column research.index_values.value_net is 'Level after the costs of each trade, which the rules say; 100 before those of the base. Unit index points.';
comment on column research.index_values.return_net_1d is 'Return since the session before, after costs; null at the base. Unit fraction.';
alter table research.index_turnover add column cost double precision;
comment on column research.index_turnover.cost is 'Cost of that trade over the value. Unit fraction.';
alter table research.risk_metrics add column net_value double precision;
comment on column research.risk_metrics.net_value is 'The figure of the index after costs. Unit as in the column unit.';
