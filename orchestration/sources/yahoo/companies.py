"""Prices now, and the statements of companies: a figure is an object, and its currency its own."""

import datetime as dt
from collections.abc import Iterator, Mapping
from typing import Any, Literal

import msgspec

from orchestration.sources.makers import quote, ratios_of, scaled, spent
from orchestration.sources.records import CompanyRatios, Fundamental, Quote, Turn
from orchestration.sources.wire import (
    NOTHING,
    Gathering,
    NotBelieved,
    Number,
    currency,
    day,
    instant,
    json_of,
    number,
    row_of,
    rows_of,
)

_PERIODS: Mapping[str, Literal["annual", "quarterly"]] = {"annual": "annual", "quarterly": "quarterly"}
# Our figure and the vendor's; capital expenditure is negative at both.
_FIGURES: Mapping[str, str] = {
    "revenue": "TotalRevenue",
    "cost_of_revenue": "CostOfRevenue",
    "gross_profit": "GrossProfit",
    "operating_income": "OperatingIncome",
    "net_income": "NetIncome",
    "eps": "DilutedEPS",
    "shares_outstanding": "OrdinarySharesNumber",
    "interest_expense": "InterestExpense",
    "total_assets": "TotalAssets",
    "total_liabilities": "TotalLiabilitiesNetMinorityInterest",
    "total_equity": "StockholdersEquity",
    "current_assets": "CurrentAssets",
    "current_liabilities": "CurrentLiabilities",
    "cash": "CashAndCashEquivalents",
    "short_term_debt": "CurrentDebt",
    "long_term_debt": "LongTermDebt",
    "operating_cash_flow": "OperatingCashFlow",
    "capex": "CapitalExpenditure",
    "depreciation": "ReconciledDepreciation",
}
_RATIOS: Mapping[str, str] = {
    "market_cap": "market_cap",
    "price_to_earnings": "trailing_p_e",
    "price_to_book": "price_to_book",
    "dividend_yield": "trailing_annual_dividend_yield",
}
_OURS = {f"{period}{theirs}": (period, ours) for period in _PERIODS for ours, theirs in _FIGURES.items()}
# What is asked for.
TYPES = ",".join(_OURS)
_REPORTING_LAG = dt.timedelta(days=90)
# A figure's name and value, or the bytes of one that cannot be read.
Figure = tuple[str, "Value | bytes"]
Found = dict[tuple[str, dt.date], dict[str, Any]]


class QuoteRow(msgspec.Struct, rename="camel"):
    """A price now; fields are absent where there is nothing."""

    symbol: str
    currency: str | None = None
    regular_market_price: Number = None
    regular_market_time: Number = None
    regular_market_open: Number = None
    regular_market_day_high: Number = None
    regular_market_day_low: Number = None
    regular_market_volume: Number = None
    regular_market_previous_close: Number = None
    market_cap: Number = None
    trailing_p_e: Number = msgspec.field(default=None, name="trailingPE")
    price_to_book: Number = None
    trailing_annual_dividend_yield: Number = None


class _Quotes(msgspec.Struct):
    result: msgspec.Raw = NOTHING


class _QuoteAnswer(msgspec.Struct):
    quoteResponse: _Quotes


class Reported(msgspec.Struct):
    """A figure: `fmt` is null where `raw` is a zero that stands for nothing."""

    raw: Number = None
    fmt: str | None = None


class Value(msgspec.Struct):
    """A figure of a period."""

    asOfDate: str
    currencyCode: str | None = None
    reportedValue: Reported | None = None


class _Series(msgspec.Struct):
    result: list[dict[str, msgspec.Raw]] | None = None


class _SeriesAnswer(msgspec.Struct):
    timeseries: _Series


def quotes(body: bytes) -> list[QuoteRow | bytes]:
    """Read quotes; unknown symbols are left out by the vendor."""
    return rows_of(json_of(_QuoteAnswer)(body).quoteResponse.result, QuoteRow)


def figures(body: bytes) -> list[Figure]:
    """Read figures with the name of what they are; entries may be null, and a name without any has none."""
    series = json_of(_SeriesAnswer)(body).timeseries.result or []
    lists = ((name, raw) for item in series for name, raw in item.items() if name in _OURS)
    rows = (
        (name, raw)
        for name, listed in lists
        for raw in msgspec.json.decode(listed, type=list[msgspec.Raw] | None) or []
    )
    return [(name, row_of(raw, Value)) for name, raw in rows if bytes(raw) != b"null"]


def quote_of(row: QuoteRow, asked: Mapping[str, str]) -> Quote | None:
    """Return the price now; None for a symbol that was not asked for."""
    if row.symbol not in asked:
        return None
    money, at = currency(row.currency), row.regular_market_time
    price = scaled(row.regular_market_price, money[1])
    before = row.regular_market_previous_close
    return quote(_Session(row), asked[row.symbol], price, instant(at), money, before=before)


def company_ratios_of(row: QuoteRow, asked: Mapping[str, str], date: dt.date) -> CompanyRatios | None:
    """Return a company's ratios; `dividendYield`, in per cent here and a fraction there, is not read."""
    if row.symbol not in asked:
        return None
    return ratios_of(msgspec.structs.asdict(row), _RATIOS, asked[row.symbol], date, code=currency(row.currency)[0])


def take_figures(rows: list[Figure], turn: Turn, gathering: Gathering) -> None:
    """Put the figures of each period together; those that cannot be read are refused one by one."""
    found: Found = {}
    for name, row in rows:
        period, ours = _OURS[name]
        gathering.add(row, lambda wire: _take(wire, period, ours, found), about=f"{turn.symbol}|{name}")  # noqa: B023
    for made in _statements(turn, found):
        gathering.add(made, lambda record: record, about=turn.symbol)


def _take(wire: Value, period: str, ours: str, found: Found) -> None:
    reported = wire.reportedValue or Reported()
    value = number(reported.raw)
    if value is None or (value == 0 and reported.fmt is None):
        return
    period_end, code = day(wire.asOfDate), currency(wire.currencyCode)[0]
    known = found.setdefault((period, period_end), {"currency_code": code})
    if known["currency_code"] != code:
        raise NotBelieved("another_currency", "the figures of a period must share a currency.")
    known[ours] = spent(value) if ours == "capex" else value


def _statements(turn: Turn, found: Found) -> Iterator[Fundamental]:
    for (period, period_end), known in sorted(found.items()):
        # Without a filing date a statement is known 90 days after its period.
        if turn.first_date <= period_end + _REPORTING_LAG <= turn.last_date:
            statement = _PERIODS[period]
            yield Fundamental(source_symbol=turn.symbol, statement=statement, period_end_date=period_end, **known)


class _Session:
    """The figures of a session under the names of our records."""

    def __init__(self, row: QuoteRow) -> None:
        self.open, self.high, self.low = (
            row.regular_market_open, row.regular_market_day_high, row.regular_market_day_low,
        )  # fmt: skip
        self.volume = row.regular_market_volume
