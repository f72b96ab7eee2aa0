"""Vendors that lie: answers in the right form whose content must not be believed, and lists that never end."""

import datetime as dt
import json

import httpx
import pytest

from orchestration.sources.eodhd.source import EodhdSource
from orchestration.sources.errors import SourceError, VendorUnavailable
from orchestration.sources.massive.source import MassiveSource
from orchestration.sources.nordnet import NordnetSource
from orchestration.sources.twelve_data.source import TwelveDataSource
from orchestration.sources.yahoo.source import YahooSource
from tests.orchestration.sources.vendors.test_nordnet import LIST, found, pem

MONDAY, TUESDAY = dt.date(2024, 6, 3), dt.date(2024, 6, 4)
HALF = "\\ud83d"  # half a pair of surrogates, as an escape
SHARE = {"symbol": "AAPL", "name": "Apple", "currency": "USD", "mic_code": "XNAS", "type": "Common Stock"}


def rules(batches) -> list[str]:
    return [record.rule for batch in batches for record in batch.refused]


@pytest.fixture
def massive(ask):
    return ask(MassiveSource, plan="paid")


@pytest.fixture
def eodhd(ask):
    asked = ask(EodhdSource, symbols=("AAPL",), plan="paid")
    asked.on("/api/splits/AAPL.US", [])
    return asked


@pytest.fixture
def twelve(ask):
    asked = ask(TwelveDataSource, symbols=("AAPL",), plan="pro_1597")
    asked.on("/stocks", {"data": [SHARE]}, {"data": []})
    return asked


def dividend(**more: object) -> dict:
    return {"ticker": "AAA", "ex_dividend_date": "2024-06-03", "cash_amount": 0.25, "currency": "USD", **more}


def article(**more: object) -> dict:
    return {"id": "a1", "published_utc": "2024-06-03T14:00:00Z", "title": "Up", "tickers": ["AAA"], **more}


@pytest.mark.parametrize("again", [dividend(id="E1"), dividend(id="E1", cash_amount=9.0)])
def test_a_dividend_that_stands_on_two_pages_is_paid_once(massive, rows_of, again):
    there = "https://api.massive.com/stocks/v1/dividends?cursor=2"
    pages = [{"results": [dividend(id="E1")], "next_url": there}, {"results": [again]}]
    massive.on("/stocks/v1/dividends", *pages)
    batches = list(massive.source.dividends(MONDAY, MONDAY))
    assert [row["amount"] for row in rows_of(batches)] == [0.25]
    assert rules(batches) == ["repeated_row"]


def test_a_negative_dividend_takes_nothing_off_another_one(massive, rows_of):
    wrong = dividend(id="E2", cash_amount=-0.2)
    massive.on("/stocks/v1/dividends", {"results": [dividend(id="E1"), wrong]})
    batches = list(massive.source.dividends(MONDAY, MONDAY))
    assert [row["amount"] for row in rows_of(batches)] == [0.25]
    assert rules(batches) == ["non_positive_amount"]


def statement(**more: object) -> dict:
    key = {"tickers": ["AAA"], "period_end": "2024-03-31", "timeframe": "quarterly", "filing_date": "2024-06-03"}
    return key | {"revenue": 90.0} | more


@pytest.mark.parametrize(
    ("row", "rule"),
    [
        (statement(fiscal_year=1e300), "not_a_year"),
        (statement(fiscal_year=2024.5), "not_a_year"),
        (statement(revenue=91.0), "conflicting_duplicate"),
        (statement(filing_date="2034-06-03"), "another_day"),
    ],
)
def test_a_statement_that_contradicts_itself_or_the_calendar_is_refused(massive, rows_of, row, rule):
    massive.on("/stocks/financials/v1/income-statements", {"results": [statement(fiscal_year=2024.0), row]})
    for part in ("balance-sheets", "cash-flow-statements"):
        massive.on(f"/stocks/financials/v1/{part}", {"results": []})
    batches = list(massive.source.fundamentals(MONDAY, MONDAY))
    assert [(row["revenue"], row["fiscal_year"]) for row in rows_of(batches)] == [(90.0, 2024)]
    assert rules(batches) == [rule]


