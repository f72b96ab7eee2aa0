"""GET /v1/news: what is written about companies, and how it sounds."""

import datetime as dt
from typing import Annotated

from litestar.di import NamedDependency
from litestar.openapi.spec import Example
from litestar.params import QueryParameter

from api import answers, operations
from api.answers import Page
from api.cursors import Cursors
from api.errors import ParameterConflict, TickerUnknown
from api.parameters import TICKER_PATTERN, Cursor, End, Limit, Start
from warehouse.queries import articles, instruments
from warehouse.queries.articles import Article
from warehouse.queries.instruments import Instrument
from warehouse.queries.reader import Reader

EXAMPLE = Article(
    article_id="n5f0c2a9b7d1e4c38",
    published_at=dt.datetime(2024, 6, 28, 14, 5, tzinfo=dt.UTC),
    tickers=["ACME"],
    title="Acme beats expectations and raises its outlook",
    summary="Profit rose strongly as demand improved.",
    url=None,
    publisher="Simulated Gazette",
    sentiment=0.89,
    sentiment_by="vader_finance",
    sentiment_version="3.3.2+finance.1",
    source="simulated",
)


@operations.read(
    "/news",
    operation_id="list_news",
    summary="List what is written about companies",
    tag="Market data",
    scope="read:market",
    datasets=["marts.fct_news_articles", "research.news_sentiment", "marts.dim_instruments"],
    cache_control=operations.DAILY,
    problems=[404, 410, 422],
    example=Page([EXAMPLE], answers.Meta(dataset_version="0cc175b9c0f1b6a831c399e269772661", ticker="ACME")),
)
async def list_news(
    reader: NamedDependency[Reader],
    cursors: NamedDependency[Cursors],
    ticker: Annotated[
        str | None,
        QueryParameter(
            pattern=TICKER_PATTERN,
            description="Only what is about this instrument, by its ticker of today or a former one. All by default.",
            examples=[Example(value="ACME")],
        ),
    ] = None,
    start: Start = None,
    end: End = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[Article]:
    """Articles, newest first; days by UTC, both ends included. The source's own word on the tone goes before ours."""
    if start is not None and end is not None and start > end:
        raise ParameterConflict(f"start: must not be after end; got {start} and {end}. Exchange them.")
    about = await _instrument(reader, ticker) if ticker is not None else None
    rows = await articles.newest(
        reader, instrument_id=about.instrument_id if about else None, start=start, end=end,
        before=cursors.read(cursor, tuple[dt.datetime, str]) if cursor else None, limit=limit + 1,
    )  # fmt: skip
    shown, last = answers.first_page(rows, limit=limit)
    return Page(
        shown, answers.meta(instrument=about), cursors.after(last.published_at, last.article_id) if last else None
    )


async def _instrument(reader: Reader, ticker: str) -> Instrument:
    wanted = ticker.upper()
    found = await instruments.by_ticker(reader, wanted) or await instruments.by_former_ticker(reader, wanted)
    if found is None:
        raise TickerUnknown([wanted])
    return found
