"""How the records of market data come in: their rules, and what their tables want beyond the record."""

import datetime as dt
import hashlib
from collections.abc import Mapping

import numpy as np
import pandas as pd

from orchestration.ingestion import Entity
from orchestration.installation import Installation
from orchestration.sources.records import (
    BenchmarkBar,
    DailyBar,
    Dividend,
    FxRate,
    Instrument,
    MarketHoliday,
    NewsArticle,
    Quote,
    Split,
    TickerEvent,
)
from transforms.bar_rules import check_bars
from transforms.identity import known_identities
from transforms.news_rules import check_fx_rates, check_market_holidays, check_news_articles, check_ticker_events
from transforms.record_rules import (
    check_benchmark_bars,
    check_dividends,
    check_instruments,
    check_quotes,
    check_splits,
)

# Exchanges that keep the hours of a calendar under another code.
EXCHANGES_OF_CALENDAR: Mapping[str, tuple[str, ...]] = {
    "XNYS": ("XNYS", "XNAS", "ARCX", "BATS", "XASE", "IEXG"),
}


def instruments_entity(
    installation: Installation, known: pd.DataFrame, events: pd.DataFrame, *, source: str | None = None
) -> Entity:
    """Instruments; what is `known` by symbol, stable id or event keeps its id, `source` has seen the others first."""
    code, first_seen_by = installation.calendar.code, source or installation.source.name

    def complete(records: pd.DataFrame) -> pd.DataFrame:
        first = records["listed_date"].astype("string").fillna("")
        stable = records["stable_id"].fillna(records["source_symbol"])
        kept = known_identities(records, known=known, events=events)
        ids = [
            identity or instrument_id(first_seen_by, str(name), day)
            for identity, name, day in zip(kept, stable, first, strict=True)
        ]
        return records.assign(instrument_id=pd.Series(ids, index=records.index, dtype="string"))

    return Entity(
        table="raw.instruments",
        record=Instrument,
        key=("source_symbol",),
        check=lambda records: check_instruments(records, exchange_codes=EXCHANGES_OF_CALENDAR.get(code, (code,))),
        complete=complete,
    )


def instrument_id(source: str, stable_id: str, first_date: str) -> str:
    """Return our id of an instrument: a content hash, so that two installations that see the same source agree."""
    digest = hashlib.blake2b(f"{source}|{stable_id}|{first_date}".encode(), digest_size=8).hexdigest()
    return f"i{digest}"


def daily_bars_entity(
    installation: Installation, first: dt.date, last: dt.date, currencies: Mapping[str, str] | None = None
) -> Entity:
    """Daily bars of a window, in the currencies of their listings where those are known."""
    sessions = _sessions(installation, first, last)
    return Entity(
        table="raw.daily_bars",
        record=DailyBar,
        key=("source_symbol", "trade_date"),
        check=lambda records: check_bars(records, sessions=sessions, currencies=currencies),
        complete=_whole_volume,
    )


def benchmark_bars_entity(installation: Installation, first: dt.date, last: dt.date) -> Entity:
    """Bars of the market index of a window."""
    sessions = _sessions(installation, first, last)
    return Entity(
        table="raw.benchmark_bars",
        record=BenchmarkBar,
        key=("source_symbol", "trade_date"),
        check=lambda records: check_benchmark_bars(records, sessions=sessions),
        complete=_whole_volume,
    )


def dividends_entity() -> Entity:
    """Cash dividends."""
    return Entity(table="raw.dividends", record=Dividend, key=("source_symbol", "ex_date"), check=check_dividends)


def quotes_entity(installation: Installation, currencies: Mapping[str, str] | None = None) -> Entity:
    """Prices now, with the day of their market; none of them from the future, or in another currency than listed."""
    zone, now = installation.calendar.timezone, pd.Timestamp(installation.clock())

    def complete(records: pd.DataFrame) -> pd.DataFrame:
        local = records["quoted_at"].dt.tz_convert(zone).dt.tz_localize(None)
        return _whole_volume(records).assign(trade_date=local.dt.normalize())

    return Entity(
        table="raw.quotes",
        record=Quote,
        key=("source_symbol", "quoted_at"),
        check=lambda records: check_quotes(records, now=now, currencies=currencies),
        complete=complete,
    )


def splits_entity() -> Entity:
    """Share splits."""
    return Entity(table="raw.splits", record=Split, key=("source_symbol", "ex_date"), check=check_splits)


def news_articles_entity(installation: Installation) -> Entity:
    """News articles, none of them from the future."""
    now = pd.Timestamp(installation.clock())
    return Entity(
        table="raw.news_articles",
        record=NewsArticle,
        key=("source_article_id",),
        check=lambda records: check_news_articles(records, now=now),
    )


def fx_rates_entity() -> Entity:
    """Exchange rates."""
    key = ("base_currency_code", "quote_currency_code", "rate_date")
    return Entity(table="raw.fx_rates", record=FxRate, key=key, check=check_fx_rates)


def ticker_events_entity() -> Entity:
    """What instruments were called before."""
    key = ("source_symbol", "changed_date")
    return Entity(table="raw.ticker_events", record=TickerEvent, key=key, check=check_ticker_events)


def market_holidays_entity() -> Entity:
    """Days on which exchanges are closed, or close early."""
    key = ("exchange_code", "holiday_date")
    return Entity(table="raw.market_holidays", record=MarketHoliday, key=key, check=check_market_holidays)


def _sessions(installation: Installation, first: dt.date, last: dt.date) -> np.ndarray:
    # A window's ends carry what is older and younger than the source's sessions, so the calendar reaches further; and a
    # vendor is asked for what an earlier run has left out.
    margin = dt.timedelta(days=10)
    first = min(first, installation.first_session)
    return np.array(installation.calendar.sessions(first - margin, last + margin), dtype="datetime64[D]")


def _whole_volume(records: pd.DataFrame) -> pd.DataFrame:
    """Return volume as whole shares; a column with nulls has come as floats."""
    return records.assign(volume=records["volume"].astype("Int64"))
