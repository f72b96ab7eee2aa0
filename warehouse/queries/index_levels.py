"""What the API reads of indices: levels, what they hold, and their risk."""

import datetime as dt
from typing import Annotated

import msgspec
from msgspec import Meta

from warehouse.queries import columns
from warehouse.queries.reader import Reader

NAMES = "select distinct index_id as name from app.index_definitions order by index_id"

_LEVEL = """
    as_of_date, value, return_1d, benchmark_return_1d, divisor, n_constituents, definition_version, currency_code,
    computed_at
"""

NEWEST = f"""
select {_LEVEL}
from research.index_values
where
    index_id = %(index_id)s and as_of_date between %(start)s and %(end)s and as_of_date < %(before)s
order by as_of_date desc
limit %(limit)s
"""

FIRST_DATE = """
select as_of_date from research.index_values where index_id = %(index_id)s order by as_of_date limit 1
"""

# Between two changes units stay and no price breaks: a break is a change. Where no trusted close came since, the one
# that is stored counts.
CONSTITUENTS = """
with changed as (
    select
        max(a.as_of_date) as as_of_date,
        (
            select v.currency_code
            from research.index_values as v
            where v.index_id = %(index_id)s and v.as_of_date = %(as_of_date)s
        ) as currency_code
    from research.index_allocations as a
    where a.index_id = %(index_id)s and a.as_of_date <= %(as_of_date)s
),

held as (
    select
        a.instrument_id, a.as_of_date, a.target_weight, a.units,
        coalesce(newest.close_adj, a.close_adj) as close_adj
    from research.index_allocations as a
    inner join changed on a.as_of_date = changed.as_of_date
    left join lateral (
        select
            case
                when p.currency_code = changed.currency_code then p.close_adj
                else p.close_adj * r.exchange_rate / own.exchange_rate
            end as close_adj
        from marts.fct_daily_prices as p
        left join marts.fct_exchange_rates as r on p.currency_code = r.currency_code and p.trade_date = r.as_of_date
        left join marts.fct_exchange_rates as own
            on
                p.trade_date = own.as_of_date
                and own.currency_code = coalesce(changed.currency_code, r.reporting_currency_code)
        where
            (p.currency_code = changed.currency_code or r.exchange_rate / own.exchange_rate is not null)
            and p.instrument_id = a.instrument_id and p.trade_date > a.as_of_date and p.trade_date <= %(as_of_date)s
            and not p.is_suspect
        order by p.trade_date desc
        limit 1
    ) as newest on true
    where a.index_id = %(index_id)s and a.units > 0
)

select
    i.ticker, i.name, held.instrument_id, i.sector,
    held.units * held.close_adj / sum(held.units * held.close_adj) over () as weight,
    held.target_weight, held.units, held.close_adj, held.as_of_date
from held
inner join marts.dim_instruments as i on held.instrument_id = i.instrument_id
order by weight desc, held.instrument_id
"""

RISK = """
select window_name, metric, value, net_value, benchmark_value, unit, definition, first_date, last_date, as_of_date
from research.risk_metrics
where index_id = %(index_id)s and (%(window)s::text is null or window_name = %(window)s)
order by array_position(array['1m', '3m', 'ytd', '1y', '3y', 'all'], window_name), metric
"""

_Fraction = Annotated[float, Meta(description="Unit fraction (0.05 is 5%).")]
_FractionOrNull = Annotated[float | None, Meta(description="Unit fraction (0.05 is 5%).")]


class Level(msgspec.Struct, frozen=True, gc=False):
    """An index at one close, before costs."""

    as_of_date: Annotated[dt.date, Meta(description="Session.")]
    value: Annotated[float, Meta(description="Level, 100 at the base. Unit index points.")]
    return_1d: _FractionOrNull
    benchmark_return_1d: _FractionOrNull
    divisor: Annotated[
        float, Meta(description="Worth of the positions over the value. Unit currency of the index per index point.")
    ]
    n_constituents: Annotated[int, Meta(description="Instruments held after the close. Unit instruments.")]
    definition_version: Annotated[int, Meta(description="Version of the rules in force. Unit count.")]
    currency_code: Annotated[
        str | None, Meta(description="Currency of the level, ISO 4217, null for the reporting currency.")
    ]
    computed_at: columns.ComputedAt


class Constituent(msgspec.Struct, frozen=True, gc=False):
    """One instrument that an index holds: units times close_adj, over the divisor, is its part of the value."""

    ticker: columns.Ticker
    name: columns.Name
    instrument_id: columns.InstrumentId
    sector: columns.Sector
    weight: _Fraction
    target_weight: _Fraction
    units: Annotated[float, Meta(description="Position. Unit adjusted shares.")]
    close_adj: Annotated[
        float, Meta(description="Last trusted adjusted close by its day's rate. Unit currency of the index per share.")
    ]
    changed_date: Annotated[dt.date, Meta(description="Session at whose close the units were set.")]


class RiskMetric(msgspec.Struct, frozen=True, gc=False):
    """One figure of an index over one window, beside the benchmark's."""

    window: Annotated[str, Meta(description="Window that ends on the newest session: 1m, 3m, ytd, 1y, 3y, all.")]
    metric: Annotated[str, Meta(description="Name of the figure.")]
    value: Annotated[float | None, Meta(description="Of the index, before costs. Unit as in `unit`.")]
    net_value: Annotated[float | None, Meta(description="Of the index, after costs. Unit as in `unit`.")]
    benchmark_value: Annotated[float | None, Meta(description="Of the benchmark. Unit as in `unit`.")]
    unit: Annotated[str, Meta(description="Unit of both values.")]
    definition: Annotated[str, Meta(description="How the figure is computed.")]
    first_date: Annotated[
        dt.date | None, Meta(description="First return; of the drawdown its peak, null for the start.")
    ]
    last_date: Annotated[dt.date | None, Meta(description="Last return; of the drawdown its trough.")]
    as_of_date: columns.AsOfDate


class _Name(msgspec.Struct, frozen=True):
    name: str


class _Day(msgspec.Struct, frozen=True):
    as_of_date: dt.date


async def names(reader: Reader) -> list[str]:
    """Return the names of all indices."""
    return [row.name for row in await reader.rows(_Name, NAMES)]


async def newest(
    reader: Reader,
    index_id: str,
    *,
    start: dt.date = dt.date.min,
    end: dt.date = dt.date.max,
    before: dt.date = dt.date.max,
    limit: int,
) -> list[Level]:
    """Return levels between two days, both included, and before a third one, the newest first."""
    parameters = {"index_id": index_id, "start": start, "end": end, "before": before, "limit": limit}
    return await reader.rows(Level, NEWEST, parameters)


async def first_date(reader: Reader, index_id: str) -> dt.date | None:
    """Return the base of an index."""
    rows = await reader.rows(_Day, FIRST_DATE, {"index_id": index_id})
    return rows[0].as_of_date if rows else None


async def constituents(reader: Reader, index_id: str, as_of_date: dt.date) -> list[Constituent]:
    """Return what an index held after a close, the largest first."""
    return await reader.rows(Constituent, CONSTITUENTS, {"index_id": index_id, "as_of_date": as_of_date})


async def risk(reader: Reader, index_id: str, *, window: str | None) -> list[RiskMetric]:
    """Return the figures of an index, by window and name."""
    return await reader.rows(RiskMetric, RISK, {"index_id": index_id, "window": window})
