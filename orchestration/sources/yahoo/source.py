"""Yahoo Finance: a fallback without a contract, off unless the plan says `personal`.

What its answers do: a bar is stamped with the opening of its session, so its day is that of the exchange's zone; a long
range may come back in months although days were asked for; prices are adjusted for splits; the last row of today is a
trade and no bar; a wrong cookie is a 401, a page in HTML may come with status 200.
"""

import datetime as dt
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, ClassVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from orchestration.sources.answers import Answer, Verdict, by_status, verdict
from orchestration.sources.credentials import Credential
from orchestration.sources.errors import Kind, OptionOutOfRange
from orchestration.sources.ledger import Plan
from orchestration.sources.records import Batch, BenchmarkBar, DailyBar, Dividend, FxRate, Split
from orchestration.sources.transport import Call, Vendor
from orchestration.sources.vendor import VendorOptions, VendorSource, json_of
from orchestration.sources.wire import (
    Gathering,
    NotBelieved,
    Number,
    count,
    currency,
    instant,
    local_day,
    number,
    symbol,
)

_SUFFIXES = {"XSTO": ".ST", "XASX": ".AX", "XLON": ".L", "XOSL": ".OL", "XCSE": ".CO", "XHEL": ".HE"}
_PAIRS = ("EURUSD", "GBPUSD", "USDSEK")
_CLOSING = dt.timedelta(hours=1)


class Meta(msgspec.Struct):
    """What an answer is about."""

    symbol: str | None = None
    currency: str | None = None
    exchangeTimezoneName: str | None = None
    dataGranularity: str | None = None
    priceHint: int | None = None


class DividendEvent(msgspec.Struct):
    """A dividend, divided by later splits; the inner `date` is the ex-date, the key may be another."""

    date: Number
    amount: Number = None
    currency: str | None = None


class SplitEvent(msgspec.Struct):
    """A split: `numerator` new shares for `denominator` old ones."""

    date: Number
    numerator: Number = None
    denominator: Number = None


class Events(msgspec.Struct):
    """Events of a range, by key."""

    dividends: dict[str, DividendEvent] = {}
    splits: dict[str, SplitEvent] = {}


class Prices(msgspec.Struct):
    """Columns of a range; a whole column may be missing, and so may any entry."""

    open: list[Number] | None = None
    high: list[Number] | None = None
    low: list[Number] | None = None
    close: list[Number] | None = None
    volume: list[Number] | None = None


class Indicators(msgspec.Struct, frozen=True):
    """The columns, in a list of one."""

    quote: list[Prices | None] = []


class Result(msgspec.Struct):
    """A range of one symbol; `timestamp` is absent where there is nothing."""

    meta: Meta
    timestamp: list[Number] = []
    indicators: Indicators = Indicators()
    events: Events | None = None


class Chart(msgspec.Struct):
    """The inner envelope."""

    result: list[Result] | None = None


class ChartAnswer(msgspec.Struct):
    """The envelope."""

    chart: Chart


class _Fault(msgspec.Struct):
    code: str | None = None
    description: str | None = None


class _Part(msgspec.Struct):
    error: _Fault | None = None


class _Error(msgspec.Struct):
    chart: _Part | None = None
    finance: _Part | None = None


class Row(msgspec.Struct):
    """A day out of the columns."""

    at: Number
    open: Number
    high: Number
    low: Number
    close: Number
    volume: Number


def judge(answer: Answer, now: dt.datetime) -> Verdict | None:
    """Tell errors from answers by the error in the body, then by the status; 429 here means a long pause."""
    if answer.status == 429 or answer.body[:40].strip() == b"Too Many Requests":
        return Verdict(Kind.QUOTA_DAY, f"429 {answer.text}", now + dt.timedelta(hours=1))
    fault = _fault_of(answer)
    if fault is None:
        return by_status(answer, now)
    kinds = {"Not Found": Kind.NOT_FOUND, "Unauthorized": Kind.AUTH}
    return verdict(kinds.get(fault.code or "", Kind.BAD_REQUEST), answer, now, fault.description or "")


def _fault_of(answer: Answer) -> _Fault | None:
    if not answer.may_be_error:
        return None
    try:
        found = msgspec.json.decode(answer.body, type=_Error)
    except (msgspec.DecodeError, RecursionError):
        return None
    part = found.chart or found.finance
    return None if part is None else part.error


