"""Symbols, prices of several, factors, explanations, signals, models, parts of backtests, diagnostics, and orders."""

import pytest

from warehouse.queries.datasets import wanted_revision


def pages(client, path, **params):
    """Every row of a list, page by page."""
    seen, cursor = [], None
    while True:
        answer = client.get(path, params=params | ({"cursor": cursor} if cursor else {})).json()
        seen += answer["data"]
        cursor = answer["next"]
        if cursor is None:
            return seen


def test_symbols_are_all_there_is_in_a_few_words(client):
    answer = client.get("/v1/symbols").json()
    assert answer["next"] is None
    assert len(answer["data"]) == 18
    assert set(answer["data"][0]) == {"ticker", "name", "instrument_id", "is_active"}
    assert pages(client, "/v1/symbols", limit=5) == answer["data"]
    assert [row["ticker"] for row in client.get("/v1/symbols?active=false").json()["data"]] == ["ACME", "GONE"]
    assert client.get("/v1/symbols?market=nowhere").json()["known"] == ["funds", "stocks"]


def test_prices_of_several_are_those_of_each(client):
    rows = client.get("/v1/prices", params={"tickers": "zeta,ACME"}).json()
    assert [row["ticker"] for row in rows["data"]] == ["ACME"] * 5 + ["ZETA"] * 2
    assert (rows["meta"]["start"], rows["meta"]["end"]) == ("2023-06-26", "2024-06-26")
    for ticker, adjustment in (("ACME", "splits_dividends"), ("ZETA", "splits_dividends")):
        alone = client.get(f"/v1/history/{ticker}").json()["data"]
        own = [row for row in rows["data"] if row["ticker"] == ticker]
        assert {row["adjustment"] for row in own} == {adjustment}
        for name in ("trade_date", "open", "high", "low", "close", "volume_shares", "is_suspect"):
            assert [row[name] for row in own] == [row[name] for row in alone]
    assert pages(client, "/v1/prices", tickers="ACME,ZETA", limit=2) == rows["data"]


def test_prices_as_traded_are_of_those_who_have_them(client):
    rows = client.get("/v1/prices?tickers=ACME&adjusted=false&start=2024-06-20&end=2024-06-21").json()["data"]
    assert [(row["close"], row["volume_shares"], row["adjustment"]) for row in rows] == [
        (100.0, 1000, "none"), (102.0, 1000, "none"),
    ]  # fmt: skip
    refused = client.get("/v1/prices?tickers=ACME,ZETA&adjusted=false")
    assert (refused.status_code, refused.json()["code"]) == (422, "as-traded-unavailable")


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("", 400, "parameter-invalid"),
        ("tickers=", 400, "parameter-invalid"),
        ("tickers=ACME,NOPE", 404, "ticker-unknown"),
        ("tickers=NEW", 404, "nothing-in-range"),
        ("tickers=ACME&start=2024-06-27&end=2024-06-26", 422, "parameter-conflict"),
        ("tickers=ACME&end=2020-01-01", 404, "nothing-in-range"),
    ],
)
def test_prices_of_nothing_are_refused(client, query, status, code):
    answer = client.get(f"/v1/prices?{query}")
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_factors_are_those_of_the_newest_day_or_of_an_older_one(client):
    answer = client.get("/v1/factors/ACME").json()
    assert (answer["meta"]["as_of_date"], len(answer["data"])) == ("2024-06-26", 26)
    momentum = next(row for row in answer["data"] if row["factor"] == "momentum_252d_21d")
    assert momentum == {
        "as_of_date": "2024-06-26", "factor": "momentum_252d_21d", "factor_group": "momentum",
        "value": 0.5, "z": 1.5, "rank": 1.0, "unit": "fraction",
    }  # fmt: skip
    older = client.get("/v1/factors/ACME?as_of=2024-06-25").json()
    assert (older["meta"]["as_of_date"], older["data"][0]["value"]) == ("2024-06-25", 0.25)
    early = client.get("/v1/factors/ACME?as_of=2024-06-24")
    assert (early.status_code, early.json()["first_date"]) == (404, "2024-06-25")
    assert client.get("/v1/factors/NEW").json()["code"] == "before-first-date"


