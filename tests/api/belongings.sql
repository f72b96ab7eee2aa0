insert into app.jobs (
    job_id, user_id, kind, parameters, parameters_hash, cost_seconds, correlation_id, requested_at, expires_at
) values (
    '018f6b2e-7c1a-7cc3-9f3e-2f6d5a1b0c4d', '00000000-0000-7000-8000-00000000a11c', 'backtest', '{}', 'h', 8.2, 'r',
    '2024-06-27T11:00:00Z', '2024-06-28T11:00:00Z'
);
insert into app.portfolios (portfolio_id, user_id, name, currency_code) values (
    '018f6b2e-7c1a-7cc3-9f3e-2f6d5a1b0c4e', '00000000-0000-7000-8000-00000000a11c', 'Pension', 'USD'
);
insert into app.holdings (portfolio_id, instrument_id, user_id, quantity_shares, cost_price)
select '018f6b2e-7c1a-7cc3-9f3e-2f6d5a1b0c4e', instrument_id, '00000000-0000-7000-8000-00000000a11c', 10, 12.5
from marts.dim_instruments
where ticker = 'ACME';
insert into app.channels (channel_id, user_id, address, secret_encrypted, secret_key_id, verified_at, created_at) values (
    '018f6b2e-7c1a-7cc3-9f3e-2f6d5a1b0c5f', '00000000-0000-7000-8000-00000000a11c', 'https://example.com/hook', '\x00',
    'k', '2024-06-27T11:00:00Z', '2024-06-27T11:00:00Z'
);
insert into app.events (type, user_id, payload, created_at) values (
    'alert.triggered', '00000000-0000-7000-8000-00000000a11c', '{"message": "ACME: price 101.5 is at or above 100."}',
    '2024-06-27T11:00:00Z'
);
insert into app.alerts (alert_id, user_id, name, rule) values (
    '018f6b2e-7c1a-7cc3-9f3e-2f6d5a1b0c50', '00000000-0000-7000-8000-00000000a11c', 'ACME above 100',
    '{"version": 1, "metric": "price", "operator": "at_or_above", "level": 100, "instruments": ["i_acme"]}'
);
insert into app.events (type, subject, payload, correlation_id, created_at) values (
    'price.updated', 'raw.daily_bars', '{"as_of_date": "2024-06-26", "n_symbols": 3}',
    '3f1c8a52-9a55-4cde-8a3f-0d6f6a2b1c77', '2024-06-27T11:00:00Z'
);
insert into app.api_keys (api_key_id, user_id, key_hash, scopes, label, created_at) values (
    '5d41402abc4b', '00000000-0000-7000-8000-00000000a11c', 'h', '{read:market}', 'notebook', '2024-06-27T11:00:00Z'
);
insert into app.paper_orders (order_id, user_id, instrument_id, side, kind, quantity_shares, placed_at) values (
    '018f6b2e-7c1a-7cc3-9f3e-2f6d5a1b0c50', '00000000-0000-7000-8000-00000000a11c', 'i_acme', 'buy', 'market', 10,
    '2024-06-26T21:00Z'
);
insert into app.paper_accounts (user_id, trade_date, equity, cash, currency_code, account) values (
    '00000000-0000-7000-8000-00000000a11c', '2024-06-24', 100000, 100000, 'USD',
    '{"book": {"cash": 100000, "orders": [], "positions": {}}, "marks": {}}'
), (
    '00000000-0000-7000-8000-00000000a11c', '2024-06-26', 100020, 98960, 'USD',
    '{"book": {"cash": 98960, "orders": [], "positions": {"p": {"position_id": "p", "instrument_id": "i_acme",
      "quantity": 10, "cost": 1040, "realised": 0, "entry_session": 1}}}, "marks": {"i_acme": [106, 0]}}'
);
