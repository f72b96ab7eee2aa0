"""Massive (once Polygon.io): the whole American market of a day in one answer, as traded.

What its answers do and its documentation does not say: an empty answer has no `results` at all; `count` is no count of
rows; a day's whole market is stamped with the end of the session and a ticker's range with its begin, both in New York
time; the next page's address comes without the key and maybe with the vendor's old host; `DELAYED` is a success.
"""

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import Any, ClassVar, TypeVar
from urllib.parse import quote
from zoneinfo import ZoneInfo

import msgspec

from orchestration.sources.answers import Answer, Verdict, by_status, retry_after, verdict
from orchestration.sources.credentials import Credential
from orchestration.sources.errors import Kind, VendorRefused
from orchestration.sources.ledger import MINUTE, Plan
from orchestration.sources.records import (
    Batch,
    BenchmarkBar,
    DailyBar,
    Dividend,
    Fundamental,
    FxRate,
    Instrument,
    MarketHoliday,
    NewsArticle,
    Quote,
    Split,
)
from orchestration.sources.transport import Call, Decode, Vendor
from orchestration.sources.vendor import VendorOptions, VendorSource, json_of
from orchestration.sources.wire import (
    Gathering,
    NotBelieved,
    Number,
    count,
    currency,
    day,
    gather,
    instant,
    local_day,
    maybe_day,
    moment,
    number,
    rows_of,
    symbol,
    text,
    within,
)

W = TypeVar("W")
NEW_YORK = ZoneInfo("America/New_York")
CURRENCY = "USD"
_NOTHING = msgspec.Raw(b"null")
# Common shares and the receipts of foreign ones; funds, warrants, units and rights are no companies.
_TYPES = ("CS", "ADRC")
_EXCHANGES = {"NYSE": "XNYS", "NASDAQ": "XNAS"}
_SENTIMENTS = {"positive": 1.0, "neutral": 0.0, "negative": -1.0}
_SUCCESSES = frozenset({None, "OK", "DELAYED", "success"})
_KINDS = {"NOT_AUTHORIZED": Kind.ENTITLEMENT, "NOT_FOUND": Kind.NOT_FOUND, "AUTH_FAILED": Kind.AUTH}


class _Error(msgspec.Struct):
    status: str | None = None
    error: str | None = None
    message: str | None = None


class Page(msgspec.Struct):
    """A list, a page of it at a time; `results` is missing where there is nothing."""

    status: str | None = None
    ticker: str | None = None
    adjusted: bool | None = None
    results: msgspec.Raw = _NOTHING
    next_url: str | None = None


class Bar(msgspec.Struct):
    """A day's prices; `T` is missing in the range of one ticker."""

    t: Number
    o: Number = None
    h: Number = None
    l: Number = None  # noqa: E741 - the vendor's name
    c: Number = None
    v: Number = None
    T: str | None = None


class Ticker(msgspec.Struct):
    """An instrument in the list."""

    ticker: str
    name: str | None = None
    market: str | None = None
    locale: str | None = None
    primary_exchange: str | None = None
    type: str | None = None
    active: bool = True
    currency_name: str | None = None
    cik: str | None = None
    composite_figi: str | None = None
    share_class_figi: str | None = None
    delisted_utc: str | None = None


class DividendRow(msgspec.Struct):
    """A cash dividend; `cash_amount` is as declared."""

    ticker: str
    ex_dividend_date: str | None
    cash_amount: Number = None
    currency: str | None = None
    declaration_date: str | None = None
    pay_date: str | None = None


class SplitRow(msgspec.Struct):
    """A split: `split_to` new shares for `split_from` old ones."""

    ticker: str
    execution_date: str | None
    split_from: Number = None
    split_to: Number = None