def test_a_text_that_is_cut_within_a_pair_leaves_the_page_readable(massive, rows_of):
    body = json.dumps({"results": [article(), article(id="a2", title="Up HALF")]}).replace("HALF", HALF)
    massive.on("/v2/reference/news", body)
    assert [row["title"] for row in rows_of(massive.source.news_articles(MONDAY, MONDAY))] == ["Up", "Up \ufffd"]


def test_a_byte_that_is_no_text_leaves_the_page_readable(massive, rows_of):
    massive.on(
        "/v2/reference/news", json.dumps({"results": [article(title="Up HALF")]}).encode().replace(b"HALF", b"\xff")
    )
    assert [row["title"] for row in rows_of(massive.source.news_articles(MONDAY, MONDAY))] == ["Up \ufffd"]


@pytest.mark.parametrize(
    ("more", "rule"),
    [
        ({"id": ""}, "missing_key"),
        ({"id": "\x00"}, "missing_key"),
        ({"published_utc": "0001-01-01T00:00:00+14:00"}, "not_an_instant"),
        ({"published_utc": "9999-12-31T23:59:59-14:00"}, "not_an_instant"),
        ({"published_utc": "2034-06-03T14:00:00Z"}, "another_day"),
    ],
)
def test_an_article_without_an_id_or_of_no_day_is_refused(massive, rows_of, more, rule):
    massive.on("/v2/reference/news", {"results": [article(id="good"), article(**more)]})
    batches = list(massive.source.news_articles(MONDAY, MONDAY))
    assert [row["source_article_id"] for row in rows_of(batches)] == ["good"]
    assert rules(batches) == [rule]


def test_of_a_text_without_end_the_beginning_is_kept(massive, rows_of):
    massive.on("/v2/reference/news", {"results": [article(description="x" * 10_000_000, id="i" * 5000)]})
    (row,) = rows_of(massive.source.news_articles(MONDAY, MONDAY))
    assert (len(row["summary"]), len(row["source_article_id"])) == (10_000, 32)


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "data:text/html,x", "https://x/a\nb", "https://x/" + "y" * 3000]
)
def test_an_address_that_nobody_should_follow_is_left_out(massive, rows_of, url):
    massive.on(
        "/v2/reference/news", {"results": [article(article_url=url), article(id="b", article_url="https://x/1")]}
    )
    assert [row["url"] for row in rows_of(massive.source.news_articles(MONDAY, MONDAY))] == [None, "https://x/1"]


def test_a_name_that_no_key_can_hold_is_refused_under_one_that_can(massive, refused_of):
    row = {"ticker": "A\x00B" + "x" * 5000, "currency_name": "usd"}
    massive.on("/v3/reference/tickers", {"results": [row]}, {"results": []})
    (record,) = refused_of(massive.source.instruments())
    assert record.rule == "not_a_symbol"
    assert "\x00" not in record.record_key
    assert len(record.record_key) < 250


@pytest.mark.parametrize(
    "address",
    ["http://[bad", "https://api.massive.com/\x00", "https://api.massive.com/" + "x" * 70_000, "https://api.massive.com:99999999/x"],
)  # fmt: skip
def test_an_address_of_a_next_page_that_is_none_is_an_error_of_ours(massive, address):
    massive.on("/v2/reference/news", {"results": [article()], "next_url": address})
    with pytest.raises(SourceError):
        list(massive.source.news_articles(MONDAY, MONDAY))


def test_a_list_without_end_ends_with_an_error(massive, monkeypatch):
    monkeypatch.setattr(MassiveSource, "most_pages", 5)
    pages = [{"results": [], "next_url": f"https://api.massive.com/v2/reference/news?cursor={n}"} for n in range(9)]
    massive.on("/v2/reference/news", *pages)
    with pytest.raises(VendorUnavailable, match="more than 5"):
        list(massive.source.news_articles(MONDAY, MONDAY))
    assert len(massive.script.requests) == 6


def company(code: str = "AAPL", **parts: object) -> dict:
    return {"General": {"Code": code, "CurrencyCode": "USD"}, "Highlights": {"PERatio": 20.0}, "Financials": parts}


