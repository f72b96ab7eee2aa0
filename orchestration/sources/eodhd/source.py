"""EODHD: many exchanges, prices as traded, a key that travels in the address and therefore is hidden everywhere.

What its answers do and its documentation does not say: an error may be a line of text, and a warning a row among rows;
any field of a quote may be "NA"; one quote is an object and several are a list; lists may be objects keyed "0", "1";
an old statement's filing date is its period's end; volume is adjusted for splits although prices are not.
"""

import datetime as dt
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, TypeVar

import msgspec

from orchestration.sources.answers import Answer, Verdict, by_status, verdict
from orchestration.sources.credentials import Credential
from orchestration.sources.errors import Kind, VendorUnavailable
from orchestration.sources.ledger import Plan
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
from orchestration.sources.transport import Call, Vendor
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
    maybe_day,
    moment,
    number,
    rows_of,
    symbol,
    text,
    within,
)

W = TypeVar("W")
_EXCHANGES = {"XNYS": "US", "XSTO": "ST", "XASX": "AU", "XOSL": "OL", "XCSE": "CO", "XHEL": "HE", "XLON": "LSE"}
_CURRENCIES = {"US": "USD", "ST": "SEK", "AU": "AUD", "OL": "NOK", "CO": "DKK", "HE": "EUR", "LSE": "GBX"}
_VENUES = {"NYSE": "XNYS", "NASDAQ": "XNAS", "NYSE MKT": "XASE", "NYSE ARCA": "ARCX", "BATS": "BATS"}
_BULK_COST, _FUNDAMENTALS_COST, _NEWS_COST, _EXCHANGE_COST = 100, 10, 10, 5
_QUOTES_PER_REQUEST = 15
# The pair's name is base and quote; the one of a single currency, EUR.FOREX, is the other way round and not asked for.
_PAIRS = ("EURUSD", "GBPUSD", "USDSEK")
# Where a filing follows its period in less than this, the date is the period's and no filing.
_SHORTEST_FILING_DAYS = 1


class Warned(msgspec.Struct):
    """A row that is no row."""

    warning: str


class Bar(msgspec.Struct):
    """A day's prices as traded; `volume` is adjusted for splits."""

    date: str
    open: Number = None
    high: Number = None
    low: Number = None
    close: Number = None
    volume: Number = None
    adjusted_close: Number = None
    code: str | None = None
    warning: str | None = None


class Listed(msgspec.Struct):
    """An instrument of an exchange."""

    Code: str
    Name: str | None = None
    Country: str | None = None
    Exchange: str | None = None
    Currency: str | None = None
    Type: str | None = None
    Isin: str | None = None


class DividendRow(msgspec.Struct):
    """A dividend; `value` is divided by later splits, `unadjustedValue` as declared."""

    date: str
    unadjustedValue: Number = None
    currency: str | None = None
    declarationDate: str | None = None
    paymentDate: str | None = None


class SplitRow(msgspec.Struct):
    """A split as text: new shares, a stroke, old shares."""

    date: str
    split: str


class QuoteRow(msgspec.Struct):
    """A price now; "NA" wherever there is none."""

    code: str
    timestamp: Number = None
    open: Number = None
    high: Number = None
    low: Number = None
    close: Number = None
    volume: Number = None
    previousClose: Number = None


class Sentiment(msgspec.Struct):
    """The vendor's own reading of an article, from -1 to 1."""

    polarity: Number = None


class Article(msgspec.Struct):
    """An article; it has no id, so its address is one."""

    date: str
    title: str
    link: str
    symbols: list[str] | None = None
    sentiment: Sentiment | None = None


class Fundamentals(msgspec.Struct):
    """What is known of a company; parts are absent where there is nothing."""

    Financials: dict[str, msgspec.Raw] | list[msgspec.Raw] | None = None


class Exchange(msgspec.Struct):
    """An exchange; its holidays are a list, or an object keyed "0", "1", ..."""

    ExchangeHolidays: msgspec.Raw = msgspec.Raw(b"null")


class Holiday(msgspec.Struct):
    """A day on which the exchange is closed."""

    Date: str
    Holiday: str | None = None


