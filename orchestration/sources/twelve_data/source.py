"""Twelve Data: one symbol at a time, credits by the minute, numbers as text.

What its answers do and its documentation does not say: errors come with status 200 as well; several symbols are keyed
by symbol and a single one is not; the end of a range may or may not be part of it; a split's `ratio` is the factor of
the price; a statement's `year` may be off by one; a ticker without a venue may be another company's.
"""

import datetime as dt
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, ClassVar, TypeVar

import msgspec

from orchestration.sources.answers import Answer, Verdict, by_status, next_day, next_minute, verdict
from orchestration.sources.credentials import Credential
from orchestration.sources.errors import Kind
from orchestration.sources.ledger import Plan
from orchestration.sources.records import (
    Batch,
    BenchmarkBar,
    DailyBar,
    Dividend,
    Fundamental,
    FxRate,
    Instrument,
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
    instant,
    moment,
    number,
    rows_of,
    symbol,
    text,
    within,
)

W = TypeVar("W")
# Credits of a request, for each symbol of it.
CREDITS: Mapping[str, int] = {
    "/time_series": 1,
    "/quote": 1,
    "/stocks": 1,
    "/dividends": 20,
    "/splits": 20,
    "/income_statement": 100,
    "/balance_sheet": 100,
    "/cash_flow": 100,
    "/press_releases": 50,
}
_BATCH = 8
_NOTHING = msgspec.Raw(b"null")
_NO_DATA = re.compile(r"no data is available", re.IGNORECASE)
_TODAY = re.compile(r"for the day|daily", re.IGNORECASE)
_PLAN = re.compile(r"available exclusively|not available with your|upgrad|request_access", re.IGNORECASE)
_UNKNOWN = re.compile(r"not found|is missing or invalid", re.IGNORECASE)
_VENUES = {"XNYS": ("XNYS", "XNAS", "XASE", "ARCX", "BATS"), "XASX": ("XASX",), "XSTO": ("XSTO",)}
_TYPES = frozenset({"Common Stock", "American Depositary Receipt", "Depositary Receipt"})


class _Error(msgspec.Struct):
    code: int | str | None = None
    message: str | None = None
    status: str | None = None


class Meta(msgspec.Struct):
    """What an answer is about."""

    symbol: str | None = None
    interval: str | None = None
    currency: str | None = None
    mic_code: str | None = None
    currency_base: str | None = None
    currency_quote: str | None = None


class Series(msgspec.Struct):
    """Bars of one symbol."""

    meta: Meta
    values: msgspec.Raw = _NOTHING
    status: str | None = None


class Value(msgspec.Struct):
    """A bar; numbers are text."""

    datetime: str
    open: Number = None
    high: Number = None
    low: Number = None
    close: Number = None
    volume: Number = None


class Listed(msgspec.Struct):
    """An instrument on one venue."""

    symbol: str
    name: str | None = None
    currency: str | None = None
    mic_code: str | None = None
    country: str | None = None
    type: str | None = None
    figi_code: str | None = None
    isin: str | None = None


class ListAnswer(msgspec.Struct):
    """A list of instruments, whole."""

    data: msgspec.Raw = _NOTHING


class DividendRow(msgspec.Struct):
    """A dividend: ex-date and amount alone."""

    ex_date: str
    amount: Number = None


class SplitRow(msgspec.Struct):
    """A split: `from_factor` new shares for `to_factor` old ones; `ratio` is to over from."""

    date: str
    from_factor: Number = None
    to_factor: Number = None
    ratio: Number = None


class Events(msgspec.Struct):
    """Dividends or splits of a symbol."""

    meta: Meta
    dividends: msgspec.Raw = _NOTHING
    splits: msgspec.Raw = _NOTHING


class Statements(msgspec.Struct):
    """One kind of statement of a symbol; rows are nested, as many levels as they like."""

    meta: Meta
    income_statement: msgspec.Raw = _NOTHING
    balance_sheet: msgspec.Raw = _NOTHING
    cash_flow: msgspec.Raw = _NOTHING


class QuoteRow(msgspec.Struct):
    """A price now; numbers are text."""

    symbol: str
    close: Number = None
    open: Number = None
    high: Number = None
    low: Number = None
    volume: Number = None
    previous_close: Number = None
    currency: str | None = None
    timestamp: Number = None
    last_quote_at: Number = None


