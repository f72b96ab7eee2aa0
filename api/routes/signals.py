"""GET /v1/signals/live: what the forecasters say of the newest session."""

import datetime as dt
from typing import Annotated

from litestar.di import NamedDependency
from litestar.openapi.spec import Example
from litestar.params import QueryParameter

from api import answers, operations
from api.answers import Page
from api.cursors import Cursors
from api.errors import BeforeFirstDate, ValueUnknown
from api.parameters import AsOf, Cursor, Limit
from api.routes.instruments import ACME
from api.routes.models import MODEL_PATTERN
from warehouse.queries import answers as hot
from warehouse.queries import signals
from warehouse.queries.ordering import Place
from warehouse.queries.reader import Reader
from warehouse.queries.signals import ENSEMBLE, Signal, Sort

SIGNAL = Signal(
    model_id=ENSEMBLE,
    as_of_date=dt.date(2024, 6, 28),
    ticker=ACME.ticker,
    name=ACME.name,
    instrument_id=ACME.instrument_id,
    sector=ACME.sector,
    rank=1,
    signal="strong_buy",
    expected_return_22d=0.021,
    probability_up=0.58,
    confidence=0.74,
    reasons=["technical: strong_buy with weight 0.60"],
    reason_features=[],
    reason_sizes=[],
    model_version_id=None,
    computed_at=dt.datetime(2024, 6, 28, 22, 4, tzinfo=dt.UTC),
)


@operations.read(
    "/signals/live",
    operation_id="list_live_signals",
    summary="List what the forecasters say now",
    tag="Research",
    scope="read:market",
    datasets=signals.DATASETS,
    cache_control=operations.DAILY,
    problems=[404, 410, 422],
    example=Page(
        [SIGNAL],
        answers.Meta(dataset_version="8277e0910d750195b448797616e091ad", as_of_date=dt.date(2024, 6, 28)),
    ),
)
async def list_live_signals(
    reader: NamedDependency[Reader],
    cursors: NamedDependency[Cursors],
    model: Annotated[
        str,
        QueryParameter(
            pattern=MODEL_PATTERN,
            description="Forecaster, or `ensemble` for all of them together.",
            examples=[Example(value=ENSEMBLE)],
        ),
    ] = ENSEMBLE,
    as_of: AsOf = None,
    sort: Annotated[
        Sort, QueryParameter(description="Order; `-` before the name turns it round. Missing values come last.")
    ] = "rank",
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[Signal]:
    """The signals of the newest session, or of `as_of`: what to expect, how surely, and why. 22 sessions are kept."""
    after = cursors.read(cursor, Place) if cursor else None
    page = await hot.live_signals(reader, cursors.asked(), as_of, model_id=model, sort=sort, after=after, limit=limit)
    if page is None:
        known = await signals.models(reader)
        if known and model not in known:
            raise ValueUnknown("model", model, known)
        first_date = await signals.first_date(reader, model_id=model)
        raise BeforeFirstDate("signals", as_of=as_of, first_date=first_date)
    return page
