"""Every trap of Yahoo's formats: bodies as it sends them, and what must come of them."""

import datetime as dt

import httpx
import numpy as np
import pytest

from orchestration.sources.errors import Kind, OptionOutOfRange, VendorOverBudget, VendorRefused, VendorUnavailable
from orchestration.sources.transport import Call
from orchestration.sources.yahoo.source import YahooSource
from transforms.bar_rules import check_bars

MONDAY, TUESDAY = dt.date(2024, 6, 3), dt.date(2024, 6, 4)
PATH = "/v8/finance/chart/"


def opened(day: str, offset: str = "-04:00", hour: str = "09:30:00") -> int:
    return int(dt.datetime.fromisoformat(f"{day}T{hour}{offset}").timestamp())


def chart(stamps: list[int], *, events: dict | None = None, columns: dict | None = None, **meta: object) -> dict:
    n = len(stamps)
    quote = {"open": [10.0] * n, "high": [12.0] * n, "low": [9.0] * n, "close": [11.0] * n, "volume": [5] * n}
    known = {"symbol": "AAPL", "currency": "USD", "exchangeTimezoneName": "America/New_York", "dataGranularity": "1d",
             "priceHint": 2, "gmtoffset": -14400}  # fmt: skip
    result = {"meta": known | meta, "timestamp": stamps, "indicators": {"quote": [quote | (columns or {})]}}
    return {"chart": {"result": [result | ({"events": events} if events else {})], "error": None}}


@pytest.fixture
def yahoo(ask):
    return ask(YahooSource, symbols=("AAPL",), plan="personal", api_key=None)


def bars(yahoo):
    return list(yahoo.source.daily_bars(MONDAY, TUESDAY))


def test_it_is_off_unless_somebody_says_that_the_use_is_personal(ask):
    with pytest.raises(OptionOutOfRange, match="FACTORLOOM_YAHOO_PLAN must be `personal`"):
        ask(YahooSource, api_key=None)


def test_a_bar_is_of_the_day_of_its_exchange_and_adjusted_for_splits(yahoo, rows_of):
    yahoo.on(PATH + "AAPL", chart([opened("2024-06-03"), opened("2024-06-04")]))
    assert [(r["trade_date"], r["close"], r["adjustment"]) for r in rows_of(bars(yahoo))] == [
        (MONDAY, 11.0, "splits"), (TUESDAY, 11.0, "splits"),
    ]  # fmt: skip


def test_a_morning_in_sydney_is_not_the_evening_before_in_utc(ask, rows_of):
    yahoo = ask(YahooSource, symbols=("BHP",), plan="personal", api_key=None, calendar="XASX")
    stamp = opened("2024-06-03", "+10:00", "09:30:00")
    yahoo.on(PATH + "BHP.AX", chart([stamp], symbol="BHP.AX", currency="AUD", exchangeTimezoneName="Australia/Sydney"))
    assert [r["trade_date"] for r in rows_of(yahoo.source.daily_bars(MONDAY, MONDAY))] == [MONDAY]


def test_summer_time_begins_within_a_range_and_the_offset_that_is_told_stays_the_same(ask, rows_of):
    yahoo = ask(YahooSource, symbols=("AAPL",), plan="personal", api_key=None)
    stamps = [opened("2024-03-08", "-05:00"), opened("2024-03-11", "-04:00")]
    yahoo.on(PATH + "AAPL", chart(stamps, gmtoffset=-18000))
    found = rows_of(yahoo.source.daily_bars(dt.date(2024, 3, 8), dt.date(2024, 3, 11)))
    assert [r["trade_date"] for r in found] == [dt.date(2024, 3, 8), dt.date(2024, 3, 11)]


def test_the_end_of_a_range_is_exclusive_so_more_is_asked_for(yahoo):
    yahoo.on(PATH + "AAPL", chart([opened("2024-06-03")]))
    bars(yahoo)
    params = yahoo.script.requests[-1].url.params
    asked = [dt.datetime.fromtimestamp(int(params[name]), dt.UTC).date() for name in ("period1", "period2")]
    assert asked == [dt.date(2024, 6, 2), dt.date(2024, 6, 6)]
    assert "range" not in params, "long ranges come back in months"


def test_months_where_days_were_asked_for_are_refused(yahoo, rows_of, refused_of):
    yahoo.on(PATH + "AAPL", chart([opened("2024-06-03")], dataGranularity="3mo"))
    batches = bars(yahoo)
    assert (rows_of(batches), [r.rule for r in refused_of(batches)]) == ([], ["another_interval"])


