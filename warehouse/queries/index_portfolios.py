"""What the API reads and writes of indices beyond their levels: rules, money put into them, members, currencies."""

import datetime as dt
from typing import Annotated, Any
from uuid import UUID

import msgspec
from msgspec import Meta
from psycopg.types.json import Jsonb

from warehouse.queries import columns
from warehouse.queries.reader import Reader, Writer
from warehouse.records.index_rules import IndexRules

VERSIONS = """
select index_id, version, effective_date, rules, created_at
from app.index_definitions
where index_id = %(index_id)s
order by effective_date, version
"""
INSERT_VERSION = """
insert into app.index_definitions (index_id, version, effective_date, rules, created_at, created_by)
values (%(index_id)s, %(version)s, %(effective_date)s, %(rules)s, %(created_at)s, %(created_by)s)
"""
NEWEST_DATE = "select max(as_of_date) as as_of_date from research.index_values where index_id = %(index_id)s"
ASK_TO_REBALANCE = """
insert into app.index_rebalances (index_id, decided_date, requested_by, requested_at)
values (%(index_id)s, %(decided_date)s, %(requested_by)s, %(requested_at)s)
on conflict do nothing
"""

# Money put in at the close of the first session from `start` on, in a currency by the rates of each day; days without
# a rate that is needed are left out.
SIMULATED = """
with path as (
    select
        v.as_of_date, coalesce(v.value_net, v.value) as net, v.value as gross,
        case when v.currency_code = %(currency)s then 1 else r.exchange_rate / own.exchange_rate end as rate
    from research.index_values as v
    left join marts.fct_exchange_rates as r on v.as_of_date = r.as_of_date and r.currency_code = %(currency)s
    left join marts.fct_exchange_rates as own
        on v.as_of_date = own.as_of_date and own.currency_code = coalesce(v.currency_code, r.reporting_currency_code)
    where v.index_id = %(index_id)s and v.as_of_date between %(start)s and %(end)s
),

begun as (select * from path where rate is not null order by as_of_date limit 1)

select
    p.as_of_date, %(amount)s::float8 * (p.net / b.net) * (b.rate / p.rate),
    %(amount)s::float8 * (p.gross / b.gross) * (b.rate / p.rate), p.rate
from path as p cross join begun as b
where p.rate is not null
order by p.as_of_date
"""
CURRENCIES = """
select currency_code, as_of_date, exchange_rate, rate_date, reporting_currency_code
from marts.fct_exchange_rates
where as_of_date = (select max(as_of_date) from marts.fct_exchange_rates)
order by currency_code
"""
# Units stay from one change of the index to the next; where no trusted close came since, the stored one counts.
MEMBER = """
select
    v.as_of_date, a.units, coalesce(p.close_adj, a.close_adj),
    a.units * coalesce(p.close_adj, a.close_adj) / v.divisor / v.value, a.target_weight, a.as_of_date
from research.index_values as v
cross join lateral (
    select max(c.as_of_date) as as_of_date
    from research.index_allocations as c
    where c.index_id = v.index_id and c.as_of_date <= v.as_of_date
) as changed
inner join research.index_allocations as a
    on a.index_id = v.index_id and a.as_of_date = changed.as_of_date and a.instrument_id = %(instrument_id)s
left join lateral (
    select
        case
            when q.currency_code = v.currency_code then q.close_adj
            else q.close_adj * r.exchange_rate / own.exchange_rate
        end as close_adj
    from marts.fct_daily_prices as q
    left join marts.fct_exchange_rates as r on q.currency_code = r.currency_code and q.trade_date = r.as_of_date
    left join marts.fct_exchange_rates as own
        on q.trade_date = own.as_of_date and own.currency_code = coalesce(v.currency_code, r.reporting_currency_code)
    where
        (q.currency_code = v.currency_code or r.exchange_rate / own.exchange_rate is not null)
        and q.instrument_id = a.instrument_id and q.trade_date > a.as_of_date and q.trade_date <= v.as_of_date
        and not q.is_suspect
    order by q.trade_date desc
    limit 1
) as p on true
where v.index_id = %(index_id)s and v.as_of_date between %(start)s and %(end)s and v.as_of_date < %(before)s
order by v.as_of_date desc
limit %(limit)s
"""
# Both at 100 at the first close of the range; in another currency than the index's by each day's rates, days without
# them left out.
REBASED = """
with levels as (
    select
        as_of_date, value, coalesce(value_net, value) as net, currency_code,
        exp(sum(ln(1 + coalesce(benchmark_return_1d, 0))) over (order by as_of_date)) as benchmark
    from research.index_values
    where index_id = %(index_id)s and as_of_date between %(start)s and %(end)s
),

path as (
    select l.as_of_date, l.value / r.rate as value, l.net / r.rate as net, l.benchmark / r.rate as benchmark
    from levels as l
    cross join lateral (
        select 1 as rate where %(currency)s::text is null or %(currency)s = l.currency_code
        union all
        select x.exchange_rate / own.exchange_rate
        from marts.fct_exchange_rates as x
        inner join marts.fct_exchange_rates as own
            on
                x.as_of_date = own.as_of_date
                and own.currency_code = coalesce(l.currency_code, x.reporting_currency_code)
        where
            x.as_of_date = l.as_of_date and x.currency_code = %(currency)s
            and l.currency_code is distinct from %(currency)s
    ) as r
),

begun as (select * from path order by as_of_date limit 1)

select
    p.as_of_date, 100 * p.value / b.value, 100 * p.net / b.net, (100 * p.benchmark / b.benchmark)::float8
from path as p cross join begun as b
order by p.as_of_date
"""

