"""GET /v1/rankings/{ticker}/explanation: why an instrument stands where it stands."""

import datetime as dt
from typing import Annotated

import msgspec
from litestar.di import NamedDependency
from litestar.openapi.spec import Example
from litestar.params import QueryParameter
from msgspec import Meta

from api import answers, operations
from api.answers import One
from api.errors import BeforeFirstDate
from api.parameters import AsOf
from api.routes.factors import EXPOSURE
from api.routes.rankings import RANKED
from api.routes.signals import SIGNAL
from warehouse.queries import exposures, rankings, signals
from warehouse.queries.exposures import Exposure
from warehouse.queries.instruments import Instrument
from warehouse.queries.rankings import Profile, Ranked
from warehouse.queries.reader import Reader
from warehouse.queries.signals import Signal


class Explanation(msgspec.Struct, frozen=True):
    """Why an instrument stands where it stands."""

    ranking: Annotated[Ranked, Meta(description="Its place, and what each group of factors adds to the score.")]
    factors: Annotated[list[Exposure], Meta(description="Where it stands in each factor on that day.")]
    signals: Annotated[
        list[Signal], Meta(description="What each forecaster says of that day and why; kept for 22 sessions.")
    ]


@operations.read(
    "/rankings/{ticker:str}/explanation",
    operation_id="get_ranking_explanation",
    summary="Explain the place of one instrument",
    tag="Research",
    scope="read:market",
    datasets=[
        "research.rankings", "research.signals", "factors.fct_factor_exposures", "marts.dim_instruments",
    ],
    cache_control=operations.DAILY,
    problems=[307, 404],
    example=One(
        Explanation(RANKED, [EXPOSURE], [SIGNAL]),
        answers.Meta(
            dataset_version="8277e0910d750195b448797616e091ad",
            as_of_date=dt.date(2024, 6, 28),
            ticker="ACME",
            profile="balanced",
        ),
    ),
)  # fmt: skip
async def get_ranking_explanation(
    reader: NamedDependency[Reader],
    instrument: NamedDependency[Instrument],
    profile: Annotated[
        Profile, QueryParameter(description="Risk profile.", examples=[Example(value="balanced")])
    ] = "balanced",
    as_of: AsOf = None,
) -> One[Explanation]:
    """The newest ranking of the instrument, or that of `as_of`: the score is 50 plus the sum of the contributions.

    Beside it each factor of the same day, and what the forecasters said of it in words.
    """
    found = await rankings.of_instrument(reader, instrument.instrument_id, profile=profile, as_of=as_of)
    if found is None:
        first_date = await rankings.first_date_of_instrument(reader, instrument.instrument_id, profile=profile)
        raise BeforeFirstDate(f"rankings of {instrument.ticker}", as_of=as_of, first_date=first_date)
    day = found.as_of_date
    factors = await exposures.of_day(reader, instrument.instrument_id, as_of=day)
    explanation = Explanation(
        found,
        [factor for factor in factors if factor.as_of_date == day],
        await signals.of_instrument(reader, instrument.instrument_id, day),
    )
    return One(explanation, answers.meta(instrument=instrument, as_of_date=day, profile=profile))
