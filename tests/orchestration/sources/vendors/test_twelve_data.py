"""Every trap of Twelve Data's formats: bodies as it sends them, and what must come of them."""

import datetime as dt
import json

import httpx
import numpy as np
import pytest

from orchestration.sources.errors import Kind, VendorOverBudget, VendorRefused, VendorUnavailable
from orchestration.sources.twelve_data.source import TwelveDataSource
from transforms.bar_rules import check_bars

MONDAY, TUESDAY, WEDNESDAY = dt.date(2024, 6, 3), dt.date(2024, 6, 4), dt.date(2024, 6, 5)
META = {"symbol": "AAPL", "interval": "1day", "currency": "USD", "mic_code": "XNAS", "type": "Common Stock"}
SHARE = {"symbol": "AAPL", "name": "Apple Inc", "currency": "USD", "mic_code": "XNAS", "country": "United States",
         "type": "Common Stock", "figi_code": "BBG000B9Y5X2", "isin": "request_access_via_add_ons"}  # fmt: skip


def value(day: str = "2024-06-03", **more: object) -> dict:
    return {
        "datetime": day,
        "open": "194.63",
        "high": "195.0",
        "low": "192.5",
        "close": "194.03",
        "volume": "50080500",
        **more,
    }


def series(*values: dict, **meta: object) -> dict:
    return {"meta": META | meta, "values": list(values), "status": "ok"}


def error(code: int, message: str) -> dict:
    return {"code": code, "message": message, "status": "error"}


@pytest.fixture
def twelve(ask):
    asked = ask(TwelveDataSource, symbols=("AAPL",), plan="pro_1597")
    nothing = {"data": [], "status": "ok"}
    asked.on("/stocks", nothing, {"data": [SHARE], "status": "ok"}, nothing)
    return asked


def bars(twelve, rows_of, first=MONDAY, last=MONDAY):
    return rows_of(twelve.source.daily_bars(first, last))


def test_numbers_are_text_and_prices_as_traded(twelve, rows_of):
    twelve.on("/time_series", series(value()))
    assert bars(twelve, rows_of) == [
        {
            "source_symbol": "AAPL", "trade_date": MONDAY, "open": 194.63, "high": 195.0, "low": 192.5, "close": 194.03,
            "volume": 50080500, "currency_code": "USD", "adjustment": "none", "vendor_close_adj": None,
        }
    ]  # fmt: skip
    assert twelve.script.requests[-1].url.params["adjust"] == "none"


def test_the_key_travels_in_a_header(twelve, rows_of):
    twelve.on("/time_series", series(value()))
    bars(twelve, rows_of)
    assert {r.headers["authorization"] for r in twelve.script.requests} == {"apikey marker-key-5f1e"}
    assert not any("marker-key" in str(r.url) for r in twelve.script.requests)


def test_a_symbol_is_asked_for_on_its_own_venue(twelve, rows_of):
    twelve.on("/time_series", series(value()))
    bars(twelve, rows_of)
    assert twelve.script.requests[-1].url.params["mic_code"] == "XNAS"


def test_bars_of_the_same_ticker_elsewhere_are_refused(twelve, rows_of, refused_of):
    twelve.on("/time_series", series(value(), mic_code="XMEX"))
    batches = list(twelve.source.daily_bars(MONDAY, MONDAY))
    assert (rows_of(batches), [r.rule for r in refused_of(batches)]) == ([], ["another_exchange"])


def test_an_older_answer_without_a_venue_will_do(twelve, rows_of):
    answer = series(value())
    del answer["meta"]["mic_code"]
    twelve.on("/time_series", answer)
    assert len(bars(twelve, rows_of)) == 1


@pytest.mark.parametrize("is_end_included", [True, False])
def test_the_end_of_a_range_may_be_part_of_it_or_not(twelve, rows_of, is_end_included):
    more = [value("2024-06-05")] if is_end_included else []
    twelve.on("/time_series", series(*more, value("2024-06-04"), value()))
    found = bars(twelve, rows_of, MONDAY, TUESDAY)
    assert [row["trade_date"] for row in found] == [MONDAY, TUESDAY], "oldest first, the day more left out"
    assert twelve.script.requests[-1].url.params["end_date"] == "2024-06-05"


