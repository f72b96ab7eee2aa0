"""Every trap of Massive's formats: bodies as it sends them, and what must come of them."""

import datetime as dt
import json

import httpx
import pytest

from orchestration.sources.errors import HostRefused, Kind, VendorOverBudget, VendorRefused, VendorUnavailable
from orchestration.sources.massive.source import MassiveSource
from orchestration.sources.protocols import capabilities

GROUPED = "/v2/aggs/grouped/locale/us/market/stocks/"
MONDAY, TUESDAY, WEDNESDAY = dt.date(2024, 6, 3), dt.date(2024, 6, 4), dt.date(2024, 6, 5)


def ended(day: str, offset: str = "-04:00") -> int:
    """The stamp of a whole market's day: four in the afternoon in New York."""
    return int(dt.datetime.fromisoformat(f"{day}T16:00:00{offset}").timestamp() * 1000)


def grouped(*bars: dict, **more: object) -> dict:
    return {"status": "OK", "adjusted": False, "queryCount": len(bars), "results": list(bars), **more}


def bar(ticker: str, day: str = "2024-06-03", **more: object) -> dict:
    return {"T": ticker, "t": ended(day), "o": 10, "h": 12, "l": 9.5, "c": 11.25, "v": 1000, **more}


def split(ticker: str, **more: object) -> dict:
    return {"ticker": ticker, "execution_date": "2024-06-03", "split_from": 1, "split_to": 4, **more}


@pytest.fixture
def massive(ask):
    return ask(MassiveSource, symbols=("AAPL", "BRK.B"))


def test_it_has_all_but_a_market_index():
    assert capabilities(MassiveSource) >= {
        "instruments", "daily_bars", "ticker_bars", "benchmark_bars", "dividends", "splits", "fundamentals", "quotes",
        "news_articles", "fx_rates", "market_holidays",
    }  # fmt: skip


def test_a_days_market_comes_in_one_request_as_traded(massive, rows_of):
    massive.on(GROUPED + "2024-06-03", grouped(bar("AAPL"), bar("BRK.B"), bar("SPY")))
    assert rows_of(massive.source.daily_bars(MONDAY, MONDAY)) == [
        {
            "source_symbol": name, "trade_date": MONDAY, "open": 10.0, "high": 12.0, "low": 9.5, "close": 11.25,
            "volume": 1000, "currency_code": "USD", "adjustment": "none", "vendor_close_adj": None,
        }
        for name in ("AAPL", "BRK.B")
    ]  # fmt: skip
    (request,) = massive.script.requests
    assert request.url.params["adjusted"] == "false"


def test_the_key_travels_in_a_header_and_never_in_the_address(massive):
    massive.on(GROUPED + "2024-06-03", grouped(bar("AAPL")))
    list(massive.source.daily_bars(MONDAY, MONDAY))
    (request,) = massive.script.requests
    assert request.headers["authorization"] == "Bearer marker-key-5f1e"
    assert "marker-key" not in str(request.url)


def test_a_whole_market_holds_funds_and_rights_too_and_only_shares_are_taken(ask, rows_of):
    massive = ask(MassiveSource)
    share = {"ticker": "AAPL", "name": "Apple", "market": "stocks", "currency_name": "usd", "active": True}
    massive.on("/v3/reference/tickers", {"status": "OK", "results": [share]}, {"status": "OK"})
    massive.on(GROUPED + "2024-06-03", grouped(bar("AAPL"), bar("SPY"), bar("AACTW")))
    assert [row["source_symbol"] for row in rows_of(massive.source.daily_bars(MONDAY, MONDAY))] == ["AAPL"]


def test_numbers_in_scientific_notation_and_fractional_volumes_are_numbers(massive, rows_of):
    body = json.dumps(grouped(bar("AAPL", v="V"), bar("BRK.B", v=25933.6))).replace('"V"', "1.12117471e+08")
    massive.on(GROUPED + "2024-06-03", body)
    assert [row["volume"] for row in rows_of(massive.source.daily_bars(MONDAY, MONDAY))] == [112117471, 25934]


def test_fields_that_may_be_missing_may_be_missing(massive, rows_of):
    massive.on(GROUPED + "2024-06-03", grouped({"T": "AAPL", "t": ended("2024-06-03"), "c": 11, "v": 5}))
    (row,) = rows_of(massive.source.daily_bars(MONDAY, MONDAY))
    assert (row["open"], row["close"], row["volume"]) == (None, 11.0, 5)