def test_an_explanation_puts_ranking_factors_and_words_side_by_side(client):
    answer = client.get("/v1/rankings/ACME/explanation").json()
    assert answer["data"]["ranking"] == client.get("/v1/rankings?limit=1").json()["data"][0]
    assert answer["data"]["factors"] == client.get("/v1/factors/ACME").json()["data"]
    assert [(row["model_id"], row["reasons"]) for row in answer["data"]["signals"]] == [
        ("ensemble", ["technical says buy"]), ("technical", ["high momentum"]),
    ]  # fmt: skip
    older = client.get("/v1/rankings/ACME/explanation?as_of=2024-06-25").json()
    # No factor of that day is known, and no signal kept: nothing newer takes their place.
    assert (older["meta"]["as_of_date"], older["data"]["factors"], older["data"]["signals"]) == ("2024-06-24", [], [])


def test_an_explanation_follows_a_renamed_ticker_and_says_where_there_is_none(client):
    moved = client.get("/v1/rankings/METB/explanation?profile=balanced", follow_redirects=False)
    assert moved.status_code == 307
    assert moved.headers["location"] == "/v1/rankings/META/explanation?profile=balanced"
    assert client.get("/v1/rankings/META/explanation").json()["data"]["ranking"]["rank"] is None
    assert client.get("/v1/rankings/GONE/explanation").json()["code"] == "before-first-date"
    early = client.get("/v1/rankings/ACME/explanation?as_of=2024-06-23").json()
    assert early["first_date"] == "2024-06-24"


def test_live_signals_are_those_of_all_together_unless_one_is_named(client):
    answer = client.get("/v1/signals/live").json()
    assert [(row["ticker"], row["signal"]) for row in answer["data"]] == [
        ("ACME", "strong_buy"), ("ZETA", "hold"), ("META", "sell"),
    ]  # fmt: skip
    assert answer["meta"]["as_of_date"] == "2024-06-26"
    one = client.get("/v1/signals/live?model=technical").json()["data"]
    assert [(row["reason_features"], row["reason_sizes"]) for row in one] == [(["momentum_252d_21d"], [0.125])]
    assert client.get("/v1/signals/live?as_of=2024-06-25").json()["meta"]["as_of_date"] == "2024-06-25"
    unknown = client.get("/v1/signals/live?model=nope")
    assert (unknown.status_code, unknown.json()["known"]) == (422, ["ensemble", "technical"])
    assert client.get("/v1/signals/live?as_of=2024-06-24").json()["first_date"] == "2024-06-25"


def test_models_show_their_newest_version_and_their_skill(client):
    rows = client.get("/v1/models").json()["data"]
    assert [row["model_id"] for row in rows] == ["momentum_rule", "technical"]
    rule, learnt = rows
    assert (rule["model_version_id"], rule["n_versions"], rule["rank_ic_mean"]) == (None, 0, 0.015625)
    assert (learnt["model_version_id"], learnt["n_versions"], learnt["n_rows"]) == ("m_2", 2, 200)
    assert (learnt["rank_ic_mean"], learnt["rank_ic_t"], learnt["n_features"]) == (0.03125, 2.5, 2)
    assert pages(client, "/v1/models", limit=1) == rows


def test_evaluations_are_those_of_one_model(client):
    rows = client.get("/v1/models/technical/evaluations").json()["data"]
    assert [(row["metric"], row["value"]) for row in rows] == [("rank_ic_mean", 0.03125), ("rank_ic_t", 2.5)]
    by_retraining = client.get("/v1/models/technical/evaluations", params={"by_retraining": True}).json()["data"]
    assert [(row["valid_from_date"], row["metric"], row["value"]) for row in by_retraining] == [
        ("2024-04-01", "rank_ic_mean", 0), ("2024-04-01", "rank_ic_t", None), ("2024-01-01", "rank_ic_mean", 0.0625),
    ]  # fmt: skip
    only = {"by_retraining": True, "metric": "rank_ic_t"}
    assert len(client.get("/v1/models/technical/evaluations", params=only).json()["data"]) == 1
    unknown = client.get("/v1/models/nope/evaluations")
    assert (unknown.status_code, unknown.json()["known"]) == (404, ["momentum_rule", "technical"])


