"""What the API reads of statements: what was known of a company on a day."""

import datetime as dt
from typing import Annotated

import msgspec
from msgspec import Meta

from warehouse.queries import columns
from warehouse.queries.reader import Reader

_FIGURES = (
    "revenue", "cost_of_revenue", "gross_profit", "operating_income", "net_income", "eps", "shares_outstanding",
    "total_assets", "total_liabilities", "total_equity", "current_assets", "current_liabilities", "cash",
    "short_term_debt", "long_term_debt", "operating_cash_flow", "capex", "depreciation", "interest_expense",
    "revenue_1y_ago", "net_income_1y_ago", "revenue_5y_ago", "total_assets_1y_ago",
)  # fmt: skip

# The day on which a revision ended is told only when it had ended by then: otherwise it would foretell the next one.
KNOWN = f"""
select
    known_from_date,
    case when known_to_date < coalesce(%(as_of)s, 'infinity'::date) then known_to_date end,
    statement, period_end_date, published_at, currency_code,
    {", ".join(f"{figure}::float8" for figure in _FIGURES)}
from marts.fct_fundamentals
where instrument_id = %(instrument_id)s and known_from_date <= coalesce(%(as_of)s, 'infinity'::date)
order by known_from_date desc
limit %(limit)s
"""

FIRST_DATE = "select min(known_from_date) from marts.fct_fundamentals where instrument_id = %(instrument_id)s"

_Money = columns.Money


class Statement(msgspec.Struct, frozen=True, gc=False):
    """The newest statement known over a range of days, with the figures before it."""

    known_from_date: Annotated[dt.date, Meta(description="First session at whose close it was known.")]
    known_to_date: Annotated[dt.date | None, Meta(description="Last session on which it counted, null while it does.")]
    statement: Annotated[str, Meta(description="Which report: annual or quarterly.")]
    period_end_date: Annotated[dt.date, Meta(description="Last day of the reported period.")]
    published_at: Annotated[dt.datetime, Meta(description="When the world could first know it, UTC.")]
    currency_code: columns.CurrencyCode
    revenue: _Money
    cost_of_revenue: _Money
    gross_profit: _Money
    operating_income: _Money
    net_income: _Money
    eps: Annotated[float | None, Meta(description="As reported, not adjusted for splits. Unit currency per share.")]
    shares_outstanding: Annotated[float | None, Meta(description="At period end, as reported. Unit shares.")]
    total_assets: _Money
    total_liabilities: _Money
    total_equity: _Money
    current_assets: _Money
    current_liabilities: _Money
    cash: _Money
    short_term_debt: _Money
    long_term_debt: _Money
    operating_cash_flow: _Money
    capex: Annotated[float | None, Meta(description="Negative when cash is spent. Unit currency.")]
    depreciation: _Money
    interest_expense: _Money
    revenue_1y_ago: _Money
    net_income_1y_ago: _Money
    revenue_5y_ago: _Money
    total_assets_1y_ago: _Money


class _First(msgspec.Struct, frozen=True):
    first_date: dt.date | None


async def known(reader: Reader, instrument_id: str, *, as_of: dt.date | None = None, limit: int = 1) -> list[Statement]:
    """Return what was known of an instrument's statements on a day (now by default), the newest knowledge first."""
    parameters = {"instrument_id": instrument_id, "as_of": as_of, "limit": limit}
    return await reader.rows(Statement, KNOWN, parameters)


async def first_date(reader: Reader, instrument_id: str) -> dt.date | None:
    """Return the first day on which a statement was known."""
    return (await reader.rows(_First, FIRST_DATE, {"instrument_id": instrument_id}))[0].first_date
