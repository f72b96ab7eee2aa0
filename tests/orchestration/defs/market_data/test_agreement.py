"""Facts that two sources tell differently are named; small differences and different things are not."""

import re
from typing import Any

import pytest

from orchestration.defs.market_data.agreement import AGREEMENTS, compare
from tests.orchestration.conftest import Market
from tests.orchestration.defs.conftest import WarehouseOfTest

CLOSES, STATEMENTS, RATES, ADJUSTED = AGREEMENTS


@pytest.fixture
def tell(market: Market, database: Any):
    """Write rows as SQL; the instruments a, b and c are known to a second source by their tickers."""
    market.connection.execute(
        "insert into raw.instrument_aliases (source, source_symbol, valid_from_date, instrument_id, ticker)"
        " select 'other', ticker, valid_from_date, instrument_id, ticker from raw.instrument_aliases"
    )
    return market.connection.execute


@pytest.fixture
def ask(database: Any):
    """Run a check; return whether it passed, how many lie apart, and the sample's first cells."""

    def run(agreement) -> tuple[bool, int, list[str]]:
        result = compare(WarehouseOfTest(address=database.url), agreement)
        sample = result.metadata["sample"].md_str if "sample" in result.metadata else ""
        return (
            bool(result.passed),
            int(result.metadata["apart"].value),
            re.findall(r"^\| (\w{3}) ", sample, re.MULTILINE),
        )

    return run


def bar(source: str, symbol: str, day: str, close: float, *, adjustment: str = "none", currency: str = "USD") -> str:
    return (
        "insert into raw.daily_bars (source, source_symbol, trade_date, close, volume, currency_code, adjustment)"
        f" values ('{source}', '{symbol}', '{day}', {close}, 100, '{currency}', '{adjustment}')"
    )


def test_one_source_alone_agrees_with_itself(market, ask):
    market.connection.execute(bar("test", "a.X", "2024-06-03", 10))
    assert [ask(agreement)[:2] for agreement in (CLOSES, STATEMENTS, RATES)] == [(True, 0)] * 3


def test_closes_of_one_day_that_lie_apart_are_shown_the_worst_first(tell, ask):
    for symbol, ticker, close in (("a.X", "AAA", 10.04), ("b.X", "BBB", 10.1), ("c.X", "CCC", 12.0)):
        tell(bar("test", symbol, "2024-06-03", 10))
        tell(bar("other", ticker, "2024-06-03", close))
    assert ask(CLOSES) == (False, 2, ["CCC", "BBB"])


def test_other_currencies_adjustments_and_days_are_not_compared(tell, ask):
    for symbol in ("a.X", "b.X", "c.X"):
        tell(bar("test", symbol, "2024-06-03", 10))
    tell(bar("other", "AAA", "2024-06-03", 20, currency="SEK"))
    tell(bar("other", "BBB", "2024-06-03", 20, adjustment="splits"))
    tell(bar("other", "CCC", "2024-06-04", 20))
    assert ask(CLOSES) == (True, 0, [])


def test_of_a_statement_the_latest_revision_of_each_source_is_compared(tell, ask):
    def statement(source: str, symbol: str, published: str, revenue: float, net_income: float) -> None:
        tell(
            "insert into raw.fundamentals (source, source_symbol, statement, period_end_date, published_at,"
            " published_at_basis, currency_code, revenue, net_income)"
            f" values ('{source}', '{symbol}', 'annual', '2023-12-31', '{published}', 'published', 'USD',"
            f" {revenue}, {net_income})"
        )

    statement("test", "a.X", "2024-02-01", 500, 10)
    statement("test", "a.X", "2024-03-01", 1000, 10)
    statement("other", "AAA", "2024-02-01", 1010, 15)
    passed, n_apart, _ = ask(STATEMENTS)
    # Revenue is 1 per cent apart since the revision; net income by half.
    assert (passed, n_apart) == (False, 1)


def test_rates_are_compared_whichever_way_round_they_are_quoted(tell, ask):
    def rate(source: str, base: str, quote: str, value: float) -> None:
        tell(
            "insert into raw.fx_rates (source, base_currency_code, quote_currency_code, rate_date, rate)"
            f" values ('{source}', '{base}', '{quote}', '2024-06-03', {value})"
        )

    rate("test", "EUR", "USD", 1.25)
    rate("other", "USD", "EUR", 0.8)
    rate("test", "USD", "JPY", 150)
    rate("other", "USD", "JPY", 160)
    assert ask(RATES) == (False, 1, ["JPY"])


def test_a_dividend_that_the_vendor_takes_off_and_we_do_not_is_shown(tell, ask):
    tell(
        "alter table marts.fct_daily_prices add column source text default 'test',"
        " add column price_segment integer default 0"
    )
    days = ("2024-06-03", "2024-06-04", "2024-06-05")
    # The vendor takes 10 off before the 4th; of a we do so too, of b we do not, by whatever anchor.
    for symbol, ours in (("a", (20, 40, 60)), ("b", (18, 40, 60))):
        for day, close_adj, vendors in zip(days, ours, (50, 100, 150), strict=True):
            tell(
                f"insert into marts.fct_daily_prices (instrument_id, trade_date, close_adj)"
                f" values ('{symbol}', '{day}', {close_adj})"
            )
            tell(bar("test", f"{symbol}.X", day, 100))
            tell(f"update raw.daily_bars set vendor_close_adj = {vendors} where trade_date = '{day}'")
    tell("update raw.daily_bars set ingested_at = '2024-06-05 22:00Z'")
    assert ask(ADJUSTED) == (False, 1, ["BBB"])
    # Had the 4th come with another answer, its adjustment would be to another day.
    tell("update raw.daily_bars set ingested_at = '2024-06-04 22:00Z' where trade_date = '2024-06-03'")
    assert ask(ADJUSTED) == (True, 0, [])
