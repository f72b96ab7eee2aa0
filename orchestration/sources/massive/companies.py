"""Instruments and the statements of companies."""

import datetime as dt
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from orchestration.sources.makers import known_as_json, ratios_of
from orchestration.sources.massive.envelope import CURRENCY
from orchestration.sources.records import CompanyRatios, Fundamental, Instrument
from orchestration.sources.wire import NotBelieved, Number, currency, day, maybe_day, number, symbol, text, within, year

# Common shares and the receipts of foreign ones; funds, warrants, units and rights are no companies.
TYPES = ("CS", "ADRC")
STATEMENTS = ("income-statements", "balance-sheets", "cash-flow-statements")
# The statements of a company's period: symbol, time frame, end of the period, day of filing.
Period = tuple[str, str, dt.date, dt.date]


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
_FIGURES: Mapping[str, str] = {
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


# Our ratio, and the vendor's; fractions at both.
_RATIOS: Mapping[str, str] = {
    **{
        name: name
        for name in (
            "market_cap", "enterprise_value", "price_to_earnings", "price_to_book", "price_to_sales",
            "price_to_cash_flow", "price_to_free_cash_flow", "dividend_yield", "return_on_equity",
            "return_on_assets", "debt_to_equity",
        )
    },
    "enterprise_value_to_sales": "ev_to_sales",
    "enterprise_value_to_ebitda": "ev_to_ebitda",
    "current_ratio": "current",
}  # fmt: skip


class RatiosRow(msgspec.Struct):
    """A company's ratios over the last twelve months; what there is not is absent."""

    ticker: str
    date: str
    market_cap: Number = None
    enterprise_value: Number = None
    price_to_earnings: Number = None
    price_to_book: Number = None
    price_to_sales: Number = None
    price_to_cash_flow: Number = None
    price_to_free_cash_flow: Number = None
    ev_to_sales: Number = None
    ev_to_ebitda: Number = None
    dividend_yield: Number = None
    return_on_equity: Number = None
    return_on_assets: Number = None
    debt_to_equity: Number = None
    current: Number = None


def company_ratios_of(wire: RatiosRow) -> CompanyRatios | None:
    """Return a company's ratios, of the vendor's own day."""
    return ratios_of(msgspec.structs.asdict(wire), _RATIOS, wire.ticker, day(wire.date), code=CURRENCY)


def ticker_of(name: str) -> str:
    """Return our ticker; lower case marks preferred shares and rights here: KIMpL is no spelling of KIMPL."""
    return name.upper() if name.isupper() else "".join(f".{c.upper()}" if c.islower() else c for c in name)


def instrument_of(wire: Ticker) -> Instrument:
    """Return an instrument as the vendor describes it today."""
    name = symbol(wire.ticker)
    return Instrument(
        source_symbol=name,
        ticker=ticker_of(name),
        stable_id=text(wire.share_class_figi) or text(wire.composite_figi),
        name=text(wire.name),
        exchange_code=text(wire.primary_exchange),
        market=text(wire.market),
        currency_code=currency(wire.currency_name)[0],
        country_code="US",
        delisted_date=maybe_day(wire.delisted_utc),
        is_active=wire.active,
        metadata=known_as_json(type=wire.type, cik=wire.cik, composite_figi=wire.composite_figi),
    )


def take_statement(
    wire: StatementRow, days: tuple[dt.date, dt.date], found: dict[Period, dict[str, Any]], names: list[str]
) -> None:
    """Add a statement's figures to those of the same companies and period."""
    filed, period_end = within(day(wire.filing_date), *days), day(wire.period_end)
    figures: dict[str, Any] = {ours: number(getattr(wire, theirs)) for ours, theirs in _FIGURES.items()}
    figures["fiscal_year"] = year(wire.fiscal_year)
    given = {figure: value for figure, value in figures.items() if value is not None}
    for name in names:
        known = found.setdefault((name, wire.timeframe, period_end, filed), {})
        apart = sorted(figure for figure, value in given.items() if known.get(figure, value) != value)
        if apart:
            detail = f"a period's statements of one filing must say one thing; they say two of {apart} of {name}."
            raise NotBelieved("conflicting_duplicate", detail)
        known.update(given)


def statements_of(found: dict[Period, dict[str, Any]]) -> Iterator[Fundamental]:
    """Return what was put together."""
    for (name, timeframe, period_end, filed), figures in found.items():
        yield Fundamental(
            source_symbol=name,
            statement="annual" if timeframe == "annual" else "quarterly",
            period_end_date=period_end,
            filed_date=filed,
            fiscal_year=figures.pop("fiscal_year", None),
            currency_code=CURRENCY,
            **figures,
        )
