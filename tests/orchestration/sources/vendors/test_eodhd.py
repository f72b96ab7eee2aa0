"""Every trap of EODHD's formats: bodies as it sends them, and what must come of them."""

import datetime as dt

import httpx
import pytest

from orchestration.sources.eodhd import EodhdSource
from orchestration.sources.errors import Kind, VendorOverBudget, VendorRefused, VendorUnavailable

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
    params = eodhd.script.requests[-1].url.params
    assert (params["from"], params["to"], params["fmt"]) == ("2024-06-03", "2024-06-04", "json")


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


@pytest.mark.parametrize("body", ["[]", "{}"])
def test_an_empty_list_may_be_an_object(eodhd, rows_of, body):
    eodhd.on("/api/eod/AAPL.US", body)
    assert rows_of(eodhd.source.daily_bars(MONDAY, MONDAY)) == []


def test_a_list_may_be_an_object_with_numbers_for_keys(eodhd, rows_of):
    eodhd.on("/api/eod/AAPL.US", {"0": bar(), "1": bar("2024-06-04")})
    assert len(rows_of(eodhd.source.daily_bars(MONDAY, TUESDAY))) == 2


def test_a_whole_exchange_comes_in_one_request_of_a_hundred_calls(ask, rows_of, refused_of):
    eodhd = ask(EodhdSource, plan="paid")
    rows = [bar(code="AAPL", exchange_short_name="US"), bar("2024-05-31", code="OLD"), bar(code="FUND", volume=0)]
    eodhd.on("/api/eod-bulk-last-day/US", rows)
    batches = list(eodhd.source.daily_bars(MONDAY, MONDAY))
    assert [(row["source_symbol"], row["volume"]) for row in rows_of(batches)] == [("AAPL", 1000), ("FUND", 0)]
    assert [r.rule for r in refused_of(batches)] == ["another_day"]
    account = eodhd.source.transport.account
    assert eodhd.ledger.standing(account, eodhd.time.moment).left_today == 99_900


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


def test_a_volume_without_knowing_the_splits_is_not_taken(eodhd):
    eodhd.on("/api/splits/AAPL.US", [{"split": "4/1"}])
    with pytest.raises(VendorUnavailable, match="a split that cannot be read"):
        list(eodhd.source.daily_bars(MONDAY, MONDAY))
