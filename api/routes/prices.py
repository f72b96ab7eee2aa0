"""GET /v1/prices: daily bars of several instruments."""

import datetime as dt
from typing import Annotated

from litestar.di import NamedDependency
from litestar.openapi.spec import Example
from litestar.params import QueryParameter

from api import answers, operations
from api.answers import Page
from api.cursors import Cursors
from api.errors import AsTradedUnavailable, NothingInRange, ParameterConflict
from api.parameters import Cursor, End, Start
from api.tickers import MAX_TICKERS, require_tickers, split_tickers
from warehouse.queries import prices
from warehouse.queries.prices import TickerBar, months_before
from warehouse.queries.reader import Reader

MAX_BARS = 50_000
EXAMPLE = TickerBar("ACME", dt.date(2024, 6, 28), 50.2, 51.9, 50.1, 51.5, 1_204_300, False, "USD", "splits_dividends")


@operations.read(
    "/prices",
    operation_id="list_prices",
    summary="List the bars of several instruments",
    tag="Market data",
    scope="read:market",
    datasets=prices.DATASETS,
    cache_control=operations.DAILY,
    problems=[404, 410, 422],
    example=Page(
        [EXAMPLE],
        answers.Meta(
            dataset_version="9e107d9d372bb6826bd81d3542a419d6",
            start=dt.date(2024, 6, 28),
            end=dt.date(2024, 6, 28),
            interval="1d",
        ),
    ),
)
async def list_prices(
    reader: NamedDependency[Reader],
    cursors: NamedDependency[Cursors],
    tickers: Annotated[
        str,
        QueryParameter(
            max_length=MAX_TICKERS * 17,
            description=f"Up to {MAX_TICKERS} tickers, separated by commas.",
            examples=[Example(value="ACME,ZETA")],
        ),
    ],
    start: Start = None,
    end: End = None,
    adjusted: Annotated[
        bool,
        QueryParameter(description="Adjusted for splits and dividends, in terms of the latest share; else as traded."),
    ] = True,
    limit: Annotated[int, QueryParameter(ge=1, le=MAX_BARS, description="Rows on a page. Unit rows.")] = 5_000,
    cursor: Cursor = None,
) -> Page[TickerBar]:
    """Daily bars by ticker and session, both ends included; the newest year unless start or end is given.

    The same numbers as in /v1/history, several instruments at once.
    """
    wanted = split_tickers(tickers)
    await require_tickers(reader, wanted)
    if not adjusted and (odd := await prices.without_as_traded(reader, wanted)):
        raise AsTradedUnavailable(odd[0], "splits_dividends")
    last = end or await prices.last_session(reader, wanted) or dt.date.max
    first = start or (dt.date.min if end is not None else months_before(last, 12))
    if first > last:
        raise ParameterConflict(f"start: must not be after end; got {first} and {last}. Exchange them.")
    rows = await prices.of_several(
        reader, wanted, start=first, end=last, adjusted=adjusted,
        after=cursors.read(cursor, tuple[str, dt.date]) if cursor else ("", dt.date.min), limit=limit + 1,
    )  # fmt: skip
    if not rows:
        raise NothingInRange("prices of these tickers", start=first, end=last)
    shown, behind = answers.first_page(rows, limit=limit)
    following = cursors.after(behind.ticker, behind.trade_date) if behind else None
    return Page(shown, answers.meta(start=first, end=last, interval="1d"), following)
