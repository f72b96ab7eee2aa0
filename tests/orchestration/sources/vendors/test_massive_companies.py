"""Massive's traps beside prices: companies, what they pay and publish, and what is written about them."""

import datetime as dt
import json

import pytest

from orchestration.sources.massive.source import MassiveSource
from tests.orchestration.sources.vendors.test_massive import split

MONDAY, TUESDAY, WEDNESDAY = dt.date(2024, 6, 3), dt.date(2024, 6, 4), dt.date(2024, 6, 5)


@pytest.fixture
def massive(ask):
    return ask(MassiveSource, symbols=("AAPL", "BRK.B"))


def test_a_split_is_new_for_old(ask, rows_of):
    massive = ask(MassiveSource)
    massive.on(
        "/stocks/v1/splits", {"status": "OK", "results": [split("AAA"), split("BBB", split_from=20, split_to=1)]}
    )
    found = rows_of(massive.source.splits(MONDAY, MONDAY))
    assert [(row["shares_new"], row["shares_old"]) for row in found] == [(4.0, 1.0), (1.0, 20.0)]


def test_an_event_outside_the_asked_days_is_refused(ask, refused_of):
    massive = ask(MassiveSource)
    massive.on("/stocks/v1/splits", {"status": "OK", "results": [split("AAA", execution_date="2023-06-03")]})
    assert [record.rule for record in refused_of(massive.source.splits(MONDAY, MONDAY))] == ["another_day"]


def test_events_between_two_sessions_belong_to_the_later_one(ask):
    massive = ask(MassiveSource)
    massive.on("/stocks/v1/splits", {"status": "OK"})
    list(massive.source.splits(MONDAY, MONDAY))
    params = massive.script.requests[0].url.params
    assert (params["execution_date.gte"], params["execution_date.lte"]) == ("2024-06-01", "2024-06-03")
    assert params["sort"] == "execution_date.asc", "the default goes by ticker here and by day there"


def dividend(ticker: str, **more: object) -> dict:
    return {
        "id": "d", "ticker": ticker, "ex_dividend_date": "2024-06-03", "cash_amount": 0.25, "currency": "USD",
        "split_adjusted_cash_amount": 0.0625, "declaration_date": "2024-05-01", "pay_date": "2024-06-14", **more,
    }  # fmt: skip


def test_a_dividend_is_as_declared_not_adjusted_for_later_splits(ask, rows_of):
    massive = ask(MassiveSource)
    massive.on("/stocks/v1/dividends", {"status": "OK", "results": [dividend("AAA")]})
    assert rows_of(massive.source.dividends(MONDAY, MONDAY)) == [
        {
            "source_symbol": "AAA", "ex_date": MONDAY, "amount": 0.25, "currency_code": "USD",
            "declared_date": dt.date(2024, 5, 1), "pay_date": dt.date(2024, 6, 14),
        }
    ]  # fmt: skip


def test_two_dividends_of_one_day_are_one_amount(ask, rows_of):
    massive = ask(MassiveSource)
    special = dividend("AAA", id="E-special", cash_amount=1.5, distribution_type="special")
    massive.on("/stocks/v1/dividends", {"status": "OK", "results": [dividend("AAA"), special]})
    assert [row["amount"] for row in rows_of(massive.source.dividends(MONDAY, MONDAY))] == [1.75]


def test_an_old_dividend_without_id_or_currency_is_refused_for_want_of_the_currency(ask, refused_of):
    massive = ask(MassiveSource)
    old = {"ticker": "AAA", "ex_dividend_date": "2024-06-03", "cash_amount": 0.25}
    massive.on("/stocks/v1/dividends", {"status": "OK", "results": [old]})
    assert [record.rule for record in refused_of(massive.source.dividends(MONDAY, MONDAY))] == ["missing_currency"]


