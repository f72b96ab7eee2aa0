-- Trading on paper: strategies and what became of them (research), their settings, and orders of users (app).
create table app.strategy_versions (
    strategy_id text not null check (strategy_id ~ '^[a-z][a-z0-9_]{0,62}$'),
    version integer not null check (version > 0),
    effective_date date not null,
    is_active boolean not null,
    parameters jsonb not null,
    created_at timestamptz not null default now(),
    created_by text not null,
    primary key (strategy_id, version),
    unique (strategy_id, effective_date)
);
grant select, insert on app.strategy_versions to factorloom_api;
comment on table app.strategy_versions is 'One row per strategy and version of its settings. Seeded once; a version counts from its effective_date, so that a new one changes no earlier decision.';
comment on column app.strategy_versions.strategy_id is 'Name of the strategy, as routes take it.';
comment on column app.strategy_versions.version is 'Version of the settings, from 1. Unit count.';
comment on column app.strategy_versions.effective_date is 'First session that the version decides.';
comment on column app.strategy_versions.is_active is 'False: it opens nothing; what it holds runs to its exits.';
comment on column app.strategy_versions.parameters is 'Parameters that differ from their defaults, by the schema in research.strategies.';
comment on column app.strategy_versions.created_at is 'When the version was written.';
comment on column app.strategy_versions.created_by is 'Who wrote it: id of a user, or seed.';

-- A version of an index is written by an administrator through the API.
alter table app.index_definitions add column created_by text not null default 'seed';
grant insert on app.index_definitions to factorloom_api;
comment on column app.index_definitions.created_by is 'Who wrote it: id of a user, or seed.';

create table research.strategies (
    strategy_id text primary key,
    strategy_type text not null,
    title text not null,
    description text not null,
    version integer not null,
    is_active boolean not null,
    parameters jsonb not null,
    parameter_schema jsonb not null,
    capital double precision not null,
    currency_code text not null,
    last_trade_date date not null,
    computed_at timestamptz not null default now()
);
comment on table research.strategies is 'One row per trading strategy on paper: what it does, and the settings in force at its newest session.';
comment on column research.strategies.strategy_id is 'Name of the strategy.';
comment on column research.strategies.strategy_type is 'Plugin that decides.';
comment on column research.strategies.title is 'Title to show.';
comment on column research.strategies.description is 'What it does, in words.';
comment on column research.strategies.version is 'Version of the settings in force. Unit count.';
comment on column research.strategies.is_active is 'False: it opens nothing.';
comment on column research.strategies.parameters is 'All parameters in force, defaults included.';
comment on column research.strategies.parameter_schema is 'JSON schema of each parameter: type, limits, meaning with its unit.';
comment on column research.strategies.capital is 'Cash that it began with. Unit currency.';
comment on column research.strategies.currency_code is 'Currency of its account, ISO 4217.';
comment on column research.strategies.last_trade_date is 'Newest session of its account.';
comment on column research.strategies.computed_at is 'When we wrote or last changed the row.';

create table research.strategy_signals (
    strategy_id text not null,
    as_of_date date not null,
    instrument_id text not null,
    signal text not null check (signal in ('buy', 'sell', 'hold')),
    reason text not null,
    indicators jsonb not null,
    price_adj double precision,
    version integer not null,
    order_id text,
    execution_status text not null
        check (execution_status in ('none', 'skipped', 'waiting', 'partly_filled', 'filled', 'expired', 'cancelled')),
    execution_note text,
    computed_at timestamptz not null default now(),
    primary key (strategy_id, as_of_date, instrument_id)
);
create index strategy_signals_by_date on research.strategy_signals (as_of_date);
comment on table research.strategy_signals is 'One row per strategy, session and instrument that it wants to buy, or holds: what it says at the close, and what became of it.';
comment on column research.strategy_signals.strategy_id is 'The strategy.';
comment on column research.strategy_signals.as_of_date is 'Session at whose close it was decided.';
comment on column research.strategy_signals.instrument_id is 'Our id of the instrument.';
comment on column research.strategy_signals.signal is 'buy, sell (what is held), or hold (on).';
comment on column research.strategy_signals.reason is 'The rule that spoke, in words.';
comment on column research.strategy_signals.indicators is 'Values that the rule looked at, by name, as in research.indicators. Unit as there.';
comment on column research.strategy_signals.price_adj is 'Adjusted close in the currency of the account. Unit currency per share.';
comment on column research.strategy_signals.version is 'Version of the settings in force. Unit count.';
comment on column research.strategy_signals.order_id is 'Order that it led to, null for none.';
comment on column research.strategy_signals.execution_status is 'none (nothing to be done), skipped (no order, the note says why), or the status of the order.';
comment on column research.strategy_signals.execution_note is 'Why there was no order.';
comment on column research.strategy_signals.computed_at is 'When we wrote or last changed the row.';

