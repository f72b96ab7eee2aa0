"""The market that fake vendors tell of: figures that a formula gives, so that every answer can be checked."""

import datetime as dt
import math
import zlib
from typing import NamedTuple

from orchestration.calendars import HomeCalendar

SPLIT_DATE = dt.date(2023, 6, 1)
CURRENCIES = {"EURUSD": 1.1, "GBPUSD": 1.3, "USDSEK": 10.5}


class Figures(NamedTuple):
    """A day's prices (currency per share) and volume (shares), as traded."""

    open: float
    high: float
    low: float
    close: float
    volume: int


class Statement(NamedTuple):
    """A quarter's figures (currency), known from its filing day on."""

    period_end: dt.date
    filed: dt.date
    revenue: int
    net_income: int
    total_assets: int
    total_equity: int
    operating_cash_flow: int
    shares: int


class Ratios(NamedTuple):
    """What the market makes of a company: market value (currency) and ratios."""

    market_cap: float
    price_to_earnings: float
    price_to_book: float


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
        """Return a day's figures: a slow wave of the company's own, and noise that its name and day give.

        Each figure has noise of its own: two days whose four prices and volume were the same would be one day's bar
        handed out twice, and judged so.
        """
        number, ordinal = self._numbers[symbol], session.toordinal()
        noise = {name: zlib.crc32(f"{symbol}|{ordinal}|{name}".encode()) / 2**32 for name in Figures._fields}
        wave = 1 + 0.2 * math.sin(ordinal / (40 + number % 97)) + 0.02 * (noise["close"] - 0.5)
        before_split = 4.0 if number == 1 and session < SPLIT_DATE else 1.0
        close = round((100 + number % 200) * wave * before_split, 2)
        open_ = round(close * (1 + 0.02 * (noise["open"] - 0.5)), 2)
        high = round(max(open_, close) * (1 + 0.02 * noise["high"]), 2)
        low = round(min(open_, close) * (1 - 0.02 * noise["low"]), 2)
        volume = round((1_000_000 + number) * (0.5 + noise["volume"]) / before_split)
        return Figures(open_, high, low, close, volume)

    def splits(self, first: dt.date, last: dt.date) -> list[tuple[str, dt.date]]:
        """Return company and day of the split, if it lies between two days."""
        return [(self.symbols[1], SPLIT_DATE)] if first <= SPLIT_DATE <= last else []

    def dividends(self, first: dt.date, last: dt.date) -> list[tuple[str, dt.date]]:
        """Return company and day of the dividends between two days: the first session of each June."""
        junes = (dt.date(year, 6, 1) for year in range(first.year, last.year + 1))
        days = (self.calendar.sessions(june, june + dt.timedelta(days=9))[0] for june in junes)
        return [(self.symbols[1], day) for day in days if first <= day <= last]

    def statements(self, symbol: str, first: dt.date, last: dt.date) -> list[Statement]:
        """Return the quarters of a company that are filed between two days, 40 days after they end; sales grow."""
        number = self._numbers[symbol]
        quarters = (
            dt.date(year + month // 12, month % 12 + 1, 1) - dt.timedelta(days=1)
            for year in range(first.year - 1, last.year + 1)
            for month in (3, 6, 9, 12)
        )
        filed = [(end, end + dt.timedelta(days=40)) for end in quarters]
        return [self._statement(number, end, day) for end, day in filed if first <= day <= last]

    @property
    def today(self) -> dt.date:
        """Last session that is over."""
        return self.calendar.last_closed_session(dt.datetime.now(dt.UTC))

    @property
    def is_open(self) -> bool:
        """Whether the exchange trades now."""
        return self.calendar.is_open_at(dt.datetime.now(dt.UTC))

    def ratios(self, symbol: str) -> Ratios:
        """Return what the last close makes of a company's newest statement, its quarter taken for a year."""
        today = self.today
        newest = self.statements(symbol, today - dt.timedelta(days=200), today)[-1]
        market_cap = self.bar(symbol, today).close * newest.shares
        return Ratios(
            market_cap=market_cap,
            price_to_earnings=market_cap / newest.net_income,
            price_to_book=market_cap / newest.total_equity,
        )

    def rate(self, pair: str, date: dt.date) -> float:
        """Return a day's last rate: so many units of the second currency for one of the first."""
        return round(CURRENCIES[pair] * (1 + 0.03 * math.sin(date.toordinal() / 50)), 4)

    def _statement(self, number: int, end: dt.date, filed: dt.date) -> Statement:
        age = (end.year - 2015) * 4 + end.month // 3
        revenue = 1_000_000 * (50 + number % 40) * (100 + age) // 100
        return Statement(
            period_end=end,
            filed=filed,
            revenue=revenue,
            net_income=revenue * (5 + number % 15) // 100,
            total_assets=revenue * 8,
            total_equity=revenue * (3 + number % 3),
            operating_cash_flow=revenue * (6 + number % 10) // 100,
            shares=10_000_000 + 100_000 * number,
        )