@pytest.mark.parametrize("body", [{"status": "OK", "resultsCount": 0}, {"status": "OK", "results": None}])
def test_a_session_without_results_is_no_session_without_trades(massive, rows_of, refused_of, body):
    massive.on(GROUPED + "2024-06-03", body)
    batches = list(massive.source.daily_bars(MONDAY, MONDAY))
    assert rows_of(batches) == []
    assert [(r.record_key.split("|")[0], r.rule, r.trade_date) for r in refused_of(batches)] == [
        ("2024-06-03", "empty_session", MONDAY)
    ]


@pytest.mark.parametrize("status", ["DELAYED", "success", None])
def test_delayed_is_a_success(massive, rows_of, status):
    massive.on(GROUPED + "2024-06-03", grouped(bar("AAPL"), status=status))
    assert len(rows_of(massive.source.daily_bars(MONDAY, MONDAY))) == 1


def test_a_bar_stamped_with_another_day_is_refused_and_the_others_are_kept(massive, rows_of, refused_of):
    massive.on(GROUPED + "2024-06-03", grouped(bar("AAPL", t=ended("2024-05-31")), bar("BRK.B")))
    batches = list(massive.source.daily_bars(MONDAY, MONDAY))
    assert [row["source_symbol"] for row in rows_of(batches)] == ["BRK.B"]
    (record,) = refused_of(batches)
    assert (record.rule, record.record_key.split("|")[:2]) == ("another_day", ["AAPL", "2024-06-03"])
    assert "got 2024-05-31" in record.detail


def test_adjusted_prices_where_traded_ones_were_asked_for_are_refused(massive, rows_of, refused_of):
    massive.on(GROUPED + "2024-06-03", grouped(bar("AAPL"), adjusted=True))
    batches = list(massive.source.daily_bars(MONDAY, MONDAY))
    assert rows_of(batches) == []
    assert [record.rule for record in refused_of(batches)] == ["another_adjustment"]


@pytest.mark.parametrize(
    ("field", "value", "rule"),
    [
        ("c", "abc", "not_a_number"),
        ("c", True, "unreadable_record"),
        ("c", {"raw": 5}, "unreadable_record"),
        ("t", None, "not_an_instant"),
        ("t", "yesterday", "not_a_number"),
        ("t", 10**30, "not_an_instant"),
        ("v", 1e30, "not_a_number"),
        ("T", 5, "unreadable_record"),
    ],
)
def test_a_row_that_cannot_be_read_is_refused_alone(massive, rows_of, refused_of, field, value, rule):
    massive.on(GROUPED + "2024-06-03", grouped(bar("AAPL", **{field: value}), bar("BRK.B")))
    batches = list(massive.source.daily_bars(MONDAY, MONDAY))
    assert [row["source_symbol"] for row in rows_of(batches)] == ["BRK.B"]
    assert [record.rule for record in refused_of(batches)] == [rule]


def test_the_range_of_a_ticker_is_dated_in_new_york_across_summer_time(ask, rows_of):
    massive = ask(MassiveSource)
    # Midnight of New York on a Friday in winter time and on the Monday after it, in summer time.
    bars = [{"t": 1112331600000, "c": 1, "v": 1}, {"t": 1112587200000, "c": 2, "v": 1}]
    massive.on(
        "/v2/aggs/ticker/AAPL/range/1/day/2005-04-01/2005-04-04",
        {"status": "OK", "ticker": "AAPL", "adjusted": False, "results": bars},
    )
    found = rows_of(massive.source.ticker_bars(["AAPL"], dt.date(2005, 4, 1), dt.date(2005, 4, 4)))
    assert [(row["trade_date"], row["close"]) for row in found] == [
        (dt.date(2005, 4, 1), 1.0),
        (dt.date(2005, 4, 4), 2.0),
    ]


def test_a_long_range_of_few_tickers_asks_by_ticker(massive, rows_of):
    for name in ("AAPL", "BRK.B"):
        massive.on(
            f"/v2/aggs/ticker/{name}/range/1/day/2024-06-03/2024-06-05",
            {"status": "OK", "ticker": name, "adjusted": False, "results": [bar(name)]},
        )
    assert len(rows_of(massive.source.daily_bars(MONDAY, WEDNESDAY))) == 2
    assert len(massive.script.requests) == 2


