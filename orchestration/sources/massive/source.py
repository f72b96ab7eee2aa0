"""The whole American market of a day in one answer, as traded; lists are followed from page to page."""

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from functools import cached_property, partial
from typing import Any, ClassVar
from urllib.parse import quote

import msgspec

from orchestration.sources.credentials import Credential
from orchestration.sources.errors import VendorError
from orchestration.sources.ledger import Plan
from orchestration.sources.makers import day_after, in_groups
from orchestration.sources.massive.companies import (
    STATEMENTS,
    TYPES,
    Period,
    RatiosRow,
    StatementRow,
    Ticker,
    company_ratios_of,
    instrument_of,
    statements_of,
    take_statement,
)
from orchestration.sources.massive.envelope import NEW_YORK, Page, judge, next_of, paged
from orchestration.sources.massive.events import (
    Article,
    DividendRow,
    Holiday,
    Renaming,
    SplitRow,
    Total,
    article_of,
    holiday_of,
    is_open,
    renamings,
    split_of,
    take_dividend,
    ticker_events_of,
)
from orchestration.sources.massive.prices import Bar, bar_of, bars, quote_of, rate_of, session_of, snapshots
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
from orchestration.sources.wire import Gathering, NotBelieved, gather, rows_of, symbol

BarPage = tuple[Page, list[Bar | bytes]]
_AS_TRADED = {"adjusted": "false"}
_QUOTES_PER_REQUEST = 250


