"""Dividends, splits, renamings, news and holidays."""

import datetime as dt
from itertools import pairwise

import msgspec

from orchestration.sources.makers import names_as_json
from orchestration.sources.records import Dividend, MarketHoliday, NewsArticle, Split, TickerEvent
from orchestration.sources.wire import (
    NotBelieved,
    Number,
    article_id,
    currency,
    day,
    json_of,
    maybe_day,
    moment,
    number,
    symbol,
    text,
    web_address,
    within,
)

_EXCHANGES = {"NYSE": "XNYS", "NASDAQ": "XNAS"}
_SENTIMENTS = {"positive": 1.0, "neutral": 0.0, "negative": -1.0}


class DividendRow(msgspec.Struct):
    """A cash dividend; `cash_amount` is as declared."""

    ticker: str
    ex_dividend_date: str | None
    id: str | None = None
    distribution_type: str | None = None
    cash_amount: Number = None
    currency: str | None = None
    declaration_date: str | None = None
    pay_date: str | None = None


class Total:
    """Dividends by symbol and ex-date: a regular and a special one of a day come as two rows."""

    def __init__(self) -> None:
        self._of_day: dict[tuple[str, dt.date], Dividend] = {}
        self._rows: set[str | bytes] = set()

    def is_repeated(self, wire: DividendRow) -> bool:
        """Whether the row was there before, by its id or as it is: one may stand on two pages of a list."""
        row = wire.id or msgspec.json.encode(wire)
        is_known = row in self._rows
        self._rows.add(row)
        return is_known

    def add(self, dividend: Dividend) -> None:
        """Add a dividend to what the day has.

        Raises
        ------
        NotBelieved
            If that is in another currency.
        """
        key, amount = (dividend.source_symbol, dividend.ex_date), dividend.amount or 0.0
        before = self._of_day.get(key)
        if before is not None and before.currency_code != dividend.currency_code:
            detail = f"dividends of a day must share {before.currency_code}; got {dividend.currency_code}."
            raise NotBelieved("another_currency", detail)
        both = amount + (before.amount or 0.0) if before is not None else amount
        self._of_day[key] = msgspec.structs.replace(dividend, amount=both)

    def values(self) -> list[Dividend]:
        """Return the dividends of all days."""
        return list(self._of_day.values())


class SplitRow(msgspec.Struct):
    """A split: `split_to` new shares for `split_from` old ones."""

    ticker: str
    execution_date: str | None
    split_from: Number = None
    split_to: Number = None


class TickerChange(msgspec.Struct):
    """The ticker from a day on."""

    ticker: str


class Renaming(msgspec.Struct):
    """An event in the life of a company; `ticker_change` is there where that is a ticker, the first one included."""

    date: str
    type: str | None = None
    ticker_change: TickerChange | None = None


class _Life(msgspec.Struct):
    events: list[Renaming] = []


class _LifeAnswer(msgspec.Struct):
    results: _Life | None = None


class Publisher(msgspec.Struct):
    """Who published an article."""

    name: str | None = None


class Insight(msgspec.Struct):
    """What the vendor reads out of an article about a ticker."""

    ticker: str | None = None
    sentiment: str | None = None


class Article(msgspec.Struct):
    """An article."""

    id: str
    published_utc: str
    title: str
    publisher: Publisher | None = None
    author: str | None = None
    article_url: str | None = None
    description: str | None = None
    tickers: list[str] | None = None
    insights: list[Insight] | None = None


class Holiday(msgspec.Struct):
    """A day on which an exchange is closed, or closes early."""

    exchange: str
    date: str
    status: str
    name: str | None = None
    close: str | None = None


class MarketStatus(msgspec.Struct):
    """How it stands now with each exchange: open, closed or extended-hours."""

    exchanges: dict[str, str | None] = {}


def is_open(body: bytes) -> bool | None:
    """Read whether New York's exchange trades."""
    told = json_of(MarketStatus)(body).exchanges.get("nyse")
    return None if told is None else told == "open"


def take_dividend(wire: DividendRow, days: tuple[dt.date, dt.date], total: Total) -> None:
    """Add a dividend to those of the same symbol and day; a row that comes twice counts once."""
    if total.is_repeated(wire):
        raise NotBelieved("repeated_row", "a dividend must come once; this row was there before.")
    name, ex_date = symbol(wire.ticker), within(day(wire.ex_dividend_date), *days)
    amount, (code, units) = number(wire.cash_amount), currency(wire.currency)
    if amount is None:
        raise NotBelieved("missing_amount", f"a dividend must have an amount; got {wire.cash_amount!r}.")
    if amount <= 0:
        # Added to another one of the day it could not be told any longer.
        raise NotBelieved("non_positive_amount", f"a dividend must be above 0; got {wire.cash_amount!r}.")
    total.add(
        Dividend(
            source_symbol=name,
            ex_date=ex_date,
            amount=amount / units,
            currency_code=code,
            declared_date=maybe_day(wire.declaration_date),
            pay_date=maybe_day(wire.pay_date),
        )
    )


def split_of(wire: SplitRow, days: tuple[dt.date, dt.date]) -> Split:
    """Return a split."""
    return Split(
        source_symbol=symbol(wire.ticker),
        ex_date=within(day(wire.execution_date), *days),
        shares_new=number(wire.split_to),
        shares_old=number(wire.split_from),
    )


def renamings(body: bytes) -> list[Renaming]:
    """Read the events in the life of a company."""
    found = json_of(_LifeAnswer)(body).results
    return found.events if found else []


def ticker_events_of(life: list[Renaming]) -> list[TickerEvent]:
    """Return each change from one ticker to the next."""
    known = sorted((day(event.date), symbol(event.ticker_change.ticker)) for event in life if event.ticker_change)
    return [
        TickerEvent(source_symbol=name, changed_date=date, former_symbol=former)
        for (_, former), (date, name) in pairwise(known)
        if name != former
    ]


def article_of(wire: Article, begin: dt.datetime, end: dt.datetime) -> NewsArticle:
    """Return an article that was published between two instants, with the mean of the vendor's own readings."""
    published = moment(wire.published_utc)
    if not begin <= published < end:
        raise NotBelieved("another_day", f"the article must be of {begin} to {end}, as asked; got {published}.")
    told = [_SENTIMENTS[i.sentiment] for i in wire.insights or [] if i.sentiment in _SENTIMENTS]
    return NewsArticle(
        source_article_id=article_id(wire.id),
        published_at=published,
        title=text(wire.title) or "",
        url=web_address(wire.article_url),
        publisher=text(wire.publisher.name) if wire.publisher else None,
        author=text(wire.author),
        summary=text(wire.description),
        source_symbols=names_as_json(wire.tickers),
        sentiment=sum(told) / len(told) if told else None,
        sentiment_by="massive insights" if told else None,
    )


def holiday_of(wire: Holiday) -> MarketHoliday | None:
    """Return a holiday of an exchange that we know."""
    code = _EXCHANGES.get(wire.exchange)
    if code is None:
        return None
    if wire.status not in ("closed", "early-close"):
        raise NotBelieved("unknown_status", f"a holiday must be closed or early-close; got {wire.status!r}.")
    is_early = wire.status == "early-close"
    return MarketHoliday(
        exchange_code=code,
        holiday_date=day(wire.date),
        name=text(wire.name),
        status="early_close" if is_early else "closed",
        closes_at=moment(wire.close) if is_early else None,
    )