def test_a_range_may_come_in_pages_whose_path_is_another(massive, rows_of):
    first = {"status": "OK", "ticker": "AAPL", "adjusted": False, "results": [bar("AAPL")]}
    address = "https://api.polygon.io/v2/aggs/ticker/AAPL/range/1/day/1717473600000/2024-06-04?cursor=a"
    massive.on("/v2/aggs/ticker/AAPL/range/1/day/2024-06-03/2024-06-04", first | {"next_url": address})
    massive.on(
        "/v2/aggs/ticker/AAPL/range/1/day/1717473600000/2024-06-04", first | {"results": [bar("AAPL", "2024-06-04")]}
    )
    found = rows_of(massive.source.ticker_bars(["AAPL"], MONDAY, TUESDAY))
    assert [row["trade_date"] for row in found] == [MONDAY, TUESDAY]


def test_an_answer_about_another_ticker_is_refused(massive, rows_of, refused_of):
    massive.on(
        "/v2/aggs/ticker/AAPL/range/1/day/2024-06-03/2024-06-03",
        {"status": "OK", "ticker": "AAPB", "adjusted": False, "results": [bar("AAPB")]},
    )
    batches = list(massive.source.ticker_bars(["AAPL"], MONDAY, MONDAY))
    assert rows_of(batches) == []
    assert [record.rule for record in refused_of(batches)] == ["another_symbol"]


def test_the_next_page_is_asked_with_the_key_again_on_the_vendors_old_host_too(ask, rows_of):
    massive = ask(MassiveSource)
    page = {
        "status": "OK",
        "results": [split("AAA")],
        "next_url": "https://api.polygon.io/v3/splits/other?cursor=abc",
    }
    massive.on("/stocks/v1/splits", page)
    massive.on("/v3/splits/other", {"status": "OK", "results": [split("BBB")], "count": 10})
    assert [row["source_symbol"] for row in rows_of(massive.source.splits(MONDAY, MONDAY))] == ["AAA", "BBB"]
    second = massive.script.requests[1]
    assert (second.url.host, second.url.params["cursor"]) == ("api.polygon.io", "abc")
    assert second.headers["authorization"] == "Bearer marker-key-5f1e"


def test_a_default_port_and_an_old_key_in_the_next_address_are_no_obstacle(ask, rows_of):
    massive = ask(MassiveSource)
    address = "https://api.massive.com:443/v3/next?cursor=abc&apiKey=stale"
    massive.on("/stocks/v1/splits", {"status": "OK", "results": [split("AAA")], "next_url": address})
    massive.on("/v3/next", {"status": "OK"})
    assert len(rows_of(massive.source.splits(MONDAY, MONDAY))) == 1
    assert "apiKey" not in massive.script.requests[1].url.params


@pytest.mark.parametrize(
    "address",
    [
        "https://evil.example/v3/next?cursor=a",
        "http://api.massive.com/v3/next?cursor=a",
        "https://api.massive.com.evil.example/v3/next",
        "https://api.massive.com@evil.example/v3/next",
        "https://api.massive.com:8443/v3/next",
        "//evil.example/v3/next",
    ],
)
def test_the_key_goes_to_no_other_host(ask, address):
    massive = ask(MassiveSource)
    massive.on("/stocks/v1/splits", {"status": "OK", "results": [], "next_url": address})
    with pytest.raises(HostRefused):
        list(massive.source.splits(MONDAY, MONDAY))
    assert len(massive.script.requests) == 1