class StatementRow(msgspec.Struct):
    """A row of any of the three statements: each fills its own figures; missing ones are left out."""

    tickers: list[str]
    period_end: str
    timeframe: str
    filing_date: str | None = None
    fiscal_year: Number = None
    revenue: Number = None
    cost_of_revenue: Number = None
    gross_profit: Number = None
    operating_income: Number = None
    net_income_loss_attributable_common_shareholders: Number = None
    diluted_earnings_per_share: Number = None
    basic_shares_outstanding: Number = None
    interest_expense: Number = None
    total_assets: Number = None
    total_liabilities: Number = None
    total_equity: Number = None
    total_current_assets: Number = None
    total_current_liabilities: Number = None
    cash_and_equivalents: Number = None
    debt_current: Number = None
    long_term_debt_and_capital_lease_obligations: Number = None
    net_cash_from_operating_activities: Number = None
    purchase_of_property_plant_and_equipment: Number = None
    depreciation_depletion_and_amortization: Number = None


# Our figure and the vendor's; capital expenditure is negative at both.
_FIGURES = {
    "revenue": "revenue",
    "cost_of_revenue": "cost_of_revenue",
    "gross_profit": "gross_profit",
    "operating_income": "operating_income",
    "net_income": "net_income_loss_attributable_common_shareholders",
    "eps": "diluted_earnings_per_share",
    "shares_outstanding": "basic_shares_outstanding",
    "interest_expense": "interest_expense",
    "total_assets": "total_assets",
    "total_liabilities": "total_liabilities",
    "total_equity": "total_equity",
    "current_assets": "total_current_assets",
    "current_liabilities": "total_current_liabilities",
    "cash": "cash_and_equivalents",
    "short_term_debt": "debt_current",
    "long_term_debt": "long_term_debt_and_capital_lease_obligations",
    "operating_cash_flow": "net_cash_from_operating_activities",
    "capex": "purchase_of_property_plant_and_equipment",
    "depreciation": "depreciation_depletion_and_amortization",
}


class SnapshotBar(msgspec.Struct):
    """The session so far, or the one before; zeros before anything has traded."""

    o: Number = None
    h: Number = None
    l: Number = None  # noqa: E741 - the vendor's name
    c: Number = None
    v: Number = None


class Trade(msgspec.Struct):
    """The last trade, on plans that have it."""

    p: Number = None
    t: Number = None


class Snapshot(msgspec.Struct):
    """A ticker now; instants are nanoseconds."""

    ticker: str
    updated: Number = None
    day: SnapshotBar | None = None
    prevDay: SnapshotBar | None = None
    lastTrade: Trade | None = None


class Snapshots(msgspec.Struct):
    """Snapshots of several tickers; unknown ones are left out."""

    tickers: msgspec.Raw = _NOTHING


class Publisher(msgspec.Struct):
    """Who published an article."""

    name: str | None = None


class Insight(msgspec.Struct):
    """What the vendor reads out of an article about a ticker."""

    ticker: str | None = None
    sentiment: str | None = None


class Article(msgspec.Struct):
    """An article."""

    id: str
    published_utc: str
    title: str
    publisher: Publisher | None = None
    author: str | None = None
    article_url: str | None = None
    description: str | None = None
    tickers: list[str] | None = None
    insights: list[Insight] | None = None


class Holiday(msgspec.Struct):
    """A day on which an exchange is closed, or closes early."""

    exchange: str
    date: str
    status: str
    name: str | None = None
    close: str | None = None


def judge(answer: Answer, now: dt.datetime) -> Verdict | None:
    """Tell errors from answers: by the `status` in the body, then by that of HTTP."""
    error = _error_of(answer)
    if answer.status == 429:
        # The limit slides: nothing says when it lets go, so a whole minute passes.
        return Verdict(Kind.QUOTA_MINUTE, f"429 {answer.text}", retry_after(answer.headers, now) or now + MINUTE)
    if error is not None and error.status in _KINDS:
        return verdict(_KINDS[error.status], answer, now, error.message or error.error or "")
    if error is not None and error.status not in _SUCCESSES and answer.status < 400:
        return verdict(Kind.BAD_REQUEST, answer, now, error.error or error.message or "")
    return by_status(answer, now)


