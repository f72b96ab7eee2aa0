"""Every trap of EODHD's formats: bodies as it sends them, and what must come of them."""

import datetime as dt

import httpx
import pytest

from orchestration.sources.eodhd.source import EodhdSource
from orchestration.sources.errors import Kind, VendorOverBudget, VendorRefused, VendorUnavailable
from orchestration.sources.records import Turn

MONDAY, TUESDAY = dt.date(2024, 6, 3), dt.date(2024, 6, 4)


def bar(date: str = "2024-06-03", **more: object) -> dict:
    return {
        "date": date,
        "open": 10,
        "high": 12,
        "low": 9.5,
        "close": 11.25,
        "adjusted_close": 2.8,
        "volume": 1000,
        **more,
    }


@pytest.fixture
def eodhd(ask):
    asked = ask(EodhdSource, symbols=("AAPL",), plan="paid")
    asked.on("/api/splits/AAPL.US", [])
    return asked


def test_prices_are_as_traded_and_both_ends_are_part_of_the_range(eodhd, rows_of):
    eodhd.on("/api/eod/AAPL.US", [bar(), bar("2024-06-04")])
    found = rows_of(eodhd.source.daily_bars(MONDAY, TUESDAY))
    assert [(row["trade_date"], row["close"], row["adjustment"]) for row in found] == [
        (MONDAY, 11.25, "none"), (TUESDAY, 11.25, "none"),
    ]  # fmt: skip
    params = eodhd.script.requests[0].url.params
    assert (params["from"], params["to"], params["fmt"]) == ("2024-06-03", "2024-06-04", "json")


def test_the_vendors_own_adjusted_close_is_kept_beside_the_price_as_traded(eodhd, rows_of):
    eodhd.on("/api/eod/AAPL.US", [bar(adjusted_close="2.8125"), bar("2024-06-04", adjusted_close="NA")])
    found = rows_of(eodhd.source.daily_bars(MONDAY, TUESDAY))
    assert [(row["close"], row["vendor_close_adj"]) for row in found] == [(11.25, 2.8125), (11.25, None)]


def test_volumes_are_given_back_in_the_shares_of_their_own_day(eodhd, rows_of):
    eodhd.on("/api/splits/AAPL.US", [{"date": "2024-06-04", "split": "4.000000/1.000000"}])
    eodhd.on("/api/eod/AAPL.US", [bar(volume=4000), bar("2024-06-04", volume=4100)])
    assert [row["volume"] for row in rows_of(eodhd.source.daily_bars(MONDAY, TUESDAY))] == [1000, 4100]


def test_the_warning_of_the_free_plan_is_no_bar(eodhd, rows_of, refused_of):
    warning = "Data is limited by one year as you have free subscription"
    eodhd.on("/api/eod/AAPL.US", [{"warning": warning}, bar()])
    batches = list(eodhd.source.daily_bars(MONDAY, MONDAY))
    assert len(rows_of(batches)) == 1
    assert [(r.rule, r.detail) for r in refused_of(batches)] == [("limited_by_plan", warning)]


def test_the_warning_may_stand_alone(eodhd, rows_of, refused_of):
    eodhd.on("/api/eod/AAPL.US", [{"warning": "Data is limited by one year as you have free subscription"}])
    batches = list(eodhd.source.daily_bars(MONDAY, MONDAY))
    assert (rows_of(batches), [r.rule for r in refused_of(batches)]) == ([], ["limited_by_plan"])


@pytest.mark.parametrize("body", ["[]", "{}"])
def test_an_empty_list_may_be_an_object(eodhd, rows_of, body):
    eodhd.on("/api/eod/AAPL.US", body)
    assert rows_of(eodhd.source.daily_bars(MONDAY, MONDAY)) == []


def test_a_list_may_be_an_object_with_numbers_for_keys(eodhd, rows_of):
    eodhd.on("/api/eod/AAPL.US", {"0": bar(), "1": bar("2024-06-04")})
    assert len(rows_of(eodhd.source.daily_bars(MONDAY, TUESDAY))) == 2


BULK = "/api/eod-bulk-last-day/US"


def listed_split(code: str, date: str, text: str) -> dict:
    return {"code": code, "exchange": "US", "date": date, "split": text}


