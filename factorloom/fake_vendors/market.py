"""The market that fake vendors tell of: figures that a formula gives, so that every answer can be checked."""

import datetime as dt
from typing import NamedTuple

from orchestration.calendars import HomeCalendar


class Figures(NamedTuple):
    """A day's prices (currency per share) and volume (shares), as traded."""

    open: float
    high: float
    low: float
    close: float
    volume: int


class FakeMarket:
    """Companies F000, F001, ... at the home exchange; company 1 splits 4-for-1 and pays a dividend each June.

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
        """Return a day's figures: the close is 10, the company's number, and a tenth for each day of a cycle of 50."""
        number, step = self._numbers[symbol], session.toordinal() % 50
        close = round(10 + number + step / 10, 2)
        return Figures(round(close - 0.05, 2), round(close + 0.2, 2), round(close - 0.2, 2), close, 1_000_000 + number)

    def events(self, first: dt.date, last: dt.date) -> list[tuple[str, dt.date]]:
        """Return company and day of the yearly split and dividend: the first session of June."""
        found = []
        for year in range(first.year, last.year + 1):
            session = self.calendar.sessions(dt.date(year, 6, 1), dt.date(year, 6, 10))[0]
            if first <= session <= last and len(self.symbols) > 1:
                found.append((self.symbols[1], session))
        return found
