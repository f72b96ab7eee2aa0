"""Several sources in a row: where one is down, over its budget or refuses, the next is asked; rows say who answered.

Instruments and quotes are the first source's alone: what an instrument is must not depend on who answers today.
"""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from orchestration.sources.errors import VendorError
from orchestration.sources.protocols import HasQuotes, HasTickerBars, Source, capabilities
from orchestration.sources.records import Batch, Quote

# What may come from another source than the instruments.
REPLACEABLE = ("daily_bars", "benchmark_bars", "dividends", "splits", "fundamentals")
_LEFT_OUT = "vendor_"


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
        The source that is asked before all others, and alone for instruments and quotes.
    fallbacks
        The others by entity, in the order in which they are asked.
    """

    def __init__(self, first: Source, fallbacks: Mapping[str, Sequence[Source]]) -> None:
        self._first = first
        self._fallbacks = fallbacks
        self.name = first.name
        self.label = first.label
        self.is_simulated = first.is_simulated

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

    def instruments(self) -> Iterator[Batch]:
        """Instruments of the first source."""
        batches: Iterator[Batch] = getattr(self._first, "instruments")()  # noqa: B009 - a capability
        return batches

    def daily_bars(self, first_date: dt.date, last_date: dt.date) -> Iterator[Batch]:
        """Bars of the first source that answers; what it left out, symbol by symbol, of the next ones."""
        yield from self._ask("daily_bars", first_date, last_date)

    def benchmark_bars(self, first_date: dt.date, last_date: dt.date) -> Iterator[Batch]:
        """Bars of the index, of the first source that answers."""
        yield from self._ask("benchmark_bars", first_date, last_date)

    def dividends(self, first_date: dt.date, last_date: dt.date) -> Iterator[Batch]:
        """Dividends of the first source that answers."""
        yield from self._ask("dividends", first_date, last_date)

    def splits(self, first_date: dt.date, last_date: dt.date) -> Iterator[Batch]:
        """Splits of the first source that answers."""
        yield from self._ask("splits", first_date, last_date)

    def fundamentals(self, first_date: dt.date, last_date: dt.date) -> Iterator[Batch]:
        """Statements of the first source that answers."""
        yield from self._ask("fundamentals", first_date, last_date)

    def quotes(self, symbols: Sequence[str] | None, now: dt.datetime) -> list[Quote]:
        """Quotes of the first source."""
        return self._first.quotes(symbols, now) if isinstance(self._first, HasQuotes) else []

    def _ask(self, entity: str, first_date: dt.date, last_date: dt.date) -> Iterator[Batch]:
        """Ask one source after another, and hand over what the first that answers has.

        Raises
        ------
        VendorError
            If none answers: the first source's reason, with the others' as notes.
        """
        able = self._able(entity, (self._first, *self._fallbacks.get(entity, ())))
        failure: VendorError | None = None
        for position, source in enumerate(able):
            try:
                # Whole before anything is handed over: half of one and all of another would be two answers.
                batches = [replace(b, source=source.name) for b in getattr(source, entity)(first_date, last_date)]
            except VendorError as error:
                if failure is None:
                    failure = error
                else:
                    failure.add_note(f"then {error}")
                continue
            yield from batches
            if entity == "daily_bars":
                yield from self._left_out(batches, able[position + 1 :], first_date, last_date)
            return
        if failure is not None:
            raise failure

    def _left_out(
        self, batches: Sequence[Batch], others: Sequence[Source], first_date: dt.date, last_date: dt.date
    ) -> Iterator[Batch]:
        """Ask the others for the symbols that an answer names as left out."""
        refused = [record for batch in batches for record in batch.refused if record.rule.startswith(_LEFT_OUT)]
        keys = dict.fromkeys(record.record_key.split("|")[0] for record in refused)
        symbols = [key for key in keys if not key[:1].isdigit()]  # a key that is a day names a whole market
        for source in others:
            if not symbols or not isinstance(source, HasTickerBars):
                continue
            try:
                found = [replace(b, source=source.name) for b in source.ticker_bars(symbols, first_date, last_date)]
            except VendorError:
                continue  # what is left out is named already
            yield from found
            had = {name for batch in found for name in batch.rows.column("source_symbol").to_pylist()}
            symbols = [name for name in symbols if name not in had]

    def _able(self, entity: str, sources: Sequence[Source]) -> list[Source]:
        return [source for source in sources if entity in capabilities(source)]