def test_drift_is_told_newest_quarter_first_and_can_be_narrowed(client):
    path = "/v1/models/technical/drift"
    rows = client.get(path).json()["data"]
    assert [(row["valid_from_date"], row["kind"], row["is_drifted"]) for row in rows] == [
        ("2024-04-01", "feature", False), ("2024-04-01", "skill", False), ("2024-01-01", "feature", True),
    ]  # fmt: skip
    assert pages(client, path, limit=1) == rows
    assert client.get(f"{path}?kind=skill").json()["data"] == rows[1:2]
    assert client.get(f"{path}?drifted=true").json()["data"] == rows[2:]
    # A rule that learns nothing has nothing to drift from.
    assert client.get("/v1/models/momentum_rule/drift").json()["data"] == []
    assert client.get("/v1/models/nope/drift").json()["code"] == "model-unknown"


def test_a_backtest_comes_in_parts(client):
    whole = client.get("/v1/backtests/b_one").json()["data"]
    assert client.get("/v1/backtests/b_one/equity").json()["data"] == whole["equity"]
    trades = client.get("/v1/backtests/b_one/trades").json()["data"]
    assert [(row["trade_date"], row["ticker"], row["traded_value"]) for row in trades] == [
        ("2024-06-24", "ACME", 0.5), ("2024-06-24", "ZETA", 0.5), ("2024-06-26", "ACME", -0.5),
    ]  # fmt: skip
    assert pages(client, "/v1/backtests/b_one/trades", limit=1) == trades
    for part in ("equity", "trades"):
        assert client.get(f"/v1/backtests/b_no/{part}").json()["code"] == "backtest-unknown"


def test_diagnostics_say_how_database_and_sources_stand(client):
    facts = client.get("/v1/diagnostics/database-status").json()["data"]
    assert facts["revision"] == wanted_revision()
    assert 0 < facts["n_connections"] <= facts["max_connections"]
    assert facts["size_bytes"] > 1_000_000
    assert not facts["is_replica"]
    (row,) = client.get("/v1/diagnostics/refresh-status").json()["data"]
    assert (row["source"], row["entity"], row["asked_at"]) == ("simulated", "quotes", "2024-06-27T14:01:00Z")
    assert row["version"]


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/v1/rankings", "rank"),
        ("/v1/rankings", "score"),
        ("/v1/rankings", "ticker"),
        ("/v1/instruments", "ticker"),
        ("/v1/instruments", "name"),
        ("/v1/instruments", "last_trade_date"),
        ("/v1/signals/live", "rank"),
        ("/v1/signals/live", "confidence"),
        ("/v1/signals/live", "expected_return_22d"),
        ("/v1/backtests", "computed_at"),
        ("/v1/backtests", "last_date"),
    ],
)
@pytest.mark.parametrize("sign", ["", "-"])
def test_every_order_pages_to_the_same_rows_missing_ones_last(client, path, field, sign):
    whole = client.get(path, params={"sort": sign + field, "limit": 1000}).json()["data"]
    values = [row[field] for row in whole]
    known = [value for value in values if value is not None]
    assert values == sorted(known, reverse=bool(sign)) + [None] * (len(values) - len(known))
    assert pages(client, path, sort=sign + field, limit=2) == whole


def test_an_order_that_is_not_offered_is_refused(client):
    for sort in ("nope", "score desc", "--score", "-", "computed_at; drop table x"):
        answer = client.get("/v1/rankings", params={"sort": sort})
        assert (answer.status_code, answer.json()["errors"][0]["parameter"]) == (400, "sort")
    cursor = client.get("/v1/rankings?sort=score&limit=2").json()["next"]
    other = client.get("/v1/rankings", params={"sort": "rank", "limit": 2, "cursor": cursor})
    assert (other.status_code, other.json()["code"]) == (400, "cursor-mismatch")
