"""Indices: levels, what they hold, and their risk."""

import pytest


def test_an_index_is_shown_with_what_it_holds_at_the_newest_close(client):
    answer = client.get("/v1/index/current").json()
    assert answer["meta"]["index"] == "main"
    assert answer["meta"]["as_of_date"] == "2024-06-26"
    assert answer["data"]["level"]["value"] == 105
    held = answer["data"]["constituents"]
    # 5.2 units of ZETA at 11 and half a unit of ACME at 106.
    assert [(row["ticker"], row["weight"]) for row in held] == [
        ("ZETA", pytest.approx(57.2 / 110.2)),
        ("ACME", pytest.approx(53 / 110.2)),
    ]
    assert {row["changed_date"] for row in held} == {"2024-06-25"}


def test_as_of_takes_the_positions_of_its_day_and_no_suspect_price(client):
    earlier = client.get("/v1/index/current", params={"as_of": "2024-06-24"}).json()["data"]
    assert [(row["ticker"], row["weight"]) for row in earlier["constituents"]] == [("ACME", 1)]
    day = client.get("/v1/index/current", params={"as_of": "2024-06-25"}).json()["data"]
    assert {row["ticker"]: row["close_adj"] for row in day["constituents"]} == {"ACME": 104, "ZETA": 10}


def test_before_the_base_is_404_with_the_base(client):
    answer = client.get("/v1/index/current", params={"as_of": "2024-06-23"})
    assert (answer.status_code, answer.json()["first_date"]) == (404, "2024-06-24")


@pytest.mark.parametrize("path", ["index/current", "index/history", "strategy/risk-metrics"])
def test_an_unknown_index_is_422_and_lists_those_that_are_known(client, path):
    answer = client.get(f"/v1/{path}", params={"index": "nope"})
    assert (answer.status_code, answer.json()["known"]) == (422, ["empty", "main"])


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("index/current", "before-first-date"),
        ("index/history", "nothing-in-range"),
        ("strategy/risk-metrics", "before-first-date"),
    ],
)
def test_an_index_that_holds_nothing_yet_is_404(client, path, code):
    answer = client.get(f"/v1/{path}", params={"index": "empty"})
    assert (answer.status_code, answer.json()["code"]) == (404, code)


def test_levels_come_oldest_first_and_page_back_in_time(client):
    first = client.get("/v1/index/history", params={"limit": 2}).json()
    second = client.get("/v1/index/history", params={"limit": 2, "cursor": first["next"]}).json()
    assert [row["as_of_date"] for row in first["data"]] == ["2024-06-25", "2024-06-26"]
    assert [row["as_of_date"] for row in second["data"]] == ["2024-06-24"]
    assert second["next"] is None
    assert second["data"][0]["return_1d"] is None


def test_levels_of_a_range(client):
    params = {"start": "2024-06-25", "end": "2024-06-25"}
    assert [row["value"] for row in client.get("/v1/index/history", params=params).json()["data"]] == [100]
    contradictory = {"start": "2024-06-26", "end": "2024-06-24"}
    assert client.get("/v1/index/history", params=contradictory).json()["code"] == "parameter-conflict"


def test_risk_comes_by_window_the_shortest_first_and_one_can_be_asked_for(client):
    rows = client.get("/v1/strategy/risk-metrics").json()["data"]
    assert [(row["window"], row["metric"]) for row in rows] == [
        ("1m", "sharpe"), ("1y", "deflated_sharpe"), ("1y", "n_trials"), ("1y", "overfitting_probability"),
        ("1y", "sharpe"), ("3y", "cagr"), ("3y", "n_days"), ("3y", "sharpe"), ("all", "max_drawdown"),
    ]  # fmt: skip
    only = client.get("/v1/strategy/risk-metrics", params={"window": "1y"}).json()["data"]
    assert [(row["value"], row["net_value"], row["benchmark_value"]) for row in only] == [
        (0.8, 0.7, None), (3, 3, None), (0.4, 0.3, None), (1.25, 1, 0.25)
    ]  # fmt: skip


def test_weightings_are_compared_after_costs_with_what_their_trades_cost(client):
    [row] = client.get("/v1/index/comparison", params={"window": "3y"}).json()["data"]
    assert (row["index_id"], row["weighting"], row["is_simple"]) == ("main", "equal", True)
    assert (row["sharpe"], row["sharpe_before_costs"], row["cagr"], row["cagr_before_costs"]) == (1, 1.25, 0.15, 0.2)
    # Of half a year: the trades of its days, 1.5 times the value and 15 basis points, not the base before them.
    assert (row["turnover_per_year"], row["cost_per_year"]) == pytest.approx((3, 0.003))
    assert client.get("/v1/index/comparison", params={"window": "moon"}).status_code in (400, 422)


def test_what_is_left_of_a_sharpe_ratio_stands_beside_it(client):
    [row] = client.get("/v1/index/comparison", params={"window": "1y"}).json()["data"]
    assert (row["sharpe"], row["deflated_sharpe"], row["overfitting_probability"], row["n_trials"]) == (1, 0.7, 0.3, 3)
    assert (row["sharpe_before_costs"], row["deflated_sharpe_before_costs"]) == (1.25, 0.8)


def test_what_the_weighting_is_called_by_and_whether_it_is_simple(site):
    site.connection.execute(
        "insert into app.index_definitions (index_id, version, effective_date, rules) values"
        """ ('main', 2, '2024-06-26', '{"weighting": {"momentum": 0.25, "ranking": 0.75}}'),"""
        """ ('main', 3, '2024-06-27', '{"weighting": {"market_cap": 1}}')"""
    )
    [row] = site.ask("GET", "/v1/index/comparison?window=3y").json()["data"]
    assert (row["weighting"], row["is_simple"]) == ("ranking 0.75, momentum 0.25", False)
