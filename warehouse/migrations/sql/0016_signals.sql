-- What the forecasters say of the newest sessions, one by one and together, and why.
create table research.signals (
    model_id text not null,
    as_of_date date not null,
    instrument_id text not null,
    model_version_id text,
    expected_return_22d double precision,
    probability_up double precision check (probability_up between 0 and 1),
    confidence double precision not null check (confidence between 0 and 1),
    rank integer not null check (rank > 0),
    signal text not null check (signal in ('strong_buy', 'buy', 'hold', 'sell', 'strong_sell')),
    reasons text[] not null default '{}',
    reason_features text[] not null default '{}',
    reason_sizes double precision[] not null default '{}',
    computed_at timestamptz not null default now(),
    primary key (model_id, as_of_date, instrument_id)
);
comment on table research.signals is 'One row per forecaster (or ensemble, all of them together), session and member of the universe, for the newest 22 sessions: what is expected, how surely, and why.';
comment on column research.signals.model_id is 'Forecaster, as in models/models.yaml, or ensemble.';
comment on column research.signals.as_of_date is 'Last day whose information the row uses.';
comment on column research.signals.instrument_id is 'Our id of the instrument.';
comment on column research.signals.model_version_id is 'Version that forecast it, null for the ensemble.';
comment on column research.signals.expected_return_22d is 'Return to expect over the 21 sessions after the trade, by what ranks have meant on days whose labels were known; null for fewer than 63 such days. Unit fraction.';
comment on column research.signals.probability_up is 'Probability that this return is above 0, in the same way. Unit fraction.';
comment on column research.signals.confidence is 'How far the instrument is from the middle, times how sure the forecaster''s skill is; of the ensemble, times the share of the weight that agrees. Unit none, 0 to 1.';
comment on column research.signals.rank is 'Place of the day, 1 best. Unit places.';
comment on column research.signals.signal is 'strong_buy from the 90th percentile of the place, buy from the 70th, sell below the 30th, strong_sell below the 10th, else hold; of the ensemble by its strategy.';
comment on column research.signals.reasons is 'In words: the five features that move the forecast most, strongest first; of the ensemble who says what.';
comment on column research.signals.reason_features is 'Those features.';
comment on column research.signals.reason_sizes is 'What each adds to the forecast, negative where it lowers it (SHAP values). Unit fraction, as the forecast.';
comment on column research.signals.computed_at is 'When we wrote or last changed the row.';