def _error_of(answer: Answer) -> _Error | None:
    if not answer.may_be_error:
        return None
    try:
        return msgspec.json.decode(answer.body, type=_Error)
    except (msgspec.DecodeError, RecursionError):
        return None


class MassiveSource(VendorSource):
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
            gathering = Gathering(Instrument, "instruments")
            gathering.add(row, self._instrument, about=_name_of(row))
            if isinstance(row, Ticker):
                active.add(row.ticker)
            yield gathering.batch()
        gone = Gathering(Instrument, "instruments")
        for row in self._tickers("false"):
            if isinstance(row, Ticker) and row.ticker in active:
                detail = "a symbol belongs to one instrument at a time; another one trades under it today."
                gone.refuse(row.ticker, "symbol_used_again", detail, msgspec.to_builtins(row))
            else:
                gone.add(row, self._gone_instrument, about=_name_of(row))
        yield gone.batch()

    def daily_bars(self, first_date: dt.date, last_date: dt.date) -> Iterator[Batch]:
        """Bars of the whole market, a request per session; of a few tickers, one per ticker if that is less."""
        sessions = self._sessions(first_date, last_date)
        if self._options.symbols and len(self._options.symbols) < len(sessions):
            yield from self.ticker_bars(self._options.symbols, first_date, last_date)
            return
        wanted = frozenset(self._options.symbols) or self._listed if sessions else frozenset()
        asked = [Call(f"/v2/aggs/grouped/locale/us/market/stocks/{d}", _bars, _AS_TRADED) for d in sessions]
        for session, (_, answer) in zip(sessions, self.transport.each(asked), strict=True):
            gathering = Gathering(DailyBar, "daily_bars")
            if isinstance(answer, VendorRefused) and answer.kind in (Kind.ENTITLEMENT, Kind.NOT_FOUND):
                gathering.leave_out(str(session), answer)
            elif isinstance(answer, Exception):
                raise answer
            else:
                self._take_session(session, answer, wanted, gathering)
            yield gathering.batch()

    def ticker_bars(self, symbols: Sequence[str], first_date: dt.date, last_date: dt.date) -> Iterator[Batch]:
        """Bars of some tickers."""
        gathering = Gathering(DailyBar, "daily_bars")

        def take(asked: str, answer: tuple[Page, list[Bar | bytes]]) -> None:
            for part in self._with_rest(answer, _bars, _next_of):
                for row in self._believed(asked, part, gathering):
                    gathering.add(row, lambda bar: _bar(bar, asked, _session_of(bar), sessions), about=asked)

        sessions = self._sessions(first_date, last_date)
        if sessions:
            calls = ((name, self._range(name, sessions[0], sessions[-1])) for name in symbols)
            yield from self._by_symbol(calls, gathering, take)

    def benchmark_bars(self, first_date: dt.date, last_date: dt.date) -> Iterator[Batch]:
        """Bars of the fund that stands for the market."""
        sessions = self._sessions(first_date, last_date)
        if not sessions:
            return
        name = self._options.benchmark
        for answer in self._pages(self._range(name, sessions[0], sessions[-1]), _next_of):
            gathering = Gathering(BenchmarkBar, "benchmark_bars")
            for row in self._believed(name, answer, gathering):
                gathering.add(row, lambda bar: _benchmark(_bar(bar, name, _session_of(bar), sessions)), about=name)
            yield gathering.batch()

    def dividends(self, first_date: dt.date, last_date: dt.date) -> Iterator[Batch]:
        """Dividends as declared; several of one ticker on one day come as their sum."""
        days = self._days(first_date, last_date)
        if days is None:
            return
        gathering = Gathering(Dividend, "dividends")
        total: dict[tuple[str, dt.date], Dividend] = {}
        for row in self._rows("/stocks/v1/dividends", DividendRow, "ex_dividend_date", days, limit=5000):
            gathering.add(row, lambda wire: self._dividend(wire, days, total), about="dividends")
        for dividend in total.values():
            gathering.add(dividend, lambda made: made, about=dividend.source_symbol)
        yield gathering.batch()

    def splits(self, first_date: dt.date, last_date: dt.date) -> Iterator[Batch]:
        """Splits by the day from which shares trade split."""
        days = self._days(first_date, last_date)
        if days is not None:
            rows = self._rows("/stocks/v1/splits", SplitRow, "execution_date", days, limit=5000)
            yield gather(Split, "splits", rows, lambda wire: self._split(wire, days), about="splits")

    def fundamentals(self, first_date: dt.date, last_date: dt.date) -> Iterator[Batch]:
        """Statements by filing day: the three lists, put together by company and period."""
        days = self._days(first_date, last_date)
        if days is None:
            return
        gathering = Gathering(Fundamental, "fundamentals")
        found: dict[tuple[str, str, dt.date, dt.date], dict[str, Any]] = {}
        for part in ("income-statements", "balance-sheets", "cash-flow-statements"):
            path = f"/stocks/financials/v1/{part}"
            for row in self._rows(path, StatementRow, "filing_date", days, limit=50_000):
                gathering.add(row, lambda wire: self._statement(wire, days, found), about=part)
        for (name, statement, period_end, filed), figures in found.items():
            year = figures.pop("fiscal_year", None)
            made = Fundamental(
                source_symbol=name,
                statement="annual" if statement == "annual" else "quarterly",
                period_end_date=period_end,
                filed_date=filed,
                fiscal_year=None if year is None else int(year),
                currency_code=CURRENCY,
                **figures,
            )
            gathering.add(made, lambda record: record, about=name)
        yield gathering.batch()

    def quotes(self, symbols: Sequence[str] | None, now: dt.datetime) -> list[Quote]:
        """Prices now, of all tickers in one answer, or of some in groups."""
        if symbols is None and not self._options.symbols:
            groups: list[Sequence[str]] = [()]
        else:
            names = list(self._options.symbols if symbols is None else symbols)
            groups = [names[i : i + 250] for i in range(0, len(names), 250)]
        found: list[Quote] = []
        for group in groups:
            parameters = {"tickers": ",".join(group)} if group else {}
            call = Call("/v2/snapshot/locale/us/markets/stocks/tickers", _snapshots, parameters)
            for row in self.transport.fetch(call) or []:
                if isinstance(row, Snapshot) and (quote := _quote(row)) is not None:
                    found.append(quote)
        return found

    def news_articles(self, first_date: dt.date, last_date: dt.date) -> Iterator[Batch]:
        """Articles by the day of New York on which they were published."""
        days = self._days(first_date, last_date)
        if days is None:
            return
        begin, end = (
            dt.datetime.combine(d, dt.time(), NEW_YORK).astimezone(dt.UTC) for d in (days[0], _after(days[1]))
        )
        parameters = {
            "published_utc.gte": f"{begin:%Y-%m-%dT%H:%M:%SZ}",
            "published_utc.lt": f"{end:%Y-%m-%dT%H:%M:%SZ}",
            "order": "asc",
            "sort": "published_utc",
            "limit": "1000",
        }
        for _, rows in self._pages(Call("/v2/reference/news", _paged(Article), parameters), _next_of):
            yield gather(NewsArticle, "news_articles", rows, lambda wire: _article(wire, begin, end), about="news")

    def fx_rates(self, first_date: dt.date, last_date: dt.date) -> Iterator[Batch]:
        """Last rates of each day of UTC, weekends included."""
        days = self._days(first_date, last_date)
        if days is None:
            return
        asked = [days[0] + dt.timedelta(days=n) for n in range((days[1] - days[0]).days + 1)]
        calls = [Call(f"/v2/aggs/grouped/locale/global/market/fx/{d}", _bars, _AS_TRADED) for d in asked]
        for date, (_, answer) in zip(asked, self.transport.each(calls), strict=True):
            if isinstance(answer, Exception):
                raise answer
            rows: Iterable[object] = [] if answer is None else answer[1]
            yield gather(FxRate, "fx_rates", rows, lambda bar, date=date: _rate(bar, date), about=str(date))  # type: ignore[misc]

    def market_holidays(self) -> Iterator[Batch]:
        """Holidays that lie ahead, of the exchanges that a calendar code is known for."""
        rows = self.transport.fetch(Call("/v1/marketstatus/upcoming", lambda body: rows_of(body, Holiday))) or []
        yield gather(MarketHoliday, "market_holidays", rows, _holiday, about="upcoming")

    @cached_property
    def _listed(self) -> frozenset[str]:
        """Symbols of the instruments that we take: one answer holds the whole market, funds and rights as well."""
        columns = (batch.rows.column("source_symbol").to_pylist() for batch in self.instruments())
        return frozenset(name for names in columns for name in names)

    def _tickers(self, active: str) -> Iterator[Ticker | bytes]:
        for kind in _TYPES:
            parameters = {
                "market": "stocks", "type": kind, "active": active, "limit": "1000", "sort": "ticker", "order": "asc",
            }  # fmt: skip
            for _, rows in self._pages(Call("/v3/reference/tickers", _paged(Ticker), parameters), _next_of):
                yield from rows

    def _instrument(self, wire: Ticker) -> Instrument | None:
        name = symbol(wire.ticker)
        if not self._wanted(name):
            return None
        known = {"type": wire.type, "cik": wire.cik, "composite_figi": wire.composite_figi}
        return Instrument(
            source_symbol=name,
            ticker=self._canonical(name),
            stable_id=text(wire.share_class_figi) or text(wire.composite_figi),
            name=text(wire.name),
            exchange_code=text(wire.primary_exchange),
            market=text(wire.market),
            currency_code=currency(wire.currency_name)[0],
            country_code="US",
            delisted_date=maybe_day(wire.delisted_utc),
            is_active=wire.active,
            metadata=msgspec.json.encode({key: text(value) for key, value in known.items() if value}).decode(),
        )

    def _gone_instrument(self, wire: Ticker) -> Instrument | None:
        delisted = maybe_day(wire.delisted_utc)
        return None if delisted is not None and delisted < self.first_session else self._instrument(wire)

    def _canonical(self, symbol: str) -> str:
        # Lower case marks preferred shares and rights here: KIMpL is no spelling of KIMPL.
        return symbol.upper() if symbol.isupper() else "".join(f".{c.upper()}" if c.islower() else c for c in symbol)

    def _take_session(
        self,
        session: dt.date,
        answer: "tuple[Page, list[Bar | bytes]] | None",
        wanted: frozenset[str],
        gathering: Gathering,
    ) -> None:
        rows = [] if answer is None else self._believed(None, answer, gathering)
        if answer is None or not answer[1]:
            detail = "a session must have bars; the vendor has none of it."
            gathering.refuse(str(session), "empty_session", detail, {"session": str(session)}, session)
        for row in rows:
            if isinstance(row, bytes) or row.T in wanted:
                gathering.add(
                    row, lambda bar: _bar(bar, bar.T, _session_of(bar), [session]), about=_name_of(row, session)
                )

    def _believed(
        self, asked: str | None, answer: tuple[Page, list[Bar | bytes]], gathering: Gathering
    ) -> list[Bar | bytes]:
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

    def _range(self, name: str, first: dt.date, last: dt.date) -> "Call[tuple[Page, list[Bar | bytes]]]":
        path = f"/v2/aggs/ticker/{quote(name, safe='')}/range/1/day/{first}/{last}"
        return Call(path, _bars, {**_AS_TRADED, "sort": "asc", "limit": "50000"})

    def _rows(
        self, path: str, wire: type, column: str, days: tuple[dt.date, dt.date], *, limit: int
    ) -> Iterator[object]:
        parameters = {
            f"{column}.gte": str(days[0]), f"{column}.lte": str(days[1]), "sort": f"{column}.asc", "limit": str(limit),
        }  # fmt: skip
        for _, rows in self._pages(Call(path, _paged(wire), parameters), _next_of):
            yield from rows

    def _dividend(
        self, wire: DividendRow, days: tuple[dt.date, dt.date], total: dict[tuple[str, dt.date], Dividend]
    ) -> None:
        name, ex_date = symbol(wire.ticker), within(day(wire.ex_dividend_date), *days)
        amount, (code, units) = number(wire.cash_amount), currency(wire.currency)
        if not self._wanted(name):
            return
        if amount is None:
            raise NotBelieved("missing_amount", f"a dividend must have an amount; got {wire.cash_amount!r}.")
        before = total.get((name, ex_date))
        if before is not None and before.currency_code != code:
            raise NotBelieved("another_currency", f"dividends of a day must share {before.currency_code}; got {code}.")
        total[(name, ex_date)] = Dividend(
            source_symbol=name,
            ex_date=ex_date,
            amount=amount / units + (before.amount or 0.0 if before else 0.0),
            currency_code=code,
            declared_date=maybe_day(wire.declaration_date),
            pay_date=maybe_day(wire.pay_date),
        )

    def _split(self, wire: SplitRow, days: tuple[dt.date, dt.date]) -> Split | None:
        name = symbol(wire.ticker)
        if not self._wanted(name):
            return None
        return Split(
            source_symbol=name,
            ex_date=within(day(wire.execution_date), *days),
            shares_new=number(wire.split_to),
            shares_old=number(wire.split_from),
        )

    def _statement(
        self,
        wire: StatementRow,
        days: tuple[dt.date, dt.date],
        found: dict[tuple[str, str, dt.date, dt.date], dict[str, Any]],
    ) -> None:
        if wire.timeframe not in ("annual", "quarterly"):
            return
        filed, period_end = within(day(wire.filing_date), *days), day(wire.period_end)
        figures = {ours: number(getattr(wire, theirs)) for ours, theirs in _FIGURES.items()}
        figures["fiscal_year"] = number(wire.fiscal_year)
        for name in map(symbol, wire.tickers):
            if self._wanted(name):
                known = found.setdefault((name, wire.timeframe, period_end, filed), {})
                known.update({figure: value for figure, value in figures.items() if value is not None})