def test_a_bar_of_a_day_long_before_the_range_is_refused(twelve, refused_of):
    twelve.on("/time_series", series(value("2024-05-03")))
    assert [r.rule for r in refused_of(twelve.source.daily_bars(MONDAY, MONDAY))] == ["another_day"]


def test_weeks_where_days_were_asked_for_are_refused(twelve, rows_of, refused_of):
    twelve.on("/time_series", series(value(), interval="1week"))
    batches = list(twelve.source.daily_bars(MONDAY, MONDAY))
    assert (rows_of(batches), [r.rule for r in refused_of(batches)]) == ([], ["another_interval"])


def test_an_answer_about_another_symbol_is_refused(twelve, rows_of, refused_of):
    twelve.on("/time_series", series(value(), symbol="AAPB"))
    batches = list(twelve.source.daily_bars(MONDAY, MONDAY))
    assert (rows_of(batches), [r.rule for r in refused_of(batches)]) == ([], ["another_symbol"])


@pytest.mark.parametrize(("second", "n_accepted"), [("194.03", 1), ("194.04", 0)])
def test_a_row_that_comes_twice_counts_where_both_agree(twelve, second, n_accepted):
    twelve.on("/time_series", series(value(), value(close=second)))
    (batch,) = twelve.source.daily_bars(MONDAY, MONDAY)
    sessions = np.array([MONDAY], dtype="datetime64[D]")
    checked = check_bars(batch.rows.to_pandas(date_as_object=False), sessions=sessions)
    assert len(checked.accepted) == n_accepted


def test_as_many_rows_are_asked_for_as_there_can_be(twelve, rows_of):
    twelve.on("/time_series", series(value()))
    bars(twelve, rows_of)
    assert twelve.script.requests[-1].url.params["outputsize"] == "5000", "the default is thirty"


def test_a_missing_currency_is_not_made_up(twelve, refused_of):
    twelve.on("/time_series", series(value(), currency=""))
    assert [r.rule for r in refused_of(twelve.source.daily_bars(MONDAY, MONDAY))] == ["missing_currency"]


def test_prices_in_pence_become_pounds(twelve, rows_of):
    twelve.on("/time_series", series(value(close="1250.5"), currency="GBX"))
    (row,) = bars(twelve, rows_of)
    assert (row["close"], row["currency_code"]) == (12.505, "GBP")


@pytest.mark.parametrize("status", [200, 400])
def test_no_data_on_the_dates_is_no_error(twelve, rows_of, status):
    text = "No data is available on the specified dates. Try setting different start/end dates."
    twelve.on("/time_series", (status, error(400, text)))
    assert bars(twelve, rows_of) == []
    assert twelve.script.paths.count("/time_series") == 1


@pytest.mark.parametrize("status", [200, None])
@pytest.mark.parametrize(
    ("code", "message", "kind"),
    [
        (401, "**apikey** parameter is incorrect or not specified. You can get your free API key instantly", Kind.AUTH),
        (403, "/splits is available exclusively with grow or pro or ultra or enterprise plans.", Kind.ENTITLEMENT),
        (404, "**symbol** not found: X. Please specify it correctly", Kind.NOT_FOUND),
        (400, "**symbol** or **figi** parameter is missing or invalid.", Kind.NOT_FOUND),
        (414, "The parameter is too long", Kind.BAD_REQUEST),
    ],
)
def test_errors_are_told_by_the_body_whatever_the_status(ask, code, message, kind, status):
    twelve = ask(TwelveDataSource)
    twelve.on("/stocks", (status or code, error(code, message)))
    with pytest.raises(VendorRefused) as caught:
        list(twelve.source.instruments())
    assert caught.value.kind is kind
    assert len(twelve.script.requests) == 1


def test_a_symbol_that_is_not_known_is_left_out_by_name_and_the_others_are_kept(ask, rows_of, refused_of):
    twelve = ask(TwelveDataSource, symbols=("XXXX", "AAPL"))
    twelve.on("/stocks", {"data": []})
    twelve.on(
        "/time_series", (404, error(404, "**symbol** not found: XXXX.") | {"meta": {"symbol": "XXXX"}}), series(value())
    )
    batches = list(twelve.source.daily_bars(MONDAY, MONDAY))
    assert [row["source_symbol"] for row in rows_of(batches)] == ["AAPL"]
    assert [(r.record_key.split("|")[0], r.rule) for r in refused_of(batches)] == [("XXXX", "vendor_not_found")]


