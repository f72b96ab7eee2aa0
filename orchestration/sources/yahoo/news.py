"""Headlines, as the search finds them: the newest about a symbol, whatever days they are of."""

import datetime as dt
from zoneinfo import ZoneInfo

import msgspec

from orchestration.sources.makers import names_as_json
from orchestration.sources.records import NewsArticle, Turn
from orchestration.sources.wire import (
    NOTHING,
    Number,
    article_id,
    instant,
    json_of,
    local_day,
    rows_of,
    text,
    web_address,
)


class Headline(msgspec.Struct, rename="camel"):
    """An article."""

    uuid: str
    title: str
    provider_publish_time: Number
    publisher: str | None = None
    link: str | None = None
    related_tickers: list[str] | None = None


class _Found(msgspec.Struct):
    news: msgspec.Raw = NOTHING


def headlines(body: bytes) -> list[Headline | bytes]:
    """Read what a search has found."""
    return rows_of(json_of(_Found)(body).news, Headline)


def article_of(wire: Headline, turn: Turn, zone: ZoneInfo) -> NewsArticle | None:
    """Return an article; None for one of other days than were asked for."""
    published: dt.datetime = instant(wire.provider_publish_time)
    if not turn.first_date <= local_day(published, zone) <= turn.last_date:
        return None
    return NewsArticle(
        source_article_id=article_id(wire.uuid),
        published_at=published,
        title=text(wire.title) or "",
        url=web_address(wire.link),
        publisher=text(wire.publisher),
        source_symbols=names_as_json(wire.related_tickers or [turn.symbol]),
    )
