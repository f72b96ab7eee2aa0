-- No query needs them: each finds its rows by the primary key. Keeping them up cost more than half of a large write.
drop index research.rankings_by_rank;
drop index research.rankings_by_instrument;
drop index research.forecasts_by_instrument;