def test_a_whole_exchange_comes_in_one_request_of_a_hundred_calls(ask, rows_of, refused_of):
    eodhd = ask(EodhdSource, plan="paid", now="2024-06-03T22:00:00+00:00")
    rows = [bar(code="AAPL", exchange_short_name="US"), bar("2024-05-31", code="OLD"), bar(code="FUND", volume=0)]
    eodhd.on(BULK, rows)
    batches = list(eodhd.source.daily_bars(MONDAY, MONDAY))
    assert [(row["source_symbol"], row["volume"]) for row in rows_of(batches)] == [("AAPL", 1000), ("FUND", 0)]
    assert [r.rule for r in refused_of(batches)] == ["another_day"]
    account = eodhd.source.transport.account
    assert eodhd.ledger.standing(account, eodhd.time.moment).left_today == 99_900


def test_volumes_of_a_whole_exchange_are_given_back_in_the_shares_of_their_own_day(ask, rows_of):
    """Asked on Wednesday, volumes are in Wednesday's shares: AAPL split on Tuesday, and MSFT on Wednesday."""
    eodhd = ask(EodhdSource, plan="paid")
    eodhd.on(
        BULK,
        [listed_split("AAPL", "2024-06-04", "4.000000/1.000000")],
        [listed_split("MSFT", "2024-06-05", "1.000000/10.000000")],
        [bar(code="AAPL", volume=4000), bar(code="MSFT", volume=50), bar(code="IBM", volume=70)],
        [bar("2024-06-04", code="AAPL", volume=4100), bar("2024-06-04", code="MSFT", volume=60)],
    )
    found = rows_of(eodhd.source.daily_bars(MONDAY, TUESDAY))
    assert [(row["source_symbol"], row["trade_date"], row["volume"]) for row in found] == [
        ("AAPL", MONDAY, 1000), ("MSFT", MONDAY, 500), ("IBM", MONDAY, 70),
        ("AAPL", TUESDAY, 4100), ("MSFT", TUESDAY, 600),
    ]  # fmt: skip
    assert [r.url.params.get("type") for r in eodhd.script.requests] == ["splits", "splits", None, None]


@pytest.mark.parametrize(
    "row", [{"split": "4:1"}, {"split": "0/1"}, {"split": "a/b"}, {"date": "2020-01-02"}, {"split": 4}]
)
def test_volumes_of_a_whole_exchange_are_not_taken_without_its_splits(ask, row):
    eodhd = ask(EodhdSource, plan="paid")
    eodhd.on(BULK, [listed_split("AAPL", "2024-06-04", "4/1") | row])
    with pytest.raises(VendorUnavailable, match="a split that cannot be read"):
        list(eodhd.source.daily_bars(MONDAY, MONDAY))


def test_splits_and_dividends_of_a_whole_exchange_come_by_day(ask, rows_of, refused_of):
    """Whether an amount in that list is divided by later splits is not said: where one follows, it is refused."""
    eodhd = ask(EodhdSource, plan="paid")
    eodhd.on(BULK, [listed_split("AAPL", "2024-06-03", "1.000000/20.000000")])
    (split,) = rows_of(eodhd.source.splits(MONDAY, MONDAY))
    assert (split["source_symbol"], split["shares_new"], split["shares_old"]) == ("AAPL", 1.0, 20.0)
    paid = {"date": "2024-06-03", "exchange": "US", "dividend": "0.25", "currency": "USD", "declarationDate": "",
            "paymentDate": ""}  # fmt: skip
    eodhd.on(
        BULK,
        [listed_split("AAPL", "2024-06-04", "4.000000/1.000000")],
        [],
        [paid | {"code": "AAPL"}, paid | {"code": "IBM"}, paid | {"code": "AAPL", "unadjustedValue": 1}],
    )
    batches = list(eodhd.source.dividends(MONDAY, MONDAY))
    assert [(r["source_symbol"], r["amount"], r["pay_date"]) for r in rows_of(batches)] == [
        ("IBM", 0.25, None), ("AAPL", 1.0, None),
    ]  # fmt: skip
    assert [r.rule for r in refused_of(batches)] == ["maybe_adjusted"]