class MassiveSource(SeriesSource[BarPage]):
    """American shares, by day and as traded."""

    name: ClassVar[str] = "massive"
    label: ClassVar[str] = "American shares from Massive, as traded."
    plans: ClassVar = {
        "free": Plan("free", per_minute=5, spacing_seconds=12.0),
        "paid": Plan("paid", spacing_seconds=0.02),
    }

    def vendor(self, options: VendorOptions) -> Vendor:
        """See `VendorSource`."""
        return Vendor(
            name=self.name,
            base_url=options.base_url or "https://api.massive.com",
            credential=Credential(options.api_key, header="authorization", scheme="Bearer"),
            plan=self.plan,
            hosts=frozenset({"api.massive.com", "api.polygon.io"}),
            judge=judge,
        )

    def instruments(self) -> Iterator[Batch]:
        """Common shares and receipts, those that trade and those that are gone since the first session."""
        active: set[str] = set()
        for row in self._tickers("true"):
            if isinstance(row, Ticker):
                active.add(row.ticker)
            yield gather(Instrument, "instruments", [row], self._instrument, about=_name_of(row))
        gone = Gathering(Instrument, "instruments")
        for row in self._tickers("false"):
            if isinstance(row, Ticker) and row.ticker in active:
                gone.refuse_used_again(row.ticker, row)
            else:
                gone.add(row, self._gone_instrument, about=_name_of(row))
        yield gone.batch()

    def daily_bars(self, first_date: dt.date, last_date: dt.date) -> Iterator[Batch]:
        """Bars of the whole market, a request per session; of a few tickers, one per ticker if that is less."""
        sessions = self._sessions(first_date, last_date)
        if self._options.symbols and len(self._options.symbols) < len(sessions):
            yield from super().daily_bars(first_date, last_date)
            return
        sessions = self._market_sessions("daily_bars", first_date, last_date)
        wanted = frozenset(self._options.symbols) or self._listed if sessions else frozenset()
        gathering = Gathering(DailyBar, "daily_bars")
        path = "/v2/aggs/grouped/locale/us/market/stocks"
        yield from self._by_session(
            gathering,
            sessions,
            lambda session: Call(f"{path}/{session}", bars, _AS_TRADED),
            lambda session, answer: self._take_session(session, answer, wanted, gathering),
        )

    def ticker_events(self) -> Iterator[Batch]:
        """Renamings of the tickers in the settings; those of the whole market show by the id that stays."""
        gathering = Gathering(TickerEvent, "ticker_events")

        def take(turn: Turn, life: list[Renaming]) -> None:
            try:
                made = ticker_events_of(life)
            except NotBelieved as reason:
                gathering.refuse(turn.symbol, reason.rule, reason.detail, msgspec.to_builtins({"events": life}))
                return
            for event in made:
                gathering.add(event, lambda record: record, about=turn.symbol)

        turns = self._turns_of_sessions("ticker_events", self.first_session, self._now().date())
        paths = ((turn, f"/vX/reference/tickers/{quote(turn.symbol, safe='')}/events") for turn in turns)
        calls = ((turn, Call(path, renamings, {"types": "ticker_change"})) for turn, path in paths)
        yield from self._by_symbol(gathering, calls, take)

    def dividends(self, first_date: dt.date, last_date: dt.date) -> Iterator[Batch]:
        """Dividends as declared; several of one ticker on one day come as their sum."""
        days = self._days(first_date, last_date)
        if days is None:
            return
        gathering, total = Gathering(Dividend, "dividends"), Total()
        for row in self._rows("/stocks/v1/dividends", DividendRow, "ex_dividend_date", days, limit=5000):
            if not isinstance(row, DividendRow) or self._wanted(row.ticker):
                gathering.add(row, lambda wire: take_dividend(wire, days, total), about="dividends")
        for dividend in total.values():
            gathering.add(dividend, lambda made: made, about=dividend.source_symbol)
        yield gathering.batch()

    def splits(self, first_date: dt.date, last_date: dt.date) -> Iterator[Batch]:
        """Splits by the day from which shares trade split."""
        days = self._days(first_date, last_date)
        if days is None:
            return
        gathering = Gathering(Split, "splits")
        for row in self._rows("/stocks/v1/splits", SplitRow, "execution_date", days, limit=5000):
            if not isinstance(row, SplitRow) or self._wanted(row.ticker):
                gathering.add(row, lambda wire: split_of(wire, days), about="splits")
        yield gathering.batch()

    def fundamentals(self, first_date: dt.date, last_date: dt.date) -> Iterator[Batch]:
        """Statements by filing day: the three lists, put together by company and period."""
        days = self._days(first_date, last_date)
        if days is None:
            return
        gathering = Gathering(Fundamental, "fundamentals")
        found: dict[Period, dict[str, Any]] = {}

        def take(wire: StatementRow) -> None:
            if wire.timeframe in ("annual", "quarterly"):
                take_statement(wire, days, found, [name for name in map(symbol, wire.tickers) if self._wanted(name)])

        for part in STATEMENTS:
            for row in self._rows(f"/stocks/financials/v1/{part}", StatementRow, "filing_date", days, limit=50_000):
                gathering.add(row, take, about=part)
        for made in statements_of(found):
            gathering.add(made, lambda record: record, about=made.source_symbol)
        yield gathering.batch()

    def company_ratios(self) -> Iterator[Batch]:
        """Ratios of all companies, from page to page."""
        call = Call("/stocks/financials/v1/ratios", paged(RatiosRow), {"sort": "ticker.asc", "limit": "50000"})
        for _, rows in self._pages(call, next_of):
            wanted = [row for row in rows if not isinstance(row, RatiosRow) or self._wanted(row.ticker)]
            yield gather(CompanyRatios, "company_ratios", wanted, company_ratios_of, about="ratios")

    def quote_batches(self, symbols: Sequence[str] | None, now: dt.datetime) -> Iterator[Batch]:
        """Prices now, of all tickers in one answer, or of some in groups."""
        names = self._options.symbols if symbols is None else symbols
        groups = [()] if symbols is None and not names else in_groups(names, _QUOTES_PER_REQUEST)
        for group in groups:
            parameters = {"tickers": ",".join(group)} if group else {}
            rows = self.transport.fetch(Call("/v2/snapshot/locale/us/markets/stocks/tickers", snapshots, parameters))
            yield gather(Quote, "quotes", rows or [], quote_of, about="snapshot")

    def news_articles(self, first_date: dt.date, last_date: dt.date) -> Iterator[Batch]:
        """Articles by the day of New York on which they were published."""
        days = self._days(first_date, last_date)
        if days is None:
            return
        begin, end = (
            dt.datetime.combine(d, dt.time(), NEW_YORK).astimezone(dt.UTC) for d in (days[0], day_after(days[1]))
        )
        parameters = {
            "published_utc.gte": f"{begin:%Y-%m-%dT%H:%M:%SZ}",
            "published_utc.lt": f"{end:%Y-%m-%dT%H:%M:%SZ}",
            "order": "asc",
            "sort": "published_utc",
            "limit": "1000",
        }
        for _, rows in self._pages(Call("/v2/reference/news", paged(Article), parameters), next_of):
            yield gather(NewsArticle, "news_articles", rows, lambda wire: article_of(wire, begin, end), about="news")

    def fx_rates(self, first_date: dt.date, last_date: dt.date) -> Iterator[Batch]:
        """Last rates of each day of UTC, weekends included."""
        days = self._days(first_date, last_date)
        if days is None:
            return
        asked = [days[0] + dt.timedelta(days=n) for n in range((days[1] - days[0]).days + 1)]
        calls = [Call(f"/v2/aggs/grouped/locale/global/market/fx/{d}", bars, _AS_TRADED) for d in asked]
        with closing(self._each(calls)) as answers:
            for date, (_, answer) in zip(asked, answers, strict=True):
                if isinstance(answer, VendorError):
                    raise answer
                rows: Iterable[object] = [] if answer is None else answer[1]
                yield gather(FxRate, "fx_rates", rows, partial(rate_of, date=date), about=str(date))

    def market_holidays(self) -> Iterator[Batch]:
        """Holidays that lie ahead, of the exchanges that a calendar code is known for."""
        rows = self.transport.fetch(Call("/v1/marketstatus/upcoming", lambda body: rows_of(body, Holiday))) or []
        yield gather(MarketHoliday, "market_holidays", rows, holiday_of, about="upcoming")

    def market_status(self) -> bool | None:
        """Whether New York's exchange trades now; hours before and after its session are none of it."""
        return self.transport.fetch(Call("/v1/marketstatus/now", is_open))

    @cached_property
    def _listed(self) -> frozenset[str]:
        """Symbols of the instruments that we take: one answer holds the whole market, funds and rights as well."""
        columns = (batch.rows.column("source_symbol").to_pylist() for batch in self.instruments())
        return frozenset(name for names in columns for name in names)

    def _tickers(self, active: str) -> Iterator[Ticker | bytes]:
        for kind in TYPES:
            parameters = {
                "market": "stocks", "type": kind, "active": active, "limit": "1000", "sort": "ticker", "order": "asc",
            }  # fmt: skip
            for _, rows in self._pages(Call("/v3/reference/tickers", paged(Ticker), parameters), next_of):
                yield from rows

    def _instrument(self, wire: Ticker) -> Instrument | None:
        return instrument_of(wire) if self._wanted(symbol(wire.ticker)) else None

    def _gone_instrument(self, wire: Ticker) -> Instrument | None:
        made = self._instrument(wire)
        is_long_gone = made and made.delisted_date and made.delisted_date < self.first_session
        return None if is_long_gone else made

    def _take_session(
        self, session: dt.date, answer: BarPage | None, wanted: frozenset[str], gathering: Gathering
    ) -> None:
        rows = [] if answer is None else _believed(None, answer, gathering)
        if answer is None or not answer[1]:
            gathering.refuse_empty(session)
        of_session = f"|{session}"
        for row in rows:
            if isinstance(row, bytes) or row.ticker in wanted:
                gathering.add(row, lambda bar: self._bar_of(bar, session), about=_name_of(row) + of_session)

    def _series(self, turns: Iterable[Turn]) -> Iterator[tuple[Turn, Call[BarPage]]]:
        shape = {**_AS_TRADED, "sort": "asc", "limit": "50000"}
        for turn in turns:
            path = f"/v2/aggs/ticker/{quote(turn.symbol, safe='')}/range/1/day/{turn.first_date}/{turn.last_date}"
            yield turn, Call(path, bars, shape)

    def _take_series(self, turn: Turn, answer: BarPage, gathering: Gathering, become: Become) -> None:
        for part in self._with_rest(answer, bars, next_of):
            for row in _believed(turn.symbol, part, gathering):
                gathering.add(row, lambda bar: become(self._bar(bar, turn)), about=turn.symbol)

    def _bar_of(self, bar: Bar, session: dt.date) -> DailyBar:
        found = session_of(bar)
        # Of ten thousand bars nearly all are of the session: only another day is looked up.
        return bar_of(bar, bar.ticker, found if found == session else self._asked_session(found, session, session))

    def _bar(self, bar: Bar, turn: Turn) -> DailyBar:
        return bar_of(bar, turn.symbol, self._asked_session(session_of(bar), turn.first_date, turn.last_date))

    def _rows(
        self, path: str, wire: type, column: str, days: tuple[dt.date, dt.date], *, limit: int
    ) -> Iterator[object]:
        parameters = {
            f"{column}.gte": str(days[0]), f"{column}.lte": str(days[1]), "sort": f"{column}.asc", "limit": str(limit),
        }  # fmt: skip
        for _, rows in self._pages(Call(path, paged(wire), parameters), next_of):
            yield from rows


def _believed(asked: str | None, answer: BarPage, gathering: Gathering) -> list[Bar | bytes]:
    """Return the rows of an answer to the question that was asked, none of one to another."""
    page, rows = answer
    told = {"ticker": page.ticker, "adjusted": page.adjusted, "rows": len(rows)}
    if page.adjusted is not False and rows:
        detail = f"prices must be as traded, as asked; the answer says adjusted={page.adjusted}."
        gathering.refuse(asked or "market", "another_adjustment", detail, told)
        return []
    if asked is not None and page.ticker != asked and rows:
        detail = f"the answer must be about {asked!r}, as asked; it is about {page.ticker!r}."
        gathering.refuse(asked, "another_symbol", detail, told)
        return []
    return rows


def _name_of(row: object) -> str:
    return str(getattr(row, "ticker", None) or "unreadable")