def test_instruments_keep_their_case_and_their_figi_through_a_renaming(ask, rows_of):
    massive = ask(MassiveSource)
    row = {
        "ticker": "KIMpL", "name": "Kimco Realty preferred L", "market": "stocks", "primary_exchange": "XNYS",
        "type": "CS", "active": True, "currency_name": "usd", "cik": "0000879101", "composite_figi": "BBG1",
        "share_class_figi": "BBG2",
    }  # fmt: skip
    massive.on("/v3/reference/tickers", {"status": "OK", "count": 10, "results": [row]}, {"status": "OK"})
    (found,) = rows_of(massive.source.instruments())
    assert (found["source_symbol"], found["stable_id"], found["currency_code"]) == ("KIMpL", "BBG2", "USD")
    assert json.loads(found["metadata"]) == {"type": "CS", "cik": "0000879101", "composite_figi": "BBG1"}


def test_a_symbol_that_another_instrument_uses_today_is_refused_for_the_one_that_is_gone(ask, rows_of, refused_of):
    massive = ask(MassiveSource)
    now = {"ticker": "META", "name": "Meta Platforms", "currency_name": "usd", "active": True}
    before = {"ticker": "META", "name": "An old fund", "currency_name": "usd", "active": False,
              "delisted_utc": "2021-12-31T05:00:00Z"}  # fmt: skip
    gone = before | {"ticker": "TWTR"}
    long_gone = before | {"ticker": "ENE", "delisted_utc": "2001-12-01T05:00:00Z"}
    massive.on("/v3/reference/tickers", {"results": [now]}, {}, {"results": [before, gone, long_gone]}, {})
    batches = list(massive.source.instruments())
    found = [(row["source_symbol"], row["is_active"], row["delisted_date"]) for row in rows_of(batches)]
    assert found == [("META", True, None), ("TWTR", False, dt.date(2021, 12, 31))]
    assert [record.rule for record in refused_of(batches)] == ["symbol_used_again"]


def test_a_companys_tickers_are_a_chain_of_renamings(ask, rows_of, refused_of):
    """The first ticker is told as an event too, and is none; a company that nobody knows is left out by name."""
    massive = ask(MassiveSource, symbols=("META", "NOBODY"), plan="paid")
    life = [
        {"type": "ticker_change", "date": "2022-06-09", "ticker_change": {"ticker": "META"}},
        {"type": "ticker_change", "date": "2012-05-18", "ticker_change": {"ticker": "FB"}},
        {"type": "something_new", "date": "2020-01-01"},
    ]
    massive.on("/vX/reference/tickers/META/events", {"status": "OK", "results": {"name": "Meta", "events": life}})
    massive.on("/vX/reference/tickers/NOBODY/events", (404, {"status": "NOT_FOUND", "message": "Ticker not found."}))
    batches = list(massive.source.ticker_events())
    assert [tuple(row.values()) for row in rows_of(batches)] == [("META", dt.date(2022, 6, 9), "FB")]
    assert [record.rule for record in refused_of(batches)] == ["vendor_not_found"]


def test_a_renaming_without_a_day_is_refused(ask, rows_of, refused_of):
    massive = ask(MassiveSource, symbols=("META",))
    broken = [{"date": "soon", "ticker_change": {"ticker": "META"}}]
    massive.on("/vX/reference/tickers/META/events", {"status": "OK", "results": {"events": broken}})
    batches = list(massive.source.ticker_events())
    assert (rows_of(batches), [record.rule for record in refused_of(batches)]) == ([], ["not_a_day"])


def test_statements_are_put_together_from_three_lists_and_left_out_figures_are_missing(massive, rows_of):
    key = {"tickers": ["AAPL"], "period_end": "2024-03-31", "timeframe": "quarterly", "filing_date": "2024-06-03"}
    massive.on("/stocks/financials/v1/income-statements", {"results": [key | {"revenue": 90, "fiscal_year": 2024.0}]})
    massive.on("/stocks/financials/v1/balance-sheets", {"results": [key | {"total_assets": 300}]})
    massive.on(
        "/stocks/financials/v1/cash-flow-statements",
        {
            "results": [
                key | {"purchase_of_property_plant_and_equipment": -7},
                key | {"timeframe": "trailing_twelve_months"},
            ]
        },
    )
    (found,) = rows_of(massive.source.fundamentals(MONDAY, MONDAY))
    given = {name: value for name, value in found.items() if value is not None}
    assert given == {
        "source_symbol": "AAPL", "statement": "quarterly", "period_end_date": dt.date(2024, 3, 31),
        "filed_date": MONDAY, "fiscal_year": 2024, "currency_code": "USD", "revenue": 90.0, "total_assets": 300.0,
        "capex": -7.0,
    }  # fmt: skip