def test_where_the_budget_ends_sessions_are_left_out_by_name_and_the_next_run_goes_on_there(ask, rows_of, refused_of):
    eodhd = ask(EodhdSource, plan="paid", now="2024-06-04T22:00:00+00:00")
    eodhd.on(BULK, [], [bar(code="AAPL")], (402, "You exceeded your daily API requests limit."))
    batches = list(eodhd.source.daily_bars(MONDAY, TUESDAY))
    assert [(row["source_symbol"], row["trade_date"]) for row in rows_of(batches)] == [("AAPL", MONDAY)]
    assert [(r.record_key.split("|")[0], r.rule) for r in refused_of(batches)] == [("2024-06-04", "vendor_quota_day")]
    assert [batch.reached for batch in batches] == [(Turn("*", MONDAY, MONDAY),), ()]
    assert [batch.left for batch in batches] == [(), (Turn("*", MONDAY, TUESDAY),)]


def test_pence_become_pounds(ask, rows_of):
    eodhd = ask(EodhdSource, symbols=("VOD",), calendar="XLON", plan="paid")
    eodhd.on("/api/splits/VOD.LSE", [])
    eodhd.on("/api/eod/VOD.LSE", [bar(close=72.5)])
    (row,) = rows_of(eodhd.source.daily_bars(MONDAY, MONDAY))
    assert (row["close"], row["currency_code"]) == (0.725, "GBP")


def test_a_listing_without_an_isin_is_a_listing_and_a_name_used_again_is_refused(ask, rows_of, refused_of):
    eodhd = ask(EodhdSource, calendar="XASX")
    listed = {"Code": "BHP", "Name": "BHP", "Country": "Australia", "Exchange": "AU", "Currency": "AUD",
              "Type": "Common Stock", "Isin": None}  # fmt: skip
    eodhd.on("/api/exchange-symbol-list/AU", [listed, listed | {"Code": "ETF", "Type": "ETF"}],
             [listed, listed | {"Code": "GONE"}])  # fmt: skip
    batches = list(eodhd.source.instruments())
    assert [(r["source_symbol"], r["is_active"], r["exchange_code"]) for r in rows_of(batches)] == [
        ("BHP", True, "XASX"), ("GONE", False, "XASX"),
    ]  # fmt: skip
    assert [r.rule for r in refused_of(batches)] == ["symbol_used_again"]


def test_a_dividend_is_as_declared_and_empty_dates_are_missing(eodhd, rows_of):
    row = {"date": "2024-06-03", "declarationDate": "", "recordDate": "", "paymentDate": "2024-06-14", "period": "Q",
           "value": 0.0625, "unadjustedValue": 0.25, "currency": "USD"}  # fmt: skip
    eodhd.on("/api/div/AAPL.US", [row])
    (found,) = rows_of(eodhd.source.dividends(MONDAY, MONDAY))
    assert (found["amount"], found["declared_date"], found["pay_date"]) == (0.25, None, dt.date(2024, 6, 14))


@pytest.mark.parametrize(("text", "new", "old"), [("4.000000/1.000000", 4.0, 1.0), ("1.000000/20.000000", 1.0, 20.0)])
def test_a_split_is_new_over_old(eodhd, rows_of, text, new, old):
    eodhd.on("/api/splits/AAPL.US", [{"date": "2024-06-03", "split": text}])
    (row,) = rows_of(eodhd.source.splits(MONDAY, MONDAY))
    assert (row["shares_new"], row["shares_old"]) == (new, old)


def test_a_split_that_is_no_ratio_is_refused(eodhd, refused_of):
    eodhd.on("/api/splits/AAPL.US", [{"date": "2024-06-03", "split": "4:1"}])
    assert [r.rule for r in refused_of(eodhd.source.splits(MONDAY, MONDAY))] == ["not_a_ratio"]


NOW = dt.datetime(2024, 6, 5, 15, 0, tzinfo=dt.UTC)


def quote(code: str, **more: object) -> dict:
    return {"code": code, "timestamp": int(NOW.timestamp()), "gmtoffset": 0, "open": 9.5, "high": 11, "low": 9,
            "close": 10.5, "volume": 77, "previousClose": 10, "change": 0.5, "change_p": 5.0, **more}  # fmt: skip