class Release(msgspec.Struct):
    """A press release."""

    id: str | int
    datetime: str
    title: str


class Releases(msgspec.Struct):
    """Press releases of a symbol."""

    press_releases: msgspec.Raw = _NOTHING


# Our figure, and where it stands in the vendor's nested rows.
_FIGURES: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "income_statement": {
        "revenue": ("sales",),
        "cost_of_revenue": ("cost_of_goods",),
        "gross_profit": ("gross_profit",),
        "operating_income": ("operating_income",),
        "net_income": ("net_income",),
        "eps": ("eps_diluted",),
        "shares_outstanding": ("basic_shares_outstanding",),
        "interest_expense": ("non_operating_interest", "expense"),
    },
    "balance_sheet": {
        "total_assets": ("assets", "total_assets"),
        "current_assets": ("assets", "current_assets", "total_current_assets"),
        "cash": ("assets", "current_assets", "cash_and_cash_equivalents"),
        "total_liabilities": ("liabilities", "total_liabilities"),
        "current_liabilities": ("liabilities", "current_liabilities", "total_current_liabilities"),
        "short_term_debt": ("liabilities", "current_liabilities", "short_term_debt"),
        "long_term_debt": ("liabilities", "non_current_liabilities", "long_term_debt"),
        "total_equity": ("shareholders_equity", "total_shareholders_equity"),
    },
    "cash_flow": {
        "operating_cash_flow": ("operating_activities", "operating_cash_flow"),
        "depreciation": ("operating_activities", "depreciation"),
        "capex": ("investing_activities", "capital_expenditures"),
    },
}


def judge(answer: Answer, now: dt.datetime) -> Verdict | None:
    """Tell errors from answers by the body alone where it has one: status 200 says nothing, and neither does 400."""
    error = _error_of(answer)
    if error is None or error.status != "error":
        return by_status(answer, now)
    message = error.message or ""
    code = int(error.code or 0) if str(error.code).isdecimal() else answer.status
    if _NO_DATA.search(message):
        return Verdict(Kind.EMPTY, message)
    if code == 429:
        is_day = bool(_TODAY.search(message))
        retry_at = next_day(now) if is_day else next_minute(now)
        return Verdict(Kind.QUOTA_DAY if is_day else Kind.QUOTA_MINUTE, f"429 {message}", retry_at)
    if _PLAN.search(message):
        return Verdict(Kind.ENTITLEMENT, message)
    if code in (400, 404) and _UNKNOWN.search(message):
        return Verdict(Kind.NOT_FOUND, message)
    coded = by_status(answer._replace(status=code), now)
    return verdict(coded.kind if coded else Kind.BAD_REQUEST, answer._replace(status=code), now, message)


def _error_of(answer: Answer) -> _Error | None:
    if not answer.may_be_error:
        return None
    try:
        return msgspec.json.decode(answer.body, type=_Error)
    except (msgspec.DecodeError, RecursionError):
        return None


def remaining(headers: Mapping[str, str]) -> tuple[int | None, int | None]:
    """Read what is left of the minute."""
    given = headers.get("api-credits-left", "")
    return (int(given) if given.isdecimal() and given.isascii() else None), None


