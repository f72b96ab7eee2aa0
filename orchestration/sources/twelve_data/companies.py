"""Instruments and the statements of companies: rows are nested; a statement's `year` may be off by one."""

import datetime as dt
from collections.abc import Iterator, Mapping
from typing import Any, Literal

import msgspec

from orchestration.sources.makers import known_as_json, spent
from orchestration.sources.records import CompanyRatios, Fundamental, Instrument
from orchestration.sources.twelve_data.envelope import Meta, enveloped
from orchestration.sources.wire import NOTHING, NotBelieved, currency, day, number, symbol, text

Period = Literal["annual", "quarterly"]
PERIODS: tuple[Period, ...] = ("annual", "quarterly")
_TYPES = frozenset({"Common Stock", "American Depositary Receipt", "Depositary Receipt"})


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


class _ListAnswer(msgspec.Struct):
    data: msgspec.Raw = NOTHING


class Statements(msgspec.Struct):
    """One kind of statement of a symbol; rows are nested, as many levels as they like."""

    meta: Meta
    income_statement: msgspec.Raw = NOTHING
    balance_sheet: msgspec.Raw = NOTHING
    cash_flow: msgspec.Raw = NOTHING


class Statistics(msgspec.Struct):
    """What the vendor reckons of a company."""

    meta: Meta
    statistics: dict[str, Any]


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
_RATIOS: Mapping[str, tuple[str, ...]] = {
    "market_cap": ("valuations_metrics", "market_capitalization"),
    "enterprise_value": ("valuations_metrics", "enterprise_value"),
    "price_to_earnings": ("valuations_metrics", "trailing_pe"),
    "price_to_book": ("valuations_metrics", "price_to_book_mrq"),
    "price_to_sales": ("valuations_metrics", "price_to_sales_ttm"),
    "enterprise_value_to_sales": ("valuations_metrics", "enterprise_to_revenue"),
    "enterprise_value_to_ebitda": ("valuations_metrics", "enterprise_to_ebitda"),
    "dividend_yield": ("dividends_and_splits", "trailing_annual_dividend_yield"),
    "return_on_equity": ("financials", "return_on_equity_ttm"),
    "return_on_assets": ("financials", "return_on_assets_ttm"),
    "profit_margin": ("financials", "profit_margin"),
    "debt_to_equity": ("financials", "balance_sheet", "total_debt_to_equity_mrq"),
    "current_ratio": ("financials", "balance_sheet", "current_ratio_mrq"),
}
PARTS = tuple(_FIGURES)
listed = enveloped(_ListAnswer, "data", Listed)
statements = {part: enveloped(Statements, part, dict[str, Any]) for part in PARTS}


def instrument_of(wire: Listed, venue: str, ticker: str) -> Instrument | None:
    """Return a share of a venue; None for funds and rights, which other lists have as well."""
    if wire.type not in _TYPES:
        return None
    if wire.mic_code not in (None, venue):
        raise NotBelieved("another_exchange", f"the venue must be {venue}, as asked; got {wire.mic_code!r}.")
    isin = text(wire.isin)
    return Instrument(
        source_symbol=symbol(wire.symbol),
        ticker=ticker,
        stable_id=text(wire.figi_code),
        name=text(wire.name),
        exchange_code=venue,
        market="stocks",
        currency_code=currency(wire.currency)[0],
        country_code=text(wire.country),
        # Without the add-on a sentence about it stands in place of the ISIN.
        metadata=known_as_json(type=wire.type, isin=isin if isin and isin.isalnum() else None),
    )


def take_statement(
    row: dict[str, Any],
    part: str,
    code: str | None,
    days: tuple[dt.date, dt.date],
    found: dict[dt.date, dict[str, Any]],
) -> None:
    """Add a statement's figures to those of the same period, if it ends between two days."""
    period_end = day(row.get("fiscal_date"))
    if not days[0] <= period_end <= days[1]:
        return
    figures: dict[str, Any] = {ours: number(_at(row, path)) for ours, path in _FIGURES[part].items()}
    iso = currency(code)[0]
    known = found.setdefault(period_end, {"currency_code": iso})
    if known["currency_code"] != iso:
        raise NotBelieved("another_currency", "the three statements of a period must share a currency.")
    if "capex" in figures:
        figures["capex"] = spent(figures["capex"])
    known.update(figures)


def statements_of(name: str, period: Period, found: dict[dt.date, dict[str, Any]]) -> Iterator[Fundamental]:
    """Return what was put together; the vendor's `year` is a label of its own and left alone."""
    for period_end, figures in sorted(found.items()):
        yield Fundamental(source_symbol=name, statement=period, period_end_date=period_end, **figures)


def company_ratios_of(wire: Statistics, name: str, date: dt.date, *, is_receipt: bool = False) -> CompanyRatios | None:
    """Return a company's ratios, money in the currency of its listing; debt to equity comes in per cent.

    The enterprise value of a receipt adds debts in the company's own currency to a market value in the listing's.
    """
    fields = {ours: path for ours, path in _RATIOS.items() if not (is_receipt and ours.startswith("enterprise_value"))}
    given = {ours: number(_at(wire.statistics, path)) for ours, path in fields.items()}
    known: dict[str, Any] = {ours: value for ours, value in given.items() if value is not None}
    if "debt_to_equity" in known:
        known["debt_to_equity"] /= 100
    code = currency(wire.meta.currency)[0] if wire.meta.currency else None
    return CompanyRatios(source_symbol=symbol(name), as_of_date=date, currency_code=code, **known) if known else None


def _at(row: Mapping[str, Any], path: tuple[str, ...]) -> object:
    value: Any = row
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value