def test_one_quote_is_an_object_and_several_are_a_list(eodhd):
    eodhd.on("/api/real-time/AAPL.US", quote("AAPL.US"), [quote("AAPL.US"), quote("MSFT.US", close=20.5)])
    (alone,) = eodhd.source.quotes(["AAPL"], NOW)
    assert (alone.source_symbol, alone.price, alone.quoted_at, alone.currency_code) == ("AAPL", 10.5, NOW, "USD")
    assert [q.price for q in eodhd.source.quotes(["AAPL", "MSFT"], NOW)] == [10.5, 20.5]
    assert eodhd.script.requests[-1].url.params["s"] == "MSFT.US"


def test_na_is_nothing_whether_in_one_field_or_in_all(eodhd):
    dead = {key: "NA" for key in quote("")} | {"code": "DEAD.US"}
    eodhd.on("/api/real-time/AAPL.US", [quote("AAPL.US", open="NA", volume="NA"), dead])
    (found,) = eodhd.source.quotes(["AAPL", "DEAD"], NOW)
    assert (found.price, found.open, found.volume) == (10.5, None, None)


def statement(date: str, filed: str | None, **figures: object) -> dict:
    return {"date": date, "filing_date": filed, "currency_symbol": "USD", **figures}


def test_statements_are_text_their_filing_day_counts_and_an_old_ones_does_not(ask, rows_of):
    eodhd = ask(EodhdSource, symbols=("AAPL",), plan="paid")
    old = dt.date(2024, 6, 3) - dt.timedelta(days=90)
    quarter = {
        "2024-03-31": statement("2024-03-31", "2024-06-03", totalAssets="364980000000.00", cash=None),
        str(old): statement(str(old), str(old), totalAssets="5.00"),
        "2023-12-31": statement("2023-12-31", "2024-02-02", totalAssets="1.00"),
    }
    flows = {"2024-03-31": statement("2024-03-31", None, capitalExpenditures="7.00")}
    eodhd.on(
        "/api/fundamentals/AAPL.US",
        {
            "General": {"Code": "AAPL"},
            "Financials": {
                "Balance_Sheet": {"currency_symbol": "USD", "quarterly": quarter, "yearly": {}},
                "Cash_Flow": {"quarterly": flows, "yearly": []},
            },
        },
    )
    found = [
        {k: v for k, v in row.items() if v is not None} for row in rows_of(eodhd.source.fundamentals(MONDAY, MONDAY))
    ]
    assert found == [
        {"source_symbol": "AAPL", "statement": "quarterly", "period_end_date": dt.date(2024, 3, 31),
         "filed_date": MONDAY, "currency_code": "USD", "total_assets": 364980000000.0, "capex": -7.0},
        {"source_symbol": "AAPL", "statement": "quarterly", "period_end_date": old, "currency_code": "USD",
         "total_assets": 5.0},
    ]  # fmt: skip


@pytest.mark.parametrize("financials", [None, [], {}, {"Balance_Sheet": []}, {"Balance_Sheet": {"quarterly": "x"}}])
def test_parts_that_are_absent_are_nothing(eodhd, rows_of, financials):
    eodhd.on("/api/fundamentals/AAPL.US", {"Financials": financials})
    assert rows_of(eodhd.source.fundamentals(MONDAY, MONDAY)) == []


def test_the_euro_is_asked_for_as_a_pair_and_dated_in_utc(eodhd, rows_of):
    for pair, rate in (("EURUSD", 1.08), ("GBPUSD", 1.27), ("USDSEK", 10.4)):
        eodhd.on(f"/api/eod/{pair}.FOREX", [bar(close=rate, volume=None)])
    assert [tuple(row.values()) for row in rows_of(eodhd.source.fx_rates(MONDAY, MONDAY))] == [
        ("EUR", "USD", MONDAY, 1.08), ("GBP", "USD", MONDAY, 1.27), ("USD", "SEK", MONDAY, 10.4),
    ]  # fmt: skip


@pytest.mark.parametrize("keyed", [True, False])
def test_holidays_are_a_list_or_an_object_with_numbers_for_keys(eodhd, rows_of, keyed):
    rows = [{"Holiday": "Juneteenth", "Date": "2024-06-19", "Type": "official"}]
    eodhd.on("/api/exchange-details/US", {"Name": "USA", "ExchangeHolidays": {"0": rows[0]} if keyed else rows})
    (found,) = rows_of(eodhd.source.market_holidays())
    assert (found["exchange_code"], found["holiday_date"], found["status"]) == ("XNYS", dt.date(2024, 6, 19), "closed")