def test_the_trade_that_stands_in_place_of_todays_bar_is_refused(yahoo, rows_of, refused_of):
    yahoo.on(PATH + "AAPL", chart([opened("2024-06-03"), opened("2024-06-04", hour="16:00:01")]))
    batches = bars(yahoo)
    assert [r["trade_date"] for r in rows_of(batches)] == [MONDAY]
    assert [r.rule for r in refused_of(batches)] == ["a_trade_and_no_bar"]


@pytest.mark.parametrize("columns", [{"open": None, "high": None, "low": None}, {"open": [None, None]}])
def test_entries_and_whole_columns_may_be_missing(yahoo, rows_of, columns):
    yahoo.on(PATH + "AAPL", chart([opened("2024-06-03"), opened("2024-06-04")], columns=columns))
    assert [(r["open"], r["close"]) for r in rows_of(bars(yahoo))] == [(None, 11.0), (None, 11.0)]


@pytest.mark.parametrize(("second", "expected"), [(11.0, [11.0]), (11.5, [])])
def test_the_last_day_may_come_twice_and_counts_where_both_agree(yahoo, rows_of, second, expected):
    """What the door hands over is judged as one batch: equal rows are one, of different ones nobody knows which."""
    stamps = [opened("2024-06-03"), opened("2024-06-03", hour="09:30:01")]
    yahoo.on(PATH + "AAPL", chart(stamps, columns={"close": [11.0, second]}))
    (batch,) = bars(yahoo)
    checked = check_bars(batch.rows.to_pandas(date_as_object=False), sessions=np.array([MONDAY], dtype="datetime64[D]"))
    assert checked.accepted["close"].tolist() == expected
    assert (checked.n_exact_duplicates, len(checked.refused)) == ((1, 0) if expected else (0, 2))


CRUMBED = "/v7/finance/quote"
NOW = dt.datetime(2024, 6, 5, 15, 0, tzinfo=dt.UTC)


def quote(name: str, **more: object) -> dict:
    return {"symbol": name, "currency": "USD", "regularMarketPrice": 10.5, "regularMarketPreviousClose": 10,
            "regularMarketTime": int(NOW.timestamp()), "regularMarketVolume": 77, "regularMarketChangePercent": 5.0,
            "quoteType": "EQUITY", **more}  # fmt: skip


def with_crumb(yahoo, *crumbs: object) -> None:
    cookie = httpx.Response(404, headers={"set-cookie": "A3=d; Domain=.yahoo.com; Path=/"}, content=b"not here")
    yahoo.on("/", cookie)
    yahoo.on("/v1/test/getcrumb", *crumbs)


def test_quotes_carry_a_crumb_that_belongs_to_a_cookie_and_unknown_symbols_are_left_out(yahoo):
    with_crumb(yahoo, "cRuMb.1")
    yahoo.on(CRUMBED, {"quoteResponse": {"result": [quote("AAPL"), quote("OTHER")], "error": None}})
    (found,) = yahoo.source.quotes(["AAPL", "XXXX"], NOW)
    assert (found.source_symbol, found.price, found.previous_close, found.volume, found.quoted_at) == (
        "AAPL", 10.5, 10.0, 77, NOW,
    )  # fmt: skip
    asked = yahoo.script.requests[-1]
    assert (asked.url.params["crumb"], asked.headers["cookie"]) == ("cRuMb.1", "A3=d")
    assert yahoo.script.requests[0].url.host == "fc.yahoo.com"


def test_a_crumb_that_is_not_taken_any_longer_is_renewed_once(yahoo):
    with_crumb(yahoo, "old", "new")
    refusal = {"finance": {"result": None, "error": {"code": "Unauthorized", "description": "Invalid Crumb"}}}
    yahoo.on(CRUMBED, (401, refusal), {"quoteResponse": {"result": [quote("AAPL")], "error": None}}, (401, refusal))
    assert len(yahoo.source.quotes(["AAPL"], NOW)) == 1
    with pytest.raises(VendorRefused):
        yahoo.source.quotes(["AAPL"], NOW)
    assert [r.url.params.get("crumb") for r in yahoo.script.requests if r.url.path == CRUMBED] == [
        "old", "new", "new", "new",
    ]  # fmt: skip


@pytest.mark.parametrize("body", ["", "<html>consent</html>", '{"error": 1}', "a crumb with spaces"])
def test_what_is_no_crumb_is_not_used_as_one(yahoo, body):
    with_crumb(yahoo, body)
    with pytest.raises(VendorUnavailable):
        yahoo.source.quotes(["AAPL"], NOW)
    assert CRUMBED not in yahoo.script.paths


