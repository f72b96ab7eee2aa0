-- What all processes share about vendors: how much of a key's budget is used, and whether a host answers.
create table app.vendor_budgets (
    key_hash text primary key,
    vendor text not null,
    last_request_at timestamptz,
    minute_at timestamptz not null,
    minute_used integer not null,
    day_at timestamptz not null,
    day_used integer not null,
    blocked_until timestamptz
);
comment on table app.vendor_budgets is 'One row per vendor key, known by its hash alone: what has been used of its limits.';
comment on column app.vendor_budgets.key_hash is 'Hash of the key; the key itself stands nowhere in the database.';
comment on column app.vendor_budgets.vendor is 'Name of the vendor, as in the source registry.';
comment on column app.vendor_budgets.last_request_at is 'When the key was last used.';
comment on column app.vendor_budgets.minute_at is 'Begin of the minute that minute_used counts.';
comment on column app.vendor_budgets.minute_used is 'Cost of the requests in that minute. Unit the vendor''s credits, calls where it has none.';
comment on column app.vendor_budgets.day_at is 'Begin of the day of UTC that day_used counts.';
comment on column app.vendor_budgets.day_used is 'Cost of the requests on that day. Unit the vendor''s credits, calls where it has none.';
comment on column app.vendor_budgets.blocked_until is 'The vendor said that it gives nothing before this instant.';

create table app.vendor_hosts (
    host text primary key,
    n_failures integer not null,
    opened_until timestamptz,
    last_answer_at timestamptz not null,
    last_status text not null
);
comment on table app.vendor_hosts is 'One row per host of a vendor: how it answered last, and its circuit breaker.';
comment on column app.vendor_hosts.host is 'Host, with its port where it is not the usual one.';
comment on column app.vendor_hosts.n_failures is 'Failed attempts in a row. Unit attempts.';
comment on column app.vendor_hosts.opened_until is 'The breaker lets nothing through before this instant; then one try. Null while it is closed.';
comment on column app.vendor_hosts.last_answer_at is 'When an attempt last ended.';
comment on column app.vendor_hosts.last_status is 'Status of that attempt, or the kind of its failure.';
