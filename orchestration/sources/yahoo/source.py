"""A fallback without a contract, off unless the plan says `personal`."""

import datetime as dt
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from functools import partial
from typing import ClassVar, TypeVar

from orchestration.sources.credentials import Credential
from orchestration.sources.errors import Kind, OptionOutOfRange, VendorError, VendorRefused
from orchestration.sources.ledger import Plan
from orchestration.sources.makers import PAIRS, daily_bar, in_groups
from orchestration.sources.records import (
    Batch,
    CompanyRatios,
    DailyBar,
    Dividend,
    Fundamental,
    FxRate,
    NewsArticle,
    Quote,
    Split,
    Turn,
)
from orchestration.sources.series import Become, SeriesSource
from orchestration.sources.transport import Call, Vendor
from orchestration.sources.vendor import VendorOptions
from orchestration.sources.wire import Gathering, NotBelieved, currency, gather, instant, local_day
from orchestration.sources.yahoo.chart import (
    Events,
    Meta,
    Result,
    Row,
    dividend_of,
    price_with,
    rate_of,
    result_of,
    rows_in,
    split_of,
    zone_of,
)
from orchestration.sources.yahoo.companies import (
    TYPES,
    Figure,
    QuoteRow,
    company_ratios_of,
    figures,
    quote_of,
    quotes,
    take_figures,
)
from orchestration.sources.yahoo.envelope import crumb, judge
from orchestration.sources.yahoo.news import article_of, headlines

T = TypeVar("T")
_SUFFIXES = {"XSTO": ".ST", "XASX": ".AX", "XLON": ".L", "XOSL": ".OL", "XCSE": ".CO", "XHEL": ".HE"}
_CLOSING = dt.timedelta(hours=1)
_QUOTES_PER_REQUEST = 50
_HEADLINES = "50"
# Answers 404 and sets the cookie that the crumb belongs to.
_COOKIE_URL = "https://fc.yahoo.com/"