create table research.paper_orders (
    strategy_id text not null,
    order_id text not null,
    broker_order_id text not null,
    position_id text not null,
    instrument_id text not null,
    placed_date date not null,
    side text not null check (side in ('buy', 'sell')),
    kind text not null check (kind in ('market', 'limit', 'stop')),
    reason text not null,
    is_exit boolean not null,
    quantity double precision not null,
    price double precision,
    stop_loss double precision,
    take_profit double precision,
    good_till_date date,
    status text not null check (status in ('waiting', 'partly_filled', 'filled', 'expired', 'cancelled')),
    filled_quantity double precision not null,
    average_price double precision,
    fee double precision not null,
    closed_date date,
    computed_at timestamptz not null default now(),
    primary key (strategy_id, order_id)
);
create index paper_orders_by_date on research.paper_orders (strategy_id, placed_date);
comment on table research.paper_orders is 'One row per order of a strategy. Shares and prices are adjusted ones, so that splits change nothing and dividends are reinvested.';
comment on column research.paper_orders.strategy_id is 'The strategy.';
comment on column research.paper_orders.order_id is 'Our id of the order.';
comment on column research.paper_orders.broker_order_id is 'The broker''s id of it.';
comment on column research.paper_orders.position_id is 'Position that it opens or closes.';
comment on column research.paper_orders.instrument_id is 'Our id of the instrument.';
comment on column research.paper_orders.placed_date is 'Session after whose close it was placed; it can be filled from the next one on.';
comment on column research.paper_orders.side is 'buy or sell.';
comment on column research.paper_orders.kind is 'market, limit, or stop.';
comment on column research.paper_orders.reason is 'signal, stop_loss, take_profit, or delisting.';
comment on column research.paper_orders.is_exit is 'True if it closes a position.';
comment on column research.paper_orders.quantity is 'Ordered. Unit adjusted shares.';
comment on column research.paper_orders.price is 'Limit, or price that sets a stop off; null for market orders. Unit currency per share.';
comment on column research.paper_orders.stop_loss is 'Of an entry: stop that guards what is filled. Unit currency per share.';
comment on column research.paper_orders.take_profit is 'Of an entry: limit that takes its profit. Unit currency per share.';
comment on column research.paper_orders.good_till_date is 'Last session in which it may be filled, null = until cancelled.';
comment on column research.paper_orders.status is 'waiting, partly_filled, then filled, expired or cancelled.';
comment on column research.paper_orders.filled_quantity is 'Filled so far. Unit adjusted shares.';
comment on column research.paper_orders.average_price is 'Average of the fills after slippage, null without any. Unit currency per share.';
comment on column research.paper_orders.fee is 'Fees so far. Unit currency.';
comment on column research.paper_orders.closed_date is 'Session that ended it, null while it waits.';
comment on column research.paper_orders.computed_at is 'When we wrote or last changed the row.';

create table research.paper_fills (
    strategy_id text not null,
    order_id text not null,
    trade_date date not null,
    position_id text not null,
    instrument_id text not null,
    quantity double precision not null,
    price double precision not null,
    fee double precision not null,
    reason text not null,
    computed_at timestamptz not null default now(),
    primary key (strategy_id, order_id, trade_date)
);
comment on table research.paper_fills is 'One row per order of a strategy and session in which some of it was filled: cash is the capital less all of these.';
comment on column research.paper_fills.strategy_id is 'The strategy.';
comment on column research.paper_fills.order_id is 'The order.';
comment on column research.paper_fills.trade_date is 'Session.';
comment on column research.paper_fills.position_id is 'Position that it opened or closed.';
comment on column research.paper_fills.instrument_id is 'Our id of the instrument.';
comment on column research.paper_fills.quantity is 'Bought above 0, sold below. Unit adjusted shares.';
comment on column research.paper_fills.price is 'After slippage. Unit currency per share.';
comment on column research.paper_fills.fee is 'Fee. Unit currency.';
comment on column research.paper_fills.reason is 'signal, stop_loss, take_profit, or delisting.';
comment on column research.paper_fills.computed_at is 'When we wrote or last changed the row.';

