"""Bars of vendors that answer a ticker's range in one piece."""

import datetime as dt
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Generic, TypeVar

from orchestration.sources.makers import benchmark_of
from orchestration.sources.records import Batch, BenchmarkBar, DailyBar, Turn
from orchestration.sources.transport import Call
from orchestration.sources.vendor import QuotingSource
from orchestration.sources.wire import Gathering

A = TypeVar("A")
# What a bar becomes: itself, or that of the market index.
Become = Callable[[DailyBar | None], DailyBar | BenchmarkBar | None]


class SeriesSource(QuotingSource, Generic[A]):
    """A vendor of prices now and of ranges of bars; `A` is its answer to a range."""

    @abstractmethod
    def _series(self, turns: Iterable[Turn]) -> Iterator[tuple[Turn, Call[A]]]:
        """Return the request for each turn."""

    @abstractmethod
    def _take_series(self, turn: Turn, answer: A, gathering: Gathering, become: Become) -> None:
        """Gather what the bars of an answer become."""

    def daily_bars(self, first_date: dt.date, last_date: dt.date) -> Iterator[Batch]:
        """Bars of the tickers in the settings, else of all that are listed; those first that matter most."""
        yield from self._bars_of(self._turns_of_sessions("daily_bars", first_date, last_date))

    def ticker_bars(self, symbols: Sequence[str], first_date: dt.date, last_date: dt.date) -> Iterator[Batch]:
        """Bars of some tickers."""
        yield from self._bars_of(self._turns_as_given(symbols, first_date, last_date))

    def benchmark_bars(self, first_date: dt.date, last_date: dt.date) -> Iterator[Batch]:
        """Bars of the fund that stands for the market."""
        turns = self._turns_as_given([self._options.benchmark], first_date, last_date)
        yield from self._gathered(Gathering(BenchmarkBar, "benchmark_bars"), turns, benchmark_of)

    def _bars_of(self, turns: Sequence[Turn]) -> Iterator[Batch]:
        yield from self._gathered(Gathering(DailyBar, "daily_bars"), turns, lambda bar: bar)

    def _gathered(self, gathering: Gathering, turns: Sequence[Turn], become: Become) -> Iterator[Batch]:
        yield from self._by_symbol(
            gathering, self._series(turns), lambda turn, answer: self._take_series(turn, answer, gathering, become)
        )
