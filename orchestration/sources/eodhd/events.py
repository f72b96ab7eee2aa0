"""Dividends, splits, renamings, news and holidays."""

from collections.abc import Iterable, Mapping
from typing import Literal

import msgspec

from orchestration.sources.eodhd.envelope import as_list
from orchestration.sources.eodhd.prices import later_factor
from orchestration.sources.makers import names_as_json
from orchestration.sources.records import Dividend, MarketHoliday, NewsArticle, Split, TickerEvent, Turn
from orchestration.sources.wire import (
    NOTHING,
    NotBelieved,
    Number,
    article_id,
    currency,
    day,
    json_of,
    maybe_day,
    moment,
    number,
    rows_of,
    symbol,
    text,
    web_address,
    within,
)

_HOLIDAYS: Mapping[str, Literal["closed", "early_close"]] = {"official": "closed", "earlyclose": "early_close"}


class DividendRow(msgspec.Struct):
    """A dividend; `value` is divided by later splits, `unadjustedValue` as declared.

    In the list of a whole exchange the amount stands in `dividend`, whether divided or not is not said.
    """

    date: str
    unadjustedValue: Number = None
    dividend: Number = None
    currency: str | None = None
    declarationDate: str | None = None
    paymentDate: str | None = None
    code: str | None = None


class SplitRow(msgspec.Struct):
    """A split as text: new shares, a stroke, old shares."""

    date: str
    split: str
    code: str | None = None


class Renaming(msgspec.Struct):
    """A company's new symbol."""

    old_symbol: str
    new_symbol: str
    effective: str


class Sentiment(msgspec.Struct):
    """The vendor's own reading of an article, from -1 to 1."""

    polarity: Number = None


class Article(msgspec.Struct):
    """An article; it has no id, so its address is one."""

    date: str
    title: str
    link: str
    symbols: list[str] | None = None
    sentiment: Sentiment | None = None


class _Exchange(msgspec.Struct):
    isOpen: bool | None = None
    ExchangeHolidays: msgspec.Raw = NOTHING


class Holiday(msgspec.Struct):
    """A day on which the exchange is closed, or closes early; without a `Type` it is closed."""

    Date: str
    Holiday: str | None = None
    Type: str | None = None


def holidays(body: bytes) -> list[Holiday | bytes]:
    """Read the holidays of an exchange: a list, or an object keyed "0", "1", ..."""
    return rows_of(as_list(json_of(_Exchange)(body).ExchangeHolidays), Holiday)


def is_open(body: bytes) -> bool | None:
    """Read whether an exchange trades."""
    return json_of(_Exchange)(body).isOpen


def dividend_of(wire: DividendRow, turn: Turn) -> Dividend:
    """Return a dividend as declared."""
    (code, units), amount = currency(wire.currency), number(wire.unadjustedValue)
    return Dividend(
        source_symbol=symbol(turn.symbol),
        ex_date=within(day(wire.date), *turn.days),
        amount=None if amount is None else amount / units,
        currency_code=code,
        declared_date=maybe_day(wire.declarationDate),
        pay_date=maybe_day(wire.paymentDate),
    )


def listed_dividend_of(wire: DividendRow, turn: Turn, splits: Iterable[Split]) -> Dividend:
    """Return a dividend out of the list of a whole exchange; `splits` are the company's up to today.

    Raises
    ------
    NotBelieved
        If a later split may have divided the amount.
    """
    if wire.unadjustedValue is None:
        if later_factor(splits, day(wire.date)) != 1.0:
            raise NotBelieved("maybe_adjusted", "an amount must be as declared; a later split may have divided it.")
        wire = msgspec.structs.replace(wire, unadjustedValue=wire.dividend)
    return dividend_of(wire, turn)


def split_of(wire: SplitRow, turn: Turn) -> Split:
    """Return a split."""
    new, stroke, old = wire.split.partition("/")
    if not stroke:
        raise NotBelieved("not_a_ratio", f"a split must be written new/old; got {wire.split!r}.")
    ex_date = within(day(wire.date), *turn.days)
    return Split(source_symbol=symbol(turn.symbol), ex_date=ex_date, shares_new=number(new), shares_old=number(old))


def ticker_event_of(wire: Renaming) -> TickerEvent:
    """Return a renaming."""
    return TickerEvent(
        source_symbol=symbol(wire.new_symbol), changed_date=day(wire.effective), former_symbol=symbol(wire.old_symbol)
    )


def certain_split_of(row: SplitRow | bytes, turn: Turn) -> Split:
    """Return a split by which volumes can be divided.

    Raises
    ------
    NotBelieved
        If there is anything wrong with it.
    """
    if isinstance(row, bytes):
        raise NotBelieved("unreadable_record", "the row must be as the vendor documents it; it is not.")
    made = split_of(row, turn)
    if not (made.shares_new and made.shares_old and made.shares_new > 0 and made.shares_old > 0):
        raise NotBelieved("not_a_ratio", f"both sides of a split must be above 0; got {row.split!r}.")
    return made


def article_of(wire: Article, turn: Turn) -> NewsArticle:
    """Return an article."""
    published = moment(wire.date)
    within(published.date(), *turn.days)
    polarity = number(wire.sentiment.polarity) if wire.sentiment else None
    if polarity is not None and not -1 <= polarity <= 1:
        raise NotBelieved("not_a_polarity", f"polarity must lie between -1 and 1; got {polarity}.")
    return NewsArticle(
        source_article_id=article_id(wire.link),
        published_at=published,
        title=text(wire.title) or "",
        url=web_address(wire.link),
        source_symbols=names_as_json(wire.symbols),
        sentiment=polarity,
        sentiment_by=None if polarity is None else "eodhd polarity",
    )


def holiday_of(wire: Holiday, exchange_code: str) -> MarketHoliday:
    """Return a day on which an exchange is closed, or closes early; banks' holidays are none of an exchange's."""
    status = _HOLIDAYS.get((wire.Type or "official").lower())
    if status is None:
        raise NotBelieved("unknown_status", f"a holiday must be Official or EarlyClose; got {wire.Type!r}.")
    return MarketHoliday(
        exchange_code=exchange_code, holiday_date=day(wire.Date), name=text(wire.Holiday), status=status
    )