create table research.paper_trades (
    strategy_id text not null,
    trade_id text not null,
    instrument_id text not null,
    side text not null check (side in ('long', 'short')),
    entry_date date not null,
    exit_date date not null,
    quantity double precision not null,
    entry_price double precision not null,
    exit_price double precision not null,
    fee double precision not null,
    pnl double precision not null,
    return double precision not null,
    exit_reason text not null,
    context jsonb not null,
    computed_at timestamptz not null default now(),
    primary key (strategy_id, trade_id)
);
create index paper_trades_by_date on research.paper_trades (strategy_id, exit_date);
comment on table research.paper_trades is 'One row per position of a strategy that was opened and closed.';
comment on column research.paper_trades.strategy_id is 'The strategy.';
comment on column research.paper_trades.trade_id is 'Id of the position.';
comment on column research.paper_trades.instrument_id is 'Our id of the instrument.';
comment on column research.paper_trades.side is 'long or short.';
comment on column research.paper_trades.entry_date is 'Session of the first fill.';
comment on column research.paper_trades.exit_date is 'Session of the last fill.';
comment on column research.paper_trades.quantity is 'Bought in all. Unit adjusted shares.';
comment on column research.paper_trades.entry_price is 'Average of the entry''s fills. Unit currency per share.';
comment on column research.paper_trades.exit_price is 'Average of the exit''s fills. Unit currency per share.';
comment on column research.paper_trades.fee is 'All fees. Unit currency.';
comment on column research.paper_trades.pnl is 'Gain after slippage and fees. Unit currency.';
comment on column research.paper_trades.return is 'Gain over what the entry cost. Unit fraction.';
comment on column research.paper_trades.exit_reason is 'signal, stop_loss, take_profit, or delisting.';
comment on column research.paper_trades.context is 'The market at entry and exit: the signals with their reasons and indicators.';
comment on column research.paper_trades.computed_at is 'When we wrote or last changed the row.';

create table research.strategy_events (
    strategy_id text not null,
    event_date date not null,
    event_number integer not null,
    type text not null,
    severity text not null check (severity in ('info', 'warning')),
    message text not null,
    instrument_id text,
    metadata jsonb not null,
    computed_at timestamptz not null default now(),
    primary key (strategy_id, event_date, event_number)
);
comment on table research.strategy_events is 'One row per thing that happened to a strategy.';
comment on column research.strategy_events.strategy_id is 'The strategy.';
comment on column research.strategy_events.event_date is 'Session.';
comment on column research.strategy_events.event_number is 'Place within the session, from 1. Unit count.';
comment on column research.strategy_events.type is 'position_opened, position_closed, order_expired, drawdown, price_break, delisting, parameters_changed, activated, or deactivated.';
comment on column research.strategy_events.severity is 'info or warning.';
comment on column research.strategy_events.message is 'The event in a sentence.';
comment on column research.strategy_events.instrument_id is 'Our id of the instrument, null where none is meant.';
comment on column research.strategy_events.metadata is 'The facts: amounts in the currency of the account, adjusted shares.';
comment on column research.strategy_events.computed_at is 'When we wrote or last changed the row.';

create table research.strategy_equity (
    strategy_id text not null,
    trade_date date not null,
    equity double precision not null,
    cash double precision not null,
    positions_value double precision not null,
    n_positions integer not null,
    n_orders integer not null,
    return_1d double precision not null,
    benchmark_return_1d double precision,
    drawdown double precision not null,
    traded_value double precision not null,
    fee double precision not null,
    version integer not null,
    is_active boolean not null,
    account text not null,
    computed_at timestamptz not null default now(),
    primary key (strategy_id, trade_date)
);
create index strategy_equity_by_date on research.strategy_equity (trade_date);
comment on table research.strategy_equity is 'One row per strategy and session: the account at the close, from which the next session goes on.';
comment on column research.strategy_equity.strategy_id is 'The strategy.';
comment on column research.strategy_equity.trade_date is 'Session.';
comment on column research.strategy_equity.equity is 'Cash and positions. Unit currency.';
comment on column research.strategy_equity.cash is 'Cash; for a moment below 0 where entries cost more than their size foresaw. Unit currency.';
comment on column research.strategy_equity.positions_value is 'Positions at the last trusted closes. Unit currency.';
comment on column research.strategy_equity.n_positions is 'Positions after the session. Unit positions.';
comment on column research.strategy_equity.n_orders is 'Orders that wait for the next session. Unit orders.';
comment on column research.strategy_equity.return_1d is 'Return since the session before, after costs. Unit fraction.';
comment on column research.strategy_equity.benchmark_return_1d is 'Return of the benchmark since the session before. Unit fraction.';
comment on column research.strategy_equity.drawdown is 'Distance from the highest equity so far, 0 or less. Unit fraction.';
comment on column research.strategy_equity.traded_value is 'Bought plus sold. Unit currency.';
comment on column research.strategy_equity.fee is 'Fees. Unit currency.';
comment on column research.strategy_equity.version is 'Version of the settings in force. Unit count.';
comment on column research.strategy_equity.is_active is 'Whether it opened positions.';
comment on column research.strategy_equity.account is 'Book, waiting orders and positions as transforms/paper_account.py keeps them: JSON, as text since the order of its parts counts.';
comment on column research.strategy_equity.computed_at is 'When we wrote or last changed the row.';

