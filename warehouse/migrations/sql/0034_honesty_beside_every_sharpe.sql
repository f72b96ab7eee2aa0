-- No Sharpe ratio without what is left of it beside all that was tried.
alter table research.sweep_results add column deflated_sharpe double precision;
comment on column research.sweep_results.deflated_sharpe is 'Probability that the true Sharpe ratio is above what the best of all trials on record, those of the sweep among them, would show without skill; null where there is no Sharpe ratio, and in sweeps of before there was the column. Unit fraction.';

alter table research.strategies add column overfitting_probability double precision;
comment on column research.strategies.overfitting_probability is 'Probability of overfitting (CSCV, 16 blocks of daily returns) among all strategies that have the newest session, on the sessions that all of them have: one figure of all; null for fewer than two of them or 32 sessions. Unit fraction.';