def test_news_without_sentiment_are_news_and_their_address_is_their_id(eodhd, rows_of):
    article = {"date": "2024-06-03T13:30:00+00:00", "title": "Up", "content": "...", "link": "https://x/1",
               "symbols": ["AAPL.US"], "tags": [], "sentiment": None}  # fmt: skip
    scored = article | {"link": "https://x/2", "sentiment": {"polarity": 0.5, "neg": 0, "neu": 0.5, "pos": 0.5}}
    eodhd.on("/api/news", [article, scored])
    found = rows_of(eodhd.source.news_articles(MONDAY, MONDAY))
    assert [(row["source_article_id"], row["sentiment"]) for row in found] == [
        ("https://x/1", None),
        ("https://x/2", 0.5),
    ]


def test_a_text_in_place_of_json_is_told_by_its_status(eodhd):
    refusal = httpx.Response(401, headers={"content-type": "text/html"}, content=b"Unauthenticated")
    eodhd.on("/api/exchange-details/US", refusal)
    with pytest.raises(VendorRefused) as caught:
        list(eodhd.source.market_holidays())
    assert caught.value.kind is Kind.AUTH


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ((403, "Unauthenticated"), Kind.AUTH),
        ((403, {"message": "Only EOD data allowed for free users"}), Kind.ENTITLEMENT),
        ((404, "Ticker Not Found."), Kind.NOT_FOUND),
        ((422, {"errors": {"from": ["must be a date"]}}), Kind.BAD_REQUEST),
    ],
)
def test_errors_are_told_apart(eodhd, answer, kind):
    eodhd.on("/api/exchange-details/US", answer)
    with pytest.raises(VendorRefused) as caught:
        list(eodhd.source.market_holidays())
    assert caught.value.kind is kind


def test_402_is_the_end_of_the_day_and_html_with_502_a_moment(eodhd):
    eodhd.on("/api/exchange-details/US", (502, "<html>"), (402, "You exceeded your daily API requests limit."))
    with pytest.raises(VendorOverBudget) as caught:
        list(eodhd.source.market_holidays())
    assert caught.value.retry_at == dt.datetime(2024, 6, 6, tzinfo=dt.UTC)
    assert len(eodhd.script.requests) == 2


@pytest.mark.parametrize(("headers", "pause"), [({}, 60.0), ({"retry-after": "7"}, 7.0)])
def test_429_is_the_minute_and_says_sometimes_how_long(eodhd, headers, pause):
    eodhd.on("/api/exchange-details/US", httpx.Response(429, headers=headers, content=b"<html>"), "{}")
    list(eodhd.source.market_holidays())
    assert sum(eodhd.time.slept) == pause


def test_the_header_says_what_is_left_of_the_minute(eodhd):
    answer = httpx.Response(200, headers={"X-RateLimit-Limit": "1200", "X-RateLimit-Remaining": "3"}, content=b"{}")
    eodhd.on("/api/exchange-details/US", answer)
    list(eodhd.source.market_holidays())
    assert eodhd.ledger.standing(eodhd.source.transport.account, eodhd.time.moment).left_this_minute == 3


def test_the_key_travels_in_the_address_and_no_message_shows_it(eodhd):
    eodhd.on("/api/exchange-details/US", (404, "Not found: api_token=marker-key-5f1e"))
    with pytest.raises(VendorRefused) as caught:
        list(eodhd.source.market_holidays())
    assert eodhd.script.requests[0].url.params["api_token"] == "marker-key-5f1e"
    assert "marker-key" not in str(caught.value)


def test_an_object_with_words_for_keys_is_no_list(eodhd, refused_of):
    eodhd.on("/api/eod/AAPL.US", {"message": "hello"})
    assert [r.rule for r in refused_of(eodhd.source.daily_bars(MONDAY, MONDAY))] == ["vendor_transient"]


def test_a_volume_without_knowing_the_splits_is_not_taken(eodhd, rows_of, refused_of):
    eodhd.on("/api/eod/AAPL.US", [bar()])
    eodhd.on("/api/splits/AAPL.US", [{"split": "4/1"}])
    batches = list(eodhd.source.daily_bars(MONDAY, MONDAY))
    assert (rows_of(batches), [r.rule for r in refused_of(batches)]) == ([], ["vendor_transient"])


