comment on table raw.bar_verdicts is 'One row per bar and soft rule: bars that cannot be trusted (suspect), or were suspected and proved consistent, or are no longer suspected (cleared).';
comment on column raw.bar_verdicts.rule is 'Name of the rule: wrong_day or unadjusted_split, judged by every run; any other was given by hand and stands.';
comment on column raw.bar_verdicts.verdict is 'suspect: kept out of factors; cleared: one of a pair, consistent with its own neighbours, or withdrawn because the rule no longer finds it.';