_Amount = Annotated[float, Meta(description="In the currency that was asked for. Unit currency.")]
_Points = Annotated[float, Meta(description="100 at the first session of the range. Unit index points.")]


class RulesVersion(msgspec.Struct, frozen=True):
    """A version of an index's rules."""

    index_id: Annotated[str, Meta(description="Name of the index.")]
    version: Annotated[int, Meta(description="Version, from 1. Unit count.")]
    effective_date: Annotated[dt.date, Meta(description="First day that it decides; of several the newest counts.")]
    rules: IndexRules
    created_at: Annotated[dt.datetime, Meta(description="When it was written, UTC.")]


class _Stored(msgspec.Struct, frozen=True):
    index_id: str
    version: int
    effective_date: dt.date
    rules: dict[str, Any]
    created_at: dt.datetime


class ValueDay(msgspec.Struct, frozen=True):
    """What an amount is worth at a close."""

    as_of_date: columns.AsOfDate
    value: Annotated[float, Meta(description="After the costs of the index's trades. Unit currency.")]
    value_before_costs: _Amount
    exchange_rate: Annotated[
        float, Meta(description="Rate of the day. Unit currency of the index per unit of the currency asked for.")
    ]


class Currency(msgspec.Struct, frozen=True):
    """A currency that amounts can be asked for in."""

    currency_code: Annotated[str, Meta(description="ISO 4217, or hundredths such as GBX.")]
    as_of_date: columns.AsOfDate
    exchange_rate: Annotated[float, Meta(description="Unit reporting currency per unit of it.")]
    rate_date: Annotated[dt.date, Meta(description="Day of the rate.")]
    reporting_currency_code: Annotated[str, Meta(description="Reporting currency, ISO 4217.")]


class MemberDay(msgspec.Struct, frozen=True):
    """An instrument in an index at a close."""

    as_of_date: columns.AsOfDate
    units: Annotated[float, Meta(description="Position. Unit adjusted shares.")]
    close_adj: Annotated[
        float, Meta(description="Last trusted adjusted close by its day's rate. Unit currency of the index per share.")
    ]
    weight: Annotated[float, Meta(description="Its part of the index. Unit fraction.")]
    target_weight: Annotated[float, Meta(description="Weight that the last rebalancing aimed at. Unit fraction.")]
    changed_date: Annotated[dt.date, Meta(description="Session at whose close the units were set.")]


class BesideBenchmark(msgspec.Struct, frozen=True):
    """An index beside the benchmark at a close."""

    as_of_date: columns.AsOfDate
    index: _Points
    index_after_costs: _Points
    benchmark: _Points


class _Day(msgspec.Struct, frozen=True):
    as_of_date: dt.date | None


async def versions(reader: Reader, index_id: str) -> list[RulesVersion]:
    """Return the rules of an index, oldest first."""
    rows = await reader.rows(_Stored, VERSIONS, {"index_id": index_id})
    return [
        RulesVersion(
            row.index_id, row.version, row.effective_date, msgspec.convert(row.rules, IndexRules), row.created_at
        )
        for row in rows
    ]


async def write_version(writer: Writer, version: RulesVersion, *, created_by: str) -> None:
    """Write another version of an index's rules."""
    row = msgspec.structs.asdict(version) | {
        "rules": Jsonb(msgspec.to_builtins(version.rules)), "created_by": created_by,
    }  # fmt: skip
    await writer.execute(INSERT_VERSION, row)


async def lock_definitions(writer: Writer) -> None:
    """Let no other version of any index be written until this transaction ends."""
    await writer.execute("select pg_advisory_xact_lock(hashtext('app.index_definitions'))", {})


async def newest_date(reader: Reader, index_id: str) -> dt.date | None:
    """Return the newest session of an index."""
    return (await reader.rows(_Day, NEWEST_DATE, {"index_id": index_id}))[0].as_of_date


async def ask_to_rebalance(writer: Writer, index_id: str, day: dt.date, *, user_id: UUID, now: dt.datetime) -> None:
    """Let an index decide at a close that its calendar does not name."""
    row = {"index_id": index_id, "decided_date": day, "requested_by": str(user_id), "requested_at": now}
    await writer.execute(ASK_TO_REBALANCE, row)


async def simulated(
    reader: Reader, index_id: str, *, amount: float, currency: str, start: dt.date, end: dt.date
) -> list[ValueDay]:
    """Return what an amount put into an index became, oldest first."""
    parameters = {"index_id": index_id, "amount": amount, "currency": currency, "start": start, "end": end}
    return await reader.rows(ValueDay, SIMULATED, parameters)


async def currencies(reader: Reader) -> list[Currency]:
    """Return the currencies with a rate of the newest session."""
    return await reader.rows(Currency, CURRENCIES)


async def member(
    reader: Reader, index_id: str, instrument_id: str, *, start: dt.date, end: dt.date, before: dt.date, limit: int
) -> list[MemberDay]:
    """Return an instrument's part of an index, the newest first; sessions after which it was sold are at 0."""
    parameters = {
        "index_id": index_id, "instrument_id": instrument_id, "start": start, "end": end, "before": before,
        "limit": limit,
    }  # fmt: skip
    return await reader.rows(MemberDay, MEMBER, parameters)


async def beside_benchmark(
    reader: Reader, index_id: str, *, currency: str | None, start: dt.date, end: dt.date
) -> list[BesideBenchmark]:
    """Return an index beside the benchmark, both rebased, oldest first; None is the index's own currency."""
    parameters = {"index_id": index_id, "currency": currency, "start": start, "end": end}
    return await reader.rows(BesideBenchmark, REBASED, parameters)
