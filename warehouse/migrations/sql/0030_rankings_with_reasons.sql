-- The few rankings that still say why: each new session finds those that no longer have to.
create index rankings_with_reasons on research.rankings (as_of_date) where reasons <> '{}';
