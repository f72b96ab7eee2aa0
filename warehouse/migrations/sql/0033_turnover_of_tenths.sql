-- Each tenth has a turnover, not the best and the worst alone: so each has a return after costs. Days that are there get
-- theirs when the table is made the next time.
alter table research.evaluation_days
    drop column top_decile_turnover,
    drop column bottom_decile_turnover,
    add column decile_turnovers double precision[] not null default '{}';
comment on column research.evaluation_days.decile_turnovers is 'Share of each tenth by forecast that was not in it 22 sessions before, worst tenth first; null where that is not known. Unit fraction.';
