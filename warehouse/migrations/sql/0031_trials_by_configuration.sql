-- What is one trial, and by which trials a sweep is deflated.
comment on table research.backtests is 'One row per backtest: the id is a hash of configuration, data and code, so a re-run is the same row. A configuration is one trial, its newest row.';
comment on column research.backtests.data_digest is 'Content hash of the prices, rankings, delistings and benchmark that went in.';
comment on column research.sweeps.data_digest is 'Content hash of the prices, rankings, delistings and benchmark that went in.';
comment on column research.sweeps.deflated_sharpe is 'Probability that the true Sharpe ratio of the best is above what the best of all trials on record, those of the sweep among them, would show without skill. Unit fraction.';