class YahooSource(SeriesSource[Result]):
    """Daily prices, statements and quotes of the tickers in the settings; prices adjusted for splits."""

    name: ClassVar[str] = "yahoo"
    label: ClassVar[str] = "Prices from Yahoo Finance, for personal use alone, adjusted for splits."
    plans: ClassVar = {"personal": Plan("personal", per_minute=30, per_day=2000, spacing_seconds=2.0)}
    needs_key: ClassVar[bool] = False
    _crumb: str | None = None

    def vendor(self, options: VendorOptions) -> Vendor:
        """See `VendorSource`."""
        if options.plan != "personal":
            must = "be `personal`: there is no contract for programs, and other use is not allowed"
            raise OptionOutOfRange(self.name, "FACTORLOOM_YAHOO_PLAN", must=must, got=options.plan)
        return Vendor(
            name=self.name,
            base_url=options.base_url or "https://query1.finance.yahoo.com",
            credential=Credential(None),
            plan=self.plan,
            hosts=frozenset({"fc.yahoo.com"}),
            judge=judge,
        )

    def dividends(self, first_date: dt.date, last_date: dt.date) -> Iterator[Batch]:
        """Dividends of the tickers in the settings, given back as they were declared."""
        gathering = Gathering(Dividend, "dividends")

        def take(turn: Turn, result: Result) -> None:
            zone = zone_of(turn.symbol, result, gathering)
            for event in (result.events or Events()).dividends.values() if zone else ():
                gathering.add(event, lambda wire: dividend_of(wire, turn, result, zone), about=turn.symbol)  # type: ignore[arg-type]

        # Amounts are divided by every split up to today: those after the window are needed to undo that.
        turns = self._turns_of_days("dividends", first_date, last_date)
        yield from self._by_symbol(gathering, self._charts(turns, until=self._now().date()), take)

    def splits(self, first_date: dt.date, last_date: dt.date) -> Iterator[Batch]:
        """Splits of the tickers in the settings."""
        gathering = Gathering(Split, "splits")

        def take(turn: Turn, result: Result) -> None:
            zone = zone_of(turn.symbol, result, gathering)
            for event in (result.events or Events()).splits.values() if zone else ():
                gathering.add(event, lambda wire: split_of(wire, turn, zone), about=turn.symbol)  # type: ignore[arg-type]

        turns = self._turns_of_days("splits", first_date, last_date)
        yield from self._by_symbol(gathering, self._charts(turns), take)

    def fundamentals(self, first_date: dt.date, last_date: dt.date) -> Iterator[Batch]:
        """Statements of the tickers in the settings, without a filing day, so 90 days after the period's end."""
        gathering = Gathering(Fundamental, "fundamentals")
        turns = self._turns_of_days("fundamentals", first_date, last_date)
        calls = ((turn, self._statements(turn)) for turn in turns)
        yield from self._by_symbol(gathering, calls, lambda turn, rows: take_figures(rows, turn, gathering))

    def company_ratios(self) -> Iterator[Batch]:
        """Ratios of the last session of the tickers in the settings, which come with the prices."""
        session = self._calendar.last_closed_session(self._now())
        for asked, rows in self._quoted(self._options.symbols):
            make = partial(company_ratios_of, asked=asked, date=session)
            yield gather(CompanyRatios, "company_ratios", rows, make, about=next(iter(asked.values())))

    def quote_batches(self, symbols: Sequence[str] | None, now: dt.datetime) -> Iterator[Batch]:
        """Prices now, some symbols in each request."""
        for asked, rows in self._quoted(self._options.symbols if symbols is None else symbols):
            yield gather(Quote, "quotes", rows, partial(quote_of, asked=asked), about=next(iter(asked.values())))

    def _quoted(self, symbols: Sequence[str]) -> Iterator[tuple[dict[str, str], list[QuoteRow | bytes]]]:
        for group in in_groups(symbols, _QUOTES_PER_REQUEST):
            asked = {self._spelt(name): name for name in group}
            ((_, answer),) = self._each([self._with_crumb("/v7/finance/quote", quotes, {"symbols": ",".join(asked)})])
            if isinstance(answer, VendorError):
                raise answer
            yield asked, answer or []

    def news_articles(self, first_date: dt.date, last_date: dt.date) -> Iterator[Batch]:
        """Headlines about the tickers in the settings; of days gone by, those alone that are still among the newest."""
        gathering, zone = Gathering(NewsArticle, "news_articles"), self._calendar.timezone
        search = {"newsCount": _HEADLINES, "quotesCount": "0"}
        calls = (
            (turn, self._with_crumb("/v1/finance/search", headlines, {"q": self._spelt(turn.symbol), **search}))
            for turn in self._turns_of_days("news_articles", first_date, last_date)
        )
        yield from self._lists_by_symbol(gathering, calls, lambda wire, turn: article_of(wire, turn, zone))

    def fx_rates(self, first_date: dt.date, last_date: dt.date) -> Iterator[Batch]:
        """Last rates of the euro, the pound and the krona against the dollar."""
        days = self._days(first_date, last_date)
        if days is None:
            return
        gathering = Gathering(FxRate, "fx_rates")

        def take(turn: Turn, result: Result) -> None:
            zone = zone_of(turn.symbol, result, gathering)
            for row in rows_in(turn.symbol, result, gathering) if zone else ():
                gathering.add(row, lambda wire: rate_of(wire, turn, zone), about=turn.symbol)  # type: ignore[arg-type]

        turns = [Turn(f"{base}{quoted}", *days) for base, quoted in PAIRS]
        yield from self._by_symbol(gathering, ((turn, _chart(f"{turn.symbol}=X", days)) for turn in turns), take)

    def _each(self, calls: Iterable[Call[T]]) -> Generator[tuple[Call[T], T | VendorError | None], None, None]:
        """Ask several; with a new crumb once more where the old one is not taken any longer."""
        with closing(super()._each(calls)) as answers:
            for call, answer in answers:
                is_auth = isinstance(answer, VendorRefused) and answer.kind is Kind.AUTH
                again = self._ask_again(call) if is_auth and "crumb" in call.parameters else answer
                yield call, again

    def _ask_again(self, call: Call[T]) -> T | VendorError | None:
        if call.parameters["crumb"] == self._crumb:
            self._crumb = None
        try:
            return self.transport.fetch(self._with_crumb(call.path, call.decode, call.parameters))
        except VendorError as error:
            return error

    def _with_crumb(self, path: str, decode: Callable[[bytes], T], parameters: Mapping[str, str]) -> Call[T]:
        if self._crumb is None:
            self._crumb = self._new_crumb()
        return Call(path, decode, {**parameters, "crumb": self._crumb})

    def _new_crumb(self) -> str:
        """Fetch a cookie, which the client keeps, and the crumb that belongs to it."""
        cookie_url = _COOKIE_URL if self._options.base_url is None else "/cookie"
        try:
            self.transport.fetch(Call(cookie_url, lambda body: None))
        except VendorRefused as error:
            if error.kind is not Kind.NOT_FOUND:
                raise
        return self.transport.fetch(Call("/v1/test/getcrumb", crumb)) or ""

    def _spelt(self, name: str) -> str:
        return f"{name.replace('.', '-')}{_SUFFIXES.get(self._calendar.code, '')}"

    def _series(self, turns: Iterable[Turn]) -> Iterator[tuple[Turn, Call[Result]]]:
        return self._charts(turns)

    def _take_series(self, turn: Turn, answer: Result, gathering: Gathering, become: Become) -> None:
        for row in rows_in(turn.symbol, answer, gathering):
            gathering.add(row, lambda wire: become(self._bar(wire, turn, answer.meta)), about=turn.symbol)

    def _charts(self, turns: Iterable[Turn], *, until: dt.date | None = None) -> Iterator[tuple[Turn, Call[Result]]]:
        for turn in turns:
            yield turn, _chart(self._spelt(turn.symbol), (turn.first_date, until or turn.last_date))

    def _statements(self, turn: Turn) -> Call[list[Figure]]:
        # A statement may be published long after the period that it is about.
        first, last = turn.first_date - dt.timedelta(days=100), turn.last_date
        path = f"/ws/fundamentals-timeseries/v1/finance/timeseries/{self._spelt(turn.symbol)}"
        return self._with_crumb(path, figures, {"type": TYPES, **_ends(first, last)})

    def _bar(self, row: Row, turn: Turn, meta: Meta) -> DailyBar | None:
        at = instant(row.at)
        date = local_day(at, self._calendar.timezone)
        is_asked = turn.first_date <= date <= turn.last_date and self._calendar.is_session(date)
        if not is_asked or row.close is None:
            return None  # a day more on both sides was asked for; a day without a price is none
        if at >= self._calendar.close_at(date) - _CLOSING:
            raise NotBelieved("a_trade_and_no_bar", f"a bar is stamped with the opening of its session; got {at}.")
        money, price = currency(meta.currency), price_with(meta.priceHint)
        return daily_bar(row, turn.symbol, date, money, adjustment="splits", price=price)


def _chart(spelt: str, days: tuple[dt.date, dt.date]) -> Call[Result]:
    shape = {"interval": "1d", "events": "div,splits", "includePrePost": "false"}
    return Call(f"/v8/finance/chart/{spelt}", result_of(spelt), {**_ends(*days), **shape})


def _ends(first_date: dt.date, last_date: dt.date) -> dict[str, str]:
    # The end is exclusive, and days begin in another zone than ours: a day more on both sides, cut off again later.
    ends = {"period1": first_date - dt.timedelta(days=1), "period2": last_date + dt.timedelta(days=2)}
    return {name: str(int(dt.datetime.combine(d, dt.time(), dt.UTC).timestamp())) for name, d in ends.items()}
