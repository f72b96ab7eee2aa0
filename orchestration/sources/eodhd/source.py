"""A whole exchange a day, or a symbol at a time; the key travels in the address and therefore is hidden everywhere."""

import datetime as dt
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import ClassVar, TypeVar

from orchestration.sources.credentials import Credential
from orchestration.sources.eodhd.companies import Fundamentals, Listed, company_ratios_of, instrument_of, take_company
from orchestration.sources.eodhd.envelope import judge, list_of, remaining
from orchestration.sources.eodhd.events import (
    Article,
    DividendRow,
    Renaming,
    SplitRow,
    article_of,
    certain_split_of,
    dividend_of,
    holiday_of,
    holidays,
    is_open,
    listed_dividend_of,
    split_of,
    ticker_event_of,
)
from orchestration.sources.eodhd.prices import Bar, as_traded, bars, date_of, quote_of, quotes, rate_of
from orchestration.sources.errors import VendorUnavailable
from orchestration.sources.ledger import Plan
from orchestration.sources.makers import PAIRS, daily_bar, day_after, in_groups
from orchestration.sources.records import (
    Batch,
    CompanyRatios,
    DailyBar,
    Dividend,
    Fundamental,
    FxRate,
    Instrument,
    MarketHoliday,
    NewsArticle,
    Quote,
    Split,
    TickerEvent,
    Turn,
)
from orchestration.sources.series import Become, SeriesSource
from orchestration.sources.transport import Call, Vendor
from orchestration.sources.vendor import VendorOptions
from orchestration.sources.wire import Gathering, NotBelieved, currency, gather, json_of, symbol

T = TypeVar("T")
W = TypeVar("W")
Splits = Mapping[str, Sequence[Split]]
_EXCHANGES = {"XNYS": "US", "XSTO": "ST", "XASX": "AU", "XOSL": "OL", "XCSE": "CO", "XHEL": "HE", "XLON": "LSE"}
_CURRENCIES = {"US": "USD", "ST": "SEK", "AU": "AUD", "OL": "NOK", "CO": "DKK", "HE": "EUR", "LSE": "GBX"}
_VENUES = {"NYSE": "XNYS", "NASDAQ": "XNAS", "NYSE MKT": "XASE", "NYSE ARCA": "ARCX", "BATS": "BATS"}
_BULK_COST, _FUNDAMENTALS_COST, _NEWS_COST, _EXCHANGE_COST = 100, 10, 10, 5
_QUOTES_PER_REQUEST = 15
_COMPANIES_PER_PAGE = 500
_ARTICLES_PER_PAGE = 1000
_JSON = {"fmt": "json"}