class TwelveDataSource(VendorSource):
    """Shares of the home exchange, a symbol at a time, prices as traded."""

    name: ClassVar[str] = "twelve_data"
    label: ClassVar[str] = "Shares from Twelve Data, as traded."
    plans: ClassVar = {
        "basic": Plan("basic", per_minute=8, per_day=800),
        "grow": Plan("grow", per_minute=55),
        "grow_144": Plan("grow_144", per_minute=144),
        "grow_377": Plan("grow_377", per_minute=377),
        "pro": Plan("pro", per_minute=610),
        "pro_987": Plan("pro_987", per_minute=987),
        "pro_1597": Plan("pro_1597", per_minute=1597),
    }

    def vendor(self, options: VendorOptions) -> Vendor:
        """See `VendorSource`."""
        return Vendor(
            name=self.name,
            base_url=options.base_url or "https://api.twelvedata.com",
            credential=Credential(options.api_key, header="authorization", scheme="apikey"),
            plan=self.plan,
            judge=judge,
            remaining=remaining,
        )

    def instruments(self) -> Iterator[Batch]:
        """Shares of the home exchange's venues; funds and rights are other lists."""
        for venue in _VENUES.get(self._calendar.code, (self._calendar.code,)):
            gathering = Gathering(Instrument, "instruments")
            for row in self.transport.fetch(Call("/stocks", _listed, {"mic_code": venue})) or []:
                gathering.add(row, lambda wire, venue=venue: self._instrument(wire, venue), about=venue)  # type: ignore[misc]
            yield gathering.batch()

    def daily_bars(self, first_date: dt.date, last_date: dt.date) -> Iterator[Batch]:
        """Bars of the tickers in the settings, those first that come first there."""
        yield from self.ticker_bars(self._options.symbols, first_date, last_date)

    def ticker_bars(self, symbols: Sequence[str], first_date: dt.date, last_date: dt.date) -> Iterator[Batch]:
        """Bars of some tickers, oldest first."""
        gathering = Gathering(DailyBar, "daily_bars")

        def take(asked: str, answer: tuple[Series, list[Value | bytes]]) -> None:
            for row in self._believed(asked, answer, gathering):
                gathering.add(row, lambda wire: self._bar(wire, asked, answer[0].meta, sessions), about=asked)

        sessions = self._sessions(first_date, last_date)
        if sessions:
            calls = ((name, self._series(self._about(name), sessions[0], sessions[-1])) for name in symbols)
            yield from self._by_symbol(calls, gathering, take)

    def benchmark_bars(self, first_date: dt.date, last_date: dt.date) -> Iterator[Batch]:
        """Bars of the fund that stands for the market."""
        gathering = Gathering(BenchmarkBar, "benchmark_bars")

        def take(asked: str, answer: tuple[Series, list[Value | bytes]]) -> None:
            for row in self._believed(asked, answer, gathering):
                gathering.add(
                    row, lambda wire: _benchmark(self._bar(wire, asked, answer[0].meta, sessions)), about=asked
                )

        sessions = self._sessions(first_date, last_date)
        if sessions:
            name = self._options.benchmark
            yield from self._by_symbol(
                [(name, self._series(self._about(name), sessions[0], sessions[-1]))], gathering, take
            )

    def dividends(self, first_date: dt.date, last_date: dt.date) -> Iterator[Batch]:
        """Dividends of the tickers in the settings; without a day of declaration or payment."""
        gathering = Gathering(Dividend, "dividends")

        def take(asked: str, answer: tuple[Events, list[DividendRow | bytes]]) -> None:
            code = answer[0].meta.currency

            def make(wire: DividendRow) -> Dividend | None:
                ex_date, (iso, units) = day(wire.ex_date), currency(code)
                if days is None or not days[0] <= ex_date <= days[1]:
                    return None  # more is asked for than is wanted, see `_ends`
                amount = number(wire.amount)
                paid = None if amount is None else amount / units
                return Dividend(source_symbol=asked, ex_date=ex_date, amount=paid, currency_code=iso)

            for row in answer[1]:
                gathering.add(row, make, about=asked)

        days = self._days(first_date, last_date)
        if days is not None:
            # Amounts are asked for as declared; the default divides them by later splits.
            calls = self._calls("/dividends", _dividends, days)
            unadjusted = (
                (name, call._replace(parameters={**call.parameters, "adjust": "false"})) for name, call in calls
            )
            yield from self._by_symbol(unadjusted, gathering, take)

    def splits(self, first_date: dt.date, last_date: dt.date) -> Iterator[Batch]:
        """Splits of the tickers in the settings."""
        gathering = Gathering(Split, "splits")

        def take(asked: str, answer: tuple[Events, list[SplitRow | bytes]]) -> None:
            for row in answer[1]:
                gathering.add(row, lambda wire: _split(wire, asked, days), about=asked)

        days = self._days(first_date, last_date)
        if days is not None:
            yield from self._by_symbol(self._calls("/splits", _splits, days), gathering, take)

    def fundamentals(self, first_date: dt.date, last_date: dt.date) -> Iterator[Batch]:
        """Statements of the tickers in the settings; without a filing day, so 90 days after the period's end."""
        days = self._days(first_date, last_date)
        if days is None:
            return
        periods = tuple(d - dt.timedelta(days=90) for d in days)
        for statement in ("annual", "quarterly"):
            for name in self._options.symbols:
                yield from self._statements(name, statement, (periods[0], periods[1]))

    def quotes(self, symbols: Sequence[str] | None, now: dt.datetime) -> list[Quote]:
        """Prices now, some symbols in each request; a credit for each symbol."""
        names = list(self._options.symbols if symbols is None else symbols)
        found: list[Quote] = []
        for group in (names[i : i + _BATCH] for i in range(0, len(names), _BATCH)):
            call = Call("/quote", _keyed(group), {"symbol": ",".join(group)}, cost=len(group))
            for row in self.transport.fetch(call) or []:
                if isinstance(row, QuoteRow) and (quote := _quote(row, group)) is not None:
                    found.append(quote)
        return found

    def news_articles(self, first_date: dt.date, last_date: dt.date) -> Iterator[Batch]:
        """Press releases of the tickers in the settings."""
        gathering = Gathering(NewsArticle, "news_articles")

        def take(asked: str, answer: list[Release | bytes]) -> None:
            for row in answer:
                gathering.add(row, lambda wire: _article(wire, asked, days), about=asked)

        days = self._days(first_date, last_date)
        if days is not None:
            yield from self._by_symbol(self._calls("/press_releases", _releases, days), gathering, take)

    def fx_rates(self, first_date: dt.date, last_date: dt.date) -> Iterator[Batch]:
        """Last rates of the euro, the pound and the krona against the dollar."""
        days = self._days(first_date, last_date)
        if days is None:
            return
        gathering = Gathering(FxRate, "fx_rates")

        def take(asked: str, answer: tuple[Series, list[Value | bytes]]) -> None:
            for row in self._believed(asked, answer, gathering):
                gathering.add(row, lambda wire: _rate(wire, asked, days), about=asked)

        pairs = ("EUR/USD", "GBP/USD", "USD/SEK")
        yield from self._by_symbol(((pair, self._series({"symbol": pair}, *days)) for pair in pairs), gathering, take)

    @cached_property
    def _venues(self) -> Mapping[str, str]:
        """Venue of each symbol: without it the vendor picks one, which may list another company under the ticker."""
        rows = [row for batch in self.instruments() for row in batch.rows.to_pylist()]
        return {row["source_symbol"]: row["exchange_code"] for row in rows}

    def _about(self, name: str) -> dict[str, str]:
        venue = self._venues.get(name)
        return {"symbol": name} if venue is None else {"symbol": name, "mic_code": venue}

    def _series(self, about: Mapping[str, str], first: dt.date, last: dt.date) -> Call[Any]:
        asked = {"interval": "1day", "order": "asc", "outputsize": "5000", "adjust": "none"}
        return Call("/time_series", _series, {**about, **asked, **_ends(first, last)})

    def _calls(
        self, path: str, decode: Callable[[bytes], Any], days: tuple[dt.date, dt.date]
    ) -> Iterator[tuple[str, Call[Any]]]:
        for name in self._options.symbols:
            yield name, Call(path, decode, {**self._about(name), **_ends(*days)}, cost=CREDITS[path])

    def _instrument(self, wire: Listed, venue: str) -> Instrument | None:
        name = symbol(wire.symbol)
        if wire.type not in _TYPES or not self._wanted(name):
            return None
        if wire.mic_code not in (None, venue):
            raise NotBelieved("another_exchange", f"the venue must be {venue}, as asked; got {wire.mic_code!r}.")
        isin = text(wire.isin)
        return Instrument(
            source_symbol=name,
            ticker=self._canonical(name),
            stable_id=text(wire.figi_code),
            name=text(wire.name),
            exchange_code=venue,
            market="stocks",
            currency_code=currency(wire.currency)[0],
            country_code=text(wire.country),
            metadata=msgspec.json.encode(
                {"type": wire.type, **({"isin": isin} if isin and isin.isalnum() else {})}
            ).decode(),
        )

    def _believed(
        self, asked: str, answer: tuple[Series, list[Value | bytes]], gathering: Gathering
    ) -> list[Value | bytes]:
        """Return the rows of an answer to the question that was asked, oldest first, each once."""
        meta, rows = answer[0].meta, answer[1]
        told = {"symbol": meta.symbol, "interval": meta.interval, "rows": len(rows)}
        if meta.symbol != asked:
            detail = f"the answer must be about {asked!r}, as asked; it is about {meta.symbol!r}."
            gathering.refuse(asked, "another_symbol", detail, told)
            return []
        known = (*_VENUES.get(self._calendar.code, (self._calendar.code,)), None)
        if meta.mic_code not in known:
            detail = f"the venue must be one of the home exchange's; it is {meta.mic_code!r}."
            gathering.refuse(asked, "another_exchange", detail, told)
            return []
        if meta.interval != "1day":
            detail = f"bars must be of a day, as asked; they are of {meta.interval!r}."
            gathering.refuse(asked, "another_interval", detail, told)
            return []
        return sorted(rows, key=lambda row: "" if isinstance(row, bytes) else row.datetime)

    def _bar(self, wire: Value, name: str, meta: Meta, sessions: list[dt.date]) -> DailyBar | None:
        date = day(wire.datetime)
        if date == _after(sessions[-1]):
            return None  # the day more that was asked for
        if date not in sessions:
            raise NotBelieved("another_day", f"the bar must be of {sessions[0]} to {sessions[-1]}; got {date}.")
        code, units = currency(meta.currency)
        prices = {field: _in_units(getattr(wire, field), units) for field in ("open", "high", "low", "close")}
        return DailyBar(
            source_symbol=symbol(name),
            trade_date=date,
            volume=count(wire.volume),
            currency_code=code,
            adjustment="none",
            **prices,
        )

    def _statements(self, name: str, statement: str, periods: tuple[dt.date, dt.date]) -> Iterator[Batch]:
        gathering = Gathering(Fundamental, "fundamentals")
        found: dict[dt.date, dict[str, Any]] = {}

        def take(part: str, answer: tuple[Statements, list[dict[str, Any] | bytes]]) -> None:
            code = answer[0].meta.currency

            def make(row: dict[str, Any]) -> None:
                period_end = day(row.get("fiscal_date"))
                if not periods[0] <= period_end <= periods[1]:
                    return
                figures: dict[str, Any] = {"currency_code": currency(code)[0]}
                figures |= {ours: number(_at(row, path)) for ours, path in _FIGURES[part].items()}
                known = found.setdefault(period_end, {"currency_code": figures["currency_code"]})
                if known["currency_code"] != figures["currency_code"]:
                    raise NotBelieved("another_currency", "the three statements of a period must share a currency.")
                if figures.get("capex") is not None:
                    figures["capex"] = -abs(figures["capex"])  # spent, whatever its sign
                known.update(figures)

            for row in answer[1]:
                gathering.add(row, make, about=f"{name}|{part}")

        period = "annual" if statement == "annual" else "quarterly"
        about = {**self._about(name), "period": period}
        calls = ((p, Call(f"/{p}", _statements_of(p), about, cost=CREDITS[f"/{p}"])) for p in _FIGURES)
        yield from self._by_symbol(calls, gathering, take)
        for period_end, figures in sorted(found.items()):
            # The vendor's `year` is a label of its own and left alone: period ends are what can be relied on.
            made = Fundamental(source_symbol=name, statement=period, period_end_date=period_end, **figures)  # type: ignore[arg-type]
            gathering.add(made, lambda record: record, about=name)
        yield gathering.batch()


