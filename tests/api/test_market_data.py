"""Instruments, quotes, history and statements, over real Postgres and the whole application."""

import pytest


def test_instruments_come_by_ticker_and_page_without_gap_or_repeat(client):
    seen, cursor = [], None
    while True:
        answer = client.get("/v1/instruments", params={"limit": 5} | ({"cursor": cursor} if cursor else {})).json()
        seen += [row["instrument_id"] for row in answer["data"]]
        cursor = answer["next"]
        if cursor is None:
            break
    assert len(seen) == len(set(seen)) == 18
    assert seen[:2] == ["i_acme", "i_old"]


@pytest.mark.parametrize(
    ("params", "tickers"),
    [
        ({"q": "zet"}, ["ZETA"]),
        ({"q": "corpor"}, ["ACME"]),
        ({"sector": "Energy", "active": "true"}, ["ZETA"]),
        ({"sector": "Energy", "active": "false"}, ["ACME", "GONE"]),
        ({"market": "funds"}, ["NEW"]),
        ({"q": "Zeta & Sons"}, ["ZETA"]),
    ],
)
def test_instruments_are_filtered(client, params, tickers):
    assert [row["ticker"] for row in client.get("/v1/instruments", params=params).json()["data"]] == tickers


def test_unknown_sector_is_422_and_says_which_there_are(client):
    answer = client.get("/v1/instruments", params={"sector": "Techology"})
    assert answer.status_code == 422
    assert answer.json()["code"] == "value-unknown"
    assert answer.json()["known"] == ["Energy", "Technology", "Utilities"]


def test_a_known_sector_without_match_is_an_empty_page(client):
    answer = client.get("/v1/instruments", params={"sector": "Energy", "q": "acme cor"})
    assert (answer.status_code, answer.json()["data"], answer.json()["next"]) == (200, [], None)


def test_quote_is_live_while_no_bar_of_its_day_is_there(client):
    quote = client.get("/v1/quotes/ACME").json()["data"]
    assert (quote["basis"], quote["price"], quote["previous_close"]) == ("live", 55.12, 53)
    assert quote["change"] == pytest.approx(0.04)
    assert (quote["quoted_at"], quote["trade_date"]) == ("2024-06-27T14:01:00Z", None)


def test_quote_is_the_close_once_the_bar_of_its_day_is_there(client):
    quote = client.get("/v1/quotes/META").json()["data"]
    assert (quote["basis"], quote["price"], quote["trade_date"], quote["quoted_at"]) == (
        "close",
        20,
        "2024-06-26",
        None,
    )


def test_quote_of_the_next_day_of_its_market_is_live_also_where_utc_lags_behind(own):
    client, connection = own
    # The bar is of Wednesday the 26th; in Sydney it is Thursday.
    connection.execute(
        "insert into raw.quotes (source, source_symbol, quoted_at, trade_date, price, currency_code)"
        " values ('simulated', 'META', '2024-06-26T23:30Z', '2024-06-27', 21, 'USD')"
    )
    quote = client.get("/v1/quotes/META").json()["data"]
    assert (quote["basis"], quote["price"], quote["quoted_at"]) == ("live", 21, "2024-06-26T23:30:00Z")


def test_a_quote_says_until_when_it_is_fresh_and_a_close_too(own):
    client, connection = own
    connection.execute(
        "delete from marts.fct_daily_prices where trade_date = '2024-06-26' and instrument_id = 'i_acme'"
    )
    connection.execute(
        "insert into raw.instrument_aliases (source, source_symbol, valid_from_date, instrument_id, ticker)"
        " values ('fresh', 'ACME', '2020-01-01', 'i_acme', 'ACME')"
    )
    for quoted_at, is_stale in (("2024-06-27T11:59:40Z", False), ("2024-06-27T11:59:39Z", True)):
        connection.execute("delete from raw.quotes")
        connection.execute(
            "insert into raw.quotes (source, source_symbol, quoted_at, price, currency_code)"
            f" values ('fresh', 'ACME', '{quoted_at}', 52, 'USD')"
        )
        data = client.get("/v1/quotes/ACME").json()["data"]
        assert (data["basis"], data["is_stale"]) == ("live", is_stale)
        assert data["stale_after"] == quoted_at.replace("11:59:40", "12:00:00").replace("11:59:39", "11:59:59")
    # The close of the 26th is known by its end, and asked for again a day later.
    zeta = client.get("/v1/quotes/ZETA").json()["data"]
    assert (zeta["basis"], zeta["stale_after"], zeta["is_stale"]) == ("close", "2024-06-28T00:00:00Z", False)


def test_quote_of_an_adjusted_source_says_so(client):
    quote = client.get("/v1/quotes/zeta").json()["data"]
    assert (quote["price"], quote["adjustment"], quote["change"]) == (11, "splits_dividends", 0.1)
    assert quote["previous_close"] == pytest.approx(10)