def test_pages_that_go_in_a_circle_end_with_an_error_not_with_half_a_list(ask):
    massive = ask(MassiveSource)
    address = "https://api.massive.com/stocks/v1/splits?cursor=a"
    massive.on("/stocks/v1/splits", {"status": "OK", "results": [], "next_url": address})
    with pytest.raises(VendorUnavailable, match="one that was there before"):
        list(massive.source.splits(MONDAY, MONDAY))
    assert len(massive.script.requests) == 2


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ((401, {"status": "ERROR", "request_id": "x", "error": "Unknown API Key"}), Kind.AUTH),
        (
            (403, {"status": "NOT_AUTHORIZED", "message": "Your plan doesn't include this data timeframe."}),
            Kind.ENTITLEMENT,
        ),
        ((200, {"status": "NOT_AUTHORIZED", "message": "You are not entitled to this data."}), Kind.ENTITLEMENT),
        ((200, {"status": "AUTH_FAILED", "error": "Unknown API Key"}), Kind.AUTH),
        ((403, {"status": "AUTH_FAILED", "message": "API Key was not provided"}), Kind.AUTH),
        ((404, {"status": "NOT_FOUND", "message": "Ticker not found."}), Kind.NOT_FOUND),
        ((404, {"status": "NOT_FOUND", "error": "Ticker not found."}), Kind.NOT_FOUND),
        ((400, {"status": "ERROR", "error": "Could not parse the time parameter"}), Kind.BAD_REQUEST),
        ((200, {"status": "ERROR", "error": "something else"}), Kind.BAD_REQUEST),
    ],
)
def test_errors_are_told_by_the_body_before_the_status_and_not_asked_again(ask, answer, kind):
    massive = ask(MassiveSource)
    massive.on("/stocks/v1/splits", answer)
    with pytest.raises(VendorRefused) as caught:
        list(massive.source.splits(MONDAY, MONDAY))
    assert caught.value.kind is kind
    assert len(massive.script.requests) == 1


def test_too_many_requests_without_a_word_of_when_wait_a_whole_minute(ask, rows_of):
    massive = ask(MassiveSource)
    refusal = {"status": "ERROR", "error": "You've exceeded the maximum requests per minute."}
    massive.on("/stocks/v1/splits", (429, refusal), {"status": "OK", "results": [split("AAA")]})
    assert len(rows_of(massive.source.splits(MONDAY, MONDAY))) == 1
    assert sum(massive.time.slept) == 60.0


def test_the_free_plan_keeps_twelve_seconds_between_requests(ask):
    massive = ask(MassiveSource, symbols=("AAPL", "MSFT"))
    for day in (MONDAY, TUESDAY):
        massive.on(f"{GROUPED}{day}", grouped(bar("AAPL", str(day))))
    list(massive.source.daily_bars(MONDAY, TUESDAY))
    assert massive.time.slept == [12.0]


def test_no_data_of_a_session_is_an_outage_and_no_holiday(massive, rows_of, refused_of):
    massive.on(GROUPED + "2024-06-03", (404, {"status": "NOT_FOUND", "message": "Data not found."}))
    batches = list(massive.source.daily_bars(MONDAY, MONDAY))
    assert (rows_of(batches), [record.rule for record in refused_of(batches)]) == ([], ["vendor_not_found"])


def test_a_day_that_the_plan_does_not_cover_is_left_out_by_name(massive, rows_of, refused_of):
    plan = {"status": "NOT_AUTHORIZED", "message": "Your plan doesn't include this data timeframe."}
    massive.on(GROUPED + "2024-06-03", (403, plan))
    massive.on(GROUPED + "2024-06-04", grouped(bar("AAPL", "2024-06-04")))
    batches = list(massive.source.daily_bars(MONDAY, TUESDAY))
    assert [row["trade_date"] for row in rows_of(batches)] == [TUESDAY]
    (record,) = refused_of(batches)
    assert record.rule == "vendor_entitlement"
    assert "plan doesn't include this data timeframe" in record.detail


def test_quotes_are_stamped_in_nanoseconds_and_take_the_trade_where_the_plan_has_it(massive):
    at = dt.datetime(2024, 6, 5, 15, 0, tzinfo=dt.UTC)
    nanoseconds = int(at.timestamp()) * 10**9
    day = {"o": 9, "h": 12, "l": 8, "c": 10.5, "v": 77, "dv": "77.0"}
    massive.on(
        "/v2/snapshot/locale/us/markets/stocks/tickers",
        {
            "status": "OK",
            "tickers": [
                {"ticker": "AAPL", "updated": nanoseconds, "day": day, "prevDay": {"c": 9.5}, "todaysChangePerc": 10.5},
                {"ticker": "BRK.B", "updated": nanoseconds, "day": day, "prevDay": {"c": 9.5},
                 "lastTrade": {"p": 10.6, "t": nanoseconds + 10**9, "c": None}},
            ],
        },
    )  # fmt: skip
    first, second = massive.source.quotes(None, at)
    assert (first.price, first.quoted_at, first.previous_close, first.volume) == (10.5, at, 9.5, 77)
    assert (second.price, second.quoted_at) == (10.6, at + dt.timedelta(seconds=1))
    assert massive.script.requests[0].url.params["tickers"] == "AAPL,BRK.B"


