-- Currency of each index.
alter table research.index_values add column currency_code text;
comment on column research.index_values.currency_code is 'Currency of the level, ISO 4217; null for the reporting currency.';
comment on column research.index_values.benchmark_return_1d is 'Return of the benchmark since the session before, in the currency of the level. Unit fraction.';
comment on column research.index_values.divisor is 'Worth of the positions over the value; moves only where something leaves without a purchase. Unit currency per index point.';
comment on column research.index_allocations.close_adj is 'Adjusted close of the session, or the last one that can be trusted, in the currency of the level by that day''s rate. Unit currency per share.';