BALANCE = {"currency_symbol": "USD", "quarterly": {"x": {"date": "2024-03-31", "filing_date": "2024-06-03",
           "totalAssets": "7.00"}}}  # fmt: skip


def test_a_company_that_was_not_asked_about_is_refused(eodhd, rows_of):
    eodhd.on("/api/fundamentals/AAPL.US", company("MSFT", Balance_Sheet=BALANCE))
    for asked in (eodhd.source.fundamentals(MONDAY, MONDAY), eodhd.source.company_ratios()):
        batches = list(asked)
        assert (rows_of(batches), rules(batches)) == ([], ["another_symbol"])


@pytest.mark.parametrize("figure", ["1e400", "9" * 400, f'"{HALF}"', '"Infinity"'])
def test_a_figure_beyond_all_numbers_is_refused_and_the_other_statements_are_kept(eodhd, rows_of, figure):
    flows = {"currency_symbol": "USD", "quarterly": {"x": {"date": "2023-12-31", "capitalExpenditures": "FIGURE"}}}
    body = json.dumps(company(Balance_Sheet=BALANCE, Cash_Flow=flows)).replace('"FIGURE"', figure)
    eodhd.on("/api/fundamentals/AAPL.US", body)
    batches = list(eodhd.source.fundamentals(MONDAY, MONDAY))
    assert [row["total_assets"] for row in rows_of(batches)] == [7.0]
    assert rules(batches)[0] in ("not_a_number", "unreadable_record")
    for batch in batches:
        json.dumps([record.payload for record in batch.refused], allow_nan=False).encode()


def test_a_structure_without_end_is_refused_with_its_outside(eodhd, refused_of):
    deep: object = 1
    for _ in range(400):
        deep = {"a": deep}
    flows = {"quarterly": {"x": {"date": "2024-03-31", "currency_symbol": "USD", "capitalExpenditures": deep}}}
    eodhd.on("/api/fundamentals/AAPL.US", company(Cash_Flow=flows))
    (record,) = refused_of(eodhd.source.fundamentals(MONDAY, MONDAY))
    assert len(json.dumps(record.payload)) < 500


def told(number: int) -> dict:
    return {"date": "2024-06-03T13:30:00+00:00", "title": "Up", "link": f"https://x/{number}"}


def test_a_thousand_articles_are_followed_by_the_others(eodhd, rows_of):
    eodhd.on("/api/news", [told(n) for n in range(1000)], [told(1000)])
    assert len(rows_of(eodhd.source.news_articles(MONDAY, MONDAY))) == 1001
    assert [request.url.params["offset"] for request in eodhd.script.requests] == ["0", "1000"]


def test_a_list_whose_every_page_is_the_first_is_no_whole_list(eodhd, rows_of):
    eodhd.on("/api/news", [told(n) for n in range(1000)])
    batches = list(eodhd.source.news_articles(MONDAY, MONDAY))
    assert rules(batches) == ["vendor_transient"]
    assert not any(batch.reached for batch in batches)


def test_companies_of_an_exchange_whose_every_page_is_the_first_end_with_an_error(ask):
    eodhd = ask(EodhdSource, plan="paid")
    eodhd.on("/api/bulk-fundamentals/US", [{"General": {"Code": f"C{n}"}} for n in range(500)])
    with pytest.raises(VendorUnavailable, match="the one before it again"):
        list(eodhd.source.company_ratios())


def test_bars_of_another_exchange_are_refused(ask, rows_of):
    eodhd = ask(EodhdSource, plan="paid")
    bar = {"date": "2024-06-05", "close": 1.0, "open": 1.0, "high": 1.0, "low": 1.0, "volume": 5}
    rows = [bar | {"code": "AAA", "exchange_short_name": "US"}, bar | {"code": "BBB", "exchange_short_name": "LSE"}]
    eodhd.on("/api/eod-bulk-last-day/US", rows)
    batches = list(eodhd.source.daily_bars(dt.date(2024, 6, 5), dt.date(2024, 6, 5)))
    assert [row["source_symbol"] for row in rows_of(batches)] == ["AAA"]
    assert rules(batches) == ["another_exchange"]


