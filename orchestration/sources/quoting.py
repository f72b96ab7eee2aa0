"""Prices now as batches: with what could not be believed, and with who answered."""

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol, runtime_checkable

import msgspec

from orchestration.sources.protocols import HasQuotes, Source
from orchestration.sources.records import Batch, Quote
from orchestration.sources.wire import gather


@runtime_checkable
class HasQuoteBatches(Protocol):
    """Knows prices during the session, and says what it refused."""

    def quote_batches(self, symbols: Sequence[str] | None, now: dt.datetime) -> Iterator[Batch]:
        """Batches of `records.Quote` at an instant, of some symbols or of all (None)."""
        ...


def quote_batches(source: Source, symbols: Sequence[str] | None, now: dt.datetime) -> Iterator[Batch]:
    """Return the prices at an instant of whatever source; nothing where it knows none."""
    if isinstance(source, HasQuoteBatches):
        yield from source.quote_batches(symbols, now)
    elif isinstance(source, HasQuotes):
        yield gather(Quote, "quotes", source.quotes(symbols, now), lambda made: made, about="quotes")


def quotes_in(batches: Iterable[Batch]) -> list[Quote]:
    """Return the prices in batches."""
    return [msgspec.convert(row, Quote) for batch in batches for row in batch.rows.to_pylist()]