def figure(raw: object, *, day: str = "2024-03-05", fmt: str | None = "x", code: str = "USD") -> dict:
    return {"asOfDate": day, "periodType": "3M", "currencyCode": code, "reportedValue": {"raw": raw, "fmt": fmt}}


def test_statements_are_put_together_out_of_a_list_for_each_figure(yahoo, rows_of, refused_of):
    """90 days after the period ends they count. A zero without a text is none, and null entries are nothing."""
    with_crumb(yahoo, "c")
    series = [
        {"meta": {"type": ["quarterlyTotalRevenue"]}, "quarterlyTotalRevenue": [None, figure(90), figure("x")]},
        {"meta": {"type": ["quarterlyNetIncome"]}, "quarterlyNetIncome": [figure(0, fmt=None)]},
        {"meta": {"type": ["quarterlyGrossProfit"]}, "quarterlyGrossProfit": [figure(1) | {"reportedValue": {}}]},
        {"meta": {"type": ["quarterlyCapitalExpenditure"]}, "quarterlyCapitalExpenditure": [figure(-7)]},
        {"meta": {"type": ["quarterlyTotalAssets"]}, "quarterlyTotalAssets": [figure(5, code="EUR")]},
        {"meta": {"type": ["annualTotalRevenue"]}, "annualTotalRevenue": [figure(300, day="2023-03-05")]},
        {"meta": {"type": ["annualNetIncome"]}},
    ]
    path = "/ws/fundamentals-timeseries/v1/finance/timeseries/AAPL"
    yahoo.on(path, {"timeseries": {"result": series, "error": None}})
    batches = list(yahoo.source.fundamentals(MONDAY, MONDAY))
    (found,) = rows_of(batches)
    assert {name: value for name, value in found.items() if value is not None} == {
        "source_symbol": "AAPL", "statement": "quarterly", "period_end_date": dt.date(2024, 3, 5),
        "currency_code": "USD", "revenue": 90.0, "capex": -7.0,
    }  # fmt: skip
    assert [r.rule for r in refused_of(batches)] == ["not_a_number", "another_currency"]


def test_columns_of_other_lengths_are_refused_for_nobody_knows_what_belongs_to_what(yahoo, rows_of, refused_of):
    yahoo.on(PATH + "AAPL", chart([opened("2024-06-03"), opened("2024-06-04")], columns={"close": [11.0]}))
    batches = bars(yahoo)
    assert (rows_of(batches), [r.rule for r in refused_of(batches)]) == ([], ["columns_of_other_lengths"])


def test_an_answer_without_stamps_is_empty(yahoo, rows_of):
    answer = chart([])
    del answer["chart"]["result"][0]["timestamp"]
    answer["chart"]["result"][0]["indicators"] = {"quote": [{}]}
    yahoo.on(PATH + "AAPL", answer)
    assert rows_of(bars(yahoo)) == []


def test_the_noise_of_single_precision_is_rounded_away_and_pence_become_pounds(yahoo, rows_of):
    columns = {"close": [269.70001220703125]}
    yahoo.on(PATH + "AAPL", chart([opened("2024-06-03")], columns=columns),
             chart([opened("2024-06-03")], columns=columns, currency="GBp"))  # fmt: skip
    assert [r["close"] for r in rows_of(bars(yahoo))] == [269.7]
    assert [(r["close"], r["currency_code"]) for r in rows_of(bars(yahoo))] == [(2.697, "GBP")]


def test_a_split_is_numerator_for_denominator_and_a_dividend_is_given_back_as_declared(yahoo, rows_of):
    events = {
        "dividends": {"1717400000": {"date": opened("2024-06-03"), "amount": 0.0625}},
        "splits": {"x": {"date": opened("2024-06-04"), "numerator": 4, "denominator": 1, "splitRatio": "4:1"}},
    }
    yahoo.on(PATH + "AAPL", chart([], events=events))
    (dividend,) = rows_of(yahoo.source.dividends(MONDAY, MONDAY))
    assert (dividend["ex_date"], dividend["amount"]) == (MONDAY, 0.25)
    (split,) = rows_of(yahoo.source.splits(TUESDAY, TUESDAY))
    assert (split["ex_date"], split["shares_new"], split["shares_old"]) == (TUESDAY, 4.0, 1.0)


