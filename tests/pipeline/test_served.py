"""What the API answers over tables as the pipeline makes them: shapes, versions, rights; its own tests have a seed."""

from collections.abc import Iterator

import pytest
from litestar.testing import TestClient

from api.app import VERSIONED, create_app
from tests.pipeline.conftest import LAST_DAY, Installation
from warehouse.settings import read_settings
from warehouse.versions import BUILT

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("pipeline")]
# Answers about some instruments alone: those that an index has.
OF_SOME = ("list_index_member",)
# Not every market has drifted, and not every strategy has traded.
MAY_BE_EMPTY = ("/drift", "/events", "/orders", "/signals", "/trades")


@pytest.fixture(scope="module")
def client(refreshed: Installation) -> Iterator[TestClient]:
    # Copies of the home are made while its server stands still.
    refreshed.server.start()
    settings = read_settings(refreshed.variables(), folder=refreshed.home)
    with TestClient(create_app(settings)) as client:
        yield client


@pytest.fixture(scope="module")
def ids(client: TestClient) -> dict[str, str]:
    """An instrument that trades, a backtest, a forecaster, and a strategy."""
    return {
        "ticker": client.get("/v1/rankings", params={"limit": 1}).json()["data"][0]["ticker"],
        "backtest_id": client.get("/v1/backtests", params={"limit": 1}).json()["data"][0]["backtest_id"],
        "model_id": client.get("/v1/models", params={"limit": 1}).json()["data"][0]["model_id"],
        "strategy_id": client.get("/v1/strategies").json()["data"][0]["strategy_id"],
    }


def paths(client: TestClient, ids: dict[str, str]) -> dict[str, bool]:
    """Every read of market data with what it needs, and whether its answer has a version."""
    known = client.get("/openapi.json").json()["paths"]
    by_id = {item["get"]["operationId"]: path for path, item in known.items() if "get" in item}
    reads = [
        handler
        for handler in VERSIONED
        if "GET" in handler.http_methods
        and handler.opt["scope"] == "read:market"
        and "datasets" in handler.opt
        and "content" not in handler.opt
    ]
    needs = {"list_prices": "?tickers={ticker}"}
    return {
        (by_id[read.operation_id] + needs.get(read.operation_id, "")).format(**ids): bool(read.opt["datasets"])
        for read in reads
        if read.operation_id not in OF_SOME
    }


def test_every_operation_answers_with_rows_a_version_and_then_304(client: TestClient, ids: dict[str, str]):
    answered = paths(client, ids)
    assert len(answered) > 20
    for path, has_version in answered.items():
        answer = client.get(path)
        assert answer.status_code == 200, f"{path}: {answer.text}"
        assert answer.json().get("data", True) or path.endswith(MAY_BE_EMPTY), path
        if has_version:
            assert answer.json()["meta"]["dataset_version"], path
            again = client.get(path, headers={"If-None-Match": answer.headers["ETag"]})
            assert (again.status_code, again.content) == (304, b""), path


def test_the_report_of_a_backtest_is_a_page(client: TestClient, ids: dict[str, str]):
    answer = client.get("/v1/backtests/{backtest_id}/report".format(**ids))
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert "<svg" in answer.text


def test_the_pipeline_has_published_what_is_hot_and_it_is_what_the_tables_say(
    client: TestClient, ids: dict[str, str], refreshed: Installation
):
    with refreshed.connect() as connection:
        keys = [key for (key,) in connection.execute("select key from app.published_documents order by key")]
    assert {"/v1/rankings", "/v1/signals/live"} <= set(keys)
    assert sum(key.startswith("/v1/history/") for key in keys) == 2 * 50
    published = {key: client.get(key) for key in keys}
    assert {answer.headers["vary"] for answer in published.values()} == {"Accept, Accept-Encoding"}
    # Whoever asks for JSON by name is answered from the tables.
    for key, answer in published.items():
        dynamic = client.get(f"{key}{'&' if '?' in key else '?'}format=json")
        assert dynamic.headers["vary"] == "Accept"
        assert dynamic.content == answer.content, key


def test_what_is_not_there_is_404(client: TestClient):
    for path in ("quotes", "history", "fundamentals", "indicators"):
        answer = client.get(f"/v1/{path}/NOPE")
        assert (answer.status_code, answer.json()["code"]) == (404, "ticker-unknown"), path
    assert client.get("/v1/backtests/b0").json()["code"] == "backtest-unknown"


def test_rankings_and_statements_before_the_first_day_are_404_with_that_day(client: TestClient, ids: dict[str, str]):
    for path in ("/v1/rankings", f"/v1/fundamentals/{ids['ticker']}"):
        answer = client.get(path, params={"as_of": "1999-12-31"}).json()
        assert answer["code"] == "before-first-date", path
        assert client.get(path, params={"as_of": answer["first_date"]}).status_code == 200, path


def test_the_service_is_ready_and_up_to_date(client: TestClient):
    answer = client.get("/readyz").json()
    assert answer["status"] == "ok", answer
    assert LAST_DAY in answer["checks"][-1]["message"]


def test_a_ticker_that_was_given_up_leads_to_its_successor(client: TestClient, refreshed: Installation):
    with refreshed.connect() as connection:
        connection.execute("set role factorloom_writer")
        connection.execute(
            "insert into marts.dim_tickers (ticker, valid_from_date, valid_to_date, instrument_id)"
            " select 'OLDNAME', '2019-01-02', '2019-12-31', instrument_id from marts.dim_instruments"
            " where is_active order by ticker limit 1"
        )
    try:
        answer = client.get("/v1/quotes/OLDNAME", follow_redirects=False)
    finally:
        with refreshed.connect() as connection:
            connection.execute("delete from marts.dim_tickers where ticker = 'OLDNAME'")
    assert (answer.status_code, answer.json()["code"]) == (307, "ticker-renamed")


def test_every_table_that_is_served_has_a_version_of_its_own(client: TestClient):
    datasets = {name for handler in VERSIONED for name in handler.opt.get("datasets", ())}
    assert {name for name in datasets if name.startswith(("marts.", "factors."))} <= set(BUILT)
    known = {row["dataset"] for row in client.get("/v1/datasets").json()["data"]}
    # There are no quotes before the first session under way.
    assert datasets - known <= {"raw.quotes"}