# Our figure, and the vendor's in each statement; its misspelt names are real.
_FIGURES: Mapping[str, Mapping[str, str]] = {
    "Income_Statement": {
        "revenue": "totalRevenue",
        "cost_of_revenue": "costOfRevenue",
        "gross_profit": "grossProfit",
        "operating_income": "operatingIncome",
        "net_income": "netIncome",
        "interest_expense": "interestExpense",
    },
    "Balance_Sheet": {
        "total_assets": "totalAssets",
        "total_liabilities": "totalLiab",
        "total_equity": "totalStockholderEquity",
        "current_assets": "totalCurrentAssets",
        "current_liabilities": "totalCurrentLiabilities",
        "cash": "cashAndEquivalents",
        "short_term_debt": "shortTermDebt",
        "long_term_debt": "longTermDebt",
        "shares_outstanding": "commonStockSharesOutstanding",
    },
    "Cash_Flow": {
        "operating_cash_flow": "totalCashFromOperatingActivities",
        "capex": "capitalExpenditures",
        "depreciation": "depreciation",
    },
}


def judge(answer: Answer, now: dt.datetime) -> Verdict | None:
    """Tell errors from answers; a text in place of JSON, and a bad key under 403, are this vendor's habits."""
    if answer.status in (401, 403) and b"unauthenticated" in answer.body[:200].lower():
        return Verdict(Kind.AUTH, f"{answer.status} {answer.text}")
    if answer.status == 422:
        return verdict(Kind.BAD_REQUEST, answer, now)
    return by_status(answer, now)


def remaining(headers: Mapping[str, str]) -> tuple[int | None, int | None]:
    """Read what is left of the minute."""
    given = headers.get("x-ratelimit-remaining", "")
    return (int(given) if given.isdecimal() and given.isascii() else None), None