_AS_TRADED = {"adjusted": "false"}


def _paged(wire: type[W]) -> "Decode[tuple[Page, list[W | bytes]]]":
    """Return a decoder of a page and its rows."""
    page_of = json_of(Page)

    def decode(body: bytes) -> tuple[Page, list[W | bytes]]:
        page = page_of(body)
        return page, rows_of(page.results, wire)

    return decode


_bars = _paged(Bar)


def _next_of(answer: tuple[Page, object]) -> str | None:
    return answer[0].next_url


def _snapshots(body: bytes) -> list[Snapshot | bytes]:
    return rows_of(json_of(Snapshots)(body).tickers, Snapshot)


def _name_of(row: object, session: dt.date | None = None) -> str:
    name = getattr(row, "ticker", None) or getattr(row, "T", None) or "unreadable"
    return str(name) if session is None else f"{name}|{session}"


def _session_of(bar: Bar) -> dt.date:
    return local_day(instant(bar.t, per_second=1000), NEW_YORK)


def _bar(bar: Bar, name: str | None, date: dt.date, sessions: list[dt.date]) -> DailyBar:
    if date not in sessions:
        raise NotBelieved("another_day", f"the bar must be of {sessions[0]} to {sessions[-1]}, as asked; got {date}.")
    return DailyBar(
        source_symbol=symbol(name),
        trade_date=date,
        open=number(bar.o),
        high=number(bar.h),
        low=number(bar.l),
        close=number(bar.c),
        volume=count(bar.v),
        currency_code=CURRENCY,
        adjustment="none",
    )