class EodhdSource(SeriesSource[list[Bar | bytes]]):
    """Shares of the home exchange, a whole exchange a day or a symbol at a time, prices as traded."""

    name: ClassVar[str] = "eodhd"
    label: ClassVar[str] = "Shares from EODHD, as traded."
    plans: ClassVar = {
        "free": Plan("free", per_minute=20, per_day=20),
        "paid": Plan("paid", per_minute=1000, per_day=100_000),
    }

    def vendor(self, options: VendorOptions) -> Vendor:
        """See `VendorSource`."""
        return Vendor(
            name=self.name,
            base_url=options.base_url or "https://eodhd.com/api",
            credential=Credential(options.api_key, parameter="api_token"),
            plan=self.plan,
            judge=judge,
            remaining=remaining,
        )

    def instruments(self) -> Iterator[Batch]:
        """Common shares of the home exchange, those that are gone after those that trade."""
        active: set[str] = set()
        for is_active in (True, False):
            more = {} if is_active else {"delisted": "1"}
            call = Call(f"exchange-symbol-list/{self._exchange}", list_of(Listed), {**_JSON, **more})
            gathering = Gathering(Instrument, "instruments")
            for row in self.transport.fetch(call) or []:
                if isinstance(row, Listed) and row.Code in active:
                    gathering.refuse_used_again(row.Code, row)
                    continue
                if isinstance(row, Listed) and is_active:
                    active.add(row.Code)
                gathering.add(row, partial(self._instrument, is_active=is_active), about=self._exchange)
            yield gathering.batch()

    def daily_bars(self, first_date: dt.date, last_date: dt.date) -> Iterator[Batch]:
        """Bars of the whole exchange, 100 calls a session; of tickers in the settings a call each."""
        if self._options.symbols:
            yield from super().daily_bars(first_date, last_date)
            return
        sessions = self._market_sessions("daily_bars", first_date, last_date)
        later = self._splits_of_exchange(sessions)
        gathering = Gathering(DailyBar, "daily_bars")

        def take(session: dt.date, rows: list[Bar | bytes] | None) -> None:
            if not rows:
                gathering.refuse_empty(session)
            for row in rows or []:
                gathering.add(row, lambda wire: self._listed_bar(wire, session, later), about=str(session))

        yield from self._by_session(gathering, sessions, lambda session: self._bulk(session, bars), take)

    def ticker_events(self) -> Iterator[Batch]:
        """Renamings since the first session; the vendor knows those of the United States alone."""
        if self._exchange == "US":
            ends = {"from": str(self.first_session), "to": str(self._now().date())}
            rows = self.transport.fetch(Call("symbol-change-history", list_of(Renaming), {**_JSON, **ends})) or []
            yield gather(TickerEvent, "ticker_events", rows, ticker_event_of, about="renamings")

    def dividends(self, first_date: dt.date, last_date: dt.date) -> Iterator[Batch]:
        """Dividends as declared, of the whole exchange or of the tickers in the settings."""
        gathering = Gathering(Dividend, "dividends")
        if self._options.symbols:
            turns = self._turns_of_days("dividends", first_date, last_date)
            yield from self._lists_by_symbol(gathering, self._calls("div", DividendRow, turns), dividend_of)
            return
        sessions = self._market_sessions("dividends", first_date, last_date)
        later = self._splits_of_exchange(sessions)

        def take(session: dt.date, rows: list[DividendRow | bytes] | None) -> None:
            for row in rows or []:
                turn = _turn_of(row, session)
                splits = later.get(turn.symbol, ())
                gathering.add(row, lambda wire: listed_dividend_of(wire, turn, splits), about=str(session))  # noqa: B023

        call_of = self._bulk_events(DividendRow, "dividends")
        yield from self._by_session(gathering, sessions, call_of, take)

    def splits(self, first_date: dt.date, last_date: dt.date) -> Iterator[Batch]:
        """Splits of the whole exchange, or of the tickers in the settings."""
        gathering = Gathering(Split, "splits")
        if self._options.symbols:
            turns = self._turns_of_days("splits", first_date, last_date)
            yield from self._lists_by_symbol(gathering, self._calls("splits", SplitRow, turns), split_of)
            return
        sessions = self._market_sessions("splits", first_date, last_date)

        def take(session: dt.date, rows: list[SplitRow | bytes] | None) -> None:
            for row in rows or []:
                turn = _turn_of(row, session)
                gathering.add(row, lambda wire: split_of(wire, turn), about=str(session))  # noqa: B023

        yield from self._by_session(gathering, sessions, self._bulk_events(SplitRow, "splits"), take)

    def fundamentals(self, first_date: dt.date, last_date: dt.date) -> Iterator[Batch]:
        """Statements by filing day, of the whole exchange or of the tickers in the settings."""
        days = self._days(first_date, last_date)
        if days is None:
            return
        gathering = Gathering(Fundamental, "fundamentals")
        if not self._options.symbols:
            yield from self._fundamentals_of_exchange(gathering, days)
            return

        def take(turn: Turn, answer: Fundamentals) -> None:
            if self._is_about(turn, answer, gathering):
                take_company(answer, turn.symbol, turn.days, gathering)

        decode, turns = json_of(Fundamentals), self._turns("fundamentals", *days)
        paths = ((turn, f"fundamentals/{self._of_exchange(turn.symbol)}") for turn in turns)
        calls = ((turn, Call(path, decode, _JSON, cost=_FUNDAMENTALS_COST)) for turn, path in paths)
        yield from self._by_symbol(gathering, calls, take)

    def company_ratios(self) -> Iterator[Batch]:
        """Ratios of the last session, of the whole exchange or of the tickers in the settings."""
        session = self._calendar.last_closed_session(self._now())
        gathering = Gathering(CompanyRatios, "company_ratios")
        if not self._options.symbols:
            for rows in self._companies_of_exchange():
                for row in rows:
                    gathering.add(
                        row, lambda wire: company_ratios_of(wire, _code_of(wire), session), about=self._exchange
                    )
                yield gathering.batch()
            return

        def take(turn: Turn, answer: Fundamentals) -> None:
            if self._is_about(turn, answer, gathering):
                gathering.add(answer, lambda wire: company_ratios_of(wire, turn.symbol, session), about=turn.symbol)

        parts = {**_JSON, "filter": "General,Highlights,Valuation"}
        turns = self._turns("company_ratios", session, session)
        paths = ((turn, f"fundamentals/{self._of_exchange(turn.symbol)}") for turn in turns)
        calls = ((turn, Call(path, json_of(Fundamentals), parts, cost=_FUNDAMENTALS_COST)) for turn, path in paths)
        yield from self._by_symbol(gathering, calls, take)

    def quote_batches(self, symbols: Sequence[str] | None, now: dt.datetime) -> Iterator[Batch]:
        """Prices now, some symbols in each request; a call for each symbol."""
        names = self._options.symbols if symbols is None else symbols
        for group in in_groups(names, _QUOTES_PER_REQUEST):
            asked = {self._of_exchange(name): name for name in group}
            first, *others = asked
            more = {"s": ",".join(others)} if others else {}
            rows = self.transport.fetch(Call(f"real-time/{first}", quotes, {**_JSON, **more}, cost=len(group)))
            make = partial(quote_of, asked=asked, money=self._money)
            yield gather(Quote, "quotes", rows or [], make, about=first)

    def news_articles(self, first_date: dt.date, last_date: dt.date) -> Iterator[Batch]:
        """Articles about the tickers in the settings, followed by offset."""
        gathering = Gathering(NewsArticle, "news_articles")

        def take(turn: Turn, first: list[Article | bytes]) -> None:
            def page_at(offset: int) -> tuple[list[Article | bytes], None]:
                return self.transport.fetch(self._news(turn, offset)) or [] if offset else first, None

            for rows in self._by_offset(page_at, _ARTICLES_PER_PAGE):
                for row in rows:
                    gathering.add(row, lambda wire: article_of(wire, turn), about=turn.symbol)

        turns = self._turns_of_days("news_articles", first_date, last_date)
        yield from self._by_symbol(gathering, ((turn, self._news(turn, 0)) for turn in turns), take)

    def fx_rates(self, first_date: dt.date, last_date: dt.date) -> Iterator[Batch]:
        """Last rates by day of UTC. The pair is named base and quote; EUR.FOREX is the other way, and not asked for."""
        days = self._days(first_date, last_date)
        if days is not None:
            turns = [Turn(f"{base}{quoted}", *days) for base, quoted in PAIRS]
            shape = {"period": "d", "order": "a"}
            paths = ((turn, f"eod/{turn.symbol}.FOREX") for turn in turns)
            calls = ((turn, Call(path, bars, {**_JSON, **_range(turn), **shape})) for turn, path in paths)
            yield from self._lists_by_symbol(Gathering(FxRate, "fx_rates"), calls, rate_of)

    def market_holidays(self) -> Iterator[Batch]:
        """Holidays of the home exchange."""
        path, code = f"exchange-details/{self._exchange}", self._calendar.code
        rows = self.transport.fetch(Call(path, holidays, dict(_JSON), cost=_EXCHANGE_COST)) or []
        yield gather(MarketHoliday, "market_holidays", rows, lambda wire: holiday_of(wire, code), about=self._exchange)

    def market_status(self) -> bool | None:
        """Whether the home exchange trades now."""
        return self.transport.fetch(Call(f"exchange-details/{self._exchange}", is_open, _JSON, cost=_EXCHANGE_COST))

    @property
    def _exchange(self) -> str:
        return _EXCHANGES.get(self._calendar.code, self._calendar.code)

    @property
    def _money(self) -> tuple[str, float]:
        return currency(_CURRENCIES.get(self._exchange))

    def _of_exchange(self, name: str) -> str:
        return f"{name.replace('.', '-')}.{self._exchange}"

    def _is_about(self, turn: Turn, answer: Fundamentals, gathering: Gathering) -> bool:
        """Whether an answer is about the company that was asked about; where it does not say, it is."""
        told = answer.General.Code if answer.General else None
        if told is None or self._of_exchange(told) == self._of_exchange(turn.symbol):
            return True
        detail = f"the answer must be about {turn.symbol!r}, as asked; it is about {told!r}."
        gathering.refuse(turn.symbol, "another_symbol", detail, {"symbol": told})
        return False

    def _calls(self, path: str, wire: type[W], turns: Iterable[Turn]) -> Iterator[tuple[Turn, Call[list[W | bytes]]]]:
        for turn in turns:
            yield turn, Call(f"{path}/{self._of_exchange(turn.symbol)}", list_of(wire), {**_JSON, **_range(turn)})

    def _news(self, turn: Turn, offset: int) -> Call[list[Article | bytes]]:
        page = {"limit": str(_ARTICLES_PER_PAGE), "offset": str(offset), "s": self._of_exchange(turn.symbol)}
        return Call("news", list_of(Article), {**_JSON, **_range(turn), **page}, cost=_NEWS_COST)

    def _series(self, turns: Iterable[Turn]) -> Iterator[tuple[Turn, Call[list[Bar | bytes]]]]:
        for turn in turns:
            shape = {**_JSON, **_range(turn), "period": "d", "order": "a"}
            yield turn, Call(f"eod/{self._of_exchange(turn.symbol)}", bars, shape)

    def _bulk(self, session: dt.date, decode: Callable[[bytes], T], **more: str) -> Call[T]:
        parameters = {**_JSON, "date": str(session), **more}
        return Call(f"eod-bulk-last-day/{self._exchange}", decode, parameters, cost=_BULK_COST)

    def _bulk_events(self, wire: type[W], kind: str) -> Callable[[dt.date], Call[list[W | bytes]]]:
        return lambda session: self._bulk(session, list_of(wire), type=kind)

    def _take_series(self, turn: Turn, answer: list[Bar | bytes], gathering: Gathering, become: Become) -> None:
        later = self._splits_after(turn)
        for row in answer:
            gathering.add(row, lambda wire: become(self._bar(wire, turn, later)), about=turn.symbol)

    def _splits_after(self, turn: Turn) -> list[Split]:
        """Return the splits by which the vendor has multiplied the volumes of a turn's first day and those after it.

        Raises
        ------
        VendorError
            If they cannot be had: without them a volume would be of other shares than its price.
        """
        first, until = day_after(turn.first_date), self._now().date()
        if first > until:
            return []
        ((asked, call),) = self._calls("splits", SplitRow, [Turn(turn.symbol, first, until)])
        return self._certain(call, lambda row: asked)

    def _splits_of_exchange(self, sessions: Sequence[dt.date]) -> Splits:
        """Return the splits of every company after the first of some sessions, by which volumes are multiplied.

        Raises
        ------
        VendorError
            As `_splits_after`.
        """
        found: dict[str, list[Split]] = defaultdict(list)
        first, until = day_after(sessions[0]) if sessions else dt.date.max, self._now().date()
        call_of = self._bulk_events(SplitRow, "splits")
        for date in self._calendar.sessions(first, until) if first <= until else ():
            for split in self._certain(call_of(date), partial(_turn_of, session=date)):
                found[split.source_symbol].append(split)
        return found

    def _certain(self, call: Call[list[SplitRow | bytes]], turn_of: Callable[[SplitRow | bytes], Turn]) -> list[Split]:
        try:
            rows = self.transport.fetch(call) or []
            return [certain_split_of(row, turn_of(row)) for row in rows]
        except NotBelieved as reason:
            got = f"a split that cannot be read: {reason.detail}"
            raise VendorUnavailable(self.name, call.path, got=got, can_retry=False) from None

    def _companies_of_exchange(self) -> Iterator[list[Fundamentals | bytes]]:
        def page_at(offset: int) -> tuple[list[Fundamentals | bytes], None]:
            page = {**_JSON, "offset": str(offset), "limit": str(_COMPANIES_PER_PAGE)}
            call = Call(f"bulk-fundamentals/{self._exchange}", list_of(Fundamentals), page, cost=_BULK_COST)
            return self.transport.fetch(call) or [], None

        yield from self._by_offset(page_at, _COMPANIES_PER_PAGE)

    def _fundamentals_of_exchange(self, gathering: Gathering, days: tuple[dt.date, dt.date]) -> Iterator[Batch]:
        for rows in self._companies_of_exchange():
            for row in rows:
                name = row.General.Code if isinstance(row, Fundamentals) and row.General else None
                if isinstance(row, Fundamentals) and name:
                    take_company(row, symbol(name), days, gathering)
                else:
                    gathering.add(row, _nameless, about=self._exchange)
            yield gathering.batch()

    def _instrument(self, wire: Listed, is_active: bool) -> Instrument | None:
        name = symbol(wire.Code)
        if wire.Type != "Common Stock" or not self._wanted(name):
            return None
        venue = _VENUES.get(wire.Exchange or "") if self._exchange == "US" else self._calendar.code
        if venue is None:
            return None  # the vendor counts over-the-counter markets to the United States as well
        return instrument_of(wire, ticker=self._canonical(name), venue=venue, is_active=is_active)

    def _bar(self, wire: Bar, turn: Turn, later: Iterable[Split]) -> DailyBar:
        date = self._asked_session(date_of(wire), *turn.days)
        bar = daily_bar(wire, turn.symbol, date, self._money, close_adj=wire.adjusted_close)
        return as_traded(bar, later)

    def _listed_bar(self, wire: Bar, session: dt.date, later: Splits) -> DailyBar:
        if wire.exchange_short_name not in (None, self._exchange):
            detail = f"the exchange must be {self._exchange}, as asked; got {wire.exchange_short_name!r}."
            raise NotBelieved("another_exchange", detail)
        turn = _turn_of(wire, session)
        return self._bar(wire, turn, later.get(turn.symbol, ()))


def _turn_of(row: object, session: dt.date) -> Turn:
    """Return what a row in the list of a whole exchange is about."""
    return Turn(getattr(row, "code", None) or "", session, session)


def _range(turn: Turn) -> dict[str, str]:
    return {"from": str(turn.first_date), "to": str(turn.last_date)}


def _code_of(row: Fundamentals) -> str:
    if row.General is None or not row.General.Code:
        _nameless(row)
    return symbol(row.General.Code if row.General else None)


def _nameless(row: Fundamentals) -> None:
    raise NotBelieved("not_a_symbol", "a company must have a code; it has none.")