def _series(body: bytes) -> tuple[Series, list[Value | bytes]]:
    series = json_of(Series)(body)
    return series, rows_of(series.values, Value)


def _listed(body: bytes) -> list[Listed | bytes]:
    return rows_of(json_of(ListAnswer)(body).data, Listed)


def _dividends(body: bytes) -> tuple[Events, list[DividendRow | bytes]]:
    events = json_of(Events)(body)
    return events, rows_of(events.dividends, DividendRow)


def _splits(body: bytes) -> tuple[Events, list[SplitRow | bytes]]:
    events = json_of(Events)(body)
    return events, rows_of(events.splits, SplitRow)


def _releases(body: bytes) -> list[Release | bytes]:
    return rows_of(json_of(Releases)(body).press_releases, Release)


def _statements_of(part: str) -> Callable[[bytes], tuple[Statements, list[dict[str, Any] | bytes]]]:
    def decode(body: bytes) -> tuple[Statements, list[dict[str, Any] | bytes]]:
        statements = json_of(Statements)(body)
        return statements, rows_of(getattr(statements, part), dict[str, Any])

    return decode


def _keyed(asked: Sequence[str]) -> Callable[[bytes], list[QuoteRow | bytes]]:
    """Return a decoder of quotes: keyed by symbol where several were asked for, bare where it was one."""

    def decode(body: bytes) -> list[QuoteRow | bytes]:
        if len(asked) == 1:
            return rows_of(b"[" + body + b"]", QuoteRow)
        rows = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
        return [row for key, raw in rows.items() if key in asked for row in rows_of(b"[" + bytes(raw) + b"]", QuoteRow)]

    return decode