def test_statements_of_a_whole_exchange_come_in_pages_of_an_object(ask, rows_of, refused_of):
    eodhd = ask(EodhdSource, plan="paid")
    quarter = statement("2024-03-31", "2024-06-03", totalAssets="7.00")
    company = {"General": {"Code": "AAPL"}, "Financials": {"Balance_Sheet": {"quarterly_last_0": quarter}}}
    eodhd.on("/api/bulk-fundamentals/US", {"0": company, "1": {"General": {}}})
    batches = list(eodhd.source.fundamentals(MONDAY, MONDAY))
    assert [(r["source_symbol"], r["statement"], r["total_assets"]) for r in rows_of(batches)] == [
        ("AAPL", "quarterly", 7.0)
    ]
    assert [r.rule for r in refused_of(batches)] == ["not_a_symbol"]
    (request,) = eodhd.script.requests
    assert (request.url.params["offset"], request.url.params["limit"]) == ("0", "500")


def test_zeros_that_stand_for_what_a_bank_has_not_are_never_read(ask, rows_of):
    """A bank without EBITDA: the ratio to it is told as 0. Only statements are taken, and zero there is zero."""
    eodhd = ask(EodhdSource, symbols=("CBA",), calendar="XASX", plan="paid")
    income = {"2023-12-31": {"date": "2023-12-31", "filing_date": "2024-06-03", "currency_symbol": "AUD",
                             "totalRevenue": "20.00", "ebitda": None, "interestExpense": "0.00"}}  # fmt: skip
    eodhd.on(
        "/api/fundamentals/CBA.AU",
        {
            "Highlights": {"EBITDA": None, "PayoutRatio": 0.0166},
            "Valuation": {"EnterpriseValueEbitda": 0},
            "Financials": {"Income_Statement": {"currency_symbol": "AUD", "quarterly": income}},
        },
    )
    (row,) = rows_of(eodhd.source.fundamentals(MONDAY, MONDAY))
    given = {name: value for name, value in row.items() if isinstance(value, float)}
    assert given == {"revenue": 20.0, "interest_expense": 0.0}


def test_renamings_come_in_one_list_for_the_united_states_alone(ask, rows_of, refused_of):
    eodhd = ask(EodhdSource, plan="paid")
    renamed = {"old_symbol": "FB", "new_symbol": "META", "effective": "2022-06-09"}
    eodhd.on("/api/symbol-change-history", [renamed, renamed | {"effective": ""}])
    batches = list(eodhd.source.ticker_events())
    assert [tuple(row.values()) for row in rows_of(batches)] == [("META", dt.date(2022, 6, 9), "FB")]
    assert [record.rule for record in refused_of(batches)] == ["not_a_day"]
    assert list(ask(EodhdSource, calendar="XASX").source.ticker_events()) == []


def test_ratios_are_the_last_sessions_and_what_a_bank_has_not_is_missing(ask, rows_of):
    eodhd = ask(EodhdSource, symbols=("CBA",), plan="paid")
    general = {"Code": "CBA", "CurrencyCode": "USD"}
    highlights = {"MarketCapitalization": 2e11, "PERatio": 20.5, "DividendYield": 0.04, "EBITDA": None}
    valuation = {"PriceBookMRQ": "2.5", "EnterpriseValueEbitda": 0}
    eodhd.on("/api/fundamentals/CBA.US", {"General": general, "Highlights": highlights, "Valuation": valuation})
    (found,) = rows_of(eodhd.source.company_ratios())
    assert {name: value for name, value in found.items() if value is not None} == {
        "source_symbol": "CBA", "as_of_date": dt.date(2024, 6, 5), "currency_code": "USD", "market_cap": 2e11,
        "price_to_earnings": 20.5, "dividend_yield": 0.04, "price_to_book": 2.5,
    }  # fmt: skip


@pytest.mark.parametrize("parts", [{}, {"Highlights": [], "Valuation": None}])
def test_a_company_without_ratios_has_no_row(ask, rows_of, parts):
    eodhd = ask(EodhdSource, symbols=("AAPL",), plan="paid")
    eodhd.on("/api/fundamentals/AAPL.US", {"General": {"Code": "AAPL"}, **parts})
    assert rows_of(eodhd.source.company_ratios()) == []
