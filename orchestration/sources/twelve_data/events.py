"""Dividends, splits and press releases; a split's `ratio` is the factor of the price."""

import msgspec

from orchestration.sources.makers import names_as_json
from orchestration.sources.records import Dividend, NewsArticle, Split, Turn
from orchestration.sources.twelve_data.envelope import Meta, enveloped
from orchestration.sources.wire import (
    NOTHING,
    NotBelieved,
    Number,
    article_id,
    currency,
    day,
    moment,
    number,
    rows_of,
    symbol,
    text,
)


class DividendRow(msgspec.Struct):
    """A dividend: ex-date and amount alone."""

    ex_date: str
    amount: Number = None


class SplitRow(msgspec.Struct):
    """A split: `from_factor` new shares for `to_factor` old ones; `ratio` is to over from."""

    date: str
    from_factor: Number = None
    to_factor: Number = None
    ratio: Number = None


class Events(msgspec.Struct):
    """Dividends or splits of a symbol."""

    meta: Meta
    dividends: msgspec.Raw = NOTHING
    splits: msgspec.Raw = NOTHING


class Release(msgspec.Struct):
    """A press release."""

    id: str | int
    datetime: str
    title: str


class _Releases(msgspec.Struct):
    press_releases: msgspec.Raw = NOTHING


class MarketState(msgspec.Struct):
    """How it stands now with an exchange."""

    code: str
    is_market_open: bool


dividends = enveloped(Events, "dividends", DividendRow)
splits = enveloped(Events, "splits", SplitRow)
releases = enveloped(_Releases, "press_releases", Release)


def is_open(body: bytes, code: str) -> bool | None:
    """Read whether an exchange trades; the answer is a bare list."""
    told = {row.code: row.is_market_open for row in rows_of(body, MarketState) if isinstance(row, MarketState)}
    return told.get(code)


def dividend_of(wire: DividendRow, turn: Turn, code: str | None) -> Dividend | None:
    """Return a dividend; None for one of the days more that were asked for."""
    ex_date, (iso, units) = day(wire.ex_date), currency(code)
    if not turn.first_date <= ex_date <= turn.last_date:
        return None
    amount = number(wire.amount)
    paid = None if amount is None else amount / units
    return Dividend(source_symbol=turn.symbol, ex_date=ex_date, amount=paid, currency_code=iso)


def split_of(wire: SplitRow, turn: Turn) -> Split | None:
    """Return a split; None for one of the days more that were asked for."""
    ex_date = day(wire.date)
    if not turn.first_date <= ex_date <= turn.last_date:
        return None
    new, old, ratio = number(wire.from_factor), number(wire.to_factor), number(wire.ratio)
    if new and old and ratio and abs(ratio - old / new) > 0.01 * abs(ratio):
        detail = f"ratio must be to over from, as the price goes; got ratio {ratio}, from {new}, to {old}."
        raise NotBelieved("contradicting_ratio", detail)
    return Split(source_symbol=symbol(turn.symbol), ex_date=ex_date, shares_new=new, shares_old=old)


def article_of(wire: Release, turn: Turn) -> NewsArticle | None:
    """Return a press release; None for one of the days more that were asked for."""
    published = moment(wire.datetime)
    if not turn.first_date <= published.date() <= turn.last_date:
        return None
    return NewsArticle(
        source_article_id=article_id(wire.id),
        published_at=published,
        title=text(wire.title) or "",
        source_symbols=names_as_json([turn.symbol]),
    )
