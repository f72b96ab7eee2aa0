"""GET /v1/indicators/{ticker}: technical indicators."""

import datetime as dt

from litestar.di import NamedDependency

from api import answers, operations
from api.answers import Page
from api.cursors import Cursors
from api.errors import NothingInRange, ParameterConflict, PriceMissing
from api.parameters import Cursor, End, Limit, Start
from warehouse.queries import indicators, prices
from warehouse.queries.indicators import Indicators
from warehouse.queries.instruments import Instrument
from warehouse.queries.reader import Reader

EXAMPLE = Indicators(
    as_of_date=dt.date(2024, 6, 28),
    rsi_14d=61.2,
    stochastic_k_14d=78.4,
    stochastic_d_3d=74.9,
    adx_14d=23.1,
    macd_12d_26d=0.62,
    macd_signal_9d=0.51,
    macd_histogram=0.11,
    atr_14d=0.95,
    bollinger_upper_20d=52.4,
    bollinger_middle_20d=49.9,
    bollinger_lower_20d=47.4,
    sma_20d=49.9,
    sma_50d=48.7,
    sma_200d=45.2,
    ema_12d=50.6,
    ema_26d=50.0,
    obv_shares=88_120_400.0,
)


@operations.read(
    "/indicators/{ticker:str}",
    operation_id="list_indicators",
    summary="List the technical indicators of one instrument",
    tag="Research",
    scope="read:market",
    datasets=["research.indicators", "marts.fct_daily_prices", "marts.dim_instruments"],
    cache_control=operations.DAILY,
    problems=[307, 404, 410, 422],
    example=Page(
        [EXAMPLE],
        answers.Meta(dataset_version="d3b07384d113edec49eaa6238ad5ff00", as_of_date=dt.date(2024, 6, 28)),
    ),
)
async def list_indicators(
    reader: NamedDependency[Reader],
    cursors: NamedDependency[Cursors],
    instrument: NamedDependency[Instrument],
    start: Start = None,
    end: End = None,
    limit: Limit = 252,
    cursor: Cursor = None,
) -> Page[Indicators]:
    """The newest rows of the range, oldest first; `next` goes further back. Prices are adjusted as in history."""
    first, last = start or dt.date.min, end or dt.date.max
    if first > last:
        raise ParameterConflict(f"start: must not be after end; got {first} and {last}. Exchange them.")
    basis = await prices.basis(reader, instrument.instrument_id)
    if basis is None:
        raise PriceMissing(instrument.ticker)
    rows = await indicators.newest(
        reader,
        instrument.instrument_id,
        factor=basis.factor,
        share_factor=basis.share_factor,
        start=first,
        end=last,
        before=cursors.read(cursor, tuple[dt.date])[0] if cursor else dt.date.max,
        limit=limit + 1,
    )
    if not rows:
        raise NothingInRange(f"indicators of {instrument.ticker}", start=first, end=last)
    shown, oldest = answers.first_page(rows, limit=limit)
    about = answers.meta(
        instrument=instrument, basis=basis, as_of_date=shown[0].as_of_date, adjustment=prices.adjustment_of(basis)
    )
    return Page(shown[::-1], about, cursors.after(oldest.as_of_date) if oldest else None)