def test_quotes_are_filtered_by_tickers_and_sector(client):
    def tickers(**params):
        return [row["ticker"] for row in client.get("/v1/quotes", params=params).json()["data"]]

    assert tickers() == ["ACME", "META", "ZETA"]
    assert tickers(tickers="zeta, ACME") == ["ACME", "ZETA"]
    assert tickers(sector="Technology") == ["ACME", "META"]
    assert tickers(tickers="GONE") == ["GONE"]


def test_quotes_page_by_ticker(client):
    seen, cursor = [], None
    while True:
        answer = client.get("/v1/quotes", params={"limit": 2} | ({"cursor": cursor} if cursor else {})).json()
        seen += [row["ticker"] for row in answer["data"]]
        cursor = answer["next"]
        if cursor is None:
            break
    assert seen == ["ACME", "META", "ZETA"]


def test_quotes_name_the_tickers_that_are_unknown(client):
    answer = client.get("/v1/quotes", params={"tickers": "ACME,NOPE,NADA"})
    assert answer.status_code == 404
    assert [error["message"] for error in answer.json()["errors"]] == ["NOPE", "NADA"]


def test_an_instrument_without_a_price_has_no_quote_and_no_history(client):
    for path in ("/v1/quotes/NEW", "/v1/history/NEW", "/v1/indicators/NEW"):
        answer = client.get(path)
        assert (answer.status_code, answer.json()["code"]) == (404, "price-missing")


@pytest.mark.parametrize("path", ["quotes", "history", "fundamentals", "indicators"])
def test_unknown_ticker_is_404_and_says_which(client, path):
    answer = client.get(f"/v1/{path}/NOPE")
    assert (answer.status_code, answer.json()["code"]) == (404, "ticker-unknown")
    assert "NOPE" in answer.json()["detail"]


def test_a_renamed_ticker_leads_to_its_successor_and_keeps_the_query(client):
    answer = client.get("/v1/history/metb?period=max", follow_redirects=False)
    assert answer.status_code == 307
    assert answer.headers["location"] == "/v1/history/META?period=max"
    assert (answer.json()["code"], answer.json()["successor"]) == ("ticker-renamed", "META")
    assert client.get("/v1/quotes/METB", follow_redirects=True).json()["data"]["ticker"] == "META"


