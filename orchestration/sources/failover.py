"""Several sources in a row: where one is down, over its budget or refuses, the next is asked; rows say who answered.

All are asked by the first one's symbols. What an instrument is does not depend on who answers today: a symbol that is
known keeps its id, see the asset `raw/instruments`.
"""

import datetime as dt
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

from orchestration.sources.errors import VendorError
from orchestration.sources.protocols import HasMarketStatus, HasTickerBars, Source, capabilities
from orchestration.sources.quoting import quote_batches, quotes_in
from orchestration.sources.records import Batch, Quote
from orchestration.sources.vendor import VendorSource
from orchestration.sources.wire import LEFT_OUT

# What may come from another source than the first.
REPLACEABLE = (
    "ticker_events", "instruments", "daily_bars", "benchmark_bars", "dividends", "splits", "fundamentals", "quotes",
    "company_ratios", "news_articles", "fx_rates", "market_holidays",
)  # fmt: skip
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
# Asks a source for an entity.
Ask = Callable[[Source], Iterator[Batch]]


def parse_fallbacks(entries: Sequence[str]) -> Mapping[str, tuple[str, ...]]:
    """Read the order of sources for each entity: ``eodhd`` counts for all, ``splits:yahoo`` for splits alone.

    >>> parse_fallbacks(["splits:yahoo", "eodhd"])["splits"], parse_fallbacks(["eodhd"])["daily_bars"]
    (('yahoo', 'eodhd'), ('eodhd',))
    """
    parts = [entry.rpartition(":") for entry in entries]
    return {entity: tuple(name for of, _, name in parts if of in ("", entity)) for entity in REPLACEABLE}


