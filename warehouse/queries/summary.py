"""What the end of a refresh shows."""

COUNTS = """
select 'instruments', count(*) from raw.instruments where source = any(%(sources)s)
union all
select 'daily_bars', count(*) from raw.daily_bars where source = any(%(sources)s)
union all
select 'benchmark_bars', count(*) from raw.benchmark_bars where source = any(%(sources)s)
union all
select 'dividends', count(*) from raw.dividends where source = any(%(sources)s)
union all
select 'splits', count(*) from raw.splits where source = any(%(sources)s)
union all
select 'fundamentals', count(*) from raw.fundamentals where source = any(%(sources)s)
"""

VERDICTS = """
select count(*) filter (where verdict = 'suspect'), count(*) filter (where verdict = 'cleared')
from raw.bar_verdicts
where source = any(%(sources)s)
"""

TOP_OF_RANKING = """
select r.as_of_date, r.rank, i.ticker, i.name, r.score, r.signal
from research.rankings as r
inner join marts.dim_instruments as i on r.instrument_id = i.instrument_id
where
    r.profile = %(profile)s and not r.is_intraday and r.rank <= 10
    and r.as_of_date = (select max(as_of_date) from research.rankings where profile = %(profile)s and not is_intraday)
order by r.rank
"""

BACKTEST_FIGURES = """
with newest as (
    select
        backtest_id, first_date, last_date,
        (select count(distinct configuration) from research.backtests) as n_trials
    from research.backtests
    where profile = %(profile)s
    order by computed_at desc
    limit 1
)

select newest.first_date, newest.last_date, newest.n_trials, m.metric, m.value, m.benchmark_value, m.unit
from newest
inner join research.backtest_metrics as m on newest.backtest_id = m.backtest_id
where m.metric = any(%(metrics)s)
"""

SKILL = """
select
    model_id,
    max(value) filter (where metric = 'rank_ic_mean'),
    max(value) filter (where metric = 'rank_ic_t'),
    max(value) filter (where metric = 'n_days'),
    max(value) filter (where metric = 'spread_sharpe_net'),
    max(value) filter (where metric = 'deflated_sharpe'),
    max(value) filter (where metric = 'overfitting_probability'),
    max(value) filter (where metric = 'rank_ic_over_baseline'),
    max(value) filter (where metric = 'rank_ic_over_baseline_t')
from research.evaluations
group by model_id
having max(value) filter (where metric = 'rank_ic_mean') is not null
order by model_id
"""
