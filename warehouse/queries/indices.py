"""What the indices read and how their definitions are seeded. Parameters are said beside each query."""

import datetime as dt
from collections.abc import Sequence

# %(index_id)s, %(rules)s
SEED_DEFINITION = """
insert into app.index_definitions (index_id, version, effective_date, rules)
select %(index_id)s, 1, date '1970-01-01', %(rules)s::jsonb
where not exists (select from app.index_definitions where index_id = %(index_id)s)
on conflict do nothing
"""

DEFINITIONS = """
select index_id, version, effective_date, rules::text as rules
from app.index_definitions
order by index_id, effective_date, version
"""

# $1 day: versions of rules that decide by then, in force still or not
N_DEFINITIONS = "select count(*) as n_definitions from app.index_definitions where effective_date <= $1"

# Rates between any currency and the one of $3, by day; the mart has a row of 1 for the reporting currency.
_RATES = """rates as (
    select r.currency_code, r.as_of_date, r.exchange_rate / wanted.exchange_rate as exchange_rate
    from marts.fct_exchange_rates as r
    inner join marts.fct_exchange_rates as wanted on r.as_of_date = wanted.as_of_date and wanted.currency_code = $3
)"""

# $1 first day, $2 last day, $3 currency; closes that can be trusted, and returns since the trusted close before,
# both in that currency by each day's own rate
CLOSES_BETWEEN = f"""
with {_RATES}

select
    p.instrument_id, p.trade_date, p.price_segment,
    case when p.currency_code = $3 then p.close_adj else p.close_adj * r.exchange_rate end as close_adj,
    case
        when p.currency_code = $3 then p.return_1d
        else (1 + p.return_1d) * (r.exchange_rate / r_before.exchange_rate) - 1
    end as return_1d
from marts.fct_daily_prices as p
left join rates as r
    on p.currency_code = r.currency_code and p.trade_date = r.as_of_date and p.currency_code <> $3
left join lateral (
    select b.currency_code, b.trade_date
    from marts.fct_daily_prices as b
    where
        p.currency_code <> $3 and b.instrument_id = p.instrument_id and b.trade_date < p.trade_date
        and not b.is_suspect
    order by b.trade_date desc
    limit 1
) as before on true
left join rates as r_before
    on before.currency_code = r_before.currency_code and before.trade_date = r_before.as_of_date
where p.trade_date between $1 and $2 and not p.is_suspect
"""

# $1 last day, $2 currency: the benchmark's own returns, and the rate of each day into that currency
BENCHMARK_UNTIL = """
select
    b.trade_date, b.return_1d,
    case when b.currency_code = $2 then 1 else r.exchange_rate / wanted.exchange_rate end as exchange_rate,
    b.currency_code = $2 as is_own
from marts.dim_benchmark_prices as b
left join marts.fct_exchange_rates as r on b.currency_code = r.currency_code and b.trade_date = r.as_of_date
left join marts.fct_exchange_rates as wanted on b.trade_date = wanted.as_of_date and wanted.currency_code = $2
where b.trade_date <= $1
order by b.trade_date
"""

# The first session with a rate of each currency
FIRST_RATES = """
select currency_code, min(as_of_date) as first_date from marts.fct_exchange_rates group by currency_code
"""

# $1 day: of each index the positions after its last change before that day, and its newest session before it
STANDING_BEFORE = """
select
    a.index_id, a.as_of_date, a.instrument_id, a.target_weight, a.units, a.close_adj, a.price_segment,
    v.divisor, v.value, coalesce(v.value_net, v.value) as value_net, newest.newest_date
from research.index_allocations as a
inner join (
    select
        changed.index_id, max(changed.as_of_date) as as_of_date,
        (
            select max(known.as_of_date)
            from research.index_values as known
            where known.index_id = changed.index_id and known.as_of_date < $1
        ) as newest_date
    from research.index_allocations as changed
    where changed.as_of_date < $1
    group by changed.index_id
) as newest on a.index_id = newest.index_id and a.as_of_date = newest.as_of_date
inner join research.index_values as v on a.index_id = v.index_id and a.as_of_date = v.as_of_date
"""

# Sessions that decide because somebody asked for it
REBALANCES = """
select index_id, decided_date from app.index_rebalances
"""

VALUES = """
select
    index_id, as_of_date, value, return_1d, coalesce(return_net_1d, return_1d) as return_net_1d, benchmark_return_1d,
    currency_code
from research.index_values
order by index_id, as_of_date
"""


def candidates_on(days: Sequence[dt.date], profiles: Sequence[str]) -> str:
    """Return the query of what may be held on some days: size, momentum, sector, and the score in each profile."""
    listed = ", ".join(f"date '{day}'" for day in days)
    scores = "".join(
        f", max(r.score) filter (where r.profile = '{profile}') as score_{profile}" for profile in profiles
    )
    return f"""
    select
        m.instrument_id, m.as_of_date, s.market_cap_reporting as market_cap, x.momentum_252d_21d as momentum, i.sector
        {scores}
    from factors.fct_universe_members as m
    inner join marts.dim_instruments as i on m.instrument_id = i.instrument_id
    left join factors.fct_size as s on m.instrument_id = s.instrument_id and m.as_of_date = s.as_of_date
    left join factors.fct_momentum as x on m.instrument_id = x.instrument_id and m.as_of_date = x.as_of_date
    left join research.rankings as r
        on
            m.instrument_id = r.instrument_id and m.as_of_date = r.as_of_date
            and not r.is_intraday and r.rank is not null
    where m.as_of_date in ({listed})
    group by m.instrument_id, m.as_of_date, s.market_cap_reporting, x.momentum_252d_21d, i.sector
    """
