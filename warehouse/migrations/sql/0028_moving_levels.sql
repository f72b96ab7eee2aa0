-- Levels of alert rules that are metrics themselves.
alter table app.alert_conditions
    add column level_series text,
    add column level_times double precision,
    add constraint alert_conditions_level_check
        check ((level_series is null) = (level_times is null) and (level is null or level_series is null));
comment on column app.alert_conditions.level is 'Level, null for new highs and lows and for a level that moves. Unit as the metric.';
comment on column app.alert_conditions.recover_level is 'Recovery level, null for new highs and lows and for a level that moves. Unit as the metric.';
comment on column app.alert_conditions.level_series is 'What the level is where it moves, as warehouse/records/alert_series.py writes it.';
comment on column app.alert_conditions.level_times is 'What it is multiplied by. Unit ratio.';