class FailoverSource:
    """A source with others behind it; it has the first one's name, label and sessions.

    Parameters
    ----------
    first
        The source that is asked before all others.
    fallbacks
        The others by entity, in the order in which they are asked.
    """

    def __init__(self, first: Source, fallbacks: Mapping[str, Sequence[Source]]) -> None:
        self._first = first
        self._fallbacks = fallbacks
        self.name = first.name
        self.label = first.label
        self.is_simulated = first.is_simulated
        self.is_metered = getattr(first, "is_metered", False)

    def close(self) -> None:
        """Close the connections of all."""
        for source in {self._first, *(source for sources in self._fallbacks.values() for source in sources)}:
            if isinstance(source, VendorSource):
                source.close()

    @property
    def first_session(self) -> dt.date:
        """See `Source`."""
        return self._first.first_session

    @property
    def last_session(self) -> dt.date | None:
        """See `Source`."""
        return self._first.last_session

    @property
    def benchmark_symbol(self) -> str | None:
        """See `Source`."""
        return self._first.benchmark_symbol

    @property
    def entities(self) -> frozenset[str]:
        """What the first source has, and what others have in its place."""
        behind = (entity for entity, sources in self._fallbacks.items() if self._able(entity, sources))
        return capabilities(self._first) | frozenset(behind)

    @property
    def fallback_names(self) -> tuple[str, ...]:
        """Names of all the others: the instruments' symbols are theirs as well."""
        return tuple(dict.fromkeys(source.name for sources in self._fallbacks.values() for source in sources))

    def ticker_events(self) -> Iterator[Batch]:
        """Renamings, of the first source that answers."""
        yield from self._ask("ticker_events", lambda source: source.ticker_events())  # type: ignore[attr-defined]

    def instruments(self) -> Iterator[Batch]:
        """Instruments of the first source that answers."""
        yield from self._ask("instruments", lambda source: source.instruments())  # type: ignore[attr-defined]

    def daily_bars(self, first_date: dt.date, last_date: dt.date) -> Iterator[Batch]:
        """Bars of the first source that answers; what it left out, symbol by symbol, of the next ones."""
        answered: list[Batch] = []
        for batch in self._window("daily_bars", first_date, last_date):
            answered.append(batch)
            yield batch
        yield from self._left_out(answered, first_date, last_date)

    def benchmark_bars(self, first_date: dt.date, last_date: dt.date) -> Iterator[Batch]:
        """Bars of the index, of the first source that answers."""
        yield from self._window("benchmark_bars", first_date, last_date)

    def dividends(self, first_date: dt.date, last_date: dt.date) -> Iterator[Batch]:
        """Dividends of the first source that answers."""
        yield from self._window("dividends", first_date, last_date)

    def splits(self, first_date: dt.date, last_date: dt.date) -> Iterator[Batch]:
        """Splits of the first source that answers."""
        yield from self._window("splits", first_date, last_date)

    def fundamentals(self, first_date: dt.date, last_date: dt.date) -> Iterator[Batch]:
        """Statements of the first source that answers."""
        yield from self._window("fundamentals", first_date, last_date)

    def company_ratios(self) -> Iterator[Batch]:
        """Ratios of the first source that answers."""
        yield from self._ask("company_ratios", lambda source: source.company_ratios())  # type: ignore[attr-defined]

    def news_articles(self, first_date: dt.date, last_date: dt.date) -> Iterator[Batch]:
        """Articles of the first source that answers."""
        yield from self._window("news_articles", first_date, last_date)

    def fx_rates(self, first_date: dt.date, last_date: dt.date) -> Iterator[Batch]:
        """Rates of the first source that answers."""
        yield from self._window("fx_rates", first_date, last_date)

    def market_holidays(self) -> Iterator[Batch]:
        """Holidays of the first source that answers."""
        yield from self._ask("market_holidays", lambda source: source.market_holidays())  # type: ignore[attr-defined]

    def market_status(self) -> bool | None:
        """What the first source says that can tell; what another says of it is another exchange's."""
        return self._first.market_status() if isinstance(self._first, HasMarketStatus) else None

    def quote_batches(self, symbols: Sequence[str] | None, now: dt.datetime) -> Iterator[Batch]:
        """Prices at an instant, of the first source that answers."""
        yield from self._ask("quotes", lambda source: quote_batches(source, symbols, now))

    def quotes(self, symbols: Sequence[str] | None, now: dt.datetime) -> list[Quote]:
        """Prices at an instant, of the first source that answers."""
        return quotes_in(self.quote_batches(symbols, now))

    def _window(self, entity: str, first_date: dt.date, last_date: dt.date) -> Iterator[Batch]:
        yield from self._ask(entity, lambda source: getattr(source, entity)(first_date, last_date))

    def _ask(self, entity: str, ask: Ask) -> Iterator[Batch]:
        """Ask one source after another, and hand over what the first that answers has.

        Raises
        ------
        VendorError
            If none answers: the first source's reason, with the others' as notes.
        """
        failure: VendorError | None = None
        for source in self._able(entity, (self._first, *self._fallbacks.get(entity, ()))):
            try:
                # Whole before anything is handed over: half of one and all of another would be two answers.
                batches = [self._named(batch, source) for batch in ask(source)]
            except VendorError as error:
                if failure is None:
                    failure = error
                else:
                    failure.add_note(f"then {error}")
                continue
            yield from batches
            return
        if failure is not None:
            raise failure

    def _named(self, batch: Batch, source: Source) -> Batch:
        """Return a batch with its source's name; how far another has come in the first one's place does not count."""
        if source is self._first:
            return replace(batch, source=source.name)
        return replace(batch, source=source.name, reached=(), left=())

    def _left_out(self, batches: Sequence[Batch], first_date: dt.date, last_date: dt.date) -> Iterator[Batch]:
        """Ask the others for the symbols that an answer names as left out."""
        refused = [record for batch in batches for record in batch.refused if record.rule.startswith(LEFT_OUT)]
        keys = dict.fromkeys(record.record_key.split("|")[0] for record in refused)
        symbols = [key for key in keys if not _DAY.fullmatch(key)]  # a key that is a day names a whole market
        answered = {batch.source for batch in batches}
        for source in self._able("daily_bars", self._fallbacks.get("daily_bars", ())):
            if not symbols or source.name in answered or not isinstance(source, HasTickerBars):
                continue
            try:
                found = [self._named(batch, source) for batch in source.ticker_bars(symbols, first_date, last_date)]
            except VendorError:
                continue  # what is left out is named already
            yield from found
            had = {name for batch in found for name in batch.rows.column("source_symbol").to_pylist()}
            symbols = [name for name in symbols if name not in had]

    def _able(self, entity: str, sources: Sequence[Source]) -> list[Source]:
        return [source for source in sources if entity in capabilities(source)]