def _benchmark(bar: DailyBar) -> BenchmarkBar:
    return BenchmarkBar(
        source_symbol=bar.source_symbol,
        trade_date=bar.trade_date,
        open=bar.open,
        high=bar.high,
        low=bar.low,
        close=bar.close,
        volume=bar.volume,
        currency_code=bar.currency_code,
    )


def _quote(row: Snapshot) -> Quote | None:
    """Return the price now; None where nothing has traded yet, or what is said cannot be read."""
    session, before, trade = row.day or SnapshotBar(), row.prevDay or SnapshotBar(), row.lastTrade or Trade()
    try:
        price = number(trade.p) or number(session.c)
        if not price or price < 0:
            return None
        return Quote(
            source_symbol=symbol(row.ticker),
            quoted_at=instant(trade.t if number(trade.p) and trade.t is not None else row.updated, per_second=10**9),
            price=price,
            open=number(session.o) or None,
            high=number(session.h) or None,
            low=number(session.l) or None,
            previous_close=number(before.c) or None,
            volume=count(session.v),
            currency_code=CURRENCY,
        )
    except NotBelieved:
        return None


def _article(wire: Article, begin: dt.datetime, end: dt.datetime) -> NewsArticle:
    published = moment(wire.published_utc)
    if not begin <= published < end:
        raise NotBelieved("another_day", f"the article must be of {begin} to {end}, as asked; got {published}.")
    told = [_SENTIMENTS[i.sentiment] for i in wire.insights or [] if i.sentiment in _SENTIMENTS]
    return NewsArticle(
        source_article_id=text(wire.id) or "",
        published_at=published,
        title=text(wire.title) or "",
        url=text(wire.article_url),
        publisher=text(wire.publisher.name) if wire.publisher else None,
        author=text(wire.author),
        summary=text(wire.description),
        source_symbols=msgspec.json.encode([text(name) for name in wire.tickers or []]).decode(),
        sentiment=sum(told) / len(told) if told else None,
        sentiment_by="massive insights" if told else None,
    )