class EodhdSource(VendorSource):
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
            call = Call(f"exchange-symbol-list/{self._exchange}", _list_of(Listed), {**_JSON, **more})
            gathering = Gathering(Instrument, "instruments")
            for row in self.transport.fetch(call) or []:
                if isinstance(row, Listed) and not is_active and row.Code in active:
                    detail = "a symbol belongs to one instrument at a time; another one trades under it today."
                    gathering.refuse(row.Code, "symbol_used_again", detail, msgspec.to_builtins(row))
                    continue
                if isinstance(row, Listed) and is_active:
                    active.add(row.Code)
                gathering.add(row, lambda wire, on=is_active: self._instrument(wire, on), about=self._exchange)  # type: ignore[misc]
            yield gathering.batch()

    def daily_bars(self, first_date: dt.date, last_date: dt.date) -> Iterator[Batch]:
        """Bars of the whole exchange, 100 calls a session; of tickers in the settings a call each."""
        sessions = self._sessions(first_date, last_date)
        if self._options.symbols:
            yield from self.ticker_bars(self._options.symbols, first_date, last_date)
            return
        path = f"eod-bulk-last-day/{self._exchange}"
        for session in sessions:
            call = Call(path, _list_of(Bar), {**_JSON, "date": str(session)}, cost=_BULK_COST)
            rows = self.transport.fetch(call) or []
            gathering = Gathering(DailyBar, "daily_bars")
            if not rows:
                detail = "a session must have bars; the vendor has none of it."
                gathering.refuse(str(session), "empty_session", detail, {"session": str(session)}, session)
            for row in rows:
                gathering.add(row, lambda wire, on=session: self._bar(wire, wire.code, [on]), about=str(session))  # type: ignore[misc]
            yield gathering.batch()

    def ticker_bars(self, symbols: Sequence[str], first_date: dt.date, last_date: dt.date) -> Iterator[Batch]:
        """Bars of some tickers; both ends of a range are part of it."""
        gathering = Gathering(DailyBar, "daily_bars")

        def take(asked: str, answer: list[Bar | bytes]) -> None:
            later = splits.get(asked, [])
            for row in answer:
                gathering.add(
                    _warned(row), lambda wire: _as_traded(self._bar(wire, asked, sessions), later), about=asked
                )

        sessions = self._sessions(first_date, last_date)
        if sessions:
            splits = self._splits_after(sessions[0], symbols)
            calls = self._calls("eod", _list_of(Bar), symbols, (sessions[0], sessions[-1]), period="d", order="a")
            yield from self._by_symbol(calls, gathering, take)

    def benchmark_bars(self, first_date: dt.date, last_date: dt.date) -> Iterator[Batch]:
        """Bars of the fund that stands for the market."""
        name = self._options.benchmark
        gathering = Gathering(BenchmarkBar, "benchmark_bars")

        def take(asked: str, answer: list[Bar | bytes]) -> None:
            for row in answer:
                gathering.add(_warned(row), lambda wire: _benchmark(self._bar(wire, asked, sessions)), about=asked)

        sessions = self._sessions(first_date, last_date)
        if sessions:
            calls = self._calls("eod", _list_of(Bar), [name], (sessions[0], sessions[-1]), period="d", order="a")
            yield from self._by_symbol(calls, gathering, take)

    def dividends(self, first_date: dt.date, last_date: dt.date) -> Iterator[Batch]:
        """Dividends of the tickers in the settings, as declared."""
        gathering = Gathering(Dividend, "dividends")

        def take(asked: str, answer: list[DividendRow | bytes]) -> None:
            for row in answer:
                gathering.add(row, lambda wire: _dividend(wire, asked, days), about=asked)

        days = self._days(first_date, last_date)
        if days is not None:
            yield from self._by_symbol(
                self._calls("div", _list_of(DividendRow), self._options.symbols, days), gathering, take
            )

    def splits(self, first_date: dt.date, last_date: dt.date) -> Iterator[Batch]:
        """Splits of the tickers in the settings."""
        gathering = Gathering(Split, "splits")

        def take(asked: str, answer: list[SplitRow | bytes]) -> None:
            for row in answer:
                gathering.add(row, lambda wire: _split(wire, asked, days), about=asked)

        days = self._days(first_date, last_date)
        if days is not None:
            yield from self._by_symbol(
                self._calls("splits", _list_of(SplitRow), self._options.symbols, days), gathering, take
            )

    def fundamentals(self, first_date: dt.date, last_date: dt.date) -> Iterator[Batch]:
        """Statements of the tickers in the settings, by filing day."""
        gathering = Gathering(Fundamental, "fundamentals")

        def take(asked: str, answer: Fundamentals) -> None:
            for made in _statements(answer, asked, days, gathering):
                gathering.add(made, lambda record: record, about=asked)

        days = self._days(first_date, last_date)
        if days is not None:
            decode = json_of(Fundamentals)
            paths = ((name, f"fundamentals/{self._of_exchange(name)}") for name in self._options.symbols)
            calls = ((name, Call(path, decode, _JSON, cost=_FUNDAMENTALS_COST)) for name, path in paths)
            yield from self._by_symbol(calls, gathering, take)

    def quotes(self, symbols: Sequence[str] | None, now: dt.datetime) -> list[Quote]:
        """Prices now, some symbols in each request; a call for each symbol."""
        names = list(self._options.symbols if symbols is None else symbols)
        code, units = currency(_CURRENCIES.get(self._exchange))
        found: list[Quote] = []
        for group in (names[i : i + _QUOTES_PER_REQUEST] for i in range(0, len(names), _QUOTES_PER_REQUEST)):
            first, *others = (self._of_exchange(name) for name in group)
            more = {"s": ",".join(others)} if others else {}
            for row in (
                self.transport.fetch(Call(f"real-time/{first}", _quotes, {**_JSON, **more}, cost=len(group))) or []
            ):
                asked = {self._of_exchange(name): name for name in group}
                if isinstance(row, QuoteRow) and (quote := _quote(row, asked, code, units)) is not None:
                    found.append(quote)
        return found

    def news_articles(self, first_date: dt.date, last_date: dt.date) -> Iterator[Batch]:
        """Articles about the tickers in the settings."""
        gathering = Gathering(NewsArticle, "news_articles")

        def take(asked: str, answer: list[Article | bytes]) -> None:
            for row in answer:
                gathering.add(row, lambda wire: _article(wire, days), about=asked)

        days = self._days(first_date, last_date)
        if days is not None:
            ends = {"from": str(days[0]), "to": str(days[1]), "limit": "1000"}
            asked = ((name, {**_JSON, **ends, "s": self._of_exchange(name)}) for name in self._options.symbols)
            calls = ((name, Call("news", _list_of(Article), more, cost=_NEWS_COST)) for name, more in asked)
            yield from self._by_symbol(calls, gathering, take)

    def fx_rates(self, first_date: dt.date, last_date: dt.date) -> Iterator[Batch]:
        """Last rates of the euro, the pound and the krona against the dollar, by day of UTC."""
        gathering = Gathering(FxRate, "fx_rates")

        def take(asked: str, answer: list[Bar | bytes]) -> None:
            for row in answer:
                gathering.add(_warned(row), lambda wire: _rate(wire, asked, days), about=asked)

        days = self._days(first_date, last_date)
        if days is not None:
            ends = {"from": str(days[0]), "to": str(days[1]), "period": "d", "order": "a"}
            calls = ((p, Call(f"eod/{p}.FOREX", _list_of(Bar), {**_JSON, **ends})) for p in _PAIRS)
            yield from self._by_symbol(calls, gathering, take)

    def market_holidays(self) -> Iterator[Batch]:
        """Holidays of the home exchange."""
        path = f"exchange-details/{self._exchange}"
        rows = self.transport.fetch(Call(path, _holidays, dict(_JSON), cost=_EXCHANGE_COST)) or []
        yield gather(MarketHoliday, "market_holidays", rows, self._holiday, about=self._exchange)

    def _splits_after(self, session: dt.date, names: Sequence[str]) -> dict[str, list[Split]]:
        """Return the splits by which the vendor has multiplied the volumes of a session and those after it.

        Raises
        ------
        VendorError
            If they cannot be had: without them a volume would be of other shares than its price.
        """
        today = self._now().date()
        found: dict[str, list[Split]] = {}
        if session >= today:
            return found
        days = (session + dt.timedelta(days=1), today)
        for name, call in self._calls("splits", _list_of(SplitRow), names, days):
            rows = self.transport.fetch(call) or []
            if any(isinstance(row, bytes) for row in rows):
                raise VendorUnavailable(self.name, call.path, got="a split that cannot be read", can_retry=False)
            made = (_split(row, name, days) for row in rows if isinstance(row, SplitRow))
            found[name] = [split for split in made if split is not None]
        return found

    @property
    def _exchange(self) -> str:
        return _EXCHANGES.get(self._calendar.code, self._calendar.code)

    def _of_exchange(self, name: str) -> str:
        return f"{name.replace('.', '-')}.{self._exchange}"

    def _calls(
        self,
        path: str,
        decode: Callable[[bytes], list[W | bytes]],
        names: Sequence[str],
        days: tuple[dt.date, dt.date],
        *,
        period: str | None = None,
        order: str | None = None,
    ) -> Iterator[tuple[str, Call[list[W | bytes]]]]:
        ends = {"from": str(days[0]), "to": str(days[1])}
        shape = {} if period is None or order is None else {"period": period, "order": order}
        for name in names:
            yield name, Call(f"{path}/{self._of_exchange(name)}", decode, {**_JSON, **ends, **shape})

    def _instrument(self, wire: Listed, is_active: bool) -> Instrument | None:
        name = symbol(wire.Code)
        if wire.Type != "Common Stock" or not self._wanted(name):
            return None
        venue = _VENUES.get(wire.Exchange or "") if self._exchange == "US" else self._calendar.code
        if venue is None:
            return None  # the vendor counts over-the-counter markets to the United States as well
        isin = text(wire.Isin)
        return Instrument(
            source_symbol=name,
            ticker=self._canonical(name),
            stable_id=isin,
            name=text(wire.Name),
            exchange_code=venue,
            market="stocks",
            currency_code=currency(wire.Currency)[0],
            country_code=text(wire.Country),
            is_active=is_active,
            metadata=msgspec.json.encode({"isin": isin} if isin else {}).decode(),
        )

    def _bar(self, wire: Bar, name: str | None, sessions: list[dt.date]) -> DailyBar:
        if wire.warning is not None:
            raise NotBelieved("limited_by_plan", wire.warning)
        date = day(wire.date)
        if date not in sessions:
            raise NotBelieved(
                "another_day", f"the bar must be of {sessions[0]} to {sessions[-1]}, as asked; got {date}."
            )
        code, units = currency(_CURRENCIES.get(self._exchange))
        prices = {field: _in_units(getattr(wire, field), units) for field in ("open", "high", "low", "close")}
        return DailyBar(
            source_symbol=symbol(name),
            trade_date=date,
            volume=count(wire.volume),
            currency_code=code,
            adjustment="none",
            **prices,
        )

    def _holiday(self, wire: Holiday) -> MarketHoliday:
        return MarketHoliday(
            exchange_code=self._calendar.code, holiday_date=day(wire.Date), name=text(wire.Holiday), status="closed"
        )


