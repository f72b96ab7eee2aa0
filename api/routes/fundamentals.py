"""GET /v1/fundamentals/{ticker}: what was known of the company."""

import datetime as dt
from typing import Annotated

from litestar.di import NamedDependency
from litestar.openapi.spec import Example
from litestar.params import QueryParameter

from api import answers, operations
from api.answers import Page
from api.errors import BeforeFirstDate
from api.parameters import AsOf
from warehouse.queries import statements
from warehouse.queries.instruments import Instrument
from warehouse.queries.reader import Reader
from warehouse.queries.statements import Statement

MAX_STATEMENTS = 100
EXAMPLE = Statement(
    known_from_date=dt.date(2024, 2, 15),
    known_to_date=None,
    statement="annual",
    period_end_date=dt.date(2023, 12, 31),
    published_at=dt.datetime(2024, 2, 14, 21, 30, tzinfo=dt.UTC),
    currency_code="USD",
    revenue=1_250e6,
    cost_of_revenue=700e6,
    gross_profit=550e6,
    operating_income=210e6,
    net_income=160e6,
    eps=1.6,
    shares_outstanding=100e6,
    total_assets=2_100e6,
    total_liabilities=900e6,
    total_equity=1_200e6,
    current_assets=600e6,
    current_liabilities=300e6,
    cash=220e6,
    short_term_debt=50e6,
    long_term_debt=350e6,
    operating_cash_flow=240e6,
    capex=-90e6,
    depreciation=70e6,
    interest_expense=15e6,
    revenue_1y_ago=1_100e6,
    net_income_1y_ago=140e6,
    revenue_5y_ago=700e6,
    total_assets_1y_ago=1_950e6,
)


@operations.read(
    "/fundamentals/{ticker:str}",
    operation_id="list_fundamentals",
    summary="List what was known of a company's statements",
    tag="Market data",
    scope="read:market",
    datasets=["marts.fct_fundamentals", "marts.dim_instruments"],
    cache_control=operations.DAILY,
    problems=[307, 404],
    example=Page(
        [EXAMPLE],
        answers.Meta(dataset_version="e4d909c290d0fb1ca068ffaddf22cbd0", as_of_date=dt.date(2024, 2, 15)),
    ),
)
async def list_fundamentals(
    reader: NamedDependency[Reader],
    instrument: NamedDependency[Instrument],
    as_of: AsOf = None,
    limit: Annotated[
        int,
        QueryParameter(
            ge=1,
            le=MAX_STATEMENTS,
            description="How many states of knowledge, going back from the one on that day. Unit rows.",
            examples=[Example(value=1)],
        ),
    ] = 1,
) -> Page[Statement]:
    """The newest statement that was known on a day, then what was known before it; nothing that came later."""
    rows = await statements.known(reader, instrument.instrument_id, as_of=as_of, limit=limit)
    if not rows:
        first_date = await statements.first_date(reader, instrument.instrument_id)
        raise BeforeFirstDate(f"fundamentals of {instrument.ticker}", as_of=as_of, first_date=first_date)
    return Page(rows, answers.meta(instrument=instrument, as_of_date=rows[0].known_from_date))