def _rate(bar: Bar, date: dt.date) -> FxRate:
    name = bar.T or ""
    if len(name) != 8 or not name.startswith("C:"):
        raise NotBelieved("not_a_symbol", f"a pair must be C: and two currencies; got {bar.T!r}.")
    # Days of currencies are days of UTC, and the stamp is their last millisecond.
    within(instant(bar.t, per_second=1000).date(), date, date)
    rate = number(bar.c)
    if rate is None or rate <= 0:
        raise NotBelieved("non_positive_price", f"a rate must be above 0; got {bar.c!r}.")
    base, quoted = currency(name[2:5])[0], currency(name[5:8])[0]
    return FxRate(base_currency_code=base, quote_currency_code=quoted, rate_date=date, rate=rate)


def _holiday(wire: Holiday) -> MarketHoliday | None:
    code = _EXCHANGES.get(wire.exchange)
    if code is None:
        return None
    if wire.status not in ("closed", "early-close"):
        raise NotBelieved("unknown_status", f"a holiday must be closed or early-close; got {wire.status!r}.")
    is_early = wire.status == "early-close"
    return MarketHoliday(
        exchange_code=code,
        holiday_date=day(wire.date),
        name=text(wire.name),
        status="early_close" if is_early else "closed",
        closes_at=moment(wire.close) if is_early else None,
    )


def _after(date: dt.date) -> dt.date:
    return date + dt.timedelta(days=1)
