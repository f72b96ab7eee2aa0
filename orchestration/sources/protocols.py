"""What a source can do: one small protocol per capability, and `Source`, which all have.

Windows are days, both included, cut at sessions. Over adjacent windows every record comes exactly once; the
window that holds the first session also carries what is older, the window that holds the last one what is younger.
"""

import datetime as dt
from collections.abc import Iterator, Sequence
from typing import Protocol, runtime_checkable

from orchestration.sources.records import Batch, Quote


class Source(Protocol):
    """What every source says about itself."""

    @property
    def name(self) -> str:
        """Name in the registry and in the column `source`."""
        ...

    @property
    def label(self) -> str:
        """One sentence for people on what this data is."""
        ...

    @property
    def first_session(self) -> dt.date:
        """First session that the source has."""
        ...

    @property
    def last_session(self) -> dt.date | None:
        """Last session that the source has; None if it is live."""
        ...

    @property
    def benchmark_symbol(self) -> str | None:
        """Symbol of the market index; None if the source has none."""
        ...

    @property
    def is_simulated(self) -> bool:
        """True if nothing of it is real."""
        ...


@runtime_checkable
class HasInstruments(Protocol):
    """Knows the instruments."""

    def instruments(self) -> Iterator[Batch]:
        """Batches of `records.Instrument`, as of now."""
        ...


@runtime_checkable
class HasDailyBars(Protocol):
    """Knows daily prices."""

    def daily_bars(self, first_date: dt.date, last_date: dt.date) -> Iterator[Batch]:
        """Batches of `records.DailyBar` by `trade_date`."""
        ...


@runtime_checkable
class HasBenchmarkBars(Protocol):
    """Knows the market index."""

    def benchmark_bars(self, first_date: dt.date, last_date: dt.date) -> Iterator[Batch]:
        """Batches of `records.BenchmarkBar` by `trade_date`."""
        ...


@runtime_checkable
class HasDividends(Protocol):
    """Knows cash dividends."""

    def dividends(self, first_date: dt.date, last_date: dt.date) -> Iterator[Batch]:
        """Batches of `records.Dividend` by `ex_date`."""
        ...


@runtime_checkable
class HasSplits(Protocol):
    """Knows share splits."""

    def splits(self, first_date: dt.date, last_date: dt.date) -> Iterator[Batch]:
        """Batches of `records.Split` by `ex_date`."""
        ...


@runtime_checkable
class HasFundamentals(Protocol):
    """Knows company statements."""

    def fundamentals(self, first_date: dt.date, last_date: dt.date) -> Iterator[Batch]:
        """Batches of `records.Fundamental` by day of publication."""
        ...


@runtime_checkable
class HasCompanyRatios(Protocol):
    """Knows what companies are worth by its own reckoning."""

    def company_ratios(self) -> Iterator[Batch]:
        """Batches of `records.CompanyRatios`, as of now."""
        ...


@runtime_checkable
class HasQuotes(Protocol):
    """Knows prices during the session."""

    def quotes(self, symbols: Sequence[str] | None, now: dt.datetime) -> list[Quote]:
        """Prices at an instant, of some symbols or of all (None)."""
        ...


@runtime_checkable
class HasTickerBars(Protocol):
    """Knows daily prices of a few symbols over a long range, without the whole market's."""

    def ticker_bars(self, symbols: Sequence[str], first_date: dt.date, last_date: dt.date) -> Iterator[Batch]:
        """Batches of `records.DailyBar` by symbol."""
        ...


@runtime_checkable
class HasNews(Protocol):
    """Knows what is written about companies."""

    def news_articles(self, first_date: dt.date, last_date: dt.date) -> Iterator[Batch]:
        """Batches of `records.NewsArticle` by day of publication."""
        ...


@runtime_checkable
class HasFxRates(Protocol):
    """Knows exchange rates."""

    def fx_rates(self, first_date: dt.date, last_date: dt.date) -> Iterator[Batch]:
        """Batches of `records.FxRate` by `rate_date`."""
        ...


@runtime_checkable
class HasMarketHolidays(Protocol):
    """Knows when exchanges are closed."""

    def market_holidays(self) -> Iterator[Batch]:
        """Batches of `records.MarketHoliday`, those that are known now."""
        ...


@runtime_checkable
class HasMarketStatus(Protocol):
    """Knows whether exchanges are open."""

    def market_status(self) -> bool | None:
        """Whether the home exchange trades now; None where the answer does not say."""
        ...


@runtime_checkable
class HasTickerEvents(Protocol):
    """Knows what instruments were called before."""

    def ticker_events(self) -> Iterator[Batch]:
        """Batches of `records.TickerEvent`, those that are known now."""
        ...


_CAPABILITIES: dict[str, type] = {
    "instruments": HasInstruments,
    "daily_bars": HasDailyBars,
    "benchmark_bars": HasBenchmarkBars,
    "dividends": HasDividends,
    "splits": HasSplits,
    "fundamentals": HasFundamentals,
    "company_ratios": HasCompanyRatios,
    "quotes": HasQuotes,
    "ticker_bars": HasTickerBars,
    "news_articles": HasNews,
    "fx_rates": HasFxRates,
    "market_holidays": HasMarketHolidays,
    "ticker_events": HasTickerEvents,
    "market_status": HasMarketStatus,
}


def capabilities(source: object) -> frozenset[str]:
    """Names of the entities that a source has, for example ``{"daily_bars", "quotes"}``.

    A source whose class can do more than this one was given (a folder without dividends) narrows the answer by
    an attribute `entities`.
    """
    able = frozenset(name for name, has in _CAPABILITIES.items() if isinstance(source, has))
    return able & frozenset(getattr(source, "entities", able))