_JSON = {"fmt": "json"}


def _list_of(wire: type[W]) -> Callable[[bytes], list[W | bytes]]:
    return lambda body: rows_of(_as_list(body), wire)


def _as_list(body: bytes | msgspec.Raw) -> bytes:
    """Return a list as such: this vendor also writes it as an object keyed "0", "1", ..., and an empty one as {}."""
    if bytes(body).lstrip()[:1] != b"{":
        return bytes(body)
    keyed = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    if not all(key.isdecimal() for key in keyed):
        raise msgspec.ValidationError("Expected `array`, got `object`")
    return b"[" + b",".join(bytes(raw) for raw in keyed.values()) + b"]"


def _quotes(body: bytes) -> list[QuoteRow | bytes]:
    return rows_of(b"[" + body + b"]" if body.lstrip()[:1] == b"{" else body, QuoteRow)


def _holidays(body: bytes) -> list[Holiday | bytes]:
    return rows_of(_as_list(json_of(Exchange)(body).ExchangeHolidays), Holiday)


def _warned(row: object) -> object:
    """Return a row, or the bar that carries the warning which stands in its place."""
    if not isinstance(row, bytes):
        return row
    try:
        return Bar(date="", warning=msgspec.json.decode(row, type=Warned).warning)
    except msgspec.ValidationError:
        return row