create table app.paper_accounts (
    user_id uuid not null references app.users,
    trade_date date not null,
    equity double precision not null,
    cash double precision not null,
    currency_code text not null,
    account text not null,
    computed_at timestamptz not null default now(),
    primary key (user_id, trade_date)
);
comment on table app.paper_accounts is 'One row per user with orders on paper, and session since the first of them: the account at the close.';
comment on column app.paper_accounts.user_id is 'Whose it is.';
comment on column app.paper_accounts.trade_date is 'Session.';
comment on column app.paper_accounts.equity is 'Cash and positions. Unit currency.';
comment on column app.paper_accounts.cash is 'Cash. Unit currency.';
comment on column app.paper_accounts.currency_code is 'Currency of the account, ISO 4217.';
comment on column app.paper_accounts.account is 'Book, waiting orders and positions as transforms/paper_account.py keeps them: JSON, as text since the order of its parts counts.';
comment on column app.paper_accounts.computed_at is 'When we wrote or last changed the row.';

create table app.paper_orders (
    order_id uuid primary key,
    user_id uuid not null references app.users,
    instrument_id text not null,
    side text not null check (side in ('buy', 'sell')),
    kind text not null check (kind in ('market', 'limit', 'stop')),
    quantity_shares double precision not null check (quantity_shares > 0),
    price double precision check (price > 0),
    stop_loss double precision check (stop_loss > 0),
    take_profit double precision check (take_profit > 0),
    good_till_date date,
    placed_at timestamptz not null default now(),
    cancel_requested_at timestamptz,
    state text not null default 'requested'
        check (state in ('requested', 'waiting', 'partly_filled', 'filled', 'expired', 'cancelled', 'rejected')),
    state_reason text,
    broker_order_id text,
    filled_shares double precision not null default 0,
    average_price double precision,
    fee double precision not null default 0,
    closed_date date,
    updated_at timestamptz not null default now(),
    check ((kind = 'market') = (price is null))
);
create index paper_orders_of_user on app.paper_orders (user_id, placed_at desc, order_id);
comment on table app.paper_orders is 'One row per order on paper that a user placed: what was asked for, and what the broker made of it in the first session that opened afterwards, or in later ones.';
comment on column app.paper_orders.order_id is 'Id of the order.';
comment on column app.paper_orders.user_id is 'Whose it is.';
comment on column app.paper_orders.instrument_id is 'Our id of the instrument.';
comment on column app.paper_orders.side is 'buy, or sell (what is held, or short).';
comment on column app.paper_orders.kind is 'market, limit, or stop.';
comment on column app.paper_orders.quantity_shares is 'Ordered, in shares as they were traded when the order was placed. Unit shares.';
comment on column app.paper_orders.price is 'Limit, or price that sets a stop off; null for market orders. Unit currency per share.';
comment on column app.paper_orders.stop_loss is 'Stop that guards what is filled. Unit currency per share.';
comment on column app.paper_orders.take_profit is 'Limit that takes the profit of what is filled. Unit currency per share.';
comment on column app.paper_orders.good_till_date is 'Last day on which it may be filled, null = until cancelled.';
comment on column app.paper_orders.placed_at is 'When it was placed.';
comment on column app.paper_orders.cancel_requested_at is 'When its owner took it back; what a session that opened before has filled stays filled.';
comment on column app.paper_orders.state is 'requested until the broker has seen it, waiting, partly_filled, then filled, expired, cancelled or rejected.';
comment on column app.paper_orders.state_reason is 'Why it was rejected or cancelled.';
comment on column app.paper_orders.broker_order_id is 'The broker''s id of it, null until it has one.';
comment on column app.paper_orders.filled_shares is 'Filled so far, in shares as they were traded when the order was placed. Unit shares.';
comment on column app.paper_orders.average_price is 'Average of the fills after slippage, null without any. Unit currency per share.';
comment on column app.paper_orders.fee is 'Fees so far. Unit currency.';
comment on column app.paper_orders.closed_date is 'Session that ended it.';
comment on column app.paper_orders.updated_at is 'When the row last changed.';

grant select, insert, update on app.paper_orders to factorloom_api;
grant select on app.paper_accounts to factorloom_api;
do $$
declare
    user_table text;
begin
    foreach user_table in array array['paper_orders', 'paper_accounts'] loop
        execute format('alter table app.%I enable row level security', user_table);
        execute format('alter table app.%I force row level security', user_table);
        execute format(
            'create policy owner_only on app.%I for all to factorloom_api'
            ' using (user_id = nullif(current_setting(''app.user_id'', true), '''')::uuid)'
            ' with check (user_id = nullif(current_setting(''app.user_id'', true), '''')::uuid)', user_table);
        execute format(
            'create policy pipelines on app.%I for all to factorloom_writer using (true) with check (true)',
            user_table);
    end loop;
end
$$;