def test_currencies_trade_in_london_time(yahoo, rows_of):
    for pair in ("EURUSD", "GBPUSD", "USDSEK"):
        stamps = [opened("2024-06-03", "+01:00", "00:00:00")]
        yahoo.on(f"{PATH}{pair}=X", chart(stamps, symbol=f"{pair}=X", exchangeTimezoneName="Europe/London"))
    found = rows_of(yahoo.source.fx_rates(MONDAY, MONDAY))
    assert {(r["rate_date"], r["rate"]) for r in found} == {(MONDAY, 11.0)}


def test_an_unknown_symbol_is_left_out_by_name(yahoo, refused_of):
    error = {"code": "Not Found", "description": "No data found, symbol may be delisted"}
    yahoo.on(PATH + "AAPL", (404, {"chart": {"result": None, "error": error}}))
    assert [r.rule for r in refused_of(bars(yahoo))] == ["vendor_not_found"]


def test_an_answer_about_another_symbol_is_left_out(yahoo, rows_of, refused_of):
    yahoo.on(PATH + "AAPL", chart([opened("2024-06-03")], symbol="AAPB"))
    batches = bars(yahoo)
    assert (rows_of(batches), [r.rule for r in refused_of(batches)]) == ([], ["vendor_transient"])


def test_a_wrong_crumb_is_a_matter_of_the_key(yahoo):
    error = {"code": "Unauthorized", "description": "Invalid Crumb"}
    yahoo.on(PATH + "AAPL", (401, {"finance": {"result": None, "error": error}}))
    with pytest.raises(VendorRefused) as caught:
        bars(yahoo)
    assert caught.value.kind is Kind.AUTH


def test_an_out_of_range_period_is_a_bad_request_of_one_symbol(yahoo, refused_of):
    error = {"code": "Unprocessable Entity", "description": "1d data not available for startTime=1"}
    yahoo.on(PATH + "AAPL", (422, {"chart": {"result": None, "error": error}}))
    assert [r.rule for r in refused_of(bars(yahoo))] == ["vendor_bad_request"]


def test_too_many_requests_is_an_hour_of_silence(yahoo, refused_of):
    yahoo.on(PATH + "AAPL", (429, "Too Many Requests"))
    assert [r.rule for r in refused_of(bars(yahoo))] == ["vendor_quota_day"]
    with pytest.raises(VendorOverBudget):
        yahoo.source.transport.fetch(Call(PATH + "MSFT", bytes))
    assert len(yahoo.script.requests) == 1


def test_a_page_in_place_of_an_answer_is_asked_again(yahoo, rows_of):
    yahoo.on(PATH + "AAPL", "<html>Will be right back...</html>", chart([opened("2024-06-03")]))
    assert len(rows_of(bars(yahoo))) == 1


def test_ratios_come_with_the_prices_and_yields_as_fractions(yahoo, rows_of):
    with_crumb(yahoo, "cRuMb.1")
    row = quote("AAPL", marketCap=3e12, trailingPE=30.5, dividendYield=0.44, trailingAnnualDividendYield=0.0044)
    yahoo.on(CRUMBED, {"quoteResponse": {"result": [row, quote("OTHER", marketCap=1e9)], "error": None}})
    (found,) = rows_of(yahoo.source.company_ratios())
    assert {name: value for name, value in found.items() if value is not None} == {
        "source_symbol": "AAPL", "as_of_date": dt.date(2024, 6, 5), "currency_code": "USD", "market_cap": 3e12,
        "price_to_earnings": 30.5, "dividend_yield": 0.0044,
    }  # fmt: skip


def test_headlines_are_those_of_the_days_that_were_asked_for(yahoo, rows_of, refused_of):
    with_crumb(yahoo, "cRuMb.1")
    evening = int(dt.datetime(2024, 6, 4, 1, 0, tzinfo=dt.UTC).timestamp())  # still Monday in New York
    item = {"uuid": "a1", "title": "Apple up", "publisher": "W", "link": "https://w/1", "type": "STORY"}
    found = [
        {**item, "providerPublishTime": evening, "relatedTickers": ["AAPL", "MSFT"]},
        {**item, "uuid": "a2", "providerPublishTime": evening + 86_400},
        {**item, "uuid": "a3", "providerPublishTime": "soon"},
        {"uuid": "a4"},
    ]
    yahoo.on("/v1/finance/search", {"quotes": [], "news": found})
    batches = list(yahoo.source.news_articles(MONDAY, MONDAY))
    (row,) = rows_of(batches)
    assert (row["source_article_id"], row["publisher"], row["source_symbols"]) == ("a1", "W", '["AAPL","MSFT"]')
    assert sorted(record.rule for record in refused_of(batches)) == ["not_a_number", "unreadable_record"]
