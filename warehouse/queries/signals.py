"""What the API reads of signals: what the forecasters say of the newest sessions, one by one and together, and why."""

import datetime as dt
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from warehouse.queries import columns
from warehouse.queries.ordering import Key, Place, orders
from warehouse.queries.reader import Reader

DATASETS = ("research.signals", "marts.dim_instruments")
ENSEMBLE = "ensemble"

_COLUMNS = """
    s.model_id, s.as_of_date, i.ticker, i.name, s.instrument_id, i.sector, s.rank, s.signal, s.expected_return_22d,
    s.probability_up, s.confidence, s.reasons, s.reason_features, s.reason_sizes, s.model_version_id, s.computed_at
"""
_FROM = "from research.signals as s inner join marts.dim_instruments as i on i.instrument_id = s.instrument_id"

NEWEST_DATE = """
select max(newest.as_of_date)
from research.signals as newest
where newest.model_id = %(model_id)s and newest.as_of_date <= coalesce(%(as_of)s, 'infinity'::date)
"""
FIRST_DATE = "select min(as_of_date) from research.signals where model_id = %(model_id)s"
MODELS = "select distinct model_id from research.signals order by model_id"

_OF_DAY = f"""
select {_COLUMNS} {_FROM}
where s.model_id = %(model_id)s and s.as_of_date = ({NEWEST_DATE}) {{following}}
order by {{order}}
limit %(limit)s
"""

OF_INSTRUMENT = f"""
select {_COLUMNS} {_FROM}
where s.instrument_id = %(instrument_id)s and s.as_of_date = %(as_of_date)s
order by s.model_id <> '{ENSEMBLE}', s.model_id
"""

Sort = Literal[
    "rank", "-rank", "confidence", "-confidence", "expected_return_22d", "-expected_return_22d", "ticker", "-ticker"
]
ORDERS = orders(
    _OF_DAY,
    [
        Key("rank", "s.rank", "integer"),
        Key("confidence", "s.confidence", "double precision"),
        Key("expected_return_22d", "s.expected_return_22d", "double precision", is_nullable=True),
        Key("ticker", "i.ticker", "text"),
    ],
    unique=Key("instrument_id", "s.instrument_id", "text"),
)


class Signal(msgspec.Struct, frozen=True, gc=False):
    """What one forecaster, or all of them together, says of one instrument and session."""

    model_id: Annotated[str, Meta(description="Forecaster, or `ensemble` for all of them together.")]
    as_of_date: columns.AsOfDate
    ticker: columns.Ticker
    name: columns.Name
    instrument_id: columns.InstrumentId
    sector: columns.Sector
    rank: Annotated[int, Meta(description="Place of the day, 1 best. Unit places.")]
    signal: Annotated[str, Meta(description="strong_buy, buy, hold, sell or strong_sell.")]
    expected_return_22d: Annotated[
        float | None,
        Meta(
            description="Return to expect over the 21 sessions after the trade; null while too few days are known."
            " Unit fraction (0.05 is 5%)."
        ),
    ]
    probability_up: Annotated[float | None, Meta(description="Probability that it is above 0. Unit fraction.")]
    confidence: Annotated[
        float, Meta(description="Distance from the middle times how sure the skill is. Unit none, 0 to 1.")
    ]
    reasons: Annotated[list[str], Meta(description="Why, in words, the strongest reason first.")]
    reason_features: Annotated[list[str], Meta(description="Features that the reasons are about.")]
    reason_sizes: Annotated[
        list[float], Meta(description="What each adds to the forecast, negative where it lowers it. Unit fraction.")
    ]
    model_version_id: Annotated[str | None, Meta(description="Version that forecast it, null for the ensemble.")]
    computed_at: columns.ComputedAt


class _Day(msgspec.Struct, frozen=True):
    as_of_date: dt.date | None


class _Model(msgspec.Struct, frozen=True):
    model_id: str


async def newest_date(reader: Reader, *, model_id: str, as_of: dt.date | None) -> dt.date | None:
    """Return the newest day with signals of a forecaster that is not after `as_of`."""
    return (await reader.rows(_Day, NEWEST_DATE, {"model_id": model_id, "as_of": as_of}))[0].as_of_date


async def first_date(reader: Reader, *, model_id: str) -> dt.date | None:
    """Return the first day with signals of a forecaster."""
    return (await reader.rows(_Day, FIRST_DATE, {"model_id": model_id}))[0].as_of_date


async def models(reader: Reader) -> list[str]:
    """Return whose signals there are, by name."""
    return [row.model_id for row in await reader.rows(_Model, MODELS)]


async def of_day(
    reader: Reader,
    as_of: dt.date | None,
    *,
    model_id: str = ENSEMBLE,
    sort: Sort = "rank",
    after: Place | None = None,
    limit: int,
) -> list[Signal]:
    """Return what a forecaster says on the newest day that is not after `as_of`, in an order, behind `after`."""
    order = ORDERS[sort]
    parameters = {"model_id": model_id, "as_of": as_of, "limit": limit} | order.parameters(after)
    return await reader.rows(Signal, order.query(after), parameters)


async def of_instrument(reader: Reader, instrument_id: str, as_of_date: dt.date) -> list[Signal]:
    """Return what each forecaster says of an instrument on a day, all of them together first."""
    return await reader.rows(Signal, OF_INSTRUMENT, {"instrument_id": instrument_id, "as_of_date": as_of_date})
