"""Instruments and the statements of companies.

An old statement's filing date is its period's end and no filing; figures are text; what a bank has not stands as zero
among the ratios, which are kept as the vendor's: value and quality are computed from statements and prices of our own.
"""

import datetime as dt
from collections.abc import Iterator, Mapping
from typing import Any, Literal

import msgspec

from orchestration.sources.makers import known_as_json, ratios_of, spent
from orchestration.sources.records import CompanyRatios, Fundamental, Instrument
from orchestration.sources.wire import (
    NOTHING,
    Gathering,
    NotBelieved,
    currency,
    day,
    maybe_day,
    number,
    row_of,
    symbol,
    text,
)

# A part of an answer; one without anything is an empty list, or null.
_PART: Any = dict[str, Any] | list[Any] | None
# Where a filing follows its period in no more than this, the date is the period's and no filing.
_SHORTEST_FILING_DAYS = 1
_KINDS: Mapping[str, Literal["quarterly", "annual"]] = {"quarterly": "quarterly", "yearly": "annual"}


class Listed(msgspec.Struct):
    """An instrument of an exchange."""

    Code: str
    Name: str | None = None
    Country: str | None = None
    Exchange: str | None = None
    Currency: str | None = None
    Type: str | None = None
    Isin: str | None = None


class Company(msgspec.Struct):
    """Who a company is, and the currency of its shares."""

    Code: str | None = None
    CurrencyCode: str | None = None


class Fundamentals(msgspec.Struct):
    """What is known of a company; parts are absent where there is nothing."""

    General: Company | None = None
    Highlights: dict[str, Any] | list[Any] | None = None
    Valuation: dict[str, Any] | list[Any] | None = None
    Financials: dict[str, msgspec.Raw] | list[msgspec.Raw] | None = None


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

_RATIOS: Mapping[str, str] = {
    "market_cap": "MarketCapitalization",
    "price_to_earnings": "PERatio",
    "dividend_yield": "DividendYield",
    "profit_margin": "ProfitMargin",
    "return_on_assets": "ReturnOnAssetsTTM",
    "return_on_equity": "ReturnOnEquityTTM",
    "price_to_sales": "PriceSalesTTM",
    "price_to_book": "PriceBookMRQ",
    "enterprise_value": "EnterpriseValue",
    "enterprise_value_to_sales": "EnterpriseValueRevenue",
    "enterprise_value_to_ebitda": "EnterpriseValueEbitda",
}


def instrument_of(wire: Listed, *, ticker: str, venue: str, is_active: bool) -> Instrument:
    """Return an instrument as the vendor describes it today."""
    isin = text(wire.Isin)
    return Instrument(
        source_symbol=symbol(wire.Code),
        ticker=ticker,
        stable_id=isin,
        name=text(wire.Name),
        exchange_code=venue,
        market="stocks",
        currency_code=currency(wire.Currency)[0],
        country_code=text(wire.Country),
        is_active=is_active,
        metadata=known_as_json(isin=isin),
    )


def take_company(answer: Fundamentals, name: str, days: tuple[dt.date, dt.date], gathering: Gathering) -> None:
    """Put the three statements of each period together; what cannot be read is refused by itself."""
    if not isinstance(answer.Financials, dict):
        return
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for part, figures in _FIGURES.items():
        kept: Any = row_of(answer.Financials.get(part, NOTHING), _PART)
        if isinstance(kept, bytes):
            gathering.add(kept, lambda wire: None, about=f"{name}|{part}")
            continue
        for statement, row in _rows_of(kept):
            row.setdefault("currency_symbol", kept.get("currency_symbol"))
            gathering.add(row, lambda wire: _take(wire, statement, figures, found), about=f"{name}|{part}")  # noqa: B023
    for (statement, _), known in found.items():
        made = _statement(name, statement, known)
        published = made.filed_date or made.period_end_date + dt.timedelta(days=90)
        if days[0] <= published <= days[1]:
            gathering.add(made, lambda record: record, about=name)


def company_ratios_of(answer: Fundamentals, name: str, date: dt.date) -> CompanyRatios | None:
    """Return a company's ratios; what a bank has not stands as zero, and is missing here."""
    code = currency(answer.General.CurrencyCode)[0] if answer.General and answer.General.CurrencyCode else None
    figures = _part(answer.Highlights) | _part(answer.Valuation)
    has_ebitda = bool(figures.get("EBITDA"))
    fields = {ours: theirs for ours, theirs in _RATIOS.items() if has_ebitda or theirs != "EnterpriseValueEbitda"}
    return ratios_of(figures, fields, name, date, code=code)


def _part(given: dict[str, Any] | list[Any] | None) -> dict[str, Any]:
    """Return a part of an answer; without anything in it, it is an empty list or absent."""
    return given if isinstance(given, dict) else {}


def _rows_of(kept: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Return the periods of a statement: keyed by day, or, in the list of a whole exchange, `quarterly_last_0`, ..."""
    for key, periods in kept.items() if isinstance(kept, dict) else ():
        statement = _KINDS.get(key.partition("_")[0])
        if statement is not None and isinstance(periods, dict):
            rows = [periods] if "date" in periods else periods.values()
            yield from ((statement, row) for row in rows if isinstance(row, dict))


def _take(
    row: dict[str, Any], statement: str, figures: Mapping[str, str], found: dict[tuple[str, str], dict[str, Any]]
) -> None:
    period_end, code = day(row.get("date")), currency(row.get("currency_symbol"))[0]
    values: dict[str, Any] = {ours: number(row.get(theirs)) for ours, theirs in figures.items()}
    if "capex" in values:
        values["capex"] = spent(values["capex"])
    new = {"period_end_date": period_end, "currency_code": code, "filed_date": None}
    known = found.setdefault((statement, str(period_end)), new)
    if known["currency_code"] != code:
        raise NotBelieved("another_currency", "the three statements of a period must share a currency.")
    latest = max(filter(None, (maybe_day(row.get("filing_date")), known["filed_date"])), default=None)
    known.update({**values, "filed_date": latest})


def _statement(name: str, statement: str, known: dict[str, Any]) -> Fundamental:
    filed, period_end = known.pop("filed_date"), known["period_end_date"]
    # Where the filing day is the period's end, as in all old rows, it is no evidence of a filing.
    is_filing = filed is not None and (filed - period_end).days > _SHORTEST_FILING_DAYS
    kind: Any = statement
    return Fundamental(source_symbol=name, statement=kind, filed_date=filed if is_filing else None, **known)