@pytest.mark.parametrize("status", [200, 429])
def test_without_credits_the_next_minute_is_waited_for(ask, status):
    twelve = ask(TwelveDataSource, now="2024-06-05T22:00:20+00:00")
    text = "You have run out of API credits for the current minute. 9 API credits were used, with the limit being 8."
    twelve.on("/stocks", (status, error(429, text)), {"data": []})
    list(twelve.source.instruments())
    assert sum(twelve.time.slept) == 40.0


def test_without_credits_for_the_day_nothing_is_asked_before_midnight_of_utc(ask):
    twelve = ask(TwelveDataSource)
    text = "You have run out of API credits for the day. 801 API credits were used, with the current limit being 800."
    twelve.on("/stocks", (200, error(429, text)))
    for _ in range(2):
        with pytest.raises(VendorOverBudget) as caught:
            list(twelve.source.instruments())
        assert caught.value.retry_at == dt.datetime(2024, 6, 6, tzinfo=dt.UTC)
    assert len(twelve.script.requests) == 1


def test_what_the_budget_does_not_cover_is_left_out_by_name_and_the_rest_is_kept(ask, rows_of, refused_of):
    twelve = ask(TwelveDataSource, symbols=("AAPL", "MSFT"))
    twelve.on("/stocks", {"data": []})
    text = "You have run out of API credits for the day. 801 API credits were used, with the current limit being 800."
    twelve.on("/time_series", series(value()), error(429, text))
    batches = list(twelve.source.daily_bars(MONDAY, MONDAY))
    assert [row["source_symbol"] for row in rows_of(batches)] == ["AAPL"]
    assert [(r.record_key.split("|")[0], r.rule) for r in refused_of(batches)] == [("MSFT", "vendor_quota_day")]


def test_a_request_that_costs_more_than_the_plan_has_is_never_sent(ask, refused_of):
    twelve = ask(TwelveDataSource, symbols=("AAPL",))
    twelve.on("/stocks", {"data": []})
    (record,) = refused_of(twelve.source.splits(MONDAY, MONDAY))
    assert "costs 20, the plan 'basic' has 8 a minute" in record.detail
    assert set(twelve.script.paths) == {"/stocks"}


def test_the_header_says_what_is_left_of_the_minute(ask):
    twelve = ask(TwelveDataSource)
    answer = httpx.Response(200, headers={"api-credits-left": "3", "api-credits-used": "5"}, content=b'{"data":[]}')
    twelve.on("/stocks", answer)
    next(twelve.source.instruments())
    account = twelve.source.transport.account
    assert twelve.ledger.standing(account, twelve.time.moment).left_this_minute == 3


def test_five_venues_cost_five_credits_and_wait_for_the_minute_where_there_are_fewer(ask):
    twelve = ask(TwelveDataSource)
    twelve.on("/stocks", {"data": []})
    list(twelve.source.instruments())
    list(twelve.source.instruments())
    assert twelve.time.slept == [60.0], "eight credits a minute are not ten"


@pytest.mark.parametrize("body", ["error code: 520", "<html>", '{"data": [{"symb'])
def test_what_is_no_json_is_asked_again(ask, body):
    twelve = ask(TwelveDataSource, plan="pro")
    twelve.on("/stocks", (520, body), (200, body), {"data": []})
    list(twelve.source.instruments())
    assert twelve.script.paths.count("/stocks") == 7


def test_a_missing_envelope_is_named(ask):
    twelve = ask(TwelveDataSource)
    twelve.on("/stocks", "[]")
    with pytest.raises(VendorUnavailable, match="another format"):
        list(twelve.source.instruments())