class YahooSource(VendorSource):
    """Daily prices of the tickers in the settings, adjusted for splits."""

    name: ClassVar[str] = "yahoo"
    label: ClassVar[str] = "Prices from Yahoo Finance, for personal use alone, adjusted for splits."
    plans: ClassVar = {"personal": Plan("personal", per_minute=30, per_day=2000, spacing_seconds=2.0)}
    needs_key: ClassVar[bool] = False

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
            judge=judge,
        )

    def daily_bars(self, first_date: dt.date, last_date: dt.date) -> Iterator[Batch]:
        """Bars of the tickers in the settings."""
        yield from self.ticker_bars(self._options.symbols, first_date, last_date)

    def ticker_bars(self, symbols: Sequence[str], first_date: dt.date, last_date: dt.date) -> Iterator[Batch]:
        """Bars of some tickers, adjusted for splits."""
        sessions = self._sessions(first_date, last_date)
        gathering = Gathering(DailyBar, "daily_bars")

        def take(asked: str, result: Result) -> None:
            for row in _rows_of(asked, result, gathering):
                gathering.add(row, lambda wire: self._bar(wire, asked, result.meta, sessions), about=asked)

        if sessions:
            yield from self._by_symbol(self._calls(symbols, (sessions[0], sessions[-1])), gathering, take)

    def benchmark_bars(self, first_date: dt.date, last_date: dt.date) -> Iterator[Batch]:
        """Bars of the fund that stands for the market."""
        sessions = self._sessions(first_date, last_date)
        gathering = Gathering(BenchmarkBar, "benchmark_bars")

        def take(asked: str, result: Result) -> None:
            for row in _rows_of(asked, result, gathering):
                gathering.add(row, lambda wire: _benchmark(self._bar(wire, asked, result.meta, sessions)), about=asked)

        if sessions:
            days = (sessions[0], sessions[-1])
            yield from self._by_symbol(self._calls([self._options.benchmark], days), gathering, take)

    def dividends(self, first_date: dt.date, last_date: dt.date) -> Iterator[Batch]:
        """Dividends of the tickers in the settings, given back as they were declared."""
        days = self._days(first_date, last_date)
        if days is None:
            return
        window, gathering = days, Gathering(Dividend, "dividends")

        def take(asked: str, result: Result) -> None:
            zone, events = _zone_of(asked, result, gathering), result.events or Events()
            if zone is not None:
                make = partial(_dividend, name=asked, meta=result.meta, events=events, zone=zone, days=window)
                for event in events.dividends.values():
                    gathering.add(event, make, about=asked)

        # Amounts are divided by every split up to today: those after the window are needed to undo that.
        calls = self._calls(self._options.symbols, (days[0], self._now().date()))
        yield from self._by_symbol(calls, gathering, take)

    def splits(self, first_date: dt.date, last_date: dt.date) -> Iterator[Batch]:
        """Splits of the tickers in the settings."""
        days = self._days(first_date, last_date)
        if days is None:
            return
        window, gathering = days, Gathering(Split, "splits")

        def take(asked: str, result: Result) -> None:
            zone = _zone_of(asked, result, gathering)
            if zone is not None:
                for event in (result.events or Events()).splits.values():
                    gathering.add(event, partial(_split, name=asked, zone=zone, days=window), about=asked)

        yield from self._by_symbol(self._calls(self._options.symbols, days), gathering, take)

    def fx_rates(self, first_date: dt.date, last_date: dt.date) -> Iterator[Batch]:
        """Last rates of the euro, the pound and the krona against the dollar."""
        days = self._days(first_date, last_date)
        if days is None:
            return
        window, gathering = days, Gathering(FxRate, "fx_rates")

        def take(asked: str, result: Result) -> None:
            zone = _zone_of(asked, result, gathering)
            if zone is not None:
                for row in _rows_of(asked, result, gathering):
                    gathering.add(row, partial(_rate, pair=asked, zone=zone, days=window), about=asked)

        calls = [(pair, self._call(f"{pair}=X", days)) for pair in _PAIRS]
        yield from self._by_symbol(calls, gathering, take)

    def _calls(self, names: Sequence[str], days: tuple[dt.date, dt.date]) -> Iterator[tuple[str, Call[Result]]]:
        suffix = _SUFFIXES.get(self._calendar.code, "")
        for name in names:
            yield name, self._call(f"{name.replace('.', '-')}{suffix}", days)

    def _call(self, spelt: str, days: tuple[dt.date, dt.date]) -> Call[Result]:
        # The end is exclusive, and days begin in another zone than ours: a day more on both sides, cut off again later.
        first, last = days[0] - dt.timedelta(days=1), days[1] + dt.timedelta(days=2)
        ends = {name: str(int(_midnight(d).timestamp())) for name, d in (("period1", first), ("period2", last))}
        shape = {"interval": "1d", "events": "div,splits", "includePrePost": "false"}
        return Call(f"/v8/finance/chart/{spelt}", _result_of(spelt), {**ends, **shape})

    def _bar(self, row: Row, name: str, meta: Meta, sessions: list[dt.date]) -> DailyBar | None:
        at = instant(row.at)
        date = local_day(at, self._calendar.timezone)
        if date not in sessions or row.close is None:
            return None  # a day more on both sides was asked for; a day without a price is none
        if at >= self._calendar.close_at(date) - _CLOSING:
            raise NotBelieved("a_trade_and_no_bar", f"a bar is stamped with the opening of its session; got {at}.")
        code, units = currency(meta.currency)
        digits = meta.priceHint if meta.priceHint is not None and 0 <= meta.priceHint <= 8 else 4
        prices = {field: _rounded(getattr(row, field), units, digits) for field in ("open", "high", "low", "close")}
        return DailyBar(
            source_symbol=symbol(name),
            trade_date=date,
            volume=count(row.volume),
            currency_code=code,
            adjustment="splits",
            **prices,
        )