def _quote(row: QuoteRow, asked: Sequence[str]) -> Quote | None:
    """Return the price now; None for a symbol that was not asked for, and where what is said cannot be read."""
    try:
        code, units = currency(row.currency)
        price = _in_units(row.close, units)
        if row.symbol not in asked or price is None or price <= 0:
            return None
        return Quote(
            source_symbol=symbol(row.symbol),
            quoted_at=instant(row.last_quote_at if row.last_quote_at is not None else row.timestamp),
            price=price,
            open=_in_units(row.open, units),
            high=_in_units(row.high, units),
            low=_in_units(row.low, units),
            previous_close=_in_units(row.previous_close, units),
            volume=count(row.volume),
            currency_code=code,
        )
    except NotBelieved:
        return None


def _split(wire: SplitRow, name: str, days: tuple[dt.date, dt.date] | None) -> Split | None:
    ex_date = day(wire.date)
    if days is None or not days[0] <= ex_date <= days[1]:
        return None
    new, old, ratio = number(wire.from_factor), number(wire.to_factor), number(wire.ratio)
    if new and old and ratio and abs(ratio - old / new) > 0.01 * abs(ratio):
        detail = f"ratio must be to over from, as the price goes; got ratio {ratio}, from {new}, to {old}."
        raise NotBelieved("contradicting_ratio", detail)
    return Split(source_symbol=symbol(name), ex_date=ex_date, shares_new=new, shares_old=old)