def test_a_renamed_ticker_is_replaced_where_the_ticker_stands_alone(own):
    client, connection = own
    connection.execute("insert into marts.dim_tickers values ('H', '2024-01-02', '2024-05-31', 'i_meta')")
    answer = client.get("/v1/history/h", follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (307, "/v1/history/META")


def test_a_ticker_with_several_owners_means_the_one_that_trades(client):
    assert client.get("/v1/history/ACME").json()["meta"]["instrument_id"] == "i_acme"


def test_adjusted_history_ends_at_the_price_that_was_traded(client):
    answer = client.get("/v1/history/ACME").json()
    assert [bar["close"] for bar in answer["data"]] == [50, 51, 52, 51, 53]
    assert [bar["volume_shares"] for bar in answer["data"]] == [2000, 2000, 2000, 2000, 2200]
    assert [bar["is_suspect"] for bar in answer["data"]] == [False, False, False, True, False]
    meta = answer["meta"]
    assert (meta["adjustment"], meta["currency_code"], meta["source"]) == ("splits_dividends", "USD", "simulated")
    assert meta["as_of_date"] == "2024-06-26"


def test_history_as_traded_shows_the_split(client):
    answer = client.get("/v1/history/ACME", params={"adjusted": "false"}).json()
    assert [bar["close"] for bar in answer["data"]] == [100, 102, 52, 51, 53]
    assert answer["meta"]["adjustment"] == "none"


def test_weeks_leave_out_bars_under_suspicion(client):
    weeks = client.get("/v1/history/ACME", params={"interval": "1w"}).json()["data"]
    assert weeks == [
        {"trade_date": "2024-06-21", "open": 49.5, "high": 52, "low": 49, "close": 51,
         "volume_shares": 4000, "n_sessions": 2, "is_suspect": False},
        {"trade_date": "2024-06-26", "open": 51, "high": 55, "low": 50, "close": 53,
         "volume_shares": 4200, "n_sessions": 2, "is_suspect": False},
    ]  # fmt: skip


def test_a_month_is_one_bar(client):
    months = client.get("/v1/history/ACME", params={"interval": "1mo"}).json()["data"]
    assert [(bar["open"], bar["close"], bar["n_sessions"]) for bar in months] == [(49.5, 53, 4)]


def test_both_ends_of_a_range_are_included(client):
    answer = client.get("/v1/history/ACME", params={"start": "2024-06-21", "end": "2024-06-24"}).json()
    assert [bar["trade_date"] for bar in answer["data"]] == ["2024-06-21", "2024-06-24"]


def test_a_period_goes_back_from_the_instruments_own_last_session(client):
    answer = client.get("/v1/history/GONE", params={"period": "1m"}).json()
    assert (answer["meta"]["start"], answer["meta"]["end"]) == ("2021-02-05", "2021-03-05")


def test_as_traded_prices_are_refused_where_the_source_has_none(client):
    answer = client.get("/v1/history/ZETA", params={"adjusted": "false"})
    assert (answer.status_code, answer.json()["code"]) == (422, "as-traded-unavailable")


@pytest.mark.parametrize(
    "params", [{"period": "1y", "start": "2024-01-01"}, {"start": "2024-02-01", "end": "2024-01-01"}]
)
def test_history_refuses_ranges_that_contradict_themselves(client, params):
    answer = client.get("/v1/history/ACME", params=params)
    assert (answer.status_code, answer.json()["code"]) == (422, "parameter-conflict")


def test_history_refuses_a_contradiction_before_it_looks_for_prices(client):
    contradictory = {"start": "2024-02-01", "end": "2024-01-01"}
    assert client.get("/v1/history/NEW", params=contradictory).json()["code"] == "parameter-conflict"
    assert client.get("/v1/history/NEW").json()["code"] == "price-missing"


@pytest.mark.parametrize("params", [{}, {"adjusted": "false"}, {"interval": "1w"}])
def test_columns_of_the_same_name_do_not_stand_in_for_what_history_computes(own, params):
    client, connection = own
    before = client.get("/v1/history/ACME", params=params).json()["data"]
    for name, kind in (
        ("millionths", "float8"),
        ("share_factor", "float8"),
        ("first_date", "date"),
        ("last_date", "date"),
    ):
        connection.execute(f"alter table marts.fct_daily_prices add {name} {kind}")
    assert client.get("/v1/history/ACME", params=params).json()["data"] == before


@pytest.mark.parametrize("value", ["NaN", "Infinity"])
@pytest.mark.parametrize("column", ["split_factor", "adjustment_factor", "volume_adj", "close_adj"])
def test_a_bar_that_is_no_number_takes_no_other_away(own, column, value):
    client, connection = own
    (last,) = connection.execute(
        "select max(p.trade_date) from marts.fct_daily_prices as p inner join marts.dim_instruments as i"
        " on p.instrument_id = i.instrument_id where i.ticker = 'ACME'"
    ).fetchone()
    paths = ["/v1/history/ACME", "/v1/history/ACME?interval=1w", f"/v1/prices?tickers=ACME&start={last}&end={last}"]
    before = [client.get(path).json()["data"][-1] for path in paths]
    connection.execute(f"update marts.fct_daily_prices set {column} = %s where trade_date = %s", [value, last])
    for path, was in zip(paths, before, strict=True):
        answer = client.get(path)
        assert answer.status_code == 200, answer.text
        bar = answer.json()["data"][-1]
        name = {"adjustment_factor": "open", "close_adj": "close"}.get(column, "volume_shares")
        assert (bar["trade_date"], bar["is_suspect"]) == (was["trade_date"], was["is_suspect"])
        # An infinite factor makes prices of nothing; a week has the volume of its other days.
        is_gone = (column, value) != ("adjustment_factor", "Infinity") and (column != "volume_adj" or "1w" not in path)
        assert (bar[name] is None) == is_gone
        assert was[name] is not None


def test_history_before_the_first_bar_is_404(client):
    answer = client.get("/v1/history/ACME", params={"end": "2020-01-01"})
    assert (answer.status_code, answer.json()["code"]) == (404, "nothing-in-range")


def test_fundamentals_are_those_known_on_the_day(client):
    def revenue(**params):
        return [row["revenue"] for row in client.get("/v1/fundamentals/ACME", params=params).json()["data"]]

    assert revenue() == [1200]
    assert revenue(as_of="2024-02-15") == [1200]
    assert revenue(as_of="2024-02-14") == [1000]
    assert revenue(limit=5) == [1200, 1000]


def test_fundamentals_of_a_past_day_do_not_tell_when_the_next_ones_came(client):
    past = client.get("/v1/fundamentals/ACME", params={"as_of": "2024-02-01"}).json()["data"][0]
    now = client.get("/v1/fundamentals/ACME", params={"limit": 2}).json()["data"][1]
    assert (past["known_to_date"], now["known_to_date"]) == (None, "2024-02-14")


def test_fundamentals_before_the_first_are_404_with_the_first_date(client):
    answer = client.get("/v1/fundamentals/ACME", params={"as_of": "2023-02-12"})
    assert answer.status_code == 404
    assert (answer.json()["code"], answer.json()["first_date"]) == ("before-first-date", "2023-02-13")


def test_an_instrument_without_statements_says_so(client):
    answer = client.get("/v1/fundamentals/ZETA")
    assert (answer.status_code, "first_date" in answer.json()) == (404, False)