def test_a_split_is_from_for_to_and_its_ratio_the_prices(twelve, rows_of, refused_of):
    good = {"date": "2024-06-03", "description": "4-for-1 split", "ratio": 0.25, "from_factor": 4, "to_factor": 1}
    odd = good | {"ratio": 4.0}
    twelve.on("/splits", {"meta": META, "splits": [good, odd, good | {"date": "2020-08-31"}]})
    batches = list(twelve.source.splits(MONDAY, MONDAY))
    assert [(row["shares_new"], row["shares_old"]) for row in rows_of(batches)] == [(4.0, 1.0)]
    assert [r.rule for r in refused_of(batches)] == ["contradicting_ratio"]


def test_a_dividend_has_an_ex_date_alone(twelve, rows_of):
    twelve.on("/dividends", {"meta": META, "dividends": [{"ex_date": "2024-06-03", "amount": 0.25}]})
    assert rows_of(twelve.source.dividends(MONDAY, MONDAY)) == [
        {"source_symbol": "AAPL", "ex_date": MONDAY, "amount": 0.25, "currency_code": "USD", "declared_date": None,
         "pay_date": None}
    ]  # fmt: skip


def quote(name: str, **more: object) -> dict:
    return {"symbol": name, "currency": "USD", "open": "9.5", "high": "11", "low": "9", "close": "10.5", "volume": "77",
            "previous_close": "10", "percent_change": "5.0", "timestamp": 1717599600, "last_quote_at": 1717599900,
            "is_market_open": True, **more}  # fmt: skip


def test_one_quote_comes_bare_and_several_are_keyed(ask):
    now = dt.datetime(2024, 6, 5, 15, 5, tzinfo=dt.UTC)
    twelve = ask(TwelveDataSource)
    twelve.on("/quote", quote("AAPL"), {"AAPL": quote("AAPL"), "MSFT": quote("MSFT", close="20.5")})
    (alone,) = twelve.source.quotes(["AAPL"], now)
    assert (alone.price, alone.quoted_at, alone.previous_close, alone.volume) == (10.5, now, 10.0, 77)
    assert [(q.source_symbol, q.price) for q in twelve.source.quotes(["AAPL", "MSFT"], now)] == [
        ("AAPL", 10.5), ("MSFT", 20.5)
    ]  # fmt: skip
    assert twelve.ledger.standing(twelve.source.transport.account, twelve.time.moment).left_this_minute == 8 - 1 - 2


def test_a_symbol_that_failed_among_several_leaves_the_others(ask):
    twelve = ask(TwelveDataSource)
    twelve.on("/quote", {"AAPL": quote("AAPL"), "XXXX": error(404, "**symbol** not found: XXXX.")})
    found = twelve.source.quotes(["AAPL", "XXXX"], dt.datetime(2024, 6, 5, 15, tzinfo=dt.UTC))
    assert [q.source_symbol for q in found] == ["AAPL"]


def test_statements_are_nested_and_their_year_label_is_left_alone(twelve, rows_of):
    period = {"fiscal_date": "2024-03-05", "year": 2025, "quarter": 1}
    twelve.on("/income_statement", {"meta": META, "income_statement": [period | {"sales": 90, "net_income": None}]})
    twelve.on("/balance_sheet", {"meta": META, "balance_sheet": [period | {"assets": {"total_assets": 300}}]})
    twelve.on(
        "/cash_flow", {"meta": META, "cash_flow": [period | {"investing_activities": {"capital_expenditures": 7}}]}
    )
    found = rows_of(twelve.source.fundamentals(MONDAY, MONDAY))
    given = {name: value for name, value in found[0].items() if value is not None}
    assert given == {
        "source_symbol": "AAPL", "statement": "annual", "period_end_date": dt.date(2024, 3, 5), "currency_code": "USD",
        "revenue": 90.0, "total_assets": 300.0, "capex": -7.0,
    }  # fmt: skip
    assert [row["statement"] for row in found] == ["annual", "quarterly"]


def test_statements_in_two_currencies_are_not_put_together(twelve, rows_of, refused_of):
    period = {"fiscal_date": "2024-03-05"}
    twelve.on("/income_statement", {"meta": META, "income_statement": [period | {"sales": 90}]})
    twelve.on(
        "/balance_sheet",
        {"meta": META | {"currency": "TWD"}, "balance_sheet": [period | {"assets": {"total_assets": 3}}]},
    )
    twelve.on("/cash_flow", {"meta": META, "cash_flow": []})
    batches = list(twelve.source.fundamentals(MONDAY, MONDAY))
    assert {row["total_assets"] for row in rows_of(batches)} == {None}
    assert {r.rule for r in refused_of(batches)} == {"another_currency"}