def _article(wire: Release, name: str, days: tuple[dt.date, dt.date] | None) -> NewsArticle | None:
    published = moment(wire.datetime)
    if days is None or not days[0] <= published.date() <= days[1]:
        return None
    return NewsArticle(
        source_article_id=text(wire.id) or "",
        published_at=published,
        title=text(wire.title) or "",
        source_symbols=msgspec.json.encode([name]).decode(),
    )


def _rate(wire: Value, pair: str, days: tuple[dt.date, dt.date]) -> FxRate | None:
    date = day(wire.datetime)
    if date == _after(days[1]):
        return None
    rate, (base, quoted) = number(wire.close), pair.split("/")
    if rate is None or rate <= 0:
        raise NotBelieved("non_positive_price", f"a rate must be above 0; got {wire.close!r}.")
    return FxRate(base_currency_code=base, quote_currency_code=quoted, rate_date=within(date, *days), rate=rate)


def _benchmark(bar: DailyBar | None) -> BenchmarkBar | None:
    if bar is None:
        return None
    known = msgspec.structs.asdict(bar)
    del known["adjustment"]
    return BenchmarkBar(**known)


def _in_units(given: Number, units: float) -> float | None:
    found = number(given)
    return None if found is None else found / units


def _at(row: Mapping[str, Any], path: tuple[str, ...]) -> object:
    value: Any = row
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _ends(first: dt.date, last: dt.date) -> dict[str, str]:
    # An end without a time of day is part of the range or not, depending on whom one asks: a day more is asked for.
    return {"start_date": str(first), "end_date": str(_after(last))}


def _after(date: dt.date) -> dt.date:
    return date + dt.timedelta(days=1)