def _result_of(spelt: str) -> Any:
    """Return a decoder of the one result, which must be about what was asked for."""
    read = json_of(ChartAnswer)

    def decode(body: bytes) -> Result:
        results = read(body).chart.result or []
        if len(results) != 1 or results[0].meta.symbol != spelt:
            told = [result.meta.symbol for result in results]
            raise msgspec.ValidationError(f"Expected one result about {spelt}, got {told}")
        return results[0]

    return decode


def _rows_of(asked: str, result: Result, gathering: Gathering) -> list[Row]:
    """Return the days out of the columns, oldest first and each once; none if they are not days, or not as many."""
    if result.meta.dataGranularity != "1d":
        detail = f"bars must be of a day, as asked; they are of {result.meta.dataGranularity!r}."
        gathering.refuse(asked, "another_interval", detail, {"meta": msgspec.to_builtins(result.meta)})
        return []
    prices = next((found for found in result.indicators.quote if found is not None), Prices())
    columns = {name: getattr(prices, name) for name in Prices.__struct_fields__}
    n_rows = len(result.timestamp)
    lengths = {name: len(column) for name, column in columns.items() if column is not None}
    if any(length != n_rows for length in lengths.values()):
        detail = f"columns must be as long as the {n_rows} stamps; they are {lengths}."
        gathering.refuse(asked, "columns_of_other_lengths", detail, {"lengths": lengths, "stamps": n_rows})
        return []
    full = {name: column if column is not None else [None] * n_rows for name, column in columns.items()}
    return [
        Row(at, *(full[name][i] for name in ("open", "high", "low", "close", "volume")))
        for i, at in enumerate(result.timestamp)
    ]


def _zone_of(asked: str, result: Result, gathering: Gathering) -> ZoneInfo | None:
    name = result.meta.exchangeTimezoneName
    try:
        if name:
            return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        pass
    detail = f"the exchange's time zone must be known; got {name!r}."
    gathering.refuse(asked, "unknown_zone", detail, {"meta": msgspec.to_builtins(result.meta)})
    return None


def _dividend(
    event: DividendEvent, name: str, meta: Meta, events: Events, zone: ZoneInfo, days: tuple[dt.date, dt.date]
) -> Dividend | None:
    ex_date = local_day(instant(event.date), zone)
    if not days[0] <= ex_date <= days[1]:
        return None
    amount, (code, units) = number(event.amount), currency(event.currency or meta.currency)
    if amount is None:
        raise NotBelieved("missing_amount", f"a dividend must have an amount; got {event.amount!r}.")
    for split in events.splits.values():
        new, old = number(split.numerator), number(split.denominator)
        if local_day(instant(split.date), zone) > ex_date and new and old:
            amount *= new / old
    return Dividend(source_symbol=symbol(name), ex_date=ex_date, amount=amount / units, currency_code=code)


def _split(event: SplitEvent, name: str, zone: ZoneInfo, days: tuple[dt.date, dt.date]) -> Split | None:
    ex_date = local_day(instant(event.date), zone)
    if not days[0] <= ex_date <= days[1]:
        return None
    new, old = number(event.numerator), number(event.denominator)
    return Split(source_symbol=symbol(name), ex_date=ex_date, shares_new=new, shares_old=old)


def _rate(row: Row, pair: str, zone: ZoneInfo, days: tuple[dt.date, dt.date]) -> FxRate | None:
    date, rate = local_day(instant(row.at), zone), number(row.close)
    if not days[0] <= date <= days[1] or rate is None:
        return None
    if rate <= 0:
        raise NotBelieved("non_positive_price", f"a rate must be above 0; got {row.close!r}.")
    return FxRate(base_currency_code=pair[:3], quote_currency_code=pair[3:], rate_date=date, rate=rate)


def _benchmark(bar: DailyBar | None) -> BenchmarkBar | None:
    if bar is None:
        return None
    known = msgspec.structs.asdict(bar)
    del known["adjustment"]
    return BenchmarkBar(**known)


def _rounded(given: Number, units: float, digits: int) -> float | None:
    """Return a price without the noise of single precision, which these numbers have gone through."""
    found = number(given)
    return None if found is None else round(round(found, digits) / units, digits + 2)


def _midnight(date: dt.date) -> dt.datetime:
    return dt.datetime.combine(date, dt.time(), dt.UTC)