def test_before_the_first_trade_a_zeroed_day_is_no_price(massive):
    zeros = {"o": 0, "h": 0, "l": 0, "c": 0, "v": 0}
    row = {"ticker": "AAPL", "updated": 1717599600 * 10**9, "day": zeros, "prevDay": {"c": 9.5}}
    massive.on("/v2/snapshot/locale/us/markets/stocks/tickers", {"tickers": [row, {"ticker": "BRK.B"}]})
    assert massive.source.quotes(None, dt.datetime(2024, 6, 5, 12, tzinfo=dt.UTC)) == []


def test_rates_are_of_days_of_utc_weekends_included(massive, rows_of, refused_of):
    path = "/v2/aggs/grouped/locale/global/market/fx/2024-06-0"
    last = {
        day: int(dt.datetime.fromisoformat(f"2024-06-0{day}T23:59:59.999+00:00").timestamp() * 1000)
        for day in (1, 2, 3)
    }
    massive.on(path + "1", {"results": [{"T": "C:EURUSD", "t": last[1], "c": 1.0848}]})
    massive.on(path + "2", {"results": [{"T": "C:EURUSD", "t": last[1], "c": 1.0848}]})
    massive.on(
        path + "3", {"results": [{"T": "C:EURSEK", "t": last[3], "c": 11.4}, {"T": "C:EURUSD", "t": last[3], "c": 0}]}
    )
    batches = list(massive.source.fx_rates(MONDAY, MONDAY))
    assert [tuple(row.values()) for row in rows_of(batches)] == [
        ("EUR", "USD", dt.date(2024, 6, 1), 1.0848),
        ("EUR", "SEK", dt.date(2024, 6, 3), 11.4),
    ]
    assert [record.rule for record in refused_of(batches)] == ["another_day", "non_positive_price"]


@pytest.mark.parametrize(
    "body",
    [
        "Service unavailable",
        "<html>oops</html>",
        '{"status":"OK","resul',
        "",
        b"\xff\xfe",
        '{"results":' + "[" * 99_999,
    ],
)
def test_what_is_no_answer_is_asked_again_and_then_named(ask, body):
    massive = ask(MassiveSource)
    massive.on("/stocks/v1/splits", body)
    with pytest.raises(VendorUnavailable):
        list(massive.source.splits(MONDAY, MONDAY))
    assert len(massive.script.requests) == 6


@pytest.mark.parametrize(
    "body", [[], "a text", [[[]]], {"status": "OK", "results": "none"}, {"status": "OK", "results": {}}]
)
def test_an_answer_in_another_format_is_named_and_not_asked_again(ask, body):
    massive = ask(MassiveSource)
    massive.on("/stocks/v1/splits", json.dumps(body))
    with pytest.raises(VendorUnavailable, match="another format"):
        list(massive.source.splits(MONDAY, MONDAY))
    assert len(massive.script.requests) == 1


def test_a_session_that_is_not_over_is_not_asked_for(massive, rows_of):
    assert rows_of(massive.source.daily_bars(dt.date(2024, 6, 6), dt.date(2024, 6, 7))) == []
    assert massive.script.requests == []


def test_a_budget_that_is_used_up_for_long_is_an_error_with_the_instant(ask):
    massive = ask(MassiveSource)
    until = massive.time.moment + dt.timedelta(hours=5)
    massive.ledger.block(massive.source.transport.account, until)
    with pytest.raises(VendorOverBudget) as caught:
        list(massive.source.splits(MONDAY, MONDAY))
    assert (caught.value.retry_at, massive.script.requests) == (until, [])


def test_a_redirect_is_not_followed(ask):
    massive = ask(MassiveSource)
    massive.on("/stocks/v1/splits", httpx.Response(302, headers={"location": "https://evil.example/"}))
    with pytest.raises(VendorRefused, match="bad_request"):
        list(massive.source.splits(MONDAY, MONDAY))
    assert len(massive.script.requests) == 1


@pytest.mark.parametrize(("told", "wanted"), [("open", True), ("extended-hours", False), ("closed", False)])
def test_the_hours_around_a_session_are_none_of_it(massive, told, wanted):
    massive.on("/v1/marketstatus/now", {"market": "open", "exchanges": {"nyse": told, "otc": "open"}})
    assert massive.source.market_status() is wanted