def test_pairs_of_currencies_have_no_currency_zone_or_volume(twelve, rows_of):
    meta = {"interval": "1day", "currency_base": "Euro", "currency_quote": "US Dollar", "type": "Physical Currency"}
    for_pair = [
        {"meta": meta | {"symbol": pair}, "values": [{"datetime": "2024-06-03", "close": close}], "status": "ok"}
        for pair, close in (("EUR/USD", "1.09"), ("GBP/USD", "1.28"), ("USD/SEK", "10.4"))
    ]
    twelve.on("/time_series", *for_pair)
    assert [tuple(row.values()) for row in rows_of(twelve.source.fx_rates(MONDAY, MONDAY))] == [
        ("EUR", "USD", MONDAY, 1.09), ("GBP", "USD", MONDAY, 1.28), ("USD", "SEK", MONDAY, 10.4),
    ]  # fmt: skip


def test_press_releases_come_with_an_offset_or_in_utc(twelve, rows_of):
    releases = [
        {
            "id": 7,
            "datetime": "2024-06-03T09:30:00-04:00",
            "title": "Results",
            "body": "<p>...</p>",
            "language": ["en"],
        },
        {"id": "8", "datetime": "2024-06-03T13:31:00Z", "title": "More"},
    ]
    twelve.on("/press_releases", {"press_releases": releases})
    found = rows_of(twelve.source.news_articles(MONDAY, MONDAY))
    assert [(row["source_article_id"], row["published_at"].minute) for row in found] == [("7", 30), ("8", 31)]
    assert {row["published_at"].hour for row in found} == {13}


def test_an_add_on_in_place_of_an_isin_is_no_isin(twelve, rows_of):
    (row,) = rows_of(twelve.source.instruments())
    assert (row["source_symbol"], row["exchange_code"], row["stable_id"]) == ("AAPL", "XNAS", "BBG000B9Y5X2")
    assert json.loads(row["metadata"]) == {"type": "Common Stock"}


def test_the_day_after_tomorrow_is_not_asked_for(twelve, rows_of):
    assert bars(twelve, rows_of, WEDNESDAY + dt.timedelta(1), WEDNESDAY + dt.timedelta(2)) == []
    assert twelve.script.requests == []


def test_ratios_are_nested_and_debt_to_equity_comes_in_per_cent(twelve, rows_of):
    balance = {"total_debt_to_equity_mrq": 219.83, "current_ratio_mrq": 1.06}
    statistics = {
        "valuations_metrics": {"market_capitalization": 2_546_807_865_344, "trailing_pe": 30.1},
        "financials": {"profit_margin": 0.25, "balance_sheet": balance},
        "dividends_and_splits": None,
    }
    meta = {name: value for name, value in META.items() if name != "interval"}
    twelve.on("/statistics", {"meta": meta, "statistics": statistics})
    (found,) = rows_of(twelve.source.company_ratios())
    assert {name: value for name, value in found.items() if value is not None} == {
        "source_symbol": "AAPL", "as_of_date": dt.date(2024, 6, 5), "currency_code": "USD",
        "market_cap": 2546807865344.0, "price_to_earnings": 30.1, "profit_margin": 0.25,
        "debt_to_equity": pytest.approx(2.1983), "current_ratio": 1.06,
    }  # fmt: skip


def test_ratios_of_another_company_are_refused(twelve, rows_of, refused_of):
    twelve.on("/statistics", {"meta": META | {"symbol": "OTHER", "interval": None}, "statistics": {}})
    batches = list(twelve.source.company_ratios())
    assert (rows_of(batches), [r.rule for r in refused_of(batches)]) == ([], ["another_symbol"])


def test_whether_the_exchange_trades_comes_as_a_bare_list(twelve):
    twelve.on("/market_state", [{"code": "XNAS", "is_market_open": False}, {"code": "XNYS", "is_market_open": True}])
    assert twelve.source.market_status() is True
    twelve.on("/market_state", [])
    assert twelve.source.market_status() is None