def test_a_statement_without_a_filing_date_is_refused(massive, refused_of):
    key = {"tickers": ["AAPL"], "period_end": "2024-03-31", "timeframe": "quarterly", "revenue": 5}
    for part in ("income-statements", "balance-sheets", "cash-flow-statements"):
        massive.on(f"/stocks/financials/v1/{part}", {"results": [key] if part == "income-statements" else []})
    assert [record.rule for record in refused_of(massive.source.fundamentals(MONDAY, MONDAY))] == ["not_a_day"]


def test_news_carry_tickers_and_the_vendors_own_reading(massive, rows_of):
    article = {
        "id": "a1", "publisher": {"name": "The Wire"}, "title": "Up", "author": "", "article_url": "https://x",
        "published_utc": "2024-06-03T13:30:00Z", "tickers": ["AAPL", "BRK.B"],
        "insights": [{"ticker": "AAPL", "sentiment": "positive"}, {"ticker": "BRK.B", "sentiment": "neutral"}],
    }  # fmt: skip
    massive.on("/v2/reference/news", {"status": "OK", "count": 10, "results": [article]})
    (found,) = rows_of(massive.source.news_articles(MONDAY, MONDAY))
    assert (found["publisher"], found["author"], found["source_symbols"]) == ("The Wire", None, '["AAPL","BRK.B"]')
    assert (found["sentiment"], found["sentiment_by"]) == (0.5, "massive insights")
    assert found["published_at"] == dt.datetime(2024, 6, 3, 13, 30, tzinfo=dt.UTC)


def test_holidays_are_a_bare_list_for_each_exchange(massive, rows_of):
    massive.on(
        "/v1/marketstatus/upcoming",
        [
            {"exchange": "NYSE", "name": "Juneteenth", "date": "2024-06-19", "status": "closed"},
            {"exchange": "NASDAQ", "name": "Independence Day", "date": "2024-07-03", "status": "early-close",
             "open": "2024-07-03T13:30:00.000Z", "close": "2024-07-03T17:00:00.000Z"},
            {"exchange": "OTC", "name": "Juneteenth", "date": "2024-06-19", "status": "closed"},
        ],
    )  # fmt: skip
    assert [tuple(row.values()) for row in rows_of(massive.source.market_holidays())] == [
        ("XNYS", dt.date(2024, 6, 19), "Juneteenth", "closed", None),
        ("XNAS", dt.date(2024, 7, 3), "Independence Day", "early_close", dt.datetime(2024, 7, 3, 17, tzinfo=dt.UTC)),
    ]


def test_ratios_are_fractions_of_the_vendors_day_and_come_in_pages(ask, rows_of):
    massive = ask(MassiveSource, symbols=("AAPL", "MSFT"))
    path = "/stocks/financials/v1/ratios"
    apple = {"ticker": "AAPL", "cik": "320193", "date": "2024-05-31", "dividend_yield": 0.0044, "ev_to_ebitda": 24.1}
    massive.on(
        path,
        {"results": [apple], "next_url": f"https://api.polygon.io{path}?cursor=2"},
        {"results": [{"ticker": "MSFT", "date": "2024-06-03", "return_on_equity": 1.5284, "current": 1.2},
                     {"ticker": "OTHER", "date": "2024-06-03", "current": 1.0}]},
    )  # fmt: skip
    found = [{k: v for k, v in row.items() if v is not None} for row in rows_of(massive.source.company_ratios())]
    assert found == [
        {"source_symbol": "AAPL", "as_of_date": dt.date(2024, 5, 31), "currency_code": "USD",
         "dividend_yield": 0.0044, "enterprise_value_to_ebitda": 24.1},
        {"source_symbol": "MSFT", "as_of_date": dt.date(2024, 6, 3), "currency_code": "USD",
         "return_on_equity": 1.5284, "current_ratio": 1.2},
    ]  # fmt: skip