def _as_traded(bar: DailyBar, splits: Sequence[Split]) -> DailyBar:
    """Return a bar with the volume of the day's own shares: the vendor's is in today's."""
    factors = [
        s.shares_new / s.shares_old for s in splits if s.ex_date > bar.trade_date and s.shares_new and s.shares_old
    ]
    if bar.volume is None or not factors:
        return bar
    return msgspec.structs.replace(bar, volume=round(bar.volume / math.prod(factors)))


def _benchmark(bar: DailyBar) -> BenchmarkBar:
    known = msgspec.structs.asdict(bar)
    del known["adjustment"]
    return BenchmarkBar(**known)


def _dividend(wire: DividendRow, name: str, days: tuple[dt.date, dt.date] | None) -> Dividend | None:
    if days is None:
        return None
    (code, units), amount = currency(wire.currency), number(wire.unadjustedValue)
    return Dividend(
        source_symbol=symbol(name),
        ex_date=within(day(wire.date), *days),
        amount=None if amount is None else amount / units,
        currency_code=code,
        declared_date=maybe_day(wire.declarationDate),
        pay_date=maybe_day(wire.paymentDate),
    )


def _split(wire: SplitRow, name: str, days: tuple[dt.date, dt.date] | None) -> Split | None:
    new, stroke, old = wire.split.partition("/")
    if not stroke:
        raise NotBelieved("not_a_ratio", f"a split must be written new/old; got {wire.split!r}.")
    if days is None:
        return None
    ex_date = within(day(wire.date), *days)
    return Split(source_symbol=symbol(name), ex_date=ex_date, shares_new=number(new), shares_old=number(old))


def _quote(row: QuoteRow, asked: Mapping[str, str], code: str, units: float) -> Quote | None:
    """Return the price now; None for a symbol that was not asked for, and for one that is dead: "NA" throughout."""
    try:
        price = _in_units(row.close, units)
        if row.code not in asked or price is None or price <= 0:
            return None
        return Quote(
            source_symbol=asked[row.code],
            quoted_at=instant(row.timestamp),
            price=price,
            open=_in_units(row.open, units),
            high=_in_units(row.high, units),
            low=_in_units(row.low, units),
            previous_close=_in_units(row.previousClose, units),
            volume=count(row.volume),
            currency_code=code,
        )
    except NotBelieved:
        return None


