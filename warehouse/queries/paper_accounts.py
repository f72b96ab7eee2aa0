"""What the API reads of accounts on paper: worth by session, and what they hold."""

import datetime as dt
from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import Meta

from warehouse.queries import columns
from warehouse.queries.reader import Reader

DAYS = """
select trade_date, equity, cash, equity - cash, currency_code
from app.paper_accounts
where user_id = %(user_id)s and trade_date < %(before)s
order by trade_date desc
limit %(limit)s
"""
# The account keeps adjusted shares; those of its day are them over the factor of the newest close up to then.
POSITIONS = """
with newest as (
    select trade_date, currency_code, account::json as account
    from app.paper_accounts
    where user_id = %(user_id)s and trade_date <= %(as_of_date)s
    order by trade_date desc
    limit 1
),

held as (
    select
        n.trade_date, n.currency_code, p.value ->> 'instrument_id' as instrument_id,
        (p.value ->> 'quantity')::float8 as quantity, (p.value ->> 'cost')::float8 as cost,
        (n.account -> 'marks' -> (p.value ->> 'instrument_id') ->> 0)::float8 as price
    from newest as n
    cross join lateral json_each(n.account -> 'book' -> 'positions') as p
)

select
    i.ticker, held.instrument_id, held.quantity * coalesce(newest_close.factor, 1),
    held.price / coalesce(newest_close.factor, 1), held.quantity * held.price, held.cost,
    held.quantity * held.price - held.cost, held.currency_code, held.trade_date
from held
left join marts.dim_instruments as i on held.instrument_id = i.instrument_id
left join lateral (
    select c.adjustment_factor as factor
    from marts.fct_daily_prices as c
    where c.instrument_id = held.instrument_id and c.trade_date <= held.trade_date and not c.is_suspect
    order by c.trade_date desc
    limit 1
) as newest_close on true
order by held.quantity * held.price desc, held.instrument_id
"""

_Amount = Annotated[float, Meta(description="In the currency of the account. Unit currency.")]
_Currency = Annotated[str, Meta(description="Currency of the account, ISO 4217.")]


class AccountDay(msgspec.Struct, frozen=True):
    """An account on paper at a close: value is cash and positions."""

    as_of_date: columns.AsOfDate
    value: _Amount
    cash: _Amount
    positions_value: _Amount
    currency_code: _Currency


class AccountPosition(msgspec.Struct, frozen=True):
    """What an account on paper holds of an instrument at a close."""

    ticker: Annotated[str | None, Meta(description="Canonical ticker today.")]
    instrument_id: columns.InstrumentId
    quantity_shares: Annotated[
        float, Meta(description="Shares of that day, dividends put back into them. Unit shares.")
    ]
    price: Annotated[
        float, Meta(description="Last trusted close in the currency of the account. Unit currency per share.")
    ]
    value: _Amount
    cost: Annotated[float, Meta(description="Paid for what is still held, without fees. Unit currency.")]
    gain: Annotated[float, Meta(description="Value less cost. Unit currency.")]
    currency_code: _Currency
    as_of_date: columns.AsOfDate


async def days(reader: Reader, user_id: UUID, *, before: dt.date, limit: int) -> list[AccountDay]:
    """Return the worth of a user's account before a day, the newest session first."""
    return await reader.rows(AccountDay, DAYS, {"user_id": user_id, "before": before, "limit": limit})


async def positions(reader: Reader, user_id: UUID, *, as_of: dt.date) -> list[AccountPosition]:
    """Return what a user's account holds at its newest session up to a day, the largest first."""
    return await reader.rows(AccountPosition, POSITIONS, {"user_id": user_id, "as_of_date": as_of})
