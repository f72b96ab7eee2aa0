"""The market that fake vendors tell of: figures that a formula gives, so that every answer can be checked."""

import datetime as dt
import math
import zlib
from typing import NamedTuple

from orchestration.calendars import HomeCalendar

SPLIT_DATE = dt.date(2023, 6, 1)


class Figures(NamedTuple):
    """A day's prices (currency per share) and volume (shares), as traded."""

    open: float
    high: float
    low: float
    close: float
    volume: int


class FakeMarket:
    """Companies F000, F001, ... at the home exchange; F001 pays a dividend each June, and splits 4-for-1 in June 2023.

    Parameters
    ----------
    n_companies
        How many.
    calendar
        Sessions on which they trade.
    """

    def __init__(self, n_companies: int, calendar: HomeCalendar) -> None:
        self.symbols = [f"F{number:03d}" for number in range(n_companies)]
        self.calendar = calendar
        calendar.is_session(dt.date(2024, 1, 2))  # the calendar is made at its first use, which takes seconds
        self._numbers = {symbol: number for number, symbol in enumerate([*self.symbols, "SPY"])}

    def knows(self, symbol: str) -> bool:
        """Whether there is such a company, or it is the market's fund."""
        return symbol in self._numbers

    def sessions(self, first: dt.date, last: dt.date) -> list[dt.date]:
        """Sessions between two days, both included."""
        return self.calendar.sessions(first, last) if first <= last else []

    def bar(self, symbol: str, session: dt.date) -> Figures:
        """Return a day's figures: a slow wave of the company's own, and noise that its name and day give."""
        number, ordinal = self._numbers[symbol], session.toordinal()
        noise = zlib.crc32(f"{symbol}|{ordinal}".encode()) / 2**32 - 0.5
        wave = 1 + 0.2 * math.sin(ordinal / (40 + number % 97)) + 0.02 * noise
        before_split = 4.0 if number == 1 and session < SPLIT_DATE else 1.0
        close = round((20 + number % 200) * wave * before_split, 2)
        high, low = round(close * 1.01, 2), round(close * 0.99, 2)
        return Figures(round(close * (1 + 0.005 * noise), 2), high, low, close, 1_000_000 + number)

    def splits(self, first: dt.date, last: dt.date) -> list[tuple[str, dt.date]]:
        """Return company and day of the split, if it lies between two days."""
        return [(self.symbols[1], SPLIT_DATE)] if first <= SPLIT_DATE <= last else []

    def dividends(self, first: dt.date, last: dt.date) -> list[tuple[str, dt.date]]:
        """Return company and day of the dividends between two days: the first session of each June."""
        junes = (dt.date(year, 6, 1) for year in range(first.year, last.year + 1))
        days = (self.calendar.sessions(june, june + dt.timedelta(days=9))[0] for june in junes)
        return [(self.symbols[1], day) for day in days if first <= day <= last]