def _article(wire: Article, days: tuple[dt.date, dt.date] | None) -> NewsArticle | None:
    published = moment(wire.date)
    if days is None:
        return None
    within(published.date(), *days)
    polarity = number(wire.sentiment.polarity) if wire.sentiment else None
    if polarity is not None and not -1 <= polarity <= 1:
        raise NotBelieved("not_a_polarity", f"polarity must lie between -1 and 1; got {polarity}.")
    return NewsArticle(
        source_article_id=wire.link,
        published_at=published,
        title=text(wire.title) or "",
        url=text(wire.link),
        source_symbols=msgspec.json.encode([text(name) for name in wire.symbols or []]).decode(),
        sentiment=polarity,
        sentiment_by=None if polarity is None else "eodhd polarity",
    )


def _rate(wire: Bar, pair: str, days: tuple[dt.date, dt.date] | None) -> FxRate | None:
    if wire.warning is not None:
        raise NotBelieved("limited_by_plan", wire.warning)
    rate = number(wire.close)
    if days is None:
        return None
    if rate is None or rate <= 0:
        raise NotBelieved("non_positive_price", f"a rate must be above 0; got {wire.close!r}.")
    rate_date = within(day(wire.date), *days)
    return FxRate(base_currency_code=pair[:3], quote_currency_code=pair[3:], rate_date=rate_date, rate=rate)


def _statements(
    answer: Fundamentals, name: str, days: tuple[dt.date, dt.date] | None, gathering: Gathering
) -> Iterator[Fundamental]:
    """Put the three statements of each period together; what cannot be read is refused by itself."""
    if days is None or not isinstance(answer.Financials, dict):
        return
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for part, figures in _FIGURES.items():
        kept: Any = _decoded(answer.Financials.get(part))
        for key, statement in (("quarterly", "quarterly"), ("yearly", "annual")):
            periods = kept.get(key) if isinstance(kept, dict) else None
            for row in periods.values() if isinstance(periods, dict) else []:
                if isinstance(row, dict):
                    row.setdefault("currency_symbol", kept.get("currency_symbol"))
                    _take_statement(row, (name, part, statement), figures, found, gathering)
    for (statement, _), known in found.items():
        filed, period_end = known.pop("filed_date"), known["period_end_date"]
        # Where the filing day is the period's end, as in all old rows, it is no evidence of a filing.
        is_filing = filed is not None and (filed - period_end).days > _SHORTEST_FILING_DAYS
        published = filed if is_filing else period_end + dt.timedelta(days=90)
        if days[0] <= published <= days[1]:
            kind: Any = statement
            yield Fundamental(source_symbol=name, statement=kind, filed_date=filed if is_filing else None, **known)


def _take_statement(
    row: dict[str, Any],
    about: tuple[str, str, str],
    figures: Mapping[str, str],
    found: dict[tuple[str, str], dict[str, Any]],
    gathering: Gathering,
) -> None:
    name, part, statement = about

    def make(row: dict[str, Any]) -> None:
        period_end, code = day(row.get("date")), currency(row.get("currency_symbol"))[0]
        values = {ours: number(row.get(theirs)) for ours, theirs in figures.items()}
        if values.get("capex") is not None:
            values["capex"] = -abs(values["capex"] or 0.0)
        known = found.setdefault(
            (statement, str(period_end)),
            {"period_end_date": period_end, "currency_code": code, "filed_date": None},
        )
        if known["currency_code"] != code:
            raise NotBelieved("another_currency", "the three statements of a period must share a currency.")
        filed = maybe_day(row.get("filing_date"))
        latest = max(filter(None, (filed, known["filed_date"])), default=None)
        known.update({**values, "filed_date": latest})

    gathering.add(row, make, about=f"{name}|{part}")


def _decoded(raw: msgspec.Raw | None) -> object:
    return None if raw is None else msgspec.json.decode(raw)


def _in_units(given: Number, units: float) -> float | None:
    found = number(given)
    return None if found is None else found / units
