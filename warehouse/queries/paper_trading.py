"""What trading on paper reads, and how its settings are seeded. Parameters are said beside each query."""

from collections.abc import Collection

# %(strategy_id)s, %(is_active)s, %(parameters)s
SEED_VERSION = """
insert into app.strategy_versions (strategy_id, version, effective_date, is_active, parameters, created_by)
select %(strategy_id)s, 1, date '1970-01-01', %(is_active)s, %(parameters)s::jsonb, 'seed'
where not exists (select from app.strategy_versions where strategy_id = %(strategy_id)s)
on conflict do nothing
"""

VERSIONS = """
select strategy_id, version, effective_date, is_active, parameters::text as parameters
from app.strategy_versions
order by strategy_id, effective_date, version
"""

# $1 day: of each strategy its account after the last session before that day
ACCOUNTS_BEFORE = """
select distinct on (strategy_id) strategy_id, trade_date, account
from research.strategy_equity
where trade_date < $1
order by strategy_id, trade_date desc
"""

NEWEST_ACCOUNTS = "select strategy_id, max(trade_date) as trade_date from research.strategy_equity group by strategy_id"

# $1 first day, $2 last day, $3 currency of the account; trusted bars, prices also in that currency by the day's rate
BARS_BETWEEN = """
select
    p.instrument_id, p.trade_date, p.close_adj, p.volume_adj as volume, p.price_segment,
    p.open_adj * x.rate as open, p.high_adj * x.rate as high, p.low_adj * x.rate as low, p.close_adj * x.rate as close
from marts.fct_daily_prices as p
left join marts.fct_exchange_rates as r on p.currency_code = r.currency_code and p.trade_date = r.as_of_date
cross join lateral (select case when p.currency_code = $3 then 1 else r.exchange_rate end as rate) as x
where p.trade_date between $1 and $2 and not p.is_suspect
"""

# $1 first day, $2 last day
RANKS_BETWEEN = """
select instrument_id, as_of_date, profile, rank::double precision as rank
from research.rankings
where as_of_date between $1 and $2 and not is_intraday and rank is not null
"""

EQUITY = """
select strategy_id, trade_date, equity, benchmark_return_1d
from research.strategy_equity
order by strategy_id, trade_date
"""

RETURNS = "select strategy_id, trade_date, return_1d from research.strategy_equity order by strategy_id, trade_date"

CLOSED_TRADES = """
select strategy_id, exit_date, pnl from research.paper_trades order by strategy_id, exit_date, trade_id
"""

# $1 largest distance, fraction, $2 first session; sessions from there on whose equity is not cash and positions at
# their last trusted closes, or whose cash is not that of the session before less what the fills of the session cost
UNBALANCED = """
with filled as (
    select strategy_id, trade_date, sum(quantity * price + fee) as spent
    from research.paper_fills
    where trade_date >= $2
    group by strategy_id, trade_date
),

before as (
    select strategy_id, max(trade_date) as trade_date from research.strategy_equity where trade_date < $2
    group by strategy_id
),

booked as (
    select
        e.strategy_id, e.trade_date, e.equity, e.cash, coalesce(held.value, 0) as positions_value,
        lag(e.cash) over (partition by e.strategy_id order by e.trade_date) - coalesce(f.spent, 0) as cash_after_fills
    from research.strategy_equity as e
    left join filled as f on e.strategy_id = f.strategy_id and e.trade_date = f.trade_date
    left join before as b on e.strategy_id = b.strategy_id
    cross join lateral (
        select sum((p.value ->> 'quantity')::float8 * (m.value ->> 0)::float8) as value
        from jsonb_each(e.account::jsonb -> 'book' -> 'positions') as p
        left join jsonb_each(e.account::jsonb -> 'marks') as m on p.value ->> 'instrument_id' = m.key
    ) as held
    where e.trade_date >= coalesce(b.trade_date, $2)
)

select strategy_id, trade_date, equity, cash, positions_value, cash_after_fills
from booked
where
    trade_date >= $2
    and (
        (abs(cash + positions_value - equity) <= $1 * abs(equity)) is not true
        or abs(cash - cash_after_fills) > $1 * greatest(abs(cash), abs(equity))
    )
order by strategy_id, trade_date
"""


def indicators_between(columns: Collection[str]) -> str:
    """Return the query of some indicators; $1 first day, $2 last day."""
    listed = "".join(f", {column}" for column in sorted(columns))
    return f"select instrument_id, as_of_date{listed} from research.indicators where as_of_date between $1 and $2"