@pytest.mark.parametrize(
    ("kind", "status"), [("official", "closed"), ("EarlyClose", "early_close"), ("bank", None), (None, "closed")]
)
def test_a_banks_holiday_is_none_of_the_exchange(eodhd, rows_of, kind, status):
    rows = [{"Holiday": "X", "Date": "2024-07-03", "Type": kind}]
    eodhd.on("/api/exchange-details/US", {"ExchangeHolidays": rows})
    batches = list(eodhd.source.market_holidays())
    assert [row["status"] for row in rows_of(batches)] == ([status] if status else [])
    assert rules(batches) == ([] if status else ["unknown_status"])


ELSEWHERE = {"meta": {"symbol": "MSFT", "currency": "USD"}}
LONDON = {"meta": {"symbol": "AAPL", "mic_code": "XLON", "currency": "GBP"}}


@pytest.mark.parametrize(("about", "rule"), [(ELSEWHERE, "another_symbol"), (LONDON, "another_exchange")])
def test_events_and_statements_about_something_else_are_refused(twelve, rows_of, about, rule):
    twelve.on("/dividends", about | {"dividends": [{"ex_date": "2024-06-03", "amount": 0.25}]})
    split = {"date": "2024-06-03", "ratio": 0.25, "from_factor": 4, "to_factor": 1}
    twelve.on("/splits", about | {"splits": [split]})
    for part in ("income_statement", "balance_sheet", "cash_flow"):
        twelve.on(f"/{part}", about | {part: [{"fiscal_date": "2024-03-05", "sales": 5}]})
    for asked in (twelve.source.dividends, twelve.source.splits, twelve.source.fundamentals):
        batches = list(asked(MONDAY, MONDAY))
        assert rows_of(batches) == []
        assert set(rules(batches)) == {rule}


def test_quotes_are_asked_for_at_home_and_another_venues_are_refused(twelve):
    row = {"symbol": "AAPL", "close": "5.0", "currency": "USD", "timestamp": 1717421400}
    twelve.on("/quote", row | {"mic_code": "XLON"}, row | {"mic_code": "XNAS"}, row)
    now = dt.datetime(2024, 6, 3, 14, 0, tzinfo=dt.UTC)
    assert [len(twelve.source.quotes(None, now)) for _ in range(3)] == [0, 1, 1]
    assert twelve.script.requests[-1].url.params["country"] == "United States"


def test_a_range_with_more_bars_than_an_answer_has_room_for_is_asked_for_to_its_ends(twelve, rows_of):
    days = [str(MONDAY - dt.timedelta(days=n)) for n in range(5000)]
    meta = {"symbol": "AAPL", "interval": "1day", "currency": "USD", "mic_code": "XNAS"}
    full = {"meta": meta, "values": [{"datetime": d, "close": "1"} for d in days]}
    before = {"meta": meta, "values": [{"datetime": "2005-01-03", "close": "2"}]}
    twelve.on("/time_series", full, before, {"meta": meta, "values": []})
    found = rows_of(twelve.source.ticker_bars(["AAPL"], dt.date(2005, 1, 3), TUESDAY))
    assert min(found, key=lambda row: row["trade_date"])["close"] == 2.0
    assert [request.url.params["end_date"] for request in twelve.script.requests[-2:]] == ["2010-09-26", "2024-06-05"]


def test_a_vendor_that_gives_the_same_full_answer_to_every_range_is_not_asked_forever(twelve):
    days = [str(MONDAY - dt.timedelta(days=n)) for n in range(5000)]
    meta = {"symbol": "AAPL", "interval": "1day", "currency": "USD"}
    twelve.on("/time_series", {"meta": meta, "values": [{"datetime": d, "close": "1"} for d in days]})
    list(twelve.source.ticker_bars(["AAPL"], dt.date(2005, 1, 3), TUESDAY))
    assert twelve.script.paths.count("/time_series") == 3


