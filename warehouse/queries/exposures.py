"""What the API reads of factors: value, rank and distance from the mean of each, one row per factor of a day."""

import datetime as dt
from collections.abc import Mapping
from typing import Annotated

import msgspec
from msgspec import Meta

from warehouse.queries import columns
from warehouse.queries.reader import Reader

DATASETS = ("factors.fct_factor_exposures", "marts.dim_instruments")

_FRACTION, _PER_YEAR, _RATIO = "fraction", "fraction per year", "ratio"
# Each factor of factors.fct_factor_values with its group and the unit of its value; fct_factor_exposures has the rest.
FACTORS: Mapping[str, tuple[str, str]] = {
    "momentum_252d_21d": ("momentum", _FRACTION),
    "momentum_126d_21d": ("momentum", _FRACTION),
    "reversal_21d": ("momentum", _FRACTION),
    "distance_to_high_252d": ("momentum", _FRACTION),
    "volatility_21d": ("low_risk", _PER_YEAR),
    "volatility_63d": ("low_risk", _PER_YEAR),
    "volatility_252d": ("low_risk", _PER_YEAR),
    "beta_252d": ("low_risk", _RATIO),
    "idiosyncratic_volatility_252d": ("low_risk", _PER_YEAR),
    "amihud_21d": ("liquidity", "1 per currency"),
    "turnover_21d": ("liquidity", "fraction per session"),
    "dollar_volume_21d": ("liquidity", "currency per session"),
    "log_market_cap": ("size", "log of the reporting currency"),
    "earnings_to_price": ("value", _PER_YEAR),
    "book_to_price": ("value", _RATIO),
    "sales_to_price": ("value", _PER_YEAR),
    "free_cash_flow_to_price": ("value", _PER_YEAR),
    "dividend_yield": ("value", _PER_YEAR),
    "return_on_equity": ("quality", _PER_YEAR),
    "gross_profitability": ("quality", _PER_YEAR),
    "profit_margin": ("quality", _FRACTION),
    "accruals": ("quality", _PER_YEAR),
    "debt_to_equity": ("quality", _RATIO),
    "revenue_growth_1y": ("growth", _PER_YEAR),
    "earnings_growth_1y": ("growth", _PER_YEAR),
    "revenue_growth_5y": ("growth", _PER_YEAR),
}

_VALUES = ",\n".join(
    f"('{name}', '{group}', v.{name}::float8, newest.{name}_z::float8, newest.{name}_rank::float8, '{unit}')"
    for name, (group, unit) in FACTORS.items()
)

OF_DAY = f"""
with newest as (
    select *
    from factors.fct_factor_exposures
    where instrument_id = %(instrument_id)s and as_of_date <= coalesce(%(as_of)s, 'infinity'::date)
    order by as_of_date desc
    limit 1
)

select newest.as_of_date, f.factor, f.factor_group, f.value, f.z, f.rank, f.unit
from newest
left join factors.fct_factor_values as v on newest.instrument_id = v.instrument_id and newest.as_of_date = v.as_of_date
cross join lateral (
    values
{_VALUES}
) as f (factor, factor_group, value, z, rank, unit)
"""

FIRST_DATE = "select min(as_of_date) from factors.fct_factor_exposures where instrument_id = %(instrument_id)s"


class Exposure(msgspec.Struct, frozen=True, gc=False):
    """One factor of one instrument and day."""

    as_of_date: columns.AsOfDate
    factor: Annotated[str, Meta(description="Name of the factor.")]
    factor_group: Annotated[str, Meta(description="momentum, low_risk, liquidity, size, value, quality or growth.")]
    value: Annotated[float | None, Meta(description="Value as computed. Unit as in `unit`.")]
    z: Annotated[
        float | None,
        Meta(description="Distance from the mean of the day's universe, outliers clipped. Unit standard deviations."),
    ]
    rank: Annotated[
        float | None, Meta(description="Place in the day's universe by value. Unit fraction, 0 lowest to 1 highest.")
    ]
    unit: Annotated[str, Meta(description="Unit of the value.")]


class _First(msgspec.Struct, frozen=True):
    first_date: dt.date | None


async def of_day(reader: Reader, instrument_id: str, *, as_of: dt.date | None) -> list[Exposure]:
    """Return the factors of an instrument on the newest day that is not after `as_of`."""
    return await reader.rows(Exposure, OF_DAY, {"instrument_id": instrument_id, "as_of": as_of})


async def first_date(reader: Reader, instrument_id: str) -> dt.date | None:
    """Return the first day with factors of an instrument."""
    return (await reader.rows(_First, FIRST_DATE, {"instrument_id": instrument_id}))[0].first_date
