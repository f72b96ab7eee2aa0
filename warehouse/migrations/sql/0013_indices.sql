-- Rule-based indices: what they are (app), and what became of them (research).
create table app.index_definitions (
    index_id text not null check (index_id ~ '^[a-z][a-z0-9_]{0,62}$'),
    version integer not null check (version > 0),
    effective_date date not null,
    rules jsonb not null,
    created_at timestamptz not null default now(),
    primary key (index_id, version),
    unique (index_id, effective_date)
);
grant select on app.index_definitions to factorloom_api;
comment on table app.index_definitions is 'One row per index and version of its rules. Seeded once; a version counts from its effective_date, so that a new one changes no earlier value.';
comment on column app.index_definitions.index_id is 'Name of the index, as routes take it.';
comment on column app.index_definitions.version is 'Version of the rules, from 1. Unit count.';
comment on column app.index_definitions.effective_date is 'First day that the version decides.';
comment on column app.index_definitions.rules is 'The rules, as transforms/index_rules.py reads them.';
comment on column app.index_definitions.created_at is 'When the version was written.';

create table research.index_allocations (
    index_id text not null,
    as_of_date date not null,
    instrument_id text not null,
    reason text not null check (reason in ('base', 'rebalance', 'drift', 'delisting', 'price_break')),
    weight_before double precision not null,
    weight double precision not null,
    target_weight double precision not null,
    units double precision not null,
    close_adj double precision not null,
    price_segment integer not null,
    computed_at timestamptz not null default now(),
    primary key (index_id, as_of_date, instrument_id)
);
comment on table research.index_allocations is 'One row per index, session in which its positions changed, and instrument held before or after: units stay until the next such session.';
comment on column research.index_allocations.index_id is 'The index.';
comment on column research.index_allocations.as_of_date is 'Session at whose close the positions changed.';
comment on column research.index_allocations.instrument_id is 'Our id of the instrument.';
comment on column research.index_allocations.reason is 'Why: base (the first), rebalance, drift (back to the targets), delisting, price_break (units alone, after a jump in prices that nobody explains).';
comment on column research.index_allocations.weight_before is 'Weight at that close before the change. Unit fraction.';
comment on column research.index_allocations.weight is 'Weight after it, 0 for what was sold. Unit fraction.';
comment on column research.index_allocations.target_weight is 'Weight that the last rebalancing aimed at, without what was delisted since. Unit fraction.';
comment on column research.index_allocations.units is 'Position: units times close_adj, over the divisor, is its part of the value. Unit adjusted shares.';
comment on column research.index_allocations.close_adj is 'Adjusted close of the session, or the last one that can be trusted. Unit currency per share.';
comment on column research.index_allocations.price_segment is 'Price segment of that close. Unit count.';
comment on column research.index_allocations.computed_at is 'When we wrote or last changed the row.';

create table research.index_values (
    index_id text not null,
    as_of_date date not null,
    value double precision not null,
    return_1d double precision,
    benchmark_return_1d double precision,
    divisor double precision not null,
    n_constituents integer not null,
    definition_version integer not null,
    computed_at timestamptz not null default now(),
    primary key (index_id, as_of_date)
);
create index index_values_by_date on research.index_values (as_of_date);
comment on table research.index_values is 'One row per index and session from its base on: value by the divisor method, dividends put back into their payers, before costs.';
comment on column research.index_values.index_id is 'The index.';
comment on column research.index_values.as_of_date is 'Session; the value is that of its close.';
comment on column research.index_values.value is 'Level of the index, 100 at its base. Unit index points.';
comment on column research.index_values.return_1d is 'Return since the session before, null at the base. Unit fraction.';
comment on column research.index_values.benchmark_return_1d is 'Return of the benchmark since the session before. Unit fraction.';
comment on column research.index_values.divisor is 'Worth of the positions over the value; moves only where something leaves without a purchase. Unit currency per index point.';
comment on column research.index_values.n_constituents is 'Instruments held after the close. Unit instruments.';
comment on column research.index_values.definition_version is 'Version of the rules in force. Unit count.';
comment on column research.index_values.computed_at is 'When we wrote or last changed the row.';

create table research.index_turnover (
    index_id text not null,
    as_of_date date not null,
    reason text not null,
    turnover double precision not null,
    n_added integer not null,
    n_removed integer not null,
    dropped_limits text[] not null default '{}',
    computed_at timestamptz not null default now(),
    primary key (index_id, as_of_date)
);
comment on table research.index_turnover is 'One row per index and session in which its positions changed: how much was traded, and which limits could not be kept.';
comment on column research.index_turnover.index_id is 'The index.';
comment on column research.index_turnover.as_of_date is 'Session at whose close the positions changed.';
comment on column research.index_turnover.reason is 'Why, as in research.index_allocations.';
comment on column research.index_turnover.turnover is 'Bought plus sold over the value. Unit fraction.';
comment on column research.index_turnover.n_added is 'Instruments that came in. Unit instruments.';
comment on column research.index_turnover.n_removed is 'Instruments that went out. Unit instruments.';
comment on column research.index_turnover.dropped_limits is 'Limits of the rules that could not be kept together with the others on that day.';
comment on column research.index_turnover.computed_at is 'When we wrote or last changed the row.';

create table research.risk_metrics (
    index_id text not null,
    window_name text not null check (window_name in ('1m', '3m', 'ytd', '1y', '3y', 'all')),
    metric text not null,
    as_of_date date not null,
    value double precision,
    benchmark_value double precision,
    unit text not null,
    definition text not null,
    first_date date,
    last_date date,
    computed_at timestamptz not null default now(),
    primary key (index_id, window_name, metric)
);
comment on table research.risk_metrics is 'One row per index, window that ends on its newest session, and figure, beside the benchmark''s.';
comment on column research.risk_metrics.index_id is 'The index.';
comment on column research.risk_metrics.window_name is 'Length of the window: 1m, 3m, ytd, 1y, 3y, all.';
comment on column research.risk_metrics.metric is 'Name of the figure, for example sharpe.';
comment on column research.risk_metrics.as_of_date is 'Last session of the index.';
comment on column research.risk_metrics.value is 'The figure of the index, before costs. Unit as in the column unit.';
comment on column research.risk_metrics.benchmark_value is 'The same of the benchmark, null where it has none. Unit as in the column unit.';
comment on column research.risk_metrics.unit is 'Unit of the figure.';
comment on column research.risk_metrics.definition is 'How the figure is computed.';
comment on column research.risk_metrics.first_date is 'First return of the window; of the drawdown its peak, null for the start.';
comment on column research.risk_metrics.last_date is 'Last return of the window; of the drawdown its trough.';
comment on column research.risk_metrics.computed_at is 'When we wrote or last changed the row.';