def test_the_enterprise_value_of_a_receipt_is_of_two_currencies_and_left_out(ask, rows_of):
    twelve = ask(TwelveDataSource, symbols=("TSM",), plan="pro_1597")
    twelve.on(
        "/stocks",
        {"data": [SHARE | {"symbol": "TSM", "mic_code": "XNYS", "type": "American Depositary Receipt"}]},
        {"data": []},
    )
    values = {"market_capitalization": 8e11, "enterprise_value": 2e13, "enterprise_to_revenue": 9.0}
    twelve.on(
        "/statistics", {"meta": {"symbol": "TSM", "currency": "USD"}, "statistics": {"valuations_metrics": values}}
    )
    (row,) = rows_of(twelve.source.company_ratios())
    assert (row["market_cap"], row["enterprise_value"], row["enterprise_value_to_sales"]) == (8e11, None, None)


@pytest.mark.parametrize("code", ["9" * 5000, "429x", None, -1, {"a": 1}])
def test_an_error_without_a_code_is_an_error(twelve, code):
    twelve.on("/time_series", {"status": "error", "code": code, "message": "no"})
    batches = list(twelve.source.ticker_bars(["AAPL"], MONDAY, MONDAY))
    assert len(rules(batches)) == 1


@pytest.mark.parametrize("left", ["9" * 12, "9" * 5000, "-5", "1e3", ""])
def test_a_header_that_is_no_budget_changes_none(twelve, left):
    meta = {"symbol": "AAPL", "interval": "1day", "currency": "USD"}
    body = json.dumps({"meta": meta, "values": []}).encode()
    twelve.on("/time_series", httpx.Response(200, headers={"api-credits-left": left}, content=body))
    list(twelve.source.ticker_bars(["AAPL"], MONDAY, MONDAY))
    account = twelve.source.transport.account
    # Two symbols lists of venues and one series: what we counted ourselves stands.
    standing = twelve.ledger.standing(account, twelve.time.moment)
    assert standing.left_this_minute == account.plan.per_minute - len(twelve.script.requests)


@pytest.mark.parametrize(
    ("kind", "path", "more"),
    [
        (MassiveSource, "/v2/aggs/ticker/AAPL/range/1/day/2024-06-03/2024-06-03", {"plan": "paid"}),
        (EodhdSource, "/api/eod/AAPL.US", {"plan": "paid"}),
        (TwelveDataSource, "/time_series", {"plan": "pro_1597"}),
        (YahooSource, "/v8/finance/chart/AAPL", {"plan": "personal", "api_key": None}),
    ],
)
@pytest.mark.parametrize(
    "body", [b'{"status":"\xff"}', b'{"error":"\xff","message":"\\ud83d"}', b"[" * 100_000, b'"\\ud83d"', b"\xff\xfe"]
)
def test_a_body_of_bytes_that_are_no_text_ends_in_an_error_of_ours(ask, kind, path, more, body):
    asked = ask(kind, symbols=("AAPL",), **more)
    asked.on("/stocks", {"data": []})
    asked.on(path, body)
    try:
        batches = list(asked.source.ticker_bars(["AAPL"], MONDAY, MONDAY))
    except SourceError:
        return
    assert not any(batch.rows.num_rows for batch in batches)


def test_a_list_that_does_not_say_how_long_it_is_goes_on_until_a_page_is_not_full(ask, rows_of):
    nordnet = ask(NordnetSource, calendar="XSTO", private_key=pem())
    nordnet.on("/api/2/login/start", {"challenge": "sign-me"})
    nordnet.on("/api/2/login/verify", {"session_key": "session-1"})
    nordnet.on(LIST, {"results": [found(f"A{n}") for n in range(50)]}, {"results": [found("B")]})
    assert len(rows_of(nordnet.source.instruments())) == 51


def test_a_list_that_says_it_is_longer_than_it_is_ends_with_an_error(ask):
    nordnet = ask(NordnetSource, calendar="XSTO", private_key=pem())
    nordnet.on("/api/2/login/start", {"challenge": "sign-me"})
    nordnet.on("/api/2/login/verify", {"session_key": "session-1"})
    nordnet.on(LIST, {"results": [found("A")], "total_hits": 10**9})
    with pytest.raises(VendorUnavailable, match="the one before it again"):
        list(nordnet.source.instruments())
