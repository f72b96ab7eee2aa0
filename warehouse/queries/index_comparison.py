"""What the API reads to hold the weightings of indices beside each other: figures after costs, and those costs."""

import datetime as dt
from typing import Annotated

import msgspec
from msgspec import Meta

from warehouse.queries.reader import Reader

# A year has 252 sessions, as in the figures themselves.
COMPARED = """
with figures as (
    select
        index_id, min(as_of_date) as as_of_date,
        max(value) filter (where metric = 'n_days') as n_days,
        min(first_date) filter (where metric = 'n_days') as first_date,
        max(last_date) filter (where metric = 'n_days') as last_date,
        max(net_value) filter (where metric = 'cagr') as cagr,
        max(value) filter (where metric = 'cagr') as cagr_before_costs,
        max(net_value) filter (where metric = 'volatility') as volatility,
        max(net_value) filter (where metric = 'sharpe') as sharpe,
        max(value) filter (where metric = 'sharpe') as sharpe_before_costs,
        max(net_value) filter (where metric = 'deflated_sharpe') as deflated_sharpe,
        max(value) filter (where metric = 'deflated_sharpe') as deflated_sharpe_before_costs,
        max(net_value) filter (where metric = 'overfitting_probability') as overfitting_probability,
        max(net_value) filter (where metric = 'n_trials') as n_trials,
        max(net_value) filter (where metric = 'sortino') as sortino,
        max(net_value) filter (where metric = 'max_drawdown') as max_drawdown,
        max(net_value) filter (where metric = 'information_ratio') as information_ratio
    from research.risk_metrics
    where window_name = %(window)s
    group by index_id
)

select
    f.index_id, rules.weighting, rules.is_simple, rules.currency_code, f.first_date, f.last_date, f.cagr, f.volatility,
    f.sharpe, f.deflated_sharpe, f.overfitting_probability, f.n_trials::integer, f.sortino,
    f.max_drawdown, f.information_ratio, f.cagr_before_costs, f.sharpe_before_costs, f.deflated_sharpe_before_costs,
    traded.turnover * 252 / f.n_days, traded.cost * 252 / f.n_days, f.as_of_date
from figures as f
cross join lateral (
    select
        (
            select string_agg(w.key || case when w.value::float8 = 1 then '' else ' ' || w.value end, ', '
                order by w.value::float8 desc, w.key)
            from jsonb_each_text(d.rules -> 'weighting') as w
        ) as weighting,
        d.rules -> 'weighting' <@ '{"equal": 1, "inverse_volatility": 1, "market_cap": 1}'::jsonb as is_simple,
        d.rules ->> 'currency' as currency_code
    from app.index_definitions as d
    where d.index_id = f.index_id and d.effective_date <= f.as_of_date
    order by d.effective_date desc, d.version desc
    limit 1
) as rules
cross join lateral (
    select coalesce(sum(t.turnover), 0) as turnover, coalesce(sum(t.cost), 0) as cost
    from research.index_turnover as t
    where t.index_id = f.index_id and t.as_of_date between f.first_date and f.last_date
) as traded
order by f.sharpe desc nulls last, f.index_id
"""

_Ratio = Annotated[float | None, Meta(description="After costs. Unit ratio.")]
_Fraction = Annotated[float | None, Meta(description="After costs. Unit fraction (0.05 is 5%).")]


class ComparedIndex(msgspec.Struct, frozen=True):
    """An index over a window, after the costs of its trades; every weight was decided before it was traded."""

    index_id: Annotated[str, Meta(description="Name of the index.")]
    weighting: Annotated[str, Meta(description="Schemes of its weights; of a blend, with their shares.")]
    is_simple: Annotated[
        bool, Meta(description="Weighted equally, by inverse volatility or by size alone: what others must beat.")
    ]
    currency_code: Annotated[
        str | None,
        Meta(description="Currency of its levels, null for the reporting currency: returns of others do not compare."),
    ]
    first_date: Annotated[dt.date | None, Meta(description="First return of the window.")]
    last_date: Annotated[dt.date | None, Meta(description="Last return of the window.")]
    cagr: Annotated[float | None, Meta(description="Growth by the year, after costs. Unit fraction (0.05 is 5%).")]
    volatility: _Fraction
    sharpe: _Ratio
    deflated_sharpe: Annotated[
        float | None,
        Meta(
            description="Probability that the true Sharpe ratio, after costs, is above what the best of `n_trials` "
            "without skill would show; null where fewer than two of several have a ratio. Unit fraction."
        ),
    ]
    overfitting_probability: Annotated[
        float | None,
        Meta(
            description="Share of the ways to halve the days in which the best of all indices on one half is below the "
            "middle on the other (CSCV), after costs; one figure of all, null for fewer than 32 days. Unit fraction."
        ),
    ]
    n_trials: Annotated[int | None, Meta(description="Versions of the rules of all indices on record. Unit count.")]
    sortino: _Ratio
    max_drawdown: _Fraction
    information_ratio: Annotated[float | None, Meta(description="Against the benchmark, after costs. Unit ratio.")]
    cagr_before_costs: Annotated[float | None, Meta(description="Growth by the year. Unit fraction (0.05 is 5%).")]
    sharpe_before_costs: Annotated[float | None, Meta(description="Unit ratio.")]
    deflated_sharpe_before_costs: Annotated[
        float | None, Meta(description="As `deflated_sharpe`, before costs. Unit fraction.")
    ]
    turnover_per_year: Annotated[
        float | None, Meta(description="Bought plus sold over the value, by 252 sessions. Unit fraction (1 is 100%).")
    ]
    cost_per_year: Annotated[
        float | None, Meta(description="What that cost, by 252 sessions. Unit fraction (0.05 is 5%).")
    ]
    as_of_date: Annotated[dt.date, Meta(description="Newest session of the index.")]


async def compared(reader: Reader, *, window: str) -> list[ComparedIndex]:
    """Return every index that has figures of a window, the highest Sharpe ratio first."""
    return await reader.rows(ComparedIndex, COMPARED, {"window": window})
