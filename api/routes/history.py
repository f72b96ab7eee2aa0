"""GET /v1/history/{ticker}: daily, weekly and monthly bars."""

import datetime as dt
from typing import Annotated

from litestar.di import NamedDependency
from litestar.openapi.spec import Example
from litestar.params import QueryParameter

from api import answers, operations
from api.answers import Page
from api.cursors import Cursors
from api.errors import AsTradedUnavailable, NothingInRange, ParameterConflict, PriceMissing
from api.parameters import End, Start
from warehouse.queries import answers as hot
from warehouse.queries import prices
from warehouse.queries.instruments import Instrument
from warehouse.queries.prices import DEFAULT_PERIOD, MONTHS, Bar, Interval, Period
from warehouse.queries.reader import Reader

EXAMPLE = Page(
    [Bar(dt.date(2024, 6, 28), 50.2, 51.9, 50.1, 51.5, 1_204_300, 1, False)],
    answers.Meta(
        dataset_version="9e107d9d372bb6826bd81d3542a419d6",
        as_of_date=dt.date(2024, 6, 28),
        ticker="ACME",
        instrument_id="i_5f0c2a9b7d1e4c38",
        start=dt.date(2024, 6, 28),
        end=dt.date(2024, 6, 28),
        interval="1d",
        adjustment="splits_dividends",
        currency_code="USD",
        source="simulated",
    ),
)


@operations.read(
    "/history/{ticker:str}",
    operation_id="list_history",
    summary="List the bars of one instrument",
    tag="Market data",
    scope="read:market",
    datasets=prices.DATASETS,
    cache_control=operations.DAILY,
    implied=("period", DEFAULT_PERIOD),
    problems=[307, 404, 422],
    example=EXAMPLE,
)
async def list_history(
    reader: NamedDependency[Reader],
    cursors: NamedDependency[Cursors],
    instrument: NamedDependency[Instrument],
    period: Annotated[
        Period | None,
        QueryParameter(
            description="How far back from the instrument's last session; one year unless start or end is given.",
            examples=[Example(value="1y")],
        ),
    ] = None,
    start: Start = None,
    end: End = None,
    interval: Annotated[
        Interval, QueryParameter(description="Length of a bar.", examples=[Example(value="1d")])
    ] = "1d",
    adjusted: Annotated[
        bool,
        QueryParameter(description="Adjusted for splits and dividends, in terms of the latest share; else as traded."),
    ] = True,
) -> Page[Bar]:
    """Bars, oldest first, both ends included. Adjusted ones end at the price that was traded last."""
    _check_range(period, start, end)
    open_end = "max" if end is not None else DEFAULT_PERIOD
    found = await prices.history(
        reader, instrument.instrument_id, start=start, end=end, months=MONTHS.get(period or open_end),
        interval=interval, adjusted=adjusted,
    )  # fmt: skip
    if found is None:
        raise PriceMissing(instrument.ticker)
    if not adjusted and not found.basis.has_as_traded:
        raise AsTradedUnavailable(instrument.ticker, found.basis.adjustment)
    if not found.bars:
        raise NothingInRange(f"bars of {instrument.ticker}", start=found.start, end=found.end)
    return hot.history(cursors.asked(), instrument, found, interval=interval, adjusted=adjusted)


def _check_range(period: Period | None, start: dt.date | None, end: dt.date | None) -> None:
    """Refuse what contradicts itself."""
    if period is not None and (start is not None or end is not None):
        raise ParameterConflict("period: must stand without start and end; got both. Leave one out.")
    if start is not None and end is not None and start > end:
        raise ParameterConflict(f"start: must not be after end; got {start} and {end}. Exchange them.")
