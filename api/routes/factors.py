"""GET /v1/factors/{ticker}: where an instrument stands in each factor."""

import datetime as dt

from litestar.di import NamedDependency

from api import answers, operations
from api.answers import Page
from api.errors import BeforeFirstDate
from api.parameters import AsOf
from warehouse.queries import exposures
from warehouse.queries.exposures import Exposure
from warehouse.queries.instruments import Instrument
from warehouse.queries.reader import Reader

EXPOSURE = Exposure(dt.date(2024, 6, 28), "momentum_252d_21d", "momentum", 0.31, 1.42, 0.93, "fraction")


@operations.read(
    "/factors/{ticker:str}",
    operation_id="list_factors",
    summary="List the factors of one instrument",
    tag="Research",
    scope="read:market",
    datasets=exposures.DATASETS,
    cache_control=operations.DAILY,
    problems=[307, 404],
    example=Page(
        [EXPOSURE],
        answers.Meta(
            dataset_version="92eb5ffee6ae2fec3ad71c777531578f", as_of_date=dt.date(2024, 6, 28), ticker="ACME"
        ),
    ),
)
async def list_factors(
    reader: NamedDependency[Reader], instrument: NamedDependency[Instrument], as_of: AsOf = None
) -> Page[Exposure]:
    """Every factor of the newest day, or of `as_of`: value, distance from the mean, and rank in the universe.

    Ranks and distances are by value: whether more is better is the profile's matter, not the factor's.
    """
    rows = await exposures.of_day(reader, instrument.instrument_id, as_of=as_of)
    if not rows:
        first_date = await exposures.first_date(reader, instrument.instrument_id)
        raise BeforeFirstDate(f"factors of {instrument.ticker}", as_of=as_of, first_date=first_date)
    return Page(rows, answers.meta(instrument=instrument, as_of_date=rows[0].as_of_date))
