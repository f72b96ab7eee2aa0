"""Rankings, indicators, backtests and datasets."""

import pytest


def test_ranking_is_that_of_the_newest_day_best_first_and_explains_itself(client):
    answer = client.get("/v1/rankings").json()
    assert answer["meta"]["as_of_date"] == "2024-06-26"
    assert [row["ticker"] for row in answer["data"][:3]] == ["ACME", "ZETA", "P00"]
    for row in answer["data"]:
        parts = [value for name, value in row.items() if name.startswith("contribution_")]
        assert len(parts) == 7
        assert row["score"] == 50 + sum(parts)


def test_those_behind_a_risk_limit_come_last_without_a_rank(client):
    last = client.get("/v1/rankings").json()["data"][-1]
    assert (last["ticker"], last["rank"], last["breached_limit"]) == ("META", None, "volatility")


@pytest.mark.parametrize(
    ("as_of", "found"), [("2024-06-25", "2024-06-24"), ("2024-06-24", "2024-06-24"), ("2030-01-01", "2024-06-26")]
)
def test_as_of_takes_the_newest_day_not_after_it(client, as_of, found):
    assert client.get("/v1/rankings", params={"as_of": as_of}).json()["meta"]["as_of_date"] == found


def test_before_the_first_ranking_is_404_with_the_first_date(client):
    answer = client.get("/v1/rankings", params={"as_of": "2024-06-23"})
    assert (answer.status_code, answer.json()["first_date"]) == (404, "2024-06-24")


def test_a_profile_without_rankings_says_that_there_are_none(client):
    answer = client.get("/v1/rankings", params={"profile": "aggressive"})
    assert (answer.status_code, answer.json()["code"]) == (404, "before-first-date")


def test_intraday_rankings_are_shown_only_when_asked_for(client):
    answer = client.get("/v1/rankings", params={"is_intraday": "true"}).json()
    assert (answer["meta"]["as_of_date"], answer["data"][0]["is_intraday"]) == ("2024-06-27", True)


def test_filters_keep_the_ranks_of_the_whole_universe(client):
    answer = client.get("/v1/rankings", params={"sector": "Energy", "market": "stocks"}).json()
    assert [(row["ticker"], row["rank"]) for row in answer["data"]] == [("ZETA", 2)]


def test_the_first_places_are_the_same_however_many_are_asked_for(client):
    def first(limit):
        return client.get("/v1/rankings", params={"limit": limit, "format": "json"}).json()

    # More than the API reads as first places alone.
    whole = first(1000)["data"]
    ranks = [row["rank"] for row in whole]
    placed = [rank for rank in ranks if rank is not None]
    assert ranks == sorted(placed) + [None] * (len(ranks) - len(placed))
    assert 0 < len(placed) < len(ranks)
    for limit in range(1, len(whole) + 1):
        answer = first(limit)
        assert answer["data"] == whole[:limit]
        assert (answer["next"] is None) == (limit == len(whole))


def test_rankings_page_through_ranked_and_unranked(client):
    seen, cursor = [], None
    while True:
        answer = client.get("/v1/rankings", params={"limit": 4} | ({"cursor": cursor} if cursor else {})).json()
        seen += [row["rank"] for row in answer["data"]]
        cursor = answer["next"]
        if cursor is None:
            break
    assert seen == [*range(1, 15), None]


def test_indicators_are_measured_in_terms_of_the_latest_share(client):
    answer = client.get("/v1/indicators/ACME").json()
    assert [row["sma_20d"] for row in answer["data"]] == [51, 51.5, 52]
    assert [row["rsi_14d"] for row in answer["data"]] == [40, 45, 50]
    assert [row["obv_shares"] for row in answer["data"]] == [2000, 0, 2200]
    assert answer["meta"]["as_of_date"] == "2024-06-26"


def test_indicators_page_back_in_time(client):
    first = client.get("/v1/indicators/ACME", params={"limit": 2}).json()
    second = client.get("/v1/indicators/ACME", params={"limit": 2, "cursor": first["next"]}).json()
    assert [row["as_of_date"] for row in first["data"]] == ["2024-06-25", "2024-06-26"]
    assert [row["as_of_date"] for row in second["data"]] == ["2024-06-24"]
    assert second["next"] is None


def test_indicators_of_a_range(client):
    answer = client.get("/v1/indicators/ACME", params={"start": "2024-06-25", "end": "2024-06-25"}).json()
    assert [row["as_of_date"] for row in answer["data"]] == ["2024-06-25"]
    assert client.get("/v1/indicators/ACME", params={"end": "2020-01-01"}).json()["code"] == "nothing-in-range"
    contradictory = {"start": "2024-06-25", "end": "2024-06-24"}
    assert client.get("/v1/indicators/ACME", params=contradictory).json()["code"] == "parameter-conflict"


def test_backtests_come_newest_first_and_page_by_time_and_id(client):
    first = client.get("/v1/backtests", params={"limit": 1}).json()
    second = client.get("/v1/backtests", params={"limit": 1, "cursor": first["next"]}).json()
    third = client.get("/v1/backtests", params={"limit": 1, "cursor": second["next"]}).json()
    assert [page["data"][0]["backtest_id"] for page in (first, second, third)] == ["b_two", "b_one", "b_three"]
    assert third["next"] is None


def test_backtests_are_filtered_by_profile(client):
    answer = client.get("/v1/backtests", params={"profile": "aggressive"}).json()
    assert [row["backtest_id"] for row in answer["data"]] == ["b_two"]


def test_a_backtest_has_figures_beside_the_benchmark_and_its_books(client):
    detail = client.get("/v1/backtests/b_one").json()["data"]
    assert detail["backtest"]["configuration"] == {"cost_bps": 5}
    assert [(row["metric"], row["value"], row["benchmark_value"]) for row in detail["metrics"]] == [
        ("sharpe", 1.5, 0.5)
    ]
    assert [row["equity"] for row in detail["equity"]] == [1, 1.25]
    assert all(row["cash"] + row["positions_value"] == row["equity"] for row in detail["equity"])


def test_unknown_backtest_is_404_and_says_which(client):
    answer = client.get("/v1/backtests/b_nine")
    assert (answer.status_code, answer.json()["code"]) == (404, "backtest-unknown")
    assert "b_nine" in answer.json()["detail"]


def test_datasets_tell_version_and_newest_day(client):
    rows = {row["dataset"]: row for row in client.get("/v1/datasets").json()["data"]}
    assert rows["research.rankings"]["as_of_date"] == "2024-06-26"
    assert rows["research.rankings"]["changed_at"] == "2024-06-26T22:00:00Z"
    ranking = client.get("/v1/instruments").json()["meta"]["dataset_version"]
    assert ranking == rows["marts.dim_instruments"]["version"]
